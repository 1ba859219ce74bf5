#!/bin/sh
# examples/echo_server and echo_client as their users meet them: nc, socat, a stock asyncio client,
# files, pipes, signals and mistakes on the command line.
set -eu

# shellcheck source-path=SCRIPTDIR source=../support/echo.sh
. "$EDDY_SOURCE_DIR/tests/support/echo.sh"

# ---- the command line

part "mistakes on the command line are one line and exit 2"
for program in echo_server echo_client; do
    for mistake in "--port 70000" "--port -1" "--port" "--port 80x" "--port +80" "--host" \
        "--host xyz" "--host 127.0.0" "--host ::g" "--unknown 1"; do
        # shellcheck disable=SC2086  # two words
        expect_mistake 2 "$program" $mistake
    done
    expect_mistake 2 "$program" --port ""
    expect_mistake 2 "$program" --port " 80"
    expect_mistake 2 "$program" --host ""
done
expect_mistake 2 echo_client --port 0
for mistake in "--workers 0" "--workers 1025" "--workers -1" "--workers two" "--workers" \
    "--max-clients 0" "--max-clients -1" "--max-clients 99999999999999999999" "--max-clients" \
    "--idle-timeout 0" "--idle-timeout 1e3" "--idle-timeout 99999999999" "--idle-timeout" \
    "--port 0 --workers 2 extra" "extra" "--"; do
    # shellcheck disable=SC2086  # several words
    expect_mistake 2 echo_server $mistake
done

part "what the system refuses is one line and exit 1"
start_server
expect_mistake 1 echo_server --port "$port"
stop_server TERM "served 0 connections, 0 bytes"
expect_mistake 1 echo_client --port 1 hello # nobody's, and of none that the system gives to anybody
if [ "$(cat /proc/sys/net/ipv4/ip_nonlocal_bind 2>/dev/null)" != 1 ]; then
    expect_mistake 1 echo_server --port 0 --host 192.0.2.1 # an address of nobody's
fi
for few in "4 1" "5 1" "6 1" "4 3" "5 3" "6 3" "7 3" "8 3"; do # files, workers: too few at each step
    most_files=${few% *}
    expect_mistake 1 echo_server --port 0 --workers "${few#* }"
done
most_files=
status=0 # without a standard output nobody can be told of the port
"$programs/echo_server" --port 0 --workers 2 >&- 2>"$work/closed.err" || status=$?
expect "no standard output: exit status" 1 "$status"
expect "no standard output: lines on standard error" 1 "$(wc -l <"$work/closed.err")"
if [ -w /dev/full ]; then
    status=0
    "$programs/echo_server" --port 0 >/dev/full 2>"$work/full.err" || status=$?
    expect "a full disk: exit status" 1 "$status"
    expect "a full disk: lines on standard error" 1 "$(wc -l <"$work/full.err")"
fi

part "both coroutines of echo_server take 60 lines at most"
lines=$(awk '/^eddy_frame\(/,/^};/ { n++ } /^static void [a-z]+\(eddy_coro \*co\)$/,/^}/ { n++ }
    END { print n }' "$EDDY_SOURCE_DIR/examples/echo_server.c")
[ "$lines" -gt 20 ] && [ "$lines" -le 60 ] || fail "they take $lines lines"

# ---- our own client

head -c 1048576 /dev/urandom >"$work/mebibyte"

part "echo_client: arguments, standard input, files and pipes"
start_server
expect "arguments" "hello world" "$("$programs/echo_client" --port "$port" hello world)"
expect "standard input" "$(printf 'a\nb\nc')" \
    "$(printf 'a\nb\nc\n' | "$programs/echo_client" --port "$port")"
"$programs/echo_client" --port "$port" <"$work/mebibyte" | cmp - "$work/mebibyte"
cat "$work/mebibyte" | "$programs/echo_client" --port "$port" | cmp - "$work/mebibyte"
expect "no input" "" "$("$programs/echo_client" --port "$port" </dev/null)"
stop_server TERM "served 5 connections, $((12 + 6 + 2 * 1048576)) bytes"
expect "the server's standard error" "" "$(cat "$work/err")"

part "SIGINT ends the server as SIGTERM does"
start_server
stop_server INT "served 0 connections, 0 bytes"

part "on SIGUSR1 the server prints what its tasks wait for, and goes on"
has_dumped() { # WORKERS
    [ "$(grep -c "^#1.*running$" "$work/err")" = "$1" ]
}
for workers in 1 2; do
    start_server --workers "$workers"
    kill -s USR1 "$server"
    wanted=$(printf '%s\n' "#1 serve is running" "eddy: 1 task: 1 running")
    await has_dumped "$workers" || fail "the dump: got '$(cat "$work/err")'"
    expect "the dump" "$wanted" "$(grep -e '^eddy:' -e '^#' "$work/err" | sort -u)"
    stop_server TERM "served 0 connections, 0 bytes"
done

# Starts a client: what is written to $work/in.N goes to the server, the echo to $work/echo.N.
open_client() { # N
    rm -f "$work/in.$1"
    mkfifo "$work/in.$1"
    : >"$work/echo.$1"
    "$programs/echo_client" --port "$port" <"$work/in.$1" >"$work/echo.$1" 2>&1 4>&- 5>&- &
}

# A server with a client, number 1, who is served and stays: what fd 4 is told, goes to the server.
start_server_with_client() {
    start_server
    open_client 1
    client=$!
    exec 4>"$work/in.1"
    echo early >&4
    await_text "a client" early "$work/echo.1"
}

part "a client has a second to finish"
late_client_is_waited_for() {
    start_server_with_client
    before=$(milliseconds)
    kill -s TERM "$server"
    sleep 0.2
    (echo late >&4) 2>/dev/null || true
    exec 4>&-
    rest=$(timeout 60 cat <&3) || fail "the server does not end"
    took=$(($(milliseconds) - before))
    exec 3<&-
    wait "$client" "$server" || fail "the server failed"
    server=
    [ "$rest" = "served 1 connections, 11 bytes" ] && [ "$took" -lt 900 ] &&
        has_text "early
late" "$work/echo.1"
}
# On a machine that stands still for a moment, the second is over before the client has said it.
for _ in 1 2 3 4 5; do
    ! late_client_is_waited_for || break
done
[ "$took" -lt 900 ] || fail "the server waited $took ms, although its client had finished"
expect "what the server said" "served 1 connections, 11 bytes" "$rest"
expect "what the late client got" "early
late" "$(cat "$work/echo.1")"

part "a client that does not finish is cut off after a second"
start_server_with_client
before=$(milliseconds)
stop_server TERM "served 1 connections, 6 bytes"
took=$(($(milliseconds) - before))
exec 4>&-
[ "$took" -ge 990 ] && [ "$took" -lt 10000 ] || fail "the server waited $took ms for its clients"

part "--workers: a port that was just left, with a connection that the server has ended"
"$programs/echo_server" --port "$port" --workers 2 >"$work/again" 2>&1 &
server=$!
await_text "the server on the same port" "listening on 127.0.0.1:$port" "$work/again"
kill -TERM "$server"
wait "$server" || fail "the server on the same port failed"
server=

if grep -q '^0\{31\}1 ' /proc/net/if_inet6 2>/dev/null; then
    part "IPv6"
    host=::1
    start_server
    expect "IPv6" hello "$("$programs/echo_client" --host ::1 --port "$port" hello)"
    stop_server TERM "served 1 connections, 6 bytes"
    host=127.0.0.1
fi

# ---- options of the server

part "--workers: processes share the port and its clients"
start_server --workers 2
for i in 1 2 3 4 5 6 7 8; do
    expect "client $i" "hello $i" "$("$programs/echo_client" --port "$port" "hello $i")"
done
expect_mistake 1 echo_server --port "$port" --workers 2
expect_mistake 1 echo_server --port "$port"
stop_server TERM "served 8 connections, $((8 * 8)) bytes"
expect "the workers' standard error" "" "$(cat "$work/err")"
start_server --workers 2
stop_server INT "served 0 connections, 0 bytes"

part "--workers: one that is killed ends all, and so does the parent"
children() { # PID
    cat /proc/[0-9]*/stat 2>/dev/null | awk -v parent="$1" '{ pid = $1; sub(/.*\) . /, "") } $1 == parent { print pid }'
}
start_server --workers 3
# shellcheck disable=SC2046 # one word each
set -- $(children "$server")
expect "workers" 3 "$#"
kill -KILL "$2"
status=0
wait "$server" || status=$?
exec 3<&-
server=
expect "the exit status when a worker was killed" 1 "$status"
for pid in "$@"; do
    kill -0 "$pid" 2>/dev/null && fail "worker $pid lives on"
done
start_server --workers 2
kill -KILL "$server"
timeout 60 cat <&3 >/dev/null || fail "the workers of a killed parent live on"
exec 3<&-
server=

part "--max-clients beyond the limit of open files is told"
runner="prlimit --nofile=64:64"
start_server --max-clients 57
case $(cat "$work/err") in
"echo_server: --max-clients 57: only 64 open files are allowed"*) ;;
*) fail "it said '$(cat "$work/err")'" ;;
esac
stop_server TERM "served 0 connections, 0 bytes"
start_server --max-clients 56
expect "what it says of a limit that it can keep" "" "$(cat "$work/err")"
stop_server TERM "served 0 connections, 0 bytes"
runner=

part "--max-clients: the next one waits until one has gone"
start_server --max-clients 1
open_client 1
exec 4>"$work/in.1"
first=$!
echo one >&4
await_text "the first client" one "$work/echo.1"
open_client 2
exec 5>"$work/in.2"
second=$!
echo two >&5
sleep 0.3
expect "the second client, who waits" "" "$(cat "$work/echo.2")"
exec 4>&-
wait "$first" || fail "the first client failed"
await_text "the second client" two "$work/echo.2"
exec 5>&-
wait "$second" || fail "the second client failed"
stop_server TERM "served 2 connections, 8 bytes"

part "--idle-timeout: a silent client is closed"
open_files() {
    find "/proc/$server/fd" -type l | wc -l
}
has_open_files() { # COUNT
    [ "$(open_files)" = "$1" ]
}
start_server --idle-timeout 1
files=$(open_files)
open_client 1
exec 4>"$work/in.1"
before=$(milliseconds)
echo one >&4
await_text "the client that will be silent" one "$work/echo.1"
await has_open_files "$files" || fail "the silent client is not closed"
took=$(($(milliseconds) - before))
[ "$took" -ge 990 ] && [ "$took" -lt 10000 ] || fail "the silent client was closed after $took ms"
exec 4>&-
stop_server TERM "served 1 connections, 4 bytes"
expect "the server's standard error" "" "$(cat "$work/err")"

# ---- other people's clients

if has_nc; then
    part "nc"
    start_server
    expect "nc" "hello nc" "$(echo "hello nc" | nc -N "$host" "$port")"
    nc -N "$host" "$port" <"$work/mebibyte" | cmp - "$work/mebibyte"
    stop_server TERM "served 2 connections, $((9 + 1048576)) bytes"
fi

if has socat socat; then
    part "socat"
    start_server
    expect "socat" "hello socat" "$(echo "hello socat" | socat -t 10 - "TCP:$host:$port")"
    socat -t 10 - "TCP:$host:$port" <"$work/mebibyte" | cmp - "$work/mebibyte"
    stop_server TERM "served 2 connections, $((12 + 1048576)) bytes"
fi

if has python3 python3; then
    part "a thousand asyncio clients at once, a hundred messages each"
    start_server
    timeout 120 python3 "$here/echo_clients.py" "$host" "$port" 1000 100
    stop_server_after 1000
fi

echo "$parts parts"
