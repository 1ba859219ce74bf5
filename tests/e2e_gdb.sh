#!/bin/sh
# The command eddy-tasks of src/eddy-gdb.py: what it prints of a running program, from inside a step, from
# between two turns, and of a core file, is what the library's own dump says.
set -eu

# shellcheck source-path=SCRIPTDIR source=support/e2e.sh
. "$EDDY_SOURCE_DIR/tests/support/e2e.sh"
only_in_a_plain_build
command -v gdb >/dev/null || skip "there is no gdb"
gdb -batch -ex "python print('yes')" 2>/dev/null | grep -q yes || skip "this gdb has no Python"

cat >"$scratch/program.c" <<'END'
#include <eddy.h>
#include <stdio.h>
#include <stdlib.h>

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

eddy_frame(parent) {
    eddy_coro co;
    eddy_task children[2];
};

static void parent(eddy_coro *co)
{
    eddy_begin(parent);
    self->children[0] = eddy_spawn(co, child);
    self->children[1] = eddy_spawn(co, child, .result = 7);
    eddy_detach(eddy_spawn(co, naps, .duration = 300 * EDDY_SECOND));
    eddy_await(eddy_sleep(co, 20 * EDDY_MILLISECOND));
    look_here(eddy_loop_of(co));
    eddy_end;
}

int main(void)
{
    return eddy_exit_status(eddy_run(parent));
}
END
quietly "$CC" -g -O2 -I"$EDDY_SOURCE_DIR/include" "$scratch/program.c" "$EDDY_BUILD_DIR/libeddy.a" \
    -o "$scratch/program"

# Times pass; what is left of them is normalised. So is a detail that only one side tells.
normalise() {
    sed -E -e 's/[0-9]+ (ms|min [0-9]+ s)|[0-9]+\.[0-9] s/T/g' -e 's/^(eddy: [0-9]+ tasks).*/\1/'
}

# tasks ARGUMENTS...: what eddy-tasks prints in a gdb that was started so.
tasks() {
    gdb -nx -batch -iex 'set debuginfod enabled off' "$@" 2>&1 | tee "$scratch/gdb" |
        sed -n '/^eddy: /,$ { /^\(eddy:\|[|` #]\)/p; }' | normalise
}

DUMP=1 "$scratch/program" | normalise >"$scratch/expected"
[ "$(wc -l <"$scratch/expected")" -gt 8 ] || fail "the program dumps nothing"

tasks "$scratch/program" -ex 'break look_here' -ex run -ex "source $EDDY_SOURCE_DIR/src/eddy-gdb.py" \
    -ex eddy-tasks -ex "gcore $scratch/core" >"$scratch/running"
if ! grep -q '^Breakpoint 1, ' "$scratch/gdb"; then
    cat "$scratch/gdb"
    skip "gdb cannot run a program here"
fi
diff "$scratch/expected" "$scratch/running" || fail "eddy-tasks says something else than the dump (<)"
echo "a running program: ok"

tasks "$scratch/program" -ex 'break look_here' -ex run -ex "source $EDDY_SOURCE_DIR/src/eddy-gdb.py" \
    -ex 'eddy-tasks loop' >"$scratch/named"
diff "$scratch/expected" "$scratch/named" || fail "eddy-tasks LOOP says something else than the dump (<)"

if [ -e "$scratch/core" ]; then
    tasks "$scratch/program" "$scratch/core" -ex "source $EDDY_SOURCE_DIR/src/eddy-gdb.py" \
        -ex eddy-tasks >"$scratch/dead"
    diff "$scratch/expected" "$scratch/dead" || fail "of a core file eddy-tasks says something else (<)"
    echo "a core file: ok"
fi

# While the loop sleeps in the kernel the parent waits, too.
tasks "$scratch/program" -ex 'break epoll_pwait2' -ex 'break epoll_wait' -ex 'break syscall' -ex run \
    -ex "source $EDDY_SOURCE_DIR/src/eddy-gdb.py" -ex eddy-tasks >"$scratch/between"
sed 's/^#1 parent is running/#1 parent waits T for sleep: T left/' "$scratch/expected" |
    diff - "$scratch/between" || fail "between two turns eddy-tasks says something else (<)"
echo "between two turns: ok"
