/* Written by hand for Bitale in place of what configure would make: any C11 compiler with the
 * GCC atomics on a POSIX system. Jansson's licence is in LICENSE. */
#ifndef JANSSON_CONFIG_H
#define JANSSON_CONFIG_H

#define JSON_INLINE inline

#define JSON_INTEGER_IS_LONG_LONG 1
#define JSON_HAVE_LOCALECONV 1

/* Reference counts and the hash seed are guarded by these, which makes the parser thread-safe. */
#define JSON_HAVE_ATOMIC_BUILTINS 1
#define JSON_HAVE_SYNC_BUILTINS 1

/* The parser calls itself once per level: hostile input must not take the stack. Upstream has 2048. */
#define JSON_PARSER_MAX_DEPTH 128

#endif
