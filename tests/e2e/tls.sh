#!/bin/sh
# examples/tls against others that speak TLS: its server with curl and openssl s_client, its client with its server
# and with openssl s_server; and who is not who he should be is refused.
set -eu

# shellcheck source-path=SCRIPTDIR source=../support/e2e.sh
. "$EDDY_SOURCE_DIR/tests/support/e2e.sh"

[ -x "$EDDY_BUILD_DIR/examples/tls/https_server" ] || skip "needs OpenSSL (Debian: libssl-dev)"
command -v openssl >/dev/null || skip "needs openssl (Debian: openssl)"
command -v curl >/dev/null || skip "needs curl (Debian: curl)"

server=
trap '[ -z "$server" ] || kill -KILL "$server" 2>/dev/null || true
rm -rf "$scratch"' EXIT

certificate() { # NAME HOST
    quietly openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
        -subj "/CN=$1" -addext "subjectAltName=DNS:$2" \
        -keyout "$scratch/$1.key" -out "$scratch/$1.pem"
}
certificate good localhost
certificate other localhost
certificate wrong example.org

serve() { # CERTIFICATE
    rm -f "$scratch/out"
    mkfifo "$scratch/out"
    "$EDDY_BUILD_DIR/examples/tls/https_server" 0 "$scratch/$1.pem" "$scratch/$1.key" \
        >"$scratch/out" 2>"$scratch/server.err" &
    server=$!
    read -r line <"$scratch/out" || fail "the server printed nothing"
    port=${line##* }
}

stop() {
    kill -TERM "$server"
    wait "$server" || fail "the server ended with $?: $(cat "$scratch/server.err")"
    server=
}

get() { # PATH [TRUSTED]
    timeout 60 "$EDDY_BUILD_DIR/examples/tls/https_get" localhost "$port" "$1" \
        "$scratch/${2:-good}.pem" 2>"$scratch/get.err"
}

# ---- its server

serve good
fetch() {
    timeout 60 curl -sS --cacert "$scratch/good.pem" "$@"
}
[ "$(fetch "https://localhost:$port/hello")" = "1: /hello" ] || fail "curl"
[ "$(fetch "https://localhost:$port/a" "https://localhost:$port/b")" = "1: /a
2: /b" ] || fail "curl, two requests of one connection"
for version in 1.2 1.3; do
    [ "$(fetch --tlsv$version --tls-max $version "https://localhost:$port/v")" = "1: /v" ] ||
        fail "curl, TLS $version"
done
printf 'GET /s HTTP/1.0\r\n\r\n' | timeout 60 openssl s_client -connect "localhost:$port" -servername localhost \
    -CAfile "$scratch/good.pem" -verify_return_error -verify_hostname localhost -alpn http/1.1 -ign_eof \
    >"$scratch/s_client" 2>&1 || fail "openssl s_client: $(cat "$scratch/s_client")"
grep -q '^1: /s' "$scratch/s_client" || fail "openssl s_client got $(cat "$scratch/s_client")"
grep -q 'ALPN protocol: http/1.1' "$scratch/s_client" || fail "no ALPN: $(cat "$scratch/s_client")"
grep -q 'closed' "$scratch/s_client" || fail "no close_notify: $(cat "$scratch/s_client")"

# ---- its client with its server

get /hello | grep -q '^1: /hello' || fail "https_get: $(cat "$scratch/get.err")"
get /hello other >"$scratch/got" && fail "a certificate that nobody trusts was accepted"
grep -q 'self.signed certificate' "$scratch/get.err" || fail "not told why: $(cat "$scratch/get.err")"
[ ! -s "$scratch/got" ] || fail "something was said to a server that is not trusted"
echo | timeout 60 openssl s_client -connect "localhost:$port" -alpn h2 >"$scratch/s_client" 2>&1 &&
    fail "a protocol that it does not speak was agreed on"
stop
serve wrong
get /hello wrong >"$scratch/got" && fail "a certificate of another host was accepted"
grep -q 'hostname mismatch' "$scratch/get.err" || fail "not told why: $(cat "$scratch/get.err")"
stop

# ---- its client with another's server

openssl s_server -accept 127.0.0.1:0 -cert "$scratch/good.pem" -key "$scratch/good.key" -www \
    >"$scratch/s_server" 2>&1 </dev/null &
server=$!
await grep -q '^ACCEPT' "$scratch/s_server" || fail "openssl s_server: $(cat "$scratch/s_server")"
port=$(sed -n 's/^ACCEPT .*:\([0-9]*\)$/\1/p' "$scratch/s_server")
get / | grep -q 'New, TLSv1.3' || fail "https_get from openssl s_server: $(cat "$scratch/get.err")"
