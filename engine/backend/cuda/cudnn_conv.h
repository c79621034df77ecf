/* A convolution without padding, or one of its gradients, by cuDNN's graph API: the operation
 * described, an engine chosen by cuDNN's heuristics, and run.
 *
 * x [N,C,H,W] and y [N,O,OH,OW] channels-last, the weight [O,C,K,K] as [O,K,K,C]. */
#ifndef GS_ENGINE_BACKEND_CUDA_CUDNN_CONV_H
#define GS_ENGINE_BACKEND_CUDA_CUDNN_CONV_H

#include "base/status.h"

#include <cudnn_graph.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum gs_cudnn_direction {
    GS_CUDNN_FORWARD,         /* y of x and weight */
    GS_CUDNN_GRADIENT_DATA,   /* x of weight and y */
    GS_CUDNN_GRADIENT_WEIGHT, /* weight of x and y */
} gs_cudnn_direction;

typedef struct gs_cudnn_map {
    cudnnDataType_t type;
    int64_t alignment; /* bytes that its address is a multiple of */
} gs_cudnn_map;

/* Everything that tells two convolutions apart; without padding bytes, so that memcmp compares. */
typedef struct gs_cudnn_key {
    int64_t direction; /* gs_cudnn_direction */
    int64_t n, c, h, w, o, k, oh, ow, stride;
    int64_t type[3], alignment[3]; /* of x, weight, y: cudnnDataType_t, bytes */
    int64_t tensor_cores;          /* may float be rounded to TF32? */
    int64_t nondeterministic;      /* may two runs differ in their last bits? */
} gs_cudnn_key;

/* What plans are made for: a device's handle, or (tests, without a device) its properties. */
typedef struct gs_cudnn_target {
    cudnnHandle_t handle;
    cudnnBackendDescriptor_t properties; /* CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR */
} gs_cudnn_target;

typedef struct gs_cudnn_conv gs_cudnn_conv;

/* BACKEND names the shape where cuDNN has no engine for it. Caller frees. */
GS_MUST_CHECK gs_status gs__cudnn_conv_new(gs_cudnn_target target, const gs_cudnn_key *key,
                                           gs_cudnn_conv **out, gs_error *err);
void gs__cudnn_conv_free(gs_cudnn_conv *conv); /* NULL is allowed */

size_t gs__cudnn_conv_workspace(const gs_cudnn_conv *conv); /* bytes */

/* Enqueues it on the handle's stream; addresses are the device's. */
GS_MUST_CHECK gs_status gs__cudnn_conv_run(const gs_cudnn_conv *conv, cudnnHandle_t handle,
                                           const void *x, const void *weight, const void *y,
                                           void *workspace, gs_error *err);

#endif
