#!/usr/bin/env python3
"""Runs a cat at a terminal, as the cat of the system: what is shown, how it ends, what is left.

    cat_terminal.py PROGRAM

The terminal is afterwards as it was before, its modes and the flags of its open file description, also
when the program is killed.
"""
import fcntl
import os
import pty
import select
import signal
import subprocess
import sys
import termios

PATIENCE = 60  # seconds


def run(program, act):
    """A program at a terminal of its own; what it has shown, and how it ended."""
    main, other = pty.openpty()
    before = termios.tcgetattr(other), fcntl.fcntl(other, fcntl.F_GETFL)
    process = subprocess.Popen(
        [program], stdin=other, stdout=other, stderr=other, start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
    shown = act(main, process)
    status = process.wait(PATIENCE)
    after = termios.tcgetattr(other), fcntl.fcntl(other, fcntl.F_GETFL)
    assert before == after, f"{program} left the terminal as {after}, which was {before}"
    os.close(other)
    os.close(main)
    return shown, status


def read_until(main, ending):
    data = b""
    while not data.endswith(ending):
        assert select.select([main], [], [], PATIENCE)[0], f"nothing comes behind {data}"
        data += os.read(main, 4096)
    return data


def talk(main, process):
    """Two lines, half a line, and the end."""
    os.write(main, b"one\n")
    shown = read_until(main, b"one\r\none\r\n")
    os.write(main, b"two\n")
    shown += read_until(main, b"two\r\ntwo\r\n")
    os.write(main, b"half\004")
    shown += read_until(main, b"halfhalf")
    os.write(main, b"\004")
    process.wait(PATIENCE)
    return shown


def interrupt(main, process):
    os.write(main, b"one\n")
    shown = read_until(main, b"one\r\none\r\n")
    os.write(main, b"\003")
    return shown


def kill(main, process):
    os.write(main, b"one\n")
    shown = read_until(main, b"one\r\none\r\n")
    process.send_signal(signal.SIGKILL)
    return shown


def hang_up(program):
    """The terminal goes away under it: as its owner it gets SIGHUP, otherwise its reads end."""
    main, other = pty.openpty()
    process = subprocess.Popen([program], stdin=other, stdout=subprocess.DEVNULL)
    os.close(other)
    os.close(main)
    return process.wait(PATIENCE)


for act in talk, interrupt, kill:
    mine, systems = run(sys.argv[1], act), run("/bin/cat", act)
    assert mine == systems, f"{act.__name__}: {mine}, but of /bin/cat {systems}"
ended = hang_up(sys.argv[1]), hang_up("/bin/cat")
# A read that waits at that moment is EIO, one that comes later an end: whichever, both programs end.
assert all(status in (0, 1) for status in ended), f"after a hang-up: {ended}"
