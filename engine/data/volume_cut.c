/* Owns measuring and cutting of volumes in files. Must not know what a model makes of slices. */
#include "engine/data/volume_cut_internal.h"

#include "base/memory.h"
#include "engine/image/mask.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MIN_WIDTH = 6, MAX_LABEL = 255, READS_AT_REST = 64 };

static const char *const preset_names[GS_VOLUME_PRESETS] = {"brain", "liver", "plain"};

const char *gs_volume_preset_name(gs_volume_preset preset) {
    return preset_names[preset];
}

bool gs_volume_preset_find(const char *name, gs_volume_preset *out) {
    for (int i = 0; i < GS_VOLUME_PRESETS; i++) {
        if (strcmp(name, preset_names[i]) != 0) continue;
        *out = (gs_volume_preset)i;
        return true;
    }
    return false;
}

bool gs_volume_preset_normalizes(gs_volume_preset preset) {
    return preset != GS_VOLUME_PLAIN;
}

void gs_volume_form_size(gs_volume_preset preset, const gs_volume_files *files, int scale,
                         gs_volume_form *form) {
    const int *side = gs_volume_file_grid(files->channels[0])->side;
    switch (preset) {
    case GS_VOLUME_BRAIN:
        form->height = GS__BRAIN_FRAME_MM / scale;
        form->width = GS__BRAIN_FRAME_MM / 2 / scale;
        return;
    case GS_VOLUME_LIVER:
        form->height = form->width = GS__LIVER_SIDE / scale;
        return;
    case GS_VOLUME_PLAIN:
    case GS_VOLUME_PRESETS:
        form->height = side[1];
        form->width = side[0];
    }
}

/* ---- planes ---- */

static int place_of(int volume) {
    return volume == GS__LABELS ? GS__PLANE_LABELS : volume == GS__ORGAN ? GS__PLANE_ORGAN : volume;
}

static const gs_volume_file *file_of(const gs_volume_cutter *c, int volume) {
    if (volume == GS__LABELS) return c->files.labels;
    return volume == GS__ORGAN ? c->files.organ : c->files.channels[volume];
}

static void rest(const gs_volume_cutter *c) {
    for (int k = 0; k < c->files.channel_count; k++) gs_volume_file_rest(c->files.channels[k]);
    if (c->files.labels) gs_volume_file_rest(c->files.labels);
    if (c->files.organ) gs_volume_file_rest(c->files.organ);
}

static const char *name_of(const gs_volume_cutter *c, int volume) {
    if (volume == GS__LABELS) return "the label volume";
    return volume == GS__ORGAN ? "the organ volume" : c->names[volume];
}

gs_status gs__cutter_plane(gs_volume_cutter *c, int volume, int level, const float **out,
                           gs_error *err) {
    int place = place_of(volume);
    *out = c->planes[place];
    if (c->plane_level[place] == level) return GS_OK;
    c->plane_level[place] = -1;
    gs_error why;
    gs_status status = gs_volume_file_read(file_of(c, volume), level, c->planes[place], &why);
    if (status != GS_OK) return gs_fail(err, status, "%s: %s", name_of(c, volume), why.text);
    c->plane_level[place] = level;
    if (++c->reads % READS_AT_REST == 0) rest(c);
    return GS_OK;
}

static gs_status read_level(void *context, int volume, int level, const float **out,
                            gs_error *err) {
    return gs__cutter_plane(context, volume, level, out, err);
}

/* ---- opening ---- */

static gs_status check_grids(const gs_volume_cutter *c, gs_error *err) {
    const gs_volume *first = gs_volume_file_grid(c->files.channels[0]);
    for (int volume = GS__ORGAN; volume < c->files.channel_count; volume++) {
        const gs_volume_file *file = file_of(c, volume);
        if (!file) continue;
        GS_TRY(gs_volume_check_grid(first, name_of(c, 0), gs_volume_file_grid(file),
                                    name_of(c, volume), err));
    }
    return GS_OK;
}

/* The brain's pixel in millimetres, for slices of the form's size; 0: there is none. */
static int brain_pixel(const gs_volume_form *form) {
    for (int scale = 1; scale <= GS_VOLUME_MAX_SCALE; scale++)
        if (form->height == GS__BRAIN_FRAME_MM / scale &&
            form->width == GS__BRAIN_FRAME_MM / 2 / scale)
            return scale;
    return 0;
}

bool gs_volume_preset_gives(gs_volume_preset preset, const int side[3],
                            const gs_volume_form *form) {
    switch (preset) {
    case GS_VOLUME_BRAIN:
        return brain_pixel(form) > 0;
    case GS_VOLUME_LIVER:
        return form->height == form->width;
    case GS_VOLUME_PLAIN:
    case GS_VOLUME_PRESETS:
        break;
    }
    return form->height == side[1] && form->width == side[0];
}

static gs_status check_form(const gs_volume_cutter *c, gs_error *err) {
    const int *side = c->levels.side;
    const gs_volume_form *form = &c->form;
    static const char *const gives[] = {
        "half-slices of height 240 and width 120, or both divided by 2 to 8", "square slices",
        "slices of the volume's own size"};
    if (!gs_volume_preset_gives(c->preset, side, form))
        return gs_fail(err, GS_SHAPE_MISMATCH,
                       "the preset %s gives %s, not height %d and width %d; the volume has %d x %d "
                       "x %d voxels",
                       gs_volume_preset_name(c->preset), gives[c->preset], form->height,
                       form->width, side[0], side[1], side[2]);
    if (gs_volume_preset_normalizes(c->preset) && form->normalization == GS_NORMALIZE_FOREGROUND)
        return gs_fail(err, GS_UNUSABLE,
                       "the preset %s normalises the volume as a whole: the normalization must be "
                       "none or unit, not foreground",
                       gs_volume_preset_name(c->preset));
    return GS_OK;
}

/* Whole numbers from 0; of a liver those of its layout. */
static gs_status check_labels(gs_volume_cutter *c, gs_error *err) {
    bool is_liver = c->preset == GS_VOLUME_LIVER;
    for (int level = 0; c->files.labels && level < c->levels.side[2]; level++) {
        const float *labels;
        GS_TRY(gs__cutter_plane(c, GS__LABELS, level, &labels, err));
        for (size_t i = 0; i < gs__level_area(&c->levels); i++) {
            float label = labels[i];
            if (label >= 0 && label <= (is_liver ? GS__LIVER_LESION : MAX_LABEL) &&
                label == floorf(label))
                continue;
            return gs_fail(err, GS_UNUSABLE, "the label volume has %g at level %d; allowed are %s",
                           (double)label, level,
                           is_liver ? "0, 1 (liver) and 2 (lesion)" : "whole numbers, 0 to 255");
        }
    }
    return GS_OK;
}

/* Where slices lie, values or not. */
typedef enum purpose { TO_CUT, TO_PLACE } purpose;

static gs_status measure_plain(gs_volume_cutter *c, gs_error *err) {
    for (int k = 0; k < c->levels.channels; k++) {
        c->low[k] = HUGE_VAL;
        c->high[k] = -HUGE_VAL;
        for (int level = 0; level < c->levels.side[2]; level++) {
            const float *plane;
            GS_TRY(gs__cutter_plane(c, k, level, &plane, err));
            for (size_t i = 0; i < gs__level_area(&c->levels); i++) {
                c->low[k] = fmin(c->low[k], (double)plane[i]);
                c->high[k] = fmax(c->high[k], (double)plane[i]);
            }
        }
        if (!(c->high[k] > c->low[k]))
            return gs_fail(err, GS_UNUSABLE, "%s has one value, %g", c->names[k], c->low[k]);
    }
    return GS_OK;
}

static gs_status measure_liver(gs_volume_cutter *c, purpose wanted, gs_error *err) {
    gs__measures measures = {0};
    if (!c->files.labels && !c->files.organ)
        return gs_fail(
            err, GS_UNUSABLE,
            "the preset liver needs to know where the liver is: a part `label` (1 liver, "
            "2 lesion) or `organ` (not 0 in the liver)");
    int region = c->files.organ ? GS__ORGAN : GS__LABELS;
    c->levels.region_name = name_of(c, region);
    if (wanted == TO_CUT) GS_TRY(gs__liver_measure(&c->levels, region, &measures, err));
    return gs__liver_plane_init(&c->liver, &c->levels, &measures, c->form.height, err);
}

static gs_status measure_brain(gs_volume_cutter *c, gs_error *err) {
    gs__measures measures;
    GS_TRY(gs__brain_measure(&c->levels, &measures, err));
    return gs__brain_plane_init(&c->brain, &c->levels, &measures, brain_pixel(&c->form), err);
}

static gs_status measure(gs_volume_cutter *c, purpose wanted, gs_error *err) {
    if (wanted == TO_CUT) GS_TRY(check_labels(c, err));
    switch (c->preset) {
    case GS_VOLUME_BRAIN:
        return measure_brain(c, err);
    case GS_VOLUME_LIVER:
        return measure_liver(c, wanted, err);
    case GS_VOLUME_PLAIN:
    case GS_VOLUME_PRESETS:
        break;
    }
    return wanted == TO_CUT ? measure_plain(c, err) : GS_OK;
}

static void describe_levels(gs_volume_cutter *c) {
    const gs_volume *grid = gs_volume_file_grid(c->files.channels[0]);
    c->levels = (gs__levels){
        .channels = c->files.channel_count, .context = c, .read = read_level, .region_name = ""};
    for (int k = 0; k < 3; k++) {
        c->levels.side[k] = grid->side[k];
        c->levels.spacing_mm[k] = grid->spacing_mm[k];
    }
    for (int k = 0; k < c->files.channel_count; k++) {
        snprintf(c->names[k], sizeof c->names[k], "channel %d", k);
        c->levels.names[k] = c->names[k];
    }
    for (int place = 0; place < GS__PLANES; place++) c->plane_level[place] = -1;
    c->marked_level = c->filled_level = c->found_level = -1;
}

static gs_status allocate(gs_volume_cutter *c, gs_error *err) {
    size_t area = gs__level_area(&c->levels);
    size_t pixels = (size_t)c->form.height * (size_t)c->form.height; /* of a frame: 2 W = H or so */
    bool failed = false;
    for (int volume = GS__ORGAN; volume < c->files.channel_count; volume++) {
        if (!file_of(c, volume)) continue;
        float *plane = c->planes[place_of(volume)] = gs_alloc(area, sizeof *plane);
        failed = failed || !plane;
    }
    c->marked = gs_alloc(area, sizeof *c->marked);
    c->sum = gs_alloc(area, sizeof *c->sum);
    c->weight = gs_alloc(area, sizeof *c->weight);
    c->frame = gs_alloc(pixels > area ? pixels : area, sizeof *c->frame);
    c->shown = gs_alloc(pixels > area ? pixels : area, sizeof *c->shown);
    if (failed || !c->marked || !c->sum || !c->weight || !c->frame || !c->shown)
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for planes of %zu voxels", area);
    return GS_OK;
}

static gs_status open_cutter(gs_volume_preset preset, const gs_volume_files *files,
                             const gs_volume_form *form, purpose wanted, gs_volume_cutter **out,
                             gs_error *err) {
    gs_volume_cutter *c = gs_alloc(1, sizeof *c);
    if (!c) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a volume");
    c->preset = preset;
    c->files = *files;
    c->form = *form;
    describe_levels(c);
    gs_status status = check_grids(c, err);
    if (status == GS_OK) status = check_form(c, err);
    if (status == GS_OK) status = allocate(c, err);
    if (status == GS_OK) status = measure(c, wanted, err);
    if (status != GS_OK) {
        gs_volume_cutter_close(c);
        return status;
    }
    *out = c;
    return GS_OK;
}

gs_status gs_volume_cutter_open(gs_volume_preset preset, const gs_volume_files *files,
                                const gs_volume_form *form, gs_volume_cutter **out, gs_error *err) {
    return open_cutter(preset, files, form, TO_CUT, out, err);
}

gs_status gs_volume_cutter_open_to_place(gs_volume_preset preset, const gs_volume_files *files,
                                         const gs_volume_form *form, gs_volume_cutter **out,
                                         gs_error *err) {
    return open_cutter(preset, files, form, TO_PLACE, out, err);
}

void gs_volume_cutter_close(gs_volume_cutter *c) {
    if (!c) return;
    for (int place = 0; place < GS__PLANES; place++) gs_free(c->planes[place]);
    gs__brain_plane_deinit(&c->brain);
    gs__liver_plane_deinit(&c->liver);
    gs_free(c->marked);
    gs_free(c->sum);
    gs_free(c->weight);
    gs_free(c->frame);
    gs_free(c->shown);
    gs_free(c);
}

int gs_volume_cutter_levels(const gs_volume_cutter *c) {
    return c->levels.side[2];
}

int gs_volume_cutter_parts(const gs_volume_cutter *c) {
    return c->preset == GS_VOLUME_BRAIN ? 2 : 1;
}

const char *gs_volume_cutter_part_name(const gs_volume_cutter *c, int part) {
    if (c->preset != GS_VOLUME_BRAIN) return "";
    return part == 0 ? "left" : "right";
}

/* ---- cutting ---- */

/* NULL without labels. */
static gs_status read_labels(gs_volume_cutter *c, int level, const float **out, gs_error *err) {
    *out = NULL;
    return c->files.labels ? gs__cutter_plane(c, GS__LABELS, level, out, err) : GS_OK;
}

gs_status gs__cutter_fill_brain(gs_volume_cutter *c, int level, gs_error *err) {
    const float *labels;
    if (c->filled_level == level) return GS_OK;
    c->filled_level = -1;
    GS_TRY(read_labels(c, level, &labels, err));
    GS_TRY(gs__brain_mark(&c->levels, level, c->marked, err));
    GS_TRY(gs__brain_plane_fill(&c->brain, &c->levels, level, c->marked, labels, err));
    c->filled_level = level;
    return GS_OK;
}

static bool half_is_empty(const gs__brain_plane *p, bool is_right) {
    int width = p->frame / 2;
    for (int y = 0; y < p->frame; y++)
        for (int x = 0; x < width; x++)
            if (p->brain[(ptrdiff_t)y * p->frame + (is_right ? p->frame - 1 - x : x)] >= 0.5f)
                return false;
    return true;
}

static gs_status cut_brain(gs_volume_cutter *c, int level, int part, float *image, uint8_t *mask,
                           gs_volume_slice *out, gs_error *err) {
    GS_TRY(gs__cutter_fill_brain(c, level, err));
    gs__verdict verdict = gs__brain_judge(&c->brain, part == 1, c->files.labels != NULL);
    *out = (gs_volume_slice){.is_empty = half_is_empty(&c->brain, part == 1),
                             .is_kept = verdict.is_kept,
                             .label = verdict.label};
    if (!out->is_empty) gs__brain_half(&c->brain, part == 1, c->form.normalization, image, mask);
    return GS_OK;
}

gs_status gs__cutter_find_liver(gs_volume_cutter *c, int level, const float **region_out,
                                const float **labels_out, gs_error *err) {
    const float *labels, *region;
    GS_TRY(read_labels(c, level, &labels, err));
    region = labels;
    if (c->files.organ) GS_TRY(gs__cutter_plane(c, GS__ORGAN, level, &region, err));
    if (region_out) *region_out = region;
    if (labels_out) *labels_out = labels;
    if (c->found_level == level) return GS_OK;
    c->found_level = -1;
    GS_TRY(gs__liver_find(&c->liver, &c->levels, region, labels, err));
    c->found_level = level;
    return GS_OK;
}

static gs_status cut_liver(gs_volume_cutter *c, int level, float *image, uint8_t *mask,
                           gs_volume_slice *out, gs_error *err) {
    const float *region, *labels;
    GS_TRY(gs__cutter_find_liver(c, level, &region, &labels, err));
    gs__verdict verdict = gs__liver_judge(&c->liver, &c->levels, labels, MIN_WIDTH);
    *out = (gs_volume_slice){
        .is_empty = c->liver.pixels == 0, .is_kept = verdict.is_kept, .label = verdict.label};
    if (out->is_empty) return GS_OK;
    return gs__liver_square(&c->liver, &c->levels, level, region, labels, c->form.normalization,
                            image, mask, err);
}

/* Both axes the other way round: rows from the front, columns from the right. */
static gs_status cut_plain(gs_volume_cutter *c, int level, float *image, uint8_t *mask,
                           gs_volume_slice *out, gs_error *err) {
    size_t area = gs__level_area(&c->levels), target = 0;
    const float *labels, *plane;
    bool is_empty = true;
    for (int k = 0; k < c->levels.channels; k++) {
        GS_TRY(gs__cutter_plane(c, k, level, &plane, err));
        bool is_unit = c->form.normalization == GS_NORMALIZE_UNIT;
        double low = is_unit ? c->low[k] : 0, range = is_unit ? c->high[k] - c->low[k] : 1;
        for (size_t i = 0; i < area; i++) {
            is_empty = is_empty && plane[i] == plane[0];
            image[(size_t)k * area + area - 1 - i] = (float)(((double)plane[i] - low) / range);
        }
    }
    GS_TRY(read_labels(c, level, &labels, err));
    for (size_t i = 0; i < area; i++) {
        bool is_target = labels && labels[i] != 0;
        mask[area - 1 - i] = is_target ? GS_MASK_TARGET : GS_MASK_BACKGROUND;
        target += is_target;
    }
    *out = (gs_volume_slice){.is_empty = is_empty,
                             .is_kept = !is_empty,
                             .label = !labels      ? GS_LABEL_UNKNOWN
                                      : target > 0 ? GS_LABEL_PRESENCE
                                                   : GS_LABEL_ABSENCE};
    return GS_OK;
}

gs_status gs_volume_cutter_cut(gs_volume_cutter *c, int level, int part, float *image,
                               uint8_t *mask, gs_volume_slice *out, gs_error *err) {
    switch (c->preset) {
    case GS_VOLUME_BRAIN:
        return cut_brain(c, level, part, image, mask, out, err);
    case GS_VOLUME_LIVER:
        return cut_liver(c, level, image, mask, out, err);
    case GS_VOLUME_PLAIN:
    case GS_VOLUME_PRESETS:
        break;
    }
    return cut_plain(c, level, image, mask, out, err);
}

gs_status gs_volume_cutter_truth(gs_volume_cutter *c, int level, float *truth, gs_error *err) {
    const float *labels;
    GS_TRY(gs__cutter_plane(c, GS__LABELS, level, &labels, err));
    for (size_t i = 0; i < gs__level_area(&c->levels); i++)
        truth[i] = c->preset == GS_VOLUME_LIVER ? labels[i] == GS__LIVER_LESION : labels[i] != 0;
    return GS_OK;
}
