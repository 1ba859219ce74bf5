#!/bin/sh
# examples/echo_server on bad days and with many clients: too few files, a slow reader, 10,000 clients;
# and what a message costs, in system calls and memory.
set -eu

# shellcheck source-path=SCRIPTDIR source=../support/echo.sh
. "$EDDY_SOURCE_DIR/tests/support/echo.sh"

bench=$EDDY_BUILD_DIR/tests/bench
# Sanitizers have memory and system calls of their own.
plain=yes
grep -q '^EDDY_SANITIZE:[A-Z]*=$' "$EDDY_BUILD_DIR/CMakeCache.txt" || plain=

if has python3 python3; then
    part "200 clients, and 64 files"
    runner="prlimit --nofile=64:64"
    start_server
    runner=
    used=$(find "/proc/$server/fd" -type l | awk -F / '$NF < 64 { n++ } END { print n }')
    timeout 300 python3 "$here/crowd.py" "$host" "$port" "$server" 200 $((64 - used))
    stop_server_after 200 "accepts no clients for now"

    part "64 MiB through one connection whose client reads slowly"
    most=8192 # KiB: the kernel's count for one process may be off by some of them
    [ -n "$plain" ] || most=0
    start_server
    timeout 300 python3 "$here/slow_reader.py" "$host" "$port" "$server" 64 "$most"
    stop_server_after 2
fi

part "10,000 clients at once, each served"
# shellcheck disable=SC3045 # dash has it, and bash
if [ "$(ulimit -Hn)" = unlimited ] || [ "$(ulimit -Hn)" -ge 10100 ]; then
    clients=10000
    [ -n "$plain" ] || clients=2000 # they are slow
    start_server
    timeout 300 "$bench/bench_echo" --host "$host" --port "$port" --connections "$clients" \
        --messages "$clients"
    stop_server_after "$clients"
    if [ -n "$plain" ]; then
        figures=$(timeout 60 "$bench/bench_idle" 10000)
        echo "$figures"
        besides=${figures#*besides_frame=}
        [ "${besides%%.*}" -le 512 ] || fail "an idle client takes $besides bytes"
    fi
else
    echo "skipped: needs a hard limit of 10,100 open files at least"
fi

messages=10000

# Echoes so many messages of one client, one after the other.
echo_messages() { # MESSAGES
    timeout 300 "$bench/bench_echo" --host "$host" --port "$port" --connections 1 --messages "$1" \
        >/dev/null || fail "the messages are not echoed"
}

# How often the server made a system call.
calls() { # NAME
    awk -v name="$1" '$NF == name { sum += $4 } END { print sum + 0 }' "$work/calls"
}

expect_about() { # WHAT LEAST MOST GOT
    [ "$4" -ge "$2" ] && [ "$4" -le "$3" ] || fail "$1: $4, wanted $2 to $3"
}

if [ -n "$plain" ] && has strace strace && strace -o /dev/null true 2>/dev/null; then
    part "a message costs three system calls"
    runner="strace -D -c -o $work/calls"
    start_server
    runner=
    echo_messages $messages
    stop_server_after 1
    await grep -qs ' total$' "$work/calls" || fail "strace tells nothing" # it writes when the server is gone
    waits=$(($(calls epoll_wait) + $(calls epoll_pwait2)))
    expect_about "waits" $messages $((messages + 10)) "$waits"
    expect_about "reads" $messages $((messages + 20)) "$(calls read)"
    expect_about "sends" $messages $((messages + 10)) "$(calls sendto)"
    expect_about "changes of the epoll set" 1 10 "$(calls epoll_ctl)"
    total=$(awk '$1 ~ /^[0-9.]+$/ && $NF != "total" { sum += $4 } END { print sum }' "$work/calls")
    expect_about "all calls, the start among them" $((3 * messages)) $((3 * messages + 150)) "$total"
fi

# Counts how often a server asks for memory while it echoes so many messages.
allocations() { # MESSAGES
    runner="env LD_PRELOAD=$work/count_malloc.so COUNT_MALLOC=$work/allocations"
    start_server
    runner=
    echo_messages "$1"
    stop_server_after 1
    cat "$work/allocations"
}

if [ -n "$plain" ] &&
    "$CC" -shared -fPIC -o "$work/count_malloc.so" "$here/count_malloc.c" 2>/dev/null; then
    part "a message costs no memory"
    allocations 1 >"$work/of_one"
    allocations $messages >"$work/of_many"
    [ "$(cat "$work/of_one")" -gt 0 ] || fail "nothing is counted"
    expect "allocations for $messages messages" "$(cat "$work/of_one")" "$(cat "$work/of_many")"
fi

echo "$parts parts"
