/* Owns the only use of libpng, its setjmp and its memory. Must not know what the samples mean.
 *
 * libpng reports an error by calling on_error, which must not return: it jumps back to run_job.
 * Everything that must be released lives in the png_job, never in a local variable of a function
 * that is jumped over. A job belongs to one thread. */
#include "engine/image/png_io.h"

#include "base/memory.h"

#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

/* More than the largest image we write needs, uncompressed: 4096 rows of 16 bits. */
#define MAX_WRITTEN_BYTES ((size_t)48 << 20)
_Static_assert((size_t)GS_MAX_SIDE *(GS_MAX_SIDE + 1) * 2 < MAX_WRITTEN_BYTES, "fits any image");

typedef struct png_job {
    jmp_buf escape;
    gs_status status; /* why the job stopped; GS_OK while it has not */
    char text[120];
    size_t library_bytes; /* asked for by libpng so far */

    png_structp png;
    png_infop info;
    uint8_t *row;

    const uint8_t *in; /* reading: the file, and how far it was read */
    size_t in_size, in_at;
    const gs_png_header *header;
    gs_png_take_row *take;
    void *take_context;

    char *out; /* writing: what was written */
    size_t out_size, out_capacity;
    const gs_png_options *options;
    int bits;
    gs_png_give_row *give;
    const void *give_context;
} png_job;

/* ---- what libpng calls ---- */

_Noreturn static void stop(png_job *job, gs_status status, const char *text) {
    if (job->status == GS_OK) { /* the cause was noted before libpng complained about the effect */
        job->status = status;
        snprintf(job->text, sizeof job->text, "%s", text);
    }
    longjmp(job->escape, 1);
}

_Noreturn static void on_error(png_structp png, png_const_charp text) {
    stop(png_get_error_ptr(png), GS_MALFORMED, text);
}

/* What libpng merely warns of does not change the samples. */
static void on_warning(png_structp png, png_const_charp text) {
    (void)png, (void)text;
}

static png_voidp on_alloc(png_structp png, png_alloc_size_t size) {
    png_job *job = png_get_mem_ptr(png);
    if (size > GS_PNG_MAX_LIBRARY_BYTES - job->library_bytes) {
        job->status = GS_TOO_LARGE;
        snprintf(job->text, sizeof job->text, "it needs too much memory to decode");
        return NULL;
    }
    job->library_bytes += size;
    void *memory = gs_alloc(size, 1);
    if (!memory) {
        job->status = GS_OUT_OF_MEMORY;
        snprintf(job->text, sizeof job->text, "no memory for %zu bytes", (size_t)size);
    }
    return memory;
}

static void on_free(png_structp png, png_voidp memory) {
    (void)png;
    gs_free(memory);
}

static void on_read(png_structp png, png_bytep bytes, size_t size) {
    png_job *job = png_get_io_ptr(png);
    if (size > job->in_size - job->in_at) stop(job, GS_MALFORMED, "the file is truncated");
    memcpy(bytes, job->in + job->in_at, size);
    job->in_at += size;
}

static void on_write(png_structp png, png_bytep bytes, size_t size) {
    png_job *job = png_get_io_ptr(png);
    if (size > MAX_WRITTEN_BYTES - job->out_size) stop(job, GS_TOO_LARGE, "too large a file");
    if (size > job->out_capacity - job->out_size) {
        const size_t capacity = 2 * job->out_size + size + 1024;
        char *grown = gs_resize(job->out, capacity, 1);
        if (!grown) stop(job, GS_OUT_OF_MEMORY, "no memory for the file");
        job->out = grown;
        job->out_capacity = capacity;
    }
    memcpy(job->out + job->out_size, bytes, size);
    job->out_size += size;
}

static void on_flush(png_structp png) {
    (void)png;
}

/* ---- jobs ---- */

/* Runs `body` until it returns or libpng jumps back here; fills *err. */
static gs_status run_job(png_job *job, void (*body)(png_job *job), gs_error *err) {
    if (setjmp(job->escape) == 0) body(job);
    return job->status == GS_OK ? GS_OK : gs_fail(err, job->status, "PNG: %s", job->text);
}

static void make_row(png_job *job, size_t size) {
    job->info = png_create_info_struct(job->png);
    job->row = gs_alloc(size, 1);
    if (!job->info || !job->row) stop(job, GS_OUT_OF_MEMORY, "no memory for a row");
}

static void read_body(png_job *job) {
    const gs_png_header *header = job->header;
    const size_t row_size =
        (size_t)header->width * (size_t)header->channels * (size_t)(header->bits / 8);
    job->png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, job, on_error, on_warning, job,
                                        on_alloc, on_free);
    if (!job->png) stop(job, GS_OUT_OF_MEMORY, "no memory for the decoder");
    make_row(job, row_size);
    png_set_read_fn(job->png, job, on_read);
    png_set_user_limits(job->png, GS_MAX_SIDE, GS_MAX_SIDE);
    /* What is not needed for the samples is skipped unread, whatever its size. */
    png_set_keep_unknown_chunks(job->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_set_benign_errors(job->png, 0);
    png_read_info(job->png, job->info);
    if (png_get_rowbytes(job->png, job->info) != row_size)
        stop(job, GS_INTERNAL, "libpng has another idea of a row's size");
    for (int y = 0; y < header->height; y++) {
        png_read_row(job->png, job->row, NULL);
        job->take(job->take_context, y, job->row);
    }
    png_read_end(job->png, NULL);
}

gs_status gs__png_read(const char *bytes, size_t size, const gs_png_header *header,
                       gs_png_take_row *take, void *context, gs_error *err) {
    png_job job = {.in = (const uint8_t *)bytes,
                   .in_size = size,
                   .header = header,
                   .take = take,
                   .take_context = context};
    gs_status status = run_job(&job, read_body, err);
    png_destroy_read_struct(&job.png, &job.info, NULL);
    gs_free(job.row);
    return status;
}

static void write_texts(png_job *job) {
    for (size_t i = 0; i < job->options->text_count; i++) {
        const gs_png_text *from = &job->options->texts[i];
        png_text text = {.compression = PNG_TEXT_COMPRESSION_NONE,
                         .key = (char *)from->key, /* libpng copies both */
                         .text = (char *)from->value,
                         .text_length = strlen(from->value)};
        png_set_text(job->png, job->info, &text, 1);
    }
}

static void write_body(png_job *job) {
    const gs_png_options *options = job->options;
    job->png = png_create_write_struct_2(PNG_LIBPNG_VER_STRING, job, on_error, on_warning, job,
                                         on_alloc, on_free);
    if (!job->png) stop(job, GS_OUT_OF_MEMORY, "no memory for the encoder");
    make_row(job, (size_t)options->width * (size_t)(job->bits / 8));
    png_set_write_fn(job->png, job, on_write, on_flush);
    png_set_benign_errors(job->png, 0);
    png_set_IHDR(job->png, job->info, (png_uint_32)options->width, (png_uint_32)options->height,
                 job->bits, PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    write_texts(job);
    png_write_info(job->png, job->info);
    for (int y = 0; y < options->height; y++) {
        job->give(job->give_context, y, job->row);
        png_write_row(job->png, job->row);
    }
    png_write_end(job->png, NULL);
}

gs_status gs__png_write(const gs_png_options *options, int bits, gs_png_give_row *give,
                        const void *context, char **bytes_out, size_t *size_out, gs_error *err) {
    png_job job = {.options = options, .bits = bits, .give = give, .give_context = context};
    gs_status status = run_job(&job, write_body, err);
    png_destroy_write_struct(&job.png, &job.info);
    gs_free(job.row);
    if (status != GS_OK) {
        gs_free(job.out);
        return status;
    }
    *bytes_out = job.out;
    *size_out = job.out_size;
    return GS_OK;
}
