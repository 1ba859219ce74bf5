#!/bin/sh
# examples/game_loop: the same seed is the same game; guests; what it refuses; and the terminal is
# left as it was found, however it ends.
set -eu

# shellcheck source-path=SCRIPTDIR source=../support/e2e.sh
. "$EDDY_SOURCE_DIR/tests/support/e2e.sh"

has_nc || exit 77
command -v python3 >/dev/null || skip "needs python3 (Debian: apt-get install python3)"
game=$EDDY_BUILD_DIR/examples/game_loop
running=
trap '[ -z "$running" ] || kill -KILL "$running" 2>/dev/null || true; rm -rf "$scratch"' EXIT

# ---- the same seed, the same game: also on another machine, and however long its files take

# play SEED: what it prints but for how long polls took
play() {
    timeout 300 "$game" --headless 9000 --seed "$1" | grep -v '^poll '
}

play 1 >"$scratch/one"
diff - "$scratch/one" <<END || fail "another game than expected (<)"
level 3, 20 coins left, after 149999 ms
ann 370 points, 0 lives
bob 40 points, 0 lives
eve 0 points, 0 lives
best 370 ann
best 200 ann
best 200 eve
best 150 bob
best 40 bob
checksum 3d50c4173c7dcbc1
END
play 1 | cmp - "$scratch/one" || fail "the same seed gives another game"
! play 2 | cmp -s - "$scratch/one" || fail "another seed gives the same game"
timeout 300 "$game" --headless 9000 --seed 1 --scores "$scratch/scores" >/dev/null
diff - "$scratch/scores" <<END || fail "other scores than expected (<)"
370 ann
200 ann
200 eve
150 bob
40 bob
END
timeout 300 "$game" --headless 100 >"$scratch/out"
for loop in world game; do
    grep -q "^poll $loop p50" "$scratch/out" || fail "no times of polls of the $loop"
done
echo "same game: ok"

# ---- what it refuses

# refuses STATUS TEXT ARGUMENTS...: one line with that text
refuses() {
    status=0
    wanted=$1
    text=$2
    shift 2
    timeout 300 "$game" "$@" </dev/null >"$scratch/out" 2>"$scratch/err" || status=$?
    [ "$status" = "$wanted" ] || fail "game_loop $*: exits $status, not $wanted"
    [ ! -s "$scratch/out" ] || fail "game_loop $*: prints to standard output"
    [ "$(wc -l <"$scratch/err")" = 1 ] || fail "game_loop $*: says $(cat "$scratch/err")"
    grep -qF -- "$text" "$scratch/err" || fail "game_loop $*: says $(cat "$scratch/err")"
}

refuses 2 "--nonsense" --nonsense
refuses 2 "--port" --port
refuses 2 "65536" --port 65536
refuses 2 "ten" --headless ten
refuses 2 "--headless" --headless 0
refuses 2 "only with --headless" --clients 5
refuses 1 "needs a terminal" --port 0
refuses 1 "nowhere/1.txt: No such file" --headless 10 --levels "$scratch/nowhere"
mkdir "$scratch/levels"
for level in "###x" "###" "#####
#@\$a#
#####" "####
#@\$ 
####" "####
#@ #
####"; do
    echo "$level" >"$scratch/levels/1.txt"
    refuses 1 "level 1: " --headless 10 --levels "$scratch/levels"
done
echo "refusals: ok"

# ---- guests: two of nc

# Waits until a file has a line that matches.
await_line() { # FILE PATTERN
    await grep -q "$2" "$scratch/$1" || fail "$1: no line \"$2\": $(cat "$scratch/$1")"
}

# enter NAME: a guest; what is written to $scratch/NAME.says goes to the game
enter() {
    mkfifo "$scratch/$1.says"
    : >"$scratch/$1.got"
    nc -N 127.0.0.1 "$port" <"$scratch/$1.says" >"$scratch/$1.got" 4>&- 5>&- &
}

# The system picks a port for --clients.
"$game" --headless 10000000 --clients 1 >"$scratch/game" 2>&1 &
running=$!
await_line game '^listening on 127.0.0.1:[0-9]*$'
port=$(sed -n 's/^listening on .*://p' "$scratch/game")
refuses 1 "--port $port: Address already in use" --headless 10 --port "$port"

enter ada
exec 4>"$scratch/ada.says"
await_line ada.got '^You are a thief'
printf 'name ada\nleft\nsay one\n' >&4
await_line ada.got '^ada: one$'
enter bob
exec 5>"$scratch/bob.says"
await_line bob.got '^You are a thief'
printf 'name bob\r\nup\r\nsay t' >&5
printf 'wo\033[2J\r\n' >&5
await_line ada.got '^bob: two?\[2J$' # nothing that moves a cursor
printf 'dance\n' >&5
await_line bob.got '^name NAME, left'
head -c 3000 /dev/zero | tr '\0' x >&5
printf '\nlook\n' >&5
await_line bob.got '^Too long.$'
await_line bob.got '^#.*@.*#$'
printf 'quit\n' >&4
exec 5>&-
await_line bob.got '^####'
kill -TERM "$running"
status=0
wait "$running" || status=$?
running=
[ "$status" = 143 ] || fail "SIGTERM: it exits $status, not as the signal's"
grep -q '^clients [1-3]$' "$scratch/game" || fail "no results after SIGTERM: $(cat "$scratch/game")"
echo "guests: ok"

# ---- the terminal

timeout 500 python3 "$EDDY_SOURCE_DIR/tests/e2e/game_terminal.py" "$game" ||
    fail "the terminal is not left as it was"
echo "terminal: ok"
