#!/usr/bin/env python3
"""Clients and a server that break off wherever it hurts, by examples/proxy: proxy_chaos.py SOCKS_PORT STATUS_PORT

Prints a line for each fault; exits 1 if there is one.
"""
import random
import re
import socket
import struct
import sys
import threading
import time

socks, status = int(sys.argv[1]), int(sys.argv[2])
RESET = struct.pack("ii", 1, 0)
faults = []


def open_counters():
    with socket.create_connection(("127.0.0.1", status), timeout=5) as client:
        text = b""
        while more := client.recv(4096):
            text += more
    return {name.decode(): int(value) for name, value in re.findall(rb"(\w+) (\d+)", text)}


# A server that sends back what it gets, with an end or a reset in the midst of it, as it is asked to.
server = socket.create_server(("127.0.0.1", 0), backlog=100)
echo_port = server.getsockname()[1]


def serve(peer):
    try:
        kind = peer.recv(1)
        if kind == b"r":
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        elif kind == b"s":
            time.sleep(30)
        elif kind == b"e":
            while more := peer.recv(65536):
                peer.sendall(more)
            peer.shutdown(socket.SHUT_WR)
    except OSError:
        pass
    finally:
        peer.close()


def accept_all():
    while True:
        peer, _ = server.accept()
        threading.Thread(target=serve, args=(peer,), daemon=True).start()


threading.Thread(target=accept_all, daemon=True).start()


def connect(port=echo_port):
    client = socket.create_connection(("127.0.0.1", socks), timeout=10)
    client.sendall(b"\x05\x01\x00" + b"\x05\x01\x00\x01\x7f\x00\x00\x01" + struct.pack(">H", port))  # at once
    reply = b""
    while len(reply) < 12:
        more = client.recv(12 - len(reply))
        if not more:
            break
        reply += more
    return client, reply


def check(name, wanted, got):
    if wanted != got:
        faults.append(f"{name}: wanted {wanted!r}, got {got!r}")


# ---- what goes through, also after half an end
client, reply = connect()
check("the replies", b"\x05\x00" + b"\x05\x00\x00\x01\0\0\0\0\0\0", reply)
sent = random.Random(1).randbytes(3_000_000)
threading.Thread(target=lambda: (client.sendall(b"e" + sent), client.shutdown(socket.SHUT_WR)), daemon=True).start()
got = b""
while more := client.recv(65536):
    got += more
check("an echo behind half an end", True, got == sent)
client.close()

# ---- what is refused
for name, request, wanted in [
    ("another version", b"\x04\x01\x00\x50\x7f\x00\x00\x01\x00", b""),
    ("only with a password", b"\x05\x01\x02", b"\x05\xff"),
    ("a bind", b"\x05\x01\x00\x05\x02\x00\x01\x7f\x00\x00\x01\x00\x50", b"\x05\x00\x05\x07\x00\x01\0\0\0\0\0\0"),
    ("a kind of address", b"\x05\x01\x00\x05\x01\x00\x02\x7f\x00\x00\x01\x00\x50", b"\x05\x00\x05\x08\x00\x01\0\0\0\0\0\0"),
]:
    with socket.create_connection(("127.0.0.1", socks), timeout=5) as client:
        client.sendall(request)
        got = b""
        try:
            while more := client.recv(4096):
                got += more
        except OSError:
            pass
        check(name, wanted, got)
client, reply = connect(1)
check("nobody there", 5, reply[3])
client.close()

# ---- a server that resets, and one that is silent while its client goes
client, _ = connect()
client.sendall(b"r")
try:
    check("a server that resets", b"", client.recv(1))
except ConnectionResetError:
    pass
client.close()
client, _ = connect()
client.sendall(b"s")
client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
client.close()

# ---- many, each broken off somewhere, by a seed
random_state = random.Random(7)
for i in range(300):
    client = socket.create_connection(("127.0.0.1", socks), timeout=10)
    whole = b"\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01" + struct.pack(">H", echo_port) + b"e" + b"x" * 1000
    try:
        client.sendall(whole[:random_state.randrange(len(whole))])
        if random_state.random() < 0.5:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    except OSError:
        pass
    client.close()

# ---- nothing is left of them
for _ in range(100):
    if open_counters()["open"] == 0:
        break
    time.sleep(0.1)
check("open in the end", 0, open_counters()["open"])
print("\n".join(faults), end="\n" if faults else "")
sys.exit(1 if faults else 0)
