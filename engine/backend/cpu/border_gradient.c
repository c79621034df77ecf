/* Gradients of the border terms.
 *
 * Of each side the strips of all samples lie one behind the other, and so do the terms' gradients,
 * each sample's followed by as many zeros as its strip is longer: so a tap's part of either
 * gradient is one product for all samples, which reads or writes the weights once. */
#include "engine/backend/cpu/border.h"

#include <omp.h>
#include <string.h>

/* Scratch, of each side: strips and their gradient [N, 2·length + 4, C], terms [N, 2·length + 4,
 * O].
 */
typedef struct side_maps {
    float *strips, *gradient, *terms;
    int pixels; /* of all samples */
} side_maps;

typedef struct gradient_job {
    gs_border border;
    side_maps sides[GS_SIDES];
    size_t floats;
} gradient_job;

static int strip_pixels(const gs_border *f, int side) {
    return gs__border_side_length(f, side) + 2 * GS_BORDER_PAD;
}

static gradient_job job_of(const gs_node *node, float *scratch) {
    gradient_job job = {.border = gs__border_of(node->in[1]->shape, node->in[0]->shape)};
    for (int side = 0; side < GS_SIDES; side++) {
        side_maps *s = &job.sides[side];
        s->pixels = job.border.samples * strip_pixels(&job.border, side);
        size_t strips = (size_t)s->pixels * (size_t)job.border.channels;
        s->strips = scratch + job.floats;
        s->gradient = s->strips + strips;
        s->terms = s->gradient + strips;
        job.floats += 2 * strips + (size_t)s->pixels * (size_t)job.border.outputs;
    }
    return job;
}

gs_status gs__cpu_border_gradient_scratch(void *opaque, const gs_node *node, void **handle_out,
                                          size_t *scratch_bytes_out, gs_error *err) {
    (void)opaque, (void)handle_out, (void)err;
    float origin; /* only differences of addresses are used */
    *scratch_bytes_out = job_of(node, &origin).floats * sizeof(float);
    return GS_OK;
}

static void copy_terms(const gradient_job *job, const float *terms, int n, int side) {
    const gs_border *f = &job->border;
    size_t length = (size_t)gs__border_side_length(f, side) * (size_t)f->outputs;
    size_t zeros = 2 * GS_BORDER_PAD * (size_t)f->outputs;
    float *to = job->sides[side].terms + (size_t)n * (length + zeros);
    memcpy(to, terms + (size_t)n * f->terms + gs__border_side_start(f, side), length * sizeof *to);
    memset(to + length, 0, zeros * sizeof *to);
}

/* A strip's gradient: what a tap adds to it lies as many pixels further on as the tap. */
static void strips_gradient(const gradient_job *job, const float *weight, int side) {
    const gs_border *f = &job->border;
    const side_maps *s = &job->sides[side];
    int channels = f->channels, outputs = f->outputs, pixels = s->pixels - 2 * GS_BORDER_PAD;
    memset(s->gradient, 0, (size_t)s->pixels * (size_t)channels * sizeof *s->gradient);
    for (int t = 0; t < GS_BORDER_TAPS; t++) {
        const float *of_tap =
            weight + (size_t)(side * GS_BORDER_TAPS + t) * (size_t)channels * (size_t)outputs;
        dnnl_sgemm('N', 'T', pixels, channels, outputs, 1, s->terms, outputs, of_tap, outputs, 1,
                   s->gradient + (size_t)(t * channels), channels);
    }
}

/* The gradient of a tap's weights [C,O]. */
static void tap_gradient(const gradient_job *job, int side, int t, float *out) {
    const side_maps *s = &job->sides[side];
    int channels = job->border.channels, outputs = job->border.outputs;
    dnnl_sgemm('T', 'N', channels, outputs, s->pixels - 2 * GS_BORDER_PAD, 1,
               s->strips + (size_t)(t * channels), channels, s->terms, outputs, 0,
               out + (size_t)(side * GS_BORDER_TAPS + t) * (size_t)channels * (size_t)outputs,
               outputs);
}

GS_VECTORIZED static void spread_pixel(const float *restrict gradient, float *restrict plus,
                                       float *restrict minus, int channels) {
    for (int c = 0; c < channels; c++) {
        plus[c] += gradient[c];
        minus[c] -= gradient[c];
    }
}

/* The padded image's gradient from the strips'. */
static void image_gradient(const gradient_job *job, int n, float *image) {
    const gs_border *f = &job->border;
    memset(image, 0, f->image * sizeof *image);
    for (int side = 0; side < GS_SIDES; side++) {
        int pixels = strip_pixels(f, side);
        const float *gradient =
            job->sides[side].gradient + (size_t)(n * pixels) * (size_t)f->channels;
        for (int k = 0; k < pixels; k++, gradient += f->channels) {
            size_t plus, minus;
            gs__border_pair(f, side, k, &plus, &minus);
            spread_pixel(gradient, image + plus, image + minus, f->channels);
        }
    }
}

gs_status gs__cpu_border_gradient(const gs_run *run, const gs_node *node, void *handle,
                                  gs_error *err) {
    (void)handle, (void)err;
    gradient_job job = job_of(node, run->scratch);
    const gs_border *f = &job.border;
    const float *terms = gs_run_pointer(run, node->in[0]);
    gs_border_map x = gs__border_map(run, node->in[1]);
    const float *weight = gs_run_pointer(run, node->in[2]);
    float *dx = gs_run_pointer(run, node->out[0]), *dw = gs_run_pointer(run, node->out[1]);
    int taps = GS_SIDES * GS_BORDER_TAPS;
    /* Sides differ in length: taken in turns. */
#pragma omp parallel
    {
#pragma omp for schedule(static, 1)
        for (int i = 0; i < f->samples * GS_SIDES; i++) {
            int n = i / GS_SIDES, side = i % GS_SIDES;
            size_t from = (size_t)(n * strip_pixels(f, side)) * (size_t)f->channels;
            copy_terms(&job, terms, n, side);
            if (dw) gs__border_strip(f, x, n, side, job.sides[side].strips + from);
        }
#pragma omp for schedule(static, 1) nowait
        for (int i = 0; i < (dw ? taps : 0); i++)
            tap_gradient(&job, i % GS_SIDES, i / GS_SIDES, dw);
#pragma omp for schedule(static, 1)
        for (int side = 0; side < (dx ? GS_SIDES : 0); side++) strips_gradient(&job, weight, side);
#pragma omp for schedule(static)
        for (int n = 0; n < (dx ? f->samples : 0); n++)
            image_gradient(&job, n, dx + (size_t)n * f->image);
    }
    return GS_OK;
}
