/* Shared by the files that plan a filtered convolution (winograd_plan.c), pack its weight
 * (winograd_pack.c) and run it (winograd.c). Outputs are in panels as the products write them; a
 * panel never has outputs of two pieces of a pixel. */
#ifndef GS_ENGINE_BACKEND_CPU_WINOGRAD_INTERNAL_H
#define GS_ENGINE_BACKEND_CPU_WINOGRAD_INTERNAL_H

#include "engine/backend/cpu/winograd.h"

static inline int gs__smaller(int a, int b) {
    return a < b ? a : b;
}

static inline int gs__divide_up(int a, int b) {
    return (a + b - 1) / b;
}

static inline int gs__round_up(int a, int b) {
    return gs__divide_up(a, b) * b;
}

/* An odd number of cache lines of floats: matrices at such a distance do not meet in one set of a
 * cache. */
static inline size_t gs__odd_lines(size_t floats) {
    return ((floats + 15) / 16 | 1) * 16;
}

/* Outputs of a whole panel. */
static inline int gs__winograd_panel(const gs_winograd *p) {
    return 2 * p->conv.kernel->lanes;
}

/* Words of a tile's transformed input. */
static inline size_t gs__winograd_depth_words(const gs_winograd *p) {
    size_t values = (size_t)p->conv.kernel->word_values;
    return (p->depth + values - 1) / values;
}

/* Products of a tile for each value of its pixels. */
static inline int gs__winograd_numbers(const gs_winograd *p) {
    return p->filter->points * p->filter->points;
}

static inline int gs__winograd_tiles(const gs_winograd *p) {
    return p->conv.x.n * p->tile_rows * p->tile_columns;
}

/* Panels of one piece of a pixel. */
static inline int gs__winograd_group_panels(const gs_winograd *p) {
    return gs__divide_up(p->to.values, gs__winograd_panel(p));
}

/* Values of one piece of a pixel of outputs, with zeros to whole vectors. */
static inline int gs__winograd_padded_values(const gs_winograd *p) {
    return gs__round_up(p->to.values, p->conv.kernel->lanes);
}

static inline int gs__winograd_panel_width(const gs_winograd *p, int panel) {
    int left = p->to.values - panel % gs__winograd_group_panels(p) * gs__winograd_panel(p);
    return left <= p->conv.kernel->lanes ? p->conv.kernel->lanes : gs__winograd_panel(p);
}

/* The transformed weight is [n·n][panels][depth][panel width]: words of one number's matrix, … */
size_t gs__winograd_matrix_words(const gs_winograd *p);
/* … and where in it a panel begins. */
size_t gs__winograd_panel_start(const gs_winograd *p, int panel);

/* A map as filters of stride 1 see it. */
gs_winograd_map gs__winograd_map_of(gs_shape s, int stride);

/* The convolution by this filter, fast or not; its taps are those of gs__winograd_taps. */
gs_winograd gs__winograd_plan_filter(const gs_winograd_conv *conv, gs_winograd_kind kind);

/* Whether a filter's results are nearly as good as the direct convolution's. */
bool gs__winograd_is_exact_enough(const gs_winograd_conv *conv, gs_winograd_kind kind);

/* Taps of the filters that can do a convolution; 0: none can. */
int gs__winograd_taps(const gs_winograd_conv *conv);

#endif
