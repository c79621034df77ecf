/* Coefficients are found so that the spline passes through the given vectors; beyond the grid they
 * are mirrored, c[-1] = c[1] and c[3] = c[1], so the warp meets the image's edges without a slope
 * (Unser, "Splines: a perfect fit for signal and image processing", 1999: B-spline interpolation
 * with mirror boundaries). */
#include "engine/train/spline_warp.h"

#include <math.h>

/* The solution of (c[i-1] + 4 c[i] + c[i+1]) / 6 = d[i] for three points with mirrored ends:
 * 4 c0 + 2 c1 = 6 d0,  c0 + 4 c1 + c2 = 6 d1,  2 c1 + 4 c2 = 6 d2. */
static void interpolate(double *c0, double *c1, double *c2) {
    double d0 = *c0, d1 = *c1, d2 = *c2;
    *c1 = 2 * d1 - (d0 + d2) / 2;
    *c0 = (3 * d0 - *c1) / 2;
    *c2 = (3 * d2 - *c1) / 2;
}

static void find_coefficients(double c[GS_WARP_GRID][GS_WARP_GRID]) {
    for (int i = 0; i < GS_WARP_GRID; i++) interpolate(&c[i][0], &c[i][1], &c[i][2]);
    for (int i = 0; i < GS_WARP_GRID; i++) interpolate(&c[0][i], &c[1][i], &c[2][i]);
}

void gs_spline_warp_init(gs_spline_warp *warp, const double y[GS_WARP_GRID][GS_WARP_GRID],
                         const double x[GS_WARP_GRID][GS_WARP_GRID]) {
    for (int i = 0; i < GS_WARP_GRID; i++)
        for (int k = 0; k < GS_WARP_GRID; k++) {
            warp->y[i][k] = y[i][k];
            warp->x[i][k] = x[i][k];
        }
    find_coefficients(warp->y);
    find_coefficients(warp->x);
}

/* The cubic B-spline. */
static double basis(double t) {
    t = fabs(t);
    if (t >= 2) return 0;
    if (t >= 1) return (2 - t) * (2 - t) * (2 - t) / 6;
    return (4 - 6 * t * t + 3 * t * t * t) / 6;
}

/* Their sum is 1. The mirrored coefficients are those of the middle. */
void gs_spline_warp_weights(int size, gs_warp_weights *out) {
    for (int at = 0; at < size; at++) {
        double t = size > 1 ? 2.0 * at / (size - 1) : 1; /* in units of the grid */
        out[at][0] = basis(t);
        out[at][1] = basis(t + 1) + basis(t - 1) + basis(t - 3);
        out[at][2] = basis(t - 2);
    }
}
