#!/bin/sh
# examples/callbacks, the loop without coroutines, with nc as its client.
set -eu

# shellcheck source-path=SCRIPTDIR source=../support/e2e.sh
. "$EDDY_SOURCE_DIR/tests/support/e2e.sh"

has_nc || exit 77

server=
trap '[ -z "$server" ] || kill -KILL "$server" 2>/dev/null || true; rm -rf "$scratch"' EXIT
program=$EDDY_BUILD_DIR/examples/callbacks

for wrong in x -1 65536 "1 2"; do
    # shellcheck disable=SC2086
    status=0 && "$program" $wrong >"$scratch/log" 2>&1 || status=$?
    [ $status = 2 ] || fail "callbacks $wrong exits $status"
    grep -q '^usage: callbacks' "$scratch/log" || fail "callbacks $wrong does not say how it is used"
done

mkfifo "$scratch/out"
"$program" 0 >"$scratch/out" 2>"$scratch/errors" &
server=$!
exec 3<"$scratch/out"
read -r line <&3 || fail "the server printed nothing"
port=${line##*:}

# More than the socket's buffers hold, so that it has to wait for its client in the midst.
head -c 3000000 /dev/urandom >"$scratch/sent"
nc -N 127.0.0.1 "$port" <"$scratch/sent" >"$scratch/got"
cmp "$scratch/sent" "$scratch/got" || fail "the echo is not what was sent"

status=0 && "$program" "$port" >"$scratch/log" 2>&1 || status=$?
[ $status = 1 ] || fail "a port that is taken: exits $status"

kill -TERM "$server"
wait "$server" || fail "the server exits $?"
server=
read -r line <&3 || fail "the server did not say how it ended"
[ "$line" = "ended by SIGTERM" ] || fail "the server said: $line"
[ ! -s "$scratch/errors" ] || fail "the server wrote: $(cat "$scratch/errors")"
