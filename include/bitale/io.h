/* io.h - arrays from files and to files: .npy, .npz, .csv, .idx, .safetensors, raw bytes.
 *
 * What all of these have in common:
 *   Result     `out` is a new row-major array in the machine's byte order, of the caller's
 *              (btl_array_free). On failure it is cleared: nothing is left half done.
 *   Context    its allocator is used; NULL means malloc.
 *   Path       "-" is standard input, for the readers that say so.
 *   Errors     `err` (may be NULL, start from {0}) gets the path, the offset, line or name, what was
 *              found there and what was expected. EIO: not there, not readable, not writable, disk
 *              full. EFORMAT: damaged, cut off, or of another format. EUNSUPPORTED: well formed, but
 *              of a kind that Bitale does not read. ENAME: no such name inside. ENOMEM.
 *   Written    files appear complete or not at all: what stood there before stays until the new
 *              file is whole. (A device such as /dev/stdout is written directly.)
 *   Hostile    files are expected: nothing is allocated because a header says so before the size of
 *              the file has confirmed it, and nothing in a file is ever executed.
 *   Threads    any number of threads may call these at the same time, also with one context.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BITALE_IO_H
#define BITALE_IO_H

#include "bitale/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- .npy: one array, NumPy's own format ------------------------------------------------ */

/** Reads a NumPy file, format versions 1.0, 2.0 and 3.0.
 *
 * @param path  the file; "-" is standard input
 * @param out   the array; data in Fortran order arrives in row-major order
 * Errors:      EUNSUPPORTED for big-endian numbers and for types without a counterpart (objects,
 *              complex, strings, dates, structures). EFORMAT for another magic, a damaged header,
 *              a file that is cut off or goes on behind its array.
 * Memory:      the array alone; twice that in Fortran order.
 * Source:      NumPy Enhancement Proposal 1.   See: btl_npz_read, btl_npy_write.   Since: 0.1
 */
BTL_API btl_status btl_npy_read(btl_context *ctx, const char *path, btl_array *out, btl_error *err);

/** Writes a NumPy file, format version 1.0, little-endian, row-major, data aligned to 64 bytes.
 *
 * @param array any strides; read only
 * Errors:      EUNSUPPORTED for bf16, which NumPy has no name for: use btl_safetensors_write.
 * Memory:      none to speak of, whatever the strides.
 * Source:      NumPy Enhancement Proposal 1.   See: btl_npy_read.   Since: 0.1
 */
BTL_API btl_status btl_npy_write(btl_context *ctx, const char *path, const btl_array *array, btl_error *err);

/* ---- .npz: a zip of .npy ---------------------------------------------------------------- */

/** Reads one array of a NumPy archive, stored or deflated.
 *
 * @param name  as given to `np.savez`, with or without ".npy" at its end
 * Errors:      as btl_npy_read; ENAME, which lists what the archive holds and names the nearest;
 *              EUNSUPPORTED where libzip is not installed (it is loaded at first use) or Bitale was
 *              built without it.
 * Source:      numpy.savez.   See: btl_npz_list.   Since: 0.1
 */
BTL_API btl_status btl_npz_read(btl_context *ctx, const char *path, const char *name, btl_array *out,
                                btl_error *err);

/** Calls `visit(user, name)` for each array of a NumPy archive, in the archive's order, until it
 * returns false. The name comes without ".npy" and lives until `visit` returns.
 *
 * Errors:      as btl_npz_read.   See: btl_npz_read.   Since: 0.1
 */
BTL_API btl_status btl_npz_list(btl_context *ctx, const char *path, bool (*visit)(void *user, const char *name),
                                void *user, btl_error *err);

/* ---- .csv: numbers as text -------------------------------------------------------------- */

/** Reads a table of numbers as f64 `[rows, columns]`; if one column was chosen, `[rows]`.
 *
 * The separator is found in the first line: comma, semicolon or tab, whichever occurs most;
 * otherwise blanks. The first line is a header if one of its fields is neither empty nor a number,
 * or if it begins with "#", which is then no part of the first name.
 * Fields may be quoted. An empty field is NaN; empty lines are skipped. Lines end in LF or CRLF; a
 * UTF-8 byte order mark is skipped. The decimal point is a point in every locale.
 *
 * @param path     the file; "-" is standard input
 * @param columns  NULL or "" for all; otherwise names, indices from 0, or ranges of indices, in
 *                 the order wanted: "price,0,3-5". A name wins over an index.
 * Errors:         EFORMAT with line and column: not a number, too few or too many fields, a quote
 *                 that is never closed, no row at all. ENAME: no such column, with the nearest.
 * Memory:         the array, the file and its header line.
 * Source:         RFC 4180, and what programs write.   Since: 0.1
 */
BTL_API btl_status btl_csv_read(btl_context *ctx, const char *path, const char *columns, btl_array *out,
                                btl_error *err);

/* ---- .idx: the format of MNIST ---------------------------------------------------------- */

/** Reads an IDX file, also one packed by gzip (which is seen from its first bytes, not its name).
 *
 * @param path  the file; "-" is standard input
 * @param out   u8, i8, i16, i32, f32 or f64, any rank; the file's big-endian numbers are converted
 * Errors:      EUNSUPPORTED for a packed file where zlib is not installed (it is loaded at first
 *              use) or Bitale was built without it.
 * Source:      Y. LeCun, C. Cortes, C. Burges: the MNIST database, "the IDX file format".   Since: 0.1
 */
BTL_API btl_status btl_idx_read(btl_context *ctx, const char *path, btl_array *out, btl_error *err);

/* ---- .safetensors: named arrays --------------------------------------------------------- */

/** A safetensors file, open for reading; its header has been read and checked entirely.
 * Thread rule: one thread at a time. */
typedef struct btl_safetensors btl_safetensors;

/** What the header says of one tensor. Borrowed, lives as long as the file is open. */
typedef struct btl_tensor_info {
    const char *name;      /**< UTF-8, unique in its file */
    btl_dtype dtype;
    int rank;
    const int64_t *shape;
    uint64_t offset_bytes; /**< of its data, from the beginning of the file */
    uint64_t bytes;        /**< of its data */
} btl_tensor_info;

/** Opens a safetensors file and checks its header: every tensor has a known type, at most
 * BTL_MAX_RANK sizes that multiply up to its bytes, and a place of its own in the file; together
 * they fill the file without a gap, as the format demands.
 *
 * @param out   to be freed with btl_safetensors_free
 * Errors:      EFORMAT, with the offset in the file; EUNSUPPORTED for an unknown element type.
 * Source:      the safetensors format, https://github.com/huggingface/safetensors#format
 * See:         btl_safetensors_load, which does it all for one tensor.   Since: 0.1
 */
BTL_API btl_status btl_safetensors_open(btl_context *ctx, const char *path, btl_safetensors **out, btl_error *err);
/** Closes the file. NULL is accepted. Arrays that were read stay. */
BTL_API void btl_safetensors_free(btl_safetensors *file);
/** Number of tensors. */
BTL_API int btl_safetensors_count(const btl_safetensors *file);
/** The i-th tensor in the order of the header, 0 <= i < count. */
BTL_API const btl_tensor_info *btl_safetensors_info(const btl_safetensors *file, int i);
/** The tensor of that name, or NULL. */
BTL_API const btl_tensor_info *btl_safetensors_find(const btl_safetensors *file, const char *name);
/** Reads one tensor; `tensor` comes from this file's info or find. Any order, any number of times.
 * Errors: EIO, ENOMEM; EFORMAT if the file has been cut since. Since: 0.1 */
BTL_API btl_status btl_safetensors_read(btl_safetensors *file, const btl_tensor_info *tensor, btl_array *out,
                                        btl_error *err);

/** Opens, reads one tensor, closes.
 *
 * Errors:      as btl_safetensors_open; ENAME, which lists what the file holds and names the nearest.
 * Since:       0.1
 */
BTL_API btl_status btl_safetensors_load(btl_context *ctx, const char *path, const char *name, btl_array *out,
                                        btl_error *err);

/** Writes named arrays as one safetensors file, with `"__metadata__": {"format": "bitale"}`.
 *
 * @param n      number of arrays, 0 is allowed
 * @param names  UTF-8, unique, not "__metadata__"; the header lists them in this order
 * @param arrays any strides; read only. Their data lie in the file from the widest element type to
 *               the narrowest, so that each is aligned for its type; the first is aligned to 8 bytes.
 * Errors:       ENAME for a name that is doubled, reserved or not UTF-8. EIO.
 * Source:       the safetensors format.   See: btl_safetensors_open.   Since: 0.1
 */
BTL_API btl_status btl_safetensors_write(btl_context *ctx, const char *path, int n, const char *const *names,
                                         const btl_array *arrays, btl_error *err);

/* ---- whatever a path names -------------------------------------------------------------- */

/** Reads what the command line's `x=VALUE` names when VALUE is not a literal:
 *
 *     FILE.npy   FILE.npz:NAME   FILE.safetensors:NAME   FILE.csv[:COLUMNS]
 *     FILE.idx[.gz], and MNIST's own names such as train-images-idx3-ubyte[.gz]
 *     -          standard input: .npy if it begins like one, otherwise bytes
 *     any other  the file's bytes as u8 [size]
 *
 * The kind follows from the name alone (but for "-"); the first ".npz:" and the like separates the
 * file's name from what is asked of it.
 *
 * Errors:      those of the reader; ENAME where a NAME is needed and missing, with what there is.
 * See:         btl_npy_read, btl_npz_read, btl_csv_read, btl_idx_read, btl_safetensors_load.   Since: 0.1
 */
BTL_API btl_status btl_load(btl_context *ctx, const char *spec, btl_array *out, btl_error *err);

#ifdef __cplusplus
}
#endif
#endif
