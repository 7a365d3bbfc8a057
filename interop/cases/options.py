"""The options of the configuration at work, seen from outside. docs/configuration.md lists which case proves which key."""

from harness.checks import Failed, case, equal, true
from harness.http import Connection, get
from harness.process import free_port
from harness.world import IN_USE, START_TRIES


class Configured:
    """A gateway whose whole configuration the case writes; `{a}`, `{b}`, … in it are free ports, `{mesh}` the mesh's."""

    def __init__(self, world, config, env=None, listeners=1):
        self.folder = world.subfolder("gateway")
        for _ in range(START_TRIES):
            self.ports = {name: free_port() for name in ("mesh", "a", "b", "c")}
            text = f'addr = "127.0.0.1:{self.ports["mesh"]}"\nstate_dir = "{self.folder}"\n{config}'
            for name, port in self.ports.items():
                text = text.replace("{" + name + "}", str(port))
            (self.folder / "config.toml").write_text(text)
            self.process = world.process("gateway", [world.binary("flatend")], self.folder, {"HOME": str(self.folder), **(env or {})})
            try:
                self.process.wait_line(r"Listening for Flatend nodes on '")
                self.process.wait_line(r"Listening for HTTP requests on '", count=listeners)
                return
            except Failed:
                if not (self.process.ended and self.process.grep(IN_USE)):
                    raise
        raise Failed(f"no free port after {START_TRIES} tries")

    @property
    def address(self):
        return f"127.0.0.1:{self.ports['mesh']}"

    def get(self, target, fields=(), method="GET", port="a"):
        return get(self.ports[port], target, fields, method=method)

    def connect(self, seconds=10, port="a"):
        return Connection(self.ports[port], seconds)


@case("redirect-routes")
def redirect_routes(world):
    """`redirect` with parameters, `status`: the Location never leaves what the configuration wrote."""
    gateway = Configured(
        world,
        """
[[http]]
addr = "127.0.0.1:{a}"
[[http.routes]]
path = "ANY /old/:id"
redirect = "https://new.example:8443/:id"
[[http.routes]]
path = "GET /seen/:id"
redirect = "/x?id=:id#top"
status = 302
nocache = true
[[http.routes]]
path = "GET /docs/*rest"
redirect = "/*rest"
status = 307
[[http.routes]]
path = "ANY /gone"
status = 410
[[http.routes]]
path = "GET /nothing"
status = 204
[[http.routes]]
path = "GET /same"
status = 304
""",
    )
    for method, target, status, location in [
        ("GET", "/old/7?a=1&b", 301, "https://new.example:8443/7?a=1&b"),
        ("HEAD", "/old/7", 301, "https://new.example:8443/7"),
        ("POST", "/old/a%2Fb", 308, "https://new.example:8443/a%2Fb"),
        ("GET", "/seen/1&2?x=y", 302, "/x?id=1%262#top"),
        ("GET", "/docs/a/b", 307, "/a/b"),
        ("GET", "/docs//evil.example", 307, "/evil.example"),
        ("GET", "/docs///evil.example/?q", 307, "/evil.example/?q"),
        ("GET", "/docs/\\evil.example", 307, "/%5Cevil.example"),
        ("GET", "/old/%0d%0aX-Evil:1", 301, "https://new.example:8443/%0d%0aX-Evil:1"),
    ]:
        have, fields, body = gateway.get(target, method=method)
        equal((have, fields.get("location")), (status, location), f"{method} {target}")
        equal(bool(body), method != "HEAD", f"body of {method} {target}")
    true("no-store" in gateway.get("/seen/1")[1].get("cache-control", ""), "nocache of a redirect")
    equal(gateway.get("/old/%zz")[0], 400, "a bad escape")
    status, fields, body = gateway.get("/gone", method="DELETE")
    true(status == 410 and body.startswith(b"This path is answered with 410 Gone. (request "), f"{status} {body}")
    with gateway.connect() as connection:
        for target, want in (("/nothing", 204), ("/same", 304)):
            connection.send_head("GET", target)
            response = connection.response()
            equal((response.status, response.header("content-length")), (want, None), target)
        equal(connection.request("GET", "/gone").status, 410, "the next request of the connection")
    return "parameters, query, statuses"
