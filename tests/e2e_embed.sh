#!/bin/sh
# The examples of eddy inside another main loop do what their comments say.
set -eu

# shellcheck source-path=SCRIPTDIR source=support/e2e.sh
. "$EDDY_SOURCE_DIR/tests/support/e2e.sh"
programs=$EDDY_BUILD_DIR/examples

# prints NAME: what it has printed, $scratch/printed, must be what is on standard input.
prints() {
    diff - "$scratch/printed" || fail "$1 prints other lines than expected (<)"
    echo "$1: ok"
}

printf 'one\ntwo\n' | timeout 20 "$programs/embed_poll" >"$scratch/printed"
prints embed_poll <<END
one
two
END

timeout 20 "$programs/embed_guest" >"$scratch/printed"
prints embed_guest <<END
blink
blink
blink
blink
END

# Two seconds of 120 frames: 30 at full speed, 30 at half, 30 at none, 30 at full again make 1.25 s of
# the game's time. How the lines on real time lie between them depends on the machine.
timeout 20 "$programs/embed_game" >"$scratch/all"
[ "$(grep -c 'still there' "$scratch/all")" -ge 3 ] || fail "embed_game: real time stood still"
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
