#!/bin/sh
# examples/proxy and examples/fetch: with curl, with examples/http_server behind them, and with those who break off.
set -eu

# shellcheck source-path=SCRIPTDIR source=../support/e2e.sh
. "$EDDY_SOURCE_DIR/tests/support/e2e.sh"

command -v curl >/dev/null || skip "needs curl (Debian: curl)"
command -v python3 >/dev/null || skip "needs python3 (Debian: python3)"

server=
proxy=
end() {
    [ -z "$server" ] || kill -KILL "$server" 2>/dev/null || true
    [ -z "$proxy" ] || kill -KILL "$proxy" 2>/dev/null || true
    rm -rf "$scratch"
}
trap end EXIT
examples=$EDDY_BUILD_DIR/examples
mkdir "$scratch/www"
head -c 20000 /dev/urandom >"$scratch/www/file"
mkfifo "$scratch/out"

"$examples/http_server" --port 0 --root "$scratch/www" >"$scratch/out" 2>"$scratch/errors" &
server=$!
read -r line <"$scratch/out" || fail "http_server printed nothing"
port=${line##* }

# refuses STATUS PROGRAM...: it exits so.
refuses() {
    wanted=$1
    shift
    status=0 && "$@" >"$scratch/log" 2>&1 </dev/null || status=$?
    [ $status = "$wanted" ] || fail "$* exits $status: $(cat "$scratch/log")"
}

# ---- fetch

for i in 1 2 3 4 5 6 7 8 9 10; do
    for j in 1 2 3 4 5 6 7 8 9 10; do
        echo "http://127.0.0.1:$port/file?$i$j"
    done
done >"$scratch/urls"
cat "$scratch/urls" "$scratch/urls" "$scratch/urls" | "$examples/fetch" --at-once 40 >"$scratch/fetched" 2>"$scratch/log" ||
    fail "fetch exits $?: $(cat "$scratch/log")"
[ "$(grep -c '^200 20000 ' "$scratch/fetched")" = 300 ] || fail "fetch: $(cat "$scratch/log")"
[ "$(cat "$scratch/log")" = "300 fetched, 0 failed, 6000000 bytes" ] || fail "fetch says $(cat "$scratch/log")"
status=0
"$examples/fetch" --tries 2 --timeout 5 "http://127.0.0.1:$port/none" http://127.0.0.1:1/ ftp://x \
    "http://[::1]:$port" >"$scratch/fetched" 2>"$scratch/log" || status=$?
[ $status = 1 ] || fail "fetch of what is not there exits $status"
grep -q "^404 14 http://127.0.0.1:$port/none\$" "$scratch/fetched" || fail "fetch: $(cat "$scratch/fetched")"
grep -q '^failed http://127.0.0.1:1/: 127.0.0.1:1: ' "$scratch/fetched" || fail "fetch: $(cat "$scratch/fetched")"
grep -q '^failed ftp://x: is no http:// URL$' "$scratch/fetched" || fail "fetch: $(cat "$scratch/fetched")"
refuses 2 "$examples/fetch" --at-once 0
refuses 2 "$examples/fetch" --nonsense
refuses 0 "$examples/fetch" --help

# ---- proxy

refuses 2 "$examples/proxy"
refuses 2 "$examples/proxy" --socks x
refuses 2 "$examples/proxy" --forward 80:host
refuses 0 "$examples/proxy" --help

"$examples/proxy" --socks 0 --forward "0:127.0.0.1:$port" --forward 0:127.0.0.1:1 --status 0 \
    >"$scratch/out" 2>"$scratch/proxy.errors" &
proxy=$!
{
    read -r line && socks=${line##* }
    read -r line && forward=${line%% *}
    read -r line && broken=${line%% *}
    read -r line && status_port=${line##* }
} <"$scratch/out" || fail "the proxy does not say where it listens"

for way in --socks5 --socks5-hostname; do
    timeout 60 curl -sS $way "127.0.0.1:$socks" "http://localhost:$port/file" | cmp - "$scratch/www/file" ||
        fail "curl $way"
done
timeout 60 curl -sS "http://127.0.0.1:$forward/file" | cmp - "$scratch/www/file" || fail "a forwarded port"
refuses 52 timeout 60 curl -sS "http://127.0.0.1:$broken/"
grep -q 'forward: 127.0.0.1:1: ' "$scratch/proxy.errors" || fail "nobody there: $(cat "$scratch/proxy.errors")"
python3 "$EDDY_SOURCE_DIR/tests/e2e/proxy_chaos.py" "$socks" "$status_port" || fail "those who break off"
kill -TERM "$proxy"
wait "$proxy" || fail "the proxy exits $?: $(cat "$scratch/proxy.errors")"
proxy=
kill -TERM "$server"
wait "$server" || fail "http_server exits $?"
server=
[ ! -s "$scratch/errors" ] || fail "http_server wrote $(cat "$scratch/errors")"
[ "$(grep -vc 'forward: 127.0.0.1:1: ' "$scratch/proxy.errors")" = 0 ] || fail "the proxy wrote $(cat "$scratch/proxy.errors")"
echo "proxy, fetch: ok"
