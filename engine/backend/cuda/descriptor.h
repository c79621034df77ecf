/* cuDNN's backend descriptors, a little shorter to write. All made for one purpose lie in one list,
 * which frees them in reverse. */
#ifndef GS_ENGINE_BACKEND_CUDA_DESCRIPTOR_H
#define GS_ENGINE_BACKEND_CUDA_DESCRIPTOR_H

#include "base/status.h"

#include <cudnn_graph.h>

#include <stdint.h>

enum { GS_DESCRIPTORS_MAX = 48 };

typedef struct gs_descriptors {
    cudnnBackendDescriptor_t items[GS_DESCRIPTORS_MAX];
    int count;
} gs_descriptors;

/* The list owns what it makes. `what` is for messages. */
GS_MUST_CHECK gs_status gs__descriptor_new(gs_descriptors *list, cudnnBackendDescriptorType_t type,
                                           const char *what, cudnnBackendDescriptor_t *out,
                                           gs_error *err);
void gs__descriptors_free(gs_descriptors *list, int keep); /* all but the first `keep` */

/* One attribute of `count` elements. */
GS_MUST_CHECK gs_status gs__descriptor_set(cudnnBackendDescriptor_t descriptor,
                                           cudnnBackendAttributeName_t name,
                                           cudnnBackendAttributeType_t type, int64_t count,
                                           const void *elements, gs_error *err);
GS_MUST_CHECK gs_status gs__descriptor_set_child(cudnnBackendDescriptor_t descriptor,
                                                 cudnnBackendAttributeName_t name,
                                                 cudnnBackendDescriptor_t child, gs_error *err);
GS_MUST_CHECK gs_status gs__descriptor_set_number(cudnnBackendDescriptor_t descriptor,
                                                  cudnnBackendAttributeName_t name, int64_t value,
                                                  gs_error *err);
GS_MUST_CHECK gs_status gs__descriptor_finish(cudnnBackendDescriptor_t descriptor, const char *what,
                                              gs_error *err);

#endif
