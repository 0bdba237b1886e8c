/* text_fuzz.c - any bytes through the parser; what parses is checked, printed, parsed and printed
 * again: both prints must be the same text.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "expr/graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_die(const char *what, const char *a, const char *b) {
    fprintf(stderr, "%s\n--- first\n%s\n--- second\n%s\n", what, a, b);
    abort();
}

static void fuzz_round_trip(btl_graph *g, const char *text) {
    btl_graph *again;
    if (!text || btl_graph_new(NULL, &again) != BTL_OK) return;
    btl_status status = btl_graph_parse(again, text, strlen(text), "printed");
    if (status != BTL_OK && status != BTL_ENOMEM) fuzz_die("what was printed does not parse", text, btl_graph_messages(again));
    const char *second = status == BTL_OK ? btl_graph_print(again) : NULL;
    if (second && strcmp(text, second) != 0) fuzz_die("the second print differs", text, second);
    btl_graph_free(again);
    (void)g;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    btl_graph *g;
    if (size > 1 << 16 || btl_graph_new(NULL, &g) != BTL_OK) return 0;
    btl_status status = btl_graph_parse(g, (const char *)data, size, "fuzz");
    if (status == BTL_OK) {
        if (!btl_graph_check(g)) fuzz_die("the graph is not well formed", btl_graph_messages(g), "");
        fuzz_round_trip(g, btl_graph_print(g));
    } else if (btl_graph_nmessages(g) == 0) {
        fuzz_die("a failure without a message", "", "");
    } else {
        btl_graph_messages(g);
    }
    btl_graph_free(g);
    return 0;
}
