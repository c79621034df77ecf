/* Weights transformed: each r·r taps into n·n numbers, in panels for the products. */
#include "engine/backend/cpu/winograd_internal.h"

enum { MOST_TAPS = 9 };

/* Of the panels of one piece of a pixel. */
static size_t group_words(const gs_winograd *p) {
    return gs__panel_words(p->conv.kernel, p->to.values, 1, p->depth);
}

size_t gs__winograd_matrix_words(const gs_winograd *p) {
    return (size_t)p->to.groups * group_words(p);
}

size_t gs__winograd_words(const gs_winograd *p) {
    return (size_t)gs__winograd_numbers(p) * gs__winograd_matrix_words(p);
}

size_t gs__winograd_panel_start(const gs_winograd *p, int panel) {
    size_t group = (size_t)(panel / gs__winograd_group_panels(p)),
           within = (size_t)(panel % gs__winograd_group_panels(p));
    return group * group_words(p) + within * WINOGRAD_PANEL * p->depth;
}

/* Where in the weight the taps of value `value` of piece `group` of a pixel of x begin. */
static size_t input_offset(const gs_winograd_conv *conv, int group, int value) {
    int c = value % conv->x.c, phase = value / conv->x.c;
    return (size_t)(c * conv->w.h * conv->w.w + group * conv->w.w + phase);
}

static size_t output_offset(const gs_winograd_conv *conv, int o) {
    return (size_t)o * (size_t)(conv->w.c * conv->w.h * conv->w.w);
}

/* The taps' offsets in the order in which `from` has their pixels. */
static void find_taps(const gs_winograd *p, size_t offsets[MOST_TAPS]) {
    int r = p->filter->taps, s = p->conv.stride;
    for (int i = 0; i < r; i++)
        for (int j = 0; j < r; j++) {
            int row = p->conv.op == GS_OP_CONV ? i : r - 1 - i;
            int column = p->conv.op == GS_OP_CONV ? j : r - 1 - j;
            offsets[i * r + j] = (size_t)(row * s * p->conv.w.w + column * s);
        }
}

/* One panel while it is packed. */
typedef struct panel_view {
    size_t taps[MOST_TAPS], columns[WINOGRAD_PANEL];
    int tap_count, used, width;
} panel_view;

static panel_view view_panel(const gs_winograd *p, int panel) {
    int first = panel % gs__winograd_group_panels(p) * WINOGRAD_PANEL,
        group = panel / gs__winograd_group_panels(p);
    panel_view v = {.tap_count = p->filter->taps * p->filter->taps,
                    .used = gs__smaller(p->to.values - first, WINOGRAD_PANEL),
                    .width = gs__winograd_panel_width(p, panel)};
    find_taps(p, v.taps);
    for (int i = 0; i < v.used; i++)
        v.columns[i] = p->conv.op == GS_OP_CONV ? output_offset(&p->conv, first + i)
                                                : input_offset(&p->conv, group, first + i);
    return v;
}

/* What meets one value of a pixel of `from`, for all numbers. */
static void pack_row(const gs_winograd *p, const panel_view *v, const float *weight, float *to) {
    float taps[MOST_TAPS * WINOGRAD_PANEL];
    for (int t = 0; t < v->tap_count; t++) {
        float *row = taps + t * v->width;
        for (int i = 0; i < v->used; i++) row[i] = weight[v->columns[i] + v->taps[t]];
        for (int i = v->used; i < v->width; i++) row[i] = 0;
    }
    p->filter->weight(taps, (size_t)v->width, to, gs__winograd_matrix_words(p));
}

/* Pieces of an input channel follow each other, so that a line of the weight is read once. */
static void pack_panel(const gs_winograd *p, int panel, const float *weight, float *to) {
    panel_view v = view_panel(p, panel);
    if (p->conv.op != GS_OP_CONV) {
        for (int o = 0; o < p->conv.w.n; o++)
            pack_row(p, &v, weight + output_offset(&p->conv, o), to + (size_t)(o * v.width));
        return;
    }
    for (int c = 0; c < p->conv.w.c; c++)
        for (int piece = 0; piece < p->from.groups * p->from.groups; piece++) {
            int group = piece / p->from.groups;
            int value = piece % p->from.groups * p->conv.w.c + c;
            size_t k = (size_t)(group * p->from.values + value);
            pack_row(p, &v, weight + input_offset(&p->conv, group, value),
                     to + k * (size_t)v.width);
        }
}

void gs__winograd_pack(const gs_winograd *p, const float *weight, uint32_t *words) {
    float *to = (float *)(void *)words;
#pragma omp parallel for schedule(static)
    for (int i = 0; i < p->to.groups * gs__winograd_group_panels(p); i++)
        pack_panel(p, i, weight, to + gs__winograd_panel_start(p, i));
}
