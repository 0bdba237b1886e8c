#!/bin/sh
# peer_test.sh - bench/peer keeps to the protocol of the benchmark suite: reads inputs and meta.json, saves the
# first call's outputs, carries state on, prints one JSON object; and says what is wrong, exit code 1.
# SPDX-License-Identifier: BSD-3-Clause
set -eu
work=$PWD/peer.$$
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/folder" "$work/cache" "$work/expected"
cd "$work"
fail() { echo "peer: $*" >&2; cat output messages >&2 2> /dev/null || true; exit 1; }
peer() { BENCH_SECONDS=0.01 BENCH_CACHE=$work/cache "$BTL_BINARY_DIR/bench/peer" --workloads . folder "$1" 1 > output 2> messages; }
refused() { # WORKLOAD MESSAGE
    if peer "$1"; then fail "$1 was accepted"; fi
    grep -qF -- "$2" messages || fail "$1 was refused, but not with: $2"
}
values() { "$BTL_PROGRAM" run --quiet - -o "$1" > /dev/null; } # writes outputs of the program on standard input as .npy

printf 'output x = [1.5, 2.0, -4.0]\noutput s = [0.5, 0.25, 8.0]\noutput n = 0\n' | values inputs
printf 'output s_new = [2.0, 2.25, 4.0]\noutput total = -30.75\noutput n_new = 1\n' | values expected
for name in x s n; do mv "inputs/$name.npy" "folder/in_$name.npy"; done
meta() { # UPDATES
    printf '{"name": "sums", "kind": "sums", "inputs": ["x", "s", "n"], "outputs": ["s_new", "total", "n_new"], "updates": {%s}}\n' "$1" > folder/meta.json
}
program() { # further lines
    printf 'input n: i64\ninput s: f64[k]\ninput x: f64[k]\noutput total = sum(s * x), s_new = s + x, n_new = n + 1\n%s\n' "${1:-}"
}

# the answers of the first call
meta '"s_new": "s", "n_new": "n"'
program > sums.bitale
peer sums || fail "a good workload failed"
folder=$(sed -n 's/.*"outputs_dir": "\([^"]*\)".*/\1/p' output)
case $folder in "$work"/cache/*) ;; *) fail "outputs are not below the cache: $folder" ;; esac
for name in s_new total n_new; do
    cmp "$folder/out_$name.npy" "expected/$name.npy" || fail "$name is wrong"
done
[ "$(wc -l < output)" = 1 ] || fail "more than one line"
for key in compile_s call_s_median call_s_min peak_bytes version linker; do
    grep -q "\"$key\": " output || fail "no $key"
done

# state is carried on from call to call, and without updates it is not
program 'assert n < 5, "n has come to 5"' > counts.bitale
refused counts 'n has come to 5'
meta ''
peer counts || fail "state was carried on without updates"

# the linker asked for
(export BITALE_MODE=fast_run,linker=strips; peer counts) || fail "strips failed"
grep -q '"linker": "strips"' output || fail "strips were asked for"
BENCH_SECONDS=0.01 BENCH_CACHE=$work/cache "$BTL_BINARY_DIR/bench/peer" --linker eval --workloads . folder counts 1 > output 2> messages || fail "eval failed"
grep -q '"linker": "eval"' output || fail "eval was asked for"

# mistakes
mv sums.bitale away
refused missing 'neither missing.bitale nor sums.bitale is in .'
printf 'input n: i64\ninput s: f64[k]\ninput x: f64[k]\noutput total = sum(s), s_new = s, other = n\n' > names.bitale
refused names 'the program has no output n_new'
printf 'input n: i64\ninput s: f64[k]\noutput total = sum(s), s_new = s, n_new = n\n' > fewer.bitale
refused fewer 'the program has no input x'
program 'output more = x' > more.bitale
refused more '4 outputs, the workload 3'
printf 'input n: i32\n' | cat - away | sed 2d > types.bitale
refused types 'i32'
program 'y = x @ [1.0, 2.0, 3.0, 4.0] +' > syntax.bitale
refused syntax 'syntax.bitale:'
meta '"s_new": "t"'
refused counts 'update s_new of t'
echo '{"kind"' > folder/meta.json
refused counts 'folder/meta.json:'
rm folder/in_x.npy
meta ''
refused counts 'in_x.npy'
