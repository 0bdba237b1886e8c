/* lapack.c - Cholesky factors, triangular solves: see lapack.h.
 *
 * ?trsm and ?trsv are looked for in the CBLAS that multiplies (ops/blas.c), ?potrf in it as well (OpenBLAS and MKL
 * hold LAPACK) or in liblapack. What is found must factor and solve a small system before it is trusted. LAPACK is
 * Fortran: arguments by address, matrices by columns; a matrix by rows is the transposed one by columns, so
 * that its lower triangle is handed over as an upper one. Integers are passed in 64 zeroed bits, which a library
 * with 32-bit and one with 64-bit integers reads alike.
 *
 * Without a library the same blocked algorithms run on loops of our own: within a block plain ones, between blocks
 * products of matrices.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "ops/lapack.h"

#include "base/context.h"
#include "bitale/linalg.h"
#include "ops/support.h"

#include <stdio.h>
#include <string.h>

/* CBLAS's enumerators. */
enum { LA_ROW_MAJOR = 101, LA_COL_MAJOR = 102, LA_NO_TRANS = 111, LA_TRANS = 112, LA_UPPER = 121, LA_LOWER = 122,
       LA_NON_UNIT = 131, LA_UNIT = 132, LA_LEFT = 141, LA_RIGHT = 142 };

typedef void (*strsm_fn)(int order, int side, int uplo, int trans, int diag, int m, int n, float alpha, const float *a, int lda,
                         float *b, int ldb);
typedef void (*dtrsm_fn)(int order, int side, int uplo, int trans, int diag, int m, int n, double alpha, const double *a, int lda,
                         double *b, int ldb);
typedef void (*trsv_fn)(int order, int uplo, int trans, int diag, int n, const void *a, int lda, void *x, int incx);
typedef void (*potrf_fn)(const char *uplo, const int64_t *n, void *a, const int64_t *lda, int64_t *info, size_t uplo_length);

typedef struct lapack {
    strsm_fn strsm; /* NULL: none was found */
    dtrsm_fn dtrsm;
    trsv_fn strsv, dtrsv;
    potrf_fn spotrf, dpotrf; /* NULL: none was found */
    char text[400]; /* for btl_lapack_describe */
} lapack;

/* ---- loading ------------------------------------------------------------------------------ */

/* [4 2; 2 5] = L L^T with L = [2 0; 1 2], exactly; by rows the lower triangle. */
static bool lapack_factors(const lapack *l) {
    const int64_t n = 2;
    double a[4] = { 4, -9, 2, 5 };
    float b[4] = { 4, -9, 2, 5 };
    int64_t info[2] = { 0, 0 };
    l->dpotrf("U", &n, a, &n, &info[0], 1);
    l->spotrf("U", &n, b, &n, &info[1], 1);
    return !(int32_t)info[0] && !(int32_t)info[1] && a[0] == 2 && a[1] == -9 && a[2] == 1 && a[3] == 2 && b[0] == 2 && b[2] == 1 && b[3] == 2;
}

/* L x = b for b = [2 5; 6 4] row by row: x = [1 2.5; 2.5 0.75]. */
static bool lapack_solves(const lapack *l) {
    const double a[4] = { 2, -9, 1, 2 };
    const float af[4] = { 2, -9, 1, 2 };
    double x[4] = { 2, 5, 6, 4 }, y[2] = { 2, 6 };
    float xf[4] = { 2, 5, 6, 4 }, yf[2] = { 2, 6 };
    l->dtrsm(LA_ROW_MAJOR, LA_LEFT, LA_LOWER, LA_NO_TRANS, LA_NON_UNIT, 2, 2, 1, a, 2, x, 2);
    l->strsm(LA_ROW_MAJOR, LA_LEFT, LA_LOWER, LA_NO_TRANS, LA_NON_UNIT, 2, 2, 1, af, 2, xf, 2);
    l->dtrsv(LA_ROW_MAJOR, LA_LOWER, LA_NO_TRANS, LA_NON_UNIT, 2, a, 2, y, 1);
    l->strsv(LA_ROW_MAJOR, LA_LOWER, LA_NO_TRANS, LA_NON_UNIT, 2, af, 2, yf, 1);
    return x[0] == 1 && x[1] == 2.5 && x[2] == 2.5 && x[3] == 0.75 && y[0] == 1 && y[1] == 2.5 && xf[0] == 1 && xf[1] == 2.5F &&
           xf[2] == 2.5F && xf[3] == 0.75F && yf[0] == 1 && yf[1] == 2.5F;
}

static bool lapack_try_potrf(lapack *l, void *library) {
    BTL_BLAS_SYMBOL(l->spotrf, library, "spotrf_");
    BTL_BLAS_SYMBOL(l->dpotrf, library, "dpotrf_");
    if (l->spotrf && l->dpotrf && lapack_factors(l)) return true;
    l->spotrf = NULL, l->dpotrf = NULL;
    return false;
}

static void lapack_try_solves(lapack *l, void *library) {
    BTL_BLAS_SYMBOL(l->strsm, library, "cblas_strsm");
    BTL_BLAS_SYMBOL(l->dtrsm, library, "cblas_dtrsm");
    BTL_BLAS_SYMBOL(l->strsv, library, "cblas_strsv");
    BTL_BLAS_SYMBOL(l->dtrsv, library, "cblas_dtrsv");
    if (l->strsm && l->dtrsm && l->strsv && l->dtrsv && lapack_solves(l)) return;
    l->strsm = NULL, l->dtrsm = NULL, l->strsv = NULL, l->dtrsv = NULL;
}

static const char *const lapack_candidates[] = { "liblapack.so.3", "liblapack.so", NULL };

static void *lapack_make(btl_context *ctx) {
    bool off;
    void *library;
    lapack *l = btl_blas_library(ctx, &library, &off) ? btl_alloc(ctx, sizeof *l) : NULL;
    if (!l) return NULL;
    memset(l, 0, sizeof *l);
    if (library) lapack_try_solves(l, library);
    if (library && lapack_try_potrf(l, library)) {
        snprintf(l->text, sizeof l->text, "the BLAS's own");
        return l;
    }
    for (int i = 0; !off && lapack_candidates[i]; i++) {
        void *other = btl_blas_open(lapack_candidates[i], l->text, sizeof l->text);
        if (other && lapack_try_potrf(l, other)) {
            snprintf(l->text, sizeof l->text, "%s", lapack_candidates[i]);
            return l;
        }
        if (other) btl_os_close_library(other);
    }
    snprintf(l->text, sizeof l->text, "none: %sloops of our own are used", off ? "switched off; " : "");
    return l;
}

static void lapack_destroy(btl_context *ctx, void *thing) {
    btl_free(ctx, thing, sizeof(lapack));
}

/* Of the context; with nothing in it where there is no memory or no context. */
static const lapack *lapack_of(btl_context *ctx) {
    static const lapack nothing = { .text = "none: there is no memory to look for one" };
    bool off;
    void *library;
    if (!ctx || !btl_blas_library(ctx, &library, &off)) return &nothing; /* before our slot, whose lock is the same */
    const lapack *l = btl_context_slot(ctx, BTL_SLOT_LAPACK, lapack_make, lapack_destroy);
    return l ? l : &nothing;
}

const char *btl_lapack_describe(btl_context *ctx) {
    return lapack_of(ctx)->text;
}

/* ---- matrices ----------------------------------------------------------------------------- */

enum { LA_BLOCK = 64, LA_PLAIN = 32 };

typedef btl_matrix_out la_matrix;

static la_matrix la_part(btl_dtype dtype, const la_matrix *a, int64_t i, int64_t j) {
    return (la_matrix){ (char *)a->data + (i * a->row + j * a->column) * (int64_t)btl_dtype_bytes(dtype), a->row, a->column };
}

static btl_matrix la_read(const la_matrix *a) { return (btl_matrix){ a->data, a->row, a->column }; }
static btl_matrix la_turned(const la_matrix *a) { return (btl_matrix){ a->data, a->column, a->row }; }
static bool la_by_rows(const la_matrix *a) { return a->column == 1; }
static int64_t la_ld(const la_matrix *a) { return la_by_rows(a) ? a->row : a->column; }
static int64_t la_least(int64_t a, int64_t b) { return a < b ? a : b; }

/* c = c - a b, c by rows or by columns. */
static void la_minus(btl_context *ctx, btl_dtype dtype, int64_t m, int64_t n, int64_t k, const btl_matrix *a, const btl_matrix *b,
                     const la_matrix *c) {
    if (la_by_rows(c)) {
        btl_blas_gemm_minus(ctx, dtype, m, n, k, a, b, c->data, c->row);
    } else {
        const btl_matrix at = { a->data, a->column, a->row }, bt = { b->data, b->column, b->row };
        btl_blas_gemm_minus(ctx, dtype, n, m, k, &bt, &at, c->data, c->column);
    }
}

static void la_clear_upper(btl_dtype dtype, int64_t n, const la_matrix *a) {
    size_t bytes = btl_dtype_bytes(dtype);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = i + 1; j < n; j++) memset((char *)a->data + (size_t)(i * a->row + j * a->column) * bytes, 0, bytes);
}

/* ---- within a block ----------------------------------------------------------------------- */

/* Factors, solves and derivatives of a block are those of support.inc. */

/* x = x T^-1 or x T^-T, x m × n, T lower; both lie the same way. */
static void la_right_solve(btl_context *ctx, btl_dtype dtype, bool trans, int64_t m, int64_t n, const btl_matrix *t, const la_matrix *x) {
    const lapack *l = lapack_of(ctx);
    if (m == 0 || n == 0) return;
    if (l->dtrsm) {
        int order = la_by_rows(x) ? LA_ROW_MAJOR : LA_COL_MAJOR, op = trans ? LA_TRANS : LA_NO_TRANS;
        int ldt = (int)(la_by_rows(x) ? t->row : t->column), ldx = (int)la_ld(x);
        if (dtype == BTL_F32) l->strsm(order, LA_RIGHT, LA_LOWER, op, LA_NON_UNIT, (int)m, (int)n, 1, t->data, ldt, x->data, ldx);
        else l->dtrsm(order, LA_RIGHT, LA_LOWER, op, LA_NON_UNIT, (int)m, (int)n, 1, t->data, ldt, x->data, ldx);
    } else if (dtype == BTL_F32) {
        btl_la_right_f32(trans, m, n, t->data, t->row, t->column, x->data, x->row, x->column);
    } else {
        btl_la_right_f64(trans, m, n, t->data, t->row, t->column, x->data, x->row, x->column);
    }
}

/* ---- factors ------------------------------------------------------------------------------ */

static bool la_fits_int(int64_t a, int64_t b) { return a <= INT32_MAX && b <= INT32_MAX; }

/* Column of blocks after column of blocks: the diagonal one, what is below it, and their product taken off the rest. */
static int64_t la_factor_blocks(btl_context *ctx, btl_dtype dtype, int64_t n, const la_matrix *a) {
    for (int64_t k = 0; k < n; k += LA_PLAIN) {
        int64_t size = la_least(LA_PLAIN, n - k), next = k + size;
        la_matrix diagonal = la_part(dtype, a, k, k), below = la_part(dtype, a, next, k);
        btl_matrix factor = la_read(&diagonal);
        int64_t minor = dtype == BTL_F32 ? btl_la_factor_f32(size, diagonal.data, a->row, a->column)
                                         : btl_la_factor_f64(size, diagonal.data, a->row, a->column);
        if (minor) return k + minor;
        la_right_solve(ctx, dtype, true, n - next, size, &factor, &below);
        for (int64_t i = next; i < n; i += LA_PLAIN) {
            int64_t rows = la_least(LA_PLAIN, n - i);
            la_matrix left = la_part(dtype, a, i, k), to = la_part(dtype, a, i, next);
            btl_matrix x = la_read(&left), y = la_turned(&below);
            la_minus(ctx, dtype, rows, i + rows - next, size, &x, &y, &to);
        }
    }
    return 0;
}

/* A library may go on with a NaN. */
static int64_t la_first_nan(btl_dtype dtype, int64_t n, const la_matrix *a) {
    for (int64_t i = 0; i < n; i++) {
        const char *p = la_part(dtype, a, i, i).data;
        double value;
        if (dtype == BTL_F32) {
            float narrow;
            memcpy(&narrow, p, sizeof narrow);
            value = (double)narrow;
        } else memcpy(&value, p, sizeof value);
        if (!(value > 0)) return i + 1;
    }
    return 0;
}

int64_t btl_potrf(btl_context *ctx, btl_dtype dtype, int64_t n, const btl_matrix_out *a) {
    const lapack *l = lapack_of(ctx);
    int64_t minor;
    if (n == 0) return 0;
    la_clear_upper(dtype, n, a);
    if (l->dpotrf && la_fits_int(n, la_ld(a))) {
        int64_t order = n, ld = la_ld(a), info = 0;
        if (n == 1) ld = 1;
        (dtype == BTL_F32 ? l->spotrf : l->dpotrf)(la_by_rows(a) ? "U" : "L", &order, a->data, &ld, &info, 1);
        minor = (int32_t)info;
        return minor ? minor : la_first_nan(dtype, n, a);
    }
    minor = la_factor_blocks(ctx, dtype, n, a);
    la_clear_upper(dtype, n, a);
    return minor;
}

/* ---- their derivative --------------------------------------------------------------------- */

typedef union la_tile { float f32[LA_BLOCK * LA_BLOCK]; double f64[LA_BLOCK * LA_BLOCK]; } la_tile;

/* d, the gradient by the diagonal block l, becomes that by the block of a; `both` gets it and its mirror image added. */
static void la_reverse_block(btl_dtype dtype, int64_t n, const btl_matrix *l, const la_matrix *d, la_tile *both) {
    la_tile factor;
    if (dtype == BTL_F32) btl_la_reverse_f32(n, l->data, l->row, l->column, d->data, d->row, d->column, factor.f32, both->f32);
    else btl_la_reverse_f64(n, l->data, l->row, l->column, d->data, d->row, d->column, factor.f64, both->f64);
}

/* Blocks of rows, last first. With L = [. . .; R D .; B C .] in the columns before, of and behind the block:
 *     dC = dC D^-1,  dB -= dC R,  dD -= dC' C,  dD by la_reverse_block,  dR -= dC' B + (dD + dD') R */
void btl_potrf_vjp(btl_context *ctx, btl_dtype dtype, int64_t n, const btl_matrix *l, const btl_matrix_out *d) {
    la_tile both;
    const la_matrix factor = { (void *)(uintptr_t)l->data, l->row, l->column }; /* read only */
    la_clear_upper(dtype, n, d);
    for (int64_t end = n; end > 0;) {
        int64_t start = (end - 1) / LA_BLOCK * LA_BLOCK, size = end - start, behind = n - end;
        la_matrix r = la_part(dtype, &factor, start, 0), b = la_part(dtype, &factor, end, 0);
        la_matrix own = la_part(dtype, &factor, start, start), c = la_part(dtype, &factor, end, start);
        la_matrix dr = la_part(dtype, d, start, 0), db = la_part(dtype, d, end, 0);
        la_matrix dd = la_part(dtype, d, start, start), dc = la_part(dtype, d, end, start);
        btl_matrix R = la_read(&r), B = la_read(&b), D = la_read(&own), C = la_read(&c), dC = la_read(&dc), dCt = la_turned(&dc);
        la_right_solve(ctx, dtype, false, behind, size, &D, &dc);
        la_minus(ctx, dtype, behind, start, size, &dC, &R, &db);
        la_minus(ctx, dtype, size, size, behind, &dCt, &C, &dd);
        la_reverse_block(dtype, size, &D, &dd, &both);
        const btl_matrix twice = { &both, size, 1 };
        la_minus(ctx, dtype, size, start, behind, &dCt, &B, &dr);
        la_minus(ctx, dtype, size, start, size, &twice, &R, &dr);
        end = start;
    }
}

/* ---- solves ------------------------------------------------------------------------------- */

/* t is lower or upper as it stands; block by block, each taken off those that follow. */
static void la_left_blocks(btl_context *ctx, btl_dtype dtype, bool lower, bool unit, int64_t n, int64_t k, const btl_matrix *t,
                           const la_matrix *x) {
    const la_matrix all = { (void *)(uintptr_t)t->data, t->row, t->column }; /* read only */
    int64_t blocks = (n + LA_PLAIN - 1) / LA_PLAIN;
    for (int64_t step = 0; step < blocks; step++) {
        int64_t start = (lower ? step : blocks - 1 - step) * LA_PLAIN, size = la_least(LA_PLAIN, n - start), end = start + size;
        la_matrix diagonal = la_part(dtype, &all, start, start), here = la_part(dtype, x, start, 0);
        if (dtype == BTL_F32) btl_la_left_f32(lower, unit, size, k, diagonal.data, t->row, t->column, here.data, x->row);
        else btl_la_left_f64(lower, unit, size, k, diagonal.data, t->row, t->column, here.data, x->row);
        la_matrix side = la_part(dtype, &all, lower ? end : 0, start), rest = la_part(dtype, x, lower ? end : 0, 0);
        btl_matrix T = la_read(&side), X = la_read(&here);
        la_minus(ctx, dtype, lower ? n - end : start, k, size, &T, &X, &rest);
    }
}

void btl_trsm(btl_context *ctx, btl_dtype dtype, bool lower, bool trans, bool unit, int64_t n, int64_t k, const btl_matrix *t,
              void *x, int64_t ldx) {
    const lapack *l = lapack_of(ctx);
    bool by_rows = t->column == 1 || n == 1;
    int64_t ld = n == 1 ? 1 : by_rows ? t->row : t->column;
    if (n == 0 || k == 0) return;
    if (l->dtrsm && la_fits_int(n, k) && la_fits_int(ld, ldx)) {
        int uplo = lower == by_rows ? LA_LOWER : LA_UPPER, op = trans == by_rows ? LA_TRANS : LA_NO_TRANS, diag = unit ? LA_UNIT : LA_NON_UNIT;
        if (k == 1) (dtype == BTL_F32 ? l->strsv : l->dtrsv)(LA_ROW_MAJOR, uplo, op, diag, (int)n, t->data, (int)ld, x, (int)ldx);
        else if (dtype == BTL_F32) l->strsm(LA_ROW_MAJOR, LA_LEFT, uplo, op, diag, (int)n, (int)k, 1, t->data, (int)ld, x, (int)ldx);
        else l->dtrsm(LA_ROW_MAJOR, LA_LEFT, uplo, op, diag, (int)n, (int)k, 1, t->data, (int)ld, x, (int)ldx);
        return;
    }
    const btl_matrix turned = { t->data, t->column, t->row };
    const la_matrix to = { x, ldx, 1 };
    la_left_blocks(ctx, dtype, lower != trans, unit, n, k, trans ? &turned : t, &to);
}
