"""Services that fail while others do not: what clients see of it, and what the log says."""

from harness.checks import case, equal, true, until


@case("provider-set-aside")
def provider_set_aside(world):
    """One of two services never answers: a handful of 504, then the other has all requests, and the log says why."""
    gateway = world.gateway(("GET /name", "name", 'timeout = "300ms"'))
    hanging, good = world.npm(gateway, "name=pattern", name="hanging"), world.npm(gateway, "name", name="good")
    load = gateway.load("/name?bytes=0&then=hang", "good")
    line = gateway.process.wait_line(r"Shard \d+ sets .* aside for 1 s .*: 5 requests in a row failed, the last: no response in time\.")
    since = load.count()
    until(lambda: load.count() > since + 200, "200 answers after it was set aside")
    load.end()
    late = [status for status, _, _ in load.answers]
    equal(set(late), {200, 504}, "statuses")
    # Each shard pays its five, and each of eight clients may have one more under way; trials follow, one a pause.
    true(late.count(504) <= 2 * (5 + 8) + 4, f"{late.count(504)} of {len(late)} requests ran into the timeout")
    true(hanging.alive() and good.alive(), "a service died")
    return f"{late.count(504)} of {len(late)} were 504; {str(line)[:200]}"
