/* Data sets as training and evaluation take them: whole, and refused by the folder's name. */
#ifndef GS_ENGINE_TRAIN_TRAINING_DATA_H
#define GS_ENGINE_TRAIN_TRAINING_DATA_H

#include "engine/data/dataset.h"

/* Opens a data set whose pixels and labels are what they should be (gs_dataset_check_pixels,
 * gs_dataset_check_labels). A pixel that is not finite is UNUSABLE here: NUMERIC is what a training
 * makes of good data. Every other status is as those have it; the text names the folder. Caller
 * closes. */
GS_MUST_CHECK gs_status gs_training_data_open(const char *folder, gs_dataset **out, gs_error *err);

/* Returns `status`, and puts the folder before the text where that says what is wrong with its
 * data. err may be NULL. */
gs_status gs_training_data_refuse(const char *folder, gs_status status, gs_error *err);

#endif
