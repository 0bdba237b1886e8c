#!/bin/sh
# models_test.sh - the examples in the notation do what their comments say: they are right, print and
# parse back to themselves, keep their gradients, and the demo trains on a small text.
# SPDX-License-Identifier: BSD-3-Clause
set -eu
work=$(mktemp -d "$PWD/models-XXXXXX")
trap 'rm -rf "$work"' EXIT
examples=$BTL_SOURCE_DIR/examples
bitale=$BTL_PROGRAM
cd "$work"

for model in "$examples"/logreg.bitale "$examples"/mlp.bitale "$examples"/charlm/charlm.bitale; do
    "$bitale" check "$model" > /dev/null
    "$bitale" print "$model" > once.bitale
    "$bitale" print once.bitale > twice.bitale
    cmp once.bitale twice.bitale
done

# all mistakes at once, exit code 3
code=0
"$bitale" check "$examples/linreg_errors.bitale" > out.txt 2> errors.txt || code=$?
test "$code" -eq 3
for word in bias "did you mean mean" "w is f32\[13\], its new value is f64" "did you mean axis" "14 and 13" "cannot be chained"; do
    grep -q "$word" errors.txt || { echo "linreg_errors.bitale: no message says: $word" >&2; exit 1; }
done

# the demo, on a text of our own, in a few steps
i=0
while [ $i -lt 200 ]; do echo "the cat sat on the mat and the dog sat on the log"; i=$((i + 1)); done > text.txt
STEPS=60 sh "$examples/demo.sh" "$bitale" text.txt > demo.txt 2>&1 || { cat demo.txt; exit 1; }
test -s build/demo/charlm.safetensors
bits=$("$bitale" run "$examples/charlm/charlm.bitale" evaluate text=text.txt --load build/demo/charlm.safetensors 2> /dev/null |
    sed -n 's/^bits_per_byte.* = //p')
echo "after 60 steps: $bits bits per byte"
test -n "$bits" && awk "BEGIN { exit !($bits < 3.5) }" # it began at 8
