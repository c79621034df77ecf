/* Where a NIfTI file's axes point. Thread-safe. */
#ifndef GS_ENGINE_IMAGE_NIFTI_ORIENTATION_H
#define GS_ENGINE_IMAGE_NIFTI_ORIENTATION_H

#include <nifti/nifti1_io.h>
#include <stdbool.h>

/* The file's axis axis[k] runs along the patient's axis k (0 to the right, 1 to the front, 2 to the
 * top), the other way round where flip[k]. */
typedef struct gs__nifti_orientation {
    int axis[3];
    bool flip[3];
    bool is_known; /* the file says so; else its axes are taken as they are, in that order */
    bool is_sform; /* it is the sform that says so */
    mat44 to_mm;   /* from the file's indices to its unit of length, when it is known */
} gs__nifti_orientation;

/* By the sform, else the qform. An oblique image is taken along the nearest axes. */
gs__nifti_orientation gs__nifti_orientation_of_image(const nifti_image *image);
/* As that for an ordered header. */
gs__nifti_orientation gs__nifti_orientation_of_header(const nifti_1_header *header);

/* False when none of the file's axes runs along one of the patient's (whose axis is then -1): the
 * matrix is degenerate. */
bool gs__nifti_orientation_is_complete(const gs__nifti_orientation *orientation);

#endif
