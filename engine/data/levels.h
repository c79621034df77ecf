/* Volumes on one grid as axial planes, one level at a time, whether they lie in memory or in files;
 * and what cutting them into slices has in common. Planes: [side[1], side[0]], rows from the back
 * to the front, columns from the left to the right, as in engine/data/volume.h. */
#ifndef GS_ENGINE_DATA_LEVELS_H
#define GS_ENGINE_DATA_LEVELS_H

#include "engine/data/dataset.h"

#include <stdbool.h>

/* Volumes that are no channel. */
enum { GS__LABELS = -1, GS__ORGAN = -2 };

typedef struct gs__levels {
    int side[3];
    double spacing_mm[3];
    int channels;
    const char *names[GS_MAX_CHANNELS]; /* of the channels, for messages */
    const char *region_name;            /* of what tells the region that is cut out */
    void *context;
    /* The plane of a channel or of one of the above. Borrowed until the next one of the same volume
     * is read. */
    gs_status (*read)(void *context, int volume, int level, const float **plane_out, gs_error *err);
} gs__levels;

static inline size_t gs__level_area(const gs__levels *levels) {
    return (size_t)levels->side[0] * (size_t)levels->side[1];
}

/* What a region's voxels are normalised by. */
typedef struct gs__measures {
    double mean[GS_MAX_CHANNELS], deviation[GS_MAX_CHANNELS];
    int low[2], high[2]; /* the region's bounding box, in voxels, both included */
} gs__measures;

/* A slice's worth: its label is UNKNOWN where the lesion is too small for presence and too large
 * for absence, or when there is no truth. */
typedef struct gs__verdict {
    bool is_kept;
    gs_label label;
} gs__verdict;

/* A pixel value in [-1,1] as a dataset of that normalization stores it. */
static inline float gs__stored_value(gs_normalization normalization, double value) {
    double cut = value < -1 ? -1 : value > 1 ? 1 : value;
    return (float)(normalization == GS_NORMALIZE_UNIT ? (cut + 1) / 2 : cut);
}

#endif
