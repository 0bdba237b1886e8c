/* sample.h - the samples of an op: inputs that test it, and hard values for them. What btl_op_check and the tests of test/sweep
 * share.
 *
 * A sample (op.h) is one line of text:
 *
 *     OPERANDS | SETTINGS       "x: f32[3, 0], y: f32 | axis=1"      the call op(x, y, axis=1)
 *     OPERANDS | = EXPRESSION   "x: f32[5], i: i64[2] | = x[i]"      whatever uses the op
 *
 * An op of any number of operands is called with their list: op([a, b], axis=1). Operands named i
 * or j hold indices (into sizes of at least 2), k or key a random key, c a condition; those keep
 * their type when a sample is tried in another dtype. Behind a type, "from A to B" bounds the values between which a
 * derivative is tried: "x: f64[5] from 0.1 to 0.9".
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_OPCHECK_SAMPLE_H
#define BTL_OPCHECK_SAMPLE_H

#include "expr/agree.h"
#include "expr/op.h"

enum { SAMPLE_OPERANDS = 4, SAMPLE_RANK = 6, SAMPLE_EXPRESSION = 256 };

typedef struct btl_sample_operand {
    char name[16];
    btl_dtype dtype;
    int rank;
    int64_t dims[SAMPLE_RANK];
    bool fixed;             /* keeps its dtype */
    bool has_range;
    double low, high;       /* where a derivative is tried */
} btl_sample_operand;

typedef struct btl_sample {
    const btl_op *op;
    const char *text;
    int n;
    btl_sample_operand operands[SAMPLE_OPERANDS];
    bool is_call;           /* of the op alone: it has all its results */
    char expression[SAMPLE_EXPRESSION];
} btl_sample;

/* False: `why` says what is wrong with the text. */
bool btl_sample_parse(const btl_op *op, const char *text, btl_sample *out, char *why, size_t why_bytes);
/* The samples of an op; of one of Bitale's without any, those that fit its number of operands; or NULL. */
btl_samples btl_samples_of(const btl_op *op);
int64_t btl_sample_elems(const btl_sample_operand *o);
/* "f32[3, 0]", in the notation. With `symbol`, sizes by name, equal ones by the same ("f32[n3, 0]"); 1 stays 1, it
 * broadcasts. */
const char *btl_sample_type(const btl_sample_operand *o, bool symbolic, char *text, size_t bytes);

/* ---- values --------------------------------------------------------------------------------- */

typedef enum btl_values {
    VALUES_HARD,   /* every special value and random bits: for what treats each element alone */
    VALUES_TAME,   /* -2 … 2, integers -3 … 6: for what combines elements */
    VALUES_NAN,    /* tame with a NaN or two */
    VALUES_INF,    /* tame with infinities of one sign */
    VALUES_ZEROS,  /* zeros of both signs */
    VALUES_TINY,   /* subnormals */
    VALUES_HUGE,   /* near the largest, few enough not to overflow in a sum of 16 */
    NVALUES
} btl_values;

extern const char *const btl_values_names[NVALUES];

/* Random numbers: splitmix64 (Steele, Lea & Flood 2014), by its state. */
uint64_t btl_sample_random(uint64_t *state);
uint64_t btl_sample_below(uint64_t *state, uint64_t n);
double btl_sample_uniform(uint64_t *state, double low, double high);

/* All elements of an array without gaps; `name` is the operand's. */
void btl_sample_fill(btl_array *a, const char *name, btl_values values, uint64_t *random);
double btl_sample_hard_float(btl_dtype dtype, uint64_t *random);
/* One element: `real` of a float, `integer` of others. */
void btl_sample_set(btl_array *a, int64_t at, double real, int64_t integer);
static inline double btl_sample_element(const btl_array *a, int64_t at) { return btl_array_element(a, at); }

#endif
