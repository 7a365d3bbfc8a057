"""The second implementation of flatend/2 (`peers/python`) as a peer of a gateway or a node: its loop in a thread of its own.

Owns: the loop and the link. Refuses: to hide a fault of the link. Invariant: `end` leaves no thread behind.
"""

import asyncio
import concurrent.futures
import sys
import threading

from .checks import Failed
from .world import INTEROP

sys.path.insert(0, str(INTEROP.parent / "peers/python"))
try:
    import peer as oracle
    import session  # noqa: F401 (for cases)
    import wire  # noqa: F401
except ImportError as error:
    raise SystemExit(f"peers/python needs the package cryptography: apt-get install python3-cryptography ({error})") from error

SECONDS = 20


class PythonPeer:
    """A node in Python with handlers (`async` functions of an exchange), linked to `address`."""

    def __init__(self, world, address, services=None, **node):
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        world.until_closed(self)
        host, port = address.rsplit(":", 1)
        self.node = oracle.Node(services=services or {}, **node)
        self.peer = self.run(self._linked(host, int(port)))

    async def _linked(self, host, port):
        return await (await oracle.dial(self.node, host, port)).ready()

    def run(self, coroutine, seconds=SECONDS):
        """Runs something in the loop and waits for it."""
        try:
            return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(seconds)
        except concurrent.futures.TimeoutError:
            raise Failed(f"the Python peer waits for {coroutine.__qualname__} since {seconds} s") from None

    def ask(self, services, headers=(), body=b""):
        """(status, headers, body, code of a reset)."""

        async def asked():
            exchange = await self.peer.ask(services, headers, end=not body)
            if body:
                await exchange.write(body)
                self.peer.link.end(exchange.number)
                await self.peer.drain()
            return await exchange.head(), exchange.headers, await exchange.body(), exchange.code

        return self.run(asked())

    def until(self, what):
        """Waits until `what(peer)` holds; looked at with each event of the link."""
        return self.run(self.peer.until(lambda: what(self.peer)))

    def hearsay(self):
        """Addresses of peers that sign no record, as they were named."""
        return {(ip, port) for _, ip, port in self.peer.hearsay}

    def is_closed(self):
        return self.peer.closed

    def fault(self):
        return self.peer.fault

    def end(self):
        async def close():
            self.peer.writer.close()
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        if self._thread.is_alive():
            try:
                asyncio.run_coroutine_threadsafe(close(), self.loop).result(1)
            except (concurrent.futures.TimeoutError, AttributeError, OSError):
                pass
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(1)


async def answer(exchange, status, body=b"", headers=()):
    """A whole response."""
    exchange.peer.link.respond(exchange.number, status, headers, end=not body)
    if body:
        await exchange.write(body)
        exchange.peer.link.end(exchange.number)
    await exchange.peer.drain()
