#!/bin/sh
# generate.sh FOLDER - writes the programs whose loops are unrolled: rnn_step, lstm_step (100 time steps) and
# many_small_graph (200). They are long and say little, so they are made where they are needed.
# SPDX-License-Identifier: BSD-3-Clause
set -eu
[ $# -eq 1 ] || { echo "generate.sh: wrong use; generate.sh FOLDER" >&2; exit 2; }
mkdir -p "$1"

# numbers FIRST LAST FORMAT: a line for each number i, in which # stands for i and < for i - 1
numbers() { awk -v first="$1" -v last="$2" -v text="$3" 'BEGIN { for (i = first; i <= last; i++) { line = text; gsub(/#/, i, line); gsub(/</, i - 1, line); print line } }'; }
# list FIRST LAST NAME: NAME1, NAME2, …
list() { awk -v first="$1" -v last="$2" -v name="$3" 'BEGIN { for (i = first; i <= last; i++) printf "%s%s%d", (i > first ? ", " : ""), name, i }'; }

write() { cat > "$1.part" && mv "$1.part" "$1"; }

{ cat <<'TEXT'
# A recurrent network of 128 tanh units over 100 time steps, mean squared error of a linear output at each, and its gradient.
input x: f32[100, 32, 128]
input y: f32[100, 32, 10]
input Wx: f32[128, 128]
input Wh: f32[128, 128]
input b: f32[128]
input Wo: f32[128, 10]
input bo: f32[10]
z = x @ Wx + b
h0 = zeros([32, 128], dtype=f32)
TEXT
numbers 1 100 'h# = tanh(z[<] + h< @ Wh)'
echo "e = stack([$(list 1 100 h)]) @ Wo + bo - y"
cat <<'TEXT'
output cost = mean(e * e)
gWx, gWh, gb, gWo, gbo = grad(cost, [Wx, Wh, b, Wo, bo])
output gWx, gWh, gb, gWo, gbo
TEXT
} | write "$1/rnn_step.bitale"

{ cat <<'TEXT'
# An LSTM of 128 units that reads 100 words and tells two classes apart, one step of gradient descent.
input x: i64[100, 16]
input y: i64[16]
input E: f32[1000, 128]
input W: f32[128, 512]
input U: f32[128, 512]
input b: f32[512]
input V: f32[128, 2]
input c: f32[2]
z = E[x] @ W + b
h0 = zeros([16, 128], dtype=f32)
s0 = zeros([16, 128], dtype=f32)
fn step(a, s):
    carried = sigmoid(a[:, 128:256]) * s + sigmoid(a[:, :128]) * tanh(a[:, 256:384])
    return sigmoid(a[:, 384:]) * tanh(carried), carried
TEXT
numbers 1 100 'h#, s# = step(z[<] + h< @ U, s<)'
echo "m = mean(stack([$(list 1 100 h)]), axis=0)"
cat <<'TEXT'
output cost = -mean(log_softmax(m @ V + c, axis=1)[arange(16), y])
gE, gW, gU, gb, gV, gc = grad(cost, [E, W, U, b, V, c])
output E_new = E - 0.5 * gE, W_new = W - 0.5 * gW, U_new = U - 0.5 * gU, b_new = b - 0.5 * gb, V_new = V - 0.5 * gV, c_new = c - 0.5 * gc
TEXT
} | write "$1/lstm_step.bitale"

{ cat <<'TEXT'
# 200 Euler steps of x' = tanh(W x + b) - x, |x|^2 at the end, and its gradient.
input x0: f64[10]
input W: f64[10, 10]
input b: f64[10]
fn step(x) = x + 0.02 * (tanh(W @ x + b) - x)
TEXT
numbers 1 200 'x# = step(x<)'
cat <<'TEXT'
output cost = sum(x200 * x200)
gx0, gW, gb = grad(cost, [x0, W, b])
output gx0, gW, gb
TEXT
} | write "$1/many_small_graph.bitale"
