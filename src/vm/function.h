/* function.h - the inside of a compiled function: a table of instructions over slots.
 *
 * A slot is a variable of the final graph. An instruction runs a kernel on slots. Both are immutable;
 * everything that changes during a call lies in a workspace, of which each call takes one from the
 * function's pool.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_VM_FUNCTION_H
#define BTL_VM_FUNCTION_H

#include "bitale/vm.h"
#include "expr/operand.h"
#include "schedule/order.h"
#include "schedule/pieces.h"
#include "schedule/plan.h"
#include "schedule/recompute.h"
#include "schedule/region.h"
#include "schedule/rests.h"
#include "target/c/services.h"
#include "target/c/unit.h"
#include "target/code.h"
#include "vm/strips.h"

#include <pthread.h>
#include <stdatomic.h>

typedef enum vm_storage {
    STORE_INPUT,    /* the caller's argument `index` */
    STORE_SHARED,   /* the state's buffer of shared variable `index` */
    STORE_CONSTANT,
    STORE_OUTPUT,   /* the buffer of result `index` */
    STORE_ARENA,    /* buffer `index` of the plan */
    STORE_OWN,      /* memory of its own, grown when its size is known at run time; `index` counts them */
    STORE_VIEW      /* made by its instruction from slot `root`'s memory */
} vm_storage;

typedef struct vm_slot {
    const btl_var *var;     /* in the function's graph: type, name, places */
    vm_storage storage;
    int index;
    int root;               /* slot in whose memory it lies (itself if no view) */
    int into;               /* operand of its instruction, a value or a view of all or a piece of one, that it is written over; -1: memory of its own */
    int whole;              /* slot of a value that is put together later, of which it is a part that lies there from the start; -1: none */
    const btl_dim *at;      /* where it begins in its memory, in elements; NULL: at the beginning */
    int shape_at;           /* its dims and strides in the workspace's tables */
    bool late;              /* has a size that is known at run time only */
    bool fixed;             /* its strides follow from sizes alone */
    const btl_dim *const *strides; /* of a view that generated code makes, or a part of a whole that is not row-major, by axis; NULL entries: told when it runs */
} vm_slot;

typedef enum vm_kind { VM_STRIPS, VM_VIEW, VM_RUN } vm_kind;

typedef struct vm_instr {
    vm_kind kind;
    const btl_node *node;
    const btl_strips *strips;
    int nin, nout;
    const int *in, *out;    /* slots */
    uint64_t needed_by;     /* bit i: result i; the last bits: updates and assertions; see vm_need_bit */
    bool late;              /* reads or makes slots with late sizes */
    int kernel;             /* number in the generated code, or -1: the library's own */
    const int32_t *o;       /* what the kernel is run on */
    const btl_dim *work;    /* bytes of scratch that it needs, or NULL */
    const char *const *why_copied; /* of an op that may hold operands (btl_op.holds): why each is copied, "" where it is made in its place; NULL: not asked */
    const char *label;      /* "mul, add, tanh", where the function has checks */
} vm_instr;

/* Generated code, once it is there. */
typedef struct vm_code {
    btl_code *loaded;
    btl_step_fn *steps;     /* by kernel; NULL if the routine calls them itself */
    btl_routine_fn routine; /* NULL: the machine goes over the instructions */
} vm_code;

typedef enum vm_linker { LINK_C, LINK_VM, LINK_STRIPS, LINK_EVAL } vm_linker;

/* What is done around each instruction (vm/checks.h). */
typedef enum vm_checks { CHECKS_NONE, CHECKS_DEBUG, CHECKS_NAN, CHECKS_MONITOR } vm_checks;
typedef struct vm_nan_limits { bool nan, inf; double big; } vm_nan_limits; /* which values are bad; big: none above that, INFINITY: any */
typedef struct vm_debug vm_debug;

/* A size that must be equal to another; tested when sizes are bound, or (late) after a measure. */
typedef struct vm_size_check {
    const btl_dim *a, *b;
    const btl_node *node;
    const char *message;
    bool late;
} vm_size_check;

typedef struct vm_output { const char *name; int slot; bool copy; bool scalar; } vm_output;
typedef struct vm_update { int shared; int slot; } vm_update;
typedef struct vm_assert { int slot; const char *text; const btl_places *places; } vm_assert;
typedef struct vm_input { const char *name, *type; int slot; const btl_array *fallback; } vm_input;
typedef struct vm_shared { const char *name; int slot; btl_type type; } vm_shared;

typedef struct vm_workspace vm_workspace;
enum { POOL_SLOTS = 8 };

struct btl_function {
    btl_context *ctx;
    btl_graph *graph;       /* private: nodes, sizes, places, constants */
    const char *name;
    int ninputs, noutputs, nshared, nupdates, nasserts, nslots, ninstrs, nchecks, nconstants;
    int nbuffers, nown, shape_total;
    vm_input *inputs;
    vm_output *outputs;
    const char **output_types;
    vm_shared *shared;
    vm_update *updates;
    vm_assert *asserts;
    vm_slot *slots;
    vm_instr *instrs;
    vm_size_check *checks;
    const btl_buffer *lives; /* of the buffers: first, last (bytes depend on the sizes) */
    const int *buffer_slot;  /* whose memory a buffer is */
    btl_rests rests;         /* of the buffers in the arena: for any sizes, which lie above which; n = 0: there is none */
    btl_regions *regions;    /* of the slots: which parts of others views are; NULL: nothing is written over */
    btl_policy policy;
    btl_ordering ordering;   /* how an order of the instructions was looked for */
    bool gc;                 /* memory is given back: `arena` after the call, others after the last instruction that needs it */
    int nstores;             /* of the policies other than `arena` */
    const int *store_of;     /* of each buffer */
    btl_lists tenants;        /* of each buffer: the slots that lie in it */
    btl_lists parts;          /* of each result: the slots that lie in it from the start */
    int *idle_until;         /* of each result: the instruction that first writes into its memory, where others may lie until then; 0: they may not */
    int first_update;        /* the first instruction that writes into a shared variable's own memory; ninstrs: none does */
    btl_lists begins, ends;   /* of each instruction: buffers whose life it begins; storages that nobody needs behind it */
    size_t strips_scratch;
    uint64_t always;         /* need bits of updates and assertions */
    bool any_late;
    vm_linker linker;
    vm_checks watch;         /* what is done around each instruction */
    vm_nan_limits limits;    /* of CHECKS_NAN */
    vm_debug *debug;         /* of CHECKS_DEBUG */
    btl_promise promise;
    int nsizes;              /* that generated code reads: sizes[i] is s[i] there */
    const btl_dim **sizes;
    btl_services services;
    bool code_routine, tier_background, is_compiling;
    pthread_t compiler;
    vm_code *code_place;
    _Atomic(const vm_code *) code; /* NULL: not there (yet) */
    char note[400];          /* what a person may want to know, or "" */
    _Atomic(vm_workspace *) pool[POOL_SLOTS]; /* NULL: in use, or nobody's yet */
    _Atomic(int) nhomes;     /* places that have an owner */
    _Atomic(size_t) arena_bytes, scratch_bytes; /* in the last sized workspace */
    btl_pieces pieces;              /* how a part of it is computed; count 0: nothing is in pieces */
    int64_t whole_bytes;            /* what it would take without */
    int64_t refused_bytes;          /* the least that was found, where that does not fit a memory budget; 0: it does */
    int ncurve;
    const btl_memory_point *curve; /* of btl_vm_limit.curve; extra as a share of all work */
};

/* The slot whose memory slot i is written over; -1: it has memory of its own. */
static inline int btl_vm_written_over(const btl_function *f, int i) { return f->slots[i].into < 0 ? -1 : f->slots[f->slots[i].into].root; }

/* Bit of result i in vm_instr.needed_by: results from 61 on share a bit. */
static inline uint64_t vm_need_bit(int output) { return (uint64_t)1 << (output < 61 ? output : 61); }
#define VM_NEED_UPDATE ((uint64_t)1 << 62)
#define VM_NEED_ASSERT ((uint64_t)1 << 63)

/* What one call changes. */
struct vm_workspace {
    btl_context *ctx;
    const btl_function *f;
    bool sized;
    bool named;              /* sizes were given by name when it was sized */
    int64_t *symbols;        /* values of the size symbols, -1 unknown */
    btl_operand *operands;   /* by slot */
    int64_t *shapes;         /* dims, then strides, of all slots */
    int64_t *sizes;          /* values of the function's sizes */
    size_t *slot_at;         /* where each slot begins in its memory, in bytes */
    size_t *slot_bytes;      /* of each slot's elements (a late output's: at its bound, or 0) */
    int home;                /* its place in the pool, or -1: it goes when the call ends */
    size_t work_bytes;       /* scratch of the kernel that needs most */
    btl_buffer *buffers;
    int *host;               /* of each buffer: the result in whose memory it lies until that is written, at its offset; -1: the arena */
    int *guest, *next_guest; /* of each result: its first such buffer; of each buffer: the next one; -1: none */
    size_t *guest_bytes;     /* of each result: what they need */
    char **spare;            /* of each result: memory for them instead, where the caller's is not aligned; NULL: never needed */
    size_t *spare_bytes;
    char *arena;
    size_t arena_bytes, arena_need; /* that it has; that the plan wants (of all storages where there is no arena) */
    char **stores;           /* of the policies other than `arena`; NULL: not allocated now */
    size_t *store_bytes, *store_need;
    bool is_placed;          /* what is not taken step by step is there, and operands point into it */
    char *scratch;
    size_t scratch_bytes;
    char **own;              /* STORE_OWN memory */
    size_t *own_bytes;
    int *shared_index;       /* of the function's shared variables in the state `layout` */
    uint64_t layout;
    btl_array *made;         /* results allocated by this call; owned by it until it succeeds */
    btl_array *packed;       /* row-major copies of strided arguments */
    const btl_array **given; /* the arguments, defaults filled in */
    btl_operand *exec_in, *exec_out;
    size_t block_bytes;      /* of the one block that this and its tables are */
};

/* "mul, add, tanh": the ops that a node is made of. In the arena. */
const char *btl_vm_label(btl_arena *a, const btl_node *n);

btl_status btl_vm_workspace_take(const btl_function *f, vm_workspace **out);
void btl_vm_workspace_give(const btl_function *f, vm_workspace *w);
void btl_vm_workspace_free(vm_workspace *w);

#endif
