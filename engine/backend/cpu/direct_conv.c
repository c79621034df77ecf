/* Convolutions by our own kernels, where oneDNN's are slower or maps are bfloat16: forward and the
 * gradient of the data; by filters of fewer multiplications (winograd.h) where those are faster.
 *
 * The forward convolution is one implicit product. The data gradient of a convolution with stride s
 * is s² of them, one for each position (p,q) of an input pixel within a step: it sees only the taps
 * p, p+s, …, each at one pixel of the output's gradient, which is padded with zeros first.
 *
 * Few outputs would leave most of a panel empty. Then some neighbouring pixels of a row are one
 * pixel of so many times the outputs, whose window is that of all of them; each has zeros where
 * only the others have taps. Of a data gradient these are pixels of all positions q, so that it is
 * s products. */
#include "engine/backend/cpu/bfloat16.h"
#include "engine/backend/cpu/implicit_gemm.h"
#include "engine/backend/cpu/winograd.h"

#include "base/memory.h"

#include <string.h>

enum {
    MAX_STRIDE = 2,
    PHASES = MAX_STRIDE * MAX_STRIDE,
    MAX_TAPS = 64,
    MAX_WINDOW = 128,
    TAIL = 2
};

/* What tells panels of one weight apart. */
typedef struct panels_layout {
    const gs_gemm_kernel *kernel;
    const gs_winograd_filter *filter;
    int is_forward, stride; /* forward without a filter or groups: 0 */
    int group, reserved;    /* no padding: layouts are compared by their bytes */
} panels_layout;

/* One product: a phase's taps (of a group of pixels: their window's), and where its panels begin.
 */
typedef struct phase {
    int first_row, first_column, tap_rows, tap_columns;
    size_t panels;
} phase;

struct gs_direct_conv {
    const gs_gemm_kernel *kernel;
    gs_op op;
    gs_shape x, w, y; /* input, weight, output of the forward convolution */
    int stride, phase_count;
    int group;       /* pixels of a row computed as one; 1: none */
    float *expanded; /* a group's weight [group · outputs, inner, tap rows, window]; NULL without */
    phase phases[PHASES];
    int zeros, padded_h, padded_w; /* of the padded gradient: zeros above and to the left */
    gs_winograd winograd; /* where it has a filter, nothing of phases and padding is used */
    panels_layout layout;
    size_t panel_words; /* of the filter or of all phases */
};

/* ---- Shapes ---------------------------------------------------------------------------------- */

static int pixel_outputs(const gs_direct_conv *conv) {
    return conv->op == GS_OP_CONV ? conv->w.n : conv->w.c;
}

static int product_outputs(const gs_direct_conv *conv) {
    return conv->group * pixel_outputs(conv);
}

/* Values of a pixel of the map that products read. */
static int product_inner(const gs_direct_conv *conv) {
    return conv->op == GS_OP_CONV ? conv->w.c : conv->w.n;
}

/* Values of a run of a phase's products. */
static size_t phase_run(const gs_direct_conv *conv, const phase *p) {
    return (size_t)p->tap_columns * (size_t)product_inner(conv);
}

static int taps_of(int kernel, int first, int stride) {
    return first < kernel ? (kernel - first + stride - 1) / stride : 0;
}

/* Columns that the taps of a group of pixels of a row cover. */
static int window_of(const gs_direct_conv *conv, int group) {
    if (conv->op == GS_OP_CONV) return (group - 1) * conv->stride + conv->w.w;
    return (conv->w.w - 1) / conv->stride + (group - 1) / conv->stride + 1;
}

/* The tap of pixel `pixel` of a group at a column of its window, in the order in which the map has
 * the pixels; negative or beyond the kernel: none. */
static int tap_in_window(const gs_direct_conv *conv, int pixel, int column) {
    if (conv->op == GS_OP_CONV) return column - pixel * conv->stride;
    return pixel - conv->stride * (column - (conv->w.w - 1) / conv->stride);
}

static size_t plan_phases(gs_direct_conv *conv) {
    size_t total = 0;
    int steps = conv->op == GS_OP_CONV ? 1 : conv->stride;
    int column_steps = conv->group > 1 ? 1 : steps;
    conv->phase_count = steps * column_steps;
    for (int i = 0; i < conv->phase_count; i++) {
        phase *p = &conv->phases[i];
        *p = (phase){.first_row = i / column_steps, .first_column = i % column_steps};
        p->panels = total;
        p->tap_rows = taps_of(conv->w.h, p->first_row, steps);
        p->tap_columns = conv->group > 1 ? window_of(conv, conv->group)
                                         : taps_of(conv->w.w, p->first_column, steps);
        total +=
            gs__panel_words(conv->kernel, product_outputs(conv), p->tap_rows, phase_run(conv, p));
    }
    return total;
}

static void plan_padding(gs_direct_conv *conv) {
    int s = conv->stride, k = conv->w.h > conv->w.w ? conv->w.h : conv->w.w;
    conv->zeros = taps_of(k, 0, s) - 1;
    conv->padded_h = conv->zeros + (conv->x.h - 1) / s + 1;
    conv->padded_w = conv->zeros + (conv->x.w - 1) / s + 1;
}

static size_t padded_values(const gs_direct_conv *conv) {
    size_t pixels = (size_t)conv->y.n * (size_t)conv->padded_h * (size_t)conv->padded_w;
    return conv->op == GS_OP_CONV ? 0 : pixels * (size_t)conv->y.c;
}

static size_t value_bytes(const gs_direct_conv *conv) {
    return sizeof(float) / (size_t)conv->kernel->word_values;
}

/* With a tail for the last word of a row of bfloat16. */
static size_t padded_bytes(const gs_direct_conv *conv) {
    if (conv->op == GS_OP_CONV) return 0;
    return ((padded_values(conv) + TAIL) * value_bytes(conv) + 63) / 64 * 64;
}

/* ---- Panels ---------------------------------------------------------------------------------- */

/* Which row of a kernel a phase's row of taps is. */
static int kernel_row(const gs_direct_conv *conv, const phase *p, int row) {
    return conv->op == GS_OP_CONV ? row : p->first_row + conv->stride * (p->tap_rows - 1 - row);
}

/* Where in a kernel the taps of a phase are: in the order in which the map has their pixels, which
 * is the other way round for a gradient. */
static void find_taps(const gs_direct_conv *conv, const phase *p, size_t offsets[MAX_TAPS]) {
    bool is_forward = conv->op == GS_OP_CONV;
    for (int i = 0; i < p->tap_rows; i++)
        for (int j = 0; j < p->tap_columns; j++) {
            int row = kernel_row(conv, p, i);
            int column = is_forward ? j : p->first_column + conv->stride * (p->tap_columns - 1 - j);
            *offsets++ = (size_t)(row * conv->w.w + column);
        }
}

/* The weight of a group's pixels as if it were one of a phase's kernels. */
static void expand_weight(const gs_direct_conv *conv, const phase *p, const float *weight) {
    bool is_forward = conv->op == GS_OP_CONV;
    size_t of_input = (size_t)(conv->w.h * conv->w.w), of_output = of_input * (size_t)conv->w.c;
    size_t inner_step = is_forward ? of_input : of_output;
    size_t output_step = is_forward ? of_output : of_input;
    float *to = conv->expanded;
    for (int pixel = 0; pixel < conv->group; pixel++)
        for (int o = 0; o < pixel_outputs(conv); o++)
            for (int i = 0; i < product_inner(conv); i++)
                for (int row = 0; row < p->tap_rows; row++)
                    for (int column = 0; column < p->tap_columns; column++) {
                        int tap = tap_in_window(conv, pixel, column);
                        const float *from = weight + (size_t)o * output_step +
                                            (size_t)i * inner_step +
                                            (size_t)(kernel_row(conv, p, row) * conv->w.w);
                        *to++ = tap >= 0 && tap < conv->w.w ? from[tap] : 0;
                    }
}

static void pack_group(const gs_direct_conv *conv, const phase *p, const float *weight,
                       uint32_t *panels) {
    size_t offsets[MAX_WINDOW], taps = (size_t)(p->tap_rows * p->tap_columns);
    for (size_t i = 0; i < taps; i++) offsets[i] = i;
    expand_weight(conv, p, weight);
    gs__pack_panels(conv->kernel,
                    &(gs_weight_view){.runs = p->tap_rows,
                                      .run_taps = p->tap_columns,
                                      .inner = product_inner(conv),
                                      .outputs = product_outputs(conv),
                                      .tap_offsets = offsets,
                                      .inner_stride = taps,
                                      .output_stride = taps * (size_t)product_inner(conv)},
                    conv->expanded, panels);
}

static void pack_phase(const gs_direct_conv *conv, const phase *p, const float *weight,
                       uint32_t *panels) {
    size_t offsets[MAX_TAPS], of_input = (size_t)(conv->w.h * conv->w.w);
    size_t of_output = of_input * (size_t)conv->w.c;
    find_taps(conv, p, offsets);
    gs_weight_view view = {.runs = p->tap_rows, .run_taps = p->tap_columns, .tap_offsets = offsets};
    if (conv->op == GS_OP_CONV) {
        view.inner = conv->w.c, view.outputs = conv->w.n;
        view.inner_stride = of_input, view.output_stride = of_output;
    } else {
        view.inner = conv->w.n, view.outputs = conv->w.c;
        view.inner_stride = of_output, view.output_stride = of_input;
    }
    gs__pack_panels(conv->kernel, &view, weight, panels);
}

gs_packing gs__cpu_direct_conv_packing(const gs_direct_conv *conv) {
    return (gs_packing){.bytes = conv->panel_words * sizeof(uint32_t),
                        .layout = &conv->layout,
                        .layout_bytes = sizeof conv->layout};
}

void gs__cpu_direct_conv_pack(const gs_direct_conv *conv, const float *weight, uint32_t *panels) {
    if (conv->winograd.filter) gs__winograd_pack(&conv->winograd, weight, panels);
    for (int i = 0; i < conv->phase_count; i++)
        (conv->group > 1 ? pack_group : pack_phase)(conv, &conv->phases[i], weight,
                                                    panels + conv->phases[i].panels);
}

/* ---- Building -------------------------------------------------------------------------------- */

/* How many products a data gradient computes for each that counts: the rest are with padding. */
static double padding_factor(const gs_node *node) {
    gs_shape x = node->out[0]->shape, y = node->in[1]->shape;
    int steps = node->as.conv.stride * node->as.conv.stride;
    return (double)(x.h * x.w) / (double)(steps * y.h * y.w);
}

/* Few outputs leave most of a panel empty, and small maps are mostly padding: oneDNN has kernels
 * for them. With AVX-512 those for short sums are faster than ours too. */
static bool is_ours_in_floats(const gs_node *node, const gs_direct_conv *conv) {
    enum { FEWEST_OUTPUTS = 8, SHORT_SUM = 600 };
    if (product_outputs(conv) < FEWEST_OUTPUTS) return false;
    int sum = conv->w.h * conv->w.w * product_inner(conv);
    if (conv->kernel->isa == GS_ISA_AVX512 && sum < SHORT_SUM &&
        pixel_outputs(conv) > FEWEST_OUTPUTS)
        return false;
    return node->op == GS_OP_CONV || padding_factor(node) <= 1.35;
}

/* Estimated cycles for each pixel, if so many are computed as one: see winograd_plan.c. */
static double group_cost(const gs_direct_conv *conv, int group) {
    int outputs = group * pixel_outputs(conv), lanes = conv->kernel->lanes;
    double panels = outputs / (2 * lanes), rest = outputs % (2 * lanes);
    panels += rest > lanes ? 1 : rest > 0 ? 0.67 : 0;
    int steps = conv->op == GS_OP_CONV || group > 1 ? 1 : conv->stride;
    double taps = (double)conv->w.h * window_of(conv, group) / steps;
    return panels * (taps * product_inner(conv) / conv->kernel->word_values + 8) / group;
}

/* The pixels of a row that are best computed as one, of one panel. */
static int choose_group(const gs_direct_conv *conv) {
    bool is_forward = conv->op == GS_OP_CONV;
    int columns = is_forward ? conv->y.w : conv->x.w, step = is_forward ? 1 : conv->stride;
    int most = 2 * conv->kernel->lanes / pixel_outputs(conv), best = 1;
    for (int group = step > 1 ? step : 2; group <= most && group <= columns; group += step) {
        if (step > 1 && columns % group != 0) continue; /* positions begin with a group */
        if (conv->w.h * window_of(conv, group) > MAX_WINDOW) break;
        if (group_cost(conv, group) < group_cost(conv, best)) best = group;
    }
    return best;
}

bool gs__cpu_direct_conv_is_possible(gs_shape weight, int stride) {
    return stride <= MAX_STRIDE && weight.h * weight.w <= MAX_TAPS;
}

/* NULL: oneDNN is to do it, unless a filter needs fewer multiplications. */
static const gs_gemm_kernel *choose_kernel(const gs_cpu_state *state, const gs_node *node) {
    bool is_forward = node->op == GS_OP_CONV;
    gs_bf16 bf16 = !is_forward || node->in[0]->is_bfloat16 ? state->bf16 : GS_BF16_NONE;
    gs_shape weight = node->in[is_forward ? 1 : 0]->shape;
    bool is_possible = gs__cpu_direct_conv_is_possible(weight, node->as.conv.stride);
    return is_possible ? gs__gemm_kernel(state->isa, bf16) : NULL;
}

static gs_direct_conv describe(const gs_node *node, const gs_gemm_kernel *kernel) {
    bool is_forward = node->op == GS_OP_CONV;
    gs_direct_conv conv = {.kernel = kernel,
                           .op = node->op,
                           .x = is_forward ? node->in[0]->shape : node->out[0]->shape,
                           .w = node->in[is_forward ? 1 : 0]->shape,
                           .y = is_forward ? node->out[0]->shape : node->in[1]->shape,
                           .stride = node->as.conv.stride,
                           .group = 1};
    conv.winograd = gs__winograd_plan(
        &(gs_winograd_conv){.kernel = kernel,
                            .op = conv.op,
                            .x = conv.x,
                            .w = conv.w,
                            .y = conv.y,
                            .stride = conv.stride,
                            .keeps_weight = is_forward && node->as.conv.keeps_weight,
                            .from_bfloat16 = is_forward && node->in[0]->is_bfloat16});
    if (!conv.winograd.filter) conv.group = choose_group(&conv);
    bool is_any_stride = is_forward && !conv.winograd.filter && conv.group == 1;
    conv.layout = (panels_layout){.kernel = kernel,
                                  .filter = conv.winograd.filter,
                                  .is_forward = is_forward,
                                  .stride = is_any_stride ? 0 : conv.stride,
                                  .group = conv.group};
    return conv;
}

/* Bytes of scratch. */
static size_t plan_products(gs_direct_conv *conv, int threads) {
    if (conv->winograd.filter) {
        conv->panel_words = gs__winograd_words(&conv->winograd);
        return gs__winograd_scratch(&conv->winograd, threads);
    }
    conv->panel_words = plan_phases(conv);
    plan_padding(conv);
    return padded_bytes(conv) +
           gs__implicit_gemm_scratch(conv->kernel, product_outputs(conv), threads);
}

static size_t expanded_size(const gs_direct_conv *conv) {
    return (size_t)product_outputs(conv) * (size_t)product_inner(conv) * (size_t)conv->w.h *
           (size_t)window_of(conv, conv->group);
}

gs_status gs__cpu_direct_conv_new(gs_cpu_state *state, const gs_node *node, gs_direct_conv **out,
                                  size_t *scratch_bytes_out, gs_error *err) {
    *out = NULL;
    const gs_gemm_kernel *kernel = choose_kernel(state, node);
    if (!kernel) return GS_OK;
    gs_direct_conv plan = describe(node, kernel);
    if (!plan.winograd.filter && kernel->word_values == 1 && !is_ours_in_floats(node, &plan))
        return GS_OK;
    size_t scratch = plan_products(&plan, state->threads);
    gs_direct_conv *conv = gs_alloc(1, sizeof *conv);
    if (conv && plan.group > 1) plan.expanded = gs_alloc(expanded_size(&plan), sizeof(float));
    if (!conv || (plan.group > 1 && !plan.expanded)) {
        gs_free(conv);
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a convolution");
    }
    *conv = plan;
    *scratch_bytes_out = scratch;
    *out = conv;
    return GS_OK;
}

void gs__cpu_direct_conv_free(gs_direct_conv *conv) {
    if (conv) gs_free(conv->expanded);
    gs_free(conv);
}

/* ---- Running --------------------------------------------------------------------------------- */

static gs_pixel_strides strides_of(int h, int w, int c, int step) {
    size_t pixel = (size_t)c, row = (size_t)w * pixel;
    return (gs_pixel_strides){(size_t)h * row, (size_t)step * row, (size_t)step * pixel};
}

/* Makes pixels of a row groups of them. `a` and `c` step by a pixel before. */
static void group_pixels(const gs_direct_conv *conv, gs_implicit_gemm *g) {
    int groups = (g->columns + conv->group - 1) / conv->group;
    size_t overlap = (size_t)(groups * conv->group - g->columns), size = (size_t)conv->group;
    g->overlap = (int)overlap * pixel_outputs(conv);
    g->overlap_a = overlap * g->a.pixel, g->overlap_c = overlap * g->c.pixel;
    g->columns = groups;
    g->a.pixel *= size, g->c.pixel *= size;
}

static void run_forward(const gs_run *run, const gs_node *node, const gs_direct_conv *conv) {
    gs_implicit_gemm g = {.kernel = conv->kernel,
                          .samples = conv->y.n,
                          .rows = conv->y.h,
                          .columns = conv->y.w,
                          .outputs = product_outputs(conv),
                          .biases = conv->w.n,
                          .runs = conv->w.h,
                          .length = phase_run(conv, &conv->phases[0]),
                          .run_stride = (size_t)conv->x.w * (size_t)conv->x.c,
                          .a = strides_of(conv->x.h, conv->x.w, conv->x.c, conv->stride),
                          .c = strides_of(conv->y.h, conv->y.w, conv->y.c, 1)};
    if (conv->group > 1) group_pixels(conv, &g);
    gs__implicit_gemm(&g, gs_run_pointer(run, node->in[0]), gs_run_pointer(run, node->in[1]),
                      gs_run_pointer(run, node->in[2]), gs_run_pointer(run, node->out[0]),
                      run->scratch, run->threads);
}

static void copy_values(const gs_direct_conv *conv, const float *from, size_t count, void *to) {
    if (conv->kernel->word_values == 1)
        memcpy(to, from, count * sizeof *from);
    else
        gs__cpu_to_bfloat16(from, count, to);
}

static void pad_gradient(const gs_direct_conv *conv, const float *from, char *padded) {
    size_t value = value_bytes(conv);
    size_t channels = (size_t)conv->y.c, row = (size_t)conv->y.w * channels;
    size_t padded_row = (size_t)conv->padded_w * channels, left = (size_t)conv->zeros * channels;
    /* A last step that no output pixel takes leaves more rows here than the gradient reaches. */
    size_t used = left + row < padded_row ? row : padded_row - left;
#pragma omp parallel for schedule(static)
    for (int i = 0; i < conv->y.n * conv->padded_h; i++) {
        int n = i / conv->padded_h, r = i % conv->padded_h - conv->zeros;
        char *to = padded + (size_t)i * padded_row * value;
        if (r < 0 || r >= conv->y.h) {
            memset(to, 0, padded_row * value);
            continue;
        }
        memset(to, 0, left * value);
        copy_values(conv, from + ((size_t)n * (size_t)conv->y.h + (size_t)r) * row, used,
                    to + left * value);
        memset(to + (left + used) * value, 0, (padded_row - left - used) * value);
    }
    memset(padded + padded_values(conv) * value, 0, TAIL * value);
}

/* The pixels that no tap sees. */
static void clear_phase(const gs_direct_conv *conv, const phase *p, float *dx) {
    size_t channels = (size_t)conv->x.c;
    int step = conv->group > 1 ? 1 : conv->stride;
#pragma omp parallel for schedule(static) collapse(2)
    for (int n = 0; n < conv->x.n; n++)
        for (int h = p->first_row; h < conv->x.h; h += conv->stride)
            for (int w = p->first_column; w < conv->x.w; w += step)
                memset(dx +
                           ((size_t)(n * conv->x.h + h) * (size_t)conv->x.w + (size_t)w) * channels,
                       0, channels * sizeof *dx);
}

/* One phase's product: where it reads in the padded gradient, and where it writes in dx. */
static gs_implicit_gemm phase_product(const gs_direct_conv *conv, const phase *p, size_t *a,
                                      size_t *c) {
    int s = conv->stride, before = conv->zeros - p->tap_columns + 1;
    size_t channels = (size_t)conv->y.c, padded_row = (size_t)conv->padded_w * channels;
    gs_implicit_gemm g = {.kernel = conv->kernel,
                          .samples = conv->x.n,
                          .rows = (conv->x.h - p->first_row + s - 1) / s,
                          .columns = (conv->x.w - p->first_column + s - 1) / s,
                          .outputs = product_outputs(conv),
                          .runs = p->tap_rows,
                          .length = phase_run(conv, p),
                          .run_stride = padded_row,
                          .a = strides_of(conv->padded_h, conv->padded_w, conv->y.c, 1),
                          .c = strides_of(conv->x.h, conv->x.w, conv->x.c, s)};
    if (conv->group > 1) {
        before = conv->zeros - (conv->w.w - 1) / s;
        if (s == 1) group_pixels(conv, &g);
        if (s > 1) g.columns = conv->x.w / conv->group;
        if (s > 1) g.a.pixel *= (size_t)(conv->group / s), g.c.pixel *= (size_t)(conv->group / s);
    }
    *a = (size_t)(conv->zeros - p->tap_rows + 1) * padded_row + (size_t)before * channels;
    *c = (size_t)(p->first_row * conv->x.w + p->first_column) * (size_t)conv->x.c;
    return g;
}

static void run_gradient(const gs_run *run, const gs_node *node, const gs_direct_conv *conv) {
    char *padded = run->scratch, *scratch = padded + padded_bytes(conv);
    const uint32_t *panels = gs_run_pointer(run, node->in[0]);
    float *dx = gs_run_pointer(run, node->out[0]);
    pad_gradient(conv, gs_run_pointer(run, node->in[1]), padded);
    for (int i = 0; i < conv->phase_count; i++) {
        const phase *p = &conv->phases[i];
        if (p->tap_rows == 0 || p->tap_columns == 0) {
            clear_phase(conv, p, dx);
            continue;
        }
        size_t a, c;
        gs_implicit_gemm g = phase_product(conv, p, &a, &c);
        if (g.rows <= 0 || g.columns <= 0) continue;
        gs__implicit_gemm(&g, padded + a * value_bytes(conv), panels + p->panels, NULL, dx + c,
                          scratch, run->threads);
    }
}

void gs__cpu_direct_conv_run(const gs_run *run, const gs_node *node, const gs_direct_conv *conv) {
    bool is_forward = conv->op == GS_OP_CONV;
    if (conv->winograd.filter)
        gs__winograd_run(&conv->winograd, gs_run_pointer(run, node->in[is_forward ? 0 : 1]),
                         gs_run_pointer(run, node->in[is_forward ? 1 : 0]),
                         is_forward ? gs_run_pointer(run, node->in[2]) : NULL,
                         gs_run_pointer(run, node->out[0]), run->scratch, run->threads);
    else if (is_forward)
        run_forward(run, node, conv);
    else
        run_gradient(run, node, conv);
}
