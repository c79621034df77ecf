/* Weights transformed: each r·r taps into n·n numbers, in panels for the products. */
#include "engine/backend/cpu/winograd_internal.h"

#include "engine/backend/cpu/bfloat16.h"

#include <string.h>

enum { MOST_TAPS = 9, MOST_NUMBERS = WINOGRAD_MOST_POINTS * WINOGRAD_MOST_POINTS };

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
    return group * group_words(p) +
           within * (size_t)gs__winograd_panel(p) * gs__winograd_depth_words(p);
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
    size_t taps[MOST_TAPS], columns[GEMM_MOST_PANEL];
    int tap_count, used, width;
} panel_view;

static panel_view view_panel(const gs_winograd *p, int panel) {
    int first = panel % gs__winograd_group_panels(p) * gs__winograd_panel(p),
        group = panel / gs__winograd_group_panels(p);
    panel_view v = {.tap_count = p->filter->taps * p->filter->taps,
                    .used = gs__smaller(p->to.values - first, gs__winograd_panel(p)),
                    .width = gs__winograd_panel_width(p, panel)};
    find_taps(p, v.taps);
    for (int i = 0; i < v.used; i++)
        v.columns[i] = p->conv.op == GS_OP_CONV ? output_offset(&p->conv, first + i)
                                                : input_offset(&p->conv, group, first + i);
    return v;
}

/* The part of a row of words of value k of a pixel of `from`, of all numbers: floats, or one half
 * of each word. */
static void store_row(const gs_winograd *p, const float *numbers, size_t k, size_t width,
                      uint32_t *to) {
    size_t count = (size_t)gs__winograd_numbers(p), matrix = gs__winograd_matrix_words(p);
    if (p->conv.kernel->word_values == 1) {
        for (size_t i = 0; i < count; i++)
            memcpy(to + i * matrix + k * width, numbers + i * width, width * sizeof *numbers);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        uint16_t *halves = (uint16_t *)(void *)(to + i * matrix + k / 2 * width) + k % 2;
        for (size_t l = 0; l < width; l++) halves[2 * l] = gs__bfloat16(numbers[i * width + l]);
    }
}

/* What meets value k of a pixel of `from`. */
static void pack_row(const gs_winograd *p, const panel_view *v, const float *weight, size_t k,
                     uint32_t *to) {
    float taps[MOST_TAPS * GEMM_MOST_PANEL], numbers[MOST_NUMBERS * GEMM_MOST_PANEL];
    size_t width = (size_t)v->width;
    for (int t = 0; t < v->tap_count; t++) {
        float *row = taps + t * v->width;
        for (int i = 0; i < v->used; i++) row[i] = weight[v->columns[i] + v->taps[t]];
        for (int i = v->used; i < v->width; i++) row[i] = 0;
    }
    p->filter->weight(taps, width, numbers, width);
    store_row(p, numbers, k, width, to);
}

/* The half of a last word that no value is in. */
static void clear_rest(const gs_winograd *p, const panel_view *v, uint32_t *to) {
    if (p->depth % (size_t)p->conv.kernel->word_values == 0) return;
    size_t last = (gs__winograd_depth_words(p) - 1) * (size_t)v->width;
    for (int i = 0; i < gs__winograd_numbers(p); i++, to += gs__winograd_matrix_words(p))
        for (int l = 0; l < v->width; l++) to[last + (size_t)l] &= 0xFFFFu;
}

/* Pieces of an input channel follow each other, so that a line of the weight is read once. */
static void pack_panel(const gs_winograd *p, int panel, const float *weight, uint32_t *to) {
    panel_view v = view_panel(p, panel);
    if (p->conv.op != GS_OP_CONV)
        for (int o = 0; o < p->conv.w.n; o++)
            pack_row(p, &v, weight + output_offset(&p->conv, o), (size_t)o, to);
    else
        for (int c = 0; c < p->conv.w.c; c++)
            for (int piece = 0; piece < p->from.groups * p->from.groups; piece++) {
                int group = piece / p->from.groups;
                int value = piece % p->from.groups * p->conv.w.c + c;
                pack_row(p, &v, weight + input_offset(&p->conv, group, value),
                         (size_t)(group * p->from.values + value), to);
            }
    clear_rest(p, &v, to);
}

void gs__winograd_pack(const gs_winograd *p, const float *weight, uint32_t *words) {
#pragma omp parallel for schedule(static)
    for (int i = 0; i < p->to.groups * gs__winograd_group_panels(p); i++)
        pack_panel(p, i, weight, words + gs__winograd_panel_start(p, i));
}
