#!/bin/sh
# eddy on an ARM of 32 bits, whose malloc aligns to 8 only: builds the library and a few unit tests with a
# cross compiler, and runs them and the smallest program under an emulator.
set -eu

# shellcheck source-path=SCRIPTDIR source=../support/e2e.sh
. "$EDDY_SOURCE_DIR/tests/support/e2e.sh"
# shellcheck source-path=SCRIPTDIR source=../support/port.sh
. "$EDDY_SOURCE_DIR/tests/support/port.sh"
only_in_a_plain_build

packages="gcc-arm-linux-gnueabihf libc6-dev-armhf-cross qemu-user"
command -v qemu-arm >/dev/null || skip "there is no qemu-arm (Debian: $packages)"
compiler compile-c "arm-linux-gnueabihf-gcc -static"
printf 'int main(void) { return sizeof(void *) == 4 ? 0 : 1; }\n' >"$scratch/probe.c"
{ "$scratch/compile-c" "$scratch/probe.c" -o "$scratch/probe" && qemu-arm "$scratch/probe"; } >"$scratch/log" 2>&1 ||
    skip "arm-linux-gnueabihf-gcc makes no program that runs here (Debian: $packages)"

# What counts addresses and sizes, and what runs on them: the whole would take minutes. None that forks: the
# emulator says yes to MADV_WIPEONFORK, and does nothing.
tests="test_pool test_heap test_list test_coro test_call test_scope test_task test_gather_all test_queue
    test_queue_kinds test_timer test_shuffle test_printable"

unset CXX
quietly env CC="$scratch/compile-c" cmake -S "$EDDY_SOURCE_DIR" -B "$scratch/build" \
    -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=arm -DCMAKE_BUILD_TYPE=None -DEDDY_WERROR=ON \
    -DEDDY_BUILD_BENCH=OFF -DEDDY_BUILD_EXAMPLES=OFF \
    "-DCMOCKA_INCLUDE_DIR=$EDDY_SOURCE_DIR/tests/support/cmocka" -DCMOCKA_LIBRARY:STRING=-lc
# shellcheck disable=SC2086 # several words
quietly cmake --build "$scratch/build" --parallel 2 --target $tests
echo "build: ok"
for test in $tests; do
    qemu-arm "$scratch/build/tests/$test" >"$scratch/log" 2>&1 || {
        grep -v '^\[ *\(RUN\|OK\)' "$scratch/log" || true
        fail "$test"
    }
done
echo "unit tests: ok"
quietly "$scratch/compile-c" -I"$EDDY_SOURCE_DIR/include" "$EDDY_SOURCE_DIR/tests/package/app.c" \
    "$scratch/build/libeddy.a" -o "$scratch/app" -pthread
expect "1 2 3, then 42" qemu-arm "$scratch/app"
echo "program: ok"
