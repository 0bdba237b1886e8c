/* support.c - see support.h. Nothing of the library is used to judge the library: elements are read
 * here by hand. SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE /* posix_spawn_file_actions_addchdir_np */
#include "support.h"

#include "bitale/tensors.h"
#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- tests ------------------------------------------------------------------------------- */

static const char *option_seed;

void btl_test_options(int argc, char **argv) {
    static char pattern[256];
    for (int i = 1; i < argc; i++) {
        if (i + 1 < argc && strcmp(argv[i], "-k") == 0) {
            snprintf(pattern, sizeof pattern, "*%s*", argv[++i]);
            cmocka_set_test_filter(pattern);
        } else if (i + 1 < argc && strcmp(argv[i], "-s") == 0) {
            option_seed = argv[++i];
        } else {
            fprintf(stderr, "usage: %s [-k PART_OF_A_NAME] [-s SEED]\n", argv[0]);
            exit(2);
        }
    }
}

_Noreturn void btl_test_fail(const char *file, int line, const char *format, ...) {
    char message[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    print_error("%s\n", message);
    _fail(file, line);
    abort(); /* _fail does not return, but does not say so to every compiler */
}

void btl_test_status(const char *file, int line, const char *call, btl_status got, btl_status want) {
    if (got != want)
        btl_test_fail(file, line, "%s\n    returned %d (%s), expected %d (%s)", call, got,
                      btl_status_text(got), want, btl_status_text(want));
}

void btl_test_contains(const char *file, int line, const char *text, const char *part) {
    if (!text || !strstr(text, part))
        btl_test_fail(file, line, "expected a text with\n    %s\nin\n%s", part, text ? text : "(NULL)");
}

const char *btl_test_blas(void) {
    static char path[300];
    btl_context *ctx;
    BTL_ASSERT_OK(btl_context_new(NULL, &ctx));
    const char *text = btl_blas_describe(ctx), *slow = strstr(text, ": it does not know this processor"), *start = slow;
    while (start && start > text && !strchr(" (", start[-1])) start--;
    if (slow) snprintf(path, sizeof path, "%.*s", (int)(slow - start), start);
    else snprintf(path, sizeof path, "%.*s", (int)strcspn(text, " "), text);
    btl_context_free(ctx);
    return strstr(path, ".so") ? path : NULL;
}

/* ---- numbers ----------------------------------------------------------------------------- */

/* Where a number stands in the order of all numbers of its type: neighbours differ by 1. `bits` has
 * sign and magnitude, the sign at `sign`. */
static int64_t ulp_order(uint64_t bits, uint64_t sign) {
    int64_t magnitude = (int64_t)(bits & (sign - 1));
    return bits & sign ? -magnitude : magnitude;
}

static uint64_t ulp_distance(uint64_t a, uint64_t b, uint64_t sign) {
    int64_t x = ulp_order(a, sign), y = ulp_order(b, sign);
    return x > y ? (uint64_t)x - (uint64_t)y : (uint64_t)y - (uint64_t)x;
}

uint64_t btl_ulps_f32(float a, float b) {
    if (isnan(a) || isnan(b)) return isnan(a) && isnan(b) ? 0 : UINT64_MAX;
    uint32_t x, y;
    memcpy(&x, &a, sizeof x);
    memcpy(&y, &b, sizeof y);
    return ulp_distance(x, y, UINT64_C(1) << 31);
}

uint64_t btl_ulps_f64(double a, double b) {
    if (isnan(a) || isnan(b)) return isnan(a) && isnan(b) ? 0 : UINT64_MAX;
    uint64_t x, y;
    memcpy(&x, &a, sizeof x);
    memcpy(&y, &b, sizeof y);
    return ulp_distance(x, y, UINT64_C(1) << 63);
}

void btl_test_ulp(const char *file, int line, const char *what, double got, double want, uint64_t ulps) {
    uint64_t apart = btl_ulps_f64(got, want);
    if (apart > ulps)
        btl_test_fail(file, line, "%s = %.17g (%a)\n    expected %.17g (%a), %" PRIu64 " ulp apart, "
                      "allowed %" PRIu64, what, got, got, want, want, apart, ulps);
}

void btl_test_ulp_f32(const char *file, int line, const char *what, float got, float want, uint64_t ulps) {
    uint64_t apart = btl_ulps_f32(got, want);
    if (apart > ulps)
        btl_test_fail(file, line, "%s = %.9g (%a)\n    expected %.9g (%a), %" PRIu64 " ulp apart, "
                      "allowed %" PRIu64, what, (double)got, (double)got, (double)want, (double)want,
                      apart, ulps);
}

void btl_test_near(const char *file, int line, const char *what, double got, double want, double tolerance) {
    if (isnan(got) && isnan(want)) return;
    if (got == want || fabs(got - want) <= tolerance) return;
    btl_test_fail(file, line, "%s = %.17g\n    expected %.17g, apart by %.3g, allowed %.3g", what, got,
                  want, fabs(got - want), tolerance);
}

/* ---- arrays ------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    uint8_t code, bits; /* DLPack's */
    char kind;
} element_types[] = {
#define SUPPORT_TYPE(NAME, name, bytes, code, kind) { name, code, bytes * 8, kind },
    BTL_DTYPE_LIST(SUPPORT_TYPE)
#undef SUPPORT_TYPE
};

btl_dl_dtype btl_test_dl_dtype(btl_dtype dtype) {
    return (btl_dl_dtype){ element_types[dtype].code, element_types[dtype].bits, 1 };
}

static int array_dtype(const btl_array *a) {
    for (int i = 0; i < BTL_NDTYPES; i++)
        if (element_types[i].code == a->dtype.code && element_types[i].bits == a->dtype.bits) return i;
    return -1;
}

static const char *array_text(const btl_array *a, char *text, size_t size) {
    int dtype = array_dtype(a);
    size_t n = (size_t)snprintf(text, size, "%s[", dtype < 0 ? "?" : element_types[dtype].name);
    for (int i = 0; i < a->ndim && n < size; i++)
        n += (size_t)snprintf(text + n, size - n, "%s%" PRId64, i ? ", " : "", a->shape[i]);
    if (n < size) snprintf(text + n, size - n, "]");
    return text;
}

/* One element: its bits, and its value as a double (exact but for 64-bit integers beyond 2^53). */
typedef struct element {
    uint64_t bits;
    double value;
    bool nan;
} element;

static double element_of_small_float(uint64_t bits, int exponent_bits, int fraction_bits) {
    int bias = (1 << (exponent_bits - 1)) - 1;
    int exponent = (int)(bits >> fraction_bits) & ((1 << exponent_bits) - 1);
    double fraction = (double)(bits & ((UINT64_C(1) << fraction_bits) - 1));
    double sign = bits >> (exponent_bits + fraction_bits) & 1 ? -1.0 : 1.0;
    if (exponent == (1 << exponent_bits) - 1) return fraction != 0 ? (double)NAN : sign * (double)INFINITY;
    if (exponent == 0) return sign * ldexp(fraction, 1 - bias - fraction_bits);
    return sign * ldexp(fraction + ldexp(1, fraction_bits), exponent - bias - fraction_bits);
}

static element element_at(const btl_array *a, int dtype, const int64_t *index) {
    int64_t offset = 0, step = 1;
    for (int i = a->ndim - 1; i >= 0; i--) {
        offset += index[i] * (a->strides ? a->strides[i] : step);
        step *= a->shape[i];
    }
    int bytes = element_types[dtype].bits / 8;
    const char *p = (const char *)a->data + a->byte_offset + offset * bytes;
    element e = { 0 };
    switch (bytes) { /* not memcpy to the front of bits: that would ask for little-endian */
    case 1: { uint8_t x; memcpy(&x, p, sizeof x); e.bits = x; break; }
    case 2: { uint16_t x; memcpy(&x, p, sizeof x); e.bits = x; break; }
    case 4: { uint32_t x; memcpy(&x, p, sizeof x); e.bits = x; break; }
    default: memcpy(&e.bits, p, sizeof e.bits);
    }
    switch (element_types[dtype].kind) {
    case 'f':
        e.value = dtype == BTL_F16    ? element_of_small_float(e.bits, 5, 10)
                  : dtype == BTL_BF16 ? element_of_small_float(e.bits, 8, 7)
                  : dtype == BTL_F32  ? element_of_small_float(e.bits, 8, 23)
                                      : 0;
        if (dtype == BTL_F64) memcpy(&e.value, &e.bits, sizeof e.value);
        e.nan = isnan(e.value);
        break;
    case 'i': {
        int unused = 64 - 8 * bytes; /* sign extension */
        int64_t x = (int64_t)(e.bits << unused) >> unused;
        e.bits = (uint64_t)x;
        e.value = (double)x;
        break;
    }
    default: e.value = (double)e.bits;
    }
    return e;
}

/* The distance in ulp of the type, or the difference of integers. */
static uint64_t element_distance(int dtype, element a, element b) {
    if (a.nan || b.nan) return a.nan && b.nan ? 0 : UINT64_MAX;
    switch (element_types[dtype].kind) {
    case 'f': return ulp_distance(a.bits, b.bits, UINT64_C(1) << (element_types[dtype].bits - 1));
    case 'i': return (int64_t)a.bits > (int64_t)b.bits ? a.bits - b.bits : b.bits - a.bits;
    default: return a.bits > b.bits ? a.bits - b.bits : b.bits - a.bits;
    }
}

static bool element_is_near(element got, element want, uint64_t apart, const btl_tolerance *t) {
    if (got.nan && want.nan) return true;
    if (t->zero_signs && got.value == 0 && want.value == 0 && got.bits != want.bits) return false;
    if (apart <= t->ulps) return true;
    if (isinf(got.value) || isinf(want.value)) return false; /* inf - inf, or a tolerance of inf */
    return fabs(got.value - want.value) <= t->absolute + t->relative * fabs(want.value);
}

static const char *difference_text(char *text, size_t size, const char *which, int rank,
                                   const int64_t *index, int dtype, element got, element want) {
    size_t n = (size_t)snprintf(text, size, "%s at [", which);
    for (int i = 0; i < rank && n < size; i++)
        n += (size_t)snprintf(text + n, size - n, "%s%" PRId64, i ? ", " : "", index[i]);
    uint64_t apart = element_distance(dtype, got, want);
    char distance[64] = "one of them is NaN";
    if (apart != UINT64_MAX)
        snprintf(distance, sizeof distance, "apart by %.3g, %" PRIu64 " %s", fabs(got.value - want.value),
                 apart, element_types[dtype].kind == 'f' ? "ulp" : "steps");
    if (n < size)
        snprintf(text + n, size - n, "]: got %.17g (%a), expected %.17g (%a), %s", got.value, got.value,
                 want.value, want.value, distance);
    return text;
}

void btl_test_arrays(const char *file, int line, const char *op, const btl_array *got,
                     const btl_array *want, btl_tolerance tolerance) {
    char a[256], b[256];
    int dtype = array_dtype(got);
    array_text(got, a, sizeof a);
    array_text(want, b, sizeof b);
    if (dtype < 0 || strcmp(a, b) != 0)
        btl_test_fail(file, line, "%s: got an array %s, expected %s; seed %" PRIu64, op, a, b, btl_test_seed());

    int64_t index[BTL_MAX_RANK] = { 0 }, first_index[BTL_MAX_RANK] = { 0 }, worst_index[BTL_MAX_RANK] = { 0 };
    element first[2] = { { 0 } }, worst[2] = { { 0 } };
    uint64_t worst_apart = 0;
    int64_t elems = 1, bad = 0;
    for (int i = 0; i < got->ndim; i++) elems *= got->shape[i];
    for (int64_t k = 0; k < elems; k++) {
        element x = element_at(got, dtype, index), y = element_at(want, dtype, index);
        uint64_t apart = element_distance(dtype, x, y);
        if (!element_is_near(x, y, apart, &tolerance)) {
            if (bad == 0) {
                memcpy(first_index, index, sizeof index);
                first[0] = x, first[1] = y;
            }
            if (bad == 0 || apart > worst_apart) {
                memcpy(worst_index, index, sizeof index);
                worst[0] = x, worst[1] = y;
                worst_apart = apart;
            }
            bad++;
        }
        for (int i = got->ndim - 1; i >= 0 && ++index[i] == got->shape[i]; i--) index[i] = 0;
    }
    if (bad == 0) return;
    char c[512], d[512];
    btl_test_fail(file, line,
                  "%s: %" PRId64 " of %" PRId64 " elements of %s differ\n    %s\n    %s\n"
                  "    allowed: relative %g, absolute %g, %" PRIu64 " ulp%s; seed %" PRIu64,
                  op, bad, elems, a,
                  difference_text(c, sizeof c, "first", got->ndim, first_index, dtype, first[0], first[1]),
                  difference_text(d, sizeof d, "worst", got->ndim, worst_index, dtype, worst[0], worst[1]),
                  tolerance.relative, tolerance.absolute, tolerance.ulps,
                  tolerance.zero_signs ? ", signs of zeros count" : "", btl_test_seed());
}

/* ---- random numbers ---------------------------------------------------------------------- */

uint64_t btl_test_seed(void) {
    static bool known;
    static uint64_t seed;
    if (known) return seed;
    known = true;
    const char *text = option_seed ? option_seed : getenv("BTL_SEED");
    if (!text || !*text) return seed = 20260101;
    if (strcmp(text, "random") == 0) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        seed = ((uint64_t)now.tv_sec << 20 ^ (uint64_t)now.tv_nsec) & 0xffffffffffff;
    } else {
        seed = strtoull(text, NULL, 0);
    }
    print_message("seed %" PRIu64 "\n", seed);
    return seed;
}

uint64_t btl_rng_u64(btl_rng *r) {
    uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

uint64_t btl_rng_below(btl_rng *r, uint64_t n) {
    uint64_t limit = UINT64_MAX - UINT64_MAX % n, x; /* a multiple of n: no value is favoured */
    do x = btl_rng_u64(r);
    while (x >= limit);
    return x % n;
}

double btl_rng_uniform(btl_rng *r, double low, double high) {
    double x = low + (high - low) * ((double)(btl_rng_u64(r) >> 11) * 0x1p-53);
    return x < high ? x : low; /* rounding may reach `high` */
}

double btl_rng_normal(btl_rng *r) { /* Box & Muller (1958) */
    double u = 1 - btl_rng_uniform(r, 0, 1), v = btl_rng_uniform(r, 0, 1);
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

/* ---- memory that runs out ---------------------------------------------------------------- */

/* Before each block: its size and a mark that says whether it lives. 16 bytes keep the alignment. */
typedef struct memory_header {
    size_t bytes;
    uint64_t mark;
} memory_header;
_Static_assert(sizeof(memory_header) == 16, "a block must stay aligned to 16 bytes");
static const uint64_t memory_lives = UINT64_C(0x5a11fe5a11fe5a11), memory_dead = UINT64_C(0xdeadbeefdeadbeef);
static pthread_mutex_t memory_lock = PTHREAD_MUTEX_INITIALIZER;

static _Noreturn void memory_broken(const char *what, size_t told, size_t is) {
    fprintf(stderr, "btl_test_alloc: %s (told %zu bytes, the block has %zu)\n", what, told, is);
    abort(); /* perhaps in another thread, under a lock: no test can go on from here */
}

static void *memory_change(btl_test_memory *m, memory_header *old, size_t bytes) {
    size_t old_bytes = old ? old->bytes : 0;
    if (bytes > old_bytes) {
        m->allocations++;
        if (m->fail_at && (m->allocations == m->fail_at || (m->stays && m->allocations > m->fail_at))) {
            m->failed = true;
            return NULL;
        }
    }
    /* Always a new block, so that a pointer kept to the old one is seen by a sanitizer. */
    memory_header *block = bytes > SIZE_MAX - sizeof *block ? NULL : malloc(sizeof *block + bytes);
    if (!block) return NULL;
    *block = (memory_header){ bytes, memory_lives };
    memset(block + 1, 0xa5, bytes); /* nobody may rely on zeros */
    if (old) {
        memcpy(block + 1, old + 1, old_bytes < bytes ? old_bytes : bytes);
        old->mark = memory_dead;
        free(old);
    } else {
        m->live++;
    }
    m->live_bytes += bytes - old_bytes;
    if (m->live_bytes > m->peak_bytes) m->peak_bytes = m->live_bytes;
    return block + 1;
}

void *btl_test_alloc(void *user, void *ptr, size_t old_bytes, size_t bytes) {
    btl_test_memory *m = user;
    memory_header *old = ptr ? (memory_header *)ptr - 1 : NULL;
    pthread_mutex_lock(&memory_lock);
    if (old && old->mark != memory_lives) memory_broken("a block that is not allocated", old_bytes, 0);
    if (old && old->bytes != old_bytes) memory_broken("wrong old_bytes", old_bytes, old->bytes);
    void *result = NULL;
    if (bytes) {
        result = memory_change(m, old, bytes);
    } else if (old) {
        m->live--;
        m->live_bytes -= old->bytes;
        old->mark = memory_dead;
        free(old);
    }
    pthread_mutex_unlock(&memory_lock);
    return result;
}

btl_context_options btl_test_context_options(btl_test_memory *memory) {
    return (btl_context_options){ .struct_size = sizeof(btl_context_options),
                                  .alloc = btl_test_alloc,
                                  .alloc_user = memory };
}

long btl_test_each_failure(const char *file, int line, btl_status (*body)(btl_context *ctx, void *arg),
                           void *arg) {
    for (long n = 1;; n++) {
        for (int stays = 0; stays <= 1; stays++) {
            btl_test_memory memory = { .fail_at = n, .stays = stays };
            btl_context_options options = btl_test_context_options(&memory);
            btl_context *ctx = NULL;
            btl_status status = btl_context_new(&options, &ctx);
            if (status == BTL_OK) status = body(ctx, arg);
            btl_context_free(ctx);
            if (memory.live)
                btl_test_fail(file, line, "allocation %ld failed%s: %ld blocks of %zu bytes were not freed", n,
                              stays ? " and all later ones" : "", memory.live, memory.live_bytes);
            if (!memory.failed) {
                if (status != BTL_OK)
                    btl_test_fail(file, line, "no allocation failed, yet the status is %d (%s)", status,
                                  btl_status_text(status));
                return memory.allocations;
            }
            if (status != BTL_OK && status != BTL_ENOMEM)
                btl_test_fail(file, line, "allocation %ld failed%s: status %d (%s), expected %d (%s)", n,
                              stays ? " and all later ones" : "", status, btl_status_text(status), BTL_ENOMEM,
                              btl_status_text(BTL_ENOMEM));
        }
    }
}

/* ---- files ------------------------------------------------------------------------------- */

void btl_test_dir_make(btl_test_dir *dir) {
    const char *build = getenv("BTL_BINARY_DIR"), *temporary = getenv("TMPDIR");
    if (build)
        snprintf(dir->path, sizeof dir->path, "%s/test-work/dir-XXXXXX", build);
    else
        snprintf(dir->path, sizeof dir->path, "%s/btl-test-XXXXXX", temporary ? temporary : "/tmp");
    if (!mkdtemp(dir->path)) BTL_FAIL("mkdtemp %s: %s", dir->path, strerror(errno));
}

static int dir_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

void btl_test_dir_remove(btl_test_dir *dir) {
    if (dir->path[0] && nftw(dir->path, dir_remove_one, 16, FTW_DEPTH | FTW_PHYS))
        BTL_FAIL("cannot remove %s: %s", dir->path, strerror(errno));
    dir->path[0] = 0;
}

int btl_test_dir_setup(void **state) {
    btl_test_dir *dir = malloc(sizeof *dir);
    if (!dir) return -1;
    btl_test_dir_make(dir);
    *state = dir;
    return 0;
}

int btl_test_dir_teardown(void **state) {
    btl_test_dir_remove(*state);
    free(*state);
    return 0;
}

const char *btl_test_path(const char *dir, const char *name) {
    static char paths[16][1024];
    static int next;
    char *path = paths[next++ % 16];
    if (!dir) dir = getenv("BTL_SOURCE_DIR");
    int n = snprintf(path, sizeof paths[0], "%s/%s", dir ? dir : ".", name);
    if (n >= (int)sizeof paths[0]) BTL_FAIL("path too long: %s/%s", dir, name);
    return path;
}

static char *read_stream(FILE *f, const char *path, size_t *bytes) {
    size_t size = 0, capacity = 4096, n;
    char *data = malloc(capacity);
    while (data && (n = fread(data + size, 1, capacity - size - 1, f)) > 0) {
        size += n;
        if (size + 1 < capacity) continue;
        char *bigger = realloc(data, capacity *= 2);
        if (!bigger) free(data);
        data = bigger;
    }
    if (!data || ferror(f)) {
        free(data);
        fclose(f);
        BTL_FAIL("cannot read %s: %s", path, strerror(errno));
    }
    data[size] = 0;
    if (bytes) *bytes = size;
    return data;
}

char *btl_test_read(const char *path, size_t *bytes) {
    FILE *f = fopen(path, "rb");
    if (!f) BTL_FAIL("cannot open %s: %s", path, strerror(errno));
    char *data = read_stream(f, path, bytes);
    fclose(f);
    return data;
}

void btl_test_write(const char *path, const void *data, size_t bytes) {
    FILE *f = fopen(path, "wb");
    if (!f) BTL_FAIL("cannot write %s: %s", path, strerror(errno));
    bool good = fwrite(data, 1, bytes, f) == bytes;
    good = fclose(f) == 0 && good;
    if (!good) BTL_FAIL("cannot write %s: %s", path, strerror(errno));
}

char *btl_test_replace(const char *text, const char *from, const char *to) {
    size_t nfrom = strlen(from), nto = strlen(to), count = 0;
    if (nfrom == 0) BTL_FAIL("btl_test_replace: nothing to replace");
    for (const char *p = text; (p = strstr(p, from)); p += nfrom) count++;
    char *result = malloc(strlen(text) + count * nto + 1), *out = result;
    if (!result) BTL_FAIL("out of memory");
    for (const char *p; (p = strstr(text, from)); text = p + nfrom) {
        memcpy(out, text, (size_t)(p - text));
        out += p - text;
        memcpy(out, to, nto);
        out += nto;
    }
    strcpy(out, text);
    return result;
}

void btl_test_golden(const char *file, int line, const char *name, const char *text) {
    char relative[512];
    snprintf(relative, sizeof relative, "test/golden/%s", name);
    const char *path = btl_test_path(NULL, relative), *bless = getenv("BTL_BLESS");
    if (bless && strcmp(bless, "1") == 0) {
        btl_test_write(path, text, strlen(text));
        return;
    }
    if (access(path, R_OK)) btl_test_fail(file, line, "%s is not there; BTL_BLESS=1 writes it:\n%s", relative, text);
    char *want = btl_test_read(path, NULL);
    if (strcmp(want, text) == 0) {
        free(want);
        return;
    }
    int number = 1;
    size_t at = 0, start = 0; /* first difference, and where its line begins */
    for (; want[at] && want[at] == text[at]; at++)
        if (want[at] == '\n') number++, start = at + 1;
    print_error("---- got:\n%s\n---- expected:\n%s\n----\n", text, want);
    char message[1024];
    snprintf(message, sizeof message, "%s: line %d differs\n    got      %.*s\n    expected %.*s", relative,
             number, (int)strcspn(text + start, "\n"), text + start, (int)strcspn(want + start, "\n"),
             want + start);
    free(want);
    btl_test_fail(file, line, "%s", message);
}

/* ---- programs ---------------------------------------------------------------------------- */

extern char **environ;

/* Standard streams are files without a name, so that no amount of output can block the program. */
btl_run btl_test_run(const char *dir, const char *input, const char *const argv[]) {
    char *arguments[64];
    int n = 0;
    const char *program = argv[0] ? argv[0] : getenv("BTL_PROGRAM");
    arguments[n++] = (char *)(uintptr_t)(program ? program : "build/bitale");
    for (; argv[n]; n++) {
        if (n == 63) BTL_FAIL("too many arguments");
        arguments[n] = (char *)(uintptr_t)argv[n]; /* posix_spawn does not write to them */
    }
    arguments[n] = NULL;

    FILE *streams[3] = { tmpfile(), tmpfile(), tmpfile() };
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    if (dir) posix_spawn_file_actions_addchdir_np(&actions, dir);
    for (int i = 0; i < 3; i++) {
        if (!streams[i]) BTL_FAIL("tmpfile: %s", strerror(errno));
        if (i == 0 && input) fputs(input, streams[0]);
        rewind(streams[i]);
        posix_spawn_file_actions_adddup2(&actions, fileno(streams[i]), i);
    }
    pid_t pid;
    int problem = posix_spawnp(&pid, arguments[0], &actions, NULL, arguments, environ), status = 0;
    posix_spawn_file_actions_destroy(&actions);
    if (problem) BTL_FAIL("cannot start %s: %s", arguments[0], strerror(problem));
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) BTL_FAIL("waitpid: %s", strerror(errno));

    btl_run run = { .code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status) };
    rewind(streams[1]);
    rewind(streams[2]);
    run.out = read_stream(streams[1], "standard output", &run.out_bytes);
    run.err = read_stream(streams[2], "standard error", &run.err_bytes);
    for (int i = 0; i < 3; i++) fclose(streams[i]);
    return run;
}

void btl_run_free(btl_run *run) {
    free(run->out);
    free(run->err);
    *run = (btl_run){ 0 };
}

void btl_test_exit(const char *file, int line, const btl_run *run, int expected) {
    if (run->code != expected)
        btl_test_fail(file, line, "exit code %d, expected %d\n---- standard output:\n%s\n---- standard error:\n%s",
                      run->code, expected, run->out, run->err);
}

bool btl_test_timed(void) {
    const char *timed = getenv("BTL_TIMED");
    return timed && *timed;
}
