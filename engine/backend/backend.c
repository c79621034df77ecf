#include "engine/backend/backend.h"

#include "engine/backend/plugin.h"

#include <stdio.h>
#include <string.h>

gs_status gs_backend_find(const char *name, const gs_backend **out, gs_error *err) {
    static const gs_backend *const all[] = {&gs_backend_cpu, &gs_backend_reference};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!name || strcmp(name, all[i]->name) == 0) {
            *out = all[i];
            return GS_OK;
        }
    if (strcmp(name, "cuda") == 0) return gs_plugin_find(out, err);
    return gs_fail(err, GS_NOT_FOUND,
                   "no backend \"%.40s\": there are auto, cpu, cuda and reference", name);
}

/* ---- Choosing -------------------------------------------------------------------------------- */

static gs_status choose_named(const gs_engine_wish *wish, gs_engine_choice *out, gs_error *err) {
    const gs_backend *backend;
    gs_engine_choice choice = {.precision = GS_PRECISION_FP32, .device_name = "processor"};
    GS_TRY(gs_backend_find(wish->backend, &backend, err));
    choice.backend = backend->name;
    if (backend->probe) GS_TRY(backend->probe(wish, &choice, err));
    *out = choice;
    return GS_OK;
}

static gs_status choose_best(const gs_engine_wish *wish, gs_engine_choice *out, gs_error *err) {
    gs_engine_wish one = *wish;
    gs_error why_not;
    one.backend = "cuda";
    gs_status status = choose_named(&one, out, &why_not);
    if (status == GS_OK) return GS_OK;
    /* A device that fails, or is not there, is not the same as none. */
    if (status != GS_UNSUPPORTED) return gs_fail(err, status, "%s", why_not.text);
    one.backend = "cpu";
    gs_engine_choice choice;
    GS_TRY(choose_named(&one, &choice, err));
    char remark[sizeof choice.remark];
    snprintf(remark, sizeof remark, "not cuda: %.250s%s%.120s", why_not.text,
             choice.remark[0] ? "; " : "", choice.remark);
    memcpy(choice.remark, remark, sizeof remark);
    *out = choice;
    return GS_OK;
}

gs_status gs_engine_choose(const gs_engine_wish *wish, gs_engine_choice *out, gs_error *err) {
    bool is_free = wish->backend && strcmp(wish->backend, "auto") == 0;
    return is_free ? choose_best(wish, out, err) : choose_named(wish, out, err);
}

/* ---- Precisions ------------------------------------------------------------------------------ */

static const char *const precision_names[] = {[GS_PRECISION_FP32] = "fp32",
                                              [GS_PRECISION_TF32] = "tf32",
                                              [GS_PRECISION_BF16] = "bf16",
                                              [GS_PRECISION_AUTO] = "auto"};

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
                   "no precision \"%.40s\": there are auto, fp32, tf32 and bf16", name);
}

/* ---- Sizes ----------------------------------------------------------------------------------- */

size_t gs__tensor_bytes(const gs_backend *backend, const gs_tensor *tensor) {
    enum { BFLOAT16_BYTES = 2, BFLOAT16_TAIL = 2 }; /* kernels read pairs: one value more */
    size_t size = gs__shape_size(tensor->shape);
    if (tensor->packed) return tensor->packed;
    return tensor->is_bfloat16 ? (size + BFLOAT16_TAIL) * BFLOAT16_BYTES
                               : size * backend->element_size;
}
