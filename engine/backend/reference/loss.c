/* Losses and their gradients; a gradient node's coefficient is d objective / d loss. */
#include "engine/backend/reference/reference_internal.h"

#include <math.h>

static size_t input_size(const gs_node *node) {
    return gs__shape_size(node->in[0]->shape);
}

static void set_loss(const gs_run *run, const gs_node *node, double value) {
    *(double *)gs_run_pointer(run, node->out[0]) = value;
}

static double coefficient_of(const gs_node *node) {
    return (double)node->as.loss.coefficient;
}

gs_status gs__reference_loss_l1(const gs_run *run, const gs_node *node, void *handle,
                                gs_error *err) {
    (void)handle, (void)err;
    const double *a = gs_run_pointer(run, node->in[0]), *b = gs_run_pointer(run, node->in[1]);
    double total = 0;
    for (size_t i = 0; i < input_size(node); i++) total += fabs(a[i] - b[i]);
    set_loss(run, node, total / (double)input_size(node));
    return GS_OK;
}

/* Either output may be NULL. The gradient of |0| is 0. */
gs_status gs__reference_loss_l1_gradient(const gs_run *run, const gs_node *node, void *handle,
                                         gs_error *err) {
    (void)handle, (void)err;
    const double *a = gs_run_pointer(run, node->in[0]), *b = gs_run_pointer(run, node->in[1]);
    double *da = gs_run_pointer(run, node->out[0]), *db = gs_run_pointer(run, node->out[1]);
    for (size_t i = 0; i < input_size(node); i++) {
        double d = a[i] - b[i], sign = d > 0 ? 1 : d < 0 ? -1 : 0;
        if (da) da[i] = coefficient_of(node) * sign / (double)input_size(node);
        if (db) db[i] = -coefficient_of(node) * sign / (double)input_size(node);
    }
    return GS_OK;
}

/* Whether element i is of a real sample, and how many elements its half has: each half is averaged
 * by itself. */
typedef struct half {
    bool is_real;
    double count;
} half;

static half half_of(const gs_node *node, size_t i) {
    size_t size = input_size(node), of_sample = size / (size_t)node->in[0]->shape.n;
    size_t real = of_sample * (size_t)node->as.loss.real;
    return i < real ? (half){true, (double)real} : (half){false, (double)(size - real)};
}

gs_status gs__reference_loss_hinge(const gs_run *run, const gs_node *node, void *handle,
                                   gs_error *err) {
    (void)handle, (void)err;
    const double *t = gs_run_pointer(run, node->in[0]);
    double total = 0;
    for (size_t i = 0; i < input_size(node); i++) {
        half h = half_of(node, i);
        double margin = h.is_real ? 1 - t[i] : 1 + t[i];
        total += (margin < 0 ? 0 : margin) / h.count; /* in this order NaN stays NaN */
    }
    set_loss(run, node, total);
    return GS_OK;
}

gs_status gs__reference_loss_hinge_gradient(const gs_run *run, const gs_node *node, void *handle,
                                            gs_error *err) {
    (void)handle, (void)err;
    const double *t = gs_run_pointer(run, node->in[0]);
    double *out = gs_run_pointer(run, node->out[0]);
    for (size_t i = 0; i < input_size(node); i++) {
        half h = half_of(node, i);
        double margin = h.is_real ? 1 - t[i] : 1 + t[i], sign = h.is_real ? -1 : 1;
        out[i] = margin > 0 ? coefficient_of(node) * sign / h.count : 0;
    }
    return GS_OK;
}

gs_status gs__reference_loss_negative_mean(const gs_run *run, const gs_node *node, void *handle,
                                           gs_error *err) {
    (void)handle, (void)err;
    const double *t = gs_run_pointer(run, node->in[0]);
    double total = 0;
    for (size_t i = 0; i < input_size(node); i++) total += t[i];
    set_loss(run, node, -total / (double)input_size(node));
    return GS_OK;
}

gs_status gs__reference_loss_negative_mean_gradient(const gs_run *run, const gs_node *node,
                                                    void *handle, gs_error *err) {
    (void)handle, (void)err;
    double *out = gs_run_pointer(run, node->out[0]);
    for (size_t i = 0; i < input_size(node); i++)
        out[i] = -coefficient_of(node) / (double)input_size(node);
    return GS_OK;
}

/* loss = -top / bottom, top = 2 Σ w s y + 1, bottom = Σ w s + Σ w y + 1 */
typedef struct dice {
    double top, bottom;
} dice;

static dice dice_of(const gs_run *run, const gs_node *node) {
    const double *s = gs_run_pointer(run, node->in[0]), *y = gs_run_pointer(run, node->in[1]);
    const double *w = gs_run_pointer(run, node->in[2]);
    dice d = {1, 1};
    for (size_t i = 0; i < input_size(node); i++) {
        d.top += 2 * w[i] * s[i] * y[i];
        d.bottom += w[i] * s[i] + w[i] * y[i];
    }
    return d;
}

gs_status gs__reference_loss_dice(const gs_run *run, const gs_node *node, void *handle,
                                  gs_error *err) {
    (void)handle, (void)err;
    dice d = dice_of(run, node);
    set_loss(run, node, -d.top / d.bottom);
    return GS_OK;
}

/* d/ds = -(2 w y · bottom - top · w) / bottom² */
gs_status gs__reference_loss_dice_gradient(const gs_run *run, const gs_node *node, void *handle,
                                           gs_error *err) {
    (void)handle, (void)err;
    const double *y = gs_run_pointer(run, node->in[1]), *w = gs_run_pointer(run, node->in[2]);
    double *out = gs_run_pointer(run, node->out[0]);
    dice d = dice_of(run, node);
    for (size_t i = 0; i < input_size(node); i++)
        out[i] = -coefficient_of(node) * (2 * w[i] * y[i] * d.bottom - d.top * w[i]) /
                 (d.bottom * d.bottom);
    return GS_OK;
}

gs_status gs__reference_loss_squared(const gs_run *run, const gs_node *node, void *handle,
                                     gs_error *err) {
    (void)handle, (void)err;
    const double *a = gs_run_pointer(run, node->in[0]), *b = gs_run_pointer(run, node->in[1]);
    double total = 0;
    for (size_t i = 0; i < input_size(node); i++) total += (a[i] - b[i]) * (a[i] - b[i]);
    set_loss(run, node, total / (double)input_size(node));
    return GS_OK;
}

gs_status gs__reference_loss_squared_gradient(const gs_run *run, const gs_node *node, void *handle,
                                              gs_error *err) {
    (void)handle, (void)err;
    const double *a = gs_run_pointer(run, node->in[0]), *b = gs_run_pointer(run, node->in[1]);
    double *out = gs_run_pointer(run, node->out[0]);
    for (size_t i = 0; i < input_size(node); i++)
        out[i] = 2 * coefficient_of(node) * (a[i] - b[i]) / (double)input_size(node);
    return GS_OK;
}
