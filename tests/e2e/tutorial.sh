#!/bin/sh
# The tutorial's programs print what the Python originals print, to the byte: on the real clock each
# line within 0.2 s of its moment, and compiled against a virtual clock all of them together in less
# than two seconds. It needs the compiler and what any Debian has.
set -eu

# shellcheck source-path=SCRIPTDIR source=../support/e2e.sh
. "$EDDY_SOURCE_DIR/tests/support/e2e.sh"

expected=$EDDY_SOURCE_DIR/tests/tutorial
programs=$EDDY_BUILD_DIR/examples/tutorial

names=
for source in "$EDDY_SOURCE_DIR"/examples/tutorial/*.c; do
    name=$(basename "$source" .c)
    [ -e "$expected/$name.out" ] || fail "no expected output: tests/tutorial/$name.out"
    names="$names $name"
done

stamp=$scratch/stamp_lines
quietly "$CC" -D_GNU_SOURCE "$EDDY_SOURCE_DIR/tests/e2e/stamp_lines.c" -o "$stamp"

# One after the other, all in that time.
on_the_virtual_clock() { # SECONDS NAME...
    seconds=$1
    shift
    echo "on the virtual clock, in $seconds s:"
    # shellcheck disable=SC2016 # for the inner shell
    timeout "$seconds" sh -c '
        for name; do
            "$programs/virtual/$name" >"$scratch/printed" || { echo "$name: exit status $?"; exit 1; }
            cmp "$expected/$name.out" "$scratch/printed" || exit 1
        done' sh "$@"
}

# What a program has printed, against timing.tsv: prints one line for each fault.
late_lines() { # NAME TOLERANCE
    awk -F '\t' -v name="$1" -v tolerance="$2" '
        FNR == NR { if ($1 == name) moments[++wanted] = $3; next }
        { lines++; off = $1 - moments[lines]; if (off < 0) off = -off }
        lines <= wanted && off > tolerance {
            printf "%s: line %d came after %.2f s instead of %.2f s\n", name, lines, $1, moments[lines]
        }
        END { if (lines != wanted) printf "%s: %d lines instead of %d\n", name, lines, wanted }' \
        "$expected/timing.tsv" "$scratch/$1.stamped"
}

# Side by side.
on_the_real_clock() { # TOLERANCE
    echo "on the real clock, to $1 s:"
    for name in $names; do
        {
            status=0
            timeout 60 "$stamp" "$programs/$name" >"$scratch/$name.stamped" || status=$?
            echo "$status" >"$scratch/$name.status"
        } &
    done
    wait
    for name in $names; do
        [ "$(cat "$scratch/$name.status")" = 0 ] || echo "$name: exit status $(cat "$scratch/$name.status")"
        cut -f 2- "$scratch/$name.stamped" | cmp "$expected/$name.out" - 2>&1 || true
        late_lines "$name" "$1"
    done >"$scratch/faults"
    cat "$scratch/faults"
    [ ! -s "$scratch/faults" ]
}

# A machine that was busy for a moment has a second try, and one that is slow a third, which still tells
# right from wrong: the real clock takes nine seconds, and the moments lie half a second apart.
export programs expected scratch
# shellcheck disable=SC2086 # several words
on_the_virtual_clock 2 $names || on_the_virtual_clock 2 $names || on_the_virtual_clock 8 $names
on_the_real_clock 0.2 || on_the_real_clock 0.2 || on_the_real_clock 0.45
echo "$(echo "$names" | wc -w) programs: ok"
