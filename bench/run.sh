#!/bin/sh
# run.sh BUILD - all measurements, as one report on standard output: what was measured on, sizes, then
# one table a program. Each figure is the median of 15 samples with the least and the largest behind it,
# in processor time of one thread; ratios are to limits measured in the same run.
# Needs sh, and where they are there: strip, ldd. SPDX-License-Identifier: BSD-3-Clause
set -eu
build=$(cd "${1:-build}" && pwd)
root=$(cd "$(dirname "$0")/.." && pwd)
examples=$root/examples

line() { printf '%-24s %s\n' "$1" "$2"; }

echo "Measured on"
if [ -r /proc/cpuinfo ]; then
    line processor "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(grep -c '^processor' /proc/cpuinfo) seen"
    flags=$(sed -n 's/^flags[^:]*: //p' /proc/cpuinfo | head -n 1)
    have=""
    for f in avx2 fma avx512f avx512vl avx512_bf16 amx_tile; do
        case " $flags " in *" $f "*) have="$have $f" ;; esac
    done
    line features "${have# }"
fi
for level in 1 2 3; do
    bytes=$(getconf "LEVEL${level}_$([ $level = 1 ] && echo D)CACHE_SIZE" 2>/dev/null || true)
    [ -z "$bytes" ] || [ "$bytes" = 0 ] || line "cache, level $level" "$((bytes / 1024)) KiB"
done
compiler=$(sed -n 's/^CMAKE_C_COMPILER:[A-Z]*=//p' "$build/CMakeCache.txt" | head -n 1)
line compiler "$("${compiler:-cc}" --version | head -n 1)"
line "build" "$(sed -n 's/^CMAKE_BUILD_TYPE:[A-Z]*=//p' "$build/CMakeCache.txt")"
[ ! -r /proc/loadavg ] || line "load before" "$(cut -d' ' -f1-3 /proc/loadavg)"

library=$(find "$build" -maxdepth 1 -name 'libbitale.so.*.*' -type f | head -n 1)
if [ -n "$library" ]; then
    echo
    echo "Sizes"
    line "library" "$(wc -c < "$library") bytes"
    stripped=$build/bench/stripped.so
    if strip -o "$stripped" "$library" 2>/dev/null; then
        line "library, stripped" "$(wc -c < "$stripped") bytes; the goal: below 3000000"
        rm -f "$stripped"
    fi
    ! command -v ldd > /dev/null || line "loaded at once" "$(ldd "$library" | sed -n 's/^[[:space:]]*\([^ ]*\.so[^ ]*\) .*/\1/p' | tr '\n' ' ')"
fi

for name in start calls strips index matmul conv train pack; do
    "$build/bench/${name}_bench" "$examples"
done
