/* Owns the names of MNIST's files. */
#include "engine/data/mnist.h"

#include "base/memory.h"

#include <unistd.h>

/* Copies differ in the second hyphen and in compression. */
static gs_status find_file(const char *folder, const char *set, const char *kind, int dimensions,
                           char **out, gs_error *err) {
    enum { FORMS = 4 };
    for (int i = 0; i < FORMS; i++) {
        const char *dot = i % 2 ? "." : "-", *ending = i / 2 ? ".gz" : "";
        char *path =
            gs_format("%s/%s-%s%sidx%d-ubyte%s", folder, set, kind, dot, dimensions, ending);
        if (!path) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a path");
        if (access(path, F_OK) == 0) {
            *out = path;
            return GS_OK;
        }
        gs_free(path);
    }
    return gs_fail(err, GS_NOT_FOUND, "%s has no %s-%s-idx%d-ubyte, nor with .gz", folder, set,
                   kind, dimensions);
}

static gs_status load_file(const char *folder, const char *set, const char *kind, int dimensions,
                           gs_idx *out, gs_error *err) {
    char *path = NULL;
    GS_TRY(find_file(folder, set, kind, dimensions, &path, err));
    gs_status status = gs_idx_load(path, dimensions, out, err);
    gs_free(path);
    return status;
}

static gs_status check(const gs_digits *digits, const char *folder, const char *set,
                       gs_error *err) {
    const gs_idx *images = &digits->images;
    if (images->size[1] != GS_DIGIT_SIDE || images->size[2] != GS_DIGIT_SIDE ||
        images->size[0] != gs_digits_count(digits))
        return gs_fail(err, GS_SHAPE_MISMATCH,
                       "%s: %zu images of %zu x %zu and %zu labels of \"%s\"; digits are %d x %d",
                       folder, images->size[0], images->size[1], images->size[2],
                       gs_digits_count(digits), set, GS_DIGIT_SIDE, GS_DIGIT_SIDE);
    for (size_t i = 0; i < gs_digits_count(digits); i++)
        if (digits->labels.bytes[i] > 9)
            return gs_fail(err, GS_UNUSABLE, "%s: label %zu of \"%s\" is %d", folder, i, set,
                           digits->labels.bytes[i]);
    return GS_OK;
}

gs_status gs_digits_load(const char *folder, const char *set, gs_digits *out, gs_error *err) {
    gs_digits digits = {0};
    gs_status status = load_file(folder, set, "images", 3, &digits.images, err);
    if (status == GS_OK) status = load_file(folder, set, "labels", 1, &digits.labels, err);
    if (status == GS_OK) status = check(&digits, folder, set, err);
    if (status == GS_OK)
        *out = digits;
    else
        gs_digits_deinit(&digits);
    return status;
}

void gs_digits_deinit(gs_digits *digits) {
    gs_idx_deinit(&digits->images);
    gs_idx_deinit(&digits->labels);
}
