/* made.h - a program of one function, compiled, with a state. SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_TEST_VM_MADE_H
#define BTL_TEST_VM_MADE_H

#include "support.h"

#include "bitale/bitale.h"

#include <string.h>

typedef struct made { btl_graph *g; btl_function *f; btl_state *state; } made;

static inline made make(const char *text, const char *mode) {
    made m = { 0 };
    btl_error err = { 0 };
    btl_function_options o = { .struct_size = sizeof o, .mode = mode };
    BTL_ASSERT_OK(btl_graph_new(NULL, &m.g));
    if (btl_graph_parse(m.g, text, strlen(text), "text") != BTL_OK) BTL_FAIL("%s\n%s", btl_graph_messages(m.g), text);
    if (btl_function_new(m.g, btl_entry_find(m.g, NULL), &o, &m.f, &err) != BTL_OK) BTL_FAIL("%s: %s\n%s", mode, err.message, text);
    if (btl_state_new(m.g, &m.state, &err) != BTL_OK) BTL_FAIL("%s\n%s", err.message, text);
    return m;
}

static inline void drop(made *m) {
    btl_function_free(m->f);
    btl_state_free(m->state);
    btl_graph_free(m->g);
}

#endif
