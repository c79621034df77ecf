/* Spectral norm: one power iteration, the effective weight, and its gradient.
 * W is the weight as a matrix [rows = O, columns = C·K·K]. */
#include "engine/backend/cpu/cpu_internal.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

typedef struct matrix {
    const float *values;
    int rows, columns;
} matrix;

static matrix matrix_of(const gs_run *run, const gs_tensor *weight) {
    gs_shape s = weight->shape;
    return (matrix){gs_run_pointer(run, weight), s.n, s.c * s.h * s.w};
}

GS_VECTORIZED static void add_scaled(float *restrict to, const float *restrict row, float scale,
                                     int count) {
    for (int i = 0; i < count; i++) to[i] += scale * row[i];
}

GS_VECTORIZED static double dot(const float *restrict a, const float *restrict b, int count) {
    double total = 0;
    for (int start = 0; start < count; start += 4096) {
        int end = start + 4096 < count ? start + 4096 : count;
        float partial = 0; /* short sums keep single precision accurate and vectorised */
#pragma omp simd reduction(+ : partial)
        for (int i = start; i < end; i++) partial += a[i] * b[i];
        total += (double)partial;
    }
    return total;
}

GS_VECTORIZED static void scale(const float *from, float factor, float *to, int count) {
#pragma omp simd
    for (int i = 0; i < count; i++) to[i] = from[i] * factor;
}

/* Returns the length it had, at least 1e-12. */
static double normalize(float *vector, int count) {
    double length = sqrt(dot(vector, vector, count)), least = 1e-12;
    if (!(length < least)) least = length;
    scale(vector, (float)(1.0 / least), vector, count);
    return least;
}

static bool is_worth_threads(matrix w) {
    return (size_t)w.rows * (size_t)w.columns > 16384;
}

/* v = normalise(Wᵀ u); returns |Wᵀ u|, at least 1e-12. */
static double right_vector(matrix w, const float *u, float *v) {
    enum { CHUNK = 2048 };
    int chunks = (w.columns + CHUNK - 1) / CHUNK;
#pragma omp parallel for schedule(static) if (is_worth_threads(w))
    for (int k = 0; k < chunks; k++) {
        int from = k * CHUNK, count = w.columns - from < CHUNK ? w.columns - from : CHUNK;
        memset(v + from, 0, (size_t)count * sizeof *v);
        for (int r = 0; r < w.rows; r++)
            add_scaled(v + from, w.values + (size_t)r * (size_t)w.columns + from, u[r], count);
    }
    return normalize(v, w.columns);
}

/* out[r] = W[r] · v */
static void multiply(matrix w, const float *v, float *out) {
#pragma omp parallel for schedule(static) if (is_worth_threads(w))
    for (int r = 0; r < w.rows; r++)
        out[r] = (float)dot(w.values + (size_t)r * (size_t)w.columns, v, w.columns);
}

gs_status gs__cpu_power_iteration_scratch(void *state, const gs_node *node, void **handle_out,
                                          size_t *scratch_bytes_out, gs_error *err) {
    (void)state, (void)handle_out, (void)err;
    gs_shape s = node->in[0]->shape;
    *scratch_bytes_out = (size_t)(s.c * s.h * s.w) * sizeof(float);
    return GS_OK;
}

gs_status gs__cpu_power_iteration(const gs_run *run, const gs_node *node, void *handle,
                                  gs_error *err) {
    (void)handle, (void)err;
    matrix w = matrix_of(run, node->in[0]);
    float *u = gs_run_pointer(run, node->in[1]), *v = run->scratch;
    right_vector(w, u, v);
    multiply(w, v, u);
    normalize(u, w.rows);
    return GS_OK;
}

/* Ŵ = W/σ with σ = uᵀ W v, which is |Wᵀ u| as v is Wᵀ u normalised: W need not be read once more.
 */
gs_status gs__cpu_effective_weight(const gs_run *run, const gs_node *node, void *handle,
                                   gs_error *err) {
    (void)handle, (void)err;
    matrix w = matrix_of(run, node->in[0]);
    const float *u = gs_run_pointer(run, node->in[1]);
    float *effective = gs_run_pointer(run, node->out[0]), *v = gs_run_pointer(run, node->out[1]);
    float inverse = (float)(1.0 / right_vector(w, u, v));
    v[w.columns] = inverse;
#pragma omp parallel for schedule(static) if (is_worth_threads(w))
    for (int r = 0; r < w.rows; r++) {
        size_t at = (size_t)r * (size_t)w.columns;
        scale(w.values + at, inverse, effective + at, w.columns);
    }
    return GS_OK;
}

/* Scratch: a sum for each row. */
gs_status gs__cpu_effective_weight_gradient_scratch(void *state, const gs_node *node,
                                                    void **handle_out, size_t *scratch_bytes_out,
                                                    gs_error *err) {
    (void)state, (void)handle_out, (void)err;
    *scratch_bytes_out = (size_t)node->in[1]->shape.n * sizeof(double);
    return GS_OK;
}

/* out = gradient·inverse - v·of_v */
GS_VECTORIZED static void combine_row(const float *restrict gradient, float inverse,
                                      const float *restrict v, float of_v, float *restrict out,
                                      int count) {
    for (int i = 0; i < count; i++) out[i] = gradient[i] * inverse - of_v * v[i];
}

/* dW = dŴ/σ - (Σ dŴ ⊙ W)/σ² · u vᵀ */
gs_status gs__cpu_effective_weight_gradient(const gs_run *run, const gs_node *node, void *handle,
                                            gs_error *err) {
    (void)handle, (void)err;
    const float *gradient = gs_run_pointer(run, node->in[0]), *u = gs_run_pointer(run, node->in[2]);
    matrix w = matrix_of(run, node->in[1]);
    const float *v = gs_run_pointer(run, node->in[3]);
    float *out = gs_run_pointer(run, node->out[0]), inverse = v[w.columns];
    double *sums = run->scratch, along = 0;
#pragma omp parallel for schedule(static) if (is_worth_threads(w))
    for (int r = 0; r < w.rows; r++) {
        size_t at = (size_t)r * (size_t)w.columns;
        sums[r] = dot(gradient + at, w.values + at, w.columns);
    }
    for (int r = 0; r < w.rows; r++) along += sums[r];
    float scale_of_v = (float)along * inverse * inverse;
#pragma omp parallel for schedule(static) if (is_worth_threads(w))
    for (int r = 0; r < w.rows; r++) {
        size_t at = (size_t)r * (size_t)w.columns;
        combine_row(gradient + at, inverse, v, scale_of_v * u[r], out + at, w.columns);
    }
    return GS_OK;
}
