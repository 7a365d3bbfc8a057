//! Files by name: which paths name something, what a single-page application answers for, types, codings, tags, listings.

use flatend_http::files::{
    content_type, etag, page, resolve, takes_fallback, Accepts, Coding, NoSuchName, Row,
};
use flatend_http::limits::FILE_PATH_BYTES_MAX;

#[test]
fn paths_name_what_lies_below() {
    for (raw, path, is_directory) in [
        ("", "", true),
        ("/", "", true),
        ("/a", "a", false),
        ("/a/", "a", true),
        ("/a/b.txt", "a/b.txt", false),
        ("/a%20b/%C3%A9", "a b/é", false),
        ("/%252e%252e/x", "%2e%2e/x", false),
        ("/a..b/c...", "a..b/c...", false),
        ("/.well-known/acme", ".well-known/acme", false),
        ("/x/.well-known/", "x/.well-known", true),
        ("/a./b", "a./b", false),
        ("/~x/+y/c:d", "~x/+y/c:d", false),
    ] {
        let resolved = resolve(raw).unwrap_or_else(|why| panic!("{raw}: {why:?}"));
        assert_eq!(
            (&resolved.path[..], resolved.is_directory),
            (path.as_bytes(), is_directory),
            "{raw}"
        );
    }
}

#[test]
fn paths_that_leave_or_hide_name_nothing() {
    for raw in [
        "a",
        "//",
        "//a",
        "/a//b",
        "/a//",
        "/./a",
        "/a/.",
        "/a/./",
        "/..",
        "/../",
        "/../a",
        "/a/..",
        "/a/../b",
        "/%2e%2e/a",
        "/.%2e/a",
        "/%2E./a",
        "/a/%2e%2e/%2e%2e/b",
        "/%2e/a",
        "/a%2fb",
        "/a%2Fb",
        "/..%2fa",
        "/%2e%2e%2fa",
        "/a%5cb",
        "/a%5C..%5cb",
        "/a\\b",
        "/..\\a",
        "/a%00",
        "/%00",
        "/a%00.html",
        "/.git/config",
        "/.env",
        "/a/.htaccess",
        "/%2egit/config",
        "/.well-known/.hidden",
        "/.well-knownx",
        "/..;/a",
        "/...",
    ] {
        assert_eq!(resolve(raw), Err(NoSuchName::Hidden), "{raw}");
    }
    for raw in ["/%", "/a%2", "/%zz", "/%2", "/a/%g0", "/%%32e"] {
        assert_eq!(resolve(raw), Err(NoSuchName::BadEscape), "{raw}");
    }
    let longest = format!("/{}", "x".repeat(FILE_PATH_BYTES_MAX));
    assert!(resolve(&longest).is_ok());
    assert_eq!(resolve(&format!("{longest}x")), Err(NoSuchName::Hidden));
    // Overlong forms of `.` and `/` are bytes like others: they climb nowhere.
    let overlong = resolve("/%c0%ae%c0%ae%c0%af").expect("bytes that are no UTF-8 may be a name");
    assert_eq!(&overlong.path[..], b"\xc0\xae\xc0\xae\xc0\xaf");
}

/// Whatever the path, what comes out is segments that a directory can hold.
#[test]
fn no_path_climbs() {
    let pieces = [
        "a",
        ".",
        "..",
        "/",
        "%2e",
        "%2f",
        "%5c",
        "\\",
        "%00",
        "%25",
        "%c0%af",
        ".well-known",
        "",
    ];
    for one in pieces {
        for two in pieces {
            for three in pieces {
                for four in pieces {
                    let raw = format!("/{one}{two}{three}{four}");
                    let Ok(resolved) = resolve(&raw) else {
                        continue;
                    };
                    if resolved.path.is_empty() {
                        continue;
                    }
                    for name in resolved.path.split(|&byte| byte == b'/') {
                        let hidden = name.starts_with(b".") && name != b".well-known";
                        let odd = name.iter().any(|byte| b"\0\\".contains(byte));
                        assert!(
                            !name.is_empty() && !hidden && !odd,
                            "{raw} gives {:?}",
                            resolved.path
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn pages_fall_back_and_assets_do_not() {
    let browser: Option<&[u8]> =
        Some(b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8");
    for (path, accept, want) in [
        ("about", None, true),
        ("users/7/edit", Some(&b"*/*"[..]), true),
        ("", None, true),
        ("app.3f2a.js", None, false),
        ("app.3f2a.js", Some(b"*/*"), false),
        ("img/logo.png", Some(b"image/avif,image/webp,*/*"), false),
        ("v1.2/about", None, true),
        ("users/jane.doe", browser, true),
        ("users/jane.doe", Some(b"TEXT/HTML"), true),
        ("users/jane.doe", Some(b"application/json"), false),
    ] {
        assert_eq!(
            takes_fallback(path.as_bytes(), accept.into_iter()),
            want,
            "{path} {accept:?}"
        );
    }
    // RFC 9110 5.3: several fields are one list.
    let fields = [&b"application/json"[..], b"image/png, text/html;q=0.9"];
    assert!(takes_fallback(b"users/jane.doe", fields.into_iter()));
}

#[test]
fn types_go_by_the_end_of_the_name() {
    for (path, kind) in [
        ("index.html", "text/html; charset=utf-8"),
        ("a/b.HTM", "text/html; charset=utf-8"),
        ("a.css", "text/css; charset=utf-8"),
        ("a.js", "text/javascript; charset=utf-8"),
        ("a.mjs", "text/javascript; charset=utf-8"),
        ("a.txt", "text/plain; charset=utf-8"),
        ("a.csv", "text/csv; charset=utf-8"),
        ("a.json", "application/json"),
        ("a.webmanifest", "application/manifest+json"),
        ("a.wasm", "application/wasm"),
        ("a.svg", "image/svg+xml"),
        ("a.png", "image/png"),
        ("a.webp", "image/webp"),
        ("a.avif", "image/avif"),
        ("a.woff2", "font/woff2"),
        ("a.mp4", "video/mp4"),
        ("a.pdf", "application/pdf"),
        ("a.tar.gz", "application/gzip"),
        ("Makefile", "application/octet-stream"),
        ("a.b/c", "application/octet-stream"),
        ("a.nobodyknows", "application/octet-stream"),
        ("a.", "application/octet-stream"),
    ] {
        assert_eq!(content_type(path.as_bytes()), kind, "{path}");
    }
    assert_eq!(content_type(b"a.\xff\xfe"), "application/octet-stream");
}

#[test]
fn the_client_gets_the_form_that_it_likes_best() {
    let all = [true, true, true];
    for (fields, there, want) in [
        (&[][..], all, Coding::Identity),
        (&[""], all, Coding::Identity),
        (&["gzip, deflate, br, zstd"], all, Coding::Brotli),
        (
            &["gzip, deflate, br, zstd"],
            [false, true, true],
            Coding::Zstd,
        ),
        (
            &["gzip, deflate, br, zstd"],
            [false, false, true],
            Coding::Gzip,
        ),
        (&["gzip, deflate, br, zstd"], [false; 3], Coding::Identity),
        (&["gzip", "br"], all, Coding::Brotli),
        (&["GZIP"], all, Coding::Gzip),
        (&["x-gzip"], all, Coding::Gzip),
        (&["gzip;q=1.0, br;q=0.9"], all, Coding::Gzip),
        (&["gzip;q=0.001"], all, Coding::Gzip),
        (&["gzip; q=0.5 , identity"], all, Coding::Identity),
        (&["gzip, identity"], all, Coding::Gzip),
        (&["gzip;q=0"], all, Coding::Identity),
        (&["br;q=0, *"], all, Coding::Zstd),
        (&["*"], all, Coding::Brotli),
        (&["*;q=0"], all, Coding::Identity),
        (&["identity;q=0"], all, Coding::Identity),
        (&["identity;q=0, *;q=0.1"], all, Coding::Brotli),
        (&["gzip;q=2"], all, Coding::Identity),
        (&["gzip;q=0.1234"], all, Coding::Identity),
        (&["gzip;q=abc, br;q="], all, Coding::Identity),
        (&["gzip;level=9"], all, Coding::Gzip),
        (&["deflate, compress"], all, Coding::Identity),
    ] {
        let accepts = Accepts::read(fields.iter().map(|field| field.as_bytes()));
        assert_eq!(accepts.choose(there), want, "{fields:?} of {there:?}");
    }
}

#[test]
fn tags_differ_by_all_that_makes_a_file_another() {
    let tags = [
        etag(1_000, 5, 10, 7, Coding::Identity),
        etag(1_001, 5, 10, 7, Coding::Identity),
        etag(1_000, 6, 10, 7, Coding::Identity),
        etag(1_000, 5, 11, 7, Coding::Identity),
        etag(1_000, 5, 10, 8, Coding::Identity),
        etag(1_000, 5, 10, 7, Coding::Brotli),
        etag(1_000, 5, 10, 7, Coding::Zstd),
        etag(1_000, 5, 10, 7, Coding::Gzip),
        etag(-1_000, 5, 10, 7, Coding::Identity),
    ];
    for (at, tag) in tags.iter().enumerate() {
        assert!(
            tag.starts_with('"') && tag.ends_with('"') && tag.len() > 2,
            "{tag}"
        );
        assert!(!tags[..at].contains(tag), "{tag} twice");
    }
}

#[test]
fn a_listing_is_sorted_escaped_and_says_when_it_is_cut() {
    let row = |name: &str, is_directory, bytes| Row {
        name: name.into(),
        is_directory,
        bytes,
        modified: 784_111_777,
    };
    let rows = vec![
        row("b.txt", false, 1023),
        row("<script>alert('x')</script>&\"\n", false, 10_000_000),
        row("A", false, 1024),
        row("zoo", true, 4096),
        row("a b?#%/", false, 0),
        row("\u{202e}gpj.exe", false, 1 << 40),
    ];
    let page = page(b"/x<y/", true, rows, true);
    let order = [
        "../",
        "zoo/",
        "./%3Cscript%3E",
        "./A\"",
        "./a%20b%3F%23%25%2F",
        "./b.txt",
        "gpj.exe",
    ];
    let mut from = 0;
    for what in order {
        let at = page[from..].find(what);
        from += at.unwrap_or_else(|| panic!("no {what} after {from} of\n{page}"));
    }
    assert!(!page.contains("<script>") && !page.contains("/x<y/") && !page.contains('\u{202e}'));
    assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;&quot;\u{fffd}"));
    for size in [
        ">1023 B<",
        ">1.0 KiB<",
        ">9.5 MiB<",
        ">1.0 TiB<",
        ">0 B<",
        ">1994-11-06 08:49<",
    ] {
        assert!(page.contains(size), "{size} in\n{page}");
    }
    assert!(page.contains("more than these 6 entries"));
    let empty = flatend_http::files::page(b"/", false, Vec::new(), false);
    assert!(empty.contains("nothing here") && !empty.contains("../"));
    let old = Row {
        modified: u64::MAX,
        ..row("x", false, u64::MAX)
    };
    assert!(flatend_http::files::page(b"/", false, vec![old], false).contains("9999-12-31"));
}
