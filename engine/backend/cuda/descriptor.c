#include "engine/backend/cuda/descriptor.h"

#include "engine/backend/cuda/status.h"

#include <stdio.h>

gs_status gs__descriptor_new(gs_descriptors *list, cudnnBackendDescriptorType_t type,
                             const char *what, cudnnBackendDescriptor_t *out, gs_error *err) {
    gs_assert(list->count < GS_DESCRIPTORS_MAX);
    TRY_CUDNN(cudnnBackendCreateDescriptor(type, &list->items[list->count]), what);
    *out = list->items[list->count++];
    return GS_OK;
}

void gs__descriptors_free(gs_descriptors *list, int keep) {
    while (list->count > keep) (void)cudnnBackendDestroyDescriptor(list->items[--list->count]);
}

gs_status gs__descriptor_set(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
                             cudnnBackendAttributeType_t type, int64_t count, const void *elements,
                             gs_error *err) {
    char what[48];
    snprintf(what, sizeof what, "setting attribute %d", (int)name);
    TRY_CUDNN(cudnnBackendSetAttribute(descriptor, name, type, count, elements), what);
    return GS_OK;
}

gs_status gs__descriptor_set_child(cudnnBackendDescriptor_t descriptor,
                                   cudnnBackendAttributeName_t name, cudnnBackendDescriptor_t child,
                                   gs_error *err) {
    return gs__descriptor_set(descriptor, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &child, err);
}

gs_status gs__descriptor_set_number(cudnnBackendDescriptor_t descriptor,
                                    cudnnBackendAttributeName_t name, int64_t value,
                                    gs_error *err) {
    return gs__descriptor_set(descriptor, name, CUDNN_TYPE_INT64, 1, &value, err);
}

gs_status gs__descriptor_finish(cudnnBackendDescriptor_t descriptor, const char *what,
                                gs_error *err) {
    TRY_CUDNN(cudnnBackendFinalize(descriptor), what);
    return GS_OK;
}
