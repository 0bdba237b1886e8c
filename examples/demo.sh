#!/bin/sh
# demo.sh PROGRAM TEXT - trains a character-level language model on a text, then measures it on the
# part that it has not seen and lets it write. All it writes lies below build/demo.
set -eu
bitale=$1
text=${2:-/usr/share/common-licenses/GPL-3}
steps=${STEPS:-8000}
here=$(dirname "$0")
out=build/demo
model=$here/charlm/charlm.bitale
state=$out/charlm.safetensors

if [ ! -f "$text" ]; then
    echo "demo: $text is not a file; name one: make demo DEMO_TEXT=FILE" >&2
    exit 3
fi
mkdir -p "$out"
echo "A language model of bytes ($model), trained for $steps steps on $text"
"$bitale" run "$model" train "text=$text" --steps "$steps" --save "$state"
echo
echo "On the last tenth, which it has not seen:"
"$bitale" run "$model" evaluate "text=$text" --load "$state"
echo
echo "What it writes:"
"$bitale" run "$model" sample temperature=0.6 --steps 400 --load "$state" -o "$out" --quiet
# the result is the array of its 400 bytes: the end of the .npy file
tail -c 400 "$out/text.npy" | tr -c '[:print:]\n' '?'
echo
echo
echo "The trained state: $state"
