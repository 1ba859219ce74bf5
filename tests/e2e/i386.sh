#!/bin/sh
# eddy on a machine of 32 bits: builds everything with -m32, and runs what needs no other library for it.
set -eu

# shellcheck source-path=SCRIPTDIR source=../support/e2e.sh
. "$EDDY_SOURCE_DIR/tests/support/e2e.sh"
# shellcheck source-path=SCRIPTDIR source=../support/port.sh
. "$EDDY_SOURCE_DIR/tests/support/port.sh"
only_in_a_plain_build

# Debian's headers of the kernel are those of the usual machine, which know this one, too.
kernel="-idirafter /usr/include/$("$CC" -print-multiarch)"
compiler compile-c "'$CC' -m32 $kernel"
if ! works compile-c c '#include <errno.h>
#include <stdio.h>
int main(void) { _Static_assert(sizeof(void *) == 4, "i386"); return 0; }'; then
    skip "$CC -m32 makes no program that runs here (Debian: gcc-multilib)"
fi
if [ -n "$CXX" ]; then
    compiler compile-c++ "'$CXX' -m32 $kernel"
    if ! works compile-c++ cpp '#include <iostream>
int main() { std::cout.flush(); }'; then
        echo "C++: not tried, $CXX -m32 makes no program that runs here (Debian: g++-multilib)"
        rm "$scratch/compile-c++"
    fi
fi
port
