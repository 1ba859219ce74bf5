#!/usr/bin/env python3
"""A client that sends much, and reads slowly what comes back.

    slow_reader.py HOST PORT PID MEBIBYTES MOST_KIB

The server's memory, at its highest, must grow by less than MOST_KIB meanwhile (0: any). Every byte
is compared.
"""
import socket
import sys
import threading
import time

PERIOD = 65521  # of the pattern: a prime
PATTERN = bytes((i * i + i // 251) % 256 for i in range(PERIOD))
TWICE = PATTERN * 18  # any piece of up to a mebibyte
PIECE = 65536


def highest_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM:"))


def piece(position, size):
    start = position % PERIOD
    return TWICE[start:start + size]


class Sender(threading.Thread):
    def __init__(self, connection, total):
        super().__init__(daemon=True)
        self.connection = connection
        self.total = total
        self.sent = 0

    def run(self):
        while self.sent < self.total:
            self.sent += self.connection.send(piece(self.sent, min(PIECE, self.total - self.sent)))
        self.connection.shutdown(socket.SHUT_WR)


def connect_with_small_buffers(host, port):
    """What a machine may hold for a connection is otherwise its administrator's choice."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 256 * 1024)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 256 * 1024)
    connection.connect((host, port))
    return connection


def wait_until_blocked(sender):
    """Nobody reads, so that soon nothing moves any more."""
    before = -1
    while sender.sent != before:
        before = sender.sent
        time.sleep(0.5)
    if sender.sent >= sender.total:
        sys.exit("the server took everything although nobody read")


def read(connection, total):
    got = 0
    pause_at = 0
    while got < total:
        data = connection.recv(PIECE)
        if not data or data != piece(got, len(data)):
            sys.exit(f"wrong after {got} bytes")
        got += len(data)
        if got >= pause_at:
            time.sleep(0.005)
            pause_at = got + 1024 * 1024
    if connection.recv(1):
        sys.exit("more than was sent")


def main():
    host, port, pid, mebibytes, most = sys.argv[1], *map(int, sys.argv[2:6])
    with socket.create_connection((host, port)) as warm:
        warm.sendall(b"x" * 1000)
        warm.recv(1000, socket.MSG_WAITALL)
    before = highest_kib(pid)
    with connect_with_small_buffers(host, port) as connection:
        sender = Sender(connection, mebibytes * 1024 * 1024)
        sender.start()
        wait_until_blocked(sender)
        read(connection, sender.total)
        sender.join()
    grown = highest_kib(pid) - before
    if 0 < most <= grown:
        sys.exit(f"the server's memory has grown by {grown} KiB")
    print(f"{mebibytes} MiB through a slow reader, {grown} KiB of memory")


main()
