/* NIfTI-1 volumes that stay in files: taken in from bytes a client sent, read plane by plane, and
 * written with another's geometry. Memory does not grow with the volume: files are mapped, and a
 * plane is converted when it is asked for.
 *
 * Planes and their axes are those of engine/data/volume.h: [side[1], side[0]], from the patient's
 * back to the front and from the left to the right, levels from the bottom up, whatever the file's
 * own order. Threads: a gs_volume_file may be read by any number; an output belongs to one at a
 * time. */
#ifndef GS_ENGINE_DATA_VOLUME_FILE_H
#define GS_ENGINE_DATA_VOLUME_FILE_H

#include "engine/data/volume.h"

/* Checks the NIfTI file in memory (.nii or .nii.gz) and writes it, inflated, to `path`. No more is
 * inflated than its header accounts for, and that only after its size was found to be within
 * GS_VOLUME_MAX_SIDE and `max_voxels`. UNSUPPORTED for a kind that is not taken: more than three
 * dimensions, complex or RGB voxels, NIfTI-2, .hdr; MALFORMED for bytes that do not parse,
 * truncation, trailing bytes, a broken gzip stream or a degenerate orientation; TOO_LARGE; UNUSABLE
 * for a spacing that no scan has; else as the file system fails. Leaves no file after a failure. */
GS_MUST_CHECK gs_status gs_volume_file_take(const char *bytes, size_t size, size_t max_voxels,
                                            const char *path, gs_error *err);

typedef struct gs_volume_file gs_volume_file;

/* Maps a file that gs_volume_file_take wrote; it must not be cut while it is open. Caller closes.
 */
GS_MUST_CHECK gs_status gs_volume_file_open(const char *path, gs_volume_file **out, gs_error *err);
void gs_volume_file_close(gs_volume_file *file); /* NULL is allowed */

/* Sides, spacing and origin; its voxels are NULL. Borrowed from the file. */
const gs_volume *gs_volume_file_grid(const gs_volume_file *file);

/* plane: [side[1], side[0]]. NUMERIC for a voxel that is not finite as float32. */
GS_MUST_CHECK gs_status gs_volume_file_read(const gs_volume_file *file, int level, float *plane,
                                            gs_error *err);

/* Gives the memory of pages that were read back to the system. */
void gs_volume_file_rest(const gs_volume_file *file);

/* ---- writing ---- */

typedef enum gs_output_type { GS_OUTPUT_UINT8, GS_OUTPUT_FLOAT32 } gs_output_type;
typedef enum gs_output_origin { GS_OUTPUT_DRAWN, GS_OUTPUT_GENERATED } gs_output_origin;

typedef struct gs_output_form {
    gs_output_type type;     /* UINT8: the header's intent is labels, FLOAT32: an estimate */
    gs_output_origin origin; /* GENERATED: the intent is called "generated" */
    const char *description; /* for the header, at most 79 bytes */
} gs_output_form;

typedef struct gs_volume_output gs_volume_output;

/* Starts the .nii.gz `path` with the geometry of `like` (its sides, axes, spacing, sform and qform,
 * units); voxels of levels that are not put are 0. The voxels lie uncompressed in `path`.raw until
 * the end, so that levels may come in any order; their room on the disk is reserved here. Caller
 * closes; `like` must outlive it. */
GS_MUST_CHECK gs_status gs_volume_output_open(const gs_volume_file *like,
                                              const gs_output_form *form, const char *path,
                                              gs_volume_output **out, gs_error *err);

/* plane as of gs_volume_file_read; values of UINT8 are rounded and cut to 0…255. */
void gs_volume_output_put(gs_volume_output *output, int level, const float *plane);

/* Compresses on a thread of its own from now on, as far as levels are put in the file's order, so
 * that little is left to be done at the end. IO. */
GS_MUST_CHECK gs_status gs_volume_output_start(gs_volume_output *output, gs_error *err);

/* Replaces that of the form, before anything is compressed. */
void gs_volume_output_set_description(gs_volume_output *output, const char *description);

/* Compresses what is left; the file is on the disk then, and its name when the caller has synced
 * the folder. After a failure there is no file. */
GS_MUST_CHECK gs_status gs_volume_output_finish(gs_volume_output *output, gs_error *err);
void gs_volume_output_close(gs_volume_output *output); /* NULL is allowed */

#endif
