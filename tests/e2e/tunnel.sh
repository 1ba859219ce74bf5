#!/bin/sh
# examples/tunnel in front of examples/echo_server: what goes in comes back whole, and a host that is
# not there is told.
set -eu

# shellcheck source-path=SCRIPTDIR source=../support/e2e.sh
. "$EDDY_SOURCE_DIR/tests/support/e2e.sh"

has_nc || exit 77

echo_server=
tunnel=
trap '[ -z "$tunnel" ] || kill -KILL "$tunnel" 2>/dev/null || true
[ -z "$echo_server" ] || kill -KILL "$echo_server" 2>/dev/null || true
rm -rf "$scratch"' EXIT

mkfifo "$scratch/out"
"$EDDY_BUILD_DIR/examples/echo_server" --port 0 >"$scratch/out" &
echo_server=$!
read -r line <"$scratch/out" || fail "the echo server printed nothing"
host_port=${line##*:}

mkfifo "$scratch/tunnel"
"$EDDY_BUILD_DIR/examples/tunnel" 0 127.0.0.1 "$host_port" >"$scratch/tunnel" 2>"$scratch/err" &
tunnel=$!
read -r line <"$scratch/tunnel" || fail "the tunnel printed nothing"
port=${line##* }

head -c 1000000 /dev/urandom >"$scratch/sent"
nc -N 127.0.0.1 "$port" <"$scratch/sent" >"$scratch/got"
cmp "$scratch/sent" "$scratch/got" || fail "the tunnel changed what went through it"
[ ! -s "$scratch/err" ] || fail "the tunnel said: $(cat "$scratch/err")"

kill -KILL "$echo_server"
wait "$echo_server" 2>/dev/null || true
echo_server=
nc -N 127.0.0.1 "$port" </dev/null >"$scratch/got"
[ ! -s "$scratch/got" ] || fail "a tunnel to nowhere said something"
grep -q "127.0.0.1:$host_port: Connection refused" "$scratch/err" ||
    fail "a host that is not there is not told: $(cat "$scratch/err")"

kill -TERM "$tunnel"
wait "$tunnel" || fail "the tunnel ended with $?"
tunnel=
