#!/bin/sh
# headertest.sh - compiles each public header alone, with every warning an error, as C11 (with and
# without the macros that record sites) and C++11.
# SPDX-License-Identifier: BSD-3-Clause
set -eu
cd "$(dirname "$0")/.."
cc=${CC:-cc}
cxx=${CXX:-c++}
warnings="-Wall -Wextra -Wpedantic -Wshadow -Wundef -Wconversion -Werror"
bad=0 count=0

# compile HEADER LANGUAGE COMPILER FLAGS… : the header twice, so that its guard is tried too.
compile() {
    header=$1 language=$2 compiler=$3
    shift 3
    # shellcheck disable=SC2086
    if ! printf '#include "%s"\n#include "%s"\nint headertest_unit(void);\n' "$header" "$header" |
        "$compiler" "$@" $warnings -Iinclude -x "$language" -fsyntax-only -; then
        echo "headertest: include/$header does not compile alone: $compiler $*" >&2
        bad=1
        return 1
    fi
}

have_cxx=yes
command -v "$cxx" > /dev/null 2>&1 || have_cxx=
for path in $(find include -name '*.h' | LC_ALL=C sort); do
    header=${path#include/}
    count=$((count + 1))
    compile "$header" c "$cc" -std=c11 -Wstrict-prototypes || continue
    compile "$header" c "$cc" -std=c11 -DBTL_NO_SITES || continue
    [ -z "$have_cxx" ] || compile "$header" c++ "$cxx" -std=c++11 || continue
done
[ $bad = 0 ] || exit 1
if [ -n "$have_cxx" ]; then
    echo "headertest: $count headers compile alone as C11 and C++11"
else
    echo "headertest: $count headers compile alone as C11; no C++ compiler ($cxx), C++11 NOT tried"
fi
