#!/usr/bin/env python3
"""Websocket clients of examples/chat, by raw sockets, most of which do not play by the rules.

    chat_websocket.py rules LINES WEB
    chat_websocket.py silent LINES WEB          with a server of --newcomer 1 --ping 1

LINES and WEB are ports. Prints a line for each fault; exits 1 if there is one.
"""
import base64
import hashlib
import os
import random
import socket
import struct
import sys

part, lines_port, web_port = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
faults = 0

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def fault(text):
    global faults
    faults += 1
    print(text)


def check(name, got, wanted):
    if got != wanted:
        fault(f"{name}: wanted {wanted!r}, got {got!r}")


def frame(opcode, payload=b"", fin=True, reserved=0, masked=True, width=None):
    """width: of the length, in bytes, 0, 2 or 8; else as many as it takes."""
    size = len(payload)
    width = width if width is not None else 0 if size < 126 else 2 if size < 65536 else 8
    first = (0x80 if fin else 0) | reserved << 4 | opcode
    second = size if width == 0 else 126 if width == 2 else 127
    head = bytes([first, second | (0x80 if masked else 0)]) + (size.to_bytes(width, "big") if width else b"")
    if not masked:
        return head + payload
    mask = os.urandom(4)
    return head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


def head(target="/chat", method="GET", version="HTTP/1.1", **changes):
    """Without a field whose value is None; '_' in a name stands for '-'."""
    fields = {"Host": f"127.0.0.1:{web_port}", "Upgrade": "websocket", "Connection": "keep-alive, Upgrade",
              "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec_WebSocket_Version": "13"}
    fields.update(changes)
    return "".join([f"{method} {target} {version}\r\n"] + [
        f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items() if value is not None
    ] + ["\r\n"]).encode()


class Client:
    def __init__(self, port=web_port, receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(30)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.got = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        try:
            self.socket.sendall(data)
        except (ConnectionResetError, BrokenPipeError):
            pass

    def more(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        self.got += data
        return data != b""

    def take(self, size):
        """b'' if the end comes before."""
        while len(self.got) < size:
            if not self.more():
                return b""
        data, self.got = self.got[:size], self.got[size:]
        return data

    def until(self, end):
        while end not in self.got:
            if not self.more():
                return b""
        return self.take(self.got.index(end) + len(end))

    def rest(self):
        while self.more():
            pass
        return self.got

    def frame(self):
        """(opcode, payload) of the next frame; None: the end."""
        start = self.take(2)
        if not start:
            return None
        if start[0] & 0x70 or not start[0] & 0x80 or start[1] & 0x80:
            fault(f"a frame of the server begins with {start!r}")
        size = start[1]
        if size == 126:
            size = struct.unpack("!H", self.take(2))[0]
        return start[0] & 0xf, self.take(size)

    def text(self):
        got = self.frame()
        return got[1].decode() if got and got[0] == TEXT else got

    def expect_close(self, name, code):
        got = self.frame()
        if not got or got[0] != CLOSE or got[1][:2] != struct.pack("!H", code):
            fault(f"{name}: wanted a close with {code}, got {got!r}")
            return
        got[1][2:].decode()
        self.socket.shutdown(socket.SHUT_WR)
        check(f"{name}: behind the close", self.rest(), b"")


class Web(Client):
    def __init__(self, name=None, **options):
        super().__init__(**options)
        key = base64.b64encode(os.urandom(16))
        self.send(head(Sec_WebSocket_Key=key.decode()))
        answer = self.until(b"\r\n\r\n")
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        if not answer.startswith(b"HTTP/1.1 101 ") or b"Sec-WebSocket-Accept: " + accept + b"\r\n" not in answer:
            fault(f"the handshake: {answer!r}")
        check("the server's first words", self.text(), "Your name?")
        if name is not None:
            self.say(name)

    def say(self, text):
        self.send(frame(TEXT, text.encode()))


class Lines(Client):
    def __init__(self, name):
        super().__init__(port=lines_port)
        check("the server's first words", self.line(), "Your name?")
        self.send(name.encode() + b"\n")

    def line(self):
        return self.until(b"\n").decode()[:-1]


def refuse(refused):
    offer = b"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    needed = {405: b"\r\nAllow: GET\r\n", 426: offer}
    for name, (status, request) in refused.items():
        with Client() as client:
            client.send(request)
            answer = client.until(b"\r\n\r\n")
            check(name, answer[9:12], b"%d" % status)
            check(f"{name}: what would do", needed.get(status, b"") in answer, True)
            client.socket.shutdown(socket.SHUT_WR)
            client.rest()


# ---- the silent
def silent():
    with (Client() as half, Client() as nothing, Web() as nameless, Web() as half_named, Client(port=lines_port) as by_lines,
          Lines("ann") as ann, Web("eve") as eve):
        half.send(head()[:-2])
        half_named.send(frame(TEXT, b"half")[:8])
        check("half a head", half.until(b"\r\n")[9:12], b"408")
        check("nothing", nothing.until(b"\r\n")[9:12], b"408")
        nameless.expect_close("no name", 1008)
        half_named.expect_close("half a name", 1008)
        check("no name by lines", by_lines.rest(), b"Your name?\n")
        check("she is asked", eve.frame(), (PING, b""))
        eve.send(frame(PONG))
        check("she is asked again", eve.frame(), (PING, b""))
        eve.expect_close("she is out", 1008)
        check("the others hear", ann.until(b"out)\n").splitlines()[-1], b"eve: (does not answer, and is out)")


if part == "silent":
    silent()
    sys.exit(1 if faults else 0)

# ---- the handshake: the example of RFC 6455, and what is refused
with Client() as client:
    client.send(head())
    check("the accept of RFC 6455", b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in client.until(b"\r\n\r\n"),
          True)

refused = {
    "no Upgrade": (426, head(Upgrade=None)),
    "another Upgrade": (426, head(Upgrade="h2c")),
    "no Connection": (426, head(Connection=None)),
    "a Connection that only looks so": (426, head(Connection="keep-alive, Upgrades")),
    "no version": (426, head(Sec_WebSocket_Version=None)),
    "version 8": (426, head(Sec_WebSocket_Version="8")),
    "two versions": (426, head(Sec_WebSocket_Version="8, 13")),
    "no key": (400, head(Sec_WebSocket_Key=None)),
    "a short key": (400, head(Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25j")),
    "a long key": (400, head(Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZSBsb25n")),
    "a key with one letter more": (400, head(Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==x")),
    "a key that is no base64": (400, head(Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25*ZQ==")),
    "a key of too many bits": (400, head(Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZR==")),
    "two keys": (400, head(sec_websocket_key="dGhlIHNhbXBsZSBub25jZQ==")),
    "another page's origin": (403, head(Origin="http://example.org")),
    "an origin of another port": (403, head(Origin=f"http://127.0.0.1:{web_port - 1}")),
    "an origin that begins alike": (403, head(Origin=f"http://127.0.0.1:{web_port}0")),
    "no origin at all": (403, head(Origin="null")),
    "a name that leads here": (403, head(Host=f"example.org:{web_port}", Origin=f"http://example.org:{web_port}")),
    "a page by a name that leads here": (403, head(target="/", Host="example.org")),
    "no host": (400, head(Host=None)),
    "two hosts": (400, head(host="127.0.0.1")),
    "a path in capitals": (404, head(target="/CHAT")),
    "another path": (404, head(target="/none")),
    "another method": (405, head(method="POST")),
    "a body": (413, head(Content_Length="5")),
    "a body in chunks": (413, head(Transfer_Encoding="chunked")),
    "an older version": (505, head(version="HTTP/1.0")),
    "another protocol": (400, head(version="HTCP/1.1")),
    "no version of the protocol": (400, b"GET /chat\r\n\r\n"),
    "a bare line feed": (400, head().replace(b"Upgrade: websocket\r\n", b"Upgrade: websocket\n")),
    "a bare carriage return": (400, head(Upgrade="websocket\rX: y")),
    "a space before the colon": (400, head(**{"Origin ": "x"})),
    "a folded line": (400, head(X="a\r\n b")),
    "a head that is too long": (431, head(X="x" * 9000)),
}
refuse(refused)
for name, request in {"the page's own origin": head(Origin=f"http://127.0.0.1:{web_port}"),
                      "behind TLS, elsewhere": head(Host="localhost:443", Origin="https://LOCALHOST:443"),
                      "lists in parts": head(connection="x", upgrade="h2c, WebSocket", Upgrade="x/1"),
                      "byte by byte": [bytes([byte]) for byte in head()]}.items():
    with Client() as client:
        for piece in request if isinstance(request, list) else [request]:
            client.send(piece)
        check(name, client.until(b"\r\n")[9:12], b"101")
with Client() as client:
    client.send(head(target="/", Upgrade=None, Connection=None))
    size = int(client.until(b"\r\n\r\n").partition(b"Content-Length: ")[2].split()[0])
    check("the page's length", len(client.rest()), size)

# ---- one room
with Lines("ann") as ann, Web() as bob:
    ann.send(b"x" * 2000 + b"\n")
    check("ann is in", ann.line(), "Too long.")
    bob.say("bob")
    check("a browser comes", ann.line(), "bob: (has come)")
    bob.say("grüße, 漢字 \U0001f600")
    check("a browser says", ann.line(), "bob: grüße, 漢字 \U0001f600")
    ann.send("hört\r\n".encode())
    check("a terminal says", bob.text(), "ann: hört")
    bob.send(frame(TEXT, b""))
    check("nothing", ann.line(), "bob: ")
    ann.send(b"a\x1b[31m\xff\xc3(\xed\xa0\x80\xe6\xbc\0\xc2\x9b\t\xe6\xbc\n")
    check("what is no text", bob.text(), "ann: a?[31m??(????????\t??")
    bob.say("one\neve: two\x7f")
    check("two lines in one", ann.line(), "bob: one?eve: two?")
    with Web("漢" * 20) as long:
        check("a long name", ann.line(), "漢" * 10 + ": (has come)")
        check("a long name, by frames", bob.text(), "漢" * 10 + ": (has come)")
        long.send(frame(CLOSE, struct.pack("!H", 1000) + b"bye"))
        long.expect_close("a close", 1000)
    check("a browser goes", ann.line(), "漢" * 10 + ": (has gone)")
    check("a browser goes, by frames", bob.text(), "漢" * 10 + ": (has gone)")
    with Web(""):
        check("no name", ann.line(), "somebody: (has come)")
        check("no name, by frames", bob.text(), "somebody: (has come)")
    check("an end without a close", ann.line(), "somebody: (has gone)")
    check("an end without a close, by frames", bob.text(), "somebody: (has gone)")

    with Web("e\x1b[2J\nve\x7f"):
        check("a name of control characters", ann.line(), "e?[2J?ve?: (has come)")
        check("a name of control characters, by frames", bob.text(), "e?[2J?ve?: (has come)")
    check("it goes", ann.line(), "e?[2J?ve?: (has gone)")
    check("it goes, by frames", bob.text(), "e?[2J?ve?: (has gone)")

    # Fragments, lengths, control frames between; the order of what comes back.
    bob.send(frame(TEXT, b"fr", fin=False) + frame(PING, b"one") + frame(0, "ä".encode()[:1], fin=False)
             + frame(PONG, b"unasked") + frame(0, "ä".encode()[1:], fin=False) + frame(0, b"", fin=False)
             + frame(PING) + frame(0, b"g"))
    check("a ping in a message", bob.frame(), (PONG, b"one"))
    check("an empty ping in a message", bob.frame(), (PONG, b""))
    check("a message in parts", ann.line(), "bob: fräg")
    for piece in frame(TEXT, b"slowly") + frame(PING, b"p" * 125):
        bob.send(bytes([piece]))
    check("byte by byte", ann.line(), "bob: slowly")
    check("a ping byte by byte", bob.frame(), (PONG, b"p" * 125))
    for size in 125, 126, 1024:
        bob.send(frame(TEXT, b"x" * size))
        check(f"{size} bytes", ann.line(), "bob: " + "x" * size)
    bob.send(frame(TEXT, b"y" * 300, fin=False) + frame(0, b"z" * 724))
    check("1024 bytes in parts", ann.line(), "bob: " + "y" * 300 + "z" * 724)
    bob.send(frame(TEXT, b"together") * 3)
    check("three together", [ann.line() for _ in range(3)], ["bob: together"] * 3)
    ann.send(b"x" * 1000 + b"\n")
    check("a length of 16 bits", bob.text(), "ann: " + "x" * 1000)

    # At random: messages in parts that come in pieces, with control frames anywhere; each is heard, each ping answered.
    seed = int(os.environ.get("EDDY_TEST_SEED", 0)) or random.getrandbits(32)
    chance = random.Random(seed)
    stream, wanted, pongs = b"", [], []
    for _ in range(200):
        text = "".join(chance.choice("aß漢\U0001f600 ") for _ in range(chance.choice([0, 1, 30, 200])))
        data = text.encode()
        wanted.append("bob: " + text)
        cuts = sorted(chance.randrange(len(data) + 1) for _ in range(chance.choice([0, 0, 1, 5])))
        for i, (begin, end) in enumerate(zip([0] + cuts, cuts + [len(data)])):
            stream += frame(TEXT if i == 0 else 0, data[begin:end], fin=i == len(cuts))
            if chance.random() < 0.2:
                pongs.append((PONG, chance.randbytes(chance.randrange(126))))
                stream += frame(PING, pongs[-1][1]) + frame(PONG) * chance.randrange(2)
    while stream:
        size = chance.choice([1, 2, 7, 100, 5000])
        bob.send(stream[:size])
        stream = stream[size:]
    check(f"at random (EDDY_TEST_SEED={seed})", [ann.line() for _ in wanted], wanted)
    check(f"pings at random (EDDY_TEST_SEED={seed})", [bob.frame() for _ in pongs], pongs)

    # And with bytes changed: she may be out, or be heard, but the server goes on.
    for _ in range(300):
        data = bytearray(frame(chance.choice([TEXT, TEXT, PING, CLOSE, 0]), b"\x03\xe8" + b"x" * chance.randrange(300),
                               fin=chance.random() < 0.9) * 3)
        for _ in range(chance.randrange(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        with Web("eve") as eve:
            eve.send(bytes(data))
            eve.socket.shutdown(socket.SHUT_WR)
            eve.rest()
        line = ""
        while line != "eve: (has gone)":
            line = ann.line()
            if not line.startswith("eve: "):
                fault(f"bytes changed (EDDY_TEST_SEED={seed}): {line!r}")
                break
    bob.say("here")
    check("the server goes on", ann.line(), "bob: here")

    # What is against the rules ends his connection, is told to him, and to the others.
    close = struct.pack
    violations = {
        "not masked": (1002, frame(TEXT, b"x", masked=False)),
        "a reserved bit": (1002, frame(TEXT, b"x", reserved=4)),
        "the last reserved bit": (1002, frame(TEXT, b"x", reserved=1)),
        "a reserved bit of a ping": (1002, frame(PING, reserved=2)),
        "opcode 3": (1002, frame(3)),
        "opcode 7": (1002, frame(7)),
        "opcode 11": (1002, frame(11)),
        "opcode 15": (1002, frame(15)),
        "nothing to continue": (1002, frame(0, b"x")),
        "a message in a message": (1002, frame(TEXT, b"x", fin=False) + frame(TEXT, b"y")),
        "a ping in parts": (1002, frame(PING, b"x", fin=False)),
        "a ping that is too long": (1002, frame(PING, b"x" * 126)),
        "16 bits for 125": (1002, frame(TEXT, b"x" * 125, width=2)),
        "64 bits for 1000": (1002, frame(TEXT, b"x" * 1000, width=8)),
        "a negative length": (1002, b"\x81\xff\x80" + b"\0" * 7 + b"mask"),
        "binary": (1003, frame(BINARY, b"x")),
        "not UTF-8": (1007, frame(TEXT, b"\xff")),
        "an overlong one": (1007, frame(TEXT, b"\xc0\xaf")),
        "an overlong one of three": (1007, frame(TEXT, b"\xe0\x80\xaf")),
        "an overlong one of four": (1007, frame(TEXT, b"\xf0\x80\x80\xaf")),
        "half a pair": (1007, frame(TEXT, b"\xed\xa0\x80")),
        "above all": (1007, frame(TEXT, b"\xf4\x90\x80\x80")),
        "far above all": (1007, frame(TEXT, b"\xf5\x80\x80\x80")),
        "half a character": (1007, frame(TEXT, "ä".encode()[:1])),
        "half a character in parts": (1007, frame(TEXT, b"x", fin=False) + frame(0, "漢".encode()[:2])),
        "not UTF-8, before its end": (1007, frame(TEXT, b"\xff" + b"x" * 900)[:10]),
        "1025 bytes": (1009, frame(TEXT, b"x" * 1025)),
        "1025 bytes, by the header": (1009, frame(TEXT, b"x" * 1025)[:8]),
        "1025 bytes in parts": (1009, frame(TEXT, b"x" * 1000, fin=False) + frame(0, b"x" * 25)),
        "four gibibytes, by the header": (1009, b"\x81\xff\0\0\0\x01\0\0\0\0mask"),
        "as much as there can be": (1009, b"\x81\xff\x7f" + b"\xff" * 7 + b"mask"),
        "a close of one byte": (1002, frame(CLOSE, b"\x03")),
        "a close with 999": (1002, frame(CLOSE, close("!H", 999))),
        "a close with 1004": (1002, frame(CLOSE, close("!H", 1004))),
        "a close with 1005": (1002, frame(CLOSE, close("!H", 1005))),
        "a close with 1006": (1002, frame(CLOSE, close("!H", 1006))),
        "a close with 1015": (1002, frame(CLOSE, close("!H", 1015))),
        "a close with 2999": (1002, frame(CLOSE, close("!H", 2999))),
        "a close with 5000": (1002, frame(CLOSE, close("!H", 5000))),
        "a close that is not UTF-8": (1007, frame(CLOSE, close("!H", 1000) + b"\xff")),
        "a close with 1001": (1001, frame(CLOSE, close("!H", 1001))),
        "a close with 4999, in a message": (4999, frame(TEXT, b"x", fin=False) + frame(CLOSE, close("!H", 4999))),
    }
    for name, (code, data) in violations.items():
        with Web("eve") as eve:
            check(f"{name}: eve", ann.line(), "eve: (has come)")
            eve.send(data)
            if data[0] & 0xf == CLOSE or code != 4999:
                eve.send(frame(TEXT, b"not heard"))
            eve.expect_close(name, code)
        check(f"{name}: she is out", ann.line(), "eve: (has gone)")
    with Web("eve") as eve:
        check("a close that says nothing: eve", ann.line(), "eve: (has come)")
        eve.send(frame(CLOSE))
        check("a close that says nothing", eve.frame(), (CLOSE, b""))
        check("its end", ann.line(), "eve: (has gone)")

# ---- who does not read
with Lines("ann") as ann, Client(receive_buffer=4096) as idle:
    check("ann's name is taken", ann.send(b"x" * 2000 + b"\n") or ann.line(), "Too long.")
    idle.send(head())
    check("who does not read", idle.until(b"\r\n\r\n")[9:12], b"101")
    idle.send(frame(TEXT, b"eve"))
    check("she comes", ann.line(), "eve: (has come)")
    for _ in range(400):
        ann.send(b"x" * 1000 + b"\n")
    check("she is out", ann.line(), "eve: (does not read, and is out)")
    with Web("eve") as eve:
        check("who pings and does not read comes", ann.line(), "eve: (has come)")
        eve.socket.setblocking(False)
        try:
            while True:
                eve.socket.send(frame(PING, b"x" * 125) * 100)
        except (BlockingIOError, ConnectionResetError, BrokenPipeError):
            pass
        eve.socket.settimeout(30)
        eve.send(frame(PING, b"x" * 125) * 50000)
        check("who pings and does not read is out", ann.line(), "eve: (does not read, and is out)")

sys.exit(1 if faults else 0)
