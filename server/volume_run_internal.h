/* Shared by volume_run.c (which slices run) and volume_write.c (what becomes of the results). */
#ifndef GS_SERVER_VOLUME_RUN_INTERNAL_H
#define GS_SERVER_VOLUME_RUN_INTERNAL_H

#include "api/handler.h"
#include "engine/data/volume_cut.h"
#include "server/volume_run.h"

enum { GS__OUTPUTS_MAX = 2 * GS_MAX_CHANNELS };

/* What is written of a job's results. */
typedef struct gs__volume_writer {
    gs_volume_cutter *cutter; /* borrowed, as what follows */
    const gs_volume_file *like;
    const char *folder, *model_id;
    gs_operation operation;
    int channels;
    double threshold;
    bool has_truth;
    /* its own: */
    gs_volume_output *outputs[GS__OUTPUTS_MAX];
    size_t count;
    float *plane, *truth;       /* of the volume */
    size_t found, wanted, both; /* voxels: of the mask, of the truth, of both */
} gs__volume_writer;

/* Opens the outputs in the folder. The fields above "its own" are set. Deinit in every case. */
GS_MUST_CHECK gs_status gs__volume_writer_open(gs__volume_writer *writer, gs_error *err);
void gs__volume_writer_deinit(gs__volume_writer *writer);

/* One level. maps[part]: the first two maps of a gs_inference_result, [C,H,W] each ([H,W] of a
 * segmentation, which has one); NULL: the slice was empty. pixels: H*W. */
GS_MUST_CHECK gs_status gs__volume_writer_put(gs__volume_writer *writer, int level,
                                              const float *const maps[GS_VOLUME_SLICE_PARTS][2],
                                              size_t pixels, gs_error *err);

/* Compresses; *json_out describes the files (caller frees with gs_free), *dice_out is NaN without
 * truth. */
GS_MUST_CHECK gs_status gs__volume_writer_finish(gs__volume_writer *writer, char **json_out,
                                                 double *dice_out, gs_error *err);

#endif
