#include "engine/backend/backend.h"

#include <string.h>

gs_status gs_backend_find(const char *name, const gs_backend **out, gs_error *err) {
    static const gs_backend *const all[] = {&gs_backend_cpu, &gs_backend_reference};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!name || strcmp(name, all[i]->name) == 0) {
            *out = all[i];
            return GS_OK;
        }
    return gs_fail(err, GS_NOT_FOUND, "no backend \"%.40s\": there are cpu and reference", name);
}

static const char *const precision_names[] = {
    [GS_PRECISION_FP32] = "fp32", [GS_PRECISION_BF16] = "bf16", [GS_PRECISION_AUTO] = "auto"};

const char *gs_precision_name(gs_precision precision) {
    return precision_names[precision];
}

gs_status gs_precision_parse(const char *name, gs_precision *out, gs_error *err) {
    for (int i = GS_PRECISION_FP32; i <= GS_PRECISION_AUTO; i++)
        if (strcmp(name, precision_names[i]) == 0) {
            *out = (gs_precision)i;
            return GS_OK;
        }
    return gs_fail(err, GS_INVALID_ARGUMENT,
                   "no precision \"%.40s\": there are auto, fp32 and bf16", name);
}

gs_precision gs_precision_resolve(const char *backend, gs_precision wanted) {
    const gs_backend *found = NULL;
    gs_error ignored;
    if (gs_backend_find(backend, &found, &ignored) != GS_OK || !found->resolve_precision)
        return GS_PRECISION_FP32;
    return found->resolve_precision(wanted);
}

size_t gs__tensor_bytes(const gs_backend *backend, const gs_tensor *tensor) {
    enum { BFLOAT16_BYTES = 2, BFLOAT16_TAIL = 2 }; /* kernels read pairs: one value more */
    size_t size = gs__shape_size(tensor->shape);
    if (tensor->packed) return tensor->packed;
    return tensor->is_bfloat16 ? (size + BFLOAT16_TAIL) * BFLOAT16_BYTES
                               : size * backend->element_size;
}
