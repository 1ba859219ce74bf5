#!/bin/sh
# Looks at the library's archive: what it needs, what it defines and shows, that it has no state of its
# own; and that it works when the program is optimized at link time.
set -eu

# shellcheck source-path=SCRIPTDIR source=../support/e2e.sh
. "$EDDY_SOURCE_DIR/tests/support/e2e.sh"
only_in_a_plain_build
export LC_ALL=C

archive=$EDDY_BUILD_DIR/libeddy.a
command -v readelf >/dev/null || skip "there is no readelf (Debian: binutils)"

# Every global symbol: "NAME VISIBILITY SECTION", where UND is one that is only used.
readelf -sW "$archive" |
    awk '$1 ~ /^[0-9]+:$/ && ($5 == "GLOBAL" || $5 == "WEAK" || $5 == "UNIQUE") { print $8, $6, $7 }' |
    sort -u >"$scratch/symbols"
awk '$3 != "UND" { print $1 }' "$scratch/symbols" | sort -u >"$scratch/defined"
awk '$3 == "UND" { print $1 }' "$scratch/symbols" | sort -u | comm -23 - "$scratch/defined" >"$scratch/needed"
[ -s "$scratch/defined" ] || fail "$archive defines nothing"

# ---- what it needs is in libc: the whole archive links with no other library; -lpthread is libc's too

echo "needed from libc: $(tr "\n" " " <"$scratch/needed")"
echo 'int main(void) { return 0; }' >"$scratch/main.c"
quietly "$CC" "$scratch/main.c" -o "$scratch/main" -nodefaultlibs \
    -Wl,--whole-archive "$archive" -Wl,--no-whole-archive -lpthread -lc -lgcc
quietly "$scratch/main"
# The C library of today also has what was in libraries of its own before glibc 2.34, libpthread aside.
if grep -E '^(thrd_|mtx_|cnd_|tss_|call_once|dl[a-z]+$|timer_|mq_|aio_|shm_)' "$scratch/needed"; then
    fail "that is not in the libc of every glibc"
fi

# ---- threads and names are only where they are used

readelf -sW "$archive" |
    awk '/^File: / { file = $2 } $7 == "UND" && $8 ~ /^(pthread_|sem_|getaddrinfo$)/ { print file, $8 }' |
    sed 's/.*(\(.*\)) /\1 /; s/^\([a-z_]*\)[^ ]*/\1/' | sort -u >"$scratch/threads"
if grep -vE '^(workers? (pthread|sem)_.*|resolve getaddrinfo)$' "$scratch/threads"; then
    fail "threads are for workers.c and worker.c, getaddrinfo is for resolve.c"
fi
grep -qx 'worker pthread_create' "$scratch/threads" || fail "worker.c starts no threads"
for program in package/app.c e2e/by_address.c; do
    quietly "$CC" -I"$EDDY_SOURCE_DIR/include" "$EDDY_SOURCE_DIR/tests/$program" "$archive" -o "$scratch/app"
    if readelf -sW "$scratch/app" | grep -E 'pthread_|sem_|getaddrinfo|eddy_(offload|resolve|file|workers)'; then
        fail "that is linked into $program, which offloads nothing, asks for no name and opens no file"
    fi
done
expect "hello
hello" "$scratch/app" "$scratch/socket"
[ ! -e "$scratch/socket" ] || fail "the path of the socket is left"

# ---- what it defines is eddy_*, and it shows what the headers declare with EDDY_API, no more, no less

# (The probes of sys/sdt.h come with a hidden anchor.)
if grep -v -e '^eddy_' -e '^_\.stapsdt\.base$' "$scratch/defined"; then
    fail "global names must begin with eddy_"
fi

# The name that is followed by a parenthesis, once the attributes are gone.
cd "$EDDY_SOURCE_DIR/include"
for header in eddy.h eddy/*.h eddy/impl/*.h; do
    echo "#include \"$header\""
done | "$CC" -I. -E -P -x c - | tr '\n' ' ' | sed 's/__attribute__((visibility("default")))/\n@/g' |
    sed -n '/^@/ { s/__attribute__(([a-z_, ]*))//g; s/^@[^(;]*\(eddy_[a-zA-Z0-9_]*\) *(.*/\1/p; }' |
    sort -u >"$scratch/declared"
cd - >/dev/null
awk '$3 != "UND" && $2 == "DEFAULT" { print $1 }' "$scratch/symbols" | sort -u >"$scratch/shown"
diff "$scratch/declared" "$scratch/shown" ||
    fail "declared with EDDY_API and not there (<), or visible and not declared so (>)"

# ---- no state: all that is writable is constant after relocation, and nothing runs before main

readelf -SW "$archive" | sed 's/^ *\[ *[0-9]*\] *//' |
    awk '$7 ~ /W/ && $5 !~ /^0*$/ && $1 !~ /^\.data\.rel\.ro/ { print $1, $5; found = 1 }
         END { exit !found }' && fail "these sections of the library can be written to"
if awk '$3 == "COM"' "$scratch/symbols" | grep .; then
    fail "these variables of the library can be written to"
fi
echo "symbols: ok"

# ---- link-time optimization, of a foreign project and of eddy in it

# See list.h: a compiler that sees much at once must not meet two spellings of the ends of a list.
if grep -nE '(->|\.)[a-z_]+(\[[^]]*\])?\.(next|prev)\>' \
    "$EDDY_SOURCE_DIR"/src/*/*.[ch] "$EDDY_SOURCE_DIR"/include/eddy/*.h \
    "$EDDY_SOURCE_DIR"/include/eddy/impl/*.h | grep -v "frames\.next"; then
    fail "the ends of a list in another struct are reached through a pointer to it (see list.h)"
fi

lto="-flto"
set -- -DCMAKE_INTERPROCEDURAL_OPTIMIZATION=ON -DCMAKE_BUILD_TYPE=Release
flags=-Werror
if "$CC" --version | grep -q clang; then
    # The linker must know LLVM's format: lld, or else the usual one with a plugin.
    if "$CC" -fuse-ld=lld -flto=thin "$scratch/main.c" -o "$scratch/main" 2>/dev/null; then
        lto="-flto=thin -fuse-ld=lld"
        set -- "$@" -DCMAKE_EXE_LINKER_FLAGS=-fuse-ld=lld
    elif ! "$CC" -flto=thin "$scratch/main.c" -o "$scratch/main" 2>/dev/null; then
        echo "link-time optimization: not tried, clang needs lld for it (Debian: lld)"
        exit 0
    fi
fi
quietly cmake -S "$EDDY_SOURCE_DIR/tests/package" -B "$scratch/lto" -DHOW=add_subdirectory \
    "-DEDDY_SOURCE_DIR=$EDDY_SOURCE_DIR" "-DCMAKE_C_FLAGS=$flags" "$@"
quietly cmake --build "$scratch/lto" --parallel 2
grep -q -e -flto "$scratch/lto/compile_commands.json" || fail "nothing is optimized at link time"
expect "1 2 3, then 42" "$scratch/lto/app_c"
# shellcheck disable=SC2086 # several words
quietly "$CC" -O2 $lto -I"$EDDY_SOURCE_DIR/include" "$EDDY_SOURCE_DIR/tests/e2e/shuffled.c" \
    "$scratch/lto/eddy/libeddy.a" -o "$scratch/shuffled" -pthread
expect "all ran" timeout 60 "$scratch/shuffled"
echo "link-time optimization: ok"
