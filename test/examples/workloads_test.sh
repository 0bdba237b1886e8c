#!/bin/sh
# workloads_test.sh - the programs of bench/workloads, written and generated ones, are read, typed and compiled.
# SPDX-License-Identifier: BSD-3-Clause
set -eu
work=$(mktemp -d "$PWD/workloads-XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
sh "$BTL_SOURCE_DIR/bench/workloads/generate.sh" workloads
n=0
for program in "$BTL_SOURCE_DIR"/bench/workloads/*.bitale workloads/*.bitale; do
    BITALE_MODE=fast_compile "$BTL_PROGRAM" check --quiet "$program" || { echo "FAIL: $program" >&2; exit 1; }
    n=$((n + 1))
done
[ "$n" -ge 20 ] || { echo "FAIL: only $n programs" >&2; exit 1; }
if sh "$BTL_SOURCE_DIR/bench/workloads/generate.sh" 2> message; then echo "FAIL: no folder, no error" >&2; exit 1; fi
grep -q "generate.sh FOLDER" message
