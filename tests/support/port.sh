# For e2e/i386.sh and e2e/musl.sh (sh), behind e2e.sh: eddy for another machine or with another libc.
# shellcheck shell=sh disable=SC2154 # $scratch comes from e2e.sh

# compiler NAME COMMAND: writes $scratch/NAME, which is that command with more arguments.
compiler() {
    printf '#!/bin/sh\nexec %s "$@"\n' "$2" >"$scratch/$1"
    chmod +x "$scratch/$1"
}

# Can $scratch/NAME make a program of that language that runs here?
works() {
    printf '%s\n' "$3" >"$scratch/probe.$2"
    "$scratch/$1" "$scratch/probe.$2" -o "$scratch/probe" >"$scratch/log" 2>&1 && "$scratch/probe"
}

# Builds everything with $scratch/compile-c and, if it is there, $scratch/compile-c++, and runs the unit
# tests, the C++ programs, and the tutorial on the virtual clock. cmocka is there for the usual machine
# and libc only: the header that stands in for it needs no library, so that libc is named in its place.
port() {
    unset CXX
    if [ -e "$scratch/compile-c++" ]; then
        export CXX="$scratch/compile-c++"
    fi
    quietly env CC="$scratch/compile-c" cmake -S "$EDDY_SOURCE_DIR" -B "$scratch/build" \
        -DCMAKE_BUILD_TYPE=None -DEDDY_WERROR=ON \
        "-DCMOCKA_INCLUDE_DIR=$EDDY_SOURCE_DIR/tests/support/cmocka" -DCMOCKA_LIBRARY:STRING=-lc
    quietly cmake --build "$scratch/build" --parallel 2
    echo "build: ok"

    (cd "$scratch/build" && ctest -R '^(test|cxx)_' -j 2 --output-on-failure --no-tests=error) \
        >"$scratch/log" 2>&1 || {
        grep -Ev ' Start | Passed ' "$scratch/log"
        fail "the unit tests"
    }
    grep 'tests passed' "$scratch/log"

    for output in "$EDDY_SOURCE_DIR"/tests/tutorial/*.out; do
        name=$(basename "$output" .out)
        "$scratch/build/examples/tutorial/virtual/$name" >"$scratch/printed" ||
            fail "$name exits $?"
        diff "$output" "$scratch/printed" || fail "$name prints other bytes than expected (<)"
    done
    echo "tutorial: ok"
}
