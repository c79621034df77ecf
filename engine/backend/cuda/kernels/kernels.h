/* What the cuda backend computes by itself: everything but convolutions. One function per
 * operation, which puts its kernels into a stream and returns; a .cu file per family.
 *
 * Legend: N batch, C channels, H height, W width, K kernel, O output channels, S channels beside.
 * Shapes are logical [N,C,H,W]. Maps are channels-last and dense, of the type that stands beside
 * their pointer; weights are [O,C,K,K] as PyTorch stores them, and they, vectors, statistics,
 * losses and the optimiser's numbers are always float. Sums are taken in fixed orders that depend
 * on the shapes alone: same input, same bits.
 *
 * Memory: all pointers are the device's, aligned to their element (scratch: to 16 bytes), borrowed
 * until the stream has done the work. Structures are read before a function returns. Nothing is
 * allocated, waited for or copied from the host, so all of it can be captured in a CUDA graph;
 * numbers that stand in a structure are then captured with it. Scratch of so many bytes as the
 * function beside an operation says may be shared by all operations of a stream; its contents need
 * not be kept. Outputs may not overlap inputs unless it says so.
 *
 * Errors: a cudaError_t, 0 for success; what a kernel does wrong while it runs is reported by a
 * later call, as CUDA does. Sizes are the caller's promise: nothing here can check a pointer.
 * Threads: any; one at a time for each stream. Needs no header of CUDA. */
#ifndef GS_ENGINE_BACKEND_CUDA_KERNELS_KERNELS_H
#define GS_ENGINE_BACKEND_CUDA_KERNELS_KERNELS_H

#include "engine/backend/cuda/kernels/convolution_kernels.h"
#include "engine/backend/cuda/kernels/map_kernels.h"
#include "engine/backend/cuda/kernels/training_kernels.h"

#endif
