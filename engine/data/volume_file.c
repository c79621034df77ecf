/* Owns volumes in files: taking them in and reading planes. Must not know what they show. */
#include "engine/data/volume_file.h"

#include "base/file.h"
#include "base/memory.h"
#include "engine/data/volume_file_internal.h"
#include "engine/image/nifti_stream.h"

#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK_BYTES = 1 << 20 };

/* ---- headers ---- */

/* dim: number of dimensions, then nx, ny, nz, …; those beyond the number are not set. */
static gs_status check_dimensions(const nifti_1_header *header, size_t max_voxels, int sides[3],
                                  gs_error *err) {
    const short *dim = header->dim;
    if (dim[0] < 1 || dim[0] > 7)
        return gs_fail(err, GS_MALFORMED, "a NIfTI file of %d dimensions", dim[0]);
    for (int i = 4; i <= dim[0]; i++)
        if (dim[i] != 1)
            return gs_fail(err, GS_UNSUPPORTED,
                           "dimension %d of the NIfTI file is %d; a volume has three, and every "
                           "channel is a file of its own",
                           i, dim[i]);
    size_t count = 1;
    for (int k = 0; k < 3; k++) {
        sides[k] = k < dim[0] ? dim[k + 1] : 1;
        if (sides[k] < 1)
            return gs_fail(err, GS_MALFORMED, "dimension %d of the NIfTI file is %d", k + 1,
                           sides[k]);
        if (sides[k] > GS_VOLUME_MAX_SIDE)
            return gs_fail(err, GS_TOO_LARGE, "dimension %d of the NIfTI file is %d, at most %d",
                           k + 1, sides[k], GS_VOLUME_MAX_SIDE);
        count *= (size_t)sides[k]; /* at most 2^30 */
    }
    if (count > max_voxels)
        return gs_fail(err, GS_TOO_LARGE, "a volume of %zu voxels, the limit is %zu", count,
                       max_voxels);
    return GS_OK;
}

/* libnifti takes a pixdim that is no number, or 0, for 1. */
static float spacing_of(const nifti_1_header *header, int k) {
    float spacing = header->pixdim[k + 1];
    return isfinite(spacing) && spacing != 0 ? spacing : 1;
}

static gs_status read_geometry(const nifti_1_header *header, const int sides[3],
                               gs_volume_file *file, gs_error *err) {
    const float spacings[3] = {spacing_of(header, 0), spacing_of(header, 1), spacing_of(header, 2)};
    gs__nifti_orientation o = gs__nifti_orientation_of_header(header);
    if (!gs__nifti_orientation_is_complete(&o))
        return gs_fail(err, GS_MALFORMED, "the NIfTI header's orientation is degenerate");
    gs__volume_grid(&o, sides, spacings, XYZT_TO_SPACE(header->xyzt_units), &file->grid);
    file->order = gs__volume_order(&o, sides);
    for (int k = 0; k < 3; k++) {
        double spacing = file->grid.spacing_mm[k];
        if (!(spacing >= GS__VOLUME_MIN_SPACING_MM && spacing <= GS__VOLUME_MAX_SPACING_MM))
            return gs_fail(err, GS_UNUSABLE, "a voxel spacing of %g mm, allowed are %g to %g",
                           spacing, GS__VOLUME_MIN_SPACING_MM, GS__VOLUME_MAX_SPACING_MM);
        if (!isfinite(file->grid.origin_mm[k]))
            return gs_fail(err, GS_MALFORMED, "the NIfTI header's origin is not a number");
    }
    return GS_OK;
}

/* Everything of *file but its mapping, from the header as it stands in the file. */
static gs_status read_header(nifti_1_header header, size_t max_voxels, gs_volume_file *file,
                             gs_error *err) {
    bool swapped;
    int sides[3];
    GS_TRY(gs__nifti_order_header(&header, &swapped, err));
    GS_TRY(check_dimensions(&header, max_voxels, sides, err));
    GS_TRY(gs__nifti_check_storage(&header, err));
    GS_TRY(read_geometry(&header, sides, file, err));
    file->header = header;
    file->reader = gs__nifti_reader_of(&header, swapped);
    file->offset = (size_t)header.vox_offset;
    file->item = gs__nifti_voxel_size(header.datatype);
    file->size = file->offset + file->item * gs_volume_voxels(&file->grid);
    return GS_OK;
}

/* ---- taking in ---- */

/* What follows the header: `left` bytes, through a buffer. */
static gs_status copy_rest(gs__nifti_source *source, size_t left, int fd, const char *path,
                           gs_error *err) {
    char *chunk = gs_alloc(CHUNK_BYTES, 1);
    if (!chunk) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to read a volume");
    gs_status status = GS_OK;
    while (status == GS_OK && left > 0) {
        size_t step = left < CHUNK_BYTES ? left : CHUNK_BYTES;
        status = gs__nifti_source_read(source, chunk, step, "voxels", err);
        if (status == GS_OK) status = gs_file_write(fd, path, chunk, step, err);
        left -= step;
    }
    gs_free(chunk);
    return status;
}

static gs_status take(gs__nifti_source *source, size_t max_voxels, const char *path,
                      gs_error *err) {
    nifti_1_header header;
    gs_volume_file file = {0};
    GS_TRY(gs__nifti_source_read(source, &header, sizeof header, "header", err));
    GS_TRY(read_header(header, max_voxels, &file, err));
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) return gs_fail_errno(err, "cannot make %s", path);
    gs_status status = gs_file_write(fd, path, &header, sizeof header, err);
    if (status == GS_OK) status = copy_rest(source, file.size - sizeof header, fd, path, err);
    if (status == GS_OK) status = gs__nifti_source_finish(source, err);
    if (close(fd) != 0 && status == GS_OK) status = gs_fail_errno(err, "cannot close %s", path);
    if (status != GS_OK) unlink(path);
    return status;
}

gs_status gs_volume_file_take(const char *bytes, size_t size, size_t max_voxels, const char *path,
                              gs_error *err) {
    gs__nifti_source source;
    if (max_voxels > GS_VOLUME_MAX_VOXELS) max_voxels = GS_VOLUME_MAX_VOXELS;
    GS_TRY(gs__nifti_source_open(&source, bytes, size, err));
    gs_status status = take(&source, max_voxels, path, err);
    gs__nifti_source_close(&source);
    return status;
}

/* ---- reading ---- */

static gs_status map(int fd, const char *path, gs_volume_file *file, gs_error *err) {
    nifti_1_header header;
    struct stat info;
    if (pread(fd, &header, sizeof header, 0) != sizeof header)
        return gs_fail(err, GS_MALFORMED, "%s has no NIfTI header", path);
    GS_TRY(read_header(header, GS_VOLUME_MAX_VOXELS, file, err));
    if (fstat(fd, &info) != 0) return gs_fail_errno(err, "cannot stat %s", path);
    if ((size_t)info.st_size != file->size)
        return gs_fail(err, GS_MALFORMED, "%s has %lld bytes, its header speaks of %zu", path,
                       (long long)info.st_size, file->size);
    void *bytes = mmap(NULL, file->size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED) return gs_fail_errno(err, "cannot map %s", path);
    file->bytes = bytes;
    return GS_OK;
}

gs_status gs_volume_file_open(const char *path, gs_volume_file **out, gs_error *err) {
    gs_volume_file *file = gs_alloc(1, sizeof *file);
    if (!file) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a volume");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    gs_status status =
        fd < 0 ? gs_fail_errno(err, "cannot open %s", path) : map(fd, path, file, err);
    if (fd >= 0) close(fd);
    if (status == GS_OK)
        *out = file;
    else
        gs_free(file);
    return status;
}

void gs_volume_file_close(gs_volume_file *file) {
    if (!file) return;
    munmap((void *)file->bytes, file->size);
    gs_free(file);
}

const gs_volume *gs_volume_file_grid(const gs_volume_file *file) {
    return &file->grid;
}

/* Numbers of a type that the file keeps in this machine's byte order, `step` voxels apart. */
#define READ_ROW(type)                                                                             \
    do {                                                                                           \
        for (int x = 0; x < count; x++, from += stride) {                                          \
            type stored;                                                                           \
            memcpy(&stored, from, sizeof stored);                                                  \
            to[x] = (float)(slope * (double)stored + intercept);                                   \
        }                                                                                          \
    } while (0)

/* A row, one voxel every `step` of the file's. */
static void read_row(const gs_volume_file *file, const uint8_t *from, ptrdiff_t step, int count,
                     float *to) {
    const gs__nifti_reader *reader = &file->reader;
    const double slope = reader->slope, intercept = reader->intercept;
    const ptrdiff_t stride = step * (ptrdiff_t)file->item;
    if (!reader->swapped && reader->datatype == DT_INT16) {
        READ_ROW(int16_t);
    } else if (!reader->swapped && reader->datatype == DT_UINT16) {
        READ_ROW(uint16_t);
    } else if (!reader->swapped && reader->datatype == DT_FLOAT32) {
        READ_ROW(float);
    } else if (reader->datatype == DT_UINT8) {
        READ_ROW(uint8_t);
    } else {
        for (int x = 0; x < count; x++, from += stride)
            to[x] = (float)(slope * gs__nifti_read_voxel(reader, from) + intercept);
    }
}

/* A number beyond float32 has become infinite. */
static gs_status check_finite(const gs_volume_file *file, int level, const float *plane,
                              gs_error *err) {
    const int *side = file->grid.side;
    bool is_finite = true;
    for (int i = 0; i < side[0] * side[1]; i++) is_finite = is_finite && isfinite(plane[i]);
    if (is_finite) return GS_OK;
    int i = 0;
    while (isfinite(plane[i])) i++;
    return gs_fail(err, GS_NUMERIC, "the voxel at %d, %d, %d is not a finite number", i % side[0],
                   i / side[0], level);
}

gs_status gs_volume_file_read(const gs_volume_file *file, int level, float *plane, gs_error *err) {
    const int *side = file->grid.side;
    const gs__voxel_order *order = &file->order;
    gs_assert(level >= 0 && level < side[2]);
    for (int y = 0; y < side[1]; y++) {
        ptrdiff_t at = order->first + y * order->step[1] + level * order->step[2];
        read_row(file, file->bytes + file->offset + at * (ptrdiff_t)file->item, order->step[0],
                 side[0], plane + (ptrdiff_t)y * side[0]);
    }
    return check_finite(file, level, plane, err);
}

void gs_volume_file_rest(const gs_volume_file *file) {
    madvise((void *)file->bytes, file->size, MADV_DONTNEED); /* a refusal costs memory only */
}
