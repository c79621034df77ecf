/* A contact sheet of a dataset, for a look by eye. */
#ifndef GS_ENGINE_DATA_PREVIEW_H
#define GS_ENGINE_DATA_PREVIEW_H

#include "engine/data/dataset.h"

/* Writes an 8-bit gray PNG to `path`: 24 annotated presence slices, each with its mask's outline
 * below it, and 24 absence slices, spread over the dataset (fewer when there are fewer). Slices of
 * several channels are 12 of each kind, the channels one below the other, as many as the sheet has
 * room for. Black is the darkest and white the brightest pixel of the sheet. UNUSABLE when the
 * dataset has neither kind. */
GS_MUST_CHECK gs_status gs_dataset_preview(const gs_dataset *dataset, const char *path,
                                           gs_error *err);

#endif
