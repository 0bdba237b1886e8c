#!/bin/sh
# layers_test.sh - the tree keeps to docs/LAYERS, and tools/check_layers.sh sees each kind of breach.
# SPDX-License-Identifier: BSD-3-Clause
set -eu
check=$BTL_SOURCE_DIR/tools/check_layers.sh
sh "$check"

work=$(mktemp -d "$PWD/layers-XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/src/base" "$work/src/expr" "$work/cmd" "$work/docs"
cp "$BTL_SOURCE_DIR/docs/LAYERS" "$work/docs/LAYERS"
cd "$work"
echo '#include "bitale/base.h"' > src/base/arena.h
echo '#include "base/arena.h"' > src/expr/node.h
echo '#include <bitale/base.h>' > cmd/main.c
sh "$check" . > /dev/null # as it should be

# breach FILE TEXT EXPECTED: with TEXT added to FILE the check fails and says EXPECTED.
breach() {
    cp -r "$work" "$work.breach"
    printf '%s\n' "$2" >> "$work.breach/$1"
    if sh "$check" "$work.breach" > "$work.breach/said"; then
        echo "not seen in $1: $2" >&2
        exit 1
    fi
    grep -q "$3" "$work.breach/said" || { cat "$work.breach/said"; echo "expected: $3"; exit 1; }
    rm -rf "$work.breach"
}
trap 'rm -rf "$work" "$work.breach"' EXIT
breach src/base/arena.h '#include "expr/node.h"' 'base includes "expr/node.h"'
breach src/base/arena.h '#  include <expr/node.h>' 'base includes "expr/node.h"'
breach src/expr/node.h '#include "../base/arena.h"' 'never with dots'
breach src/expr/node.h '#include "arena.h"' 'no such file beside it'
breach src/expr/node.h '#include "nowhere/arena.h"' 'no folder src/nowhere'
breach src/expr/arena.h '' 'the name is taken by src/base/arena.h'
breach src/expr/node.c 'void f(void) { char *p = malloc (3); }' 'src/expr/node.c:1: calls malloc()'
breach cmd/main.c '#include "base/arena.h"' 'public headers'

# What only looks like a breach.
cat >> src/expr/node.h <<'END'
/* malloc(3) in a comment,
 * free(p) in its second line */ // free(x)
static const char *text = "malloc(1) \" free(2)"; void btl_free(void *p); int f(T *t) { return t->free(1); }
END
echo 'void f(void *p) { free(p); }' > src/base/memory.c
sh "$check" . > /dev/null
