/* pieces.h - a part of a graph computed piece by piece: fewer bytes live at once, as much work.
 *
 * Where nodes follow one another that compute every range along an axis for itself (op->cut: the images of a batch, the heads of an attention, the
 * rows of a softmax), they can be run for a half, a fourth … of that axis after the other. Of what is read by them alone only a piece lives at a time.
 * What all of is needed, too, is put together from its pieces, each made in its place (vm/within.h). It is what users of other systems write by
 * hand as "chunked" attention, and what AutoChunk (Zhao et al., ICLR 2024) searches for.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_SCHEDULE_PIECES_H
#define BTL_SCHEDULE_PIECES_H

#include "expr/op.h"

typedef struct btl_pieces {
    int count;              /* of pieces */
    int nnodes;             /* nodes that are computed in pieces, views among them */
    const btl_var *largest; /* the value from which it was found … */
    int axis;               /* … and its axis */
    int64_t spared;         /* bytes of values of which only a piece lives at a time */
    bool rounds;            /* the last bits may differ (btl_cut.rounds) */
    int n;                  /* nodes that the graph had … */
    const signed char *axes;/* … and of each, by id, the axis along which it is cut; -1: not at all */
} btl_pieces;

/* Bytes of all that the roots' nodes compute; -1 where a size is open. */
int64_t btl_pieces_bytes(btl_graph *g, int nroots, btl_var *const *roots);

/* The nodes that spare most when they are computed in so many pieces; false: there are none, or a size is open. `careful`: ranges are as long as is good for
 * speed (btl_cut.grain, and pieces of the value from which the nodes were found have BTL_PIECES_BLOCK bytes). Deterministic. What is found lies in `a`.
 * Cost: a few walks over the graph. */
enum { BTL_PIECES_BLOCK = 1 << 18 };
bool btl_pieces_find(btl_graph *g, btl_arena *a, int nroots, btl_var *const *roots, int count, bool careful, btl_pieces *found);

/* New nodes that compute so; roots[i] are replaced. The order of their ids is one piece after the other. */
btl_status btl_pieces_make(btl_graph *g, const btl_pieces *p, int nroots, btl_var **roots);

#endif
