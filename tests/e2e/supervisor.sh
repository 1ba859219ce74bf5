#!/bin/sh
# examples/supervisor with real commands: their lines come out with their names, those that are killed come
# back, later each time; the socket tells of them; and whichever way it ends, it leaves none of them.
set -eu

# shellcheck source-path=SCRIPTDIR source=../support/e2e.sh
. "$EDDY_SOURCE_DIR/tests/support/e2e.sh"

program=$EDDY_BUILD_DIR/examples/supervisor
supervisor=
trap '[ -z "$supervisor" ] || kill -KILL "$supervisor" 2>/dev/null || true
rm -rf "$scratch"' EXIT

# ---- arguments

"$program" --help >"$scratch/help" || fail "--help exits $?"
grep -q '^usage: supervisor' "$scratch/help" || fail "--help does not say how"
code=0
"$program" 2>"$scratch/err" || code=$?
[ "$code" = 2 ] || fail "without arguments it exits $code"
code=0
"$program" /no/such/file 2>"$scratch/err" || code=$?
[ "$code" = 1 ] || fail "without its file it exits $code"
grep -q '/no/such/file: No such file' "$scratch/err" || fail "its missing file is not named"
printf 'no colon\n' >"$scratch/config"
code=0
"$program" "$scratch/config" 2>"$scratch/err" || code=$?
[ "$code" = 1 ] || fail "with a bad file it exits $code"
grep -q 'config:1: ' "$scratch/err" || fail "the bad line is not named"

# ---- commands

cat >"$scratch/config" <<END
# what is run
talks: echo "hello from \$\$"; echo oops >&2; echo \$\$ >$scratch/talks; exec sleep 1000
family: sleep 1000 & echo \$! >$scratch/grandchild; echo \$\$ >$scratch/family; wait
fails: echo x >>$scratch/fails; exit 3
long: head -c 20000 /dev/zero | tr '\\\\0' x; echo; echo short; exec sleep 1000
END

start() {
    mkfifo "$scratch/out$1"
    : >"$scratch/log$1"
    "$program" --status "$scratch/socket" --backoff 0.05 --grace 2 "$scratch/config" \
        >"$scratch/out$1" 2>"$scratch/err$1" &
    supervisor=$!
    cat "$scratch/out$1" >"$scratch/log$1" &
}

# await TEXT: until the supervisor has printed that.
await() {
    tries=0
    until grep -q -- "$1" "$scratch/log$run"; do
        tries=$((tries + 1))
        [ "$tries" -lt 600 ] || fail "it did not print \"$1\": $(cat "$scratch/log$run")"
        sleep 0.05
    done
}

# gone PID: it has ended, or is a zombie that nobody but init reaps.
gone() {
    tries=0
    while [ -e "/proc/$1" ] && ! grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null; do
        tries=$((tries + 1))
        [ "$tries" -lt 600 ] || fail "process $1 is still there"
        sleep 0.05
    done
}

run=1
start 1
await '^talks | hello from '
await '^talks | oops$'
await '^long | (a line that is too long)$'
await '^long | short$'
await '^fails ended: exit 3; again in 0.1 s$'
await '^fails ended: exit 3; again in 0.4 s$'

# One that is killed comes back.
pid=$(cat "$scratch/talks")
kill -KILL "$pid"
await '^talks ended: signal 9; again in '
tries=0
while [ "$(cat "$scratch/talks")" = "$pid" ] || [ -z "$(cat "$scratch/talks")" ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 600 ] || fail "it did not come back"
    sleep 0.05
done

if command -v nc >/dev/null && nc -h 2>&1 | grep -q -- '-U'; then
    nc -U "$scratch/socket" </dev/null >"$scratch/status"
    grep -q "^talks runs since .* s, pid $(cat "$scratch/talks"), started again 1 times, last end: signal 9$" \
        "$scratch/status" || fail "the status of one that was killed: $(cat "$scratch/status")"
    grep -q '^family runs since .*, started again 0 times, last end: none$' "$scratch/status" ||
        fail "the status of one that runs: $(cat "$scratch/status")"
    grep -q '^fails .* last end: exit 3$' "$scratch/status" || fail "the status: $(cat "$scratch/status")"
    [ "$(wc -l <"$scratch/status")" = 4 ] || fail "the status: $(cat "$scratch/status")"
fi

# ---- its end

talks=$(cat "$scratch/talks")
family=$(cat "$scratch/family")
grandchild=$(cat "$scratch/grandchild")
kill -TERM "$supervisor"
wait "$supervisor" || fail "the supervisor ended with $?"
supervisor=
gone "$talks"
gone "$family"
gone "$grandchild"
[ ! -e "$scratch/socket" ] || fail "the socket is still there"
[ ! -s "$scratch/err1" ] || fail "it said: $(cat "$scratch/err1")"

# Killed itself: the kernel ends its commands. The socket that is left is no hindrance to the next.
run=2
start 2
await '^talks | oops$'
talks=$(cat "$scratch/talks")
kill -KILL "$supervisor"
wait "$supervisor" 2>/dev/null || true
supervisor=
gone "$talks"
kill -KILL "$(cat "$scratch/grandchild")" # a child of a child outlives it
[ -e "$scratch/socket" ] || fail "there is no socket that was left behind"

run=3
start 3
await '^talks | oops$'
kill -INT "$supervisor"
wait "$supervisor" || fail "the supervisor ended with $?"
supervisor=
[ ! -s "$scratch/err3" ] || fail "it said: $(cat "$scratch/err3")"
