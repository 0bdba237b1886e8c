/* gemm_test.c - the library's own products: right within the bound of their roundings, the same bits at every level of
 * x86-64, however the matrices lie, and in the text that standalone code gets, compiled here.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include "base/os.h"
#include "ops/gemm.h"
#include "target/snippets.h"

#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Around 4 and 8 rows, vectors, the small ones, panels of 256, blocks of 1024, tiles of 128. */
static const int sizes[][3] = {
    { 1, 1, 1 }, { 4, 4, 4 }, { 3, 5, 7 }, { 16, 16, 16 }, { 17, 16, 16 }, { 16, 17, 3 }, { 10, 10, 10 }, { 7, 33, 40 }, { 9, 65, 300 }, { 70, 31, 257 }, { 65, 64, 512 },
    { 130, 40, 600 }, { 10, 1, 10 }, { 1, 10, 10 }, { 50, 1, 16 }, { 50, 1, 17 }, { 6, 1, 1023 }, { 131, 1, 1025 }, { 1, 129, 2100 }, { 1, 1, 5000 }, { 300, 1, 70 }, { 2, 3, 1 },
    { 5, 4, 0 }, { 0, 4, 5 }, { 4, 0, 5 }, { 5, 1, 0 }, { 1, 4, 0 },
};
enum { NSIZES = sizeof sizes / sizeof *sizes };

/* One product in both types. How the matrices lie: 0 by rows, 1 by columns, 2 every second element of rows with gaps. */
typedef struct product { int m, n, k; float *a, *b, *y; double *da, *db, *dy; int64_t a_row, a_column, b_row, b_column; } product;

static void matrix_strides(int how, int rows, int columns, int64_t *row, int64_t *column) {
    *row = how == 1 ? 1 : how == 2 ? 2 * columns + 3 : columns;
    *column = how == 1 ? rows : how == 2 ? 2 : 1;
}

/* The same values whatever the layout. */
static product product_new(const int *size, int how_a, int how_b) {
    product p = { .m = size[0], .n = size[1], .k = size[2] };
    btl_rng r = { btl_test_seed() + (uint64_t)(p.m * 10000 + p.n * 100 + p.k) };
    matrix_strides(how_a, p.m, p.k, &p.a_row, &p.a_column), matrix_strides(how_b, p.k, p.n, &p.b_row, &p.b_column);
    size_t na = (size_t)(2 * p.m * p.k + 5 * (p.m + p.k) + 1), nb = (size_t)(2 * p.k * p.n + 5 * (p.k + p.n) + 1), ny = (size_t)(p.m * p.n + 1);
    p.a = calloc(na, 4), p.b = calloc(nb, 4), p.y = calloc(ny, 4), p.da = calloc(na, 8), p.db = calloc(nb, 8), p.dy = calloc(ny, 8);
    for (int i = 0; i < p.m; i++)
        for (int q = 0; q < p.k; q++) p.da[i * p.a_row + q * p.a_column] = btl_rng_uniform(&r, -1, 1), p.a[i * p.a_row + q * p.a_column] = (float)p.da[i * p.a_row + q * p.a_column];
    for (int q = 0; q < p.k; q++)
        for (int j = 0; j < p.n; j++) p.db[q * p.b_row + j * p.b_column] = btl_rng_uniform(&r, -1, 1), p.b[q * p.b_row + j * p.b_column] = (float)p.db[q * p.b_row + j * p.b_column];
    for (size_t i = 0; i < ny; i++) p.y[i] = 77, p.dy[i] = 77;
    return p;
}

static void product_free(product *p) { free(p->a), free(p->b), free(p->y), free(p->da), free(p->db), free(p->dy); }

static void product_run(product *p, const btl_gemm_table *t) {
    t->gemm_f32(p->m, p->n, p->k, p->a, p->a_row, p->a_column, p->b, p->b_row, p->b_column, p->y, p->n);
    t->gemm_f64(p->m, p->n, p->k, p->da, p->a_row, p->a_column, p->db, p->b_row, p->b_column, p->dy, p->n);
}

static void assert_same(const product *p, const product *q, const char *what) {
    size_t n = (size_t)(p->m * p->n) + 1; /* and what stands behind is left alone */
    if (memcmp(p->y, q->y, n * 4) || memcmp(p->dy, q->dy, n * 8)) BTL_FAIL("%d x %d x %d: %s", p->m, p->n, p->k, what);
}

/* |error| <= k eps/2 sum |a b| (Higham 2002, Accuracy and Stability of Numerical Algorithms, 3.5); sums in any order. */
BTL_TEST(products_are_right) {
    for (int s = 0; s < NSIZES; s++) {
        product p = product_new(sizes[s], s % 3, (s / 3) % 3);
        product_run(&p, btl_gemm_own());
        for (int i = 0; i < p.m; i++)
            for (int j = 0; j < p.n; j++) {
                long double sum = 0, size = 0, fsum = 0;
                for (int q = 0; q < p.k; q++) {
                    int64_t at = i * p.a_row + q * p.a_column, bt = q * p.b_row + j * p.b_column;
                    sum += (long double)p.da[at] * (long double)p.db[bt], fsum += (long double)p.a[at] * (long double)p.b[bt];
                    size += fabsl((long double)p.da[at] * (long double)p.db[bt]);
                }
                long double e = fabsl((long double)p.y[i * p.n + j] - fsum), d = fabsl((long double)p.dy[i * p.n + j] - sum);
                if (e > (p.k + 1) * 0x1p-24L * size * 1.001L || d > (p.k + 1) * 0x1p-53L * size * 1.001L)
                    BTL_FAIL("%d x %d x %d: element %d, %d is %g, %.17g", p.m, p.n, p.k, i, j, (double)p.y[i * p.n + j], p.dy[i * p.n + j]);
            }
        assert_true(p.y[p.m * p.n] == 77 && p.dy[p.m * p.n] == 77);
        product_free(&p);
    }
}

BTL_TEST(every_level_gives_the_same_bits) {
    const btl_gemm_table *levels[] = { &btl_gemm_v3, &btl_gemm_v4 };
    int most = btl_os_x86_level();
    for (int s = 0; s < NSIZES; s++)
        for (int l = 0; l < (most >= 4 ? 2 : most >= 3 ? 1 : 0); l++) {
            product p = product_new(sizes[s], s % 3, (s + l) % 3), q = product_new(sizes[s], s % 3, (s + l) % 3);
            product_run(&p, &btl_gemm_base), product_run(&q, levels[l]);
            assert_same(&p, &q, l ? "v4 and base differ" : "v3 and base differ");
            product_free(&p), product_free(&q);
        }
}

BTL_TEST(bits_do_not_depend_on_how_matrices_lie) {
    for (int s = 0; s < NSIZES; s++) {
        product p = product_new(sizes[s], 0, 0);
        product_run(&p, btl_gemm_own());
        for (int how = 1; how < 9; how++) {
            product q = product_new(sizes[s], how % 3, how / 3);
            product_run(&q, btl_gemm_own());
            assert_same(&p, &q, "another layout, other bits");
            product_free(&q);
        }
        product_free(&p);
    }
}

/* ---- the text ------------------------------------------------------------------------------ */

static const char preamble[] =
    "#include <stdint.h>\n#include <string.h>\n#define BTL_PRAGMA(text) _Pragma(#text)\n#define BTL_SIMD BTL_PRAGMA(omp simd)\n";
static const char functions[] =
    "void product_f32(int64_t m, int64_t n, int64_t k, const float *a, int64_t ar, int64_t ac, const float *b, int64_t br, int64_t bc, float *y, int64_t yr);\n"
    "void product_f32(int64_t m, int64_t n, int64_t k, const float *a, int64_t ar, int64_t ac, const float *b, int64_t br, int64_t bc, float *y, int64_t yr) {\n"
    "    btl_gemm_f32(m, n, k, a, ar, ac, b, br, bc, y, yr);\n}\n"
    "void product_f64(int64_t m, int64_t n, int64_t k, const double *a, int64_t ar, int64_t ac, const double *b, int64_t br, int64_t bc, double *y, int64_t yr);\n"
    "void product_f64(int64_t m, int64_t n, int64_t k, const double *a, int64_t ar, int64_t ac, const double *b, int64_t br, int64_t bc, double *y, int64_t yr) {\n"
    "    if (m <= 16 && n <= 16 && k <= 16) btl_gemm_small_f64(m, n, k, a, ar, ac, b, br, bc, y, yr);\n" /* what generated code calls for known sizes */
    "    else btl_gemm_f64(m, n, k, a, ar, ac, b, br, bc, y, yr);\n}\n";

typedef struct paste { btl_arena arena; char *text; } paste;

static btl_status paste_text(void *arg) {
    paste *p = arg;
    btl_snippets s = { 0 };
    btl_text out;
    btl_text_init(&out, &p->arena);
    btl_snippets_add(&s, &p->arena, btl_support_text), btl_snippets_add(&s, &p->arena, btl_gemm_text);
    btl_snippets_use(&s, functions, strlen(functions));
    btl_text_add(&out, preamble), btl_snippets_print(&s, &out), btl_text_add(&out, functions);
    p->text = strdup(out.data);
    return BTL_OK;
}

/* By several compilers' levels: what the text says of registers is in its macros. */
BTL_TEST(the_text_compiles_as_c99_without_a_warning_and_gives_the_same_bits) {
    static const char *const levels[] = { "-DBTL_VECTOR_BYTES=16", "-DBTL_VECTOR_BYTES=32", "-DBTL_VECTOR_BYTES=64" };
    const char *cc = getenv("CC") ? getenv("CC") : "cc";
    paste text = { .text = NULL };
    btl_test_dir dir;
    btl_test_dir_make(&dir);
    btl_arena_init(&text.arena, NULL);
    BTL_ASSERT_OK(btl_arena_protect(&text.arena, paste_text, &text));
    btl_arena_deinit(&text.arena);
    btl_test_write(btl_test_path(dir.path, "gemm.c"), text.text, strlen(text.text));
    for (size_t l = 0; l < sizeof levels / sizeof *levels; l++) {
        char library[40];
        snprintf(library, sizeof library, "gemm%zu.so", l);
        const char *const argv[] = { cc, "-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror", "-Wno-pass-failed", "-O2", "-fopenmp-simd", "-ffp-contract=off", levels[l], "-shared",
                                     "-fPIC", "gemm.c", "-o", library, NULL };
        btl_run run = btl_test_run(dir.path, NULL, argv);
        BTL_ASSERT_EXIT(&run, 0);
        btl_run_free(&run);
        void *loaded = dlopen(btl_test_path(dir.path, library), RTLD_NOW | RTLD_LOCAL);
        if (!loaded) BTL_FAIL("%s", dlerror());
        btl_gemm_table t;
        void *f32 = dlsym(loaded, "product_f32"), *f64 = dlsym(loaded, "product_f64");
        memcpy(&t.gemm_f32, &f32, sizeof f32), memcpy(&t.gemm_f64, &f64, sizeof f64);
        for (int s = 0; s < NSIZES; s++) {
            product p = product_new(sizes[s], s % 3, s / 3 % 3), q = product_new(sizes[s], s % 3, s / 3 % 3);
            product_run(&p, btl_gemm_own()), product_run(&q, &t);
            assert_same(&p, &q, "the text's bits differ from the library's");
            product_free(&p), product_free(&q);
        }
        dlclose(loaded);
    }
    free(text.text);
    btl_test_dir_remove(&dir);
}

BTL_TEST_MAIN(cmocka_unit_test(products_are_right), cmocka_unit_test(every_level_gives_the_same_bits), cmocka_unit_test(bits_do_not_depend_on_how_matrices_lie),
              cmocka_unit_test(the_text_compiles_as_c99_without_a_warning_and_gives_the_same_bits))
