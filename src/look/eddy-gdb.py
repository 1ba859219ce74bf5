"""What every task of an eddy loop waits for, in gdb, from a running program or a core file.

    (gdb) source .../share/eddy/eddy-gdb.py
    (gdb) eddy-tasks            finds the loop in the stack of the selected thread
    (gdb) eddy-tasks my_loop    takes that expression, an eddy_loop *

The library must have been built with debug information. Nothing is called in the program.
"""

import collections
import os
import signal
import socket
import time

import gdb

FOREVER = (1 << 63) - 1
EXTRA = 1 << 6  # EDDY_TASK_EXTRA_
BRANCH = 1  # EDDY_READY_BRANCH: no task, but an operation of a select
PASSED, DEADLINES = 1 << 2, 1 << 4  # EDDY_TASK_PASSED_, EDDY_TASK_DEADLINES_
TICK_SHIFT = 20  # of a record's `since`
STATES = ["free", "ready", "running", "waiting", "ended"]
CANCELLED = (1 << 1) | (1 << 5)  # EDDY_TASK_CANCEL_, EDDY_TASK_UNDER_WAY_
SIGNALS = {number: signal.Signals(number).name for number in (1, 2, 3, 10, 12, 14, 15, 17)}
DEEPEST, INNERMOST, OUTERMOST = 24, 24, 8  # as in dump.c
LINES = {}  # by address: who stands where in it, while all tasks are printed


def lookup(name):
    """A type of the library."""
    return gdb.lookup_type("struct " + name)


def cast(value, name):
    return value.cast(lookup(name).pointer())


def text(value):
    """As printable.c shows it: a terminal obeys none of it."""
    if int(value) == 0:
        return "?"
    return "".join(c if c.isprintable() else "?" for c in value.string("utf-8", errors="replace"))


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
            if state_of(record) != "free" and kind_of_record(record) != BRANCH:
                yield record
        region = region["next"]


# ---- looking at tasks


def number_of(task):
    return int(task["timed"]["ready"]["generation"])


def kind_of_record(record):
    return int(record["timed"]["ready"]["kind"])


def state_of(task):
    return STATES[int(task["timed"]["ready"]["state"])]


def bits_of(task):
    return int(task["timed"]["ready"]["bits"])


def extra_of(task):
    return cast(task["owner"], "eddy_task_extra") if bits_of(task) & EXTRA else None


def object_of(task, name):
    """What a task waits on."""
    return cast(task["in"]["object"], name)


def kind_of(task):
    return text(task["wait"]["name"])


def name_of(task):
    """The name that it was given, or that of its coroutine, with which its named place begins."""
    extra = extra_of(task)
    if extra is not None:
        rare = extra["rare"]
        if int(rare) != 0 and int(rare["name"]) != 0:
            return text(rare["name"])
    return text(task["named_place"])


def place_of(task):
    """Where it was spawned: the second string of its named place."""
    end = task["named_place"]
    while int(end.dereference()) != 0:
        end += 1
    return text(end + 1)


def frames(task):
    frame = task["top"]
    while int(frame) != 0:
        yield frame
        frame = frame["parent"]


def time_of(loop):
    """The time on the loop's clock. Of a core file: when the loop last looked at it."""
    kind = int(loop["clock"]["kind"])
    if kind > 1:  # EDDY_CLOCK_VIRTUAL, EDDY_CLOCK_MANUAL
        return int(loop["clock"]["now"])
    connection = getattr(gdb.selected_inferior(), "connection", None)
    if connection is not None and connection.type == "native":
        return time.clock_gettime_ns(time.CLOCK_MONOTONIC if kind == 0 else time.CLOCK_BOOTTIME)
    return int(loop["now"])


def deadline_of(task):
    """As eddy_deadline_next."""
    if bits_of(task) & (PASSED | DEADLINES) == DEADLINES and int(task["top"]) != 0:
        deadline = extra_of(task)["deadlines"]
        if int(deadline) != 0 and int(deadline["mask"]) == int(task["top"]["mask"]):
            return int(deadline["earliest"])
    return FOREVER


# ---- who must act


def holder_of(lock):
    """The task that holds a lock; None: nobody, or one that has ended."""
    holder = lock["holder"]
    if int(holder) == 0:
        return None
    task = holder.dereference()
    if number_of(task) != int(lock["number"]) or state_of(task) in ("free", "ended"):
        return None
    return task


def array_of(task):
    """The array of tasks that it waits for."""
    if kind_of(task) == "gather all":  # its address is the first of the results
        results = task["in"]["object"].cast(gdb.lookup_type("int64_t").pointer())
        return cast(results.dereference(), "eddy_task")
    return object_of(task, "eddy_task")


def of_array(task):
    """Those of an array of tasks that have not ended."""
    tasks = array_of(task)
    for i in range(int(task["with"]["count"][1])):
        record = tasks[i]["record"]
        if int(record) != 0 and state_of(record) not in ("ended", "free"):
            yield record.dereference()


def of_group(task):
    children = object_of(task, "eddy_group")["children"]
    link = children["next"]
    while int(link) not in (0, int(children.address)):
        yield cast(link, "eddy_task_extra")["task"].dereference()
        link = link["next"]


def of_generator(task):
    generator = object_of(task, "eddy_as_completed")
    for i in range(int(generator["count"])):
        record = generator["endings"][i]["task"]
        if int(record) != 0:
            yield record.dereference()


def of_server(task):
    """Of a client's record, link, server and task: a program may have a struct client of its own."""
    record = lookup("eddy_task_record").pointer()
    clients = object_of(task, "eddy_server")["clients"]
    link = clients["next"]
    while int(link) not in (0, int(clients.address)):
        yield (link + 1).cast(record.pointer())[1].dereference()
        link = link["next"]


def waits_for_more(task):
    """Than the tasks of whom it is known: a server that listens has to be closed, too."""
    return kind_of(task) in ("server", "drain") and int(object_of(task, "eddy_server")["listening"]) != 0


ALL_OF = {
    "gather": of_array,
    "gather all": of_array,
    "wait for all": of_array,
    "group": of_group,
    "server": of_server,
    "drain": of_server,
}
ANY_OF = {
    "wait for the first": of_array,
    "wait for an error": of_array,
    "next of a group": of_group,
    "as completed": of_generator,
}


def who_must_act(task):
    """Every task that must act before the wait of this one can end."""
    if state_of(task) != "waiting":
        return []
    kind = kind_of(task)
    if kind in ("lock", "lock of a condition"):
        holder = holder_of(object_of(task, "eddy_lock"))
        return [holder] if holder is not None else []
    if kind in ("join", "shielded join", "task"):
        return [object_of(task, "eddy_task_record").dereference()]
    if kind in ALL_OF:
        return list(ALL_OF[kind](task))
    if kind in ANY_OF:
        tasks = list(ANY_OF[kind](task))
        return tasks if len(tasks) == 1 else []
    return []


def components(edges):
    """The circles among nodes 0, 1, ..., of which edges[i] leads to others: as in circles.c."""
    seen, low, path, found = {}, {}, [], []
    for begin in range(len(edges)):
        if begin in seen:
            continue
        way = [(begin, iter(edges[begin]))]
        seen[begin] = low[begin] = len(seen) + 1
        path.append(begin)
        while way:
            i, rest = way[-1]
            following = next(rest, None)
            if following is None:
                way.pop()
                if way and low[i] < low[way[-1][0]]:
                    low[way[-1][0]] = low[i]
                if low[i] == seen[i]:
                    members = []
                    while not members or members[-1] != i:
                        members.append(path.pop())
                        low[members[-1]] = FOREVER  # no way back leads here
                    if len(members) > 1 or i in edges[i]:
                        found.append(members)
            elif following not in seen:
                seen[following] = low[following] = len(seen) + 1
                path.append(following)
                way.append((following, iter(edges[following])))
            elif low[following] != FOREVER:
                low[i] = min(low[i], seen[following])
    return found


class Blocks:
    """Who blocks whom, among tasks in the order of their age."""

    def __init__(self, tasks):
        index = {int(task.address): i for i, task in enumerate(tasks)}
        edges = []
        for task in tasks:
            blockers = (index.get(int(blocker.address)) for blocker in who_must_act(task))
            edges.append(sorted(i for i in blockers if i is not None))
        self.tasks = tasks
        self.blocker = {
            i: ends[0]
            for i, ends in enumerate(edges)
            if len(ends) == 1 and not waits_for_more(tasks[i])
        }
        self.circle = {}
        self.circles = components(edges)
        for number, members in enumerate(self.circles, 1):
            for i in members:
                self.circle[i] = number
            for i in members:
                ends = (end for end in edges[i] if self.circle.get(end) == number)
                self.blocker[i] = next(ends)

    def words(self, i):
        blocker = self.blocker.get(i)
        words = "" if blocker is None else "; #%d must act" % number_of(self.tasks[blocker])
        return words + ("; in circle %d" % self.circle[i] if i in self.circle else "")

    def print_circles(self):
        for number, members in enumerate(self.circles, 1):
            i, been = members[0], {}
            while i not in been:  # perhaps it leads into a circle from outside
                been[i] = len(been)
                i = self.blocker[i]
            been = list(been)[been[i]:]
            begin = been.index(min(been))
            been = been[begin:] + been[:begin] + [min(been)]
            names = ["#%d %s" % (number_of(self.tasks[i]), name_of(self.tasks[i])) for i in been]
            print("circle %d: %s" % (number, " -> ".join(names)))


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


def left(deadline, now):
    if deadline == FOREVER:
        return "for ever"
    return "%s left" % duration(deadline - now) if deadline > now else "due"


def count(number, what):
    return "%d %s%s" % (number, what, "" if number == 1 else "s")


def error_text(result):
    return "application error" if result < -4095 else os.strerror(-result)


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


def lock_text(task):
    lock = object_of(task, "eddy_lock")
    holder = holder_of(lock)
    return "0x%x, held by task %d, %s" % (
        int(lock),
        int(lock["number"]),
        "which has ended" if holder is None else name_of(holder),
    )


def queue_text(task):
    queue = object_of(task, "eddy_queue").dereference()
    symbol = str(task["wait"])  # three kinds have one name
    if "join_kind" in symbol:
        return "%d items not done, to join" % int(queue["unfinished"])
    capacity = " of %d" % int(queue["capacity"]) if int(queue["capacity"]) != 0 else ""
    to_do = "to put" if "put_kind" in symbol else "to get"
    return "%d%s items, %s" % (int(queue["count"]), capacity, to_do)


def ahead_text(task, kind):
    """Each line is walked once, for all who stand in it."""
    head = object_of(task, kind)["waiters"]["tasks"]
    places = LINES.get(int(head.address))
    if places is None:
        places = LINES[int(head.address)] = {}
        link = head["next"]
        while int(link) != int(head.address):
            places[int(link)] = len(places)
            link = link["next"]
    return "%d in line before it" % places[int(task.address)]


def fd_text(stream):
    return "fd %d" % int(stream["io"]["fd"])


def write_text(task):
    stream = object_of(task, "eddy_stream")
    written, rest = int(stream["written"]), int(stream["write_left"])
    return "%s, %d of %d bytes written" % (fd_text(stream), written, written + rest)


def copy_text(task):
    copy = object_of(task, "copy")
    source, target = copy["from"], copy["to"]
    return "%s to %s%s" % (
        fd_text(source),
        "itself" if int(source) == int(target) else fd_text(target),
        ", which takes no more" if int(copy["rest"]) != 0 else "",
    )


def signal_text(task):
    names = []
    for number in range(1, 65):
        if int(task["with"]["until"]) >> (number - 1) & 1:
            names.append(SIGNALS.get(number, str(number)))
    return ", ".join(names)


def array_text(task):
    return "%d of %d tasks" % (int(task["with"]["count"][0]), int(task["with"]["count"][1]))


def ended_text(task):
    all_tasks = int(task["with"]["count"][1])
    tasks = object_of(task, "eddy_task")
    ended = sum(
        int(tasks[i]["record"]) != 0
        and state_of(tasks[i]["record"]) in ("ended", "free")  # free: its spawn has failed
        for i in range(all_tasks)
    )
    return "%s, %d ended" % (count(all_tasks, "task"), ended)


def join_text(task):
    child = object_of(task, "eddy_task_record")
    return "%s (%s)" % (name_of(child), place_of(child))


def completed_text(task):
    generator = object_of(task, "eddy_as_completed")
    return "%d of %d tasks" % (int(generator["left"]), int(generator["count"]))


def barrier_text(task):
    barrier = object_of(task, "eddy_barrier")
    return "%d of %d are here" % (int(barrier["waiting"]), int(barrier["parties"]))


def group_text(task):
    return count(int(object_of(task, "eddy_group")["count"]), "task")


def address_text(address):
    storage = address["storage"]
    raw = bytes(gdb.selected_inferior().read_memory(int(storage.address), int(address["size"])))
    if int(storage["ss_family"]) != socket.AF_UNIX:
        return "port %d" % int.from_bytes(raw[2:4], "big")
    path = raw[2:3].replace(b"\0", b"@") + raw[3:].split(b"\0")[0]
    printable = (chr(byte) if 32 <= byte != 127 else "?" for byte in path)
    return "unix:" + "".join(printable)


def listener_text(listener):
    """Where it listens, as the one of several: with its host."""
    storage = listener["address"]["storage"]
    raw = bytes(gdb.selected_inferior().read_memory(int(storage.address), 128))
    family = int(storage["ss_family"])
    if family == socket.AF_UNIX:
        return address_text(listener["address"])
    if family == socket.AF_INET6:
        host = "[%s]" % socket.inet_ntop(family, raw[8:24])
    else:
        host = socket.inet_ntop(socket.AF_INET, raw[4:8])
    return "%s:%d" % (host, int.from_bytes(raw[2:4], "big"))


def server_text(task):
    server = object_of(task, "eddy_server")
    closed = " is closed" if int(server["listening"]) == 0 else ""
    clients = count(int(server["active"]), "client")
    if int(server["first"]["next"]) == 0:
        return "%s%s, %s" % (address_text(server["address"]), closed, clients)
    names = [listener_text(server["first"])]
    listener = server["first"]["next"]
    while int(listener) != 0:
        names.append(listener_text(listener.dereference()))
        listener = listener["next"]
    return "%s%s, %s" % (", ".join(names), closed, clients)


# What the library's describe functions say, as far as it can be seen from outside.
DETAILS = {
    "as completed": completed_text,
    "barrier": barrier_text,
    "condition": lambda task: ahead_text(task, "eddy_cond"),
    "connect": lambda task: fd_text(object_of(task, "eddy_stream")),
    "copy": copy_text,
    "fd": lambda task: fd_text(object_of(task, "fd_wait")),
    "gather": array_text,
    "gather all": array_text,
    "group": group_text,
    "join": join_text,
    "lock": lock_text,
    "lock of a condition": lock_text,
    "next of a group": group_text,
    "queue": queue_text,
    "read": lambda task: fd_text(object_of(task, "eddy_stream")),
    "readable": lambda task: fd_text(object_of(task, "eddy_stream")),
    "semaphore": lambda task: ahead_text(task, "eddy_semaphore"),
    "drain": server_text,
    "server": server_text,
    "shielded join": join_text,
    "signal": signal_text,
    "wait for all": ended_text,
    "wait for an error": ended_text,
    "wait for the first": ended_text,
    "write": write_text,
    "writev": write_text,
}


def detail(task, now):
    kind = kind_of(task)
    if kind == "sleep":
        return ": " + left(int(task["with"]["until"]), now)
    try:
        return ": " + DETAILS[kind](task) if kind in DETAILS else ""
    except gdb.error:  # a kind of the program's own that has the name of one of the library's
        return ""


def doing(task, now, blocks):
    state = state_of(task)
    if state == "ended":
        result = int(task["in"]["result"])
        return "has ended%s, and waits to be joined; spawned at %s" % (
            ": " + error_text(result) if result < 0 else " with %d" % result,
            place_of(task),
        )
    if state != "waiting":
        return "is " + state
    ticks = ((now >> TICK_SHIFT) - int(task["since"])) & 0xFFFFFFFF
    age = duration(ticks << TICK_SHIFT)
    return "waits %s for %s%s%s" % (age, kind_of(task), detail(task, now), blocks)


# ---- the tree


def print_stack(below, task):
    """Of a stack that is very deep only the two ends."""
    first, last, depth = [], collections.deque(maxlen=OUTERMOST + 1), 0
    for frame in frames(task):
        depth += 1
        (first if depth <= INNERMOST else last).append(frame)
    left_out = depth - INNERMOST - OUTERMOST
    for frame in first:
        print("%s      %s" % (below, frame_text(frame)))
    if left_out > 1:
        last.popleft()
        print("%s      ... %d more ..." % (below, left_out))
    for frame in last:
        print("%s      %s" % (below, frame_text(frame)))


def print_task(task, now, blocks, bars, branch):
    deadline = deadline_of(task)
    limit = "; time-out: " + left(deadline, now) if deadline != FOREVER else ""
    cancelled = "; cancelled" if bits_of(task) & CANCELLED else ""
    words = doing(task, now, blocks) + limit + cancelled
    print("%s#%d %s %s" % (branch, number_of(task), name_of(task), words))
    print_stack(bars, task)


def print_head(tasks):
    states = [state_of(task) for task in tasks]
    counts = ", ".join(
        "%d %s" % (states.count(state), state) for state in STATES[1:] if state in states
    )
    print("eddy: %s%s" % (count(len(tasks), "task"), ": " + counts if counts else ""))


def print_tasks(loop):
    spawned = int(loop["tasks"]["spawned"])
    now = time_of(loop)
    LINES.clear()

    def age(number):
        return (spawned - number) & 0xFFFFFFFF

    tasks = sorted(records(loop), key=lambda task: age(number_of(task)), reverse=True)
    index = {number_of(task): i for i, task in enumerate(tasks)}
    children = {None: []}
    for i, task in enumerate(tasks):
        number = int(task["parent"])
        parent = index.get(number)
        if parent is not None and (
            state_of(tasks[parent]) == "ended" or age(number) <= age(number_of(task))
        ):
            parent = None
        children.setdefault(parent, []).append(i)
    blocks = Blocks(tasks)
    print_head(tasks)
    to_print = [(i, 0, "", "") for i in reversed(children[None])]
    while to_print:  # not by recursion: a chain of spawns may be long
        i, depth, bars, branch = to_print.pop()
        print_task(tasks[i], now, blocks.words(i), bars, branch)
        mine = children.get(i, [])
        for child in reversed(mine):
            last = child == mine[-1]
            if depth < DEEPEST:
                below = bars + ("    " if last else "|   ")
                to_print.append((child, depth + 1, below, bars + ("`-- " if last else "|-- ")))
            else:
                words = ("`-- " if last else "|-- ") + "(depth %d) " % (depth + 1)
                to_print.append((child, depth + 1, bars, bars + words))
    blocks.print_circles()


class EddyTasks(gdb.Command):
    """Prints all tasks of an eddy loop: what each waits for, and its stack of awaits.
Usage: eddy-tasks [LOOP]"""

    def __init__(self):
        super().__init__("eddy-tasks", gdb.COMMAND_STACK, gdb.COMPLETE_EXPRESSION)

    def invoke(self, argument, from_tty):
        try:
            lookup("eddy_task_table")
        except gdb.error:
            raise gdb.GdbError("the eddy library in this program has no debug information")
        if argument:
            loop = cast(gdb.parse_and_eval(argument), "eddy_loop")
        else:
            loop = find_loop()
        if int(loop["tasks"]) == 0:
            print("eddy: 0 tasks")
        else:
            print_tasks(loop)


EddyTasks()
