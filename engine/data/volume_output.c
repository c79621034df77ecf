/* Owns the writing of volumes that have another's geometry. Must not know what they show.
 *
 * Threads: one compresses what the caller has put, as far as it lies at the start of the file,
 * where it does not change any more; `ready` says how far that is. Levels that come in another
 * order than the file's wait for the end. */
#include "engine/data/volume_file_internal.h"

#include "base/file.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

enum {
    VOXELS_FROM = 352,
    CHUNK_BYTES = 1 << 20,
    LEVELS_AT_REST = 16 /* after so many, written pages are given back */
};

struct gs_volume_output {
    const gs_volume_file *like;
    gs_output_type type;
    nifti_1_header header;
    char *path, *raw_path; /* owned */
    uint8_t *voxels;       /* mapped, in the order of `like` */
    size_t item, size;     /* bytes: of a voxel, of all */
    int put, next;         /* levels; the one that follows those that lie at the start */
    pthread_t thread;
    bool is_running;  /* the thread is to be joined */
    gs_status status; /* the thread's, once it was joined */
    gs_error error;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    size_t ready;     /* guarded by mutex: bytes of voxels */
    bool is_given_up; /* guarded by mutex */
};

static void describe(nifti_1_header *header, const char *description) {
    memset(header->descrip, 0, sizeof header->descrip);
    snprintf(header->descrip, sizeof header->descrip, "%s", description);
}

/* What is the patient's in the copied header goes: texts that the input's maker wrote. */
static nifti_1_header make_header(const gs_volume_file *like, const gs_output_form *form) {
    nifti_1_header header = like->header;
    bool is_uint8 = form->type == GS_OUTPUT_UINT8;
    header.datatype = is_uint8 ? DT_UINT8 : DT_FLOAT32;
    header.bitpix = is_uint8 ? 8 : 32;
    header.vox_offset = VOXELS_FROM;
    header.scl_slope = 1;
    header.scl_inter = 0;
    header.cal_min = header.cal_max = 0;
    header.intent_code = is_uint8 ? NIFTI_INTENT_LABEL : NIFTI_INTENT_ESTIMATE;
    header.intent_p1 = header.intent_p2 = header.intent_p3 = 0;
    memset(header.intent_name, 0, sizeof header.intent_name);
    if (form->origin == GS_OUTPUT_GENERATED)
        snprintf(header.intent_name, sizeof header.intent_name, "generated");
    memset(header.data_type, 0, sizeof header.data_type);
    memset(header.aux_file, 0, sizeof header.aux_file);
    memset(header.db_name, 0, sizeof header.db_name);
    describe(&header, form->description);
    return header;
}

/* A page of a mapped file that the disk has no room for would end the process: it is reserved. */
static gs_status map_raw(gs_volume_output *output, gs_error *err) {
    int fd = open(output->raw_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) return gs_fail_errno(err, "cannot make %s", output->raw_path);
    gs_status status = GS_OK;
    errno = posix_fallocate(fd, 0, (off_t)output->size);
    if (errno != 0) status = gs_fail_errno(err, "no room for %s", output->raw_path);
    void *voxels = MAP_FAILED;
    if (status == GS_OK)
        voxels = mmap(NULL, output->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (status == GS_OK && voxels == MAP_FAILED)
        status = gs_fail_errno(err, "cannot map %s", output->raw_path);
    close(fd);
    if (status != GS_OK)
        unlink(output->raw_path);
    else
        output->voxels = voxels;
    return status;
}

gs_status gs_volume_output_open(const gs_volume_file *like, const gs_output_form *form,
                                const char *path, gs_volume_output **out, gs_error *err) {
    gs_volume_output *output = gs_alloc(1, sizeof *output);
    if (!output) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a volume");
    pthread_mutex_init(&output->mutex, NULL);
    pthread_cond_init(&output->changed, NULL);
    output->like = like;
    output->type = form->type;
    output->header = make_header(like, form);
    output->item = form->type == GS_OUTPUT_UINT8 ? 1 : sizeof(float);
    output->size = output->item * gs_volume_voxels(&like->grid);
    output->path = gs_copy_string(path);
    output->raw_path = gs_format("%s.raw", path);
    gs_status status = output->path && output->raw_path
                           ? map_raw(output, err)
                           : gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a path");
    if (status != GS_OK) {
        gs_volume_output_close(output);
        return status;
    }
    *out = output;
    return GS_OK;
}

/* ==== Putting ==== */

static uint8_t whole(float value) {
    if (!(value > 0)) return 0;
    return value < UINT8_MAX ? (uint8_t)(value + 0.5f) : UINT8_MAX;
}

static void put_row(const gs_volume_output *output, const float *row, uint8_t *to, ptrdiff_t step) {
    const ptrdiff_t stride = step * (ptrdiff_t)output->item;
    int count = output->like->grid.side[0];
    if (output->type == GS_OUTPUT_UINT8) {
        for (int x = 0; x < count; x++, to += stride) *to = whole(row[x]);
    } else if (step == 1) {
        memcpy(to, row, (size_t)count * sizeof *row);
    } else {
        for (int x = 0; x < count; x++, to += stride) memcpy(to, &row[x], sizeof row[x]);
    }
}

/* Bytes before `bytes` stay as they are. */
static void set_ready(gs_volume_output *output, size_t bytes) {
    pthread_mutex_lock(&output->mutex);
    output->ready = bytes;
    pthread_cond_signal(&output->changed);
    pthread_mutex_unlock(&output->mutex);
}

void gs_volume_output_put(gs_volume_output *output, int level, const float *plane) {
    const int *side = output->like->grid.side;
    const gs__voxel_order *order = &output->like->order;
    const ptrdiff_t area = (ptrdiff_t)side[0] * side[1];
    gs_assert(level >= 0 && level < side[2]);
    for (int y = 0; y < side[1]; y++) {
        ptrdiff_t at = order->first + y * order->step[1] + level * order->step[2];
        put_row(output, plane + (ptrdiff_t)y * side[0],
                output->voxels + at * (ptrdiff_t)output->item, order->step[0]);
    }
    if (++output->put % LEVELS_AT_REST == 0)
        madvise(output->voxels, output->size, MADV_DONTNEED); /* the file keeps them */
    if (level != output->next || order->step[2] != area) return;
    output->next++;
    set_ready(output, (size_t)(output->next * area) * output->item);
}

void gs_volume_output_set_description(gs_volume_output *output, const char *description) {
    gs_assert(!output->is_running);
    describe(&output->header, description);
}

/* ==== Compressing ==== */

/* Waits for bytes beyond `at`; how many there are, 0 when none are wanted any more. */
static size_t wait_for(gs_volume_output *output, size_t at) {
    pthread_mutex_lock(&output->mutex);
    while (output->ready <= at && !output->is_given_up)
        pthread_cond_wait(&output->changed, &output->mutex);
    size_t ready = output->is_given_up ? at : output->ready;
    pthread_mutex_unlock(&output->mutex);
    return ready - at;
}

/* The fastest level; of probabilities and images, which are noise to a compressor, only runs are
 * looked for: the background. */
static gs_status write_gzip(gs_volume_output *output, gs_error *err) {
    const char extension[VOXELS_FROM - sizeof output->header] = {0};
    errno = 0;
    gzFile file = gzopen(output->path, output->type == GS_OUTPUT_UINT8 ? "wbe1" : "wbe1R");
    if (!file) return gs_fail_errno(err, "cannot make %s", output->path);
    size_t head = sizeof output->header;
    bool is_written = gzfwrite(&output->header, 1, head, file) == head &&
                      gzfwrite(extension, 1, sizeof extension, file) == sizeof extension;
    for (size_t at = 0, step; is_written && at < output->size; at += step) {
        step = wait_for(output, at);
        if (step == 0) break;
        if (step > CHUNK_BYTES) step = CHUNK_BYTES;
        is_written = gzfwrite(output->voxels + at, 1, step, file) == step;
    }
    gs_status status = is_written ? GS_OK : gs_fail_errno(err, "cannot write %s", output->path);
    errno = 0;
    if (gzclose(file) != Z_OK && status == GS_OK)
        status = gs_fail_errno(err, "cannot write %s", output->path);
    if (status == GS_OK) status = gs_file_sync(output->path, err);
    if (status != GS_OK) unlink(output->path);
    return status;
}

static void *compress_all(void *argument) {
    gs_volume_output *output = argument;
    output->status = write_gzip(output, &output->error);
    return NULL;
}

gs_status gs_volume_output_start(gs_volume_output *output, gs_error *err) {
    errno = pthread_create(&output->thread, NULL, compress_all, output);
    if (errno != 0) return gs_fail_errno(err, "cannot start a thread for %s", output->path);
    output->is_running = true;
    return GS_OK;
}

gs_status gs_volume_output_finish(gs_volume_output *output, gs_error *err) {
    set_ready(output, output->size);
    if (!output->is_running) return write_gzip(output, err);
    pthread_join(output->thread, NULL);
    output->is_running = false;
    return output->status == GS_OK ? GS_OK : gs_fail(err, output->status, "%s", output->error.text);
}

/* Of a volume that is not to be finished, too. */
static void stop_compressing(gs_volume_output *output) {
    if (!output->is_running) return;
    pthread_mutex_lock(&output->mutex);
    output->is_given_up = true;
    pthread_cond_signal(&output->changed);
    pthread_mutex_unlock(&output->mutex);
    pthread_join(output->thread, NULL);
    unlink(output->path);
}

void gs_volume_output_close(gs_volume_output *output) {
    if (!output) return;
    stop_compressing(output);
    if (output->voxels) {
        munmap(output->voxels, output->size);
        unlink(output->raw_path);
    }
    pthread_cond_destroy(&output->changed);
    pthread_mutex_destroy(&output->mutex);
    gs_free(output->path);
    gs_free(output->raw_path);
    gs_free(output);
}
