#!/bin/sh
# examples/dns_forwarder with dig, and a name server on loopback behind it.
set -eu

# shellcheck source-path=SCRIPTDIR source=../support/e2e.sh
. "$EDDY_SOURCE_DIR/tests/support/e2e.sh"

command -v dig >/dev/null || skip "needs dig (Debian: dnsutils)"
command -v python3 >/dev/null || skip "needs python3 (Debian: python3)"

upstream=
server=
end() {
    [ -z "$upstream" ] || kill -KILL "$upstream" 2>/dev/null || true
    [ -z "$server" ] || kill -KILL "$server" 2>/dev/null || true
    rm -rf "$scratch"
}
trap end EXIT
program=$EDDY_BUILD_DIR/examples/dns_forwarder

python3 "$EDDY_SOURCE_DIR/tests/e2e/dns_upstream.py" >"$scratch/asked" &
upstream=$!
await test -s "$scratch/asked" || fail "the name server does not begin"
at=$(head -1 "$scratch/asked")
for wrong in "" "x 127.0.0.1 53" "0 nowhere 53" "0 127.0.0.1 0"; do
    # shellcheck disable=SC2086
    status=0 && "$program" $wrong >"$scratch/log" 2>&1 || status=$?
    [ $status = 2 ] || fail "dns_forwarder $wrong exits $status"
done
mkfifo "$scratch/out"
"$program" 0 127.0.0.1 "$at" >"$scratch/out" 2>"$scratch/errors" &
server=$!
read -r line <"$scratch/out" || fail "the forwarder printed nothing"
port=${line##* }

ask() {
    dig @127.0.0.1 -p "$port" +tries=1 +time=10 "$@"
}

# answers NAME WANTED
answers() {
    got=$(ask +short "$1")
    [ "$got" = "$2" ] || fail "$1: wanted '$2', got '$got'"
}

times_asked() {
    grep -c "^$1\$" "$scratch/asked" || true
}

answers a.test 192.0.2.1
answers A.TeSt 192.0.2.1
answers a.test 192.0.2.1
[ "$(times_asked a.test)" = 1 ] || fail "the cache is not used"
ask a.test | grep -Eq '^a\.test\.[[:space:]]+(100|9[0-9])[[:space:]]' || fail "the time of an answer: $(ask a.test)"
ask none.test | grep -q NXDOMAIN || fail "a name that is not there"
answers liar.test 192.0.2.4
answers late.test 192.0.2.3
[ "$(times_asked late.test)" = 2 ] || fail "a silent server is not asked again"
answers short.test 192.0.2.2
await sh -c "[ \"\$(dig @127.0.0.1 -p $port +short short.test)\" = 192.0.2.2 ] && [ \$(grep -c '^short.test\$' '$scratch/asked') -gt 1 ]" ||
    fail "what has expired is not asked for again"

# Several who ask for the same at once are one question.
for i in 1 2 3 4 5; do
    ask silent.test >"$scratch/silent.$i" &
    clients="${clients:-} $!"
done
for client in $clients; do
    wait "$client" || fail "dig exits $?"
done
for i in 1 2 3 4 5; do
    grep -q SERVFAIL "$scratch/silent.$i" || fail "a silent server: $(cat "$scratch/silent.$i")"
done
[ "$(times_asked silent.test)" -le 4 ] || fail "five who ask at once are $(times_asked silent.test) questions"
printf 'nonsense' | nc -u -w 1 127.0.0.1 "$port" >/dev/null 2>&1 || true
answers a.test 192.0.2.1

kill -TERM "$server"
status=0 && wait "$server" || status=$?
[ $status = 143 ] || fail "the forwarder exits $status: $(cat "$scratch/errors")"
server=
grep -Eq '^[0-9]+ questions, [0-9]+ answered from the cache, 5 failed$' "$scratch/errors" || fail "$(cat "$scratch/errors")"
echo "dns: ok"
