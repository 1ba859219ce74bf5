#!/bin/sh
# The probes for perf, bpftrace and SystemTap, where the library was built with sys/sdt.h: gdb stops at
# them in a program, in the order in which things happen to its task.
set -eu

# shellcheck source-path=SCRIPTDIR source=../support/e2e.sh
. "$EDDY_SOURCE_DIR/tests/support/e2e.sh"
only_in_a_plain_build
command -v gdb >/dev/null || skip "there is no gdb (Debian: gdb)"
grep -q '^EDDY_HAVE_SDT:[A-Z]*=1$' "$EDDY_BUILD_DIR/CMakeCache.txt" || skip "there was no sys/sdt.h (Debian: systemtap-sdt-dev)"

# Waits in each of the ways that park a task: a timer, a stream, a line; pauses; is cancelled.
cat >"$scratch/program.c" <<'END_OF_PROGRAM'
#include <eddy.h>
#include <sys/socket.h>

static eddy_event event;

eddy_frame(waits) {
    eddy_coro co;
};

static void waits(eddy_coro *co)
{
    eddy_begin(waits);
    eddy_await(eddy_event_wait(co, &event));
    eddy_end;
}

eddy_frame(first) {
    eddy_coro co;
    int fds[2];
    eddy_stream stream;
    eddy_task task;
    int64_t rc;
    char byte;
};

static void first(eddy_coro *co)
{
    eddy_begin(first);
    self->task = eddy_spawn(co, waits);
    eddy_await(eddy_pause(co));
    eddy_await(eddy_sleep(co, EDDY_MILLISECOND));
    eddy_await(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, self->fds));
    eddy_await(eddy_stream_open(eddy_loop_of(co), &self->stream, self->fds[0]));
    eddy_await(send(self->fds[1], "x", 1, 0));
    eddy_await(eddy_read(co, &self->stream, &self->byte, 1));
    eddy_cancel(self->task);
    eddy_catch(self->rc, eddy_join(co, self->task));
eddy_finally:
    eddy_stream_close(&self->stream);
    eddy_end;
}

int main(void)
{
    return eddy_exit_status(eddy_run(first));
}
END_OF_PROGRAM
quietly "$CC" -g -O2 -I"$EDDY_SOURCE_DIR/include" "$scratch/program.c" "$EDDY_BUILD_DIR/libeddy.a" \
    -o "$scratch/program"

for probe in spawn resume suspend wake cancel finish; do
    printf 'break -probe-stap eddy:%s\ncommands\nsilent\nprintf "%s %%d\\n", $_probe_arg1\ncontinue\nend\n' \
        "$probe" "$probe"
done >"$scratch/commands"
echo run >>"$scratch/commands"
gdb -nx -batch -iex 'set debuginfod enabled off' -x "$scratch/commands" "$scratch/program" >"$scratch/gdb" 2>&1
grep -E '^(spawn|resume|suspend|wake|cancel|finish) [0-9]+$' "$scratch/gdb" >"$scratch/seen" || {
    cat "$scratch/gdb"
    skip "gdb cannot run a program here"
}
tr '\n' ',' <"$scratch/seen" >"$scratch/line"
expected="spawn 1,resume 1,spawn 2,suspend 1,resume 2,suspend 2,resume 1,suspend 1,wake 1,resume 1,"
expected=${expected}"suspend 1,wake 1,resume 1,cancel 2,wake 2,suspend 1,resume 2,finish 2,wake 1,resume 1,finish 1,"
[ "$(cat "$scratch/line")" = "$expected" ] || fail "the probes say: $(cat "$scratch/line")"
echo "probes: ok"
