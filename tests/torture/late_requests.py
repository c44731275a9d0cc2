"""Stand before an S3 server, and deliver requests late and out of order, also those whose sender has died meanwhile.

python tests/torture/late_requests.py SERVER-PORT SEED SECONDS

Prints its own port, then works until it is terminated; then it prints as JSON how many requests it delivered, and how
many of these after their sender was gone. Deletions wait up to SECONDS, one upload in eight does, others hardly.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
import sys
from collections import Counter
from contextlib import suppress

HOST = "127.0.0.1"
SOON = 0.02
LARGEST = 64 << 20


class LateDelivery:
    """Takes each request in whole, waits, delivers it on a connection of its own, and returns the answer, if it can."""

    def __init__(self, port: int, seed: int, seconds: float) -> None:
        self.port, self.seconds = port, seconds
        self.random = random.Random(seed)  # noqa: S311 (repeatable)
        self.counts: Counter[str] = Counter()
        self.begun: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one request of a connection, and let it live on whatever becomes of the connection."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
            if headers.get("expect", "") == "100-continue":
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            body = await reader.readexactly(int(headers.get("content-length", "0")))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
            return  # it never arrived
        kept = [line for line in lines if not line.lower().startswith(("connection:", "expect:"))]
        kept.insert(1, "Connection: close")
        delivery = asyncio.create_task(self.deliver("\r\n".join(kept).encode("latin-1") + body, reader, writer))
        self.begun.add(delivery)
        delivery.add_done_callback(self.begun.discard)

    async def deliver(self, request: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        verb, target = request.split(b" ", 2)[:2]
        await asyncio.sleep(self.delay(verb, target))
        kind = "deletions" if is_deletion(verb, target) else "uploads" if verb == b"PUT" else "others"
        self.counts[kind] += 1
        self.counts[f"{kind} of the dead"] += reader.at_eof()
        with suppress(OSError):
            there, to = await asyncio.open_connection(HOST, self.port)
            to.write(request)
            answer = await there.read(-1)
            to.close()
            writer.write(answer)
            await writer.drain()
        writer.close()

    def delay(self, verb: bytes, target: bytes) -> float:
        if is_deletion(verb, target):
            return self.random.random() * self.seconds
        late = verb == b"PUT" and self.random.random() < 1 / 8
        return self.random.random() * (self.seconds if late else SOON)


def is_deletion(verb: bytes, target: bytes) -> bool:
    return verb == b"DELETE" or (verb == b"POST" and target.endswith((b"?delete", b"?delete=")))


async def main(port: int, seed: int, seconds: float) -> None:
    delivery = LateDelivery(port, seed, seconds)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    server = await asyncio.start_server(delivery.serve, HOST, 0, limit=LARGEST)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 (its output)
    await ended.wait()
    server.close()
    while delivery.begun:  # what was sent arrives some day
        await asyncio.wait(delivery.begun)
    print(json.dumps(delivery.counts), flush=True)  # noqa: T201 (its output)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
