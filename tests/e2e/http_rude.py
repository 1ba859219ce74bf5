#!/usr/bin/env python3
"""Clients of examples/http_server that do not play by the rules: http_rude.py PORT

Requests that two programs could understand differently, half ones, slow ones, huge ones; pipelined ones and ends in
their midst. Prints a line for each fault; exits 1 if there is one.
"""
import re
import socket
import sys
import time

port = int(sys.argv[1])
faults = 0


def exchange(*pieces, pause=0.0, half_close=False):
    """Sends the pieces, and returns what comes until the server closes, or is silent for a while."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        got = b""
        try:
            for piece in pieces:
                client.sendall(piece)
                time.sleep(pause)
            if half_close:
                client.shutdown(socket.SHUT_WR)
            while True:
                more = client.recv(65536)
                if not more:
                    return got, True
                got += more
        except socket.timeout:
            return got, False
        except (ConnectionResetError, BrokenPipeError):
            return got, True


def expect(name, wanted, *pieces, closed=True, **options):
    global faults
    got, was_closed = exchange(*pieces, **options)
    statuses = [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", got)]
    if statuses != wanted or was_closed != closed:
        faults += 1
        print(f"{name}: wanted {wanted}{' and the end' if closed else ''}, got {statuses}"
              f"{' and the end' if was_closed else ''}: {got[:200]!r}")


HOST = b"Host: x\r\n"
END = b"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

# ---- what is refused, each with the end of the connection: nothing behind it is taken for a request
bad = {
    "two lengths": b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "a length and chunks": b"POST /echo HTTP/1.1\r\n" + HOST
    + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and a length": b"POST /echo HTTP/1.1\r\n" + HOST
    + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two encodings": b"POST /echo HTTP/1.1\r\n" + HOST
    + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks in 1.0": b"POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a negative length": b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n",
    "a length with a sign": b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: +5\r\n\r\nhello",
    "a length in hex": b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: 0x5\r\n\r\nhello",
    "a length with a comma": b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: 5, 5\r\n\r\nhello",
    "no length": b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: \r\n\r\nhello",
    "a space before the colon": b"GET /hello HTTP/1.1\r\nHost : x\r\n\r\n",
    "a folded line": b"GET /hello HTTP/1.1\r\n" + HOST + b"X: a\r\n b\r\n\r\n",
    "a bare line feed": b"GET /hello HTTP/1.1\nHost: x\r\n\r\n",
    "a bare line feed in a field": b"GET /hello HTTP/1.1\r\nHost: x\r\nA: b\nC: d\r\n\r\n",
    "a bare carriage return": b"GET /hello HTTP/1.1\r\nHost: x\r\nA: b\rC: d\r\n\r\n",
    "a zero byte": b"GET /hello HTTP/1.1\r\nHost: x\r\nA: \0\r\n\r\n",
    "no host": b"GET /hello HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /hello HTTP/1.1\r\n" + HOST + HOST + b"\r\n",
    "an empty name": b"GET /hello HTTP/1.1\r\n" + HOST + b": x\r\n\r\n",
    "a line without a colon": b"GET /hello HTTP/1.1\r\n" + HOST + b"nonsense\r\n\r\n",
    "two spaces": b"GET  /hello HTTP/1.1\r\n" + HOST + b"\r\n",
    "no version": b"GET /hello\r\n" + HOST + b"\r\n",
    "another protocol": b"GET /hello HTCP/1.1\r\n" + HOST + b"\r\n",
}
for name, request in bad.items():
    expect(name, [400], request + END)
expect("another encoding", [501], b"POST /echo HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + END)
expect("an encoding with a tab", [501],
       b"POST /echo HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: \x0bchunked\r\n\r\n".replace(b"\x0b", b"x") + END)
expect("another version", [505], b"GET /hello HTTP/2.0\r\n" + HOST + b"\r\n" + END)
expect("an expectation", [417], b"GET /hello HTTP/1.1\r\n" + HOST + b"Expect: wonders\r\n\r\n" + END)
expect("a body that is too long", [413],
       b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: 100000000\r\n\r\n" + END)
expect("a head that is too long", [431],
       b"GET /hello HTTP/1.1\r\n" + HOST + b"X: " + b"x" * 20000 + b"\r\n\r\n" + END)

# ---- chunks: whatever is wrong ends the connection in the midst of the answer
CHUNKED = b"POST /echo HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
for name, body in {
    "a size that is none": b"x\r\nhello\r\n0\r\n\r\n",
    "a negative size": b"-5\r\nhello\r\n0\r\n\r\n",
    "a size that is too large": b"fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    "a chunk that is too long": b"5\r\nhello!\r\n0\r\n\r\n",
    "an empty size": b"\r\nhello\r\n0\r\n\r\n",
    "more than is allowed": b"7fffffff\r\nhello",
}.items():
    expect(name, [200], CHUNKED + body + END)
expect("an end in the midst of chunks", [200], CHUNKED + b"5\r\nhel", half_close=True)
expect("chunks, extensions, trailers", [200, 200], CHUNKED + b"5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n" + END)
expect("an end in the midst of a head", [], b"GET /hel", half_close=True)
expect("an end in the midst of a body", [200],
       b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: 10\r\n\r\nhello", half_close=True)

# ---- what is allowed
expect("pipelined", [200] * 20 + [200], b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n" * 20 + END)
expect("byte by byte", [200], *[END[i:i + 1] for i in range(len(END))], pause=0.001)
expect("two lengths that agree", [200, 200],
       b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello" + END)
expect("1.0", [200], b"GET /hello HTTP/1.0\r\n\r\n")
expect("1.0 that goes on", [200, 200],
       b"GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + b"GET /hello HTTP/1.0\r\n\r\n")
expect("a body that nobody wants", [405, 200],
       b"POST /hello HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello" + END)
expect("another method", [501, 200], b"BREW /pot HTTP/1.1\r\n" + HOST + b"\r\n" + END)
expect("a path that leads out", [404, 200], b"GET /../secret HTTP/1.1\r\n" + HOST + b"\r\n" + END)
expect("a path that leads out, hidden", [404, 200],
       b"GET /%2e%2e/secret HTTP/1.1\r\n" + HOST + b"\r\n" + END)
expect("a zero byte in a path", [404, 200], b"GET /a%00b HTTP/1.1\r\n" + HOST + b"\r\n" + END)
expect("a percent that is none", [404, 200], b"GET /a%zz HTTP/1.1\r\n" + HOST + b"\r\n" + END)

# ---- the slow: a head has its time, however busily it comes (--head-time 1)
begun = time.monotonic()
expect("a slow head", [408], b"GET /hello HTTP/1.1\r\n", *[b"X: y\r\n"] * 8, pause=0.3)
if time.monotonic() - begun > 8:
    faults += 1
    print("a slow head holds the server")
sys.exit(1 if faults else 0)
