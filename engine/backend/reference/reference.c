/* The reference backend: every operation as its definition reads, in double precision, on one
 * thread. It is what the other backends are compared with and what finite differences are taken
 * through, so nothing here is fast, and no helper is shared with another backend. */
#include "engine/backend/reference/reference_internal.h"

/* Memory for the two kernels that cannot do without; all other operations need none. */
static gs_status reserve_scratch(void *state, const gs_node *node, void **handle_out,
                                 size_t *scratch_bytes_out, gs_error *err) {
    (void)state, (void)handle_out, (void)err;
    gs_shape s;
    if (node->op == GS_OP_POWER_ITERATION) { /* v */
        s = node->in[0]->shape;
        s.n = 1;
        *scratch_bytes_out = gs__shape_size(s) * sizeof(double);
    } else if (node->op == GS_OP_PREPARE_GRADIENT) { /* the gradient of the norm's output */
        *scratch_bytes_out = gs__shape_size(node->in[1]->shape) * sizeof(double);
    }
    return GS_OK;
}

const gs_backend gs_backend_reference = {
    .name = "reference",
    .element_size = sizeof(double),
    .kernels =
        {
#define X(name, lower) [GS_OP_##name] = {reserve_scratch, gs__reference_##lower, NULL, NULL, NULL},
            GS_OP_MAP(X)
#undef X
        },
};
