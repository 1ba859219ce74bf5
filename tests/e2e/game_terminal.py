#!/usr/bin/env python3
"""Plays examples/game_loop in a terminal of its own, and ends it in every way there is.

    game_terminal.py PROGRAM

Fails unless the keys do what they should, the picture follows the window, and the terminal is
afterwards as it was before. Waits for what is shown, never for a time.
"""
import fcntl
import os
import pty
import re
import resource
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

ENTER = b"\033[?1049h"
LEAVE = b"\033[0m\033[?25h\033[?1049l"
PATIENCE = 60  # seconds


class Terminal:
    """A program in a pty, and the picture that it has drawn."""

    def __init__(self, program, folder):
        self.main, self.other = pty.openpty()
        self.resize(24, 80)
        self.before = termios.tcgetattr(self.other)
        self.raw = b""
        self.cells = {}
        self.process = subprocess.Popen(
            [program, "--name", "zoe", "--port", "0", "--scores", folder + "/scores"],
            stdin=self.other, stdout=self.other, stderr=self.other, start_new_session=True,
            preexec_fn=self.prepare)

    @staticmethod
    def prepare():
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def resize(self, rows, columns):
        fcntl.ioctl(self.other, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def take(self, seconds):
        """Takes what the program writes; False: nothing for so long."""
        if not select.select([self.main], [], [], seconds)[0]:
            return False
        data = os.read(self.main, 65536)
        self.raw += data
        self.draw()
        return True

    def draw(self):
        """Draws all that was written from the beginning, as escapes may come in pieces."""
        self.cells = {}
        row, column = 1, 1
        pattern = rb"\033\[(\d+);(\d+)H|\033\[[0-9;?]*[a-zA-Z]|(.)"
        for match in re.finditer(pattern, self.raw, re.DOTALL):
            if match.group(1):
                row, column = int(match.group(1)), int(match.group(2))
            elif match.group(3):
                self.cells[row, column] = match.group(3).decode("latin-1")
                column += 1

    def row(self, row):
        return "".join(self.cells.get((row, column), " ") for column in range(1, 200))

    def text(self):
        return "\n".join(self.row(row) for row in range(1, 60))

    def wait_for(self, what, condition):
        end = time.monotonic() + PATIENCE
        while not condition():
            if not self.take(max(0, end - time.monotonic())):
                sys.exit(f"no {what}; the picture is\n{self.text().rstrip()}")

    def press(self, keys):
        os.write(self.main, keys)

    def player(self):
        for (row, column), glyph in self.cells.items():
            if glyph == "@":
                return row, column
        return None

    def check_given_back(self, how):
        while self.take(0):
            pass
        if not self.raw.endswith(LEAVE):
            sys.exit(f"{how}: the other page is not left")
        if termios.tcgetattr(self.other) != self.before:
            sys.exit(f"{how}: the terminal's settings are not as before")

    def wait_stopped(self, how):
        status = os.waitpid(self.process.pid, os.WUNTRACED)[1]
        if not os.WIFSTOPPED(status):
            sys.exit(f"{how}: it does not stop")

    def check_end(self, how, status):
        ended = self.process.wait(PATIENCE)
        if ended != status:
            sys.exit(f"{how}: it ends with {ended}, not {status}")
        self.check_given_back(how)
        os.close(self.main)
        os.close(self.other)


def begin(program, folder):
    terminal = Terminal(program, folder)
    terminal.wait_for("first picture", lambda: "zoe 0 ***" in terminal.row(1))
    terminal.wait_for("thief", terminal.player)
    if ENTER not in terminal.raw:
        sys.exit("it draws over what there was")
    if termios.tcgetattr(terminal.other) == terminal.before:
        sys.exit("it does not read single keys")
    return terminal


def begin_and_take_coin(program, folder):
    """The terminal; None: the machine was so slow that a guard was there first."""
    terminal = begin(program, folder)
    row, column = terminal.player()
    terminal.press(b"\033[")  # an arrow in two pieces
    terminal.press(b"C")
    terminal.wait_for("coin", lambda: "zoe 10" in terminal.row(1) or "***" not in terminal.row(1))
    if "zoe 10" not in terminal.row(1):
        terminal.press(b"q")
        terminal.check_end("q", 0)
        return None
    terminal.wait_for("thief beside the coin", terminal.player)  # a picture may come in pieces
    if terminal.player()[0] != row or terminal.player()[1] <= column:
        sys.exit("the thief has not gone to the right")
    return terminal


def play(program, folder):
    terminal = None
    for _ in range(5):
        terminal = terminal or begin_and_take_coin(program, folder)
    if terminal is None:
        sys.exit("the thief is always caught before the first coin")
    terminal.press(b"p")
    terminal.wait_for("pause", lambda: "PAUSED" in terminal.row(1))
    writes = 0
    while terminal.take(0.4):  # guards take 0.32 s a tile: what moves, writes
        writes += 1
        if writes > 50:
            sys.exit("something moves in a pause")
    terminal.press(b"ps")
    terminal.wait_for("slow motion", lambda: "SLOW" in terminal.row(1))
    terminal.press(b"s")
    terminal.wait_for("normal speed", lambda: "SLOW" not in terminal.row(1))
    terminal.raw = b""
    terminal.resize(40, 120)
    terminal.wait_for("larger picture", lambda: "p pause" in terminal.row(40))
    terminal.raw = ENTER
    terminal.resize(10, 30)
    terminal.wait_for("smaller picture", lambda: "arrows" in terminal.row(10))
    terminal.wait_for("thief in a small window", terminal.player)
    terminal.press(b"q")
    terminal.check_end("q", 0)


def suspend(program, folder):
    terminal = begin(program, folder)
    for how, stop in ("Ctrl-Z", lambda: terminal.press(b"\032")), \
                     ("SIGSTOP", lambda: terminal.process.send_signal(signal.SIGSTOP)):
        stop()
        terminal.wait_stopped(how)
        if how == "Ctrl-Z":
            terminal.check_given_back(how)
        # As a shell does, which has the terminal meanwhile.
        termios.tcsetattr(terminal.other, termios.TCSANOW, terminal.before)
        while terminal.take(0):
            pass
        terminal.raw = b""
        terminal.draw()
        terminal.process.send_signal(signal.SIGCONT)
        terminal.wait_for("picture after " + how, lambda: "zoe" in terminal.row(1))
        terminal.wait_for("thief after " + how, terminal.player)
        if not terminal.raw.startswith(ENTER):
            sys.exit(f"{how}: it draws over what there was")
        terminal.press(b"p")
        terminal.wait_for("pause after " + how, lambda: "PAUSED" in terminal.row(1))
        terminal.press(b"p")
        terminal.wait_for("game after " + how, lambda: "PAUSED" not in terminal.row(1))
    terminal.press(b"q")
    terminal.check_end("q", 0)


def main():
    program = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        play(program, folder)
        suspend(program, folder)
        terminal = begin(program, folder)
        terminal.press(b"\003")  # Ctrl-C
        terminal.check_end("Ctrl-C", -signal.SIGINT)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGABRT, signal.SIGSEGV,
                       signal.SIGQUIT, signal.SIGUSR1, signal.SIGALRM, signal.SIGRTMIN):
            terminal = begin(program, folder)
            terminal.process.send_signal(number)
            terminal.check_end(number.name, -number)


main()
