#!/bin/sh
# standalone_cross_test.sh - functions written as C for other machines: aarch64, whose program must write the very bytes that this
# machine's does (qemu-user runs it), and Cortex-M, for which they must compile without a warning and need nothing but libc, libm
# and the compiler's own library; where an emulator of a board is there, a Cortex-M4 must give the same bits, too.
#
# Cross compilers are Debian's; what is not installed is left out, and said so. SPDX-License-Identifier: BSD-3-Clause
set -eu
[ -z "${BTL_SANITIZE:-}" ] || { echo "standalone_cross_test: the texts are those of the other builds"; exit 77; }
work=$(mktemp -d "$PWD/cross-XXXXXX")
trap 'rm -rf "$work"' EXIT
bitale=$BTL_PROGRAM
export BITALE_BLAS=none BITALE_MODE=fast_run,linker=strips
cd "$work"
tried=0
left_out=
fail() { echo "standalone_cross_test: $*" >&2; exit 1; }
have() { command -v "$1" > /dev/null 2>&1 || { left_out="$left_out $1"; return 1; }; }

# ---- programs -------------------------------------------------------------------------------------------
cp "$BTL_SOURCE_DIR/examples/logreg.bitale" "$BTL_SOURCE_DIR/examples/mlp.bitale" .
cat > maths.bitale <<'END'
# elementary functions, reductions, half floats, integers that wrap, indices, products that a compiler would like to contract
input x: f32[n]
input y: f64[n]
input h: f16[n]
input i: i32[n]
a = exp(x) + tanh(x) * sigmoid(x) - erf(x)
b = log1p(abs(y)) + sqrt(abs(y)) * sin(y) - cos(y) * arctan(y)
c = h * h + h
d = i * i * i - i // 7 + i % 5
e = x[:, newaxis] * x[newaxis, :] + f32(y)
output a, b, c, d, s = sum(a), t = sum(b), m = max(a * b), p = sum(e, axis=0), q = e @ e.T, r = d[::-1], v = e @ x, w = softmax(e)[:, 0]
END
cat > data.bitale <<'END'
input k: i64
u = random.normal(random.key(3), shape=[701], dtype=f64)
output x = f32(u) * 3, y = u * u * u * 50, h = f16(u * 9), i = i32(u * 1e9), images = random.uniform(random.key(1), shape=[40, 784], dtype=f32), labels = i32(10 * random.uniform(random.key(2), shape=[40], dtype=f32))
END
"$bitale" run data.bitale k=0 -o data --quiet
"$bitale" emit-c maths.bitale -o c --main --quiet
for name in train evaluate; do "$bitale" emit-c mlp.bitale $name -o c --main --state --quiet; done
"$bitale" emit-c logreg.bitale predict -o c --main --state --quiet

# `programs COMPILER FLAGS…`: the programs, in this machine's or another's code.
programs() {
    "$@" maths.c maths_main.c -lm -o maths
    for name in train evaluate; do "$@" $name.c ${name}_main.c mlp_state.c -lm -o $name; done
    "$@" predict.c predict_main.c logreg_state.c -lm -o predict
}
# `results DIR RUNNER…`: what they give.
results() {
    dir=$1
    shift
    "$@" ./maths x=../data/x.npy y=../data/y.npy h=../data/h.npy i=../data/i.npy -o "$dir" > /dev/null
    "$@" ./train x=../data/images.npy y=../data/labels.npy --steps 5 -o "$dir" > /dev/null
    "$@" ./evaluate x=../data/images.npy y=../data/labels.npy -o "$dir/evaluate" > /dev/null
    "$@" ./predict x=../data/images.npy -o "$dir" > /dev/null
}
strict="-std=c99 -Wall -Wextra -pedantic -Werror"
cd c
# shellcheck disable=SC2086
programs "${CC:-cc}" $strict -O2
results ../here
cd ..
"$bitale" run maths.bitale x=data/x.npy y=data/y.npy h=data/h.npy i=data/i.npy -o library --quiet
for file in library/*.npy; do cmp "$file" "here/${file#library/}"; done

# ---- aarch64 ----------------------------------------------------------------------------------------------
if have aarch64-linux-gnu-gcc && have qemu-aarch64; then
    # by the standard and as GNU C, which would contract; with vector units and without
    for flags in "-std=c99 -O1" "-O2" "-std=c99 -O2 -fopenmp-simd -DBTL_OPENMP_SIMD -fno-math-errno -fno-trapping-math"; do
        rm -rf there
        cd c
        # shellcheck disable=SC2086
        programs aarch64-linux-gnu-gcc $flags -Wall -Wextra -pedantic -Werror -static
        results ../there qemu-aarch64
        cd ..
        (cd here && find . -name '*.npy') | while read -r file; do cmp "here/$file" "there/$file" || exit 1; done || fail "aarch64 ($flags) gives other bits"
        tried=$((tried + 1))
    done
fi
if command -v clang > /dev/null 2>&1; then # without its headers: what the text includes is what a compiler brings, and <string.h>
    mkdir -p none
    printf '#include <stddef.h>\nvoid *memcpy(void *, const void *, size_t);\nvoid *memset(void *, int, size_t);\n' > none/string.h
    for target in aarch64-none-elf "thumbv7em-none-eabihf -mcpu=cortex-m4" "thumbv8m.main-none-eabi -mcpu=cortex-m33 -mfloat-abi=soft" "riscv32-none-elf -march=rv32imafc" "armv7-none-eabi"; do
        for name in maths train; do
            # shellcheck disable=SC2086
            clang --target=$target $strict -Os -ffreestanding -nostdlibinc -isystem none -c c/$name.c -o m.o
        done
        tried=$((tried + 1))
    done
fi

# ---- Cortex-M ---------------------------------------------------------------------------------------------
cat > small.bitale <<'END'
# sizes as a small machine has them: all fixed
shared w: f32[8, 16] = random.normal(random.key(1), shape=[8, 16])
shared b: f32[16] = 0.1
input x: f32[4, 8]
output y = softmax(tanh(x @ w + b)), s = sum(exp(x) * log1p(abs(x))), best = argmax(x @ w, axis=1), d = sum(f64(x) / 3)
END
"$bitale" emit-c small.bitale -o m --state --align 8 --quiet
cat > m/use.c <<'END'
#include "small.h"
#include <stdio.h>
#include <string.h>
static unsigned char work[SMALL_WORK];
static float x[32], y[64], s;
static int64_t best[4];
static double d;
static void print(const void *data, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) printf("%02x", ((const unsigned char *)data)[i]);
    printf("\n");
}
int main(void) {
    const void *in[] = { x };
    void *out[] = { y, &s, best, &d };
    for (int i = 0; i < 32; i++) x[i] = (float)(i - 16) * 0.37f;
    printf("%d\n", small(&small_first, in, out, work));
    print(y, sizeof y), print(&s, sizeof s), print(best, sizeof best), print(&d, sizeof d);
    return 0;
}
END
# shellcheck disable=SC2086
(cd m && "${CC:-cc}" $strict -O2 small.c small_state.c use.c -lm -o use && ./use > here.txt)
[ "$(head -1 m/here.txt)" = 0 ] || fail "the small program failed"
if have arm-none-eabi-gcc; then
    for cpu in "-mcpu=cortex-m0" "-mcpu=cortex-m3" "-mcpu=cortex-m4 -mfloat-abi=hard -mfpu=fpv4-sp-d16" "-mcpu=cortex-m7 -mfloat-abi=hard -mfpu=fpv5-d16" "-mcpu=cortex-m33 -mfloat-abi=hard -mfpu=fpv5-sp-d16"; do
        include=
        echo '#include <string.h>' | arm-none-eabi-gcc -E - > /dev/null 2>&1 || include="-ffreestanding -isystem none"
        for file in m/small.c m/small_state.c c/maths.c c/train.c c/mlp_state.c; do
            # shellcheck disable=SC2086
            arm-none-eabi-gcc -mthumb $cpu $strict -Os $include -c $file -o m.o
            # of the compiler's library (__aeabi_…), of libc memcpy and memset, of libm fma, fmaf, floor and their like
            arm-none-eabi-nm -u m.o | awk '{ print $2 }' | grep -vE '^(__aeabi_.*|__.*di[0-9]|mem(cpy|set|move)|(fma|floor|ceil|trunc|rint|sqrt|roundeven|nearbyint)f?|mlp_.*|small_.*)$' > needs.txt || true
            [ ! -s needs.txt ] || { cat needs.txt; fail "$file needs more than libc and libm"; }
        done
        tried=$((tried + 1))
    done
    if have qemu-system-arm && [ -f "$(arm-none-eabi-gcc -print-file-name=rdimon.specs)" ]; then
        cat > m/start.c <<'END'
extern void _start(void);
static void reset(void) {
    *(volatile unsigned *)0xe000ed88 |= 0xfu << 20; /* the floating-point unit on */
    __asm__ volatile("dsb\n isb");
    _start();
}
__attribute__((section(".vectors"), used)) static const void *const vectors[] = { (void *)0x20080000, (void *)reset };
END
        cd m
        arm-none-eabi-gcc -mthumb -mcpu=cortex-m4 -mfloat-abi=hard -mfpu=fpv4-sp-d16 -std=c99 -Os --specs=rdimon.specs small.c small_state.c use.c start.c \
            -Wl,--section-start=.vectors=0 -lm -o use.elf
        qemu-system-arm -M mps2-an386 -display none -semihosting-config enable=on,target=native -kernel use.elf > there.txt
        cmp here.txt there.txt || fail "a Cortex-M4 gives other bits"
        cd ..
        tried=$((tried + 1))
    fi
fi
[ -z "$left_out" ] || echo "standalone_cross_test: not installed:$left_out"
[ "$tried" -gt 0 ] || { echo "standalone_cross_test: no cross compiler: nothing was tried"; exit 77; }
echo "standalone_cross_test: $tried targets and ways"
