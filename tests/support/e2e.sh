# For the tests of how the library is built and taken (sh): a folder that goes away, and how to end.
# shellcheck shell=sh

# shellcheck source-path=SCRIPTDIR source=await.sh
. "$EDDY_SOURCE_DIR/tests/support/await.sh"

fail() {
    echo "FAILED: $*"
    exit 1
}

skip() {
    echo "skipped: $*"
    exit 77
}

# Sanitizers and coverage add their own symbols and flags to the library: then there is nothing to see
# that the plain build does not show.
only_in_a_plain_build() {
    if ! grep -q '^EDDY_SANITIZE:[A-Z]*=$' "$EDDY_BUILD_DIR/CMakeCache.txt" ||
        grep -Eqi '^EDDY_COVERAGE:[A-Z]*=(on|true|yes|1)$' "$EDDY_BUILD_DIR/CMakeCache.txt"; then
        skip "only without sanitizers and coverage"
    fi
}

# quietly COMMAND...: shows its output only if it fails, which ends the test.
quietly() {
    "$@" >"$scratch/log" 2>&1 </dev/null || {
        cat "$scratch/log"
        fail "$*"
    }
}

# expect OUTPUT PROGRAM...: fails unless the program exits 0 and prints that.
expect() {
    expected=$1
    shift
    actual=$("$@") || fail "$* exits $?"
    [ "$actual" = "$expected" ] || fail "$* prints \"$actual\" and not \"$expected\""
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM

# CMake may say of a compiler that there is none.
command -v "${CXX:-}" >/dev/null || CXX=

# What a make or a shell around the test wants of its own builds is not for those made here.
unset MAKEFLAGS MAKELEVEL DESTDIR EDDY_TEST_WRAPPER
