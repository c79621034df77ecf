/* Strips, and the border terms: on our own product's kernels (implicit_gemm.h), in which a strip's
 * window of five pixels is one stretch of memory, with weights packed for them; where there are
 * none, by oneDNN's, a tap at a time. */
#include "engine/backend/cpu/border.h"

#include "engine/backend/cpu/bfloat16.h"
#include "engine/backend/cpu/implicit_gemm_panels.h"

#include "base/memory.h"

#include <omp.h>
#include <string.h>

/* ---- Strips ---------------------------------------------------------------------------------- */

/* Along a row the upsampled map is reflected, along a column it is replicated. */
void gs__border_pair(const gs_border *f, int side, int k, size_t *plus, size_t *minus) {
    int size = gs__border_side_length(f, side), up = k - GS_BORDER_PAD;
    size_t channels = (size_t)f->channels;
    if (side < 2) {
        up = up < 0 ? -up : up >= size ? 2 * size - 2 - up : up;
        size_t column = (size_t)(up / 2 + 1) * channels;
        *plus = (size_t)(side == 0 ? 2 : f->h - 1) * f->row + column;
        *minus = (size_t)(side == 0 ? 1 : f->h) * f->row + column;
        return;
    }
    up = up < 0 ? 0 : up >= size ? size - 1 : up;
    size_t row = (size_t)(up / 2 + 1) * f->row;
    *plus = row + (size_t)(side == 2 ? 2 : f->w - 1) * channels;
    *minus = row + (size_t)(side == 2 ? 1 : f->w) * channels;
}

GS_VECTORIZED static void subtract_floats(const float *restrict plus, const float *restrict minus,
                                          float *restrict out, int count) {
    for (int i = 0; i < count; i++) out[i] = plus[i] - minus[i];
}

GS_VECTORIZED static void subtract_halves(const uint16_t *restrict plus,
                                          const uint16_t *restrict minus, float *restrict out,
                                          int count) {
    for (int i = 0; i < count; i++)
        out[i] = gs__from_bfloat16(plus[i]) - gs__from_bfloat16(minus[i]);
}

GS_VECTORIZED static void subtract_to_halves(const uint16_t *restrict plus,
                                             const uint16_t *restrict minus, uint16_t *restrict out,
                                             int count) {
    for (int i = 0; i < count; i++)
        out[i] = gs__bfloat16(gs__from_bfloat16(plus[i]) - gs__from_bfloat16(minus[i]));
}

static int strip_pixels(const gs_border *f, int side) {
    return gs__border_side_length(f, side) + 2 * GS_BORDER_PAD;
}

void gs__border_strip(const gs_border *f, gs_border_map x, int n, int side, float *strip) {
    for (int k = 0; k < strip_pixels(f, side); k++, strip += f->channels) {
        size_t plus, minus, image = (size_t)n * f->image;
        gs__border_pair(f, side, k, &plus, &minus);
        plus += image, minus += image;
        if (x.floats)
            subtract_floats(x.floats + plus, x.floats + minus, strip, f->channels);
        else
            subtract_halves(x.halves + plus, x.halves + minus, strip, f->channels);
    }
}

static void strip_of_halves(const gs_border *f, const uint16_t *x, int n, int side,
                            uint16_t *strip) {
    for (int k = 0; k < strip_pixels(f, side); k++, strip += f->channels) {
        size_t plus, minus, image = (size_t)n * f->image;
        gs__border_pair(f, side, k, &plus, &minus);
        subtract_to_halves(x + image + plus, x + image + minus, strip, f->channels);
    }
}

/* ---- What a node needs ----------------------------------------------------------------------- */

typedef struct border_plan {
    gs_border border;
    int threads;
    const gs_gemm_kernel *kernel; /* NULL: oneDNN's product, of the weight as it is */
    size_t panel_words;           /* of a side's weight */
    struct {
        int32_t lanes, word_values;
    } layout; /* how it is packed */
    /* Bytes into the scratch: the strips of a side of all samples, and each thread's for products.
     */
    size_t strips[GS_SIDES], products, product_bytes, total;
} border_plan;

static const gs_gemm_kernel *choose_kernel(const gs_cpu_state *state, const gs_node *node) {
    return gs__gemm_kernel(state->isa, node->in[0]->is_bfloat16 ? state->bf16 : GS_BF16_NONE);
}

static size_t whole_lines(size_t bytes) {
    return (bytes + 63) / 64 * 64;
}

/* A product's strips end with a word's worth of zeros: implicit_gemm.h says why. */
static void lay_out(border_plan *p) {
    const gs_border *f = &p->border;
    size_t value = p->kernel && p->kernel->word_values == 2 ? sizeof(uint16_t) : sizeof(float);
    size_t at = 0;
    for (int side = 0; side < GS_SIDES; side++) {
        p->strips[side] = at;
        size_t pixels = (size_t)f->samples * (size_t)strip_pixels(f, side);
        at += whole_lines(pixels * (size_t)f->channels * value + sizeof(uint32_t));
    }
    p->products = at;
    if (p->kernel)
        p->product_bytes = whole_lines(gs__implicit_gemm_scratch(p->kernel, f->outputs, 1));
    p->total = at + (size_t)p->threads * p->product_bytes;
}

gs_status gs__cpu_border_prepare(void *opaque, const gs_node *node, void **handle_out,
                                 size_t *scratch_bytes_out, gs_error *err) {
    const gs_cpu_state *state = opaque;
    border_plan *p = gs_alloc(1, sizeof *p);
    if (!p) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to plan border terms");
    p->border = gs__border_of(node->in[0]->shape, node->out[0]->shape);
    p->threads = state->threads;
    p->kernel = choose_kernel(state, node);
    if (p->kernel) {
        size_t length = (size_t)(GS_BORDER_TAPS * p->border.channels);
        p->panel_words = gs__panel_words(p->kernel, p->border.outputs, 1, length);
        p->layout.lanes = p->kernel->lanes, p->layout.word_values = p->kernel->word_values;
    }
    lay_out(p);
    *handle_out = p;
    *scratch_bytes_out = p->total;
    return GS_OK;
}

void gs__cpu_border_release(void *handle) {
    gs_free(handle);
}

/* ---- Packing --------------------------------------------------------------------------------- */

gs_packing gs__cpu_border_packing(const void *handle) {
    const border_plan *p = handle;
    if (!p->kernel) return (gs_packing){0};
    return (gs_packing){.bytes = GS_SIDES * p->panel_words * sizeof(uint32_t),
                        .layout = &p->layout,
                        .layout_bytes = sizeof p->layout};
}

void gs__cpu_border_pack(const void *handle, const float *weight, uint32_t *panels) {
    const border_plan *p = handle;
    size_t channels = (size_t)p->border.channels, outputs = (size_t)p->border.outputs;
    size_t offsets[GS_BORDER_TAPS];
    for (size_t t = 0; t < GS_BORDER_TAPS; t++) offsets[t] = t * channels * outputs;
    gs_weight_view view = {.runs = 1,
                           .run_taps = GS_BORDER_TAPS,
                           .inner = p->border.channels,
                           .outputs = p->border.outputs,
                           .tap_offsets = offsets,
                           .inner_stride = outputs,
                           .output_stride = 1};
    for (size_t side = 0; side < GS_SIDES; side++)
        gs__pack_panels(p->kernel, &view, weight + side * GS_BORDER_TAPS * channels * outputs,
                        panels + side * p->panel_words);
}

/* ---- Terms ----------------------------------------------------------------------------------- */

static void make_strip(const border_plan *p, gs_border_map x, int n, int side, char *scratch) {
    const gs_border *f = &p->border;
    size_t from = (size_t)(n * strip_pixels(f, side)) * (size_t)f->channels;
    void *strips = scratch + p->strips[side];
    if (!p->kernel || p->kernel->word_values == 1) {
        gs__border_strip(f, x, n, side, (float *)strips + from);
        return;
    }
    strip_of_halves(f, x.halves, n, side, (uint16_t *)strips + from);
    size_t all = (size_t)(f->samples * strip_pixels(f, side)) * (size_t)f->channels;
    if (n == 0) memset((uint16_t *)strips + all, 0, sizeof(uint32_t));
}

/* Panels from..to of a side, for all samples. */
static void multiply_panels(const border_plan *p, int side, int from, int to, char *scratch,
                            const uint32_t *panels, float *out) {
    const gs_border *f = &p->border;
    size_t channels = (size_t)f->channels, length = GS_BORDER_TAPS * channels;
    int first = from * full_width(p->kernel), end = to * full_width(p->kernel);
    gs_implicit_gemm g = {
        .kernel = p->kernel,
        .samples = f->samples,
        .rows = 1,
        .columns = gs__border_side_length(f, side),
        .outputs = (end < f->outputs ? end : f->outputs) - first,
        .runs = 1,
        .length = length,
        .a = {.sample = (size_t)strip_pixels(f, side) * channels, .pixel = channels},
        .c = {.sample = f->terms, .pixel = (size_t)f->outputs}};
    const uint32_t *b =
        panels + (size_t)side * p->panel_words + (size_t)first * run_words(p->kernel, length);
    gs__implicit_gemm(&g, scratch + p->strips[side], b, NULL,
                      out + gs__border_side_start(f, side) + first,
                      scratch + p->products + (size_t)omp_get_thread_num() * p->product_bytes, 1);
}

static void multiply_taps(const border_plan *p, int n, int side, const char *scratch,
                          const float *weight, float *out) {
    const gs_border *f = &p->border;
    int length = gs__border_side_length(f, side), c = f->channels, o = f->outputs;
    const float *strip = (const float *)(const void *)(scratch + p->strips[side]) +
                         (size_t)(n * strip_pixels(f, side)) * (size_t)c;
    for (int t = 0; t < GS_BORDER_TAPS; t++)
        dnnl_sgemm('N', 'N', length, o, c, 1, strip + (size_t)(t * c), c,
                   weight + (size_t)(side * GS_BORDER_TAPS + t) * (size_t)c * (size_t)o, o,
                   t > 0 ? 1 : 0, out + (size_t)n * f->terms + gs__border_side_start(f, side), o);
}

gs_status gs__cpu_border(const gs_run *run, const gs_node *node, void *handle, gs_error *err) {
    (void)err;
    const border_plan *p = handle;
    gs_border_map x = gs__border_map(run, node->in[0]);
    const void *weight = gs_run_pointer(run, node->in[1]);
    float *out = gs_run_pointer(run, node->out[0]);
    char *scratch = run->scratch;
    int strips = p->border.samples * GS_SIDES;
    int panels = p->kernel ? panel_count(p->kernel, p->border.outputs) : 0;
    int groups = panels < p->threads ? panels : p->threads;
    /* Sides differ in length: taken in turns. */
#pragma omp parallel
    {
#pragma omp for schedule(static, 1)
        for (int i = 0; i < strips; i++) make_strip(p, x, i / GS_SIDES, i % GS_SIDES, scratch);
#pragma omp for schedule(static, 1) nowait
        for (int i = 0; i < GS_SIDES * groups; i++) {
            int group = i / GS_SIDES;
            multiply_panels(p, i % GS_SIDES, panels * group / groups, panels * (group + 1) / groups,
                            scratch, weight, out);
        }
#pragma omp for schedule(static, 1)
        for (int i = 0; i < (p->kernel ? 0 : strips); i++)
            multiply_taps(p, i / GS_SIDES, i % GS_SIDES, scratch, weight, out);
    }
    return GS_OK;
}
