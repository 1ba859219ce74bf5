#!/bin/sh
# Checks that the compiler reports a mistake:
#
#     compile_fail.sh FILE COMPILER_ID COMPILER [FLAGS...]
#
# The file says what is expected, in its first lines; all but the first are optional:
#
#     /* expect: REGEX */           an extended regular expression that the diagnostics must match
#     /* flags: -O2 -Werror */      more flags
#     /* compiler: gcc */           only for that compiler: gcc or clang
set -eu

file=$1 id=$2
shift 2

header() {
    sed -n "1,3s|^/\* $1: \(.*\) \*/\$|\1|p" "$file"
}

expected=$(header expect)
if [ -z "$expected" ]; then
    echo "$file: the first line must be /* expect: REGEX */"
    exit 1
fi

case $(header compiler):$id in
:* | gcc:GNU | clang:Clang) ;;
*)
    echo "skipped: not for this compiler"
    exit 77
    ;;
esac

# The flags are words to be split. Warnings that need the optimizer come only with real code.
# shellcheck disable=SC2046
if output=$(LC_ALL=C "$@" -std=c11 $(header flags) -c "$file" -o /dev/null 2>&1); then
    echo "$file compiles, and must not"
    exit 1
fi
if ! printf '%s\n' "$output" | grep -Eq -e "$expected"; then
    echo "$file: no diagnostic matches \"$expected\":"
    printf '%s\n' "$output"
    exit 1
fi
