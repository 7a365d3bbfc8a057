"""Child processes and ports of one case.

Owns: starting, watching and ending a child, its output as lines, its memory as the kernel counts it.
Refuses: ending a process that it did not start. Invariant: a child does not outlive its case.
"""

import os
import random
import re
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

from .checks import Failed

# Below the range from which Linux takes the ports of outgoing connections: one of those cannot take ours while a
# gateway restarts, nor can a peer that redials a closed port connect to itself.
PORTS = range(20000, 32000)
_taken = set()


def free_port():
    """A loopback port that could be bound a moment ago and that this run has not handed out before."""
    while True:
        port = random.choice(PORTS)
        if port in _taken:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _taken.add(port)
        return port


class Process:
    """A child and its output, read by a thread so that it never blocks on a full pipe."""

    def __init__(self, name, argv, cwd, env=None):
        self.name, self.lines, self.ended = name, [], False
        self._changed = threading.Condition()
        self._child = subprocess.Popen(
            argv,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.pid = self._child.pid
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._child.stdout:
            with self._changed:
                self.lines.append(line.decode("utf-8", "replace").rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self.ended = True
            self._changed.notify_all()

    def alive(self):
        return self._child.poll() is None

    def grep(self, pattern):
        return [line for line in list(self.lines) if re.search(pattern, line)]

    def wait_line(self, pattern, seconds=10, count=1):
        """Waits until `count` lines match, and gives the last of them."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while len(found := self.grep(pattern)) < count:
                if self.ended:
                    raise Failed(f"{self.name} ended before it said '{pattern}'")
                left = deadline - time.monotonic()
                if left <= 0:
                    raise Failed(f"{self.name} did not say '{pattern}' within {seconds} s")
                self._changed.wait(left)
        return found[count - 1]

    def wait_exit(self, seconds=10):
        """Waits for the end and gives the exit code, negative for a signal; all lines are in by then."""
        try:
            code = self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.name} still runs after {seconds} s") from None
        self._reader.join(seconds)
        return code

    def signal(self, number):
        if self.alive():
            self._child.send_signal(number)

    def kill(self):
        """SIGKILL, and the wait for it."""
        self.signal(signal.SIGKILL)
        self.wait_exit()

    def stop(self, seconds=5):
        """SIGTERM; SIGKILL if that takes too long."""
        self.signal(signal.SIGTERM)
        try:
            return self.wait_exit(seconds)
        except Failed:
            self.kill()
            return None

    def memory(self, field="VmRSS"):
        """Resident bytes now (`VmRSS`) or at most so far (`VmHWM`)."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(rf"^{field}:\s+(\d+) kB", status, re.M)[1]) * 1024

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))
