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

/* The peak of the plan, results counted, and the arena's bytes. */
static inline int64_t planned(const char *text, const char *mode, int64_t *arena) {
    btl_graph *g;
    btl_memory *memory;
    btl_error err = { 0 };
    btl_function_options f = { .struct_size = sizeof f, .mode = mode };
    btl_memory_options o = { .struct_size = sizeof o, .function = &f, .order = BTL_ORDER_GIVEN };
    BTL_ASSERT_OK(btl_graph_new(NULL, &g));
    if (btl_graph_parse(g, text, strlen(text), "text") != BTL_OK) BTL_FAIL("%s\n%s", btl_graph_messages(g), text);
    if (btl_memory_new(g, btl_entry_find(g, NULL), &o, &memory, &err) != BTL_OK) BTL_FAIL("%s\n%s", err.message, text);
    int64_t bytes = btl_memory_look(memory)->peak_bytes;
    *arena = btl_memory_look(memory)->arena_bytes;
    btl_memory_free(memory);
    btl_graph_free(g);
    return bytes;
}

#endif
