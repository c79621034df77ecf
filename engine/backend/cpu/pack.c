/* Packing of weights: for convolutions or for border terms. */
#include "engine/backend/cpu/cpu_internal.h"

gs_status gs__cpu_pack_weight_prepare(void *state, const gs_node *node, void **handle_out,
                                      size_t *scratch_bytes_out, gs_error *err) {
    if (node->as.pack.op == GS_OP_BORDER) return GS_OK;
    return gs__cpu_pack_prepare(state, node, handle_out, scratch_bytes_out, err);
}

gs_status gs__cpu_pack_weight(const gs_run *run, const gs_node *node, void *handle, gs_error *err) {
    if (node->as.pack.op != GS_OP_BORDER) return gs__cpu_pack_run(run, node, handle, err);
    gs__cpu_border_pack(node->as.pack.handle, gs_run_pointer(run, node->in[0]),
                        gs_run_pointer(run, node->out[0]));
    return GS_OK;
}
