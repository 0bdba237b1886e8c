/* heap.h - numbers, the least on top. SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_SCHEDULE_HEAP_H
#define BTL_SCHEDULE_HEAP_H

/* Room for one more must be there. */
static inline void btl_heap_add(int *heap, int *n, int number) {
    int i = (*n)++;
    for (; i && heap[(i - 1) / 2] > number; i = (i - 1) / 2) heap[i] = heap[(i - 1) / 2];
    heap[i] = number;
}

static inline int btl_heap_take(int *heap, int *n) {
    int top = heap[0], number = heap[--*n], i = 0;
    for (int child = 1; child < *n; child = 2 * i + 1) {
        if (child + 1 < *n && heap[child + 1] < heap[child]) child++;
        if (heap[child] >= number) break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = number;
    return top;
}

#endif
