#!/usr/bin/env python3
"""Runs programs side by side and checks what each prints, and when.

    stamp_lines.py DIRECTORY EXPECTED [TOLERANCE]

Runs every program of DIRECTORY that has a NAME.out in EXPECTED, all at once, each with its output
in a pipe. Its output must be that file, byte for byte, and its exit status 0. With a TOLERANCE
(seconds) each line must come within that of the moment that EXPECTED/timing.tsv gives for it.
Prints one line for each fault.
"""
import os
import subprocess
import sys
import threading
import time


def read_timing(path):
    offsets = {}
    with open(path, encoding="utf-8") as table:
        next(table)
        for row in table:
            program, _, offset, _ = row.rstrip("\n").split("\t")
            offsets.setdefault(program, []).append(float(offset))
    return offsets


class Run(threading.Thread):
    """One run of a program, with the moment at which each of its lines came."""

    def __init__(self, path):
        super().__init__()
        self.path = path
        self.lines = []
        self.moments = []
        self.status = None

    def run(self):
        start = time.monotonic()
        with subprocess.Popen([self.path], stdout=subprocess.PIPE) as program:
            for line in program.stdout:
                self.moments.append(time.monotonic() - start)
                self.lines.append(line)
        self.status = program.returncode


def faults(run, expected, offsets, tolerance):
    if run.status != 0:
        yield f"exit status {run.status}"
    if b"".join(run.lines) != expected:
        yield f"printed {b''.join(run.lines)!r} instead of {expected!r}"
    elif tolerance is not None:
        if len(offsets) != len(run.moments):
            yield f"timing.tsv has {len(offsets)} lines, it printed {len(run.moments)}"
        for number, (offset, moment) in enumerate(zip(offsets, run.moments), 1):
            if abs(moment - offset) > tolerance:
                yield f"line {number} came after {moment:.2f} s instead of {offset:.2f} s"


def main():
    directory, expected = sys.argv[1:3]
    tolerance = float(sys.argv[3]) if len(sys.argv) > 3 else None
    timing = read_timing(os.path.join(expected, "timing.tsv"))
    names = sorted(name[:-4] for name in os.listdir(expected) if name.endswith(".out"))
    runs = {name: Run(os.path.join(directory, name)) for name in names}
    for run in runs.values():
        run.start()
    bad = 0
    for name, run in runs.items():
        run.join()
        with open(os.path.join(expected, name + ".out"), "rb") as file:
            for fault in faults(run, file.read(), timing.get(name, []), tolerance):
                print(f"{name}: {fault}")
                bad += 1
    print(f"{len(runs)} programs, {bad} faults")
    sys.exit(bad > 0 or not runs)


main()
