/* GET /v1/volumes/{id}/annotations: all that was drawn on a volume, as one volume. */
#include "api/resources.h"
#include "api/upload_folder.h"
#include "api/volume_masks.h"
#include "base/file.h"
#include "base/memory.h"
#include "store/annotation.h"

/* A gs_volume_mask_visit. */
static gs_status put_mask(void *context, const gs_volume_mask *mask, gs_error *err) {
    return gs_volume_masks_put(context, mask, err);
}

static gs_status write_masks(gs_store *store, const gs_volume_record *volume, const char *path,
                             gs_error *err) {
    gs_volume_masks *masks = NULL;
    GS_TRY(gs_volume_masks_open(store, volume, path, &masks, err));
    gs_status status = gs_store_annotation_each(store, volume->id, put_mask, masks, err);
    if (status == GS_OK) status = gs_volume_masks_finish(masks, err);
    gs_volume_masks_close(masks);
    return status;
}

/* The file has no name any more while it is sent: nothing is left of it, whatever happens. */
static gs_status send(const gs_api_context *context, const gs_volume_record *volume,
                      const char *folder, gs_response *response, gs_error *err) {
    char *path = gs_format("%s/annotations.nii.gz", folder);
    gs_status status = path ? write_masks(context->store, volume, path, err)
                            : gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a path");
    if (status == GS_OK) status = gs_response_set_file(response, "application/x-nifti", path, err);
    gs_free(path);
    if (status != GS_OK) return status;
    return gs_response_set_header(response, err, "Content-Disposition",
                                  "attachment; filename=\"%s-annotations.nii.gz\"", volume->id);
}

gs_status gs_api_volume_annotations(const gs_api_context *context, const gs_request *request,
                                    gs_response *response, gs_error *err) {
    gs_volume_record volume;
    gs_fields fields;
    char *folder = NULL;
    gs_fields_of_query(request, response, &fields);
    GS_TRY(gs_fields_finish(&fields, err)); /* there are none */
    GS_TRY(gs_store_volume_get(context->store, request->params[0], &volume, err));
    gs_status status = gs_upload_folder_make(context->data_folder, &folder, err);
    if (status == GS_OK) status = send(context, &volume, folder, response, err);
    if (folder) gs_folder_remove(folder);
    gs_free(folder);
    gs_volume_record_deinit(&volume);
    return status;
}
