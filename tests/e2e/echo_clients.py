#!/usr/bin/env python3
"""Stock asyncio clients of the echo server: every byte that comes back is compared.

    echo_clients.py HOST PORT CLIENTS MESSAGES

All clients are connected before the first one talks.
"""
import asyncio
import sys


async def converse(host, port, number, messages, everybody):
    reader, writer = await asyncio.open_connection(host, port)
    await everybody.wait()
    for i in range(messages):
        message = b"client %d message %d " % (number, i) + b"." * (number * i % 500) + b"\n"
        writer.write(message)
        await writer.drain()
        answer = await reader.readexactly(len(message))
        if answer != message:
            raise SystemExit(f"client {number}: got {answer!r} instead of {message!r}")
    writer.write_eof()
    if await reader.read() != b"":
        raise SystemExit(f"client {number}: got more than it had sent")
    writer.close()
    await writer.wait_closed()
    return 1


class Everybody:
    """Lets nobody go on before all have come."""

    def __init__(self, count):
        self.missing = count
        self.here = asyncio.Event()

    async def wait(self):
        self.missing -= 1
        if self.missing == 0:
            self.here.set()
        await self.here.wait()


async def main():
    host, port, clients, messages = sys.argv[1], *map(int, sys.argv[2:5])
    everybody = Everybody(clients)
    done = sum(await asyncio.gather(
        *(converse(host, port, number, messages, everybody) for number in range(clients))))
    print(f"{done} clients, {messages} messages each")


asyncio.run(main())
