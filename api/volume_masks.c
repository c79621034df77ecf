/* Masks of slices put together in their volume. Voxels and pixels need not be of one size, so two
 * maps go the way that a model's answers go: where a mask says something, and where it says target.
 *
 * Invariant: levels below `next` are in the output; the maps are those of level `next`. */
#include "api/volume_masks.h"

#include <stdio.h>
#include <string.h>

#include "api/volume_files.h"
#include "base/memory.h"
#include "engine/image/mask.h"
#include "engine/image/normalize.h"

static const char description[] = "Masks of GenSeg: 0 background, 1 target, 255 not annotated";
/* Of a voxel: as much must be annotated, and of that as much be target. */
static const float half = 0.5f;

typedef struct part_maps {
    bool is_there;
    float *known, *target; /* [H,W] */
} part_maps;

struct gs_volume_masks {
    gs_volume_set files;
    gs_volume_form form;
    gs_volume_cutter *cutter;
    gs_volume_output *output;
    part_maps parts[GS_VOLUME_SLICE_PARTS];
    float *known, *target; /* the volume's plane */
    size_t area;           /* of it */
    int next;
    size_t begun; /* masks that began with a model's prediction */
};

/* ==== Opening ==== */

/* Slices are as the data set has them; of one without a size there are none. */
static gs_status choose_form(gs_volume_masks *m, gs_store *store, const gs_volume_record *volume,
                             gs_volume_preset preset, gs_error *err) {
    gs_dataset_record dataset;
    GS_TRY(gs_store_dataset_get(store, volume->dataset, &dataset, err));
    gs_volume_form_size(preset, &m->files.volume, 1, &m->form);
    GS_TRY(gs_normalization_parse(dataset.normalization, &m->form.normalization, err));
    if (dataset.height > 0) m->form.height = dataset.height;
    if (dataset.width > 0) m->form.width = dataset.width;
    return GS_OK;
}

/* What was uploaded could be cut once; what was imported need never have been. */
static gs_status open_cutter(gs_volume_masks *m, gs_store *store, const gs_volume_record *volume,
                             gs_error *err) {
    gs_volume_preset preset;
    gs_error why;
    GS_TRY(gs_volume_set_open(store, volume, &m->files, err));
    if (!gs_volume_preset_find(volume->preset, &preset))
        return gs_fail(err, GS_UNUSABLE, "the preset '%s' of volume %s is unknown", volume->preset,
                       volume->id);
    GS_TRY(choose_form(m, store, volume, preset, err));
    gs_status status =
        gs_volume_cutter_open_to_place(preset, &m->files.volume, &m->form, &m->cutter, &why);
    if (status == GS_OK) return GS_OK;
    if (status == GS_OUT_OF_MEMORY) return gs_fail(err, status, "%s", why.text);
    return gs_fail(err, GS_UNUSABLE, "slices of volume %s have no place in it: %s", volume->id,
                   why.text);
}

static gs_status allocate(gs_volume_masks *m, gs_error *err) {
    const gs_volume *grid = gs_volume_file_grid(m->files.volume.channels[0]);
    size_t pixels = (size_t)m->form.height * (size_t)m->form.width;
    m->area = (size_t)grid->side[0] * (size_t)grid->side[1];
    m->known = gs_alloc(m->area, sizeof *m->known);
    m->target = gs_alloc(m->area, sizeof *m->target);
    bool failed = !m->known || !m->target;
    for (int part = 0; part < gs_volume_cutter_parts(m->cutter); part++) {
        m->parts[part].known = gs_alloc(pixels, sizeof(float));
        m->parts[part].target = gs_alloc(pixels, sizeof(float));
        failed = failed || !m->parts[part].known || !m->parts[part].target;
    }
    return failed ? gs_fail(err, GS_OUT_OF_MEMORY, "no memory for planes of %zu voxels", m->area)
                  : GS_OK;
}

gs_status gs_volume_masks_open(gs_store *store, const gs_volume_record *volume, const char *path,
                               gs_volume_masks **out, gs_error *err) {
    gs_volume_masks *m = gs_alloc(1, sizeof *m);
    if (!m) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a volume");
    gs_status status = open_cutter(m, store, volume, err);
    if (status == GS_OK) status = allocate(m, err);
    const gs_output_form form = {.type = GS_OUTPUT_UINT8, .description = description};
    if (status == GS_OK)
        status = gs_volume_output_open(m->files.volume.channels[0], &form, path, &m->output, err);
    if (status != GS_OK) {
        gs_volume_masks_close(m);
        return status;
    }
    *out = m;
    return GS_OK;
}

void gs_volume_masks_close(gs_volume_masks *m) {
    if (!m) return;
    for (int part = 0; part < GS_VOLUME_SLICE_PARTS; part++) {
        gs_free(m->parts[part].known);
        gs_free(m->parts[part].target);
    }
    gs_free(m->known);
    gs_free(m->target);
    gs_volume_output_close(m->output);
    gs_volume_cutter_close(m->cutter);
    gs_volume_set_close(&m->files);
    gs_free(m);
}

/* ==== Levels ==== */

/* What the parts of level `next` say, to the output. */
static gs_status put_level(gs_volume_masks *m, gs_error *err) {
    const float *known[GS_VOLUME_SLICE_PARTS] = {NULL}, *target[GS_VOLUME_SLICE_PARTS] = {NULL};
    for (int part = 0; part < GS_VOLUME_SLICE_PARTS; part++) {
        if (!m->parts[part].is_there) continue;
        known[part] = m->parts[part].known;
        target[part] = m->parts[part].target;
        m->parts[part].is_there = false;
    }
    GS_TRY(gs_volume_cutter_restore_map(m->cutter, m->next, known, m->known, err));
    GS_TRY(gs_volume_cutter_restore_map(m->cutter, m->next, target, m->target, err));
    for (size_t i = 0; i < m->area; i++) {
        bool is_target = m->target[i] >= half * m->known[i];
        m->known[i] = m->known[i] < half ? (float)GS_VOXEL_NOT_ANNOTATED : (float)is_target;
    }
    gs_volume_output_put(m->output, m->next, m->known);
    m->next++;
    return GS_OK;
}

static void put_blank_level(gs_volume_masks *m) {
    for (size_t i = 0; i < m->area; i++) m->known[i] = GS_VOXEL_NOT_ANNOTATED;
    gs_volume_output_put(m->output, m->next, m->known);
    m->next++;
}

/* Puts all levels below this one. */
static gs_status reach(gs_volume_masks *m, int level, gs_error *err) {
    bool has_maps = false;
    for (int part = 0; part < GS_VOLUME_SLICE_PARTS; part++)
        has_maps = has_maps || m->parts[part].is_there;
    if (has_maps && m->next < level) GS_TRY(put_level(m, err));
    while (m->next < level) put_blank_level(m);
    return GS_OK;
}

static int find_part(const gs_volume_masks *m, const char *name) {
    int part = gs_volume_cutter_parts(m->cutter) - 1;
    while (part >= 0 && strcmp(gs_volume_cutter_part_name(m->cutter, part), name) != 0) part--;
    return part;
}

gs_status gs_volume_masks_put(gs_volume_masks *m, const gs_volume_mask *given, gs_error *err) {
    gs_mask mask;
    const int64_t level = given->index;
    int part = find_part(m, given->part);
    if (part < 0 || level < m->next || level >= gs_volume_cutter_levels(m->cutter))
        return gs_fail(err, GS_IO, "genseg.db is damaged: a mask of level %lld, part '%s'",
                       (long long)level, given->part);
    GS_TRY(reach(m, (int)level, err));
    GS_TRY(gs_mask_decode_png(given->mask, given->mask_size, NULL, &mask, err));
    bool fits = mask.height == m->form.height && mask.width == m->form.width;
    size_t pixels = fits ? (size_t)mask.height * (size_t)mask.width : 0;
    for (size_t i = 0; i < pixels; i++) {
        m->parts[part].known[i] = mask.values[i] != GS_MASK_UNKNOWN;
        m->parts[part].target[i] = mask.values[i] == GS_MASK_TARGET;
    }
    m->parts[part].is_there = true;
    m->begun += given->began_with[0] != '\0';
    gs_mask_deinit(&mask);
    return fits ? GS_OK
                : gs_fail(err, GS_IO,
                          "genseg.db is damaged: the mask of level %lld has not the "
                          "size of the slice",
                          (long long)level);
}

gs_status gs_volume_masks_finish(gs_volume_masks *m, gs_error *err) {
    GS_TRY(reach(m, gs_volume_cutter_levels(m->cutter), err));
    if (m->begun > 0) {
        char
            text[sizeof description + 40]; /* a header takes the first 79 bytes: of 4 digits, all */
        snprintf(text, sizeof text, "%s; %zu from a model", description, m->begun);
        gs_volume_output_set_description(m->output, text);
    }
    return gs_volume_output_finish(m->output, err);
}
