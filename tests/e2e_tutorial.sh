#!/bin/sh
# The tutorial's programs print what the Python originals print, to the byte: on the real clock each
# line within 0.2 s of its moment, and compiled against a virtual clock all of them together in less
# than two seconds.
set -eu

here=$EDDY_SOURCE_DIR/tests
programs=$EDDY_BUILD_DIR/examples/tutorial

if ! command -v python3 >/dev/null; then
    echo "skipped: needs python3 (Debian: apt-get install python3)"
    exit 77
fi

for source in "$EDDY_SOURCE_DIR"/examples/tutorial/*.c; do
    name=$(basename "$source" .c)
    if [ ! -e "$here/tutorial/$name.out" ]; then
        echo "no expected output: tests/tutorial/$name.out"
        exit 1
    fi
done

on_the_virtual_clock() { # SECONDS
    echo "on the virtual clock, in $1 s:"
    timeout "$1" python3 "$here/e2e/stamp_lines.py" "$programs/virtual" "$here/tutorial"
}

on_the_real_clock() { # TOLERANCE
    echo "on the real clock, to $1 s:"
    timeout 60 python3 "$here/e2e/stamp_lines.py" "$programs" "$here/tutorial" "$1"
}

# A machine that was busy for a moment has a second try, and one that is slow a third, which still tells
# right from wrong: the real clock takes nine seconds, and the moments lie half a second apart.
on_the_virtual_clock 2 || on_the_virtual_clock 2 || on_the_virtual_clock 8
on_the_real_clock 0.2 || on_the_real_clock 0.2 || on_the_real_clock 0.45
