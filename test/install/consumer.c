/* consumer.c - the smallest program that needs the installed header and library.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <bitale/base.h>

#include <stdio.h>
#include <string.h>

int main(void) {
    if (strcmp(btl_version(), BTL_VERSION_STRING) != 0) return 1; /* header and library differ */
    btl_context *ctx = NULL;
    if (btl_context_new(NULL, &ctx) != BTL_OK) return 1;
    btl_context_free(ctx);
    printf("bitale %s\n", btl_version());
    return 0;
}
