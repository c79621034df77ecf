/* Spectral norm: the power method, the effective weight and its gradient.
 * W is the weight as a matrix [rows = O, columns = C·K·K]. */
#include "engine/backend/reference/reference_internal.h"

#include <math.h>

typedef struct matrix {
    const double *values;
    size_t rows, columns;
} matrix;

static matrix matrix_of(const gs_run *run, const gs_tensor *weight) {
    gs_shape s = weight->shape;
    size_t rows = (size_t)s.n;
    return (matrix){gs_run_pointer(run, weight), rows, gs__shape_size(s) / rows};
}

/* torch.nn.functional.normalize with eps = 1e-12. */
static void normalize(double *vector, size_t count) {
    double squares = 0;
    for (size_t i = 0; i < count; i++) squares += vector[i] * vector[i];
    double norm = sqrt(squares);
    for (size_t i = 0; i < count; i++) vector[i] /= norm < 1e-12 ? 1e-12 : norm;
}

/* v = normalise(Wᵀ u) */
static void right_vector(matrix w, const double *u, double *v) {
    for (size_t c = 0; c < w.columns; c++) {
        v[c] = 0;
        for (size_t r = 0; r < w.rows; r++) v[c] += w.values[r * w.columns + c] * u[r];
    }
    normalize(v, w.columns);
}

/* (W v)[r] */
static double row_product(matrix w, size_t r, const double *v) {
    double total = 0;
    for (size_t c = 0; c < w.columns; c++) total += w.values[r * w.columns + c] * v[c];
    return total;
}

gs_status gs__reference_power_iteration(const gs_run *run, const gs_node *node, void *handle,
                                        gs_error *err) {
    (void)handle, (void)err;
    matrix w = matrix_of(run, node->in[0]);
    double *u = gs_run_pointer(run, node->in[1]), *v = run->scratch;
    right_vector(w, u, v);
    for (size_t r = 0; r < w.rows; r++) u[r] = row_product(w, r, v);
    normalize(u, w.rows);
    return GS_OK;
}

gs_status gs__reference_effective_weight(const gs_run *run, const gs_node *node, void *handle,
                                         gs_error *err) {
    (void)handle, (void)err;
    matrix w = matrix_of(run, node->in[0]);
    const double *u = gs_run_pointer(run, node->in[1]);
    double *out = gs_run_pointer(run, node->out[0]), *v = gs_run_pointer(run, node->out[1]);
    right_vector(w, u, v);
    double sigma = 0;
    for (size_t r = 0; r < w.rows; r++) sigma += u[r] * row_product(w, r, v);
    for (size_t i = 0; i < w.rows * w.columns; i++) out[i] = w.values[i] / sigma;
    v[w.columns] = 1 / sigma;
    return GS_OK;
}

/* dW = dŴ/σ - (Σ dŴ ⊙ W)/σ² · u vᵀ */
gs_status gs__reference_effective_weight_gradient(const gs_run *run, const gs_node *node,
                                                  void *handle, gs_error *err) {
    (void)handle, (void)err;
    const double *gradient = gs_run_pointer(run, node->in[0]);
    matrix w = matrix_of(run, node->in[1]);
    const double *u = gs_run_pointer(run, node->in[2]), *v = gs_run_pointer(run, node->in[3]);
    double *out = gs_run_pointer(run, node->out[0]), inverse = v[w.columns], along = 0;
    for (size_t i = 0; i < w.rows * w.columns; i++) along += gradient[i] * w.values[i];
    for (size_t r = 0; r < w.rows; r++)
        for (size_t c = 0; c < w.columns; c++) {
            size_t i = r * w.columns + c;
            out[i] = gradient[i] * inverse - along * inverse * inverse * u[r] * v[c];
        }
    return GS_OK;
}
