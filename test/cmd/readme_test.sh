#!/bin/sh
# readme_test.sh - every command of README.md works as written, and what it quotes is what there is.
# The blocks marked ```sh are run one after the other, from a folder that looks like the repository
# after `make`. SPDX-License-Identifier: BSD-3-Clause
set -eu
readme=$BTL_SOURCE_DIR/README.md
work=$PWD/readme.$$
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/build"
cd "$work"
for name in bitale libbitale.a; do ln -s "$BTL_BINARY_DIR/$name" build/; done
for name in examples include; do ln -s "$BTL_SOURCE_DIR/$name" .; done

# A sanitised library wants its runtime in the program that is linked.
flags=
[ -z "${BTL_SANITIZE:-}" ] || flags="-fsanitize=$BTL_SANITIZE"
awk '/^```sh$/ { on = 1; next } /^```$/ { on = 0 } on' "$readme" | sed "s|^cc |${CC:-cc} $flags |" > commands
[ "$(wc -l < commands)" -gt 20 ] || { echo "README.md: its commands were not found"; exit 1; }
sh -eu commands > output 2>&1 || { cat output; exit 1; }

expect() { grep -qF -- "$1" output || { cat output; echo "README.md: the commands did not print: $1"; exit 1; }; }
expect 'ok fit: gradient of cost by a, b, x, y'
expect 'dy_dx: f64 = 6.77258872223978'   # 4 (1 + log 2)
expect 'exit code 3'
expect 'examples/linreg_errors.bitale:17:18: error: matmul: inner sizes differ: x is f32[n, 14], w is f32[13]'
expect 'cost '

awk '/^```c$/ { on = 1; next } /^```$/ { on = 0 } on' "$readme" > logreg.c
cmp logreg.c examples/logreg.c || { echo "README.md: its C program is not examples/logreg.c"; exit 1; }

# links to files of the repository
grep -o '](\([^)#:]*\))' "$readme" | sed 's/^](//; s/)$//' | while read -r path; do
    [ -e "$BTL_SOURCE_DIR/$path" ] || { echo "README.md: there is no $path"; exit 1; }
done
