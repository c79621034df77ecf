/* From a model's maps of one slice to the numbers of its prediction. */
#ifndef GS_SERVER_PREDICT_MEASURE_H
#define GS_SERVER_PREDICT_MEASURE_H

#include "store/prediction.h"

#include <stddef.h>

/* probabilities: [H,W]; residual: [C,H,W] of the translation to absence, NULL where there is none.
 * Fills all but the slice.
 *   area          pixels above 0.5
 *   uncertainty   mean entropy of tumour or not, in bits
 *   disagreement  1 - sum min(p, r) / sum max(p, r), r being the residual's size (the largest of
 * its channels' absolute values) as a part of the slice's largest, or of 0.2 where that is less:
 * residuals are within [-1, 1], and below a tenth of that range nothing has been taken away. To
 * both sums 1 % of the pixels is added, so that a few pixels of noise in an empty slice are no
 * disagreement. */
void gs_predict_measure(const float *probabilities, const float *residual, int channels,
                        size_t pixels, gs_new_prediction *out);

#endif
