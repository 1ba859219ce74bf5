#!/usr/bin/env python3
"""A name server for the tests of examples/dns_forwarder; prints its port, and a line for each question.

    a.test 192.0.2.1, for 100 s        short.test 192.0.2.2, for 1 s        none.test: no such name
    silent.test: no answer             late.test: silent the first time     liar.test: another's answer, then its own
"""
import socket
import struct

here = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
here.bind(("127.0.0.1", 0))
print(here.getsockname()[1], flush=True)
asked = {}


def answer(question, name, address, ttl, code=0, ident=None):
    end = 12 + len(name) + 2 + 4
    head = struct.pack(">2sHHHHH", ident or question[:2], 0x8180 | code, 1, 0 if code else 1, 0, 0)
    record = b"" if code else b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, ttl, 4) + socket.inet_aton(address)
    return head + question[12:end] + record


while True:
    question, client = here.recvfrom(4096)
    name, at = "", 12
    while question[at]:
        name += question[at + 1:at + 1 + question[at]].decode() + "."
        at += 1 + question[at]
    name = name[:-1].lower()
    asked[name] = asked.get(name, 0) + 1
    print(name, flush=True)
    if name == "a.test":
        here.sendto(answer(question, name, "192.0.2.1", 100), client)
    elif name == "short.test":
        here.sendto(answer(question, name, "192.0.2.2", 1), client)
    elif name == "none.test":
        here.sendto(answer(question, name, "", 0, code=3), client)
    elif name == "late.test" and asked[name] > 1:
        here.sendto(answer(question, name, "192.0.2.3", 100), client)
    elif name == "liar.test":
        wrong = bytes([question[0] ^ 1]) + question[1:2]
        here.sendto(answer(question, name, "192.0.2.66", 100, ident=wrong), client)
        here.sendto(question, client)  # a question is no answer
        here.sendto(b"nonsense", client)
        here.sendto(answer(question, name, "192.0.2.4", 100), client)
