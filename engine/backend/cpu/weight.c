/* Spectral norm: one power iteration, the effective weight, and its gradient.
 * W is the weight as a matrix [rows = O, columns = C·K·K]. */
#include "engine/backend/cpu/cpu_internal.h"

#include <math.h>

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

static void normalize(float *vector, int count) {
    double norm = sqrt(dot(vector, vector, count));
    float scale = (float)(1.0 / (norm > 1e-12 ? norm : 1e-12));
    for (int i = 0; i < count; i++) vector[i] *= scale;
}

/* v = normalise(Wᵀ u) */
static void right_vector(matrix w, const float *u, float *v) {
    enum { CHUNK = 2048 };
    int chunks = (w.columns + CHUNK - 1) / CHUNK;
#pragma omp parallel for schedule(static)
    for (int k = 0; k < chunks; k++) {
        int from = k * CHUNK, count = w.columns - from < CHUNK ? w.columns - from : CHUNK;
        for (int i = 0; i < count; i++) v[from + i] = 0;
        for (int r = 0; r < w.rows; r++)
            add_scaled(v + from, w.values + (size_t)r * (size_t)w.columns + from, u[r], count);
    }
    normalize(v, w.columns);
}

/* out[r] = W[r] · v */
static void multiply(matrix w, const float *v, float *out) {
#pragma omp parallel for schedule(static)
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

gs_status gs__cpu_effective_weight(const gs_run *run, const gs_node *node, void *handle,
                                   gs_error *err) {
    (void)handle, (void)err;
    matrix w = matrix_of(run, node->in[0]);
    const float *u = gs_run_pointer(run, node->in[1]);
    float *effective = gs_run_pointer(run, node->out[0]), *v = gs_run_pointer(run, node->out[1]);
    right_vector(w, u, v);
    multiply(w, v, effective); /* W v, in memory that is overwritten below */
    float inverse = (float)(1.0 / dot(u, effective, w.rows));
    v[w.columns] = inverse;
#pragma omp parallel for schedule(static)
    for (int r = 0; r < w.rows; r++) {
        const float *from = w.values + (size_t)r * (size_t)w.columns;
        float *to = effective + (size_t)r * (size_t)w.columns;
        for (int i = 0; i < w.columns; i++) to[i] = from[i] * inverse;
    }
    return GS_OK;
}

/* dW = dŴ/σ - (Σ dŴ ⊙ W)/σ² · u vᵀ */
gs_status gs__cpu_effective_weight_gradient(const gs_run *run, const gs_node *node, void *handle,
                                            gs_error *err) {
    (void)handle, (void)err;
    const float *gradient = gs_run_pointer(run, node->in[0]), *u = gs_run_pointer(run, node->in[2]);
    matrix w = matrix_of(run, node->in[1]);
    const float *v = gs_run_pointer(run, node->in[3]);
    float *out = gs_run_pointer(run, node->out[0]), inverse = v[w.columns];
    double along = 0;
    for (int r = 0; r < w.rows; r++)
        along += dot(gradient + (size_t)r * (size_t)w.columns,
                     w.values + (size_t)r * (size_t)w.columns, w.columns);
    float scale = (float)along * inverse * inverse;
#pragma omp parallel for schedule(static)
    for (int r = 0; r < w.rows; r++) {
        size_t at = (size_t)r * (size_t)w.columns;
        float weight_of_v = scale * u[r];
        for (int i = 0; i < w.columns; i++)
            out[at + (size_t)i] = gradient[at + (size_t)i] * inverse - weight_of_v * v[i];
    }
    return GS_OK;
}
