/* blas.c - which CBLAS is used and how: see blas.h.
 *
 * Loaded on first use, privately (RTLD_LOCAL), so that neither its symbols nor its choice of threads
 * meet those of the host program. One that the host has already loaded is used as it is; one that is
 * new is set to one thread, because threads are ours to divide (docs/DESIGN.md). Serial builds come
 * first: they have no pool to start. The library stays loaded when the context goes: unloading one
 * that ever had threads is not safe.
 *
 * Without any, and for small sizes and vectors, loops of our own (gemm.h).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "ops/blas.h"

#include "base/config.h"
#include "base/context.h"
#include "base/os.h"
#include "ops/gemm.h"
#include "ops/move.h"
#include "ops/support.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* CBLAS's enumerators, which every implementation shares. */
enum { CBLAS_ROW_MAJOR = 101, CBLAS_NO_TRANS = 111, CBLAS_TRANS = 112 };

typedef void (*sgemm_fn)(int order, int transa, int transb, int m, int n, int k, float alpha, const float *a, int lda,
                         const float *b, int ldb, float beta, float *c, int ldc);
typedef void (*dgemm_fn)(int order, int transa, int transb, int m, int n, int k, double alpha, const double *a, int lda,
                         const double *b, int ldb, double beta, double *c, int ldc);

typedef struct blas {
    sgemm_fn sgemm; /* NULL: none was found */
    dgemm_fn dgemm;
    void *library;
    bool switched_off;
    char text[1200]; /* for btl_blas_describe */
} blas;

/* ---- loading ------------------------------------------------------------------------------ */

/* The folder of libraries of this architecture, as Debian and Ubuntu name it. */
#if defined __x86_64__
#define BLAS_TRIPLET "x86_64-linux-gnu"
#elif defined __aarch64__
#define BLAS_TRIPLET "aarch64-linux-gnu"
#elif defined __riscv && __riscv_xlen == 64
#define BLAS_TRIPLET "riscv64-linux-gnu"
#elif defined __powerpc64__
#define BLAS_TRIPLET "powerpc64le-linux-gnu"
#else
#define BLAS_TRIPLET "i386-linux-gnu"
#endif

static const char *const blas_candidates[] = {
    "/usr/lib/" BLAS_TRIPLET "/openblas-serial/libopenblas.so.0",
    "libblis.so.4", "libblis.so.3", "libopenblas.so.0", "libcblas.so.3", "libblas.so.3", "libmkl_rt.so.2", "libmkl_rt.so", NULL,
};

#define BLAS_OLD "it does not know this processor and computes as for a %s; OPENBLAS_CORETYPE=Haswell or SkylakeX in the environment helps"

static bool blas_host_has(const char *path) {
#ifdef RTLD_NOLOAD
    void *there = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
    if (there) dlclose(there);
    return there != NULL;
#else
    (void)path;
    return false;
#endif
}

/* One thread, by whichever setter it has; false if it has none (a serial build, or none known). */
static bool blas_one_thread(void *library) {
    static const char *const setters[] = { "openblas_set_num_threads", "MKL_Set_Num_Threads", NULL };
    void (*set)(int);
    for (int i = 0; setters[i]; i++) {
        BTL_BLAS_SYMBOL(set, library, setters[i]);
        if (!set) continue;
        set(1);
        return true;
    }
    void (*set_long)(long); /* BLIS's dim_t */
    BTL_BLAS_SYMBOL(set_long, library, "bli_thread_set_num_threads");
    if (set_long) set_long(1);
    return set_long != NULL;
}

/* What was loaded computes a known product: catches builds whose integers have another width. */
static bool blas_works(const blas *b) {
    const double x[4] = { 1, 2, 3, 4 }, y[4] = { 5, 6, 7, 8 };
    const float xf[4] = { 1, 2, 3, 4 }, yf[4] = { 5, 6, 7, 8 };
    double z[4] = { 0 };
    float zf[4] = { 0 };
    b->dgemm(CBLAS_ROW_MAJOR, CBLAS_NO_TRANS, CBLAS_TRANS, 2, 2, 2, 1, x, 2, y, 2, 0, z, 2);
    b->sgemm(CBLAS_ROW_MAJOR, CBLAS_NO_TRANS, CBLAS_NO_TRANS, 2, 2, 2, 1, xf, 2, yf, 2, 0, zf, 2);
    return z[0] == 17 && z[1] == 23 && z[2] == 39 && z[3] == 53 && zf[0] == 19 && zf[1] == 22 && zf[2] == 43 && zf[3] == 50;
}

static void blas_note(blas *b, const char *path, const char *why) {
    size_t used = strlen(b->text);
    bool named = strncmp(why, path, strlen(path)) == 0; /* as the loader's own messages are */
    if (used + 1 < sizeof b->text) snprintf(b->text + used, sizeof b->text - used, "%s%s%s%s", used ? "; " : "", named ? "" : path, named ? "" : ": ", why);
}

/* OpenBLAS falls back to its oldest kernels, without AVX, on a processor newer than itself: less than half as fast as loops of
 * our own (docs/PERFORMANCE.md). Which it has chosen, if it is one of those and this processor has AVX2. */
static const char *blas_old_core(void *library) {
    static const char *const old[] = { "Katmai", "Coppermine", "Northwood", "Prescott", "Banias", "Atom", "Core2", "Penryn", "Dunnington", "Nehalem",
                                       "Athlon", "Opteron", "Opteron_SSE3", "Barcelona", "Nano", "Bobcat", NULL };
    char *(*core)(void);
    BTL_BLAS_SYMBOL(core, library, "openblas_get_corename");
    const char *name = core && btl_os_x86_level() >= 3 ? core() : NULL;
    for (int i = 0; name && old[i]; i++)
        if (strcmp(name, old[i]) == 0) return old[i];
    return NULL;
}

static bool blas_try(blas *b, const char *path, bool asked_for) {
    char why[256] = "";
    bool host = blas_host_has(path);
    void *library = btl_os_open_library(path, why, sizeof why);
    if (!library) {
        blas_note(b, path, why);
        return false;
    }
    BTL_BLAS_SYMBOL(b->sgemm, library, "cblas_sgemm");
    BTL_BLAS_SYMBOL(b->dgemm, library, "cblas_dgemm");
    bool found = b->sgemm && b->dgemm, set = false;
    if (found && !host) set = blas_one_thread(library);
    const char *old = found ? blas_old_core(library) : NULL;
    if (found && (!old || asked_for) && blas_works(b)) {
        b->library = library;
        snprintf(b->text, sizeof b->text, "%s%s", path,
                 host ? " (was in the process already, its threads are left as they are)" : set ? " (one thread)" : "");
        if (old) snprintf(why, sizeof why, BLAS_OLD, old), blas_note(b, "slow", why);
        return true;
    }
    if (old) snprintf(why, sizeof why, BLAS_OLD, old);
    blas_note(b, path, old ? why : found ? "gives wrong results for a small product" : "has no cblas_sgemm");
    b->sgemm = NULL, b->dgemm = NULL;
    if (!old) btl_os_close_library(library); /* one that works may have started threads */
    return false;
}

static void *blas_make(btl_context *ctx) {
    blas *b = btl_alloc(ctx, sizeof *b);
    if (!b) return NULL;
    memset(b, 0, sizeof *b);
    const char *wanted = ctx->blas[0] ? ctx->blas : btl_config_value("blas", NULL);
    if (wanted && strcmp(wanted, "none") == 0) {
        b->switched_off = true;
        snprintf(b->text, sizeof b->text, "none: switched off; loops of our own are used");
    } else if (wanted && *wanted) {
        if (!blas_try(b, wanted, true)) blas_note(b, "loops of our own are used", "the library asked for cannot be");
    } else {
        for (int i = 0; blas_candidates[i]; i++)
            if (blas_try(b, blas_candidates[i], false)) return b;
        char tried[sizeof b->text];
        memcpy(tried, b->text, sizeof tried);
        snprintf(b->text, sizeof b->text, "none: loops of our own are used; an OpenBLAS that knows this processor is faster (tried %.*s)",
                 (int)sizeof b->text - 100, tried);
    }
    return b;
}

static void blas_destroy(btl_context *ctx, void *thing) {
    btl_free(ctx, thing, sizeof(blas));
}

static const blas *blas_of(btl_context *ctx) {
    return ctx ? btl_context_slot(ctx, BTL_SLOT_BLAS, blas_make, blas_destroy) : NULL;
}

const char *btl_blas_describe(btl_context *ctx) {
    const blas *b = blas_of(ctx);
    return b ? b->text : "none: there is no memory to look for one";
}

bool btl_blas_library(btl_context *ctx, void **library, bool *switched_off) {
    const blas *b = blas_of(ctx);
    *library = b ? b->library : NULL;
    *switched_off = b && b->switched_off;
    return b != NULL;
}

void *btl_blas_open(const char *path, char *why, size_t bytes) {
    bool host = blas_host_has(path);
    void *library = btl_os_open_library(path, why, bytes);
    if (library && !host) blas_one_thread(library);
    const char *old = library ? blas_old_core(library) : NULL;
    if (!old) return library;
    snprintf(why, bytes, BLAS_OLD, old);
    return NULL; /* left open, as above */
}

/* ---- one product -------------------------------------------------------------------------- */

/* The leading dimension and whether the matrix lies transposed; false: neither rows nor columns are dense. */
static bool blas_layout(const btl_matrix *a, int64_t m, int64_t n, bool *transposed, int64_t *ld) {
    int lies = btl_gemm_lies(a->row, a->column, m, n);
    *transposed = lies == 2;
    if (lies == 1) *ld = m == 1 ? n : a->row;
    if (lies == 2) *ld = n == 1 ? m : a->column;
    return lies != 0;
}

bool btl_matrix_is_dense(const btl_matrix *a, int64_t m, int64_t n) {
    return btl_gemm_lies(a->row, a->column, m, n) != 0;
}

static bool blas_fits_int(int64_t a, int64_t b, int64_t c) {
    return a <= INT32_MAX && b <= INT32_MAX && c <= INT32_MAX;
}

/* c = beta c + alpha a b by the library; false where it cannot. */
static bool blas_product(btl_context *ctx, btl_dtype dtype, int64_t m, int64_t n, int64_t k, const btl_matrix *a,
                         const btl_matrix *b, void *c, int64_t ldc, double alpha, double beta) {
    const blas *lib = blas_of(ctx);
    bool ta = false, tb = false;
    int64_t lda = 1, ldb = 1;
    bool dense = blas_layout(a, m, k, &ta, &lda) && blas_layout(b, k, n, &tb, &ldb);
    if (!lib || !lib->sgemm || !dense || !blas_fits_int(m, n, k) || !blas_fits_int(lda, ldb, ldc)) return false;
    int x = ta ? CBLAS_TRANS : CBLAS_NO_TRANS, y = tb ? CBLAS_TRANS : CBLAS_NO_TRANS;
    if (dtype == BTL_F32)
        lib->sgemm(CBLAS_ROW_MAJOR, x, y, (int)m, (int)n, (int)k, (float)alpha, a->data, (int)lda, b->data, (int)ldb, (float)beta, c, (int)ldc);
    else
        lib->dgemm(CBLAS_ROW_MAJOR, x, y, (int)m, (int)n, (int)k, alpha, a->data, (int)lda, b->data, (int)ldb, beta, c, (int)ldc);
    return true;
}

void btl_blas_gemm(btl_context *ctx, btl_dtype dtype, int64_t m, int64_t n, int64_t k, const btl_matrix *a, const btl_matrix *b,
              void *c, int64_t ldc) {
    if (m == 0 || n == 0) return;
    if (k > 0 && !btl_gemm_is_own(m, n, k) && blas_product(ctx, dtype, m, n, k, a, b, c, ldc, 1, 0)) return;
    const btl_gemm_table *own = btl_gemm_own();
    if (dtype == BTL_F32) own->gemm_f32(m, n, k, a->data, a->row, a->column, b->data, b->row, b->column, c, ldc);
    else own->gemm_f64(m, n, k, a->data, a->row, a->column, b->data, b->row, b->column, c, ldc);
}

static void blas_own_onto(btl_dtype dtype, int64_t m, int64_t n, int64_t k, double alpha, const btl_matrix *a, const btl_matrix *b, double beta,
                          const btl_matrix *c, void *y, int64_t ldy) {
    const btl_gemm_table *own = btl_gemm_own();
    if (dtype == BTL_F32)
        own->onto_f32(m, n, k, (float)alpha, a->data, a->row, a->column, b->data, b->row, b->column, (float)beta, c->data, c->row, c->column, y, ldy);
    else
        own->onto_f64(m, n, k, alpha, a->data, a->row, a->column, b->data, b->row, b->column, beta, c->data, c->row, c->column, y, ldy);
}

static void blas_copy(btl_dtype dtype, int64_t m, int64_t n, const btl_matrix *from, void *to, int64_t ld) {
    int64_t dims[2] = { m, n }, strides[2] = { from->row, from->column }, rows[2] = { ld, 1 };
    btl_move(btl_move_copy(dtype), btl_dtype_bytes(dtype), 2, dims, to, rows, from->data, strides);
}

/* A library does not read what is multiplied by 0. */
void btl_blas_gemm_onto(btl_context *ctx, btl_dtype dtype, int64_t m, int64_t n, int64_t k, double alpha, const btl_matrix *a, const btl_matrix *b, double beta,
                   const btl_matrix *c, void *y, int64_t ldy) {
    const blas *lib = blas_of(ctx);
    const btl_matrix there = { y, ldy, 1 };
    if (m == 0 || n == 0) return;
    bool library = lib && lib->sgemm && k > 0 && alpha != 0 && beta != 0 && !btl_gemm_is_own(m, n, k) && btl_matrix_is_dense(a, m, k) && btl_matrix_is_dense(b, k, n);
    if (library && (c->data != y || c->row != ldy || c->column != 1)) {
        blas_copy(dtype, m, n, c, y, ldy);
        c = &there;
    }
    if (!library || !blas_product(ctx, dtype, m, n, k, a, b, y, ldy, alpha, beta)) blas_own_onto(dtype, m, n, k, alpha, a, b, beta, c, y, ldy);
}

void btl_blas_gemm_minus(btl_context *ctx, btl_dtype dtype, int64_t m, int64_t n, int64_t k, const btl_matrix *a, const btl_matrix *b,
                    void *c, int64_t ldc) {
    const btl_matrix same = { c, ldc, 1 };
    if (m == 0 || n == 0 || k == 0 || blas_product(ctx, dtype, m, n, k, a, b, c, ldc, -1, 1)) return;
    blas_own_onto(dtype, m, n, k, -1, a, b, 1, &same, c, ldc);
}
