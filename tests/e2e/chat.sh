#!/bin/sh
# examples/line_chat as its users meet it: with nc.
set -eu

# shellcheck source-path=SCRIPTDIR source=../support/e2e.sh
. "$EDDY_SOURCE_DIR/tests/support/e2e.sh"

has_nc || exit 77

server=
trap '[ -z "$server" ] || kill -KILL "$server" 2>/dev/null || true; rm -rf "$scratch"' EXIT

mkfifo "$scratch/out"
"$EDDY_BUILD_DIR/examples/line_chat" 0 >"$scratch/out" &
server=$!
read -r line <"$scratch/out" || fail "the server printed nothing"
port=${line##*:}

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

# The answer to her line that is too long shows that her name was taken, before others come.
enter ann
exec 4>"$scratch/ann.says"
echo ann >&4
head -c 5000 /dev/zero | tr '\0' x >&4
echo >&4
await_text ann "Your name?
Too long."

enter bob
exec 5>"$scratch/bob.says"
printf 'bob\r\n' >&5
await_text ann "Your name?
Too long.
bob: (has come)"

printf 'one\ntwo\r\n' >&4
await_text bob "Your name?
ann: one
ann: two"

printf 'in ' >&5
sleep 0.1
printf 'parts\n' >&5
await_text ann "Your name?
Too long.
bob: (has come)
bob: in parts"

# A line that is too long is dropped as a whole.
head -c 5000 /dev/zero | tr '\0' x >&5
printf '\nshort\n' >&5
await_text bob "Your name?
ann: one
ann: two
Too long."
await_text ann "Your name?
Too long.
bob: (has come)
bob: in parts
bob: short"

exec 5>&-
await_text ann "Your name?
Too long.
bob: (has come)
bob: in parts
bob: short
bob: (has gone)"

# Who does not read is thrown out, and the others are not held up by him.
enter eve
eve=$!
exec 6>"$scratch/eve.says"
echo eve >&6
await_text ann "Your name?
Too long.
bob: (has come)
bob: in parts
bob: short
bob: (has gone)
eve: (has come)"
kill -STOP "$eve"
head -c 20000000 /dev/zero | tr '\0' x | fold -w 1000 >&4
kill -KILL "$eve"
await_text ann "Your name?
Too long.
bob: (has come)
bob: in parts
bob: short
bob: (has gone)
eve: (has come)
eve: (has gone)"
kill -0 "$server" || fail "the server has ended"
kill -TERM "$server"
wait "$server" || fail "the server exits $? on SIGTERM"
echo "chat: ok"

# On a Unix-domain socket; and its path goes with the server.
"$EDDY_BUILD_DIR/examples/line_chat" "$scratch/chat" >"$scratch/out" &
server=$!
read -r line <"$scratch/out" || fail "the server printed nothing"
[ "$line" = "listening on $scratch/chat" ] || fail "the server printed $line"
expect "Your name?" sh -c "printf 'ann\nalone\n' | nc -U -N '$scratch/chat'"
kill -TERM "$server"
wait "$server" || fail "the server exits $? on SIGTERM"
server=
[ ! -e "$scratch/chat" ] || fail "the path of the socket is left"
echo "unix socket: ok"
