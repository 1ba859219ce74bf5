# For tests/run, examples/run and .ci/run (bash): installs what is missing, and builds.
# shellcheck shell=bash

root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.." && pwd)

# Is it there? A header (x.h), a compiler flag (-x) that links, or a command.
_present() {
    case $1 in
    *.h) echo "#include <$1>" | ${CC:-cc} -E -x c - >/dev/null 2>&1 ;;
    -*) echo 'int main(void) { return 0; }' | ${CC:-cc} -x c - "$1" -o /dev/null >/dev/null 2>&1 ;;
    *) command -v "$1" >/dev/null ;;
    esac
}

_as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

_can_be_root() {
    [ "$(id -u)" = 0 ] && return
    command -v sudo >/dev/null || return
    # At a terminal sudo may ask for the password.
    sudo -n true 2>/dev/null || { [ -t 0 ] && sudo -v; }
}

# require PACKAGE=PROOF...: installs those Debian packages whose proof (see _present) is not there.
require() {
    local pair log missing=()

    for pair in "$@"; do
        _present "${pair#*=}" || missing+=("${pair%%=*}")
    done
    [ ${#missing[@]} -gt 0 ] || return 0

    if ! command -v apt-get >/dev/null || ! _can_be_root; then
        {
            echo "Some packages are missing. Install them as root, then run this again. On Debian:"
            echo "    apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
        } >&2
        exit 1
    fi
    echo "installing ${missing[*]} ..." >&2
    # An update may fail for a source that is not needed here: what counts is the installation.
    if ! log=$({
        _as_root apt-get update
        _as_root env DEBIAN_FRONTEND=noninteractive \
            apt-get install -y --no-install-recommends "${missing[@]}"
    } 2>&1 </dev/null); then
        echo "$log" >&2
        exit 1
    fi
}

# build DIRECTORY TARGET [CMAKE ARGUMENTS]: says what it does the first time, and what failed.
build() {
    local directory=$1 target=$2 log
    shift 2

    # CMake refuses a folder that was made for another place: the checkout was moved or copied.
    if ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$root" "$directory/CMakeCache.txt" 2>/dev/null; then
        rm -rf "$directory"
        echo "building ..." >&2
    fi
    if ! mkdir -p "$directory" || [ ! -w "$directory" ]; then
        echo "No permission to write in $directory (made by root?). Remove it or run this as root." >&2
        exit 1
    fi
    if ! log=$({
        cmake -S "$root" -B "$directory" --log-level=WARNING \
            -DCMAKE_RULE_MESSAGES=OFF -DCMAKE_TARGET_MESSAGES=OFF "$@" &&
            cmake --build "$directory" --target "$target" --parallel "$(nproc)"
    } 2>&1 </dev/null); then
        echo "$log" >&2
        exit 1
    fi
}
