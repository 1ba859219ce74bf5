#!/bin/sh
# examples/chat as its users meet it: with nc, with websockets that do not play by the rules, and with a browser.
set -eu

# shellcheck source-path=SCRIPTDIR source=../support/e2e.sh
. "$EDDY_SOURCE_DIR/tests/support/e2e.sh"

has_nc || exit 77

server=
browser=
end() {
    [ -z "$browser" ] || kill "$browser" 2>/dev/null || true # whose browser ends then, too
    [ -z "$server" ] || kill -KILL "$server" 2>/dev/null || true
    rm -rf "$scratch"
}
trap end EXIT
program=$EDDY_BUILD_DIR/examples/chat
mkfifo "$scratch/out"

start() { # OPTIONS AND PLACE...
    "$program" "$@" >"$scratch/out" 2>"$scratch/errors" &
    server=$!
    { read -r lines && read -r browsers; } <"$scratch/out" || fail "the server printed nothing: $(cat "$scratch/errors")"
    port=${lines##*[: ]}
    url=${browsers#browsers: }
    web=${url##*:}
    web=${web%/}
}

stop() { # WHAT IT MAY HAVE TOLD, a regular expression
    kill -TERM "$server"
    wait "$server" || fail "the server exits $? on SIGTERM: $(cat "$scratch/errors")"
    server=
    ! grep -Ev "${1:-^$}" "$scratch/errors" || fail "the server has told that"
}

# Waits until a client has been sent exactly that.
await_text() { # CLIENT TEXT
    await has_text "$2" "$scratch/$1.got" || fail "$1: wanted '$2', got '$(cat "$scratch/$1.got")'"
}

# A client: what is written to $scratch/NAME.says goes to the server.
enter() { # NAME
    mkfifo "$scratch/$1.says"
    : >"$scratch/$1.got"
    nc -N 127.0.0.1 "$port" <"$scratch/$1.says" >"$scratch/$1.got" 4>&- 5>&- 6>&- &
}

# ---- the command line

expect "usage: chat [--web PORT] [--newcomer SECONDS] [--ping SECONDS] [--unread KIB] [PORT | PATH]" "$program" --help
for wrong in x 65536 65535 "1 2" "--web" "--web 65536" "--ping 0" "--unread 7" "--none 1" "/$(printf '%0200d' 0)"; do
    # shellcheck disable=SC2086
    status=0 && "$program" $wrong >"$scratch/log" 2>&1 || status=$?
    [ $status = 2 ] || fail "chat $wrong exits $status"
done
start 0
for taken in "$port" "--web $port 0"; do
    # shellcheck disable=SC2086
    status=0 && "$program" $taken >"$scratch/log" 2>&1 || status=$?
    [ $status = 1 ] || fail "chat $taken, which is taken, exits $status"
    [ "$(grep -c 'Address already in use' "$scratch/log")" = 1 ] || fail "chat $taken says: $(cat "$scratch/log")"
done

# ---- by lines

# The answer to her line that is too long shows that her name was taken, before others come.
enter ann
exec 4>"$scratch/ann.says"
echo ann >&4
head -c 5000 /dev/zero | tr '\0' x >&4
echo >&4
heard="Your name?
Too long."
await_text ann "$heard"

# She hears that, and all before.
ann_hears() {
    heard="$heard
$1"
    await_text ann "$heard"
}

enter bob
exec 5>"$scratch/bob.says"
printf 'bob\r\n' >&5
ann_hears "bob: (has come)"

printf 'one\ntwo\r\n' >&4
await_text bob "Your name?
ann: one
ann: two"

printf 'in ' >&5
sleep 0.1
printf 'parts\n' >&5
ann_hears "bob: in parts"

# A line that is too long is dropped as a whole.
head -c 5000 /dev/zero | tr '\0' x >&5
printf '\nshort\n' >&5
await_text bob "Your name?
ann: one
ann: two
Too long."
ann_hears "bob: short"

exec 5>&-
ann_hears "bob: (has gone)"

# Who does not read is thrown out, the others hear of it, and are not held up by him.
enter eve
eve=$!
exec 6>"$scratch/eve.says"
echo eve >&6
ann_hears "eve: (has come)"
kill -STOP "$eve"
head -c 20000000 /dev/zero | tr '\0' x | fold -w 1000 >&4
ann_hears "eve: (does not read, and is out)"
kill -KILL "$eve"
exec 4>&- 6>&-
grep -q "closes its stream, .* bytes wait, which it does not take" "$scratch/errors" ||
    fail "the server has not told of eve: $(cat "$scratch/errors")"
stop "bytes wait, which it does not take"
echo "lines: ok"

# On a Unix-domain socket; and its path goes with the server.
start --web 0 "$scratch/chat"
[ "$lines" = "lines: nc -U $scratch/chat" ] || fail "the server printed $lines"
expect "Your name?" sh -c "printf 'ann\nalone\n' | nc -U -N '$scratch/chat'"
stop
[ ! -e "$scratch/chat" ] || fail "the path of the socket is left"
echo "unix socket: ok"

# ---- by websockets

if command -v python3 >/dev/null; then
    start 0
    timeout 300 python3 "$EDDY_SOURCE_DIR/tests/e2e/chat_websocket.py" rules "$port" "$web" ||
        fail "websockets; the server has told: $(cat "$scratch/errors")"
    [ "$(wc -l <"$scratch/errors")" = 2 ] || fail "of two that do not read it tells: $(cat "$scratch/errors")"
    stop "bytes wait, which it does not take"
    start --newcomer 1 --ping 1 0
    timeout 300 python3 "$EDDY_SOURCE_DIR/tests/e2e/chat_websocket.py" silent "$port" "$web" ||
        fail "the silent; the server has told: $(cat "$scratch/errors")"
    stop
    echo "websockets: ok"
else
    echo "websockets: not tried, there is no python3 (Debian: python3)"
fi

# ---- by a browser

chromium=$(command -v chromium || command -v google-chrome || true)
if [ -z "$chromium" ] || ! command -v python3 >/dev/null; then
    echo "browser: not tried, there is no chromium or no python3 (Debian: chromium python3)"
    exit 0
fi
start 0
rm "$scratch"/*.says
enter ann
exec 4>"$scratch/ann.says"
echo ann >&4
head -c 5000 /dev/zero | tr '\0' x >&4
echo >&4
heard="Your name?
Too long."
await_text ann "$heard"
mkdir "$scratch/profile"
mkfifo "$scratch/page.says"
HOME=$scratch/profile python3 "$EDDY_SOURCE_DIR/tests/e2e/chat_browser.py" "$chromium" "$url" "$scratch/profile" \
    <"$scratch/page.says" >"$scratch/page.got" 4>&- &
browser=$!
exec 5>"$scratch/page.says"
await_text page "Your name?"
echo web >&5
ann_hears "web: (has come)"
echo 'grüße, <b>漢字</b> 😀' >&4
await_text page "Your name?
> web
ann: grüße, <b>漢字</b> 😀"
echo 'schön & "gut" 😀' >&5
ann_hears 'web: schön & "gut" 😀'
head -c 900 /dev/zero | tr '\0' x >&4
echo >&4
page="Your name?
> web
ann: grüße, <b>漢字</b> 😀
> schön & \"gut\" 😀
ann: $(head -c 900 /dev/zero | tr '\0' x)"
await_text page "$page"
# It hears that the server ends.
stop
await_text page "$page
ann: (has gone)
(the connection has ended: 1001 )"
exec 5>&-
wait "$browser" || fail "the browser's user exits $?"
browser=
echo "browser: ok"
