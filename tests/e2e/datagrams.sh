#!/bin/sh
# examples/udp_echo as its users meet it: nc -u.
set -eu

# shellcheck source-path=SCRIPTDIR source=../support/echo.sh
. "$EDDY_SOURCE_DIR/tests/support/echo.sh"

has_nc || exit 77

"$programs/udp_echo" 0 >"$work/out" 2>"$work/err" &
server=$!
await test -s "$work/out" || fail "the server printed nothing: $(cat "$work/err")"
port=$(sed 's/.*://' "$work/out")

# Sends each file as it is, a datagram for each write of nc, until the answer is there.
answered() { # FILE
    nc -u -w 1 127.0.0.1 "$port" <"$1" >"$work/answer"
    cmp -s "$1" "$work/answer"
}

part "a line comes back"
echo hello >"$work/line"
await answered "$work/line" || fail "no answer: $(cat "$work/answer")"

part "a datagram as long as there is room for comes back, byte for byte"
head -c 2048 /dev/urandom >"$work/long"
await answered "$work/long" || fail "another answer"

part "a client that has gone fails no other"
for _ in 1 2 3; do
    echo gone | timeout 0.1 nc -u -w 0 127.0.0.1 "$port" >/dev/null || true
done
await answered "$work/line" || fail "no answer: $(cat "$work/answer")"

part "SIGTERM ends it without a word"
kill -TERM "$server"
wait "$server" || fail "it exits $?"
server=
expect "standard error" "" "$(cat "$work/err")"
echo "$parts parts"
