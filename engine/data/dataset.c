/* Owns the open dataset: the mapped files and their agreement with dataset.json. Must not know
 * JSON. Invariants after gs_dataset_open: (1) both files are exactly as long as their shapes say;
 * (2) every mask belongs to exactly one slice; (3) the slices of one case have one split. */
#include "engine/data/dataset_internal.h"

#include "base/memory.h"
#include "engine/data/npy_file.h"
#include "engine/image/mask.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static gs_status map_file(const char *path, gs__mapping *out, gs_error *err) {
    struct stat info;
    gs_status status = GS_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return gs_fail_errno(err, "cannot open %s", path);
    if (fstat(fd, &info) != 0) {
        status = gs_fail_errno(err, "cannot stat %s", path);
    } else if (!S_ISREG(info.st_mode) || info.st_size == 0) {
        status = gs_fail(err, GS_MALFORMED, "%s is empty or not a regular file", path);
    } else {
        void *bytes = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_SHARED, fd, 0);
        if (bytes == MAP_FAILED)
            status = gs_fail_errno(err, "cannot map %s", path);
        else
            *out = (gs__mapping){.bytes = bytes, .size = (size_t)info.st_size};
    }
    close(fd);
    return status;
}

/* What a file must hold. */
typedef struct expectation {
    const char *type;
    size_t item_size;
    int dimensions;
    size_t shape[4];
} expectation;

static gs_status check_array(const gs__mapping *file, const char *path, const expectation *expected,
                             gs_npy_header *header, gs_error *err) {
    gs_error inner;
    gs_status status = gs_npy_header_parse(file->bytes, file->size, header, &inner);
    if (status != GS_OK) return gs_fail(err, status, "%s: %s", path, inner.text);
    if (strcmp(header->type, expected->type) != 0)
        return gs_fail(err, GS_UNSUPPORTED, "%s: type '%s', expected '%s'", path, header->type,
                       expected->type);
    if (header->data_offset % expected->item_size != 0)
        return gs_fail(err, GS_UNSUPPORTED, "%s: the data start at byte %zu, which is not aligned",
                       path, header->data_offset);
    bool fits = header->dimensions == expected->dimensions;
    size_t size = expected->item_size;
    for (int i = 0; fits && i < expected->dimensions; i++) {
        fits = header->shape[i] == expected->shape[i];
        if (fits && !gs_mul_size(size, expected->shape[i], &size))
            return gs_fail(err, GS_TOO_LARGE, "%s: its size overflows", path);
    }
    if (!fits)
        return gs_fail(err, GS_SHAPE_MISMATCH,
                       "%s: %d dimensions starting with %zu, dataset.json wants %d starting with "
                       "%zu and %zu x %zu pixels",
                       path, header->dimensions, header->dimensions ? header->shape[0] : 0,
                       expected->dimensions, expected->shape[0],
                       expected->shape[expected->dimensions - 2],
                       expected->shape[expected->dimensions - 1]);
    if (file->size - header->data_offset != size)
        return gs_fail(err, GS_MALFORMED, "%s: %zu bytes of data, its shape needs %zu", path,
                       file->size - header->data_offset, size);
    return GS_OK;
}

static gs_status open_array(const char *folder, const char *name, const expectation *expected,
                            gs__mapping *file, gs_error *err) {
    char *path = gs_format("%s/%s", folder, name);
    if (!path) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to open %s/%s", folder, name);
    gs_npy_header header;
    gs_status status = map_file(path, file, err);
    if (status == GS_OK) status = check_array(file, path, expected, &header, err);
    if (status == GS_OK) file->data_offset = header.data_offset;
    gs_free(path);
    return status;
}

static gs_status open_arrays(const char *folder, gs_dataset *dataset, gs_error *err) {
    const gs_dataset_info *info = &dataset->info;
    size_t channels = (size_t)info->channels, height = (size_t)info->height,
           width = (size_t)info->width;
    const expectation images = {"<f4", 4, 4, {dataset->count, channels, height, width}};
    const expectation masks = {"|u1", 1, 3, {dataset->masks, height, width}};
    GS_TRY(open_array(folder, "images.npy", &images, &dataset->images_file, err));
    return open_array(folder, "masks.npy", &masks, &dataset->masks_file, err);
}

gs_status gs_dataset_open(const char *folder, gs_dataset **out, gs_error *err) {
    gs_status status;
    char *path = gs_format("%s/dataset.json", folder);
    gs_dataset *dataset = gs_alloc(1, sizeof *dataset);
    if (!path || !dataset) {
        status = gs_fail(err, GS_OUT_OF_MEMORY, "no memory to open %s", folder);
        goto done;
    }
    status = gs__dataset_read_manifest(path, dataset, err);
    if (status == GS_OK) status = open_arrays(folder, dataset, err);
done:
    gs_free(path);
    if (status == GS_OK)
        *out = dataset;
    else
        gs_dataset_close(dataset);
    return status;
}

void gs_dataset_close(gs_dataset *dataset) {
    if (!dataset) return;
    if (dataset->images_file.bytes) munmap(dataset->images_file.bytes, dataset->images_file.size);
    if (dataset->masks_file.bytes) munmap(dataset->masks_file.bytes, dataset->masks_file.size);
    gs_free(dataset->slices);
    gs_free(dataset->mask_rows);
    gs_free(dataset->text);
    gs_free(dataset);
}

const gs_dataset_info *gs_dataset_get_info(const gs_dataset *dataset) {
    return &dataset->info;
}

size_t gs_dataset_count(const gs_dataset *dataset) {
    return dataset->count;
}

size_t gs_dataset_cases(const gs_dataset *dataset) {
    return dataset->cases;
}

const gs_dataset_slice *gs_dataset_get_slice(const gs_dataset *dataset, size_t i) {
    gs_assert(i < dataset->count);
    return &dataset->slices[i];
}

const float *gs_dataset_image(const gs_dataset *dataset, size_t i) {
    gs_assert(i < dataset->count);
    const gs_dataset_info *info = &dataset->info;
    const void *data = (const char *)dataset->images_file.bytes + dataset->images_file.data_offset;
    return (const float *)data +
           i * (size_t)info->channels * (size_t)info->height * (size_t)info->width;
}

const uint8_t *gs_dataset_mask(const gs_dataset *dataset, size_t i) {
    gs_assert(i < dataset->count);
    if (dataset->mask_rows[i] < 0) return NULL;
    const uint8_t *data =
        (const uint8_t *)dataset->masks_file.bytes + dataset->masks_file.data_offset;
    return data + (size_t)dataset->mask_rows[i] * (size_t)dataset->info.height *
                      (size_t)dataset->info.width;
}

gs_status gs_dataset_check_pixels(const gs_dataset *dataset, gs_error *err) {
    size_t area = (size_t)dataset->info.height * (size_t)dataset->info.width;
    size_t values = area * (size_t)dataset->info.channels;
    for (size_t i = 0; i < dataset->count; i++) {
        const float *image = gs_dataset_image(dataset, i);
        for (size_t k = 0; k < values; k++)
            if (!isfinite(image[k]))
                return gs_fail(err, GS_NUMERIC, "slice %zu (%s): pixel %zu is not a finite number",
                               i, dataset->slices[i].name, k);
        const uint8_t *mask = gs_dataset_mask(dataset, i);
        for (size_t k = 0; mask && k < area; k++)
            if (mask[k] != GS_MASK_BACKGROUND && mask[k] != GS_MASK_UNKNOWN &&
                mask[k] != GS_MASK_TARGET)
                return gs_fail(err, GS_UNUSABLE,
                               "slice %zu (%s): mask pixel %zu is %d, allowed are 0, 127 and 255",
                               i, dataset->slices[i].name, k, mask[k]);
    }
    return GS_OK;
}

gs_status gs_dataset_check_labels(const gs_dataset *dataset, gs_error *err) {
    size_t area = (size_t)dataset->info.height * (size_t)dataset->info.width;
    for (size_t i = 0; i < dataset->count; i++) {
        const uint8_t *mask = gs_dataset_mask(dataset, i);
        if (dataset->slices[i].label != GS_LABEL_ABSENCE || !mask) continue;
        if (memchr(mask, GS_MASK_TARGET, area))
            return gs_fail(err, GS_UNUSABLE,
                           "slice %zu (%s) is labelled absence, but its mask has target pixels", i,
                           dataset->slices[i].name);
    }
    return GS_OK;
}
