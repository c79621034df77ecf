/* Batches made ready ahead of training, on threads of their own.
 *
 * A batch is a function of seed and step alone, whoever makes it and when, so training that goes on
 * from a checkpoint gets the batches it would have got. At most `threads` + 1 batches are held.
 *
 * Threads: the loader's functions are for one thread. Its own threads read the data set and the
 * sampler until gs_loader_free. */
#ifndef GS_ENGINE_TRAIN_LOADER_H
#define GS_ENGINE_TRAIN_LOADER_H

#include "engine/train/sampler.h"

enum { GS_MAX_BATCH_SIZE = 256, GS_MAX_LOADER_THREADS = 16 };

typedef struct gs_loader_options {
    const gs_dataset *dataset; /* borrowed */
    gs_sampler *sampler;       /* borrowed; used by the loader alone */
    int pairs;                 /* N, at most GS_MAX_BATCH_SIZE */
    bool uses_absence;
    bool augment;
    size_t codes; /* floats of the random codes of a batch; 0 = none */
    uint64_t seed;
    int threads; /* 1 … GS_MAX_LOADER_THREADS */
} gs_loader_options;

typedef struct gs_batch {
    int annotated;           /* the first so many presence images have masks */
    float *images;           /* [2N,C,H,W] presence, then absence; [N,C,H,W] without; normalised */
    float *target;           /* [N,H,W] in {0,1}; 0 beyond the annotated images */
    float *annotated_pixels; /* [N,H,W] 1 where a pixel is annotated */
    float *codes;            /* ũ ~ N(0, I); NULL where there are none */
} gs_batch;

typedef struct gs_loader gs_loader;

/* Starts the threads. Caller frees. */
GS_MUST_CHECK gs_status gs_loader_new(const gs_loader_options *options, gs_loader **out,
                                      gs_error *err);
void gs_loader_free(gs_loader *loader); /* NULL is allowed */

/* Waits for the batch of a step. Borrowed until the next call. Steps are best asked for in order;
 * any other step is made from scratch. Fails as gs_dataset_read_normalized does. */
GS_MUST_CHECK gs_status gs_loader_take(gs_loader *loader, uint64_t step, const gs_batch **out,
                                       gs_error *err);

/* Seconds that gs_loader_take has waited for batches, the first included. */
double gs_loader_waited(const gs_loader *loader);

#endif
