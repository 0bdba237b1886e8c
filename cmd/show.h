/* show.h - arrays as a person, or another program, reads them.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef CMD_SHOW_H
#define CMD_SHOW_H

#include "bitale/base.h"
#include "json.h"

enum { SHOW_SMALL = 100 }; /* elements; larger arrays are summarised */

/* The shortest decimal text that reads back to the same f64, or the same f32. */
void show_number(double value, bool f32, char *text, size_t bytes);

/* Element i (row-major) of a contiguous array, as text or as a double. */
void show_element(const btl_array *a, int64_t i, char *text, size_t bytes);
double show_double(const btl_array *a, int64_t i);

/* "f32[3, 784]", what the array is. */
void show_type(const btl_array *a, char *text, size_t bytes);

/* "NAME: f32[3] = [1.0, 2.0, 3.0]" on standard output; larger: "NAME: f32[200]: min …, mean …, max …". */
void show_array(const char *name, const btl_array *a);
/* The same as an object of JSON: type, shape, and data or min, mean, max. */
void show_json(json *j, const char *key, const btl_array *a);

#endif
