/* Shared by volume_file.c (reading) and volume_output.c (writing). */
#ifndef GS_ENGINE_DATA_VOLUME_FILE_INTERNAL_H
#define GS_ENGINE_DATA_VOLUME_FILE_INTERNAL_H

#include "engine/data/volume_file.h"
#include "engine/data/volume_grid.h"
#include "engine/image/nifti_stream.h"

struct gs_volume_file {
    nifti_1_header header; /* in this machine's byte order */
    gs_volume grid;
    gs__voxel_order order;
    gs__nifti_reader reader;
    size_t offset, item, size; /* bytes: before the voxels, of one, of the file */
    const uint8_t *bytes;      /* [size], mapped; NULL while the file is taken in */
};

#endif
