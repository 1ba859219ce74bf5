#!/usr/bin/env python3
"""More clients than the echo server may have files.

    crowd.py HOST PORT PID CLIENTS ROOM

ROOM of them are served at once. While the others wait, which is watched for two seconds, the server
must not use more than 100 ms of CPU: one that does not sleep has much more of it, on a busy machine
too. Then those who were served go, and others come in their place,
until all were served. Every byte is compared.
"""
import resource
import select
import socket
import sys
import time

WATCHED = 2  # seconds
MOST_CPU = 0.100
PATIENCE = 60


def cpu_seconds(pid):
    try:
        with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
            return int(file.read().split()[0]) / 1e9
    except OSError:  # a kernel without: by the tick
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100


class Client:
    def __init__(self, host, port, number):
        self.message = b"client %d " % number + b"." * number + b"\n"
        self.got = b""
        self.socket = socket.create_connection((host, port))
        self.socket.sendall(self.message)

    def fileno(self):
        return self.socket.fileno()

    def read(self):
        """Is its echo complete?"""
        data = self.socket.recv(65536)
        self.got += data
        if not data or not self.message.startswith(self.got):
            sys.exit(f"got {self.got!r} instead of {self.message!r}")
        return self.got == self.message


def serve(waiting, count, patience):
    """Takes up to `count` whose echo is complete out of `waiting`, within `patience` seconds."""
    end = time.monotonic() + patience
    served = []
    while len(served) < count and time.monotonic() < end:
        for client in select.select(waiting, [], [], max(0, end - time.monotonic()))[0]:
            if client.read():
                waiting.remove(client)
                served.append(client)
    return served


def main():
    host, port, pid, count, room = sys.argv[1], *map(int, sys.argv[2:6])
    resource.setrlimit(resource.RLIMIT_NOFILE, (count + 50, count + 50))
    waiting = [Client(host, port, number) for number in range(count)]
    served = serve(waiting, room, PATIENCE)
    if len(served) != room:
        sys.exit(f"only {len(served)} of {room} clients were served at once")
    before = cpu_seconds(pid)
    if serve(waiting, count, WATCHED):
        sys.exit("a client was served for whom there was no room")
    used = cpu_seconds(pid) - before
    if used > MOST_CPU:
        sys.exit(f"{used * 1000:.1f} ms of CPU in {WATCHED} s in which nothing happened")
    start = time.monotonic()
    while served:
        for client in served:
            client.socket.close()
        served = serve(waiting, min(room, len(waiting)), PATIENCE)
    if waiting:
        sys.exit(f"{len(waiting)} clients were never served")
    print(f"{room} of {count} clients at once; {used * 1000:.2f} ms of CPU in {WATCHED} s of "
          f"waiting; the others were served in {(time.monotonic() - start) * 1000:.0f} ms")


main()
