/* Weights transformed: each r·r taps into n·n numbers, in panels for the products. */
#include "engine/backend/cpu/winograd_internal.h"

#include "engine/backend/cpu/bfloat16.h"

#include <stdbool.h>
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

/* Where the taps that meet value k of a pixel of `from` begin. */
static size_t value_offset(const gs_winograd *p, size_t k) {
    if (p->conv.op != GS_OP_CONV) return output_offset(&p->conv, (int)k);
    int values = p->from.values;
    return input_offset(&p->conv, (int)k / values, (int)k % values);
}

/* numbers[n·n][panel width] of what meets value k. */
static void transform_row(const gs_winograd *p, const panel_view *v, const float *weight, size_t k,
                          float *numbers) {
    float taps[MOST_TAPS * GEMM_MOST_PANEL];
    const float *from = weight + value_offset(p, k);
    for (int t = 0; t < v->tap_count; t++) {
        float *row = taps + t * v->width;
        for (int i = 0; i < v->used; i++) row[i] = from[v->columns[i] + v->taps[t]];
        for (int i = v->used; i < v->width; i++) row[i] = 0;
    }
    p->filter->weight(taps, (size_t)v->width, numbers, (size_t)v->width);
}

/* One row of words of all numbers: of one value, or of two of bfloat16, the last of which may be
 * missing. */
static void pack_word(const gs_winograd *p, const panel_view *v, const float *weight, size_t word,
                      uint32_t *to) {
    float numbers[2][MOST_NUMBERS * GEMM_MOST_PANEL];
    uint32_t pairs[MOST_NUMBERS * GEMM_MOST_PANEL];
    size_t values = (size_t)p->conv.kernel->word_values, width = (size_t)v->width,
           k = word * values;
    size_t count = (size_t)gs__winograd_numbers(p), matrix = gs__winograd_matrix_words(p);
    const void *words = numbers[0];
    transform_row(p, v, weight, k, numbers[0]);
    if (values == 2) {
        bool is_whole = k + 1 < p->depth;
        if (is_whole) transform_row(p, v, weight, k + 1, numbers[1]);
        gs__cpu_to_bfloat16_pairs(numbers[0], is_whole ? numbers[1] : NULL, count * width, pairs);
        words = pairs;
    }
    for (size_t i = 0; i < count; i++)
        memcpy(to + i * matrix + word * width, (const uint32_t *)words + i * width,
               width * sizeof *to);
}

/* Pieces of an input channel follow each other where words allow, so that a line of the weight is
 * read once. */
static void pack_panel(const gs_winograd *p, int panel, const float *weight, uint32_t *to) {
    panel_view v = view_panel(p, panel);
    int values = p->conv.kernel->word_values, groups = p->from.groups, channels = p->conv.w.c;
    if (p->conv.op != GS_OP_CONV || groups == 1 || channels % values != 0) {
        for (size_t word = 0; word < gs__winograd_depth_words(p); word++)
            pack_word(p, &v, weight, word, to);
        return;
    }
    for (int c = 0; c < channels; c += values)
        for (int piece = 0; piece < groups * groups; piece++) {
            int k = piece / groups * p->from.values + piece % groups * channels + c;
            pack_word(p, &v, weight, (size_t)(k / values), to);
        }
}

void gs__winograd_pack(const gs_winograd *p, const float *weight, uint32_t *words) {
#pragma omp parallel for schedule(static)
    for (int i = 0; i < p->to.groups * gs__winograd_group_panels(p); i++)
        pack_panel(p, i, weight, words + gs__winograd_panel_start(p, i));
}
