"""The load test's own parts that need the binaries: downloads from the npm package, the mesh load, a short soak."""

import json

from harness.checks import case, equal, true
from harness.world import INTEROP


def loadtest(world, seconds, *arguments):
    """Exit code, report and last line of one run of `loadtest`."""
    folder = world.subfolder("loadtest")
    # Called in the project, where it finds the npm package.
    process = world.process("loadtest", [world.binary("loadtest"), *arguments, "--dir", str(folder)], INTEROP)
    try:
        code = process.wait_exit(seconds)
    finally:
        # It ends what it started: its own end is waited for.
        process.stop(seconds=15)
    report = folder / "report.json"
    true(report.exists(), f"it left no report: {process.lines[-3:]}")
    return code, json.loads(report.read_text()), process.lines[-1]


@case("loadtest-npm", seconds=120)
def loadtest_npm(world):
    """`compare download` streams the pattern from flatend/2, from legacy and from the published npm package, every byte checked."""
    words = ["compare", "download", "--subjects", "gateway,npm", "--bytes", "60000000", "--rounds", "1"]
    code, report, last = loadtest(world, 100, *words)
    equal(code, 0, f"the exit code ({last})")
    runs = {sample["subject"]: sample["run"] for sample in report["samples"]}
    equal(sorted(runs), ["gateway", "gateway, legacy link", "npm service"], "the subjects")
    equal({run["groups"][0]["received_bytes"] for run in runs.values()}, {60_000_000}, "bytes received")
    true(any("npm package flatend 0.0.8" in line for line in report["versions"]), "the report does not name the package")
    return "60 MB each from flatend/2, legacy and npm"


@case("loadtest-mesh", seconds=120)
def loadtest_mesh(world):
    """`mesh` calls and streams in both dialects, and gives figures of client and services."""
    words = ["mesh", "--rounds", "1", "--duration", "300ms", "--warm-up", "100ms", "--stream-bytes", "3000000", "--providers", "2"]
    code, report, last = loadtest(world, 100, *words)
    equal(code, 0, f"the exit code ({last})")
    seen = sorted({(sample["work"], sample["dialect"]) for sample in report["samples"]})
    equal(seen, [(work, dialect) for work in ("both", "call", "down", "up") for dialect in ("flatend2", "legacy")], "the runs")
    for sample in report["samples"]:
        names = [process["name"] for process in sample["run"]["usage"]["processes"]]
        equal(names, ["client", "service", "service"], "the processes")
        true(sample["run"]["groups"][0]["completed"] > 0, f"nothing was answered: {sample['work']}")
    return f"{len(seen)} runs, 2 providers"


@case("loadtest-soak", seconds=120)
def loadtest_soak(world):
    """`soak`: services say goodbye in turn under a mix of load, and no request or event stream fails."""
    words = ["soak", "--duration", "8s", "--restart-every", "2s", "--sample", "200ms", "--event-streams", "20", "--event-lasts", "2s"]
    # Of so short a run memory may still grow, which is an error there.
    _, report, last = loadtest(world, 100, *words)
    true(report["restarts"]["drained"] >= 2, f"restarts: {report['restarts']}")
    events = report["events"]
    equal(events["failures"], [], f"event streams ({last})")
    true(events["opened"] > 20 and events["left"] + events["ended"] > 0, f"event streams: {events}")
    for group in report["run"]["groups"]:
        have = [group[key] for key in ("failed", "unanswered", "unsent")]
        equal(have, [0, 0, 0], f"{group['name']}: failed, unanswered, unsent ({group['failures']})")
        true(group["completed"] > 0, f"{group['name']}: nothing was answered")
    trends = {trend["what"]: trend["is_flat"] for trend in report["trends"]}
    equal(trends.get("descriptors"), True, "descriptors flat")
    return f"{report['restarts']['drained']} restarts, {events['opened']} event streams, no failure"
