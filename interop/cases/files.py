"""Static files: what is served and what never is, ranges and conditions, coded forms, fallback, listings."""

import email.parser
import gzip
import os
import re

from harness.checks import case, equal, parallel, true, until
from harness.http import Connection
from harness.pattern import pattern

# One shard: its cache, its descriptors, and nobody else to take over while it would wait.
ONE_SHARD = "shards = 1"


def site(world, files):
    """A folder with these files beside another file that must stay unseen."""
    folder = world.subfolder("files")
    (folder / "site").mkdir()
    (folder / "outside").write_text("outside")
    for name, content in files.items():
        path = folder / "site" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder / "site"


def served(world, folder, *routes, path="GET /", keys=(), **more):
    """A gateway that serves the folder, with routes beside it."""
    return world.gateway((path, None, f'static = "{folder}"', *keys), *routes, mesh_keys=ONE_SHARD, **more)


@case("files")
def files(world):
    """Index, types, HEAD, conditions, methods, hidden names, and routes beside a directory at `/`."""
    folder = site(
        world,
        {
            "index.html": "<p>index",
            "a b.txt": "text",
            "sub/index.html": "<p>sub",
            "empty": "",
            ".env": "secret",
            ".git/config": "secret",
            ".well-known/acme": "token",
            "large.js": "x" * 200_000,
        },
    )
    gateway = served(
        world,
        folder,
        ("GET /hello", "hello_world"),
        ("ANY /docs", None, f'static = "{folder}"', "nocache = true"),
        ("GET /one", None, f'static = "{folder}/a b.txt"'),
    )
    world.npm(gateway, "hello_world")
    for target, kind, body in [
        ("/", "text/html; charset=utf-8", b"<p>index"),
        ("/index.html", "text/html; charset=utf-8", b"<p>index"),
        ("/a%20b.txt", "text/plain; charset=utf-8", b"text"),
        ("/sub/", "text/html; charset=utf-8", b"<p>sub"),
        ("/empty", "application/octet-stream", b""),
        ("/.well-known/acme", "application/octet-stream", b"token"),
        ("/large.js", "text/javascript; charset=utf-8", b"x" * 200_000),
        ("/docs/", "text/html; charset=utf-8", b"<p>index"),
        ("/docs/sub/index.html", "text/html; charset=utf-8", b"<p>sub"),
        ("/one", "text/plain; charset=utf-8", b"text"),
    ]:
        status, fields, got = gateway.get(target)
        equal((status, got, fields["content-type"]), (200, body, kind), target)
        equal(fields.get("x-content-type-options"), "nosniff", target)
        true("x-request-id" in fields and "date" in fields, f"{target}: {fields}")
        head, head_fields, got = gateway.get(target, method="HEAD")
        equal((head, got, head_fields["content-length"]), (200, b"", str(len(body))), f"HEAD {target}")
        again = {name: value for name, value in head_fields.items() if name not in ("date", "x-request-id")}
        equal(again, {name: value for name, value in fields.items() if name not in ("date", "x-request-id")}, f"HEAD {target}")
        if target.startswith("/docs"):
            equal(fields["cache-control"], "no-cache, no-store, must-revalidate", target)
            true("etag" not in fields and "last-modified" not in fields, f"validators with nocache: {fields}")
            continue
        equal(gateway.get(target, [("If-None-Match", fields["etag"])])[::2], (304, b""), f"{target} again")
        equal(gateway.get(target, [("If-Modified-Since", fields["last-modified"])])[::2], (304, b""), f"{target} by date")
        equal(gateway.get(target, [("If-None-Match", '"x"')])[0], 200, f"{target}, another tag")
        equal(gateway.get(target, [("If-Match", '"x"')])[0], 412, f"{target}, If-Match")
    equal(gateway.get("/hello")[2], b"Hello world!", "a route beside the directory")
    for target in ["/.env", "/.git/config", "/docs/.env", "/nothing", "/sub/nothing", "/index.html/", "/a%20b.txt/x", "/empty/"]:
        status, fields, body = gateway.get(target)
        equal((status, fields["content-type"]), (404, "text/plain; charset=utf-8"), target)
        true(fields["x-request-id"].encode() in body, f"the id is not in {body}")
    for target in ["/%zz", "/a.js?v=%zz", "/?%"]:
        equal(gateway.get(target)[0], 400, f"a bad escape: {target}")
    for target, location in [("/sub", "/sub/"), ("/sub?a=1&b=//c", "/sub/?a=1&b=//c"), ("/docs", "/docs/"), ("/docs/sub", "/docs/sub/")]:
        status, fields, _ = gateway.get(target)
        equal((status, fields.get("location")), (301, location), target)
    for target in ["/a%20b.txt", "/nothing", "/docs/index.html"]:
        status, fields, _ = gateway.get(target, method="DELETE")
        equal((status, fields.get("allow")), (405, "GET, HEAD, OPTIONS"), f"DELETE {target}")
        equal(gateway.get(target, method="OPTIONS")[:1], (204,), f"OPTIONS {target}")
    equal(gateway.get("/nothing", [("Accept", "application/json")])[1]["content-type"], "application/problem+json", "JSON")
    with gateway.connect() as connection:
        targets = ["/", "/large.js", "/nothing", "/empty", "/sub/", "/large.js"]
        connection.socket.sendall(b"".join(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for target in targets))
        seen = [(response := connection.response()).status * 1_000_000 + len(response.body()) for _ in targets]
        equal(seen[:2] + seen[3:], [200_000_008, 200_200_000, 200_000_000, 200_000_006, 200_200_000], "piped answers")
    return "as they are"


@case("files-attackers")
def attackers(world):
    """Paths in every spelling: nothing outside the folder and nothing hidden is ever sent."""
    folder = site(world, {"index.html": "index", "sub/in": "inside", ".git/config": "secret", ".hidden": "secret"})
    os.symlink("../outside", folder / "link-out")
    os.symlink("..", folder / "up")
    os.symlink("/etc", folder / "etc")
    os.symlink("/proc/self/root", folder / "proc")
    os.symlink("loop", folder / "loop")
    os.symlink("in", folder / "sub/link-in")
    os.symlink(".git", folder / "git")
    gateway = served(world, folder, path="GET /x", keys=["listing = true"])
    root = served(world, folder)
    paths = [
        "..", "../", "../outside", "../../outside", "..//outside", "./../outside", "sub/../../outside", "sub/../in", "./index.html",
        "%2e%2e/outside", "%2e%2e%2foutside", "..%2foutside", "..%2Foutside", "%2E%2E/outside", ".%2e/outside", "%2e./outside",
        "%252e%252e/outside", "%252e%252e%252foutside", "..%252foutside", "%%32%65%%32%65/outside", "..%c0%afoutside",
        "%c0%ae%c0%ae/outside", "%c0%ae%c0%ae%c0%afoutside", "%e0%80%ae%e0%80%ae/outside", "%uff0e%uff0e/outside", "..%5coutside",
        "..\\outside", "..%255coutside", "sub%5c..%5c..%5coutside", "..;/outside", "...//outside", "....//outside", "..%00/outside",
        "index.html%00", "index.html%00.png", "%00", "sub%2fin", "sub%2Fin", "/etc/passwd", "//etc/passwd", "%2fetc%2fpasswd", "file:///etc/passwd",
        ".git/config", ".git/", ".git", "%2egit/config", "%2Egit/config", "sub/../.git/config", ".hidden", "%2ehidden", ".well-known/../.hidden",
        ".GIT/config", "git/../.git/config", "link-out", "up/outside", "up/site/index.html", "etc/passwd", "etc/hostname", "proc/etc/passwd", "loop", "loop/x",
        "index.html.", "index.html/", "index.html/.", "sub./in", "index.html%20", "index.html::$DATA", "in~1", "con", "x" * 300, "a/" * 3_000, "%41" * 3_000,
        "sub/" + "../" * 50 + "etc/passwd", "%2e%2e/" * 20 + "etc/passwd", "\x01", "sub/in\x7f", "index.html?/../../outside", "?../outside", "in%0d%0aX: y", "in%0aX: y",
    ]  # fmt: skip
    sent = 0
    for prefix, server in [("/x/", gateway), ("/", root)]:
        for path in paths:
            target = prefix + path
            status, body = raw_get(server.port, target)
            legal = path.split("?")[0] in ("index.html", "") and status == 200
            true(legal or status in (301, 308, 400, 404, 414, 431), f"{target!r}: {status} {body[:80]!r}")
            for secret in [b"outside\n", b"root:", b"secret"]:
                true(secret not in body and not body == b"outside", f"{target!r} gave {body[:80]!r}")
            sent += 1
    equal(gateway.get("/x/sub/link-in")[2], b"inside", "a link that stays inside")
    # A link within the folder to what is hidden is the operator's own doing.
    listing = gateway.get("/x/sub/")[2].decode()
    true("link-in" in listing and "in</a>" in listing, listing)
    names = gateway.get("/x/sub/../")[0]
    true(names in (301, 404), f"a listing by climbing: {names}")
    true(gateway.process.alive() and root.process.alive(), "a gateway died")
    return f"{sent} paths"


def raw_get(port, target):
    """Status and body of one request whose target goes out as it is."""
    with Connection(port, seconds=10) as connection:
        connection.socket.sendall(b"GET " + target.encode("latin-1") + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = connection.file.read()
    head, _, body = answer.partition(b"\r\n\r\n")
    true(head.startswith(b"HTTP/1.1 "), f"{target[:80]!r} got no answer: {answer[:80]!r}")
    return int(head.split()[1]), body


@case("files-ranges")
def ranges(world):
    """One range, several, suffixes, ranges that are not there; a download that goes on only with the same file."""
    folder = site(world, {"small": bytes(range(256)) * 4, "large": b"".join(pattern(1_000_000))})
    gateway = served(world, folder)
    for name in ["small", "large"]:
        content = (folder / name).read_bytes()
        size = len(content)
        whole = gateway.get(f"/{name}")[1]
        equal(whole["accept-ranges"], "bytes", name)
        for spec, begin, end in [("0-0", 0, 1), ("5-9", 5, 10), (f"{size - 1}-", size - 1, size), ("-10", size - 10, size), (f"0-{size * 2}", 0, size), (f"-{size * 2}", 0, size)]:
            status, fields, body = gateway.get(f"/{name}", [("Range", f"bytes={spec}")])
            equal((status, fields["content-range"]), (206, f"bytes {begin}-{end - 1}/{size}"), f"{name} {spec}")
            true(body == content[begin:end], f"{name} {spec}: {len(body)} bytes are others")
        status, fields, body = gateway.get(f"/{name}", [("Range", f"bytes=0-3, 200-300, {size - 5}-, {size * 2}-")])
        equal(status, 206, f"{name}, several")
        kind = f"content-type: {fields['content-type']}\r\n\r\n".encode()
        parts = email.parser.BytesParser().parsebytes(kind + body).get_payload()
        got = [(part["content-range"], part.get_payload(decode=True)) for part in parts]
        wanted = [(0, 4), (200, 301), (size - 5, size)]
        true(got == [(f"bytes {a}-{b - 1}/{size}", content[a:b]) for a, b in wanted], f"{name}: parts {[each for each, _ in got]}")
        status, fields, _ = gateway.get(f"/{name}", [("Range", f"bytes={size}-")])
        equal((status, fields["content-range"]), (416, f"bytes */{size}"), f"{name}, beyond the end")
        for spec in ["bytes=x", "bytes=9-5", "lines=1-2", "bytes=" + ",".join(f"{i * 300}-{i * 300}" for i in range(40))]:
            equal(gateway.get(f"/{name}", [("Range", spec)])[0], 200, f"{name} {spec[:30]}")
        equal(gateway.get(f"/{name}", [("Range", "bytes=0-3")], method="HEAD")[0], 200, "HEAD with a range")
        for validator, want in [(whole["etag"], 206), ("W/" + whole["etag"], 200), ('"other"', 200), ("Sun, 06 Nov 1994 08:49:37 GMT", 200)]:
            equal(gateway.get(f"/{name}", [("Range", "bytes=0-3"), ("If-Range", validator)])[0], want, f"If-Range {validator}")
        os.utime(folder / name, (784111777, 784111777))
        until(lambda: gateway.get(f"/{name}", method="HEAD")[1]["last-modified"] == "Sun, 06 Nov 1994 08:49:37 GMT", "the new date")
        date = [("Range", "bytes=0-3"), ("If-Range", "Sun, 06 Nov 1994 08:49:37 GMT")]
        equal(gateway.get(f"/{name}", date)[0], 206, "If-Range with the file's date")
    return "parts as asked"


@case("files-coded")
def coded(world):
    """Forms that lie beside the file, chosen by Accept-Encoding, each with its own tag; none that is older."""
    text = "the file as it is\n" * 1000
    folder = site(world, {"a.js": text, "a.js.gz": gzip.compress(text.encode()), "a.js.br": b"brotli" * 20_000, "a.js.zst": "zstd", "b.js": text, "b.js.gz": "old"})
    os.utime(folder / "b.js.gz", (1, 1))
    gateway = served(world, folder)
    tags = set()
    for accept, coding, body in [
        (None, None, text.encode()),
        ("gzip, deflate, br, zstd", "br", b"brotli" * 20_000),
        ("gzip, zstd", "zstd", b"zstd"),
        ("gzip;q=1, br;q=0.5", "gzip", gzip.compress(text.encode())),
        ("gzip;q=0", None, text.encode()),
        ("identity;q=0", None, text.encode()),
        ("*;q=0.5, br;q=0", "zstd", b"zstd"),
    ]:
        wanted = [("Accept-Encoding", accept)] if accept else []
        status, fields, got = gateway.get("/a.js", wanted)
        equal((status, fields.get("content-encoding"), fields.get("vary")), (200, coding, "accept-encoding"), str(accept))
        equal(fields["content-type"], "text/javascript; charset=utf-8", str(accept))
        if coding != "gzip":
            true(got == body, f"{accept}: {len(got)} bytes are others")
        tags.add(fields["etag"])
        equal(gateway.get("/a.js", [*wanted, ("If-None-Match", fields["etag"])])[1].get("vary"), "accept-encoding", "vary of 304")
        status, part, got = gateway.get("/a.js", [*wanted, ("Range", "bytes=1-3")])
        equal((status, part.get("content-encoding"), got), (206, coding, body[1:4] if coding != "gzip" else got), f"a range, {accept}")
    equal(len(tags), 4, "tags")
    identity = gateway.get("/a.js")[1]["etag"]
    equal(gateway.get("/a.js", [("Accept-Encoding", "br"), ("If-None-Match", identity)])[0], 200, "the tag of another form")
    status, fields, got = gateway.get("/b.js", [("Accept-Encoding", "gzip")])
    equal((status, fields.get("content-encoding"), fields.get("vary"), got), (200, None, None, text.encode()), "an old neighbour")
    equal(gateway.get("/a.js.gz", [("Accept-Encoding", "gzip")])[1].get("content-encoding"), None, "the neighbour by its own name")
    return f"{len(tags)} tags"


@case("files-fallback")
def fallback(world):
    """A single-page application: its page for paths that are none, 404 for assets that are not there."""
    folder = site(world, {"index.html": "<p>app", "assets/app.1.js": "code", "empty/.keep": ""})
    gateway = served(world, folder, keys=['fallback = "index.html"'])
    browser = [("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")]
    for target, fields in [("/about", []), ("/users/7/edit?tab=1", []), ("/users/jane.doe", browser), ("/deep/", []), ("/empty/", [])]:
        status, got, body = gateway.get(target, fields)
        equal((status, body, got["content-type"]), (200, b"<p>app", "text/html; charset=utf-8"), target)
        equal(got.get("cache-control"), "no-cache", target)
        equal(gateway.get(target, [*fields, ("If-None-Match", got["etag"])])[0], 304, f"{target} again")
        equal(gateway.get(target, fields, method="HEAD")[0], 200, f"HEAD {target}")
    for target in ["/", "/index.html"]:
        equal(gateway.get(target)[1].get("cache-control"), "no-cache", f"{target} is the same page")
    equal(gateway.get("/assets/app.1.js")[1].get("cache-control"), None, "a script")
    for target in ["/assets/app.2.js", "/favicon.ico", "/.env", "/a%2fb", "/..%2fx", "/users/jane.doe"]:
        equal(gateway.get(target)[0], 404, target)
    equal(gateway.get("/about", method="POST")[0], 405, "POST")
    return "the page for pages"


@case("files-listing")
def listing(world):
    folder = site(world, {"d/<b>&.txt": "x", "d/.hidden": "x", "d/sub/x": "x", "d/ü %?#.txt": "y" * 3000, "many/0": ""})
    for number in range(1100):
        (folder / f"many/{number}").touch()
    gateway = served(world, folder, path="GET /files", keys=["listing = true"])
    status, fields, body = gateway.get("/files/d/")
    page = body.decode()
    equal((status, fields["content-type"], fields["x-content-type-options"]), (200, "text/html; charset=utf-8", "nosniff"), "listing")
    true("&lt;b&gt;&amp;.txt" in page and "<b>" not in page and ".hidden" not in page, page)
    links = re.findall(r'href="([^"]*)"', page)
    equal(links, ["../", "./sub/", "./%3Cb%3E%26.txt", "./%C3%BC%20%25%3F%23.txt"], "links")
    for link in links[2:]:
        equal(gateway.get(f"/files/d/{link[2:]}")[0], 200, link)
    true("2.9 KiB" in page, "sizes")
    page = gateway.get("/files/many/")[2].decode()
    true("more than these 1000 entries" in page, page[-200:])
    equal(gateway.get("/files/d/", method="HEAD")[::2], (200, b""), "HEAD")
    equal(parallel(20, lambda _: gateway.get("/files/")[0]), [200] * 20, "twenty at once")
    equal(gateway.get("/files/nothing/")[0], 404, "a folder that is not there")
    equal(served(world, folder).get("/d/")[0], 404, "without `listing`")
    # One directory by many paths: each page shows its own, also while the other is remembered.
    by_many = served(world, folder, path="GET /p/:name", keys=["listing = true"])
    for name in ("one", "two", "one"):
        true(f"<h1>/p/{name}/d/</h1>" in by_many.get(f"/p/{name}/d/")[2].decode(), f"the path of {name}")
    return f"{len(links)} links"
