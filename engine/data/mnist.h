/* The digits of MNIST. Immutable once loaded; any number of threads may read them. */
#ifndef GS_ENGINE_DATA_MNIST_H
#define GS_ENGINE_DATA_MNIST_H

#include "engine/data/idx_file.h"

enum { GS_DIGIT_SIDE = 28, GS_DIGIT_AREA = 784 };

typedef struct gs_digits {
    gs_idx images; /* [count, 28, 28] */
    gs_idx labels; /* [count]: 0 to 9 */
} gs_digits;

/* The file pair of `set` ("train" or "t10k") in `folder`. SHAPE_MISMATCH for images of another size
 * or files of different length; UNUSABLE for a label over 9; NOT_FOUND names what was looked for.
 * Caller deinits. */
GS_MUST_CHECK gs_status gs_digits_load(const char *folder, const char *set, gs_digits *out,
                                       gs_error *err);
void gs_digits_deinit(gs_digits *digits); /* zeroed ones are allowed */

static inline size_t gs_digits_count(const gs_digits *digits) {
    return digits->labels.size[0];
}

/* [28, 28], 0 to 255. Borrowed. */
static inline const uint8_t *gs_digit(const gs_digits *digits, size_t i) {
    return digits->images.bytes + i * GS_DIGIT_AREA;
}

#endif
