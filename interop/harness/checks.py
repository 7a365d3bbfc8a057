"""Assertions that say what was seen, the registry of cases, and waiting for a condition."""

import statistics
import threading
import time

CASES = {}


class Failed(Exception):
    """A case saw something else than it must."""


def case(name, seconds=60):
    """Registers a case: a function of a World that returns what it saw in a few words.

    `seconds` is the longest it may take.
    """

    def register(function):
        function.name, function.seconds = name, seconds
        CASES[name] = function
        return function

    return register


def equal(have, want, what):
    if have != want:
        raise Failed(f"{what}: {short(have)} instead of {short(want)}")


def at_most(have, bound, what):
    if have > bound:
        raise Failed(f"{what}: {have:.3f}, over {bound}" if isinstance(have, float) else f"{what}: {have}, over {bound}")


def true(condition, what):
    if not condition:
        raise Failed(what)


def short(value):
    text = repr(value)
    return text if len(text) < 300 else text[:300] + "…"


def until(condition, what, seconds=10):
    """Polls `condition` until it gives something true, which is returned."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise Failed(f"not within {seconds} s: {what}")
        time.sleep(0.01)  # between two looks at the condition
    return result


def parallel(count, function):
    """Runs `function(i)` in `count` threads that start together; gives the results, or raises the first error."""
    results, errors, barrier = [None] * count, [], threading.Barrier(count)

    def body(i):
        try:
            barrier.wait()
            results[i] = function(i)
        except Exception as error:  # handed to the caller below
            errors.append(error)

    threads = [threading.Thread(target=body, args=(i,), daemon=True) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results


def milliseconds(seconds):
    """`median … max …` of a list of durations."""
    return f"median {statistics.median(seconds) * 1000:.1f} ms, max {max(seconds) * 1000:.1f} ms"
