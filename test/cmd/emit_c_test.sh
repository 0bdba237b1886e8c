#!/bin/sh
# emit_c_test.sh - bitale emit-c as a person meets it: every function of the examples is written, compiles without a
# warning, and its program gives the bytes that `bitale run` gives (products without a BLAS); what is in the way is told,
# and nothing is half written. SPDX-License-Identifier: BSD-3-Clause
set -eu
work=$(mktemp -d "$PWD/emit_c-XXXXXX")
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
bitale=$BTL_PROGRAM
examples=$BTL_SOURCE_DIR/examples
cc=${CC:-cc}
export BITALE_BLAS=none BITALE_MODE=fast_run,linker=strips
cd "$work"
fail() { echo "emit_c_test: $*" >&2; exit 1; }

# `fails CODE WORDS COMMAND…`: ends so, and says that.
fails() {
    code=$1 words=$2
    shift 2
    got=0
    "$@" > out.txt 2> err.txt || got=$?
    [ "$got" = "$code" ] || { cat err.txt; fail "exit code $got, expected $code: $*"; }
    grep -qF -- "$words" err.txt || { cat err.txt; fail "no message says \"$words\": $*"; }
}
strict="-std=c99 -O2 -Wall -Wextra -pedantic -Werror"
# `build DIR PROGRAM FILE…`: from files in DIR.
build() {
    dir=$1 program=$2
    shift 2
    # shellcheck disable=SC2086
    (cd "$dir" && "$cc" $strict "$@" -lm -o "$program")
}

# ---- data: made by programs of the notation ----------------------------------------------------------
cat > data.bitale <<'END'
input k: i64
output x = random.uniform(random.key(1), shape=[60, 784], dtype=f32), y = i32(10 * random.uniform(random.key(2), shape=[60], dtype=f32)), zero = zeros([784, 10]), zeros10 = zeros([10]), y10 = i32(zeros([10])), u = u8(10 * random.uniform(random.key(2), shape=[60], dtype=f32))
END
"$bitale" run data.bitale k=1 -o data --quiet 2> /dev/null || fail "data"
cat > text.txt <<'END'
the cat sat on the mat and the dog sat on the log; the cat sat on the mat and the dog sat on the log
END

# ---- the programs of functions do what run does ----------------------------------------------------------
cp "$examples/logreg.bitale" "$examples/mlp.bitale" .
"$bitale" emit-c logreg.bitale train -o lr --main > written.txt
printf 'lr/train.c\nlr/train.h\nlr/train_main.c\n' | cmp - written.txt
build lr train train.c train_main.c
"$bitale" run logreg.bitale train x=data/x.npy y=data/y.npy lr=0.2 --steps 7 -o want --quiet
cat > f32.bitale <<'END'
input w64: f64[784, 10]
input b64: f64[10]
output w = f32(w64), b = f32(b64)
END
"$bitale" run f32.bitale w64=data/zero.npy b64=data/zeros10.npy -o data --quiet
lr/train x=data/x.npy y=data/y.npy lr=0.2 w=data/w.npy b=data/b.npy --steps 7 -o got > printed.txt
for name in nll errors; do cmp "want/$name.npy" "got/$name.npy"; done
grep -q '^nll: f32 = ' printed.txt
[ -s got/w.npy ] && [ -s got/b.npy ] && [ -z "$(find got -name '.*.npy')" ]
lr/train x=data/x.npy y=data/u.npy lr=0.2 w=data/w.npy b=data/b.npy --steps 7 > again.txt # u8 widens to i32
cmp printed.txt again.txt

# with a state, also one that was trained; evaluation goes on where training ended
for name in train evaluate predict; do "$bitale" emit-c mlp.bitale $name -o mlp --main --state --quiet; done
build mlp train train.c train_main.c mlp_state.c
build mlp evaluate evaluate.c evaluate_main.c mlp_state.c
mlp/train x=data/x.npy y=data/y.npy --steps 9 -o got_mlp > /dev/null
"$bitale" run mlp.bitale train x=data/x.npy y=data/y.npy --steps 9 -o want_mlp --save trained.safetensors --quiet
"$bitale" run mlp.bitale evaluate x=data/x.npy y=data/y.npy --load trained.safetensors -o want_mlp --quiet
mlp/evaluate x=data/x.npy y=data/y.npy w1=got_mlp/w1.npy b1=got_mlp/b1.npy w2=got_mlp/w2.npy b2=got_mlp/b2.npy -o got_mlp > /dev/null
for name in cost errors; do cmp want_mlp/$name.npy got_mlp/$name.npy; done
"$bitale" emit-c mlp.bitale evaluate -o trained --main --state --load trained.safetensors --quiet
build trained evaluate evaluate.c evaluate_main.c mlp_state.c
trained/evaluate x=data/x.npy y=data/y.npy -o got_trained > /dev/null
for name in cost errors; do cmp want_mlp/$name.npy got_trained/$name.npy; done

# the larger example: all functions, without a warning
for name in $(sed -n 's/^function *\([A-Za-z_0-9]*\).*/\1/p' "$examples/charlm/charlm.bitale"); do
    "$bitale" emit-c "$examples/charlm/charlm.bitale" "$name" -o charlm --state --quiet 2> refused.txt || { grep -q "known at run time only" refused.txt && continue; cat refused.txt; fail "$name"; }
    # shellcheck disable=SC2086
    "$cc" $strict -O1 -c "charlm/$name.c" -o charlm.o
done

# a gradient, a literal, a bool, an f16, sizes by name, columns first
printf 'input x: f64\noutput y = x ** x\n' | "$bitale" grad - --cost y --wrt x > power.bitale
"$bitale" emit-c power.bitale -o power --main --quiet
build power power power.c power_main.c
power/power x=2 > out.txt
"$bitale" run power.bitale x=2 > want.txt
cmp want.txt out.txt
cat > mixed.bitale <<'END'
input on: bool
input h: f16[m]
input i: u64
input f: f32[2 * n]
output y = where(on, f, -f), a = h + h, big = i + 1, t = f[:n]
END
"$bitale" emit-c mixed.bitale -o mixed --main --quiet
build mixed mixed mixed.c mixed_main.c
cat > mixed_data.bitale <<'END'
input k: i64
output h = f16([1.5, 0.25, 65504]), f = f32([1, 2, 3, 4, 5, 6])
END
"$bitale" run mixed_data.bitale k=0 -o data --quiet
mixed/mixed on=false h=data/h.npy i=18446744073709551614 f=data/f.npy n=3 -o got_mixed > out.txt
"$bitale" run mixed.bitale on=false h=data/h.npy i=18446744073709551614 f=data/f.npy n=3 -o want_mixed --quiet
for name in y a big t; do cmp want_mixed/$name.npy got_mixed/$name.npy; done
grep -q '^big: u64 = 18446744073709551615$' out.txt
{ printf '\223NUMPY\001\000\166\000'; printf "%-117s\n" "{'descr': '>f4', 'fortran_order': True, 'shape': (2, 3), }"; printf '\077\200\000\000\100\200\000\000\100\000\000\000\100\240\000\000\100\100\000\000\100\300\000\000'; } > columns.npy
printf 'input x: f64[a, b]\noutput y = x\n' > shape.bitale
"$bitale" emit-c shape.bitale -o shape --main --quiet
build shape shape shape.c shape_main.c
shape/shape x=columns.npy > out.txt
printf 'y: f64[2, 3] = 1 2 3 4 5 6\n' | cmp - out.txt

# ---- what is wrong with the arguments of such a program ------------------------------------------------------
fails 3 "argument y (i32[n]) is missing: give y=FILE.npy" lr/train x=data/x.npy
fails 3 "x.npy has 2 axes, 1 expected; it is i32[n]" lr/train x=data/x.npy y=data/x.npy
fails 3 "axis 1 has size 10, 784 expected; it is f32[n, 784]" lr/train x=data/w.npy y=data/y.npy w=data/w.npy b=data/b.npy
fails 3 "argument y: axis 0 has size 10, 60 expected; it is i32[n]" lr/train x=data/x.npy y=data/y10.npy w=data/w.npy b=data/b.npy
fails 3 "there is no argument and no size named q" lr/train q=3
fails 3 "y is given twice" lr/train y=data/y.npy y=data/y.npy
fails 3 "that would lose values" lr/train w=data/zero.npy
fails 3 "is no .npy file" lr/train x=text.txt
head -c 1000 data/x.npy > short.npy
fails 3 "ends after 872 of 188160 bytes of data" lr/train x=short.npy
head -c 60 data/x.npy > head.npy
fails 3 "ends in its header" lr/train x=head.npy
cat data/x.npy text.txt > long.npy
fails 3 "goes on behind its data" lr/train x=long.npy
fails 3 "lr: none.npy cannot be opened: No such file" lr/train lr=none.npy
fails 3 "5 is a number, and i32[n] is wanted" lr/train y=5
fails 3 "1.5 is no value of u64" mixed/mixed i=1.5
fails 3 "-1 is no value of u64" mixed/mixed i=-1
fails 3 "18446744073709551616 is no value of u64" mixed/mixed i=18446744073709551616
fails 3 "2 is no value of bool" mixed/mixed on=2
fails 3 "the size n is not known: give n=NUMBER" mixed/mixed on=true h=data/h.npy i=1 f=data/f.npy
fails 3 "n is a size: a whole number of at least 0" mixed/mixed n=-3
fails 3 "axis 0 has size 6, 8 expected" mixed/mixed on=true h=data/h.npy i=1 f=data/f.npy n=4
fails 2 "is not of the form NAME=VALUE" lr/train --epochs
fails 2 "--steps takes a whole number" lr/train --steps x
fails 3 "text.txt cannot be made: Not a directory" power/power x=2 -o text.txt
mkdir -p occupied/y.npy
fails 3 "y.npy: cannot be written" power/power x=2 -o occupied
[ "$(find occupied -type f)" = "" ] || fail "a program left a file where another could not be written"
lr/train --help | grep -q 'x: f32\[n, 784\]'
printf 'input x: f64[n]\ninput i: i64\noutput y = x[i]\nassert i != 1, "one"\n' > pick.bitale
"$bitale" emit-c pick.bitale -o pick --main --quiet
build pick pick pick.c pick_main.c
printf 'input k: i64\noutput x = f64([7, 8])\n' > x.bitale
"$bitale" run x.bitale k=0 -o data2 --quiet
fails 5 "pick.bitale:3: an index is out of range" pick/pick x=data2/x.npy i=2
fails 5 "pick.bitale:4: assert: one" pick/pick x=data2/x.npy i=1

# ---- what is wrong with the command ---------------------------------------------------------------------------
fails 2 "where to? -o DIR names a folder" "$bitale" emit-c power.bitale
fails 2 "which program?" "$bitale" emit-c -o x
fails 2 "--load goes with --state" "$bitale" emit-c mlp.bitale predict -o x --load trained.safetensors
fails 2 "there is no option --stat" "$bitale" emit-c mlp.bitale predict -o x --stats
fails 2 "-o takes the name of a folder" "$bitale" emit-c power.bitale -o ""
fails 3 "has no shared variables: --state has nothing to keep" "$bitale" emit-c power.bitale -o x --state
fails 3 "there is no function predit; did you mean predict?" "$bitale" emit-c mlp.bitale predit -o x
fails 3 "which function?" "$bitale" emit-c mlp.bitale -o x
fails 3 "text.txt cannot be made" "$bitale" emit-c power.bitale -o text.txt
fails 3 "text.txt cannot be made" "$bitale" emit-c power.bitale -o text.txt/inside
fails 3 "cannot be the name of a C function: it is a keyword of C or C++" "$bitale" emit-c power.bitale -o x --name while
fails 3 "a power of two from 8 to 4096" "$bitale" emit-c power.bitale -o x --align 24
printf 'input x: f32[n]\ninput k: i64\noutput y = sum(x[:k])\n' > late.bitale
fails 3 "late.bitale:3" "$bitale" emit-c late.bitale -o x
fails 3 "known at run time only" "$bitale" emit-c late.bitale -o x
printf 'input x: bf16[n]\noutput y = x\n' > bf16.bitale
fails 3 "argument x is bf16, and .npy has no bf16" "$bitale" emit-c bf16.bitale -o x --main
[ ! -e x ] || fail "a folder was made for nothing"
if [ "$(id -u)" != 0 ]; then
    mkdir closed && chmod a-w closed
    fails 3 "cannot be written to" "$bitale" emit-c power.bitale -o closed
fi
# nothing is half written, and what was there stays
mkdir -p full/power_main.c && echo old > full/power.c
fails 3 "a folder has that name" "$bitale" emit-c power.bitale -o full --main
[ "$(cat full/power.c)" = old ] && [ ! -e full/power.h ] && [ -z "$(find full -name '.bitale*')" ] || fail "half written"
rmdir full/power_main.c
"$bitale" emit-c power.bitale -o full --main --quiet
cmp full/power.c power/power.c
if [ -w /dev/full ]; then fails 3 "standard output" sh -c "'$bitale' emit-c power.bitale -o full > /dev/full"; fi

# ---- names, notes, JSON ---------------------------------------------------------------------------------------
cp power.bitale 'my-model.v2.bitale'
"$bitale" emit-c my-model.v2.bitale -o names > out.txt 2> err.txt
grep -q '^names/my_model_v2.c$' out.txt && grep -qF 'my-model.v2 is no identifier of C: the C function is named my_model_v2' err.txt
"$bitale" emit-c - -o names < power.bitale > /dev/null
[ -s names/program.c ]
"$bitale" emit-c power.bitale -o names --cblas > /dev/null 2> err.txt
grep -q "no product of matrices" err.txt
"$bitale" emit-c mlp.bitale predict -o json --json > out.txt
for words in '"name": "predict"' '"sizes": ["n"]' '"files": ["predict.c", "predict.h"]' '{"name": "x", "type": "f32[n, 784]", "c_type": "float", "shared": false, "default": false}' \
    '{"name": "class", "type": "i64[n]", "c_type": "int64_t", "shared": false}' '"codes": [{"code": 1' 'btl_times(256, n)'; do
    grep -qF -- "$words" out.txt || { cat out.txt; fail "the JSON has no $words"; }
done
"$bitale" emit-c power.bitale -o json --json | grep -q '"work": [0-9]*}$'
for f in json/predict.h names/power.h; do grep -qF 'Compile: cc -std=c99' $f; done
echo "emit_c_test: all is well"
