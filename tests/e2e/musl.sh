#!/bin/sh
# eddy with musl as its libc, in place of glibc: builds everything with musl-gcc and runs the tests that
# need no other library.
set -eu

# shellcheck source-path=SCRIPTDIR source=../support/e2e.sh
. "$EDDY_SOURCE_DIR/tests/support/e2e.sh"
# shellcheck source-path=SCRIPTDIR source=../support/port.sh
. "$EDDY_SOURCE_DIR/tests/support/port.sh"
only_in_a_plain_build

if "$CC" --version | grep -q clang; then
    skip "musl-gcc is for gcc"
fi
compiler compile-c musl-gcc
if ! works compile-c c '#include <stdio.h>
int main(void) { return 0; }'; then
    skip "musl-gcc makes no program that runs here (Debian: musl-tools)"
fi
port
