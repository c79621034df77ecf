/* A small MNIST: training digits are 200 bright, test digits 120, so that the origin of clutter
 * shows. */
#ifndef TESTS_DATA_MNIST_FIXTURE_H
#define TESTS_DATA_MNIST_FIXTURE_H

#include "tests/data/fixture.h"

#include "engine/data/mnist.h"

#include <zlib.h>

enum { TRAIN = 60, TEST_DIGITS = 20 };

static inline void put_idx(const char *folder, const char *name, int dimensions, const int *size,
                           const uint8_t *bytes, size_t count) {
    char path[512];
    uint8_t header[16] = {0, 0, 8, (uint8_t)dimensions};
    for (int k = 0; k < dimensions; k++) header[7 + 4 * k] = (uint8_t)size[k];
    put_path(path, sizeof path, folder, name);
    gzFile file = gzopen(path, strstr(name, ".gz") ? "wb" : "wbT");
    size_t length = 4 + 4 * (size_t)dimensions;
    assert_int_equal(gzfwrite(header, 1, length, file), length);
    assert_int_equal(gzfwrite(bytes, 1, count, file), count);
    assert_int_equal(gzclose(file), Z_OK);
}

/* Digit d is a frame of 2 + d pixels from the border, so that every one is different; `brights`: of
 * every other ten. */
static inline void put_set(const char *folder, const char *set, int count, const uint8_t brights[2],
                           const char *ending) {
    uint8_t *images = calloc((size_t)count, GS_DIGIT_AREA), labels[TRAIN];
    for (int i = 0; i < count; i++) {
        labels[i] = (uint8_t)(i % 10);
        int from = 2 + i % 10, to = 27 - from;
        for (int y = from; y <= to; y++)
            for (int x = from; x <= to; x++)
                if (x == from || x == to || y == from || y == to)
                    images[i * GS_DIGIT_AREA + y * 28 + x] = brights[i / 10 % 2];
    }
    char name[64];
    const int sizes[3] = {count, 28, 28};
    snprintf(name, sizeof name, "%s-images-idx3-ubyte%s", set, ending);
    put_idx(folder, name, 3, sizes, images, (size_t)count * GS_DIGIT_AREA);
    snprintf(name, sizeof name, "%s-labels-idx1-ubyte%s", set, ending);
    put_idx(folder, name, 1, sizes, labels, (size_t)count);
    free(images);
}

static inline const char *put_mnist(const char *folder, const char *ending) {
    const uint8_t train[2] = {200, 200}, test[2] = {120, 120};
    put_set(folder, "train", TRAIN, train, ending);
    put_set(folder, "t10k", TEST_DIGITS, test, ending);
    return folder;
}

#endif
