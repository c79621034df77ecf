/* A smooth displacement of the plane: vectors at the points of a 3×3 grid over an image - corners,
 * middles of the sides, centre - and the interpolating cubic B-spline between them. */
#ifndef GS_ENGINE_TRAIN_SPLINE_WARP_H
#define GS_ENGINE_TRAIN_SPLINE_WARP_H

enum { GS_WARP_GRID = 3 };

typedef struct gs_spline_warp {
    double y[GS_WARP_GRID][GS_WARP_GRID], x[GS_WARP_GRID][GS_WARP_GRID]; /* coefficients */
} gs_spline_warp;

/* y, x: displacements in pixels at the grid's points, row by row. */
void gs_spline_warp_init(gs_spline_warp *warp, const double y[GS_WARP_GRID][GS_WARP_GRID],
                         const double x[GS_WARP_GRID][GS_WARP_GRID]);

/* Of the coefficients along one side at one pixel. */
typedef double gs_warp_weights[GS_WARP_GRID];

/* Those of all `size` pixels of a side: once per image, not per pixel. */
void gs_spline_warp_weights(int size, gs_warp_weights *out);

/* The displacement at the pixel of these weights. */
static inline void gs_spline_warp_at(const gs_spline_warp *warp, const gs_warp_weights row,
                                     const gs_warp_weights column, double *dy_out, double *dx_out) {
    double dy = 0, dx = 0;
    for (int i = 0; i < GS_WARP_GRID; i++)
        for (int k = 0; k < GS_WARP_GRID; k++) {
            dy += row[i] * column[k] * warp->y[i][k];
            dx += row[i] * column[k] * warp->x[i][k];
        }
    *dy_out = dy;
    *dx_out = dx;
}

#endif
