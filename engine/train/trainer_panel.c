/* Pictures of a few validation slices as training goes: one sheet per validation, a column for each
 * slice. Training itself reads none of it and draws no random number for it. */
#include "engine/train/trainer_internal.h"

#include "base/file.h"
#include "base/memory.h"
#include "engine/image/image.h"
#include "engine/image/png.h"
#include "engine/train/evaluate.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROWS_MAX = 4, STEPS_KEPT = 48 };
static const char *const row_names[ROWS_MAX] = {"image", "mask", "probability", "healthy"};

/* Evenly over the validation slices, so that the same ones are shown whenever there are as many. */
static uint32_t shown(const gs_trainer *t, size_t columns, size_t i) {
    return t->lists.validation[i * t->lists.validation_count / columns];
}

/* 0: there is nothing to show, or no room for it in a picture. */
static size_t columns_of(const gs_trainer *t) {
    const gs_model_config *c = &t->network.config;
    size_t columns = (size_t)t->options->panel;
    if (columns > t->lists.validation_count) columns = t->lists.validation_count;
    if (columns > GS_EVALUATION_BATCH) columns = GS_EVALUATION_BATCH;
    if (c->height * ROWS_MAX > GS_MAX_SIDE) return 0;
    while (columns > 0 && (int)columns * c->columns > GS_MAX_SIDE) columns--;
    return columns;
}

/* ---- The sheet --------------------------------------------------------------------------------
 */

typedef struct sheet {
    uint8_t *pixels;
    size_t columns, rows;
    size_t height, width; /* of a cell */
} sheet;

static uint8_t *cell_row(const sheet *s, size_t row, size_t column, size_t y) {
    return s->pixels + ((row * s->height + y) * s->columns + column) * s->width;
}

static void draw_values(const sheet *s, size_t row, size_t column, const float *values, float low,
                        float high) {
    float scale = high > low ? 255 / (high - low) : 0;
    for (size_t y = 0; y < s->height; y++) {
        uint8_t *to = cell_row(s, row, column, y);
        for (size_t x = 0; x < s->width; x++) {
            float v = (values[y * s->width + x] - low) * scale;
            to[x] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v + 0.5f);
        }
    }
}

static void draw_mask(const sheet *s, size_t row, size_t column, const uint8_t *mask) {
    for (size_t y = 0; y < s->height; y++)
        memcpy(cell_row(s, row, column, y), mask + y * s->width, s->width);
}

/* Of a slice's channels the first is shown; the healthy image with the image's own window. */
static void draw_healthy(const gs_trainer *t, const sheet *s, const float *images) {
    for (size_t i = 0; i < s->columns; i++) {
        float low, high;
        gs_image_range(images + i * t->image, t->pixels, &low, &high);
        draw_values(s, 3, i, t->evaluation_output + i * t->image, low, high);
    }
}

static gs_status draw(gs_trainer *t, const sheet *s, float *images, float *probabilities,
                      gs_error *err) {
    for (size_t i = 0; i < s->columns; i++) {
        uint32_t row = shown(t, s->columns, i);
        float low, high;
        GS_TRY(gs_dataset_read_normalized(t->dataset, row, images + i * t->image, err));
        gs_image_range(images + i * t->image, t->pixels, &low, &high);
        draw_values(s, 0, i, images + i * t->image, low, high);
        draw_mask(s, 1, i, gs_dataset_mask(t->dataset, row));
    }
    GS_TRY(gs__trainer_segment(t, s->columns, images, probabilities, err));
    for (size_t i = 0; i < s->columns; i++)
        draw_values(s, 2, i, probabilities + i * t->pixels, 0, 1);
    if (s->rows < ROWS_MAX) return GS_OK;
    GS_TRY(gs__trainer_remove(t, s->columns, images, err));
    draw_healthy(t, s, images);
    return GS_OK;
}

/* ---- Files ------------------------------------------------------------------------------------
 */

static gs_status write_index(const gs_trainer *t, const sheet *s, const char *folder,
                             gs_error *err) {
    json_t *rows = json_array(), *slices = json_array();
    for (size_t i = 0; i < s->rows; i++)
        (void)json_array_append_new(rows, json_string(row_names[i]));
    for (size_t i = 0; i < s->columns; i++)
        (void)json_array_append_new(
            slices, json_string(gs_dataset_get_slice(t->dataset, shown(t, s->columns, i))->name));
    json_t *json = json_pack("{s:o, s:o, s:I, s:I}", "rows", rows, "slices", slices, "height",
                             (json_int_t)s->height, "width", (json_int_t)s->width);
    char *path = gs_format("%s/panel.json", folder);
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    gs_file_piece piece = {.bytes = text, .size = text ? strlen(text) : 0};
    gs_status status = path && text ? gs_file_replace(path, &piece, 1, err)
                                    : gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a panel");
    free(text);
    gs_free(path);
    return status;
}

static gs_status write_sheet(const gs_trainer *t, const sheet *s, const char *folder,
                             gs_error *err) {
    const gs_png_text mark = {"Comment", "generated by a model; not a photograph of a patient"};
    const gs_png_options options = {.height = (int)(s->rows * s->height),
                                    .width = (int)(s->columns * s->width),
                                    .texts = &mark,
                                    .text_count = 1};
    char *bytes, *path = gs_format("%s/%012llu.png", folder, (unsigned long long)t->state.step);
    if (!path) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a panel");
    size_t size;
    gs_status status = gs_png_encode_u8(s->pixels, &options, &bytes, &size, err);
    if (status == GS_OK) {
        gs_file_piece piece = {.bytes = bytes, .size = size};
        status = gs_file_replace(path, &piece, 1, err);
        gs_free(bytes);
    }
    gs_free(path);
    return status;
}

static int is_sheet(const struct dirent *entry) {
    size_t length = strlen(entry->d_name);
    return length > 4 && strcmp(entry->d_name + length - 4, ".png") == 0;
}

/* Beyond STEPS_KEPT every second sheet goes, as of events: what stays spans all of the training. */
static void thin_out(const char *folder) {
    struct dirent **entries;
    int count = scandir(folder, &entries, is_sheet, alphasort);
    for (int i = 0; i < count; i++) {
        char *path = count > STEPS_KEPT && i % 2 == 1 && i + 1 < count
                         ? gs_format("%s/%s", folder, entries[i]->d_name)
                         : NULL;
        if (path) unlink(path);
        gs_free(path);
        free(entries[i]);
    }
    if (count >= 0) free(entries);
}

static gs_status make(gs_trainer *t, sheet *s, const char *folder, gs_error *err) {
    float *images = gs_alloc(GS_EVALUATION_BATCH * t->image, sizeof *images);
    float *probabilities = gs_alloc(GS_EVALUATION_BATCH * t->pixels, sizeof *probabilities);
    s->pixels = gs_alloc(s->rows * s->height, s->columns * s->width);
    gs_status status = images && probabilities && s->pixels
                           ? gs_folder_make(folder, err)
                           : gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a panel");
    if (status == GS_OK) status = draw(t, s, images, probabilities, err);
    if (status == GS_OK) status = write_index(t, s, folder, err);
    if (status == GS_OK) status = write_sheet(t, s, folder, err);
    if (status == GS_OK) thin_out(folder);
    gs_free(images), gs_free(probabilities), gs_free(s->pixels);
    return status;
}

gs_status gs__trainer_show(gs_trainer *t, gs_error *err) {
    const gs_model_config *c = &t->network.config;
    const gs_objective *o = &t->options->objective;
    bool translates = gs_method_get(o->method)->translates && o->translation != GS_TRANSLATE_NONE;
    sheet s = {.columns = columns_of(t),
               .rows = translates ? ROWS_MAX : ROWS_MAX - 1,
               .height = (size_t)c->height,
               .width = (size_t)c->columns};
    if (s.columns == 0) return GS_OK;
    char *folder = gs__trainer_path(t, GS_PANEL_FOLDER);
    gs_status status =
        folder ? make(t, &s, folder, err) : gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a panel");
    gs_free(folder);
    return status;
}
