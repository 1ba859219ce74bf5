#!/bin/sh
# The examples of eddy inside another main loop do what their comments say.
set -eu

# shellcheck source-path=SCRIPTDIR source=../support/e2e.sh
. "$EDDY_SOURCE_DIR/tests/support/e2e.sh"
programs=$EDDY_BUILD_DIR/examples

# prints NAME: what it has printed, $scratch/printed, must be what is on standard input.
prints() {
    diff - "$scratch/printed" || fail "$1 prints other lines than expected (<)"
    echo "$1: ok"
}

# On a busy machine a second may pass meanwhile, and is counted.
printf 'one\ntwo\n' | timeout 60 "$programs/embed_poll" >"$scratch/all"
grep -v '^[0-9]* s$' "$scratch/all" >"$scratch/printed"
prints embed_poll <<END
one
two
END

timeout 60 "$programs/embed_guest" >"$scratch/printed"
prints embed_guest <<END
blink
blink
blink
blink
END

# Two seconds of 120 frames: 30 at full speed, 30 at half, 30 at none, 30 at full again make 1.25 s of
# the game's time. How the lines on real time lie between them depends on the machine. They are four,
# or three; on the game's time they would be two. A machine that stands still for half a second loses
# some: then it has another try.
for _ in 1 2 3 4 5; do
    timeout 60 "$programs/embed_game" >"$scratch/all"
    seen=$(grep -c 'still there' "$scratch/all" || true)
    [ "$seen" -lt 3 ] || break
done
[ "$seen" -ge 3 ] || fail "embed_game: real time stood still"
grep -v 'still there' "$scratch/all" >"$scratch/printed"
prints embed_game <<END
day 1
night 1
slow motion
day 2
pause
and on
night 2
day 3
END
