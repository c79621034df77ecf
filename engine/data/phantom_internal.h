/* What the phantoms share: folders that appear whole, cases side by side. */
#ifndef GS_ENGINE_DATA_PHANTOM_INTERNAL_H
#define GS_ENGINE_DATA_PHANTOM_INTERNAL_H

#include "engine/data/phantom.h"

/* A folder being filled under another name beside its own. */
typedef struct gs__tree {
    char *folder, *partial; /* owned */
    int lock;               /* the open partial folder; -1: none */
} gs__tree;

/* CONFLICT when `folder` exists and is not empty, or another run is filling it. What a killed run
 * left is removed. Caller closes, also on failure. */
GS_MUST_CHECK gs_status gs__tree_open(const char *folder, gs__tree *out, gs_error *err);
/* Gives the folder its name. */
GS_MUST_CHECK gs_status gs__tree_finish(gs__tree *tree, gs_error *err);
/* Removes what was not finished. A zeroed tree is allowed. */
void gs__tree_close(gs__tree *tree);

/* Makes case `number` (from 1). Called by many threads at once. */
typedef gs_status gs__make_case(const void *context, int number, gs_error *err);
GS_MUST_CHECK gs_status gs__phantom_run(const gs_phantom_options *options, gs__make_case *make,
                                        const void *context, gs_error *err);

GS_MUST_CHECK gs_status gs__phantom_check(const gs_phantom_options *options, gs_error *err);

/* Magnitude of a complex signal with equal noise in both parts, as MR scanners reconstruct it. */
float gs__rician(float value, float real, float imaginary);

#endif
