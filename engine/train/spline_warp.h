/* A smooth displacement of the plane: vectors at the points of a 3×3 grid over an image - corners,
 * middles of the sides, centre - and the interpolating cubic B-spline between them. */
#ifndef GS_ENGINE_TRAIN_SPLINE_WARP_H
#define GS_ENGINE_TRAIN_SPLINE_WARP_H

enum { GS_WARP_GRID = 3 };

typedef struct gs_spline_warp {
    int height, width;
    double y[GS_WARP_GRID][GS_WARP_GRID], x[GS_WARP_GRID][GS_WARP_GRID]; /* coefficients */
} gs_spline_warp;

/* y, x: displacements in pixels at the grid's points, row by row. */
void gs_spline_warp_init(gs_spline_warp *warp, int height, int width,
                         const double y[GS_WARP_GRID][GS_WARP_GRID],
                         const double x[GS_WARP_GRID][GS_WARP_GRID]);

/* The displacement at a pixel. */
void gs_spline_warp_at(const gs_spline_warp *warp, int y, int x, double *dy_out, double *dx_out);

#endif
