#!/bin/sh
# examples/cat where cat is used: in pipelines, on files, on devices, at a terminal; and what shares its
# input and output finds them as they were.
set -eu

# shellcheck source-path=SCRIPTDIR source=../support/e2e.sh
. "$EDDY_SOURCE_DIR/tests/support/e2e.sh"

command -v python3 >/dev/null || skip "needs python3 (Debian: python3)"

cat=$EDDY_BUILD_DIR/examples/cat
head -c 3000000 /dev/urandom >"$scratch/sent"

# ---- from anything to anything

"$cat" <"$scratch/sent" >"$scratch/got"
cmp "$scratch/sent" "$scratch/got" || fail "a file to a file"
# shellcheck disable=SC2002 # a pipe is what is wanted
cat "$scratch/sent" | "$cat" | cat >"$scratch/got"
cmp "$scratch/sent" "$scratch/got" || fail "a pipe to a pipe"
"$cat" <"$scratch/sent" | "$cat" >>"$scratch/got"
[ "$(wc -c <"$scratch/got")" -eq 6000000 ] || fail "appended to a file"
"$cat" </dev/null >/dev/null || fail "the null device"
mkfifo "$scratch/fifo"
echo hello >"$scratch/fifo" &
[ "$("$cat" <"$scratch/fifo")" = hello ] || fail "a FIFO"
wait
"$cat" <"$scratch/sent" >/dev/full 2>"$scratch/err" && fail "a full device is no error"

# ---- who reads no more: no signal, no word, and an end

yes line | head -n 100000 >"$scratch/lines"
[ "$({ cat "$scratch/lines"; cat "$scratch/lines"; } | "$cat" 2>"$scratch/err" | head -n 1)" = line ] || fail "head -1"
[ ! -s "$scratch/err" ] || fail "it said: $(cat "$scratch/err")"
{ "$cat" <"$scratch/sent" || echo $? >"$scratch/status"; } | true
[ "$(cat "$scratch/status")" = 1 ] || fail "a reader that is gone: status $(cat "$scratch/status")"

exec python3 "$(dirname "$0")/cat_terminal.py" "$cat"
