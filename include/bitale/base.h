/* base.h - what every other header needs: version, status codes, errors, element types,
 * arrays, and the context that a program's graphs, functions and states share.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BITALE_BASE_H
#define BITALE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BTL_VERSION_MAJOR 0
#define BTL_VERSION_MINOR 1
#define BTL_VERSION_PATCH 0
#define BTL_VERSION_STRING "0.1.0"

#if defined _WIN32
#define BTL_API
#elif defined __GNUC__
#define BTL_API __attribute__((visibility("default")))
#else
#define BTL_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** The largest number of dimensions of an array. */
#define BTL_MAX_RANK 16

/** Every status a function of Bitale can return: 0 is good, everything else negative.
 * `BTL_STATUS_LIST(X)` calls `X(name, number, text, exit_code)` for each; the exit code is the one
 * that the `bitale` command ends with. Numbers never change. */
#define BTL_STATUS_LIST(X)                                                                        \
    X(OK, 0, "no error", 0)                                                                       \
    X(ENOMEM, -1, "out of memory", 5)                                                             \
    X(ESYNTAX, -2, "the text is not a program", 3)                                                \
    X(ENAME, -3, "unknown or doubled name", 3)                                                    \
    X(EDTYPE, -4, "wrong element type", 3)                                                        \
    X(ESHAPE, -5, "sizes do not fit", 3)                                                          \
    X(EVALUE, -6, "a setting or an argument has a value that is not allowed", 3)                  \
    X(EGRAD, -7, "no gradient", 3)                                                                \
    X(EIO, -8, "a file could not be read or written", 3)                                          \
    X(EFORMAT, -9, "a file is damaged or of another format", 3)                                   \
    X(EINDEX, -10, "an index is out of range", 5)                                                 \
    X(EASSERT, -11, "an assertion of the program failed", 5)                                      \
    X(ENAN, -12, "a value is not a number", 5)                                                    \
    X(ECOMPILER, -13, "the C compiler failed", 4)                                                 \
    X(EUNSUPPORTED, -14, "not supported yet", 3)                                                  \
    X(ECHECK, -15, "a check failed", 1)                                                           \
    X(EUSAGE, -16, "wrong use of the interface", 2)                                               \
    X(EINTERNAL, -17, "a bug in Bitale", 5)                                                       \
    X(ESINGULAR, -18, "a matrix cannot be factored or solved with", 5)                            \
    X(EPLUGIN, -19, "an op of one's own breaks its contract", 3)

typedef enum btl_status {
#define BTL_STATUS_ENUM(name, number, text, exit_code) BTL_##name = number,
    BTL_STATUS_LIST(BTL_STATUS_ENUM)
#undef BTL_STATUS_ENUM
} btl_status;

/** What a status means, in words. Static text. */
BTL_API const char *btl_status_text(btl_status status);

/** One error, in the caller's own storage: start from `{0}`. A function that takes a
 * `btl_error *` accepts NULL. The message is complete (place, what was found, what was
 * expected, a hint), of one or more lines, without a newline at its end. */
typedef struct btl_error {
    btl_status status;
    int line, column;    /**< in the program's text, counted from 1; 0 = unknown */
    char file[120];      /**< the program's file or C source file, cut at its front if long */
    char message[1800];  /**< always ends in 0 */
} btl_error;

/** The version of the library that runs, e.g. "0.1.0" (the header's is BTL_VERSION_STRING). */
BTL_API const char *btl_version(void);

/* ---- element types --------------------------------------------------------------------- */

/** Every element type: `X(NAME, name, bytes, DLPack code, kind)`; kinds: b(ool) i u f. */
#define BTL_DTYPE_LIST(X)                                                                         \
    X(BOOL, "bool", 1, 6, 'b')                                                                    \
    X(I8, "i8", 1, 0, 'i')                                                                        \
    X(I16, "i16", 2, 0, 'i')                                                                      \
    X(I32, "i32", 4, 0, 'i')                                                                      \
    X(I64, "i64", 8, 0, 'i')                                                                      \
    X(U8, "u8", 1, 1, 'u')                                                                        \
    X(U16, "u16", 2, 1, 'u')                                                                      \
    X(U32, "u32", 4, 1, 'u')                                                                      \
    X(U64, "u64", 8, 1, 'u')                                                                      \
    X(F16, "f16", 2, 2, 'f')                                                                      \
    X(BF16, "bf16", 2, 4, 'f')                                                                    \
    X(F32, "f32", 4, 2, 'f')                                                                      \
    X(F64, "f64", 8, 2, 'f')

typedef enum btl_dtype {
#define BTL_DTYPE_ENUM(NAME, name, bytes, code, kind) BTL_##NAME,
    BTL_DTYPE_LIST(BTL_DTYPE_ENUM)
#undef BTL_DTYPE_ENUM
    BTL_NDTYPES
} btl_dtype;

/** The notation's name of a type: "f32". */
BTL_API const char *btl_dtype_name(btl_dtype dtype);
/** Bytes of one element. */
BTL_API size_t btl_dtype_bytes(btl_dtype dtype);
/** 'b' bool, 'i' signed, 'u' unsigned, 'f' floating. */
BTL_API char btl_dtype_kind(btl_dtype dtype);
/** The type of that name, or false. */
BTL_API bool btl_dtype_find(const char *name, size_t length, btl_dtype *out);
/** NumPy 2's promotion (`np.result_type`); bf16 with f16 is f32. */
BTL_API btl_dtype btl_dtype_promote(btl_dtype a, btl_dtype b);

/* ---- arrays ---------------------------------------------------------------------------- */

typedef struct btl_device { int32_t type, id; } btl_device;           /**< DLPack's: type 1 = CPU */
typedef struct btl_dl_dtype { uint8_t code, bits; uint16_t lanes; } btl_dl_dtype;

/** A strided array in somebody's memory, laid out exactly as DLPack's `DLTensor`, so that a
 * pointer to one may be cast to a pointer to the other. `strides` count elements; NULL means
 * row-major without gaps. Integers and floats are in the machine's byte order. */
typedef struct btl_array {
    void *data;
    btl_device device;
    int32_t ndim;
    btl_dl_dtype dtype;
    int64_t *shape;
    int64_t *strides;
    uint64_t byte_offset;
} btl_array;

typedef struct btl_context btl_context;

/** Describes memory of the caller's as a row-major array; `shape` must live as long as the
 * array. Nothing is allocated, nothing need be freed. */
BTL_API btl_array btl_array_wrap(btl_dtype dtype, int rank, int64_t *shape, void *data);
/** A new row-major array of zeros, to be freed with `btl_array_free`. Its shape lies in the same
 * piece of memory as the data, which is aligned to 64 bytes. ENOMEM; ESHAPE when a size is
 * negative or the bytes do not fit `size_t`. `ctx` may be NULL (malloc). */
BTL_API btl_status btl_array_new(btl_context *ctx, btl_dtype dtype, int rank, const int64_t *shape,
                                 btl_array *out);
/** Frees an array that `btl_array_new` or a call made, and clears it; any cleared array is
 * accepted. Never pass a wrapped one. */
BTL_API void btl_array_free(btl_array *array);
/** The element type, or false where Bitale has none for it. */
BTL_API bool btl_array_dtype(const btl_array *array, btl_dtype *out);
/** Number of elements, or -1 on overflow. */
BTL_API int64_t btl_array_elems(const btl_array *array);
/** First element: `data` plus `byte_offset`. */
BTL_API void *btl_array_data(const btl_array *array);
/** True if row-major without gaps. */
BTL_API bool btl_array_is_contiguous(const btl_array *array);
/** Copies element by element between arrays of equal type and shape, any strides. EDTYPE, ESHAPE. */
BTL_API btl_status btl_array_copy(btl_array *to, const btl_array *from);
/** Converts `from` into `to` (equal shapes): widening is exact; a float that does not fit an
 * integer saturates, NaN gives 0. EDTYPE never; ESHAPE. */
BTL_API btl_status btl_array_convert(btl_array *to, const btl_array *from);

/* ---- context --------------------------------------------------------------------------- */

/** One function for all memory: `bytes` 0 frees; otherwise returns memory of at least `bytes`,
 * aligned to 16, with the old contents up to the smaller of the two sizes; NULL on failure. */
typedef void *(*btl_alloc_fn)(void *user, void *ptr, size_t old_bytes, size_t bytes);

/** How a host program replaces what the library would ask of the process. Start from `{0}`. */
typedef struct btl_context_options {
    size_t struct_size;     /**< sizeof(btl_context_options) */
    btl_alloc_fn alloc;     /**< NULL: realloc and free; must be callable from any thread */
    void *alloc_user;
    const char *blas;       /**< path of a CBLAS, "none" for the plain one, NULL: search */
    const char *cache_dir;  /**< folder of compiled code; NULL: BITALE_CACHE_DIR, then ~/.cache/bitale (XDG) */
    const char *compiler;   /**< the C compiler, a name or a path; "none"; NULL: BITALE_CC, CC, then cc, gcc, clang */
} btl_context_options;

/** A context: allocator and what is loaded once. `options` may be NULL.
 * Thread rule: may be used from any thread. Free it after everything made with it. */
BTL_API btl_status btl_context_new(const btl_context_options *options, btl_context **out);
BTL_API void btl_context_free(btl_context *ctx);

#ifdef __cplusplus
}
#endif
#endif
