/* Spectral norm: one power iteration, the effective weight, and its gradient. */
#include "engine/backend/cuda/kernels/channels.h"

/* ---- t = Wᵀ u, and its norm ----------------------------------------------------------------- */

/* A block has some rows of some columns; … */
typedef struct project_job {
    gs_cut cut;
    const float *w, *u;
    double *partial; /* [chunks][columns] */
} project_job;

GS_KERNEL project_kernel(project_job j) {
    GS_SHARED(double, sums, BLOCK);
    gs_chunk chunk = gs__chunk(j.cut);
    GS_PHASE () {
        if (!gs__has_column(j.cut, chunk)) continue;
        size_t c = gs__column(j.cut, chunk);
        float total = 0;
        for (size_t r = chunk.from + (size_t)gs__lane(j.cut); r < chunk.to;
             r += (size_t)j.cut.lanes)
            total += j.w[r * j.cut.columns + c] * j.u[r];
        sums[gs__thread()] = (double)total;
    }
    gs__add_lanes(j.cut, sums);
    GS_PHASE () {
        if (gs__lane(j.cut) != 0 || !gs__has_column(j.cut, chunk)) continue;
        j.partial[chunk.chunk * j.cut.columns + gs__column(j.cut, chunk)] = sums[gs__thread()];
    }
}

/* … then a block has BLOCK columns, and the squares of what it made are summed for the norm. */
typedef struct join_job {
    const double *partial;
    size_t chunks, columns;
    float *t;        /* [columns] */
    double *squares; /* [blocks] */
} join_job;

GS_KERNEL join_kernel(join_job j) {
    GS_SHARED(double, squares, BLOCK);
    GS_PHASE () {
        size_t c = gs__block() * BLOCK + (size_t)gs__thread();
        double total = 0;
        for (size_t k = 0; c < j.columns && k < j.chunks; k++)
            total += j.partial[k * j.columns + c];
        if (c < j.columns) j.t[c] = (float)total;
        squares[gs__thread()] = total * total;
    }
    gs__add_up(squares);
    GS_PHASE () {
        if (gs__thread() == 0) j.squares[gs__block()] = squares[0];
    }
}

/* torch.nn.functional.normalize with eps = 1e-12. */
GS_DEVICE float inverse_norm(double squares) {
    double norm = sqrt(squares);
    return (float)(1 / (norm < 1e-12 ? 1e-12 : norm));
}

/* Leaves Σ values[0 … count-1] in sums[0]; sums [BLOCK] are the block's. */
GS_DEVICE void total_of(const double *values, size_t count, double *sums) {
    GS_PHASE () {
        double total = 0;
        for (size_t i = (size_t)gs__thread(); i < count; i += BLOCK) total += values[i];
        sums[gs__thread()] = total;
    }
    gs__add_up(sums);
}

/* ---- y = W v, v = t / ‖t‖ ------------------------------------------------------------------- */

/* A block for each row. The first writes v where it is wanted. */
typedef struct multiply_job {
    gs_cuda_matrix w;
    const float *t;
    const double *squares;
    size_t square_count;
    float *y; /* [rows] */
    float *v; /* [columns], or NULL */
} multiply_job;

GS_KERNEL multiply_kernel(multiply_job j) {
    GS_SHARED(double, sums, BLOCK);
    GS_SHARED(float, inverse, 1);
    total_of(j.squares, j.square_count, sums);
    GS_PHASE () {
        if (gs__thread() == 0) inverse[0] = inverse_norm(sums[0]);
    }
    GS_PHASE () {
        const float *row = j.w.values + gs__block() * (size_t)j.w.columns;
        double total = 0;
        for (int c = gs__thread(); c < j.w.columns; c += BLOCK) {
            float v = j.t[c] * inverse[0];
            total += (double)(row[c] * v);
            if (j.v && gs__block() == 0) j.v[c] = v;
        }
        sums[gs__thread()] = total;
    }
    gs__add_up(sums);
    GS_PHASE () {
        if (gs__thread() == 0) j.y[gs__block()] = (float)sums[0];
    }
}

/* ---- Both together -------------------------------------------------------------------------- */

/* Scratch: partial sums of t, the squares' sums, t, and y. */
typedef struct layout {
    gs_cut cut;
    size_t blocks, bytes;
    double *partial, *squares;
    float *t, *y;
} layout;

static layout layout_of(int rows, int columns, void *scratch) {
    const size_t rows_of_thread = 16;
    layout l = {gs__cut(1, (size_t)rows, (size_t)columns, rows_of_thread),
                gs__pieces((size_t)columns, BLOCK),
                0,
                (double *)scratch,
                NULL,
                NULL,
                NULL};
    size_t doubles = l.cut.chunks * l.cut.columns + l.blocks;
    l.bytes = doubles * sizeof(double) + (l.cut.rows + l.cut.columns) * sizeof(float);
    if (!scratch) return l;
    l.squares = l.partial + l.cut.chunks * l.cut.columns;
    l.t = (float *)(l.squares + l.blocks);
    l.y = l.t + columns;
    return l;
}

size_t gs__cuda_spectral_scratch(int rows, int columns) {
    return layout_of(rows, columns, NULL).bytes;
}

/* Leaves y = W v. */
static gs_cuda_status multiply(gs_cuda_stream stream, gs_cuda_matrix w, const float *u, float *v,
                               const layout *l) {
    project_job project = {l->cut, w.values, u, l->partial};
    GS_CUDA_TRY(GS_LAUNCH(stream, project_kernel, gs__cut_blocks(&l->cut), project));
    join_job join = {l->partial, l->cut.chunks, l->cut.columns, l->t, l->squares};
    GS_CUDA_TRY(GS_LAUNCH(stream, join_kernel, l->blocks, join));
    multiply_job product = {w, l->t, l->squares, l->blocks, l->y, v};
    return GS_LAUNCH(stream, multiply_kernel, (size_t)w.rows, product);
}

/* One block. */
typedef struct normalize_job {
    const float *y;
    int rows;
    float *u;
} normalize_job;

GS_KERNEL normalize_kernel(normalize_job j) {
    GS_SHARED(double, sums, BLOCK);
    GS_PHASE () {
        double total = 0;
        for (int r = gs__thread(); r < j.rows; r += BLOCK) total += (double)j.y[r] * (double)j.y[r];
        sums[gs__thread()] = total;
    }
    gs__add_up(sums);
    GS_PHASE () {
        float inverse = inverse_norm(sums[0]);
        for (int r = gs__thread(); r < j.rows; r += BLOCK) j.u[r] = j.y[r] * inverse;
    }
}

gs_cuda_status gs__cuda_power_iteration(gs_cuda_stream stream, gs_cuda_matrix w, float *u,
                                        void *scratch) {
    layout l = layout_of(w.rows, w.columns, scratch);
    GS_CUDA_TRY(multiply(stream, w, u, NULL, &l));
    normalize_job job = {l.y, w.rows, u};
    return GS_LAUNCH(stream, normalize_kernel, 1, job);
}

/* Every block computes σ = u · y. */
typedef struct scale_job {
    gs_cuda_effective_weight p;
    const float *y;
    size_t count;
} scale_job;

GS_KERNEL scale_kernel(scale_job j) {
    GS_SHARED(double, sums, BLOCK);
    GS_PHASE () {
        double total = 0;
        for (int r = gs__thread(); r < j.p.w.rows; r += BLOCK) total += (double)(j.p.u[r] * j.y[r]);
        sums[gs__thread()] = total;
    }
    gs__add_up(sums);
    const float inverse = (float)(1 / sums[0]);
    GS_ELEMENTS (i, j.count) {
        j.p.out[i] = j.p.w.values[i] * inverse;
        if (i == 0) j.p.v[j.p.w.columns] = inverse;
    }
}

gs_cuda_status gs__cuda_effective_weight(gs_cuda_stream stream, const gs_cuda_effective_weight *p,
                                         void *scratch) {
    layout l = layout_of(p->w.rows, p->w.columns, scratch);
    GS_CUDA_TRY(multiply(stream, p->w, p->u, p->v, &l));
    scale_job job = {*p, l.y, (size_t)p->w.rows * (size_t)p->w.columns};
    return GS_LAUNCH(stream, scale_kernel, gs__partials_of(job.count), job);
}

/* ---- Gradient ------------------------------------------------------------------------------- */

typedef struct gradient_job {
    gs_cuda_effective_weight_gradient p;
    gs_divider columns;
    size_t count, blocks;
    double *along; /* [blocks]: Σ dŴ ⊙ W */
} gradient_job;

GS_KERNEL along_kernel(gradient_job j) {
    GS_SHARED(double, sums, BLOCK);
    GS_PHASE () {
        double total = 0;
        for (size_t i = gs__block() * BLOCK + (size_t)gs__thread(); i < j.count;
             i += gs__blocks() * BLOCK)
            total += (double)(j.p.gradient[i] * j.p.w.values[i]);
        sums[gs__thread()] = total;
    }
    gs__add_up(sums);
    GS_PHASE () {
        if (gs__thread() == 0) j.along[gs__block()] = sums[0];
    }
}

GS_KERNEL gradient_kernel(gradient_job j) {
    GS_SHARED(double, sums, BLOCK);
    total_of(j.along, j.blocks, sums);
    const float inverse = j.p.v[j.p.w.columns], scale = (float)sums[0] * inverse * inverse;
    GS_ELEMENTS (i, j.count) {
        size_t c = i, r = gs__split(&c, j.columns);
        j.p.out[i] = j.p.gradient[i] * inverse - scale * j.p.u[r] * j.p.v[c];
    }
}

size_t gs__cuda_effective_weight_gradient_scratch(int rows, int columns) {
    return gs__partials_of((size_t)rows * (size_t)columns) * sizeof(double);
}

gs_cuda_status gs__cuda_effective_weight_gradient(gs_cuda_stream stream,
                                                  const gs_cuda_effective_weight_gradient *p,
                                                  void *scratch) {
    size_t count = (size_t)p->w.rows * (size_t)p->w.columns, blocks = gs__partials_of(count);
    gradient_job job = {*p, gs__divider(p->w.columns), count, blocks, (double *)scratch};
    GS_CUDA_TRY(GS_LAUNCH(stream, along_kernel, blocks, job));
    return GS_LAUNCH(stream, gradient_kernel, blocks, job);
}
