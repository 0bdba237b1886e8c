#!/bin/sh
# example.sh PROGRAM EXPECTED - runs an example; it must succeed and, where the file EXPECTED is
# there, print exactly that. SPDX-License-Identifier: BSD-3-Clause
set -u
out=$(mktemp) || exit 1
trap 'rm -f "$out"' EXIT
"$1" > "$out"
status=$?
if [ $status -ne 0 ]; then
    cat "$out"
    echo "example.sh: $1 ended with exit code $status" >&2
    exit 1
fi
[ -f "$2" ] || exit 0
if [ "${BTL_BLESS:-}" = 1 ]; then cp "$out" "$2"; fi
diff -u "$2" "$out"
