/* Which backend computes, on which device, and in which precision: what was asked for against what
 * there is. */
#ifndef GS_ENGINE_BACKEND_CHOICE_H
#define GS_ENGINE_BACKEND_CHOICE_H

#include "engine/backend/precision.h"

typedef struct gs_engine_wish {
    const char *backend; /* "cpu", "cuda", "reference", "auto" (cuda where it can be used, else
                            cpu); NULL = "cpu" */
    int device;          /* number of it, among those that are visible; for cuda */
    gs_precision precision;
} gs_engine_wish;

typedef struct gs_engine_choice {
    const char *backend; /* "cpu", "cuda" or "reference"; static storage */
    int device;
    gs_precision precision; /* not AUTO */
    char device_name[96];   /* "NVIDIA H100 80GB HBM3 (compute capability 9.0)" or "processor" */
    char remark[400];       /* why not another backend or precision; "" where there is no reason to
                               say anything */
} gs_engine_choice;

/* NOT_FOUND names the backends that there are; UNSUPPORTED says why cuda cannot be used where it
 * alone is wished for, INVALID_ARGUMENT that there is no device of that number, BACKEND that it
 * fails or does not tell what it can do. Threads: any. */
GS_MUST_CHECK gs_status gs_engine_choose(const gs_engine_wish *wish, gs_engine_choice *out,
                                         gs_error *err);

#endif
