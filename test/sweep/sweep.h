/* sweep.h - what the generated tests share: the samples of an op, hard values, programs made of
 * them, and the comparison of what the compiled function gives with the reference. The library's own
 * btl_op_check does with an op of one's own what these do with Bitale's: both stand on src/opcheck/sample.h, whose
 * names are short here.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_TEST_SWEEP_H
#define BTL_TEST_SWEEP_H

#include "support.h"

#include "base/half.h"
#include "bitale/bitale.h"
#include "expr/op.h"
#include "opcheck/sample.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SWEEP_UNUSED __attribute__((unused))

/* ---- samples ----------------------------------------------------------------------------------- */

enum { SWEEP_OPERANDS = SAMPLE_OPERANDS, SWEEP_RANK = SAMPLE_RANK };

typedef btl_sample_operand sweep_operand;
typedef btl_sample sweep_sample;

static SWEEP_UNUSED sweep_sample sweep_parse(const btl_op *op, const char *text) {
    sweep_sample m;
    char why[500];
    if (!btl_sample_parse(op, text, &m, why, sizeof why)) BTL_FAIL("%s", why);
    return m;
}

static SWEEP_UNUSED btl_samples sweep_samples_of(const btl_op *op) { return btl_samples_of(op); }
static SWEEP_UNUSED bool sweep_is_tested(const btl_op *op) { return !(op->flags & (OP_LEAF | OP_HIDDEN)); }
static SWEEP_UNUSED int64_t sweep_elems(const sweep_operand *o) { return btl_sample_elems(o); }
static SWEEP_UNUSED const char *sweep_type_text(const sweep_operand *o, char *text, size_t bytes) { return btl_sample_type(o, false, text, bytes); }

/* ---- values ------------------------------------------------------------------------------------ */

typedef btl_values sweep_values;
typedef btl_float_range sweep_float;
#define sweep_values_names btl_values_names

static SWEEP_UNUSED sweep_float sweep_float_of(btl_dtype dtype) { return btl_float_range_of(dtype); }
static SWEEP_UNUSED void sweep_set(btl_array *a, int64_t at, double real, int64_t integer) { btl_sample_set(a, at, real, integer); }
static SWEEP_UNUSED double sweep_hard_float(btl_dtype dtype, btl_rng *r) { return btl_sample_hard_float(dtype, &r->state); }
static SWEEP_UNUSED void sweep_fill(btl_array *a, const char *name, sweep_values values, btl_rng *r) { btl_sample_fill(a, name, values, &r->state); }

/* ---- comparing --------------------------------------------------------------------------------- */

typedef btl_agreement sweep_tolerance;

static SWEEP_UNUSED double sweep_element(const btl_array *a, int64_t at) { return btl_sample_element(a, at); }
static SWEEP_UNUSED double sweep_ulp(btl_dtype dtype, double x) { return btl_ulp(dtype, x); }
static SWEEP_UNUSED bool sweep_agree(const btl_array *got, const btl_array *want, const sweep_tolerance *t, char *why, size_t bytes) {
    return btl_arrays_agree(got, want, t, why, bytes);
}

/* Where |f| is smaller than this its error counts as if it were this: near zeros that lie at no representable
 * point, and where two large terms cancel, as in psi(x) = psi(1 - x) - pi / tan(pi x), x < 0 (vecmath.inc says
 * the same of these functions). */
static SWEEP_UNUSED double sweep_floor(const char *op, double x) {
    if (strcmp(op, "gammaln") == 0) return x < 0 ? 4 : 0;
    if (strcmp(op, "psi") == 0 || strcmp(op, "digamma") == 0) return x < 0 ? fmax(4, log(1 - x)) : 1;
    return 0;
}


/* ---- reports ----------------------------------------------------------------------------------- */

/* All that fails in a sweep is counted, the first three of each subject (an op) and 60 in all are shown; then
 * the test fails. */
typedef struct sweep_report { int cases, failures, shown, of_subject; char subject[64]; } sweep_report;

static SWEEP_UNUSED __attribute__((format(printf, 3, 4))) void sweep_fails(sweep_report *s, const char *subject, const char *format, ...) {
    va_list args;
    s->failures++;
    if (strcmp(s->subject, subject) != 0) s->of_subject = 0;
    snprintf(s->subject, sizeof s->subject, "%s", subject);
    if (s->of_subject++ >= 3 || s->shown++ >= 60) return;
    va_start(args, format);
    fprintf(stderr, "  FAIL: ");
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n");
    va_end(args);
}

#define SWEEP_END(report)                                                                         \
    do {                                                                                          \
        print_message("           %d cases\n", (report).cases);                                   \
        if ((report).failures) BTL_FAIL("%d of %d cases failed", (report).failures, (report).cases); \
        assert_true((report).cases > 0);                                                          \
    } while (0)

#endif
