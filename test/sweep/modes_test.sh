#!/bin/sh
# modes_test.sh - `check --modes` holds over the examples and the workloads: every bit, or what the rules that fired promise; and debug
# finds nothing in the small ones. Ordinarily a part of the workloads, all of them with BTL_FULL=1 (make sweep).
# SPDX-License-Identifier: BSD-3-Clause
set -eu
work=$(mktemp -d "$PWD/modes-XXXXXX")
trap 'rm -rf "$work"' EXIT
bitale=$BTL_PROGRAM
unset BITALE_MODE
sh "$BTL_SOURCE_DIR/bench/workloads/generate.sh" "$work/w"
workloads=$BTL_SOURCE_DIR/bench/workloads
small="axpy_chain blackscholes_f32 blackscholes_f64 dispatch_0d dispatch_10 jacobian_small logreg_step_f32 logreg_step_f64"
if [ "${BTL_FULL:-}" = 1 ]; then
    "$bitale" check --quiet --modes c_code,fast_run,fast_compile "$workloads"/*.bitale "$work"/w/*.bitale
    small="$small mlp_step reductions gp_logpdf"
else
    for name in $small gp_logpdf mlp_step reduce_sum0; do set -- "$@" "$workloads/$name.bitale"; done
    "$bitale" check --quiet --modes c_code,fast_run,fast_compile "$@" "$work/w/many_small_graph.bitale"
fi
"$bitale" check --quiet --modes c_code,fast_run,fast_compile,debug "$BTL_SOURCE_DIR/examples/logreg.bitale" "$BTL_SOURCE_DIR/examples/mlp.bitale"
"$bitale" check --quiet --modes c_code,fast_run,fast_compile --size t=500 "$BTL_SOURCE_DIR/examples/charlm/charlm.bitale"
for name in $small; do "$bitale" check --quiet --mode c_code --modes fast_run,debug "$workloads/$name.bitale"; done

# 1 + erf(x) loses its digits, erfc(-x) has them: judged by higher precision, and by it a rule that is wrong there is found out
for n in 16 64 1000; do "$bitale" check --quiet --modes c_code,fast_run,fast_compile "$workloads/blackscholes_f32.bitale" n=$n; done
printf 'rule fine: 1 + erf(?x) => erfc(-?x) when float\n    class: ulp 2\n' > "$work/fine.rules"
printf 'rule wrong: 1 + erf(?x) => 1.000005 + erf(?x) when float\n    class: ulp 2\n' > "$work/wrong.rules"
"$bitale" check --quiet --modes c_code,fast_run "$workloads/blackscholes_f32.bitale" n=1000 --rules "$work/fine.rules"
code=0
"$bitale" check --modes c_code,fast_run "$workloads/blackscholes_f32.bitale" n=1000 --rules "$work/wrong.rules" > "$work/out" 2>&1 || code=$?
[ "$code" = 1 ] && grep -q "values are wrong in fast_run; the worst .* in higher precision" "$work/out" || { cat "$work/out"; echo "FAIL: exit code $code, 1 expected" >&2; exit 1; }

cat > "$work/p.bitale" <<'P'
input x: f64[3]
output y = (x + 1e16) - 1e16 + random.uniform(random.key(3), [3])
P
"$bitale" check --modes c_code,fast_run "$work/p.bitale" > "$work/out"
grep -q "ok main: y in fast_run and c_code" "$work/out"

# several programs: one object each, the worst exit code
printf 'output 1 +\n' > "$work/bad.bitale"
code=0
"$bitale" check --json --modes c_code,fast_compile "$work/p.bitale" "$work/bad.bitale" > "$work/out" 2> "$work/err" || code=$?
[ "$code" = 3 ] || { echo "FAIL: exit code $code, 3 expected" >&2; exit 1; }
grep -q '^\[{"program"' "$work/out"
grep -q '"ok": true}' "$work/out" && grep -q '"ok": false}\]' "$work/out"
