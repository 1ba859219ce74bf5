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

# A machine that was busy for a moment has a second try.
twice() {
    "$@" || { echo "once more:"; "$@"; }
}

on_the_virtual_clock() {
    echo "on the virtual clock:"
    timeout 2 python3 "$here/e2e/stamp_lines.py" "$programs/virtual" "$here/tutorial"
}

on_the_real_clock() {
    echo "on the real clock:"
    timeout 20 python3 "$here/e2e/stamp_lines.py" "$programs" "$here/tutorial" 0.2
}

twice on_the_virtual_clock
twice on_the_real_clock
