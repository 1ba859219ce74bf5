#!/bin/sh
# examples/echo_server is started with sockets, as systemd does it: it serves on them, and who has come before
# it is served too.
set -eu

# shellcheck source-path=SCRIPTDIR source=../support/e2e.sh
. "$EDDY_SOURCE_DIR/tests/support/e2e.sh"

command -v python3 >/dev/null || skip "there is no python3"

cat >"$scratch/starts.py" <<'END'
"""Listens, connects, and only then starts the server in a child, which has the sockets as fds 3 and 4."""
import os
import socket
import sys

program, path = sys.argv[1:]
tcp = socket.create_server(("127.0.0.1", 0))
local = socket.socket(socket.AF_UNIX)
local.bind(path)
local.listen()
early = socket.create_connection(tcp.getsockname())
early.sendall(b"early")
early.shutdown(socket.SHUT_WR)


def hand_over():
    high = [os.dup2(s.fileno(), 20 + i, inheritable=False) for i, s in enumerate((tcp, local))]
    for i, fd in enumerate(high):
        os.dup2(fd, 3 + i, inheritable=True)
    os.environ["LISTEN_PID"] = str(os.getpid())
    os.environ["LISTEN_FDS"] = "2"
    os.environ["LISTEN_FDNAMES"] = "web:local"
    os.execv(program, [program])


child = os.fork()
if child == 0:
    hand_over()


def everything(connection):
    got = b""
    while piece := connection.recv(4096):
        got += piece
    return got


assert everything(early) == b"early", "who has come before the server is not served"
later = socket.socket(socket.AF_UNIX)
later.connect(path)
later.sendall(b"later")
later.shutdown(socket.SHUT_WR)
assert everything(later) == b"later", "the second socket is not served"
os.kill(child, 15)
assert os.waitpid(child, 0)[1] == 0, "the server has failed"
assert os.path.exists(path), "the server has removed a path that is not its own"
END
quietly timeout 60 python3 "$scratch/starts.py" "$EDDY_BUILD_DIR/examples/echo_server" "$scratch/socket"
echo "served on the sockets that were handed over"
