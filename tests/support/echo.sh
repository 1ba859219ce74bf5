# For e2e/echo.sh and e2e/bad_days.sh (sh): the echo server of the build, started and stopped.
# shellcheck shell=sh

# shellcheck source-path=SCRIPTDIR source=await.sh
. "$EDDY_SOURCE_DIR/tests/support/await.sh"

programs=$EDDY_BUILD_DIR/examples
# shellcheck disable=SC2034 # used by who sources this
here=$EDDY_SOURCE_DIR/tests/e2e
work=$(mktemp -d)
server=
host=127.0.0.1
parts=0

clean_up() {
    [ -z "$server" ] || kill -KILL "$server" 2>/dev/null || true
    rm -rf "$work"
}
trap clean_up EXIT
ulimit -S -n 4096 2>/dev/null || true

fail() {
    echo "FAILED: $*"
    exit 1
}

part() {
    echo "- $*"
    parts=$((parts + 1))
}

has() {
    command -v "$1" >/dev/null && return
    echo "skipped: needs $1 (Debian: apt-get install $2)"
    return 1
}

expect() { # WHAT WANTED GOT
    [ "$2" = "$3" ] || fail "$1: wanted '$2', got '$3'"
}

# The time since the machine began, which nobody sets, in milliseconds.
milliseconds() {
    awk '{ printf "%d\n", $1 * 1000 }' /proc/uptime
}

# Starts a server on a port of the system's choice and reads its first line: sets $server and $port.
# $runner may be a program that runs it under the same process number.
start_server() { # ARGUMENTS
    rm -f "$work/out"
    mkfifo "$work/out"
    # shellcheck disable=SC2086 # several words
    ${runner:-} "$programs/echo_server" --port 0 --host "$host" "$@" >"$work/out" 2>"$work/err" &
    server=$!
    exec 3<"$work/out"
    read -r line <&3 || fail "the server printed nothing: $(cat "$work/err")"
    port=${line##*:}
    expect "the first line" "listening on $host:$port" "$line"
}

# Sends a signal to the server and expects it to exit 0, with that as the rest of its output.
stop_server() { # SIGNAL REST
    kill -s "$1" "$server"
    rest=$(timeout 60 cat <&3) || fail "the server does not end"
    exec 3<&-
    status=0
    wait "$server" || status=$?
    server=
    expect "the last line" "$2" "$rest"
    expect "the exit status" 0 "$status"
}

# One line on standard error, nothing on standard output. $most_files may limit the open files.
expect_mistake() { # STATUS PROGRAM ARGUMENTS
    wanted=$1
    program=$2
    shift 2
    status=0
    (
        # Of few files all are the program's own.
        exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
        # shellcheck disable=SC3045 # dash has it, and bash
        [ -z "${most_files:-}" ] || ulimit -n "$most_files"
        exec "$programs/$program" "$@"
    ) >"$work/mistake.out" 2>"$work/mistake.err" </dev/null || status=$?
    expect "$program $*: exit status" "$wanted" "$status"
    expect "$program $*: standard output" "" "$(cat "$work/mistake.out")"
    expect "$program $*: lines on standard error" 1 "$(wc -l <"$work/mistake.err")"
}

# Waits for a file to have that text.
await_text() { # WHAT WANTED FILE
    await has_text "$2" "$3" || fail "$1: wanted '$2', got '$(cat "$3")'"
}

# Stops the server, which has served so many clients, whatever the bytes. Nothing was said on standard error,
# but for one line that has this in it.
stop_server_after() { # CLIENTS [SAID]
    kill -s TERM "$server"
    rest=$(timeout 60 cat <&3) || fail "the server does not end"
    exec 3<&-
    wait "$server" || fail "the server failed"
    server=
    case $rest in
    "served $1 connections, "*) ;;
    *) fail "the server said '$rest'" ;;
    esac
    if [ $# -gt 1 ]; then
        expect "the server's lines on standard error" 1 "$(wc -l <"$work/err")"
        grep -q "$2" "$work/err" || fail "the server does not say '$2' but '$(cat "$work/err")'"
    else
        expect "the server's standard error" "" "$(cat "$work/err")"
    fi
}
