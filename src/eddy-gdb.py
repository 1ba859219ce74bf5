"""What every task of an eddy loop waits for, in gdb, from a running program or a core file.

    (gdb) source .../share/eddy/eddy-gdb.py
    (gdb) eddy-tasks            finds the loop in the stack of the selected thread
    (gdb) eddy-tasks my_loop    takes that expression, an eddy_loop *

The library must have been built with debug information. Nothing is called in the program.
"""

import gdb

FOREVER = (1 << 63) - 1
SECOND = 10**9
EXTRA = 1 << 6  # EDDY_TASK_EXTRA_
TICK_SHIFT = 20  # of a record's `since`
STATES = ["free", "ready", "running", "waiting", "ended"]
CANCELLED = (1 << 1) | (1 << 5)  # EDDY_TASK_CANCEL_, EDDY_TASK_PASSED_


def lookup(name):
    """A type of the library."""
    return gdb.lookup_type("struct " + name)


def cast(value, name):
    return value.cast(lookup(name).pointer())


def text(value):
    return value.string() if int(value) != 0 else "?"


# ---- finding the loop


def loop_of(value):
    """The loop that a variable stands for, or leads to; None if it does not."""
    target = value.type.strip_typedefs()
    if target.code != gdb.TYPE_CODE_PTR or value.is_optimized_out or int(value) == 0:
        return None
    name = target.target().strip_typedefs().unqualified().tag
    if name == "eddy_loop":
        return cast(value, "eddy_loop")
    if name == "eddy_coro":
        record = int(value["task"])
        page = gdb.Value(record & ~(page_size() - 1))
        return cast(page, "eddy_task_page")["loop"]
    return None


def variables(frame):
    try:
        block = frame.block()
    except RuntimeError:
        return
    while block is not None and not block.is_global and not block.is_static:
        for symbol in block:
            if symbol.is_variable or symbol.is_argument:
                yield symbol
        block = block.superblock


def find_loop():
    frame = gdb.newest_frame()
    while frame is not None:
        for symbol in variables(frame):
            try:
                loop = loop_of(symbol.value(frame))
                if loop is not None and int(loop["tasks"]) != 0:
                    return loop
            except (gdb.error, gdb.MemoryError):
                pass  # not there, or not yet
        frame = frame.older()
    raise gdb.GdbError("no loop with tasks in the stack of this thread: eddy-tasks LOOP")


# ---- the table of tasks


def page_size():
    """Pages are as large as the next power of two."""
    size = 1
    while size < lookup("eddy_task_page").sizeof:
        size *= 2
    return size


def records(loop):
    size = page_size()
    a_page = lookup("eddy_task_page").sizeof // lookup("eddy_task_record").sizeof
    region = loop["tasks"]["regions"]
    while int(region) != 0:
        first = (int(region) + region.dereference().type.sizeof + size - 1) & ~(size - 1)
        for i in range(int(region["used"])):
            page = cast(gdb.Value(first + i // a_page * size), "eddy_task_page")
            record = page["records"][i % a_page]
            if STATES[int(record["timed"]["ready"]["state"])] != "free":
                yield record
        region = region["next"]


# ---- words


def duration(nanoseconds):
    milliseconds = max(nanoseconds, 0) // 10**6
    seconds = milliseconds // 1000
    if milliseconds < 1000:
        return "%d ms" % milliseconds
    if seconds < 60:
        return "%d.%d s" % (seconds, milliseconds // 100 % 10)
    if seconds < 3600:
        return "%d min %02d s" % divmod(seconds, 60)
    if seconds < 48 * 3600:
        return "%d h %02d min" % divmod(seconds // 60, 60)
    return "%d d %02d h" % divmod(seconds // 3600, 24)


def name_of_function(pointer):
    symbol = gdb.block_for_pc(int(pointer))
    return symbol.function if symbol is not None else None


def frame_text(frame):
    function = name_of_function(frame["fn"])
    if function is None:
        return "at %s" % frame["fn"]
    place = function.symtab.filename
    line = int(frame["state"]) // 8
    return "at %s (%s%s)" % (function.name, place, ":%d" % line if line > 0 else "")


def frames(task):
    frame = task["top"]
    while int(frame) != 0:
        yield frame
        frame = frame["parent"]


def name_of(task):
    """The name that it was given, or that of its coroutine, with which its site begins."""
    if int(task["timed"]["ready"]["bits"]) & EXTRA:
        rare = cast(task["owner"], "eddy_task_extra")["rare"]
        if int(rare) != 0 and int(rare["name"]) != 0:
            return text(rare["name"])
    return text(task["site"])


def place_of(task):
    """Where it was spawned: the second string of its site."""
    return text(task["site"] + len(text(task["site"])) + 1)


def detail(loop, task, kind):
    """What the library's describe functions say, as far as it can be seen from outside."""
    if kind == "sleep":
        return ": %s left" % duration(int(task["with"]["until"]) - int(loop["now"]))
    if kind in ("read", "readable", "write", "writev", "connect"):
        return ": fd %d" % int(cast(task["in"]["object"], "eddy_stream")["io"]["fd"])
    if kind == "fd":
        return ": fd %d" % int(cast(task["in"]["object"], "fd_wait")["io"]["fd"])
    if kind == "server":
        return ": port %d" % int(cast(task["in"]["object"], "eddy_server")["port"])
    if kind in ("join", "shielded join"):
        child = cast(task["in"]["object"], "eddy_task_record")
        return ": #%d" % int(child["timed"]["ready"]["generation"])
    return ""


def doing(loop, task):
    state = STATES[int(task["timed"]["ready"]["state"])]
    if state == "ended":
        return "has ended with %d, and waits to be joined; spawned at %s" % (
            int(task["in"]["result"]),
            place_of(task),
        )
    if state != "waiting":
        return "is " + state
    kind = text(task["wait"]["name"])
    ticks = ((int(loop["now"]) >> TICK_SHIFT) - int(task["since"])) & 0xFFFFFFFF
    return "waits %s for %s%s" % (duration(ticks << TICK_SHIFT), kind, detail(loop, task, kind))


# ---- the tree


def print_task(loop, task, children, indent, last):
    ready = task["timed"]["ready"]
    number = int(ready["generation"])
    branch = "" if indent is None else indent + ("`-- " if last else "|-- ")
    below = "" if indent is None else indent + ("    " if last else "|   ")
    cancelled = "; cancelled" if int(ready["bits"]) & CANCELLED else ""
    print("%s#%d %s %s%s" % (branch, number, name_of(task), doing(loop, task), cancelled))
    for frame in frames(task):
        print("%s      %s" % (below, frame_text(frame)))
    mine = children.get(number, [])
    return [(child, below, child is mine[-1]) for child in mine]


def print_tasks(loop):
    spawned = int(loop["tasks"]["spawned"])
    tasks = list(records(loop))

    def age(number):
        return (spawned - number) & 0xFFFFFFFF

    def number_of(task):
        return int(task["timed"]["ready"]["generation"])

    tasks.sort(key=lambda task: age(number_of(task)), reverse=True)
    living = {
        number_of(task)
        for task in tasks
        if STATES[int(task["timed"]["ready"]["state"])] != "ended"
    }
    children = {}
    for task in tasks:
        parent = int(task["parent"])
        if parent not in living or age(parent) <= age(number_of(task)):
            parent = 0
        children.setdefault(parent, []).append(task)
    print("eddy: %d task%s" % (len(tasks), "" if len(tasks) == 1 else "s"))
    to_print = [(task, None, False) for task in children.get(0, [])]
    while to_print:  # not by recursion: a chain of spawns may be long
        task, indent, last = to_print.pop(0)
        to_print[:0] = print_task(loop, task, children, indent, last)


class EddyTasks(gdb.Command):
    """Prints all tasks of an eddy loop: what each waits for, and its stack of awaits.
Usage: eddy-tasks [LOOP]"""

    def __init__(self):
        super().__init__("eddy-tasks", gdb.COMMAND_STACK, gdb.COMPLETE_EXPRESSION)

    def invoke(self, argument, from_tty):
        if argument:
            loop = cast(gdb.parse_and_eval(argument), "eddy_loop")
        else:
            loop = find_loop()
        if int(loop["tasks"]) == 0:
            print("eddy: 0 tasks")
        else:
            print_tasks(loop)


EddyTasks()
