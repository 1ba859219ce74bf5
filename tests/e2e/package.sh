#!/bin/sh
# Builds the project of somebody else, tests/package, against eddy in each of the ways to take it:
# add_subdirectory, FetchContent, find_package and pkg-config. Nothing is taken from a network.
set -eu

# shellcheck source-path=SCRIPTDIR source=../support/e2e.sh
. "$EDDY_SOURCE_DIR/tests/support/e2e.sh"
only_in_a_plain_build

output="1 2 3, then 42"
languages=C
if [ -n "$CXX" ]; then
    languages="C;CXX"
fi

# 0.1, and those that it does not stand for: before 1.0 each minor version may break.
numbers=$(printf '#include <eddy/version.h>\nEDDY_VERSION_MAJOR EDDY_VERSION_MINOR EDDY_VERSION_PATCH\n' |
    "$CC" -I"$EDDY_SOURCE_DIR/include" -E -P -x c - | tail -n 1)
# shellcheck disable=SC2086 # three words
set -- $numbers
version=$1.$2
refused="$1.$(($2 + 1));$(($1 + 1)).$2;$version.$(($3 + 1))"
if [ "$1" = 0 ] && [ "$2" -gt 0 ]; then
    refused="$refused;0.$(($2 - 1))"
fi

# foreign NAME LANGUAGES ARGUMENTS...: builds the foreign project and runs its programs.
foreign() {
    name=$1
    build=$scratch/build/$name
    language_list=$2
    shift 2
    quietly cmake -S "$EDDY_SOURCE_DIR/tests/package" -B "$build" "-DLANGUAGES=$language_list" "$@"
    quietly cmake --build "$build" --parallel 2
    case ";$language_list;" in *";C;"*) expect "$output" "$build/app_c" ;; esac
    case ";$language_list;" in *";CXX;"*) expect "$output" "$build/app_cxx" ;; esac
    echo "$name: ok"
}

# lints NAME: in what foreign has built, eddy::lint finds the slip of tests/package/slip.c.
lints() {
    if cmake --build "$scratch/build/$1" --target slip >"$scratch/log" 2>&1; then
        fail "$1: eddy::lint finds nothing"
    fi
    grep -q "slip\.c:1[1-4]:.*\(next\|jumps over variable initialization\)" "$scratch/log" || {
        cat "$scratch/log"
        fail "$1: eddy::lint does not speak of the slip"
    }
    echo "$1, eddy::lint: ok"
}

# guest NAME: what foreign has built with eddy's sources must not show that eddy's own builds differ.
guest() {
    build=$scratch/build/$1

    # No flags of eddy's own development, for its files nor for the foreign ones. (slip.c asks for some.)
    if grep '"command"' "$build/compile_commands.json" | grep -v 'slip\.c' | grep -E ' -(W[a-z]|fsan)'; then
        fail "$1: eddy's warnings come with it"
    fi
    # No definitions for the foreign files.
    if grep '"command"' "$build/compile_commands.json" | grep 'app\.c' | grep ' -D'; then
        fail "$1: eddy's definitions come with it"
    fi
    if grep '^CMAKE_BUILD_TYPE:[A-Z]*=.' "$build/CMakeCache.txt"; then
        fail "$1: eddy sets the kind of build"
    fi
    if (cd "$build" && ctest -N | grep 'Test *#'); then
        fail "$1: eddy's tests come with it"
    fi
    quietly cmake --install "$build" --prefix "$scratch/guest"
    if [ -e "$scratch/guest" ]; then
        fail "$1: eddy installs itself with the foreign project"
    fi
}

# ---- add_subdirectory

foreign add_subdirectory "$languages" -DHOW=add_subdirectory "-DEDDY_SOURCE_DIR=$EDDY_SOURCE_DIR"
guest add_subdirectory
lints add_subdirectory

# ---- FetchContent

# A new repository with the tree as it is, whatever is committed of it: git would refuse to look at the
# tree's own repository where that belongs to somebody else, and there may be none.
commit_tree() {
    mkdir "$scratch/repository"
    tar -C "$EDDY_SOURCE_DIR" --exclude=./.git --exclude='./*build*' -cf "$scratch/tree.tar" .
    tar -C "$scratch/repository" --no-same-owner -xf "$scratch/tree.tar"
    cd "$scratch/repository"
    git init -q
    git add -A
    git -c user.name=eddy -c user.email=eddy@example.org -c commit.gpgSign=false commit -q -m tree
    cd - >/dev/null
}

if command -v git >/dev/null; then
    # The user's own settings (hooks, signing, replaced addresses) are left out.
    export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null HOME="$scratch"
    quietly commit_tree
    foreign FetchContent "$languages" -DHOW=FetchContent \
        "-DEDDY_REPOSITORY=file://$scratch/repository" \
        "-DEDDY_TAG=$(git -C "$scratch/repository" rev-parse HEAD)"
    guest FetchContent
else
    echo "FetchContent: not tried, there is no git (Debian: git)"
fi

# ---- installing

prefix=$scratch/prefix
quietly cmake -S "$EDDY_SOURCE_DIR" -B "$scratch/build/eddy" -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_INSTALL_PREFIX="$prefix" -DCMAKE_INSTALL_LIBDIR=lib \
    -DEDDY_BUILD_TESTS=OFF -DEDDY_BUILD_EXAMPLES=OFF
quietly cmake --build "$scratch/build/eddy" --parallel 2
quietly cmake --install "$scratch/build/eddy"

{
    (cd "$EDDY_SOURCE_DIR" && ls include/eddy.h include/eddy/*.h include/eddy/impl/*.h)
    echo lib/cmake/eddy/eddy-config-version.cmake
    echo lib/cmake/eddy/eddy-config.cmake
    echo lib/cmake/eddy/eddy-targets-release.cmake
    echo lib/cmake/eddy/eddy-targets.cmake
    echo lib/libeddy.a
    echo lib/pkgconfig/eddy.pc
    echo share/eddy/eddy-gdb.py
} | LC_ALL=C sort >"$scratch/expected"
(cd "$prefix" && find . ! -type d | sed 's|^\./||' | LC_ALL=C sort) >"$scratch/installed"
diff "$scratch/expected" "$scratch/installed" || fail "other files are installed than expected (<)"
echo "install: ok"

# It may be moved.
mv "$prefix" "$scratch/moved"
prefix=$scratch/moved
if grep -rlF -e "$scratch/" -e "$EDDY_SOURCE_DIR/" "$prefix"; then
    fail "an installed file names the place where it was built or installed"
fi

# ---- find_package

foreign find_package "$languages" -DHOW=find_package \
    "-DCMAKE_PREFIX_PATH=$prefix" "-DEDDY_WANTED=$version" "-DEDDY_REFUSED=$refused"
grep -qx "eddy_DIR:PATH=$prefix/lib/cmake/eddy" "$scratch/build/find_package/CMakeCache.txt" ||
    fail "find_package: another eddy is found"
lints find_package
if [ -n "$CXX" ]; then
    foreign find_package_cxx CXX -DHOW=find_package \
        "-DCMAKE_PREFIX_PATH=$prefix" "-DEDDY_WANTED=$version"
fi

# ---- pkg-config

if command -v pkg-config >/dev/null; then
    export PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
    expect "$1.$2.$3" pkg-config --modversion eddy
    # It answers with words for a shell, with a backslash before a space.
    flags=$(pkg-config --cflags --libs eddy)
    eval 'quietly "$CC" "$EDDY_SOURCE_DIR/tests/package/app.c"' "$flags" '-o "$scratch/app_pkg_config"'
    expect "$output" "$scratch/app_pkg_config"
    flags=$(pkg-config --static --cflags --libs eddy)
    eval 'quietly "$CC" "$EDDY_SOURCE_DIR/tests/package/app.c" -static' "$flags" '-o "$scratch/app_static"'
    expect "$output" "$scratch/app_static"
    echo "pkg-config: ok"
else
    echo "pkg-config: not tried, there is none (Debian: pkg-config)"
fi

# ---- a shared library

shared=$scratch/shared
quietly cmake -S "$EDDY_SOURCE_DIR" -B "$scratch/build/eddy_shared" -DCMAKE_BUILD_TYPE=Release \
    -DBUILD_SHARED_LIBS=ON -DCMAKE_INSTALL_PREFIX="$shared" -DCMAKE_INSTALL_LIBDIR=lib \
    -DEDDY_BUILD_TESTS=OFF -DEDDY_BUILD_EXAMPLES=OFF
quietly cmake --build "$scratch/build/eddy_shared" --parallel 2
quietly cmake --install "$scratch/build/eddy_shared"
expect "libeddy.so
libeddy.so.$1.$2
libeddy.so.$1.$2.$3" ls "$shared/lib" -I cmake -I pkgconfig
foreign shared "$languages" -DHOW=find_package "-DCMAKE_PREFIX_PATH=$shared" "-DEDDY_WANTED=$version"
if command -v readelf >/dev/null; then
    # A program asks for the name that its version of eddy has; and all that it finds is eddy's interface.
    readelf -dW "$scratch/build/shared/app_c" | grep -q "NEEDED.*\[libeddy\.so\.$1\.$2\]" ||
        fail "shared: the program needs another library than libeddy.so.$1.$2"
    if readelf --dyn-syms -W "$shared/lib/libeddy.so" | awk '$7 ~ /^[0-9]/ { print $8 }' | grep -v '^eddy_'; then
        fail "shared: these names are shown and not eddy's"
    fi
fi
if command -v pkg-config >/dev/null; then
    export PKG_CONFIG_PATH="$shared/lib/pkgconfig"
    flags=$(pkg-config --cflags --libs eddy)
    eval 'quietly "$CC" "$EDDY_SOURCE_DIR/tests/package/app.c"' "$flags" '-o "$scratch/app_shared"'
    expect "$output" env LD_LIBRARY_PATH="$shared/lib" "$scratch/app_shared"
fi
foreign shared_guest "$languages" -DHOW=add_subdirectory -DBUILD_SHARED_LIBS=ON \
    "-DEDDY_SOURCE_DIR=$EDDY_SOURCE_DIR"
[ -e "$scratch/build/shared_guest/eddy/libeddy.so" ] || fail "shared_guest: it is not shared"
