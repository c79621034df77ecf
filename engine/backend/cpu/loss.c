/* Losses and their gradients. Sums are taken over fixed chunks in double precision and added in
 * order, so they do not depend on the number of threads. */
#include "engine/backend/cpu/cpu_internal.h"

#include <math.h>

enum { CHUNK = 16384, SUMS = 3 };

static size_t chunks_of(size_t size) {
    return (size + CHUNK - 1) / CHUNK;
}

gs_status gs__cpu_loss_scratch(void *state, const gs_node *node, void **handle_out,
                               size_t *scratch_bytes_out, gs_error *err) {
    (void)state, (void)handle_out, (void)err;
    *scratch_bytes_out = chunks_of(gs__shape_size(node->in[0]->shape)) * SUMS * sizeof(double);
    return GS_OK;
}

/* What is summed: adds up to SUMS sums over `count` elements of up to three arrays. */
typedef void chunk_sum(const float *const *in, size_t at, size_t count, double *sums);

static void reduce(const gs_run *run, const float *const *in, size_t from, size_t size,
                   chunk_sum *chunk, double *sums) {
    double *partial = run->scratch;
    size_t chunks = chunks_of(size);
#pragma omp parallel for schedule(static)
    for (size_t k = 0; k < chunks; k++) {
        double *mine = partial + k * SUMS;
        for (int i = 0; i < SUMS; i++) mine[i] = 0;
        chunk(in, from + k * CHUNK, size - k * CHUNK < CHUNK ? size - k * CHUNK : CHUNK, mine);
    }
    for (int i = 0; i < SUMS; i++) sums[i] = 0;
    for (size_t k = 0; k < chunks; k++)
        for (int i = 0; i < SUMS; i++) sums[i] += partial[k * SUMS + (size_t)i];
}

static void set_loss(const gs_run *run, const gs_node *node, double value) {
    *(float *)gs_run_pointer(run, node->out[0]) = (float)value;
}

/* ---- L1 -------------------------------------------------------------------------------------- */

GS_VECTORIZED static void sum_absolute(const float *const *in, size_t at, size_t count,
                                       double *sums) {
    const float *a = in[0] + at, *b = in[1] + at;
    double total = 0;
#pragma omp simd reduction(+ : total)
    for (size_t i = 0; i < count; i++) total += (double)fabsf(a[i] - b[i]);
    sums[0] = total;
}

gs_status gs__cpu_loss_l1(const gs_run *run, const gs_node *node, void *handle, gs_error *err) {
    (void)handle, (void)err;
    const float *in[] = {gs_run_pointer(run, node->in[0]), gs_run_pointer(run, node->in[1])};
    size_t size = gs__shape_size(node->in[0]->shape);
    double sums[SUMS];
    reduce(run, in, 0, size, sum_absolute, sums);
    set_loss(run, node, sums[0] / (double)size);
    return GS_OK;
}

GS_VECTORIZED static void sign_span(const float *restrict a, const float *restrict b,
                                    float *restrict out, float scale, size_t count) {
    for (size_t i = 0; i < count; i++) {
        float d = a[i] - b[i];
        out[i] = d > 0 ? scale : d < 0 ? -scale : 0;
    }
}

gs_status gs__cpu_loss_l1_gradient(const gs_run *run, const gs_node *node, void *handle,
                                   gs_error *err) {
    (void)handle, (void)err;
    const float *a = gs_run_pointer(run, node->in[0]), *b = gs_run_pointer(run, node->in[1]);
    size_t size = gs__shape_size(node->in[0]->shape), chunks = chunks_of(size);
    float scale = node->as.loss.coefficient / (float)size;
    for (int k = 0; k < node->out_count; k++) {
        float *out = gs_run_pointer(run, node->out[k]);
        if (!out) continue;
#pragma omp parallel for schedule(static)
        for (size_t c = 0; c < chunks; c++) {
            size_t at = c * CHUNK;
            sign_span(a + at, b + at, out + at, k ? -scale : scale,
                      size - at < CHUNK ? size - at : CHUNK);
        }
    }
    return GS_OK;
}

/* ---- Adversarial ------------------------------------------------------------------------------
 */

static void sum_hinge_real(const float *const *in, size_t at, size_t count, double *sums) {
    for (size_t i = at; i < at + count; i++) sums[0] += fmax(0, 1 - (double)in[0][i]);
}

static void sum_hinge_fake(const float *const *in, size_t at, size_t count, double *sums) {
    for (size_t i = at; i < at + count; i++) sums[0] += fmax(0, 1 + (double)in[0][i]);
}

static void sum_values(const float *const *in, size_t at, size_t count, double *sums) {
    for (size_t i = at; i < at + count; i++) sums[0] += (double)in[0][i];
}

/* Elements of the real samples and of all. */
typedef struct halves {
    size_t real, all;
} halves;

static halves halves_of(const gs_node *node) {
    gs_shape s = node->in[0]->shape;
    size_t all = gs__shape_size(s);
    return (halves){all / (size_t)s.n * (size_t)node->as.loss.real, all};
}

gs_status gs__cpu_loss_hinge(const gs_run *run, const gs_node *node, void *handle, gs_error *err) {
    (void)handle, (void)err;
    const float *in[] = {gs_run_pointer(run, node->in[0])};
    halves h = halves_of(node);
    double real[SUMS], fake[SUMS];
    reduce(run, in, 0, h.real, sum_hinge_real, real);
    reduce(run, in, h.real, h.all - h.real, sum_hinge_fake, fake);
    /* fmax drops a NaN: put it back, so that a broken run is seen. */
    double sums[SUMS];
    reduce(run, in, 0, h.all, sum_values, sums);
    double value = real[0] / (double)h.real + fake[0] / (double)(h.all - h.real);
    set_loss(run, node, isfinite(sums[0]) ? value : (double)NAN);
    return GS_OK;
}

gs_status gs__cpu_loss_hinge_gradient(const gs_run *run, const gs_node *node, void *handle,
                                      gs_error *err) {
    (void)handle, (void)err;
    const float *t = gs_run_pointer(run, node->in[0]);
    float *out = gs_run_pointer(run, node->out[0]), c = node->as.loss.coefficient;
    halves h = halves_of(node);
    for (size_t i = 0; i < h.real; i++) out[i] = t[i] < 1 ? -c / (float)h.real : 0;
    for (size_t i = h.real; i < h.all; i++) out[i] = t[i] > -1 ? c / (float)(h.all - h.real) : 0;
    return GS_OK;
}

gs_status gs__cpu_loss_negative_mean(const gs_run *run, const gs_node *node, void *handle,
                                     gs_error *err) {
    (void)handle, (void)err;
    const float *in[] = {gs_run_pointer(run, node->in[0])};
    size_t size = gs__shape_size(node->in[0]->shape);
    double sums[SUMS];
    reduce(run, in, 0, size, sum_values, sums);
    set_loss(run, node, -sums[0] / (double)size);
    return GS_OK;
}

gs_status gs__cpu_loss_negative_mean_gradient(const gs_run *run, const gs_node *node, void *handle,
                                              gs_error *err) {
    (void)handle, (void)err;
    float *out = gs_run_pointer(run, node->out[0]);
    size_t size = gs__shape_size(node->out[0]->shape);
    for (size_t i = 0; i < size; i++) out[i] = -node->as.loss.coefficient / (float)size;
    return GS_OK;
}

/* ---- Dice: -(2 Σ w s y + 1) / (Σ w s + Σ w y + 1) ----------------------------------------------
 */

GS_VECTORIZED static void sum_overlap(const float *const *in, size_t at, size_t count,
                                      double *sums) {
    const float *s = in[0] + at, *y = in[1] + at, *w = in[2] + at;
    double both = 0, predicted = 0, target = 0;
#pragma omp simd reduction(+ : both, predicted, target)
    for (size_t i = 0; i < count; i++) {
        both += (double)(w[i] * s[i] * y[i]);
        predicted += (double)(w[i] * s[i]);
        target += (double)(w[i] * y[i]);
    }
    sums[0] = both, sums[1] = predicted, sums[2] = target;
}

static void dice_sums(const gs_run *run, const gs_node *node, double *sums) {
    const float *in[] = {gs_run_pointer(run, node->in[0]), gs_run_pointer(run, node->in[1]),
                         gs_run_pointer(run, node->in[2])};
    reduce(run, in, 0, gs__shape_size(node->in[0]->shape), sum_overlap, sums);
}

gs_status gs__cpu_loss_dice(const gs_run *run, const gs_node *node, void *handle, gs_error *err) {
    (void)handle, (void)err;
    double sums[SUMS];
    dice_sums(run, node, sums);
    set_loss(run, node, -(2 * sums[0] + 1) / (sums[1] + sums[2] + 1));
    return GS_OK;
}

/* d/ds = w · (-2 y / D + (2 Σ w s y + 1) / D²), D = Σ w s + Σ w y + 1 */
gs_status gs__cpu_loss_dice_gradient(const gs_run *run, const gs_node *node, void *handle,
                                     gs_error *err) {
    (void)handle, (void)err;
    double sums[SUMS];
    dice_sums(run, node, sums);
    double denominator = sums[1] + sums[2] + 1, c = (double)node->as.loss.coefficient;
    float of_target = (float)(-2 * c / denominator);
    float of_all = (float)(c * (2 * sums[0] + 1) / (denominator * denominator));
    const float *y = gs_run_pointer(run, node->in[1]), *w = gs_run_pointer(run, node->in[2]);
    float *out = gs_run_pointer(run, node->out[0]);
    size_t size = gs__shape_size(node->in[0]->shape);
    for (size_t i = 0; i < size; i++) out[i] = w[i] * (of_target * y[i] + of_all);
    return GS_OK;
}

/* ---- Mean squared difference -------------------------------------------------------------------
 */

static void sum_squares(const float *const *in, size_t at, size_t count, double *sums) {
    for (size_t i = at; i < at + count; i++) {
        double d = (double)in[0][i] - (double)in[1][i];
        sums[0] += d * d;
    }
}

gs_status gs__cpu_loss_squared(const gs_run *run, const gs_node *node, void *handle,
                               gs_error *err) {
    (void)handle, (void)err;
    const float *in[] = {gs_run_pointer(run, node->in[0]), gs_run_pointer(run, node->in[1])};
    size_t size = gs__shape_size(node->in[0]->shape);
    double sums[SUMS];
    reduce(run, in, 0, size, sum_squares, sums);
    set_loss(run, node, sums[0] / (double)size);
    return GS_OK;
}

gs_status gs__cpu_loss_squared_gradient(const gs_run *run, const gs_node *node, void *handle,
                                        gs_error *err) {
    (void)handle, (void)err;
    const float *a = gs_run_pointer(run, node->in[0]), *b = gs_run_pointer(run, node->in[1]);
    float *out = gs_run_pointer(run, node->out[0]);
    size_t size = gs__shape_size(node->in[0]->shape);
    float scale = 2 * node->as.loss.coefficient / (float)size;
    for (size_t i = 0; i < size; i++) out[i] = scale * (a[i] - b[i]);
    return GS_OK;
}
