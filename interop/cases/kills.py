"""Processes killed again and again under load: no request hangs, none gets a wrong answer, each error says why."""

import collections
import threading
import time

from harness.checks import at_most, case, equal, true
from harness.http import Cut
from harness.pattern import digest, pattern

SECONDS = 60
UPLOAD_BYTES = 300_000
# What may be said to a request that nobody could answer. Anything else is a fault.
EXPLAINED = {
    (502, "the link to the provider was lost after the request had left"),
    (503, "no connected node offers the service"),
    (503, "the link to the provider was lost before the request left"),
    (503, "every provider that was tried refused the request"),
}


class Uploads:
    """POST requests one after the other; what comes back must be the checksum of what was sent."""

    def __init__(self, gateway):
        self._gateway, self._go = gateway, True
        self.summed, self.refused, self.cuts, self.lost = 0, [], [], []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        want = {"bytes": UPLOAD_BYTES, "sha256": digest(UPLOAD_BYTES)}
        while self._go:
            try:
                with self._gateway.connect() as connection:
                    response = connection.upload("POST", "/sum", UPLOAD_BYTES, pattern(UPLOAD_BYTES))
                    if response.status == 200:
                        equal(response.json(), want, "the checksum")
                        self.summed += 1
                    else:
                        self.refused.append((response.status, response.text()))
            except Cut as error:
                self.cuts.append(str(error))
            except (OSError, AssertionError) as error:
                self.lost.append(f"{type(error).__name__}: {error}")

    def end(self):
        self._go = False
        self._thread.join(60)


def explained(answers):
    """Counts `(status, body)` by their sentence; fails for one that is not expected."""
    counts = collections.Counter()
    for status, body in answers:
        sentence = next((text for code, text in EXPLAINED if code == status and text in body), None)
        true(sentence, f"an error that is not explained: {status} {body[:200]}")
        counts[f"{status} {sentence}"] += 1
    return counts


@case("killed-every-second", seconds=SECONDS + 60)
def killed_every_second(world):
    """A Rust and an npm provider, killed in turn, one every second for a minute, and started again at once."""
    gateway = world.gateway(("GET /hello", "hello_world"), ("POST /sum", "sum"))
    start = [
        lambda: world.process("rust", [world.binary("hello_world"), gateway.address], world.subfolder("rust")),
        lambda: world.npm(gateway, "hello_world", "sum", wait=False),
    ]
    running = [begin() for begin in start]
    gateway.process.wait_line(r"has connected\. Services: \[hello_world\]")
    gateway.process.wait_line(r"has connected\. Services: \[hello_world sum\]")
    memory = gateway.watch()
    load, uploads = gateway.load("/hello", r"Hello world!\n?", threads=4), world.until_closed(Uploads(gateway))
    begin = time.monotonic()
    kills = 0
    while time.monotonic() - begin < SECONDS:
        time.sleep(1)
        which = kills % 2
        running[which].kill()
        running[which] = start[which]()
        kills += 1
    load.end()
    uploads.end()
    bad = [(status, body) for status, body, _ in load.answers if status != 200]
    wrong = [body for status, body, _ in load.answers if status == 200 and body.rstrip("\n") != "Hello world!"]
    equal((wrong, load.errors, uploads.lost), ([], [], []), "wrong answers and lost connections")
    # A provider that is killed within its response, and had stopped for 25 ms before, leaves a response that is cut, and
    # its client sees that. On a busy machine that happens now and then; more than one in ten kills would be a fault.
    cuts = load.cuts + uploads.cuts
    at_most(len(cuts), kills // 10, f"responses cut off ({cuts[:2]})")
    counts = explained(bad + uploads.refused)
    true(len(load.answers) > 1_000 and uploads.summed > 50, f"{len(load.answers)} answers and {uploads.summed} checksums")
    # Nothing is held longer than `hold` (1.5 s) and the tries after it.
    at_most(load.slowest(), 5.0, "seconds of the slowest answer")
    errors = "; ".join(f"{count} × {what}" for what, count in counts.most_common()) or "no error"
    return f"{kills} kills, {len(load.answers)} answers ({len(bad)} errors), {uploads.summed} checksums ({len(uploads.refused)}): {errors}; {len(cuts)} cut; slowest {load.slowest():.1f} s; {memory.bounded()}"
