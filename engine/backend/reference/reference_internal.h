/* Shared by the kernels of the reference backend. */
#ifndef GS_ENGINE_BACKEND_REFERENCE_INTERNAL_H
#define GS_ENGINE_BACKEND_REFERENCE_INTERNAL_H

#include "engine/backend/backend.h"

#define GS_NORM_EPSILON 1e-5

/* Where element (n,c,h,w) of an activation lies: channels-last. */
static inline size_t gs__map_at(gs_shape s, int n, int c, int h, int w) {
    return (((size_t)n * (size_t)s.h + (size_t)h) * (size_t)s.w + (size_t)w) * (size_t)s.c +
           (size_t)c;
}

/* Where element (o,c,i,j) of a weight [O,C,K,K] lies: as PyTorch stores it. */
static inline size_t gs__weight_at(gs_shape s, int o, int c, int i, int j) {
    return (((size_t)o * (size_t)s.c + (size_t)c) * (size_t)s.h + (size_t)i) * (size_t)s.w +
           (size_t)j;
}

static inline bool gs__is_same_shape(gs_shape a, gs_shape b) {
    return a.n == b.n && a.c == b.c && a.h == b.h && a.w == b.w;
}

/* One kernel per operation: gs__reference_conv, gs__reference_add, … */
#define X(name, lower)                                                                             \
    gs_status gs__reference_##lower(const gs_run *run, const gs_node *node, void *handle,          \
                                    gs_error *err);
GS_OP_MAP(X)
#undef X

#endif
