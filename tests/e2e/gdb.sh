#!/bin/sh
# The command eddy-tasks of src/look/eddy-gdb.py: what it prints of a running program, from inside a step, from
# between two turns, and of a core file, is what the library's own dump says.
set -eu

# shellcheck source-path=SCRIPTDIR source=../support/e2e.sh
. "$EDDY_SOURCE_DIR/tests/support/e2e.sh"
only_in_a_plain_build
command -v gdb >/dev/null || skip "there is no gdb (Debian: gdb)"
gdb -batch -ex "python print('yes')" 2>/dev/null | grep -q yes || skip "this gdb has no Python"

cat >"$scratch/program.c" <<'END'
#include <eddy.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

void look_here(eddy_loop *loop);
__attribute__((noinline)) void look_here(eddy_loop *loop)
{
    if (getenv("DUMP") != NULL) {
        eddy_loop_dump(loop, stdout);
    }
}

eddy_frame(naps) {
    eddy_coro co;
    int64_t duration;
};

static void naps(eddy_coro *co)
{
    eddy_begin(naps);
    eddy_await(eddy_sleep(co, self->duration));
    eddy_end;
}

eddy_frame(child) {
    eddy_coro co;
    int64_t result;
    eddy_task grandchild;
};

static void child(eddy_coro *co)
{
    eddy_begin(child);
    if (self->result != 0) {
        eddy_return(self->result);
    }
    self->grandchild = eddy_spawn(co, naps, .duration = 200 * EDDY_SECOND);
    eddy_await(eddy_call(co, naps, .duration = 100 * EDDY_SECOND));
    eddy_await(eddy_join(co, self->grandchild));
    eddy_end;
}

/* ---- circles of locks, also around tasks that are waited for */

static eddy_lock locks[4];

eddy_frame(takes) {
    eddy_coro co;
    eddy_lock *first, *second;
};

static void takes(eddy_coro *co)
{
    eddy_begin(takes);
    eddy_with_lock(self->first) {
        eddy_await(eddy_pause(co));
        eddy_with_lock(self->second) {
            eddy_await(eddy_pause(co));
        }
    }
    eddy_end;
}

enum how { BY_GROUP, BY_GATHER, BY_GATHER_ALL, BY_WAIT, BY_FIRST };

eddy_frame(guards) {
    eddy_coro co;
    enum how how;
    eddy_lock lock; /* held while it waits for two that want it */
    eddy_group group;
    eddy_task tasks[2];
    int64_t results[2];
};

static void guards(eddy_coro *co)
{
    eddy_begin(guards);
    eddy_await(eddy_lock_acquire(co, &self->lock));
    if (self->how == BY_GROUP) {
        eddy_with_group(&self->group) {
            eddy_group_spawn(co, &self->group, naps, .duration = 400 * EDDY_SECOND);
            eddy_group_spawn(co, &self->group, takes, .first = &self->lock, .second = &locks[2]);
        }
    }
    self->tasks[0] = eddy_spawn(co, takes, .first = &self->lock, .second = &locks[2]);
    self->tasks[1] = eddy_spawn(co, naps, .duration = 400 * EDDY_SECOND);
    if (self->how == BY_GATHER) {
        eddy_await(eddy_gather(co, self->tasks, 2));
    } else if (self->how == BY_GATHER_ALL) {
        eddy_await(eddy_gather_all(co, self->tasks, 2, self->results));
    } else {
        eddy_await(eddy_wait_tasks(co, self->tasks, 2,
                             self->how == BY_WAIT ? EDDY_WAIT_ALL : EDDY_WAIT_FIRST));
    }
    eddy_end;
}

eddy_frame(enters) {
    eddy_coro co;
    eddy_stream *stream;
    eddy_lock *lock;
};

static void enters(eddy_coro *co)
{
    eddy_begin(enters);
    if (self->lock != NULL) {
        eddy_await(eddy_lock_acquire(co, self->lock));
    }
    eddy_await(eddy_sleep(co, 800 * EDDY_SECOND));
    eddy_end;
}

eddy_frame(serves) {
    eddy_coro co;
    bool closes, locks, abstract;
    eddy_lock lock;
    struct eddy_address address;
    eddy_server server;
    eddy_stream stream;
};

static void serves(eddy_coro *co)
{
    eddy_begin(serves);
    eddy_await(eddy_lock_acquire(co, &self->lock));
    if (self->abstract) {
        char name[32];
        snprintf(name, sizeof name, "@eddy-\001-%d", (int)getpid());
        eddy_await(eddy_address_unix(&self->address, name));
    } else {
        eddy_await(eddy_address_parse(&self->address, "127.0.0.1", 0));
    }
    eddy_await(eddy_serve_at(co, &self->server, &self->address, enters,
                             .lock = self->locks ? &self->lock : NULL));
    eddy_await(eddy_connect_to(co, &self->stream, &self->server.address));
    while (self->server.active == 0) {
        eddy_await(eddy_pause(co));
    }
    if (self->closes) {
        eddy_server_close(&self->server);
    }
    eddy_await(eddy_server_wait_closed(co, &self->server));
    eddy_end;
}

/* ---- other waits */

static eddy_queue queue;
static eddy_semaphore semaphore;
static eddy_barrier barrier = {.parties = 3};
static eddy_cond condition = {.lock = &locks[3]};
static eddy_stream stream;

eddy_frame(waits) {
    eddy_coro co;
    int what;
    int item;
    char byte;
};

static void waits(eddy_coro *co)
{
    eddy_begin(waits);
    if (self->what == 0) {
        eddy_await(eddy_queue_get(co, &queue, &self->item));
    } else if (self->what == 1) {
        eddy_await(eddy_wait_for(co, 500 * EDDY_SECOND, eddy_semaphore_acquire(co, &semaphore)));
    } else if (self->what == 2) {
        eddy_await(eddy_barrier_wait(co, &barrier));
    } else if (self->what == 3) {
        eddy_with_lock(&locks[3]) {
            eddy_await(eddy_cond_wait(co, &condition));
        }
    } else if (self->what == 4) {
        eddy_await(eddy_read(co, &stream, &self->byte, 1));
    } else {
        eddy_return(-EPIPE);
    }
    eddy_end;
}

/* Calls itself, so that only the ends of the stack are told. */
eddy_frame(deep) {
    eddy_coro co;
    int levels;
};

static void deep(eddy_coro *co)
{
    eddy_begin(deep);
    if (self->levels > 0) {
        eddy_await(eddy_call(co, deep, .levels = self->levels - 1));
    }
    eddy_await(eddy_sleep(co, 600 * EDDY_SECOND));
    eddy_end;
}

static bool deepest_waits;

/* Spawns itself, so that the tree is not indented so far. */
eddy_frame(chain) {
    eddy_coro co;
    int levels;
};

static void chain(eddy_coro *co)
{
    eddy_begin(chain);
    if (self->levels > 0) {
        eddy_await(eddy_join(co, eddy_spawn(co, chain, .levels = self->levels - 1)));
    }
    deepest_waits = true;
    eddy_await(eddy_sleep(co, 700 * EDDY_SECOND));
    eddy_end;
}

static volatile int settled;

/* Also when a debugger makes the others slow. */
eddy_frame(settles) {
    eddy_coro co;
};

static void settles(eddy_coro *co)
{
    eddy_begin(settles);
    while (!deepest_waits) {
        eddy_await(eddy_sleep(co, 10 * EDDY_MILLISECOND));
    }
    settled = 1; /* all others wait for long */
    eddy_end;
}

static bool no_memory;

static void *allocates(void *user, void *memory, size_t old_size, size_t new_size)
{
    (void)user, (void)old_size;
    if (new_size == 0) {
        free(memory);
    }
    return new_size == 0 || no_memory ? NULL : realloc(memory, new_size);
}

eddy_frame(large) {
    eddy_coro co;
    char room[200000];
};

static void large(eddy_coro *co)
{
    eddy_begin(large);
    eddy_end;
}

/* Of three one could not be started, and one is none. */
eddy_frame(misses_one) {
    eddy_coro co;
    eddy_task tasks[3];
};

static void misses_one(eddy_coro *co)
{
    eddy_begin(misses_one);
    no_memory = true;
    self->tasks[0] = eddy_spawn(co, large);
    no_memory = false;
    self->tasks[1] = eddy_spawn(co, naps, .duration = 500 * EDDY_SECOND);
    eddy_await(eddy_wait_tasks(co, self->tasks, 3, EDDY_WAIT_ALL));
    eddy_end;
}

eddy_frame(parent) {
    eddy_coro co;
    eddy_task children[2];
    int sockets[2];
    int i;
};

static void parent(eddy_coro *co)
{
    eddy_begin(parent);
    self->children[0] = eddy_spawn(co, child);
    self->children[1] = eddy_spawn(co, child, .result = 7);
    eddy_detach(eddy_spawn(co, naps, .duration = 300 * EDDY_SECOND));
    (void)eddy_spawn(co, takes, .first = &locks[0], .second = &locks[1]);
    (void)eddy_spawn(co, takes, .first = &locks[1], .second = &locks[0]);
    (void)eddy_spawn(co, takes, .first = &locks[0], .second = &locks[1]);
    for (self->i = BY_GROUP; self->i <= BY_FIRST; self->i++) {
        (void)eddy_spawn(co, guards, .how = (enum how)self->i);
    }
    (void)eddy_spawn(co, misses_one);
    (void)eddy_spawn(co, serves, .closes = true, .locks = true);
    (void)eddy_spawn(co, serves, .locks = true);
    (void)eddy_spawn(co, serves, .closes = true);
    (void)eddy_spawn(co, serves, .abstract = true);
    eddy_await(eddy_queue_init(eddy_loop_of(co), &queue, int, .capacity = 4));
    eddy_await(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, self->sockets));
    eddy_await(eddy_stream_open(eddy_loop_of(co), &stream, self->sockets[0]));
    for (self->i = 0; self->i <= 5; self->i++) {
        (void)eddy_spawn(co, waits, .what = self->i);
    }
    (void)eddy_task_set_name(eddy_spawn(co, deep, .levels = 99), "named");
    (void)eddy_spawn(co, chain, .levels = 30);
    eddy_detach(eddy_spawn(co, settles));
    do {
        eddy_await(eddy_sleep(co, getenv("LONG") != NULL ? 900 * EDDY_SECOND : 50 * EDDY_MILLISECOND));
    } while (!settled);
    look_here(eddy_loop_of(co));
    exit(0);
    eddy_end;
}

int main(void)
{
    struct eddy_loop_options options = {.allocate = allocates};

    return eddy_exit_status(eddy_run_with(&options, parent));
}
END
quietly "$CC" -g -O2 -I"$EDDY_SOURCE_DIR/include" "$scratch/program.c" "$EDDY_BUILD_DIR/libeddy.a" \
    -o "$scratch/program"

# Times pass, and addresses differ. What is behind an fd only the program can ask.
normalise() {
    sed -E -e 's/[0-9]+ (ms|min [0-9]+ s)|[0-9]+\.[0-9] s/T/g' -e 's/0x[0-9a-f]+/ADDRESS/g' -e 's/ \(unix\)//' \
        -e 's/port [0-9]+/port N/' -e 's/(unix:.*)-[0-9]+/\1-N/'
}

# tasks ARGUMENTS...: what eddy-tasks prints in a gdb that was started so.
tasks() {
    gdb -nx -batch -iex 'set debuginfod enabled off' "$@" 2>&1 | tee "$scratch/gdb" |
        sed -n '/^eddy: /,$ { /^\(eddy:\|circle\|[|` #]\)/p; }' | normalise
}

DUMP=1 "$scratch/program" | normalise >"$scratch/expected"
[ "$(wc -l <"$scratch/expected")" -gt 100 ] || fail "the program dumps nothing"
[ "$(grep -c '^circle' "$scratch/expected")" -eq 7 ] || fail "the program dumps other circles"
grep -q 'wait for all: 3 tasks, 1 ended; #' "$scratch/expected" || fail "a spawn that failed is not dumped as one"

tasks "$scratch/program" -ex 'break look_here' -ex run -ex "source $EDDY_SOURCE_DIR/src/look/eddy-gdb.py" \
    -ex eddy-tasks -ex "gcore $scratch/core" >"$scratch/running"
if ! grep -q '^Breakpoint 1, ' "$scratch/gdb"; then
    cat "$scratch/gdb"
    skip "gdb cannot run a program here"
fi
diff "$scratch/expected" "$scratch/running" || fail "eddy-tasks says something else than the dump (<)"
echo "a running program: ok"

tasks "$scratch/program" -ex 'break look_here' -ex run -ex "source $EDDY_SOURCE_DIR/src/look/eddy-gdb.py" \
    -ex 'eddy-tasks loop' >"$scratch/named"
diff "$scratch/expected" "$scratch/named" || fail "eddy-tasks LOOP says something else than the dump (<)"

if [ -e "$scratch/core" ]; then
    tasks "$scratch/program" "$scratch/core" -ex "source $EDDY_SOURCE_DIR/src/look/eddy-gdb.py" \
        -ex eddy-tasks >"$scratch/dead"
    diff "$scratch/expected" "$scratch/dead" || fail "of a core file eddy-tasks says something else (<)"
    echo "a core file: ok"
fi

# While the loop sleeps in the kernel the parent waits, too.
waiting=$(sed -n '1s/.* \([0-9]*\) waiting.*/\1/p' "$scratch/expected")
tasks "$scratch/program" -ex 'set environment LONG 1' -ex 'break epoll_pwait2 if settled' -ex 'break epoll_wait if settled' \
    -ex 'break syscall if settled' -ex run \
    -ex "source $EDDY_SOURCE_DIR/src/look/eddy-gdb.py" -ex eddy-tasks >"$scratch/between"
sed -e 's/: 1 running, /: /' -e "s/ $waiting waiting/ $((waiting + 1)) waiting/" \
    -e 's/^#1 parent is running/#1 parent waits T for sleep: T left/' "$scratch/expected" |
    diff - "$scratch/between" || fail "between two turns eddy-tasks says something else (<)"
echo "between two turns: ok"

cp "$scratch/program" "$scratch/stripped"
strip "$scratch/stripped"
gdb -nx -batch -ex "source $EDDY_SOURCE_DIR/src/look/eddy-gdb.py" -ex eddy-tasks "$scratch/stripped" >"$scratch/gdb" 2>&1 || true
grep -q 'the eddy library in this program has no debug information' "$scratch/gdb" ||
    fail "of a stripped program eddy-tasks says something else: $(cat "$scratch/gdb")"
echo "a stripped program: ok"
