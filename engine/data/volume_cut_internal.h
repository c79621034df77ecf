/* Shared by volume_cut.c (measuring, cutting) and volume_restore.c (the way back). */
#ifndef GS_ENGINE_DATA_VOLUME_CUT_INTERNAL_H
#define GS_ENGINE_DATA_VOLUME_CUT_INTERNAL_H

#include "engine/data/brain_cut.h"
#include "engine/data/liver_cut.h"
#include "engine/data/volume_cut.h"

enum {
    GS__PLANE_LABELS = GS_MAX_CHANNELS, /* places of volumes in planes[] */
    GS__PLANE_ORGAN,
    GS__PLANES
};

struct gs_volume_cutter {
    gs_volume_preset preset;
    gs_volume_files files;
    gs_volume_form form;
    gs__levels levels;
    float *planes[GS__PLANES];   /* [side[1], side[0]]: of each volume the plane read last; owned */
    int plane_level[GS__PLANES]; /* whose plane that is; -1: none */
    char names[GS_MAX_CHANNELS][24];
    gs__brain_plane brain;
    gs__liver_plane liver;
    float *marked;                               /* brain: gs__brain_mark of marked_level */
    int marked_level, filled_level, found_level; /* what `brain` and `liver` hold; -1: nothing */
    double low[GS_MAX_CHANNELS], high[GS_MAX_CHANNELS]; /* plain: range of each channel */
    float *sum, *weight, *frame, *shown; /* scratch of restoring: two planes, [frame,frame] twice */
    int reads;
};

/* The plane of a channel, GS__LABELS or GS__ORGAN. */
GS_MUST_CHECK gs_status gs__cutter_plane(gs_volume_cutter *cutter, int volume, int level,
                                         const float **out, gs_error *err);
/* Makes cutter->brain hold the level. */
GS_MUST_CHECK gs_status gs__cutter_fill_brain(gs_volume_cutter *cutter, int level, gs_error *err);
/* Makes cutter->liver hold the level's square. region_out, labels_out (NULL: none) may be NULL. */
GS_MUST_CHECK gs_status gs__cutter_find_liver(gs_volume_cutter *cutter, int level,
                                              const float **region_out, const float **labels_out,
                                              gs_error *err);

#endif
