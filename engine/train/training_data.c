#include "engine/train/training_data.h"

#include <string.h>

gs_status gs_training_data_refuse(const char *folder, gs_status status, gs_error *err) {
    bool is_of_data = status == GS_MALFORMED || status == GS_UNSUPPORTED ||
                      status == GS_SHAPE_MISMATCH || status == GS_UNUSABLE ||
                      status == GS_TOO_LARGE;
    if (!is_of_data || !err || strstr(err->text, folder)) return status;
    gs_error reason = *err;
    return gs_fail(err, status, "%.160s: %.300s", folder, reason.text);
}

gs_status gs_training_data_open(const char *folder, gs_dataset **out, gs_error *err) {
    gs_dataset *dataset = NULL;
    gs_status status = gs_dataset_open(folder, &dataset, err);
    if (status == GS_OK) status = gs_dataset_check_pixels(dataset, err);
    if (status == GS_OK) status = gs_dataset_check_labels(dataset, err);
    if (status == GS_OK) {
        *out = dataset;
        return GS_OK;
    }
    gs_dataset_close(dataset);
    if (status == GS_NUMERIC) {
        status = GS_UNUSABLE;
        if (err) err->status = status;
    }
    return gs_training_data_refuse(folder, status, err);
}
