/* Random variation of training images, image and mask together, as the paper does it (section 4.2):
 * horizontal and vertical flips, rotation by up to 3 degrees, zoom by up to 10 %, a spline warp,
 * and an intensity shift of each channel by up to 10 % of its range, within that range. Pixels from
 * outside are reflected; masks keep their three values (nearest neighbour). */
#ifndef GS_ENGINE_TRAIN_AUGMENT_H
#define GS_ENGINE_TRAIN_AUGMENT_H

#include <stddef.h>
#include <stdint.h>

/* image: [C,H,W]; mask: [H,W] or NULL. Both are replaced; `room` has C·H·W floats, `sources`
 * gs_augment_sources doubles, and both are overwritten. What happens is a function of seed and
 * stream alone. Thread-safe. */
typedef struct gs_augment_target {
    int channels, height, width;
    float *image;
    uint8_t *mask;
    float *room;
    double *sources;
} gs_augment_target;

size_t gs_augment_sources(int height, int width);

void gs_augment(const gs_augment_target *target, uint64_t seed, uint64_t stream);

#endif
