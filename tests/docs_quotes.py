#!/usr/bin/env python3
"""Checks that the documents say what the files say.

    docs_quotes.py ROOT

In README.md and docs/*.md, a comment in front of a block names what the block quotes:

    <!-- examples/echo_minimal.c -->      the block is that file, or lines of it that follow each
                                          other, whatever the indentation of all of them
    <!-- 01_print_numbers.py -->          a program of the tutorial, which is not kept here: the
                                          block has as many lines as tests/tutorial/python_lines.tsv
                                          says

In docs/guide.md every block of C names its file. Among its traps, a comment

    <!-- tests/task/test_traps.c: a_bare_return -->

names the test that shows the trap: the file has that name in it, and what the lines in front that
begin with ">" quote (`...`). Every link to a file or heading must lead there.

Each C program of the tutorial must have at most twice the lines of its Python twin plus twelve. Blank
lines and comments do not count, in neither of them; every other line does.

Prints one line for each fault.
"""
import pathlib
import re
import sys
import textwrap

QUOTE = re.compile(r"<!-- (\S+\.\w+) -->$")
SHOWN = re.compile(r"<!-- (\S+\.\w+): (\w+) -->$")
LINK = re.compile(r"\]\(([^)\s]+)\)")
TWINS = "tests/tutorial/python_lines.tsv"


def code_lines(text):
    """The number of lines that are neither blank nor a comment."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    lines = (line.strip() for line in text.splitlines())
    return sum(1 for line in lines if line != "" and not line.startswith(("# ", "//")))


def is_quoted(block, text):
    """Whether the lines of the block follow each other in the text."""
    lines = text.splitlines()
    wanted = textwrap.dedent("\n".join(block))
    return any(lines[i].strip() == block[0].strip()
               and textwrap.dedent("\n".join(lines[i:i + len(block)])) == wanted
               for i in range(len(lines) - len(block) + 1))


def without_breaks(text):
    """The text with neighbouring string literals of C joined, and all space as one."""
    return re.sub(r"\s+", " ", re.sub(r'"\s*\n\s*"', "", text))


def anchors(text):
    """What GitHub calls the headings of a document."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)
    titles = re.findall(r"^#+ (.*)$", text, flags=re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


class Document:
    def __init__(self, root, path, twins):
        self.root = root
        self.path = path
        self.twins = twins
        self.faults = []
        self.number = 0

    def fault(self, text):
        self.faults.append(f"{self.path.relative_to(self.root)}:{self.number}: {text}")

    def file(self, name):
        path = self.root / name
        if not path.is_file():
            self.fault(f"there is no {name}")
            return ""
        return path.read_text(encoding="utf-8")

    def check_quote(self, name, block):
        if name.endswith(".py"):
            expected = self.twins.get(name[:-3])
            if code_lines("\n".join(block)) != expected:
                self.fault(f"{name} has {expected} lines of code, the block "
                           f"{code_lines(chr(10).join(block))}")
        elif not is_quoted(block, self.file(name)):
            self.fault(f"the block is not in {name}")

    def check_shown(self, name, test, said):
        text = self.file(name)
        if not re.search(rf"\b{test}\b", text):
            self.fault(f"{name} has no {test}")
        for message in said:
            if message not in without_breaks(text):
                self.fault(f"{name} has no \"{message}\"")

    def check_link(self, target):
        name, _, anchor = target.partition("#")
        path = self.path.parent / name if name else self.path
        if not path.exists():
            self.fault(f"the link {target} leads nowhere")
        elif anchor and anchor not in anchors(path.read_text(encoding="utf-8")):
            self.fault(f"{name or 'the document'} has no heading #{anchor}")

    def check(self):
        lines = self.path.read_text(encoding="utf-8").splitlines()
        quoted, block, language, said = None, None, "", []
        for self.number, line in enumerate(lines, 1):
            if block is not None:
                if line.strip() == "```":
                    if quoted is not None:
                        self.check_quote(quoted, block)
                    elif language == "c" and self.path.name == "guide.md":
                        self.fault("a block of C that names no file")
                    quoted, block = None, None
                else:
                    block.append(line)
                continue
            if line.startswith("```"):
                block, language = [], line[3:].strip()
                continue
            if quoted is not None:
                self.fault("a comment that names a file, and no block behind it")
                quoted = None
            if QUOTE.match(line):
                quoted = QUOTE.match(line).group(1)
            elif SHOWN.match(line):
                self.check_shown(*SHOWN.match(line).groups(), said)
                said = []
            elif line.startswith(">"):
                said += re.findall(r"`([^`]+)`", line)
            for target in LINK.findall(line):
                if not re.match(r"[a-z]+:", target):
                    self.check_link(target)
        if block is not None:
            self.fault("a block that does not end")
        if said:
            self.fault("a trap that names no test")


def check_lengths(root, twins):
    programs = sorted((root / "examples/tutorial").glob("*.c"))
    names = [path.stem for path in programs]
    if names != sorted(twins):
        yield f"{TWINS} has {sorted(twins)}, examples/tutorial {names}"
    for path in programs:
        lines = code_lines(path.read_text(encoding="utf-8"))
        most = 2 * twins.get(path.stem, 0) + 12
        if lines > most:
            yield f"{path.relative_to(root)} has {lines} lines of code, more than {most}"


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    rows = (root / TWINS).read_text(encoding="utf-8").splitlines()[1:]
    twins = {name: int(lines) for name, lines in (row.split("\t") for row in rows)}
    faults = list(check_lengths(root, twins))
    paths = [root / "README.md", *sorted((root / "docs").glob("*.md"))]
    for path in paths:
        document = Document(root, path, twins)
        document.check()
        faults += document.faults
    for fault in faults:
        print(fault)
    print(f"{len(paths)} documents, {len(twins)} programs, {len(faults)} faults")
    sys.exit(bool(faults))


main()
