/* tools.h - what tools ask beyond building and calling: the `bitale` command, editors, bindings.
 *
 * Everything here describes; nothing changes a graph or a function. Texts are borrowed from what
 * they describe, or static.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BITALE_TOOLS_H
#define BITALE_TOOLS_H

#include "bitale/vm.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- names and element types -------------------------------------------------------------- */

/** Of n words (NULL ones are skipped) the nearest to `word` by edit distance, or NULL if none is
 * near: for "did you mean". */
BTL_API const char *btl_nearest(const char *word, int n, const char *const *words);

/** True where every value of `from` is a value of `to`, so that a conversion loses nothing. */
BTL_API bool btl_dtype_widens(btl_dtype from, btl_dtype to);

/* ---- programs ----------------------------------------------------------------------------- */

/** The shared variables of a program, in the order of their definition. */
BTL_API int btl_graph_nshared(const btl_graph *g);
BTL_API btl_var *btl_graph_shared_at(const btl_graph *g, int i);

/** Arguments and results of a function of the program, as written. */
BTL_API const char *btl_entry_name(const btl_entry *e);
BTL_API int btl_entry_ninputs(const btl_entry *e);
BTL_API btl_var *btl_entry_input_at(const btl_entry *e, int i);
BTL_API int btl_entry_noutputs(const btl_entry *e);
BTL_API btl_var *btl_entry_output_at(const btl_entry *e, int i, const char **name);

/** What a name means in a function: a result, an argument, a shared variable, or the last variable
 * of that name on which results, updates and assertions depend. NULL if nothing has it. */
BTL_API btl_var *btl_entry_find_var(btl_graph *g, const btl_entry *e, const char *name);
/** The nearest name that btl_entry_find_var would find, or NULL. */
BTL_API const char *btl_entry_nearest_var(btl_graph *g, const btl_entry *e, const char *name);

/** The inputs and shared variables on which a variable depends, in the order of their definition.
 * @param most  how many fit in `out`
 * @return      how many there are, perhaps more than `most`; -1 without memory. */
BTL_API int btl_var_leaves(btl_graph *g, btl_var *v, int most, btl_var **out);

/** The variables that nodes compute for the results, updates and assertions of a function, in an order of execution.
 * @return  how many there are, perhaps more than `most`; -1 without memory. */
BTL_API int btl_entry_computed(btl_graph *g, const btl_entry *e, int most, btl_var **out);
/** The expression that makes a variable, a few levels of it: "log(1 + exp(x))". Borrowed from the graph; NULL without memory. */
BTL_API const char *btl_var_expression(btl_graph *g, const btl_var *v);

/** A place in the source. */
typedef struct btl_source_place {
    const char *file;       /**< as it was named to the parser, or a C file */
    int line, column;       /**< column 0: unknown */
    const char *source;     /**< the line, or NULL */
} btl_source_place;

/** The i-th place that a variable comes from (rewritten and fused ones have several); false behind the last. */
BTL_API bool btl_var_place_at(const btl_var *v, int i, btl_source_place *out);

/** A text with a warning for each place of a function where f64 arises from operands that are not
 * f64, with the source line (as errors are shown); "" if there is none, NULL without memory.
 * `count` receives how many there are. Borrowed from the graph. */
BTL_API const char *btl_entry_f64_warnings(btl_graph *g, const btl_entry *e, int *count);

/* ---- what is right ------------------------------------------------------------------------- */

/** A call of an entry, for btl_entry_judge. Start from {0}. */
typedef struct btl_judged_call {
    size_t struct_size;
    const btl_array *in;         /**< its arguments, as btl_call takes them */
    const btl_state *state;      /**< its shared variables before the call; NULL if it has none */
    int nsizes;                  /**< sizes given by name, for those that no argument carries */
    const char *const *size_names;
    const int64_t *size_values;
    int output;                  /**< which result is judged, if `update` is NULL */
    const char *update;          /**< or the shared variable whose new value is */
    const bool *doubted;         /**< which of its elements, a flag each; NULL: all */
} btl_judged_call;

/** One of several ways to compute a result, for btl_entry_judge. */
typedef struct btl_judged {
    const btl_array *value;      /**< what came of it: of the result's type and shape, row-major */
    double ulps;                 /**< how many ulp of the result it may be wrong by in any case */
    int64_t nwrong;              /**< receives how many elements are wrong … */
    int64_t worst;               /**< … and the one that is so by most; -1: none is */
    double truth, allowed;       /**< there: what would be right, and how far from it a value may lie */
} btl_judged;

/** Which of several ways to compute a result is wrong, as in two modes that do not agree?
 *
 * The result is computed from the program as it is written, in long double (the truth), then six times more with each rounding
 * played with: that shows what rounding may do to it by itself, cancellation and branches included. Last by the reference of each operation, in
 * its types. An element is wrong if it is farther from the truth than its ulps and 64 times the largest change, and than its ulps and twice what the
 * reference is wrong by. Integers and bools must be the truth, what the playing made of it, or the reference's. Infinite and NaN ones
 * are right where the truth or the reference is.
 * Ops that are no scalar functions, sums and their like, views, casts or made of such (products of matrices, loops) compute in their own types; what
 * then goes on from them is exact again.
 *
 * @param n,of  the ways, each judged by itself
 * @return      BTL_OK: see `of`; EUNSUPPORTED: the result depends on too many nodes or elements (20000, 2^25), or on a size that
 *              only a run can tell; EUSAGE: no such result, or it has another shape; what a call returns, for a program that fails; ENOMEM.
 * Cost: about a hundred times a call's.   Memory: 16 bytes for each element of each node.   Thread: as the graph.   Since: 0.1 */
BTL_API btl_status btl_entry_judge(btl_graph *g, const btl_entry *e, const btl_judged_call *call, int n, btl_judged *of, btl_error *err);

/* ---- compiled functions -------------------------------------------------------------------- */

/** Names of the sizes that may be given to a call. */
BTL_API int btl_function_nsizes(const btl_function *f);
BTL_API const char *btl_function_size_name(const btl_function *f, int i);

/** The shape of argument i (`shape` has room for its rank), its sizes being named by `names` and
 * `values`; a `?` counts as `unknown`. ESHAPE for a size without a value, a negative or too large one. */
BTL_API btl_status btl_function_input_shape(const btl_function *f, int i, int nsizes, const char *const *names,
                                            const int64_t *values, int64_t unknown, int64_t *shape, btl_error *err);

/** The shared variables that a call updates. */
BTL_API int btl_function_nupdates(const btl_function *f);
BTL_API const char *btl_function_update_name(const btl_function *f, int i);

/* ---- the tables of ops and rules ------------------------------------------------------------ */

/** An op of the notation, as `bitale ops` shows it. Texts of one's own live as long as the context. */
typedef struct btl_op_info {
    const char *name, *doc, *signature;
    const char *gradient;  /**< "yes"; "by parts": of the ops that it is made of; "no" */
    const char *runs;      /**< "strips", "native", "view", "parts", "reference" */
    char dtypes[64];       /**< "float int bool", or "" where it is a matter of its settings */
    double max_ulp;        /**< largest error of a float result; 0: correctly rounded; -1: not stated */
    bool can_fail;         /**< at run time */
    int nsettings;
    const char *origin;    /**< NULL: one of Bitale's; the plugin's name; "": registered by the program */
    bool has_c;            /**< it says its own C, or is made of what does; otherwise generated code calls the library */
} btl_op_info;

typedef struct btl_op_setting {
    const char *name, *kind, *doc;
    const char *fallback;  /**< in the notation, or NULL: must be given */
} btl_op_setting;

/** The i-th op that a person can write, from 0: Bitale's, then those registered in the context (may be NULL); false behind
 * the last. */
BTL_API bool btl_op_at(btl_context *ctx, int i, btl_op_info *out);
/** The k-th setting of the i-th op; false behind the last. */
BTL_API bool btl_op_setting_at(btl_context *ctx, int i, int k, btl_op_setting *out);

/** What btl_op_check tells of one way in which an op was tried: "types" (of its samples, in every dtype), "eval" (it writes all
 * of its results and nothing else, twice the same, on operands that lie in any way, of symbolic sizes), a linker's name
 * (results as the reference's, or where that is not promised the bits of the strips; failures in the same words), "text"
 * (printed, read back, after every pass), "gradient" (against finite differences, twice, and in forward mode). */
typedef struct btl_op_trial {
    const char *what;
    int cases, failures;   /**< so far */
    const char *message;   /**< a failure (three of each way are told); NULL: this way is done */
} btl_op_trial;

/** Settings of btl_op_check; start from {0}. */
typedef struct btl_op_check_options {
    size_t struct_size;
    const char *linkers;   /**< to be tried, separated by commas; NULL: "strips,vm,c"; "": none */
    uint64_t seed;         /**< of the random values; default 1 */
    void (*see)(void *user, const btl_op_trial *t); /**< may be NULL */
    void *user;
} btl_op_check_options;

/** Tries an op, one's own or Bitale's, on its samples in every way there is to run it (docs/EXTEND.md).
 * @return BTL_OK: all is well; ECHECK: something is not, told by `see`; ENAME; ENOMEM.
 * Cost: less than a second, and a compiler's start for each of the linkers c and vm. */
BTL_API btl_status btl_op_check(btl_context *ctx, const char *name, const btl_op_check_options *options, btl_error *err);

/** Tries a rewrite rule, Bitale's or one's own, in every way that can be made from its entry: its pattern on arrays of several shapes and forms, in every
 * element type, and its example. `see` is told of "values" (exact: the same bits on plain and extreme values; rounding: within its ulp of the left
 * side computed in long double), "integers", "fires", "gradient" (of both sides), "together" (with all other rules it ends and keeps the
 * value; switched off it does not fire). Of the options `seed` and `linkers` do not matter.
 * @return BTL_OK: all is well; ECHECK: something is not, told by `see`; ENAME; ENOMEM. Cost: some milliseconds. */
BTL_API btl_status btl_rule_check(btl_context *ctx, const char *name, const btl_op_check_options *options, btl_error *err);

/** A rewrite rule, as `bitale rules` shows it. */
typedef struct btl_rule_info {
    const char *name;
    const char *match, *result; /**< in the notation; NULL where code finds or makes it */
    const char *ops;            /**< what a rule in code looks at: "log sub" or "*" */
    const char *when;           /**< its conditions by name, "a condition in code", or NULL */
    const char *why, *source;   /**< `source` may be NULL */
    const char *tags;           /**< may be NULL */
    char phases[80], exactness[80], needs[120]; /**< as bitale/rules.h writes them */
    bool opt_in;
    const char *example;        /**< a program on which it fires, or NULL */
    const char *origin;         /**< of one's own: "mine.rules:3", "the program"; NULL: Bitale's */
} btl_rule_info;

/** The i-th rule in the order in which rules are tried, those registered in the context (may be NULL) first; false behind the
 * last. Texts of one's own live as long as the context. */
BTL_API bool btl_rule_info_at(btl_context *ctx, int i, btl_rule_info *out);

/* ---- the cache of compiled code --------------------------------------------------------------- */

/* `dir` is the cache folder; NULL: BITALE_CACHE_DIR, then $XDG_CACHE_HOME/bitale, then ~/.cache/bitale. Thread rule: any
 * thread, beside other processes that use the cache. */

typedef struct btl_cache_info {
    char folder[1024];       /**< "" where nothing says which */
    char problem[1500];      /**< why it is not used; "" if it is (a folder that is missing is made when it is needed) */
    bool missing;
    int64_t nentries, bytes; /**< of all entries in it */
    int64_t limit_bytes;     /**< BITALE_CACHE_SIZE or 1 GiB: above it, the entries used longest ago are removed */
} btl_cache_info;

/** What is known of a cache folder. ENOMEM. */
BTL_API btl_status btl_cache_look(btl_context *ctx, const char *dir, btl_cache_info *out, btl_error *err);

/** A file of the cache: compiled code of one function, or of what else was compiled at once. */
typedef struct btl_cache_entry {
    const char *folder, *file;
    bool read_only;          /**< it lies in a folder of BITALE_CACHE_READONLY */
    const char *problem;     /**< what is wrong with it, so that it is not used; NULL: it is good */
    const char *units;       /**< names of what was compiled, separated by blanks; "" where it cannot be told */
    const char *compiler;    /**< first line of what it says to --version; "" where it cannot be told */
    int64_t bytes, code_bytes, text_bytes; /**< of the file, and of that, code and texts */
    int64_t created, used;   /**< seconds since 1970; the last use is noted once a day */
} btl_cache_entry;

/** Calls see(user, entry) for each entry of the folder and of the read-only ones, that used last first; ends early when
 * it returns false. The entry and its texts are borrowed for the call.
 * @param whole  reads every file to its end and compares all hashes; otherwise only what describes it
 * @return       EIO: the folder cannot be used; a missing one has no entries. ENOMEM. */
BTL_API btl_status btl_cache_each(btl_context *ctx, const char *dir, bool whole, bool (*see)(void *user, const btl_cache_entry *e),
                                  void *user, btl_error *err);

typedef struct btl_cache_freed {
    int64_t entries, bytes;  /**< entries that were removed */
    int64_t damaged;         /**< of these, such as nobody could have used */
    int64_t others;          /**< files and folders of interrupted processes, and remarks about compilers */
} btl_cache_freed;

/** Removes damaged entries, what interrupted processes left more than a day ago, and then the entries used longest ago
 * until at most `most_bytes` are left (-1: limit_bytes). EIO, ENOMEM. */
BTL_API btl_status btl_cache_prune(btl_context *ctx, const char *dir, int64_t most_bytes, btl_cache_freed *out, btl_error *err);
/** Removes all that is the cache's, and nothing else in the folder. EIO, ENOMEM. */
BTL_API btl_status btl_cache_clear(btl_context *ctx, const char *dir, btl_cache_freed *out, btl_error *err);
/** "500M", "2G", "1048576" as bytes (units of 1024); false: it is no size. */
BTL_API bool btl_cache_size(const char *text, int64_t *bytes);

/* ---- what a person sets once ------------------------------------------------------------------- */

/** A setting of the environment or of the configuration file. */
typedef struct btl_config_item {
    const char *key;       /**< in the file: "cache_dir" */
    const char *variable;  /**< of the environment, which wins: "BITALE_CACHE_DIR" */
    const char *doc;
    const char *value;     /**< NULL: nobody sets it */
    const char *from;      /**< who does: the variable, or "/home/me/.config/bitale/config:3"; or NULL */
} btl_config_item;

/** The i-th setting; false behind the last. The file is read when something is asked of it first, then never again. */
BTL_API bool btl_config_at(int i, btl_config_item *out);
/** The configuration file, $XDG_CONFIG_HOME/bitale/config or ~/.config/bitale/config: lines KEY = VALUE, remarks behind #. "" where there is
 * no home, or the program runs with more rights than its user. */
BTL_API const char *btl_config_file(bool *is_there);
/** EFORMAT, EIO: the first thing that is wrong with the file, "FILE:LINE: error: …". btl_function_new fails with it, too. */
BTL_API btl_status btl_config_check(btl_error *err);

/* ---- plans of memory ---------------------------------------------------------------------------- */

/** A buffer that is alive during [lower, upper); its `offset` is filled in. */
typedef struct btl_pack_buffer { int64_t lower, upper, size, offset; } btl_pack_buffer;

/** Settings of btl_pack; start from {0}. */
typedef struct btl_pack_options {
    size_t struct_size;
    int64_t align;        /**< offsets are multiples of it; 0: 1 */
    int64_t capacity;     /**< bytes that the block should fit into; 0: none */
    int64_t steps;        /**< how far to search, in nodes of a search tree; 0: as seems right, some seconds at worst */
    bool greedy_only;     /**< no search */
} btl_pack_options;

typedef struct btl_pack_result {
    int64_t peak_bytes;         /**< the largest sum of sizes alive at one time */
    int64_t lower_bound_bytes;  /**< no offsets end lower: the peak, with what alignment and search add to it */
    int64_t bytes;              /**< where the highest buffer ends */
    bool proven;                /**< nothing smaller is possible: bytes == lower_bound_bytes */
    bool fits, never_fits;      /**< into the capacity; never_fits: that is proven */
    const char *method;         /**< how the offsets were found, in words. Static text */
    int64_t steps;              /**< of the search */
} btl_pack_result;

/** Offsets for buffers of known lives, so that those alive at one time do not overlap and the whole is small
 * (schedule/pack.h). That it does not fit into `capacity` is no error: see the result.
 * @param ctx  its memory is used; may be NULL
 * @return     EVALUE: a life that is empty or reversed, a negative size, sums beyond 2^61; ENOMEM. */
BTL_API btl_status btl_pack(btl_context *ctx, int n, btl_pack_buffer *buffers, const btl_pack_options *options,
                            btl_pack_result *result, btl_error *err);

/* ---- what this build and this machine have --------------------------------------------------- */

typedef struct btl_feature {
    const char *name;     /**< "blas" */
    bool available;
    char value[1300];     /**< what was found */
    const char *meaning;  /**< what follows from that */
} btl_feature;

/** The i-th feature, looked up now; false behind the last. Loads the BLAS of the context. */
BTL_API bool btl_feature_at(btl_context *ctx, int i, btl_feature *out);

#ifdef __cplusplus
}
#endif
#endif
