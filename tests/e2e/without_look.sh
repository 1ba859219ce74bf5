#!/bin/sh
# A program that leaves out what looks at programs (eddy/look.h): it works, says the rest, and is smaller.
set -eu

# shellcheck source-path=SCRIPTDIR source=../support/e2e.sh
. "$EDDY_SOURCE_DIR/tests/support/e2e.sh"
only_in_a_plain_build
command -v nm >/dev/null || skip "there is no nm"

source=$EDDY_SOURCE_DIR/tests/e2e/without_look.c
grep -v '^EDDY_LEAVE_OUT_LOOK;$' "$source" >"$scratch/with.c"
for program in "$source" "$scratch/with.c"; do
    quietly "$CC" -O2 -I"$EDDY_SOURCE_DIR/include" "$program" "$EDDY_BUILD_DIR/libeddy.a" -pthread \
        -o "$scratch/$(basename "$program" .c)"
done

# Nothing of it is linked; and the names that are looked for are those of the library of today.
looks='eddy_(loop_dump|loop_inspect|snapshot_take|tell_leaks|describe_fd)$'
[ "$(nm "$scratch/with" | grep -cE "$looks")" -ge 4 ] || fail "the names of what looks have changed"
if nm "$scratch/without_look" | grep -E "$looks"; then
    fail "that is linked all the same"
fi

# bytes PROGRAM: of code and constants
bytes() {
    size "$1" | awk 'NR == 2 { print $1 }'
}
echo "left out: $(($(bytes "$scratch/with") - $(bytes "$scratch/without_look"))) bytes"

# A deadlock, and a circle of joins that is cut off at the end of its loop: in a line each.
expect "-35
-110" "$scratch/without_look" 2>"$scratch/errors"
grep -qx "eddy: deadlock: 1 task waits, and nothing could wake any" "$scratch/errors" ||
    fail "the deadlock is not told"
[ "$(grep -c "was cut off in its cleanup" "$scratch/errors")" = 2 ] || fail "not told who was cut off"
[ "$(wc -l <"$scratch/errors")" = 3 ] || fail "there is more: $(cat "$scratch/errors")"

# By default the circle is cancelled, and there is a dump.
expect "-35
0" "$scratch/with" 2>"$scratch/errors"
grep -q "event" "$scratch/errors" || fail "there is no dump"
