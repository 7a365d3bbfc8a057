"""What goes on at the side of a case: a load of good requests, and a look at the gateway's memory.

Owns: its threads. Refuses: judging before the case asks. Invariant: `end` may be called at any time, and more than once.
"""

import re
import threading
import time

from . import http
from .checks import at_most, milliseconds

MIB = 1 << 20
# How much more memory than at rest the gateway may take for any number of bytes that pass through it.
GROWTH_BYTES_MAX = 64 * MIB
# Between a request that failed and the next one of the same thread: a gateway that is down is not to be hammered.
PAUSE_SECONDS = 0.01
LOOK_SECONDS = 0.05


class Load:
    """GET requests from several threads, each on a connection of its own that it keeps."""

    def __init__(self, gateway, target, want, threads):
        self._gateway, self._target, self._want, self._go = gateway, target, want, True
        self.answers, self.errors, self.cuts = [], [], []
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def _run(self):
        connection = None
        while self._go:
            begin, response = time.monotonic(), None
            try:
                connection = connection or self._gateway.connect()
                response = connection.request("GET", self._target)
                body = response.text()
                self.answers.append((response.status, body, time.monotonic() - begin))
                if (response.header("connection") or "").lower() == "close":
                    connection = connection.close()
            except (OSError, http.Cut) as error:
                (self.cuts if response else self.errors).append(f"{type(error).__name__}: {error}")
                connection = connection and connection.close()
                time.sleep(PAUSE_SECONDS)
        if connection:
            connection.close()

    def count(self):
        """Requests that came to an end, good or bad."""
        return len(self.answers) + len(self.errors) + len(self.cuts)

    def end(self):
        self._go = False
        for thread in self._threads:
            thread.join(60)

    def bad_answers(self):
        return [f"{status} {body[:80]}" for status, body, _ in self.answers if status != 200 or not re.fullmatch(self._want, body)]

    def failures(self):
        """Requests without an answer, with a wrong one, and those whose answer began and was cut."""
        return self.errors + self.bad_answers() + [f"cut within the response: {cut}" for cut in self.cuts]

    def slowest(self):
        return max(seconds for _, _, seconds in self.answers)

    def times(self):
        return milliseconds([seconds for _, _, seconds in self.answers])


class Watch:
    """A process's resident memory from now on."""

    def __init__(self, process, every=None):
        self._process, self._every, self._stop = process, every, threading.Event()
        self.rest = self.peak = process.memory()
        self._trace = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        begin = shown = time.monotonic()
        while not self._stop.wait(LOOK_SECONDS) and self._process.alive():
            now, memory = time.monotonic(), self._process.memory()
            self.peak = max(self.peak, memory)
            if self._every and now - shown >= self._every:
                shown = now
                self._trace.append(f"{now - begin:.0f} s {memory // MIB} MiB")

    def end(self):
        self._stop.set()
        self._thread.join()

    def bounded(self):
        """Ends the watch and checks the bound; gives what was seen."""
        self.end()
        at_most(self.peak - self.rest, GROWTH_BYTES_MAX, "growth of the gateway's memory in bytes")
        trace = f" ({', '.join(self._trace)})" if self._trace else ""
        return f"gateway {self.rest // MIB} to {self.peak // MIB} MiB{trace}"
