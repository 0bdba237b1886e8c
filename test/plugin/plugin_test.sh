#!/bin/sh
# plugin_test.sh - examples/plugin built against an installed Bitale, outside of its tree, by CMake and by pkg-config: used from
# C, from the command with --plugin, checked in every way; and plugins that are none, each with its message and exit code 3.
# SPDX-License-Identifier: BSD-3-Clause
set -eu
example=$BTL_SOURCE_DIR/examples/plugin
work=$(mktemp -d "$PWD/plugin-XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
[ -z "${BTL_SANITIZE:-}" ] || { echo "plugin_test: a plugin would have to be sanitised too"; exit 77; }
fail() { echo "plugin_test: $*"; exit 1; }
quiet() { "$@" > log 2>&1 || { cat log; fail "failed: $*"; }; }
unset BITALE_MODE # generated code is part of this
BITALE_CACHE_DIR=$work/cache
export BITALE_CACHE_DIR

quiet cmake --install "$BTL_BINARY_DIR" --prefix "$work/installed"
prefix=$work/installed
libdir=$(dirname "$(find "$prefix" -name 'libbitale.so')")
bitale=$prefix/bin/bitale

# ---- the example ----------------------------------------------------------------------------------
[ -e /usr/include/zlib.h ] || [ -n "$(find /usr/include -name zlib.h 2> /dev/null | head -1)" ] || { echo "plugin_test: there is no zlib.h"; exit 77; }
cp -r "$example" source # not in our tree
quiet cmake -S source -B build -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$CC" -DCMAKE_C_FLAGS=-Werror
quiet cmake --build build
./build/use > out || fail "the program that uses the plugin failed"
printf 'crc32 of the digits is cbf43926\nswish is checked\nspread is checked\ncrc32 is checked\ndiag_view is checked\nhypot2 is checked\n' | cmp - out || { cat out; fail "the program printed that"; }

"$bitale" ops --plugin build/demo.so | grep -q '^g swish(x, beta=1)' || fail "bitale ops does not list swish"
"$bitale" ops crc32 --plugin build/demo.so | grep -q 'plugin    demo' || fail "bitale ops does not say where crc32 is from"
quiet "$bitale" ops --check --plugin build/demo.so
"$bitale" run source/use.bitale --plugin build/demo.so --mode linker=eval 'x=[[1,2],[3,4]]' > want || fail "use.bitale does not run"
grep -q '^check: u32 = ' want || fail "use.bitale printed $(cat want)"
for mode in linker=strips linker=vm linker=c fast_compile c_code; do
    "$bitale" run source/use.bitale --plugin build/demo.so --mode $mode 'x=[[1,2],[3,4]]' | cmp - want || fail "$mode gives something else"
done
quiet "$bitale" check source/use.bitale --plugin build/demo.so --grad
quiet "$bitale" print --after layout source/use.bitale --plugin build/demo.so
cp log printed.bitale
quiet "$bitale" check printed.bitale --plugin ./build/demo.so --plugin build/demo.so # twice the same is once
"$bitale" run source/use.bitale > log 2>&1 && fail "use.bitale runs without its plugin"
grep -q 'unknown name swish' log || fail "$(cat log)"
(cd build && quiet "$bitale" ops --plugin demo.so) # without a '/'

# ---- as files of C of their own ------------------------------------------------------------------------
printf 'input x: f64[n]\noutput y = swish(x, beta=2) * 3\n' > swish.bitale
quiet "$bitale" emit-c swish.bitale --main -o swish --plugin build/demo.so
grep -q 'an op asks for these libraries when a program is linked with it: -lm' log || { cat log; fail "emit-c does not say that -lm is needed"; }
quiet "$CC" -std=c99 -O2 -Wall -Wextra -pedantic -Werror -ffp-contract=off swish/*.c -o swish/swish -lm
"$bitale" run swish.bitale --plugin build/demo.so 'x=[1,-2,0.5]' -o swish/want > log 2>&1 || { cat log; fail "swish.bitale does not run"; }
"$bitale" run - -o swish 'a=[1,-2,0.5]' > log 2>&1 << 'END' || { cat log; fail "x is not written"; }
input a: f64[n]
output x = a + 0
END
./swish/swish x=swish/x.npy -o swish > log 2>&1 || { cat log; fail "what emit-c wrote does not run"; }
cmp swish/y.npy swish/want/y.npy || fail "what emit-c wrote gives other bits"
got=0
"$bitale" emit-c source/use.bitale -o use --plugin build/demo.so > log 2>&1 || got=$?
[ "$got" = 3 ] && grep -q '\(spread\|crc32\): this op has no C of its own, so the function cannot be written as C' log && [ ! -e use ] || { cat log; fail "emit-c ended with $got"; }

# ---- by pkg-config, in a moved tree -----------------------------------------------------------------
if command -v pkg-config > /dev/null; then
    mv installed moved
    prefix=$work/moved libdir=$(dirname "$(find "$work/moved" -name 'libbitale.so')") bitale=$work/moved/bin/bitale
    PKG_CONFIG_PATH=$libdir/pkgconfig LD_LIBRARY_PATH=$libdir
    export PKG_CONFIG_PATH LD_LIBRARY_PATH
    # shellcheck disable=SC2046  # flags are words
    quiet "$CC" -O2 -ffp-contract=off -fno-math-errno -fPIC -shared source/demo.c -o demo.so $(pkg-config --cflags --libs bitale) -lz -lm
    quiet "$bitale" ops --check --plugin demo.so
    # not linked with the library at all: the command lends its functions
    # shellcheck disable=SC2046
    quiet "$CC" -O2 -ffp-contract=off -fno-math-errno -fPIC -shared source/demo.c -o alone.so $(pkg-config --cflags bitale) -lz -lm
    quiet "$bitale" ops --check --plugin alone.so
else
    LD_LIBRARY_PATH=$libdir
    export LD_LIBRARY_PATH
fi

# ---- plugins that are none ----------------------------------------------------------------------------
# expect CODE WORDS COMMAND...: ends with that code and says these words.
expect() {
    code=$1 words=$2
    shift 2
    got=0
    "$@" > log 2>&1 || got=$?
    [ "$got" = "$code" ] || { cat log; fail "exit code $got, $code expected: $*"; }
    grep -qF -- "$words" log || { cat log; fail "these words are not in it: $words"; }
}
printf 'input x: f64[n]\noutput 1 + bad(x)\n' > bad.bitale
bad() { # bad NUMBER CODE WORDS
    quiet "$CC" -O1 -fPIC -shared -DBAD="$1" "$BTL_SOURCE_DIR/test/plugin/bad.c" -o "bad$1.so" -I"$prefix/include" -L"$libdir" -lbitale
    expect "$2" "$3" "$bitale" run bad.bitale --plugin "bad$1.so" 'x=[1,2]'
}
expect 3 "none.so: cannot be opened: No such file or directory" "$bitale" ops --plugin none.so
expect 3 "bad.bitale: cannot be loaded as a shared object: " "$bitale" version --plugin bad.bitale
expect 3 "cannot be loaded as a shared object: " "$bitale" rules --plugin .
: > empty.so
expect 3 "empty.so: cannot be loaded as a shared object: " "$bitale" doctor --plugin empty.so
bad 1 3 "bad1.so: it is no plugin: it has no function btl_plugin (BTL_PLUGIN of bitale/extend.h defines it)"
bad 2 3 "bad2.so: an op cannot be named exp: Bitale has an op of that name"
bad 3 3 "bad3.so: an op is made for version 0 of the interface of ops (BTL_OP_ABI)"
bad 4 3 "bad4.so: op bad has no way to be computed: one of eval, view and body is needed"
bad 5 3 "bad.bitale:2:12: error: bad: its infer states the type of result 1; it declares 1 result"
bad 6 3 "bad: its infer states no type for result 0 of 1"
bad 7 3 "bad: its eval makes result 0 "
bad 8 4 "bad.bitale:2:12: error: bad: line 2 of its support code does not compile: "
bad 9 3 "bad9.so: it is made for version 0 of the interface of ops (BTL_OP_ABI), this Bitale"
bad 10 3 "bad10.so: its function btl_plugin returns nothing"
bad 11 3 "bad11.so: it calls another copy of the library than this program"
bad 12 3 "bad12.so: it has no ops"
bad 13 0 "out0: f64[2] = [2.5, 3.5]"
printf 'input x: f64[n]\na = x * 2\nb = bad(a)\noutput sum(b * x)\n' > liar.bitale
expect 1 "liar.bitale:3:5: bad(a)" "$bitale" bisect liar.bitale --plugin bad13.so --modes fast_compile,fast_run
expect 1 "it is the generated code" "$bitale" bisect liar.bitale --plugin bad13.so --modes fast_compile,fast_run 'x=[1,2]'
expect 0 "agree" "$bitale" bisect liar.bitale --plugin bad13.so --modes fast_compile,fast_run,linker=strips
bad 0 0 "out0: f64[2] = [2, 3]"
expect 3 "bad7.so: the name good is taken: the plugin bad has an op of that name" "$bitale" ops --plugin bad0.so --plugin bad7.so
