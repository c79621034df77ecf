/* Owns the synthetic task: folds, images, who is annotated. Must not know file formats. An image is
 * a function of (seed, its stream) alone; images are made in parallel, a batch at a time, and
 * written in order. */
#include "engine/data/synthetic.h"

#include "base/memory.h"
#include "base/random.h"
#include "engine/data/dataset.h"
#include "engine/data/mnist.h"
#include "engine/image/mask.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <string.h>

enum { CROP_SIDE = 10, BATCH = 256, MAX_DIGITS = 1 << 24 };
static const float noise_deviation = 0.01f, mask_threshold = 0.5f;

/* Streams: one per image, in blocks per kind, and these. */
enum { STREAM_TRAIN_ORDER = 1, STREAM_TEST_ORDER, STREAM_ANNOTATED };
enum { BLOCK_BITS = 26, NOISE_BLOCKS = 16 };

static const struct {
    const char *name;
    int side, pieces;
} variants[] = {{"simple", 48, 8}, {"hard", 48, 24}, {"large", 128, 80}};
enum { VARIANTS = sizeof variants / sizeof *variants };

/* The digits of one split: whole ones are the first `images`, clutter comes from all of them. */
typedef struct fold {
    gs_split split;
    const gs_digits *digits;
    const uint32_t *order; /* [pool] */
    int pool, images;
} fold;

typedef struct task {
    const gs_synthetic_options *options;
    gs_digits training, test;
    uint32_t *training_order, *test_order;
    fold folds[3];
    uint8_t *annotated; /* [training images] */
    int side, pieces;
    gs_dataset_writer *writer;
    float *images;  /* [BATCH, side, side] */
    uint8_t *masks; /* as well */
    int done, total;
} task;

gs_status gs_synthetic_parse(const char *name, gs_synthetic_variant *out, gs_error *err) {
    for (int i = 0; i < VARIANTS; i++)
        if (strcmp(name, variants[i].name) == 0) {
            *out = (gs_synthetic_variant)i;
            return GS_OK;
        }
    return gs_fail(err, GS_INVALID_ARGUMENT,
                   "no variant is called \"%.40s\"; there are simple, hard and large", name);
}

/* ---- images ---- */

/* A window of a digit, and where in the image its corner goes. */
typedef struct paste {
    const uint8_t *digit;
    int from_x, from_y, side, x, y;
} paste;

static void paste_pixels(float *image, int side, const paste *p) {
    for (int y = 0; y < p->side; y++)
        for (int x = 0; x < p->side; x++) {
            float *there = image + (ptrdiff_t)(p->y + y) * side + p->x + x;
            float pixel = (float)p->digit[(p->from_y + y) * GS_DIGIT_SIDE + p->from_x + x] / 255.0f;
            if (pixel + *there > 1)
                *there = fmaxf(pixel, *there);
            else if (pixel != 0)
                *there = pixel;
        }
}

static int draw_place(gs_rng *rng, int room) {
    return (int)gs_rng_below(rng, (uint32_t)room + 1);
}

static void add_clutter(const task *t, const fold *f, gs_rng *rng, float *image) {
    for (int i = 0; i < t->pieces; i++) {
        uint32_t which = f->order[gs_rng_below(rng, (uint32_t)f->pool)];
        paste p = {.digit = gs_digit(f->digits, which), .side = CROP_SIDE};
        p.from_x = draw_place(rng, GS_DIGIT_SIDE - CROP_SIDE);
        p.from_y = draw_place(rng, GS_DIGIT_SIDE - CROP_SIDE);
        p.x = draw_place(rng, t->side - CROP_SIDE);
        p.y = draw_place(rng, t->side - CROP_SIDE);
        paste_pixels(image, t->side, &p);
    }
}

static void add_digit(const task *t, const uint8_t *digit, gs_rng *rng, float *image,
                      uint8_t *mask) {
    paste p = {.digit = digit, .side = GS_DIGIT_SIDE};
    p.x = draw_place(rng, t->side - GS_DIGIT_SIDE);
    p.y = draw_place(rng, t->side - GS_DIGIT_SIDE);
    paste_pixels(image, t->side, &p);
    for (int y = 0; y < GS_DIGIT_SIDE; y++)
        for (int x = 0; x < GS_DIGIT_SIDE; x++)
            if ((float)digit[y * GS_DIGIT_SIDE + x] / 255.0f > mask_threshold)
                mask[(ptrdiff_t)(p.y + y) * t->side + p.x + x] = GS_MASK_TARGET;
}

static void make_image(const task *t, const fold *f, gs_label label, int number, float *image,
                       uint8_t *mask) {
    size_t area = (size_t)t->side * (size_t)t->side;
    uint64_t block = 2 * (uint64_t)f->split + (label == GS_LABEL_PRESENCE);
    uint64_t stream = block << BLOCK_BITS | (uint64_t)number;
    gs_random_normal(t->options->seed, stream | (uint64_t)NOISE_BLOCKS << BLOCK_BITS, image, area);
    for (size_t i = 0; i < area; i++) image[i] *= noise_deviation;
    memset(mask, GS_MASK_BACKGROUND, area);
    gs_rng rng = {.seed = t->options->seed, .stream = stream};
    add_clutter(t, f, &rng, image);
    if (label == GS_LABEL_PRESENCE)
        add_digit(t, gs_digit(f->digits, f->order[number]), &rng, image, mask);
}

static gs_status write_image(task *t, const fold *f, gs_label label, int number, int slot,
                             gs_error *err) {
    char case_name[32], name[64];
    bool is_presence = label == GS_LABEL_PRESENCE;
    snprintf(case_name, sizeof case_name, "%s-%c%05d", gs_split_name(f->split),
             is_presence ? 'p' : 'a', number);
    int digit = f->digits->labels.bytes[f->order[number]];
    snprintf(name, sizeof name, is_presence ? "%s digit %d" : "%s", case_name, digit);
    bool is_masked = is_presence && (f->split != GS_SPLIT_TRAIN || t->annotated[number]);
    const gs_dataset_slice slice = {
        .case_name = case_name, .name = name, .index = number, .label = label, .split = f->split};
    size_t at = (size_t)slot * (size_t)t->side * (size_t)t->side;
    return gs_dataset_writer_add(t->writer, &slice, t->images + at,
                                 is_masked ? t->masks + at : NULL, err);
}

static gs_status write_batch(task *t, const fold *f, gs_label label, int first, gs_error *err) {
    int count = f->images - first < BATCH ? f->images - first : BATCH;
    size_t area = (size_t)t->side * (size_t)t->side;
    int threads = t->options->threads > 0 ? t->options->threads : omp_get_max_threads();
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int i = 0; i < count; i++)
        make_image(t, f, label, first + i, t->images + (size_t)i * area,
                   t->masks + (size_t)i * area);
    for (int i = 0; i < count; i++) GS_TRY(write_image(t, f, label, first + i, i, err));
    const gs_data_report *report = &t->options->report;
    t->done += count;
    if (report->progress && !report->progress(report->context, t->done, t->total))
        return gs_fail(err, GS_CANCELLED, "stopped at image %d of %d", t->done, t->total);
    return GS_OK;
}

static gs_status write_folds(task *t, gs_error *err) {
    for (int i = 0; i < 3; i++)
        for (int label = GS_LABEL_PRESENCE; label <= GS_LABEL_ABSENCE; label++)
            for (int first = 0; first < t->folds[i].images; first += BATCH)
                GS_TRY(write_batch(t, &t->folds[i], (gs_label)label, first, err));
    return GS_OK;
}

/* ---- who is who ---- */

static gs_status shuffle_digits(const gs_digits *digits, uint64_t seed, uint64_t stream,
                                uint32_t **out, gs_error *err) {
    size_t count = gs_digits_count(digits);
    uint32_t *order = gs_alloc(count, sizeof *order);
    if (!order) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %zu digits", count);
    for (size_t i = 0; i < count; i++) order[i] = (uint32_t)i;
    gs_rng rng = {.seed = seed, .stream = stream};
    gs_rng_shuffle(&rng, order, count);
    *out = order;
    return GS_OK;
}

static gs_status set_fold(fold *f, int wanted, gs_error *err) {
    f->images = wanted < 0 ? f->pool : wanted;
    if (f->images <= f->pool) return GS_OK;
    return gs_fail(err, GS_UNUSABLE, "%d %s images wanted, but MNIST has only %d digits for them",
                   f->images, gs_split_name(f->split), f->pool);
}

static gs_status make_folds(task *t, gs_error *err) {
    const gs_synthetic_options *o = t->options;
    GS_TRY(gs_digits_load(o->mnist, "train", &t->training, err));
    GS_TRY(gs_digits_load(o->mnist, "t10k", &t->test, err));
    GS_TRY(shuffle_digits(&t->training, o->seed, STREAM_TRAIN_ORDER, &t->training_order, err));
    GS_TRY(shuffle_digits(&t->test, o->seed, STREAM_TEST_ORDER, &t->test_order, err));
    int digits = (int)gs_digits_count(&t->training), left = digits - o->validation;
    if (left < 1)
        return gs_fail(err, GS_UNUSABLE, "%d validation images leave none of %d digits to train on",
                       o->validation, digits);
    t->folds[0] = (fold){GS_SPLIT_TRAIN, &t->training, t->training_order, left, 0};
    t->folds[1] =
        (fold){GS_SPLIT_VALIDATION, &t->training, t->training_order + left, o->validation, 0};
    t->folds[2] = (fold){GS_SPLIT_TEST, &t->test, t->test_order, (int)gs_digits_count(&t->test), 0};
    const int wanted[3] = {o->train, o->validation, o->test};
    for (int i = 0; i < 3; i++) {
        GS_TRY(set_fold(&t->folds[i], wanted[i], err));
        t->total += 2 * t->folds[i].images;
    }
    return GS_OK;
}

static void note_annotated(const task *t, int annotated, int fitting) {
    const gs_data_report *report = &t->options->report;
    char *text = gs_format("%d of %d training presence images are annotated (%d have a digit that "
                           "may be)",
                           annotated, t->folds[0].images, fitting);
    if (text && report->note) report->note(report->context, text);
    gs_free(text);
}

static gs_status choose_annotated(task *t, gs_error *err) {
    const fold *f = &t->folds[0];
    uint32_t *fitting = gs_alloc((size_t)f->images, sizeof *fitting);
    t->annotated = gs_alloc((size_t)f->images, 1);
    if (!fitting || !t->annotated) {
        gs_free(fitting);
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %d images", f->images);
    }
    int count = 0;
    for (int i = 0; i < f->images; i++)
        if (t->options->annotated_digits >> f->digits->labels.bytes[f->order[i]] & 1)
            fitting[count++] = (uint32_t)i;
    gs_rng rng = {.seed = t->options->seed, .stream = STREAM_ANNOTATED};
    gs_rng_shuffle(&rng, fitting, (size_t)count);
    int wanted = (int)lround(t->options->annotated * f->images);
    if (wanted == 0 && t->options->annotated > 0) wanted = 1;
    int annotated = wanted < count ? wanted : count;
    for (int i = 0; i < annotated; i++) t->annotated[fitting[i]] = 1;
    gs_free(fitting);
    note_annotated(t, annotated, count);
    if (annotated > 0 || t->options->annotated == 0) return GS_OK;
    return gs_fail(err, GS_UNUSABLE,
                   "none of the %d training images shows a digit that may be annotated", f->images);
}

/* ---- the whole ---- */

static gs_status check_options(const gs_synthetic_options *o, gs_error *err) {
    if (!o->mnist || !o->mnist[0])
        return gs_fail(err, GS_INVALID_ARGUMENT, "the folder with MNIST's files is missing");
    if (o->train == 0 || o->train < -1 || o->train > MAX_DIGITS || o->validation < 0 ||
        o->validation > MAX_DIGITS || o->test < -1 || o->test > MAX_DIGITS)
        return gs_fail(err, GS_INVALID_ARGUMENT,
                       "%d training, %d validation and %d test images; allowed are up to %d, and "
                       "some to train on",
                       o->train, o->validation, o->test, MAX_DIGITS);
    if (!(o->annotated >= 0 && o->annotated <= 1))
        return gs_fail(err, GS_INVALID_ARGUMENT, "%g of the images annotated, allowed are 0 to 1",
                       o->annotated);
    if (o->annotated_digits >> 10 || (o->annotated_digits == 0 && o->annotated > 0))
        return gs_fail(err, GS_INVALID_ARGUMENT, "digits to annotate are some of 0 to 9");
    return GS_OK;
}

static gs_status prepare(task *t, const char *folder, gs_error *err) {
    const gs_synthetic_options *o = t->options;
    GS_TRY(make_folds(t, err));
    GS_TRY(choose_annotated(t, err));
    t->side = variants[o->variant].side;
    t->pieces = variants[o->variant].pieces;
    size_t values = (size_t)BATCH * (size_t)t->side * (size_t)t->side;
    t->images = gs_alloc(values, sizeof *t->images);
    t->masks = gs_alloc(values, 1);
    if (!t->images || !t->masks)
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %d images", BATCH);
    char name[32];
    snprintf(name, sizeof name, "synthetic-%s", variants[o->variant].name);
    const gs_dataset_info info = {.name = name,
                                  .made_by = o->made_by ? o->made_by : "gs_synthetic_write",
                                  .normalization = GS_NORMALIZE_NONE,
                                  .channels = 1,
                                  .height = t->side,
                                  .width = t->side};
    return gs_dataset_writer_open(folder, &info, &t->writer, err);
}

gs_status gs_synthetic_write(const char *folder, const gs_synthetic_options *options,
                             gs_error *err) {
    GS_TRY(check_options(options, err));
    task t = {.options = options};
    gs_status status = prepare(&t, folder, err);
    if (status == GS_OK) status = write_folds(&t, err);
    if (status == GS_OK) status = gs_dataset_writer_finish(t.writer, err);
    gs_dataset_writer_close(t.writer);
    gs_digits_deinit(&t.training);
    gs_digits_deinit(&t.test);
    gs_free(t.training_order);
    gs_free(t.test_order);
    gs_free(t.annotated);
    gs_free(t.images);
    gs_free(t.masks);
    return status;
}
