#!/bin/sh
# fuzz.sh BUILD SECONDS - runs each libFuzzer target for that long, beginning from the corpus of the
# repository. What it finds anew is kept under BUILD/corpus/NAME, what fails under BUILD/failed.
# SPDX-License-Identifier: BSD-3-Clause
set -eu
build=$1 seconds=$2
mkdir -p "$build/failed"
found=
for program in "$build"/fuzz/*_fuzz; do
    [ -x "$program" ] || continue
    found=yes
    name=$(basename "$program" _fuzz)
    mkdir -p "$build/corpus/$name"
    corpus=test/fuzz/corpus/$name
    [ -d "$corpus" ] || corpus=
    echo "fuzz.sh: $name, $seconds seconds"
    dictionary=test/fuzz/$name.dict
    [ -f "$dictionary" ] && dictionary=-dict=$dictionary || dictionary=
    "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=4096 -print_final_stats=1 \
        -artifact_prefix="$build/failed/$name-" $dictionary "$build/corpus/$name" $corpus
done
[ -n "$found" ] || { echo "fuzz.sh: no targets under $build/fuzz (test/fuzz/*_fuzz.c)" >&2; exit 1; }
