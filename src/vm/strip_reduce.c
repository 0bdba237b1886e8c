/* strip_reduce.c - reductions at the end of a fused body, in the one defined order.
 *
 * The order is part of what a reduction means: it depends on the logical order of the elements
 * alone, never on strides, threads, strips or instruction sets, so every linker gives the same
 * bits.
 *
 *  1. The m elements reduced into one output are numbered e_0 … e_{m-1} in the row-major order of
 *     the reduced axes. They are cut into blocks of 4096 consecutive elements (the last may be
 * shorter).
 *  2. In a block, lane j of 32 starts with the block's element j and takes the elements j + 32,
 *     j + 64, … in that order: lane = combine(lane, element).
 *  3. The lanes are combined by a tree: for w = 16, 8, 4, 2, 1, for each j < w:
 *     lane[j] = combine(lane[j], lane[j + w]), where lanes that do not exist are left out (they
 * would hold the identity, which changes no bit). lane[0] is the block's result.
 *  4. Block results are combined as a binary counter adds: two neighbours that cover 2^k blocks
 * each (the first beginning at a multiple of 2^(k+1)) become combine(left, right). What remains
 * after the last block is folded from the right: r = the rightmost part, then r = combine(next to
 * its left, r) until none is left.
 *  5. All is computed in the elements' dtype (f16 and bf16: each step in f32, rounded). Nothing is
 * a value of its own: 0 for a sum, an error for a maximum.
 *
 * The error of a sum grows with log m; 32 lanes are enough for the vector units of today.
 *
 * Two ways lead to the same bits. Rows (reduced axes innermost in memory): the values of a strip
 * are folded into 32 lanes by the op's lanes kernel; rows of at most 32 elements are transposed in
 * L1, so that one kernel call of the tree serves many rows. Columns (kept axes innermost): a tile
 * of columns has its lanes side by side, lane by lane, and one combine call takes several rows of
 * the tile. SPDX-License-Identifier: BSD-3-Clause */
#include "vm/fold_steps.h"
#include "vm/strip_program.h"

#include <assert.h>
#include <string.h>

enum {
    REDUCE_ROW_BYTES = 512, /* of one lane of a tile of columns */
    REDUCE_MOST_COLUMNS = 128,
    REDUCE_LEVELS = 52, /* of the binary counter: 2^52 blocks are more than int64 can count */
    REDUCE_ACC_BYTES = BTL_STRIP_LANES * REDUCE_ROW_BYTES,
    REDUCE_STACK_BYTES = REDUCE_LEVELS * REDUCE_ROW_BYTES,
    REDUCE_TURN_BYTES = BTL_STRIP_ELEMS * 8
};

/* The fold of one result, for `width` outputs side by side. */
typedef struct reduce_fold {
    btl_fold how;
    int64_t width;
    uint64_t nblocks; /* finished: the binary counter */
    char *acc;        /* [lane][width] */
    char *stack;      /* [level][width] */
} reduce_fold;

typedef struct reduce {
    strip_run *run;
    const btl_strips *s;
    const btl_operand *in;
    btl_operand *out;
    int nkept, nreduced;
    int64_t kept[BTL_MAX_RANK], reduced[BTL_MAX_RANK];
    int64_t outputs, elems;                  /* how many results, of how many elements each */
    int64_t *kept_strides, *reduced_strides; /* [operand][axis], bytes */
    reduce_fold *folds;
    char *turn; /* REDUCE_TURN_BYTES */
} reduce;

/* Steps 3 and 4 at the end of a block of n elements. */
static void reduce_end_block(reduce_fold *f, int64_t n) { btl_fold_block(&f->how, f->acc, n, f->width, f->stack, &f->nblocks); }

/* The end of step 4; begins a new fold. */
static void reduce_finish(reduce_fold *f, char *out) {
    btl_fold_finish(&f->how, f->stack, f->nblocks, f->width, out);
    f->nblocks = 0;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static const char *reduce_value(const reduce *r, int k) { return r->run->reg[r->s->value_reg[k]]; }

static void reduce_next_strip(const reduce *r, int64_t n) {
    for (int i = 0; i < r->s->nin; i++) r->run->reg[i] = btl_strip_walk_next(&r->run->walks[i], n);
    strip_execute(r->s, r->run->reg, n);
}

static char *reduce_output(const reduce *r, int k, int64_t at) {
    return r->out[k].data + (size_t)at * r->folds[k].how.elem_bytes;
}

static void reduce_long_row(reduce *r, int64_t row) {
    for (int64_t at = 0; at < r->elems; at += BTL_STRIP_ELEMS) {
        int64_t n = r->elems - at < BTL_STRIP_ELEMS ? r->elems - at : BTL_STRIP_ELEMS;
        int64_t in_block = at % BTL_STRIP_BLOCK;
        bool ends = in_block + n == BTL_STRIP_BLOCK || at + n == r->elems;
        reduce_next_strip(r, n);
        for (int k = 0; k < r->s->nout; k++) {
            btl_fold_lanes(&r->folds[k].how, r->folds[k].acc, reduce_value(r, k), n, in_block);
            if (ends) reduce_end_block(&r->folds[k], in_block + n);
        }
    }
    for (int k = 0; k < r->s->nout; k++) reduce_finish(&r->folds[k], reduce_output(r, k, row));
}

/* Rows of at most 32 elements: each element is a lane, and the tree runs over all rows at once. */
static void reduce_tiny_rows(const reduce *r, int k, int64_t row, int64_t rows) {
    const btl_fold *f = &r->folds[k].how;
    btl_fold_turn(f, r->turn, reduce_value(r, k), rows, r->elems);
    btl_fold_tree(f, r->turn, r->elems, rows);
    memcpy(reduce_output(r, k, row), r->turn, (size_t)rows * f->elem_bytes);
}

/* Rows of more: the lanes of up to 15 of them (a strip has 512 elements), then their trees. */
static void reduce_short_rows(const reduce *r, int k, int64_t row, int64_t rows) {
    const btl_fold *f = &r->folds[k].how;
    const char *x = reduce_value(r, k);
    char *acc = r->folds[k].acc;
    assert(rows * BTL_STRIP_LANES <= BTL_STRIP_ELEMS);
    for (int64_t i = 0; i < rows; i++, x += (size_t)r->elems * f->elem_bytes) {
        btl_fold_lanes(f, acc, x, r->elems, 0);
        acc += BTL_STRIP_LANES * f->elem_bytes;
    }
    f->tree(rows, (const void *const[]){ r->folds[k].acc }, reduce_output(r, k, row));
}

/* One walk over the space with the reduced axes moved behind the kept ones. */
static void reduce_rows(reduce *r) {
    const btl_strips *s = r->s;
    int rank = r->nkept + r->nreduced;
    int64_t dims[BTL_MAX_RANK], strides[BTL_MAX_RANK];
    memcpy(dims, r->kept, (size_t)r->nkept * sizeof *dims);
    memcpy(dims + r->nkept, r->reduced, (size_t)r->nreduced * sizeof *dims);
    for (int i = 0; i < s->nin; i++) {
        memcpy(strides, r->kept_strides + i * BTL_MAX_RANK, (size_t)r->nkept * sizeof *strides);
        memcpy(strides + r->nkept, r->reduced_strides + i * BTL_MAX_RANK,
               (size_t)r->nreduced * sizeof *strides);
        btl_strip_walk_init(&r->run->walks[i], r->in[i].data, s->elem_bytes[i], rank, dims, strides,
                        r->run->buffers + (size_t)i * STRIP_WALK_BUFFER);
    }
    for (int k = 0; k < s->nout; k++) r->folds[k].width = 1;
    if (r->elems >= BTL_STRIP_ELEMS) {
        for (int64_t row = 0; row < r->outputs; row++) reduce_long_row(r, row);
        return;
    }
    int64_t most = BTL_STRIP_ELEMS / r->elems;
    for (int64_t row = 0, rows; row < r->outputs; row += rows) {
        rows = r->outputs - row < most ? r->outputs - row : most;
        reduce_next_strip(r, rows * r->elems);
        for (int k = 0; k < s->nout; k++) {
            if (r->elems <= BTL_STRIP_LANES)
                reduce_tiny_rows(r, k, row, rows);
            else
                reduce_short_rows(r, k, row, rows);
        }
    }
}

/* ---- columns --------------------------------------------------------------------------------- */

/* The kept axes, merged as far as all operands allow: the innermost is cut into tiles. */
typedef struct reduce_columns {
    int nouter;
    int64_t outer[BTL_MAX_RANK], index[BTL_MAX_RANK];
    int64_t inner;
    int inner_axis; /* whose strides the columns have */
} reduce_columns;

static bool reduce_can_merge(const reduce *r, int axis, int inner_axis, int64_t inner) {
    for (int i = 0; i < r->s->nin; i++) {
        const int64_t *strides = r->kept_strides + i * BTL_MAX_RANK;
        if (strides[axis] != strides[inner_axis] * inner) return false;
    }
    return true;
}

static reduce_columns reduce_merge_columns(const reduce *r) {
    reduce_columns c = { .inner = 1, .inner_axis = -1 };
    int axis = r->nkept - 1;
    for (; axis >= 0; axis--) {
        if (r->kept[axis] == 1) continue;
        if (c.inner_axis >= 0 && !reduce_can_merge(r, axis, c.inner_axis, c.inner)) break;
        if (c.inner_axis < 0) c.inner_axis = axis;
        c.inner *= r->kept[axis];
    }
    c.nouter = axis + 1;
    memcpy(c.outer, r->kept, (size_t)c.nouter * sizeof *c.outer);
    return c;
}

/* Rows of a tile for one strip: a power of two, so that no strip goes round the lanes or over a
 * block's end. */
static int64_t reduce_tile_height(int64_t width) {
    int64_t height = 1;
    while (height < BTL_STRIP_LANES && 2 * height * width <= BTL_STRIP_ELEMS) height *= 2;
    return height;
}

static void reduce_tile(reduce *r, int64_t width, int64_t height, int64_t output) {
    const btl_strips *s = r->s;
    for (int k = 0; k < s->nout; k++) r->folds[k].width = width;
    for (int64_t at = 0, n; at < r->elems; at += n) {
        int64_t in_block = at % BTL_STRIP_BLOCK;
        n = r->elems - at < height ? r->elems - at : height;
        bool ends = in_block + n == BTL_STRIP_BLOCK || at + n == r->elems;
        reduce_next_strip(r, n * width);
        for (int k = 0; k < s->nout; k++) {
            btl_fold_rows(&r->folds[k].how, r->folds[k].acc, reduce_value(r, k), n * width, in_block, width);
            if (ends) reduce_end_block(&r->folds[k], in_block + n);
        }
    }
    for (int k = 0; k < s->nout; k++) reduce_finish(&r->folds[k], reduce_output(r, k, output));
}

/* Walks over the reduced axes, then the tile's columns. */
static void reduce_tile_walks(const reduce *r, const reduce_columns *c, int64_t column,
                              int64_t width) {
    int64_t dims[BTL_MAX_RANK + 1], strides[BTL_MAX_RANK + 1];
    memcpy(dims, r->reduced, (size_t)r->nreduced * sizeof *dims);
    dims[r->nreduced] = width;
    for (int i = 0; i < r->s->nin; i++) {
        const int64_t *kept = r->kept_strides + i * BTL_MAX_RANK;
        int64_t step = c->inner_axis < 0 ? 0 : kept[c->inner_axis];
        char *data = r->in[i].data + column * step;
        for (int d = 0; d < c->nouter; d++) data += c->index[d] * kept[d];
        memcpy(strides, r->reduced_strides + i * BTL_MAX_RANK,
               (size_t)r->nreduced * sizeof *strides);
        strides[r->nreduced] = step;
        btl_strip_walk_init(&r->run->walks[i], data, r->s->elem_bytes[i], r->nreduced + 1, dims,
                        strides, r->run->buffers + (size_t)i * STRIP_WALK_BUFFER);
    }
}

static bool reduce_next_outer(reduce_columns *c) {
    int d = c->nouter - 1;
    while (d >= 0 && ++c->index[d] == c->outer[d]) c->index[d--] = 0;
    return d >= 0;
}

/* Tiles of about equal width, as wide as the accumulators allow. */
static int64_t reduce_tile_width(const reduce *r, int64_t inner) {
    int64_t most = REDUCE_MOST_COLUMNS;
    for (int k = 0; k < r->s->nout; k++) {
        int64_t fits = (int64_t)(REDUCE_ROW_BYTES / r->folds[k].how.elem_bytes);
        if (fits < most) most = fits;
    }
    int64_t ntiles = (inner + most - 1) / most, width = (inner + ntiles - 1) / ntiles;
    width = (width + 15) / 16 * 16;
    return width < inner ? width : inner;
}

static void reduce_by_columns(reduce *r) {
    reduce_columns c = reduce_merge_columns(r);
    int64_t most = reduce_tile_width(r, c.inner), output = 0;
    do {
        for (int64_t column = 0, width; column < c.inner; column += width, output += width) {
            width = c.inner - column < most ? c.inner - column : most;
            reduce_tile_walks(r, &c, column, width);
            reduce_tile(r, width, reduce_tile_height(width), output);
        }
    } while (reduce_next_outer(&c));
}

/* ---- the run --------------------------------------------------------------------------------- */

size_t btl_strip_reduce_scratch_bytes(const btl_strips *s) {
    size_t strides = (size_t)s->nin * BTL_MAX_RANK * sizeof(int64_t);
    return 2 * strides +
           (size_t)s->nout * (sizeof(reduce_fold) + REDUCE_ACC_BYTES + REDUCE_STACK_BYTES) +
           REDUCE_TURN_BYTES + 2 * STRIP_ALIGN;
}

static void reduce_divide_scratch(reduce *r) {
    const btl_strips *s = r->s;
    char *p = r->run->free;
    r->turn = p;
    p += REDUCE_TURN_BYTES;
    char *accs = p;
    p += (size_t)s->nout * (REDUCE_ACC_BYTES + REDUCE_STACK_BYTES);
    r->kept_strides = (int64_t *)(void *)p;
    r->reduced_strides = r->kept_strides + (size_t)s->nin * BTL_MAX_RANK;
    r->folds = (reduce_fold *)(void *)(r->reduced_strides + (size_t)s->nin * BTL_MAX_RANK);
    for (int k = 0; k < s->nout; k++, accs += REDUCE_ACC_BYTES + REDUCE_STACK_BYTES)
        r->folds[k] = (reduce_fold){ .how = { s->combine[k], s->lanes[k], s->tree[k], (size_t)s->elem_bytes[s->nin + k] },
                                     .acc = accs,
                                     .stack = accs + REDUCE_ACC_BYTES };
}

static btl_status reduce_split_axes(reduce *r, const int64_t *shape, int rank, btl_error *err) {
    r->outputs = r->elems = 1;
    for (int d = 0; d < rank; d++) {
        if (r->s->reduced >> d & 1)
            r->reduced[r->nreduced++] = shape[d], r->elems *= shape[d];
        else
            r->kept[r->nkept++] = shape[d], r->outputs *= shape[d];
    }
    for (int i = 0; i < r->s->nin; i++) {
        int64_t strides[BTL_MAX_RANK], *kept = r->kept_strides + i * BTL_MAX_RANK;
        int64_t *reduced = r->reduced_strides + i * BTL_MAX_RANK;
        if (!btl_strip_space_strides(&r->in[i], r->s->elem_bytes[i], rank, shape, strides))
            return btl_error_set(err, BTL_ESHAPE, "operand %d does not fit the sizes of its kernel",
                                 i);
        for (int d = 0; d < rank; d++) *(r->s->reduced >> d & 1 ? reduced++ : kept++) = strides[d];
    }
    return BTL_OK;
}

/* The value of nothing, converted to each result's dtype. */
static btl_status reduce_nothing(reduce *r, btl_error *err) {
    if (r->s->reduction->empty_is_error)
        return btl_error_set(err, BTL_EVALUE, "%s of an empty array: there is no such element",
                             r->s->reduction_name);
    for (int k = 0; k < r->s->nout; k++) {
        double value = r->s->reduction->empty_float;
        char element[8];
        btl_array from = btl_array_wrap(BTL_F64, 0, NULL, &value);
        btl_array to = btl_array_wrap(r->s->dtype[k], 0, NULL, element);
        BTL_TRY(btl_array_convert(&to, &from));
        for (int64_t i = 0; i < r->outputs; i++)
            memcpy(reduce_output(r, k, i), element, r->folds[k].how.elem_bytes);
    }
    return BTL_OK;
}

static int64_t reduce_least_stride(const int64_t *strides, const int64_t *dims, int n) {
    int64_t least = INT64_MAX;
    for (int d = 0; d < n; d++) {
        int64_t stride = strides[d] < 0 ? -strides[d] : strides[d];
        if (dims[d] > 1 && stride && stride < least) least = stride;
    }
    return least;
}

/* Do the operands lie with kept axes innermost? Each votes; those stretched along either do not. */
static bool reduce_prefers_columns(const reduce *r) {
    int votes = 0;
    for (int i = 0; i < r->s->nin; i++) {
        int64_t kept = reduce_least_stride(r->kept_strides + i * BTL_MAX_RANK, r->kept, r->nkept);
        int64_t reduced =
            reduce_least_stride(r->reduced_strides + i * BTL_MAX_RANK, r->reduced, r->nreduced);
        if (kept == INT64_MAX || reduced == INT64_MAX) continue;
        votes += kept < reduced ? 1 : -1;
    }
    return votes > 0;
}

btl_status btl_strip_reduce_run(strip_run *run, const btl_operand *in, btl_operand *out,
                            const int64_t *shape, int rank, btl_error *err) {
    reduce r = { .run = run, .s = run->program, .in = in, .out = out };
    reduce_divide_scratch(&r);
    BTL_TRY(reduce_split_axes(&r, shape, rank, err));
    if (r.outputs == 0) return BTL_OK;
    if (r.elems == 0) return reduce_nothing(&r, err);
    if (reduce_prefers_columns(&r))
        reduce_by_columns(&r);
    else
        reduce_rows(&r);
    return BTL_OK;
}
