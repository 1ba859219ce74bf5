#!/bin/sh
# Checks that every public header can be included alone, without a warning:
#
#     headers.sh c|c++ COMPILER
set -eu

language=$1 compiler=$2
case $language in
c) flags="-std=c11 -Wpedantic -Wshadow" ;;
c++) flags="-std=c++17" ;;
esac
if ! command -v "$compiler" >/dev/null; then
    echo "skipped: no $language compiler"
    exit 77
fi

cd "$EDDY_SOURCE_DIR/include"
status=0
for header in eddy.h eddy/*.h eddy/impl/*.h; do
    # Included, not compiled as the main file, where clang reports every unused inline function.
    # shellcheck disable=SC2086
    if ! printf '#include "%s"\ntypedef int not_empty;\n' "$header" |
        "$compiler" -x "$language" $flags -Wall -Wextra -Wconversion -Wimplicit-fallthrough -Werror \
            -I. -fsyntax-only -; then
        echo "$header cannot be included alone as $language"
        status=1
    fi
done
exit $status
