/* Written by hand for Bitale in place of what configure would make; see jansson_config.h.
 * HAVE_ENDIAN_H and HAVE_SYS_PARAM_H are left out on purpose: where the byte order is unknown
 * lookup3.h hashes byte by byte and never reads past a key's end. */
#ifndef JANSSON_PRIVATE_CONFIG_H
#define JANSSON_PRIVATE_CONFIG_H

#include "jansson_config.h" /* the names with their prefix, for utf.c, too */

#define HAVE_STDINT_H 1
#define HAVE_FCNTL_H 1
#define HAVE_SCHED_H 1
#define HAVE_UNISTD_H 1
#define HAVE_SYS_STAT_H 1
#define HAVE_SYS_TIME_H 1
#define HAVE_SYS_TYPES_H 1
#define HAVE_LOCALE_H 1

#define HAVE_OPEN 1
#define HAVE_CLOSE 1
#define HAVE_READ 1
#define HAVE_GETPID 1
#define HAVE_GETTIMEOFDAY 1
#define HAVE_SCHED_YIELD 1
#define HAVE_LOCALECONV 1
#define HAVE_ATOMIC_BUILTINS 1
#define HAVE_SYNC_BUILTINS 1

/* The hash seed comes from /dev/urandom: no file can be made whose names all collide. */
#define USE_URANDOM 1
#define INITIAL_HASHTABLE_ORDER 3

#endif
