#!/bin/sh
# examples/http_server with curl and with clients that are rude; and, where they are, ab and wrk.
set -eu

# shellcheck source-path=SCRIPTDIR source=../support/e2e.sh
. "$EDDY_SOURCE_DIR/tests/support/e2e.sh"

command -v curl >/dev/null || skip "needs curl (Debian: curl)"
command -v python3 >/dev/null || skip "needs python3 (Debian: python3)"

server=
end() {
    [ -z "$server" ] || kill -KILL "$server" 2>/dev/null || true
    rm -rf "$scratch"
}
trap end EXIT
program=$EDDY_BUILD_DIR/examples/http_server
mkfifo "$scratch/out"
mkdir "$scratch/www" "$scratch/www/sub"
echo secret >"$scratch/secret"
echo '<p>index</p>' >"$scratch/www/index.html"
echo text >"$scratch/www/sub/a b.txt"
: >"$scratch/www/empty"
head -c 3000000 /dev/urandom >"$scratch/www/large"
mkfifo "$scratch/www/pipe"

start() { # OPTIONS...
    "$program" --port 0 --root "$scratch/www" --head-time 1 "$@" >"$scratch/out" 2>"$scratch/errors" &
    server=$!
    read -r line <"$scratch/out" || fail "the server printed nothing: $(cat "$scratch/errors")"
    port=${line##*listening on }
    at=http://127.0.0.1:$port
}

stop() {
    kill -TERM "$server"
    wait "$server" || fail "the server exits $?: $(cat "$scratch/errors")"
    server=
    [ ! -s "$scratch/errors" ] || fail "the server wrote: $(cat "$scratch/errors")"
}

fetch() {
    timeout 60 curl -sS --path-as-is "$@"
}

# status WANTED CURL'S ARGUMENTS...
status() {
    wanted=$1
    shift
    got=$(fetch -o "$scratch/body" -w '%{http_code}' "$@")
    [ "$got" = "$wanted" ] || fail "$*: wanted $wanted, got $got"
}

for wrong in "--port x" "--port 70000" "nonsense" "--root" "--head-time 0"; do
    # shellcheck disable=SC2086
    got=0 && "$program" $wrong >"$scratch/log" 2>&1 || got=$?
    [ $got = 2 ] || fail "http_server $wrong exits $got"
done
expect "usage: http_server [--host HOST] [--port PORT] [--root FOLDER] [--log FILE] [--tls CERTIFICATE KEY]
                   [--max-clients N] [--head-time SECONDS]" "$program" --help
got=0 && "$program" --root /nowhere >"$scratch/log" 2>&1 || got=$?
[ $got = 1 ] || fail "a root that is not there: exits $got"

start --log "$scratch/access"

# ---- files

[ "$(fetch "$at/")" = "<p>index</p>" ] || fail "the index"
[ "$(fetch "$at/sub/a%20b.txt?query")" = text ] || fail "a name with a space"
fetch "$at/large" | cmp - "$scratch/www/large" || fail "a large file"
status 200 "$at/empty"
[ ! -s "$scratch/body" ] || fail "an empty file"
status 404 "$at/none"
status 404 "$at/sub"
status 404 "$at/pipe"
status 404 "$at/../secret"
status 405 -d x "$at/large"
status 501 -X PUT "$at/large"
[ "$(fetch -I "$at/large" | tr -d '\r' | grep -i '^content-length')" = "Content-Length: 3000000" ] || fail "HEAD"

# ---- ranges, and what the client has already

status 206 -r 0-9 "$at/large"
head -c 10 "$scratch/www/large" | cmp - "$scratch/body" || fail "the first ten bytes"
status 206 -r 2999995- "$at/large"
tail -c 5 "$scratch/www/large" | cmp - "$scratch/body" || fail "from there to the end"
status 206 -r -7 "$at/large"
tail -c 7 "$scratch/www/large" | cmp - "$scratch/body" || fail "the last seven"
status 416 -r 3000000- "$at/large"
status 200 -H 'Range: lines=1-2' "$at/large"
tag=$(fetch -I "$at/large" | tr -d '\r' | sed -n 's/^ETag: //p')
status 304 -H "If-None-Match: $tag" "$at/large"
status 206 -r 0-9 -H "If-Range: $tag" "$at/large"
status 200 -r 0-9 -H 'If-Range: "other"' "$at/large"

# ---- bodies

fetch --data-binary "@$scratch/www/large" "$at/echo" | cmp - "$scratch/www/large" || fail "a body with its length"
fetch -H 'Transfer-Encoding: chunked' --data-binary "@$scratch/www/large" "$at/echo" |
    cmp - "$scratch/www/large" || fail "a body in chunks"
status 200 -H 'Expect: 100-continue' --data-binary "@$scratch/www/large" "$at/echo"
cmp "$scratch/body" "$scratch/www/large" || fail "a body that waits for 100"
[ "$(fetch "$at/hello" "$at/hello" -d a "$at/echo" 2>&1 | tr -d '\n')" != "" ] || fail "several of one connection"

# ---- rude clients; the server goes on

python3 "$EDDY_SOURCE_DIR/tests/e2e/http_rude.py" "$port" || fail "rude clients"
[ "$(fetch "$at/hello")" = hello ] || fail "it does not go on"

if command -v ab >/dev/null; then
    timeout 60 ab -q -k -n 5000 -c 50 "$at/hello" >"$scratch/log" 2>&1 || fail "ab: $(cat "$scratch/log")"
    grep -q 'Failed requests: *0$' "$scratch/log" || fail "ab: $(cat "$scratch/log")"
fi
if command -v wrk >/dev/null; then
    timeout 60 wrk -t1 -c50 -d1 "$at/large" >"$scratch/log" 2>&1 || fail "wrk: $(cat "$scratch/log")"
    ! grep -Eq 'Non-2xx|Socket errors' "$scratch/log" || fail "wrk: $(cat "$scratch/log")"
fi

# ---- a gentle end: who waits for his next request is sent away, whose answer is under way gets it all

fetch --limit-rate 2M -o "$scratch/slow" "$at/large" &
slow=$!
await test -s "$scratch/slow" || fail "nothing comes"
stop
wait "$slow" || fail "the answer that was under way was cut: curl exits $?"
cmp "$scratch/slow" "$scratch/www/large" || fail "the answer that was under way"
grep -Eq '^127\.0\.0\.1:[0-9]+ \[.* GMT\] "GET /large HTTP/1\.1" 206 10$' "$scratch/access" ||
    fail "the log: $(head -5 "$scratch/access")"
! grep -q '[^ -~]' "$scratch/access" || fail "the log has what is no text"

# ---- TLS

if [ -x "$EDDY_BUILD_DIR/examples/tls/https_server" ] && command -v openssl >/dev/null; then
    quietly openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
        -subj /CN=x -addext "subjectAltName=DNS:localhost" -keyout "$scratch/key" -out "$scratch/pem"
    start --tls "$scratch/pem" "$scratch/key"
    at=https://localhost:$port
    fetch --cacert "$scratch/pem" "$at/large" | cmp - "$scratch/www/large" || fail "a file by TLS"
    fetch --cacert "$scratch/pem" -H 'Transfer-Encoding: chunked' --data-binary "@$scratch/www/large" "$at/echo" |
        cmp - "$scratch/www/large" || fail "a body by TLS"
    stop
fi
echo "http: ok"
