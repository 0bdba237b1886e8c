/* families.h - planning problems of known make: training graphs with their backward pass and optimiser, irregular
 * graphs, random ones. Everything is made by rule from sizes and a seed, so that figures can be repeated anywhere.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_TEST_FAMILIES_H
#define BTL_TEST_FAMILIES_H

#include "schedule/liveness.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { FAMILY_MOST_IN = 64 };

/* A problem that grows, and its tape: how each value follows from others, for the backward pass. */
typedef struct family_tape {
    int out, nin, in[FAMILY_MOST_IN];
    uint64_t keeps_in; /* the derivative reads these inputs */
    bool keeps_out;    /* … and the result */
} family_tape;

typedef struct family {
    btl_schedule p;
    btl_schedule_value *values;
    btl_schedule_step *ops;
    int nvalues, nops, values_capacity, ops_capacity;
    family_tape *tape;
    int ntape, tape_capacity;
    int *params, nparams, params_capacity;
} family;

#define FAMILY_PUSH(array, n, capacity) \
    ((n) == (capacity) ? (void)((capacity) = (capacity) ? 2 * (capacity) : 64, (array) = realloc((array), (size_t)(capacity) * sizeof *(array))) : (void)0, &(array)[(n)++])

static inline int family_leaf(family *f, int64_t bytes) {
    *FAMILY_PUSH(f->values, f->nvalues, f->values_capacity) = (btl_schedule_value){ .bytes = bytes, .into = -1 };
    return f->nvalues - 1;
}

static inline int family_param(family *f, int64_t bytes) {
    int v = family_leaf(f, bytes);
    *FAMILY_PUSH(f->params, f->nparams, f->params_capacity) = v;
    return v;
}

/* An op with one result; of `shares` (an input, or -1) it is a view, or is written over it. */
static inline int family_op(family *f, const char *name, int64_t bytes, int nin, const int *in, int shares, bool overwrites) {
    int out = family_leaf(f, bytes);
    int *rows = malloc((size_t)(nin + 1) * sizeof *rows);
    if (nin) memcpy(rows, in, (size_t)nin * sizeof *in);
    rows[nin] = out;
    if (overwrites) f->values[out].into = shares;
    for (int k = 0; k < nin && shares >= 0 && !overwrites; k++)
        if (rows[k] == shares) f->values[out].nviews = 1, f->values[out].views = rows + k;
    *FAMILY_PUSH(f->ops, f->nops, f->ops_capacity) = (btl_schedule_step){ .name = name, .nin = nin, .nout = 1, .in = rows, .out = rows + nin };
    return out;
}

static inline void family_output(family *f, int v) { f->values[v].is_output = true; }

/* The same, on the tape. */
static inline int family_apply(family *f, const char *name, int64_t bytes, int nin, const int *in, uint64_t keeps_in, bool keeps_out) {
    int out = family_op(f, name, bytes, nin, in, -1, false);
    family_tape *t = FAMILY_PUSH(f->tape, f->ntape, f->tape_capacity);
    *t = (family_tape){ .out = out, .nin = nin, .keeps_in = keeps_in, .keeps_out = keeps_out };
    assert(nin <= FAMILY_MOST_IN);
    memcpy(t->in, in, (size_t)nin * sizeof *in);
    return out;
}

#define FAMILY_IN(...) (int)(sizeof((int[]){ __VA_ARGS__ }) / sizeof(int)), (const int[]){ __VA_ARGS__ }

static inline int family_matmul(family *f, int64_t bytes, int x, int w) { return family_apply(f, "matmul", bytes, FAMILY_IN(x, w), 3, false); }
static inline int family_add(family *f, int64_t bytes, int x, int y) { return family_apply(f, "add", bytes, FAMILY_IN(x, y), 0, false); }
static inline int family_mul(family *f, int64_t bytes, int x, int y) { return family_apply(f, "mul", bytes, FAMILY_IN(x, y), 3, false); }
static inline int family_tanh(family *f, int64_t bytes, int x) { return family_apply(f, "tanh", bytes, FAMILY_IN(x), 0, true); }

/* dx of every taped op, backward from the loss; sums are written over their first term. Then each parameter's update, all
 * at the end as a person writes them: with momentum, or Adam's two means and a step of its own. Everything with a derivative. */
static inline void family_train(family *f, int loss, int adam) {
    int n = f->nvalues;
    int *grad = malloc((size_t)n * sizeof *grad);
    bool *needs = calloc((size_t)n, sizeof *needs);
    for (int i = 0; i < n; i++) grad[i] = -1;
    for (int i = 0; i < f->nparams; i++) needs[f->params[i]] = true;
    for (int i = 0; i < f->ntape; i++)
        for (int k = 0; k < f->tape[i].nin; k++) needs[f->tape[i].out] |= needs[f->tape[i].in[k]];
    grad[loss] = family_op(f, "one", f->values[loss].bytes, 0, NULL, -1, false);
    for (int i = f->ntape - 1; i >= 0; i--) {
        family_tape t = f->tape[i];
        if (grad[t.out] < 0) continue;
        for (int k = 0; k < t.nin; k++) {
            if (!needs[t.in[k]]) continue;
            int in[FAMILY_MOST_IN + 2], nin = 0;
            in[nin++] = grad[t.out];
            for (int j = 0; j < t.nin; j++)
                if ((t.keeps_in >> j & 1) && (t.nin == 1 || j != k)) in[nin++] = t.in[j];
            if (t.keeps_out) in[nin++] = t.out;
            int dx = family_op(f, "derivative", f->values[t.in[k]].bytes, nin, in, -1, false);
            grad[t.in[k]] = grad[t.in[k]] < 0 ? dx : family_op(f, "sum", f->values[dx].bytes, FAMILY_IN(grad[t.in[k]], dx), grad[t.in[k]], true);
        }
    }
    for (int i = 0; i < f->nparams; i++) {
        int w = f->params[i], g = grad[w];
        if (g < 0) continue;
        int64_t bytes = f->values[w].bytes;
        int m = family_leaf(f, bytes), m1 = family_op(f, "momentum", bytes, FAMILY_IN(m, g), m, true), step = m1;
        if (adam) {
            int v = family_leaf(f, bytes), v1 = family_op(f, "second moment", bytes, FAMILY_IN(v, g), v, true);
            step = family_op(f, "step", bytes, FAMILY_IN(m1, v1), -1, false);
            f->values[v1].is_output = true;
        }
        int w1 = family_op(f, "update", bytes, FAMILY_IN(w, step), w, true);
        f->values[m1].is_output = f->values[w1].is_output = true;
    }
    f->values[loss].is_output = true;
    free(grad);
    free(needs);
}

static inline const btl_schedule *family_problem(family *f) {
    f->p = (btl_schedule){ .nvalues = f->nvalues, .nsteps = f->nops, .values = f->values, .steps = f->ops };
    return &f->p;
}

static inline void family_free(family *f) {
    for (int i = 0; i < f->nops; i++) free((void *)(uintptr_t)f->ops[i].in);
    free(f->ops);
    free(f->values);
    free(f->tape);
    free(f->params);
}

/* ---- training graphs ------------------------------------------------------------------------ */

enum { FAMILY_F32 = 4 };

/* h = tanh(x W + h U + b) over `steps` steps, a loss at each. */
static inline void family_rnn(family *f, int steps, int batch, int in, int hidden) {
    int64_t h = (int64_t)FAMILY_F32 * batch * hidden, loss = -1;
    int w = family_param(f, (int64_t)FAMILY_F32 * in * hidden), u = family_param(f, (int64_t)FAMILY_F32 * hidden * hidden), b = family_param(f, (int64_t)FAMILY_F32 * hidden);
    int o = family_param(f, (int64_t)FAMILY_F32 * hidden * in), at = family_leaf(f, h);
    for (int t = 0; t < steps; t++) {
        int x = family_leaf(f, (int64_t)FAMILY_F32 * batch * in);
        int s = family_apply(f, "add", h, FAMILY_IN(family_matmul(f, h, x, w), family_matmul(f, h, at, u), b), 0, false);
        at = family_tanh(f, h, s);
        int y = family_matmul(f, (int64_t)FAMILY_F32 * batch * in, at, o);
        int e = family_apply(f, "error", FAMILY_F32, FAMILY_IN(y, x), 3, false);
        loss = loss < 0 ? e : family_add(f, FAMILY_F32, (int)loss, e);
    }
    family_train(f, (int)loss, 0);
}

static inline int family_gate(family *f, int64_t h, int x, int at, const int *w) {
    int s = family_apply(f, "add", h, FAMILY_IN(family_matmul(f, h, x, w[0]), family_matmul(f, h, at, w[1]), w[2]), 0, false);
    return family_apply(f, "sigmoid", h, FAMILY_IN(s), 0, true);
}

static inline void family_lstm_params(family *f, int in, int hidden, int ngates, int (*w)[3]) {
    for (int g = 0; g < ngates; g++) {
        w[g][0] = family_param(f, (int64_t)FAMILY_F32 * in * hidden);
        w[g][1] = family_param(f, (int64_t)FAMILY_F32 * hidden * hidden);
        w[g][2] = family_param(f, (int64_t)FAMILY_F32 * hidden);
    }
}

static inline void family_lstm(family *f, int steps, int batch, int in, int hidden) {
    int64_t h = (int64_t)FAMILY_F32 * batch * hidden;
    int w[4][3], at = family_leaf(f, h), cell = family_leaf(f, h);
    family_lstm_params(f, in, hidden, 4, w);
    for (int t = 0; t < steps; t++) {
        int x = family_leaf(f, (int64_t)FAMILY_F32 * batch * in), gate[4];
        for (int g = 0; g < 4; g++) gate[g] = family_gate(f, h, x, at, w[g]);
        cell = family_add(f, h, family_mul(f, h, gate[0], cell), family_mul(f, h, gate[1], gate[2]));
        at = family_mul(f, h, gate[3], family_tanh(f, h, cell));
    }
    family_train(f, family_apply(f, "loss", FAMILY_F32, FAMILY_IN(at), 1, false), 1);
}

static inline uint64_t family_random(uint64_t *state) { /* splitmix64 */
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* A binary tree of `leaves` words, two random neighbours joined at each step; one cell each. */
static inline void family_tree_lstm(family *f, int leaves, int batch, int hidden, uint64_t seed) {
    int64_t h = (int64_t)FAMILY_F32 * batch * hidden;
    int w[4][3], n = leaves, *hs = malloc((size_t)leaves * sizeof *hs), *cs = malloc((size_t)leaves * sizeof *cs), e = family_param(f, (int64_t)FAMILY_F32 * hidden * hidden);
    family_lstm_params(f, hidden, hidden, 4, w);
    for (int i = 0; i < n; i++) {
        cs[i] = family_matmul(f, h, family_leaf(f, h), e);
        hs[i] = family_tanh(f, h, cs[i]);
    }
    while (n > 1) {
        int i = (int)(family_random(&seed) % (uint64_t)(n - 1)), gate[4];
        for (int g = 0; g < 4; g++) gate[g] = family_gate(f, h, hs[i], hs[i + 1], w[g]);
        int both = family_add(f, h, family_mul(f, h, gate[0], cs[i]), family_mul(f, h, gate[1], cs[i + 1]));
        cs[i] = family_add(f, h, both, gate[2]);
        hs[i] = family_mul(f, h, gate[3], family_tanh(f, h, cs[i]));
        n--;
        memmove(hs + i + 1, hs + i + 2, (size_t)(n - i - 1) * sizeof *hs);
        memmove(cs + i + 1, cs + i + 2, (size_t)(n - i - 1) * sizeof *cs);
    }
    family_train(f, family_apply(f, "loss", FAMILY_F32, FAMILY_IN(hs[0]), 1, false), 0);
    free(hs);
    free(cs);
}

/* Convolution, bias and ReLU: channels^2 * 9 weights; the ReLU's derivative reads its result. */
static inline int family_conv(family *f, int x, int from, int to, int64_t pixels) {
    int w = family_param(f, (int64_t)FAMILY_F32 * 9 * from * to), b = family_param(f, (int64_t)FAMILY_F32 * to);
    int y = family_matmul(f, FAMILY_F32 * pixels * to, x, w);
    y = family_add(f, FAMILY_F32 * pixels * to, y, b);
    return family_apply(f, "relu", FAMILY_F32 * pixels * to, FAMILY_IN(y), 0, true);
}

static inline void family_unet(family *f, int levels, int convs, int channels, int64_t pixels) {
    int skip[16], c = channels, x = family_leaf(f, FAMILY_F32 * pixels * 3), from = 3;
    for (int i = 0; i < levels; i++) {
        for (int k = 0; k < convs; k++) x = family_conv(f, x, from, c, pixels), from = c;
        skip[i] = x;
        pixels /= 4;
        x = family_apply(f, "pool", FAMILY_F32 * pixels * c, FAMILY_IN(x), 1, false);
        c *= 2;
    }
    for (int k = 0; k < convs; k++) x = family_conv(f, x, from, c, pixels), from = c;
    for (int i = levels - 1; i >= 0; i--) {
        c /= 2;
        pixels *= 4;
        x = family_apply(f, "upsample", FAMILY_F32 * pixels * from, FAMILY_IN(x), 0, false);
        x = family_apply(f, "concatenate", FAMILY_F32 * pixels * (from + c), FAMILY_IN(x, skip[i]), 0, false);
        from += c;
        for (int k = 0; k < convs; k++) x = family_conv(f, x, from, c, pixels), from = c;
    }
    family_train(f, family_apply(f, "loss", FAMILY_F32, FAMILY_IN(x), 1, false), 1);
}

static inline void family_densenet(family *f, int blocks, int layers, int growth, int64_t pixels) {
    int c = 2 * growth, x = family_conv(f, family_leaf(f, FAMILY_F32 * pixels * 3), 3, c, pixels);
    for (int b = 0; b < blocks; b++) {
        int all[FAMILY_MOST_IN], n = 0;
        all[n++] = x;
        for (int k = 0; k < layers; k++) {
            int y = n == 1 ? x : family_apply(f, "concatenate", FAMILY_F32 * pixels * c, n, all, 0, false);
            all[n++] = family_conv(f, y, c, growth, pixels);
            c += growth;
        }
        x = family_apply(f, "concatenate", FAMILY_F32 * pixels * c, n, all, 0, false);
        c /= 2;
        x = family_conv(f, x, 2 * c, c, pixels);
        pixels /= 4;
        x = family_apply(f, "pool", FAMILY_F32 * pixels * c, FAMILY_IN(x), 0, false);
    }
    family_train(f, family_apply(f, "loss", FAMILY_F32, FAMILY_IN(x), 1, false), 0);
}

static inline int family_norm(family *f, int64_t bytes, int x, int width) {
    int scale = family_param(f, (int64_t)FAMILY_F32 * width), shift = family_param(f, (int64_t)FAMILY_F32 * width);
    int y = family_apply(f, "normalise", bytes, FAMILY_IN(x), 1, false);
    return family_add(f, bytes, family_mul(f, bytes, y, scale), shift);
}

static inline int family_linear(family *f, int64_t rows, int x, int from, int to) {
    int w = family_param(f, (int64_t)FAMILY_F32 * from * to), b = family_param(f, (int64_t)FAMILY_F32 * to);
    return family_add(f, FAMILY_F32 * rows * to, family_matmul(f, FAMILY_F32 * rows * to, x, w), b);
}

static inline void family_transformer(family *f, int layers, int batch, int length, int width, int heads) {
    int64_t rows = (int64_t)batch * length, bytes = FAMILY_F32 * rows * width, scores = (int64_t)FAMILY_F32 * batch * heads * length * length;
    int x = family_matmul(f, bytes, family_leaf(f, FAMILY_F32 * rows), family_param(f, (int64_t)FAMILY_F32 * 1000 * width));
    for (int i = 0; i < layers; i++) {
        int y = family_norm(f, bytes, x, width);
        int q = family_linear(f, rows, y, width, width), k = family_linear(f, rows, y, width, width), v = family_linear(f, rows, y, width, width);
        int s = family_apply(f, "softmax", scores, FAMILY_IN(family_matmul(f, scores, q, k)), 0, true);
        y = family_linear(f, rows, family_matmul(f, bytes, s, v), width, width);
        x = family_add(f, bytes, x, y);
        y = family_linear(f, rows, family_norm(f, bytes, x, width), width, 4 * width);
        y = family_apply(f, "gelu", 4 * bytes, FAMILY_IN(y), 1, false);
        x = family_add(f, bytes, x, family_linear(f, rows, y, 4 * width, width));
    }
    x = family_linear(f, rows, family_norm(f, bytes, x, width), width, 1000);
    family_train(f, family_apply(f, "loss", FAMILY_F32, FAMILY_IN(x), 1, false), 1);
}

/* The goldens mlp2 and mlp4 with any number of layers: 13 + 10 ops for each. Views of the weights taken first, in-place
 * activations and updates, a fused softmax with two results that nobody reads. */
static inline void family_mlp_in_place(family *f, int layers) {
    int w[32], b[32], seen_w[32], seen_b[32], act[33], seen_act[33];
    int labels = family_leaf(f, 1), c = family_leaf(f, 1), x = family_leaf(f, 32768), out_w = family_leaf(f, 2560), out_b = family_leaf(f, 40);
    for (int i = 0; i < layers; i++) w[i] = family_leaf(f, 16384), b[i] = family_leaf(f, 256);
    int n0 = family_op(f, "size", 8, FAMILY_IN(labels), -1, false), seen_out = family_op(f, "view", 2560, FAMILY_IN(out_w), out_w, false);
    for (int i = layers - 1; i >= 0; i--) {
        seen_b[i] = family_op(f, "view", 256, FAMILY_IN(b[i]), b[i], false);
        if (i) seen_w[i] = family_op(f, "view", 16384, FAMILY_IN(w[i]), w[i], false);
    }
    int count = family_op(f, "count", 4, FAMILY_IN(n0), -1, false), seen_count = family_op(f, "view", 4, FAMILY_IN(count), count, false);
    act[0] = x;
    for (int i = 0; i < layers; i++) {
        seen_act[i] = family_op(f, "view", 32768, FAMILY_IN(act[i]), act[i], false);
        int y = family_op(f, "dot", 32768, FAMILY_IN(act[i], w[i]), -1, false);
        act[i + 1] = family_op(f, "tanh", 32768, FAMILY_IN(y, seen_b[i]), y, true);
    }
    seen_act[layers] = family_op(f, "view", 32768, FAMILY_IN(act[layers]), act[layers], false);
    int y = family_op(f, "dot", 5120, FAMILY_IN(act[layers], out_w), -1, false);
    int loss = family_op(f, "softmax", 512, FAMILY_IN(y, out_b, labels), -1, false), softmax = family_leaf(f, 5120);
    family_leaf(f, 512);
    btl_schedule_step *op = &f->ops[f->nops - 1]; /* three results: loss, softmax, argmax */
    int *rows = malloc(6 * sizeof *rows);
    memcpy(rows, op->in, 3 * sizeof *rows);
    for (int k = 0; k < 3; k++) rows[3 + k] = loss + k;
    free((void *)(uintptr_t)op->in);
    op->in = rows, op->out = rows + 3, op->nout = 3;
    int sum = family_op(f, "sum", 4, FAMILY_IN(loss), -1, false), mean = family_op(f, "mean", 4, FAMILY_IN(sum, count), sum, true);
    f->values[mean].is_output = true;
    int scale = family_op(f, "scale", 4, FAMILY_IN(seen_count), seen_count, true), dy = family_op(f, "d softmax", 5120, FAMILY_IN(scale, softmax, labels), -1, false);
    int db = family_op(f, "d bias", 40, FAMILY_IN(dy), -1, false), dx = family_op(f, "d dot", 32768, FAMILY_IN(dy, seen_out), -1, false);
    family_output(f, family_op(f, "update", 2560, FAMILY_IN(out_w, c, seen_act[layers], dy), out_w, true));
    family_output(f, family_op(f, "update", 40, FAMILY_IN(out_b, c, db), out_b, true));
    for (int i = layers - 1; i >= 0; i--) {
        dx = family_op(f, "d tanh", 32768, FAMILY_IN(dx, c, act[i + 1]), dx, true);
        db = family_op(f, "d bias", 256, FAMILY_IN(dx), -1, false);
        int before = i ? family_op(f, "d dot", 32768, FAMILY_IN(dx, seen_w[i]), -1, false) : -1;
        family_output(f, family_op(f, "update", 16384, FAMILY_IN(w[i], c, seen_act[i], dx), w[i], true));
        family_output(f, family_op(f, "update", 256, FAMILY_IN(b[i], c, db), b[i], true));
        dx = before;
    }
}

/* tanh layers of one width, as in the goldens mlp2 and mlp4 but without their views. */
static inline void family_mlp(family *f, int layers, int batch, int width) {
    int x = family_leaf(f, (int64_t)FAMILY_F32 * batch * width);
    for (int i = 0; i < layers; i++) x = family_tanh(f, (int64_t)FAMILY_F32 * batch * width, family_linear(f, batch, x, width, width));
    family_train(f, family_apply(f, "loss", FAMILY_F32, FAMILY_IN(x), 1, false), 0);
}

/* ---- irregular graphs ------------------------------------------------------------------------- */

typedef enum family_sizes { FAMILY_EQUAL, FAMILY_1_TO_8, FAMILY_POWERS } family_sizes;

/* Watts and Strogatz (1998): a ring of n nodes, each joined to its k nearest, ends rewired with probability p; edges go from
 * the lower number to the higher. What nobody reads is an output. As in RandWire networks (Xie et al. 2019). */
static inline void family_irregular(family *f, int n, int k, double p, family_sizes sizes, uint64_t seed) {
    bool *edge = calloc((size_t)n * (size_t)n, sizeof *edge);
    for (int j = 1; j <= k / 2; j++)
        for (int i = 0; i < n; i++) {
            int to = (i + j) % n;
            if ((double)(family_random(&seed) >> 11) * 0x1p-53 < p)
                do to = (int)(family_random(&seed) % (uint64_t)n);
                while (to == i || edge[i * n + to] || edge[to * n + i]);
            edge[i * n + to] = true;
        }
    int x = family_leaf(f, 1);
    for (int i = 0; i < n; i++) {
        int in[FAMILY_MOST_IN], nin = 0;
        for (int j = 0; j < i && nin < FAMILY_MOST_IN; j++)
            if (edge[i * n + j] || edge[j * n + i]) in[nin++] = x + 1 + j;
        if (!nin) in[nin++] = x;
        int64_t bytes = sizes == FAMILY_EQUAL ? 1 : sizes == FAMILY_1_TO_8 ? 1 + (int64_t)(family_random(&seed) % 8) : INT64_C(1) << family_random(&seed) % 8;
        int v = family_op(f, "node", bytes * 1024, nin, in, -1, false);
        bool read = false;
        for (int j = i + 1; j < n; j++) read = read || edge[i * n + j] || edge[j * n + i];
        f->values[v].is_output = !read;
    }
    free(edge);
}

/* Layers of `width`, each node reading two or three of the layer before. */
static inline void family_layered(family *f, int n, int width, uint64_t seed) {
    int first = family_leaf(f, 1);
    for (int i = 0; i < n; i++) {
        int in[3], nin = 0, layer = i / width * width;
        for (int k = 0; k < 2 + (int)(family_random(&seed) % 2); k++) in[nin++] = i < width ? first : first + 1 + layer - width + (int)(family_random(&seed) % (uint64_t)width);
        int v = family_op(f, "node", 64 * (1 + (int64_t)(family_random(&seed) % 16)), nin, in, -1, false);
        f->values[v].is_output = i >= n - width;
    }
}

#endif
