/* Volumes that stay in files: taken in, read plane by plane, written with another's geometry. */
#include "tests/data/nifti_fixture.h"

#include "engine/data/volume_file.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum { LEVEL = 20, COUNT = 60 };

/* Takes the place of the C library's: what was synced last, and whether that fails. */
static struct {
    ino_t last;
    bool fails;
} syncs;

int fsync(int fd) {
    struct stat info;
    if (fstat(fd, &info) == 0) syncs.last = info.st_ino;
    if (!syncs.fails) return (int)syscall(SYS_fsync, fd);
    errno = EIO;
    return -1;
}

static const nifti_form plain = {
    .side = {5, 4, 3}, .spacing_mm = {1, 2, 3}, .origin_mm = {-10, 20, 5}, .datatype = DT_INT16};

static double number_places(const void *context, int x, int y, int z) {
    (void)context;
    return x + 5 * (y + 4 * z);
}

static gs_status take(const char *folder, const char *name, size_t max_voxels) {
    size_t size;
    char *bytes = get_file(folder, name, &size);
    gs_status status =
        gs_volume_file_take(bytes, size, max_voxels, path_in(folder, "taken.nii"), &error);
    gs_free(bytes);
    assert_int_equal(access(path_in(folder, "taken.nii"), F_OK) == 0, status == GS_OK);
    return status;
}

static gs_volume_file *take_form(const char *folder, const nifti_form *form, const char *name) {
    gs_volume_file *file;
    put_nifti(folder, name, form, number_places, NULL);
    assert_ok(take(folder, name, 1 << 20));
    assert_ok(gs_volume_file_open(path_in(folder, "taken.nii"), &file, &error));
    return file;
}

static void assert_numbered(const gs_volume_file *file) {
    const gs_volume *grid = gs_volume_file_grid(file);
    float plane[LEVEL];
    assert_memory_equal(grid->side, plain.side, sizeof plain.side);
    for (int k = 0; k < 3; k++) {
        assert_true(fabs(grid->spacing_mm[k] - plain.spacing_mm[k]) < 1e-4);
        assert_true(fabs(grid->origin_mm[k] - plain.origin_mm[k]) < 1e-4);
    }
    for (int level = 0; level < 3; level++) {
        assert_ok(gs_volume_file_read(file, level, plane, &error));
        for (int i = 0; i < LEVEL; i++) assert_true(plane[i] == (float)(i + LEVEL * level));
        gs_volume_file_rest(file);
    }
}

static void every_type_and_orientation_is_read(void **state) {
    for (int i = 0; i < WAYS; i++) {
        nifti_form form = way_to_store(&plain, i, 0);
        if (form.form == NO_FORM) form.form = SFORM; /* which has an origin */
        gs_volume_file *file = take_form(*state, &form, i % 2 ? "v.nii.gz" : "v.nii");
        assert_numbered(file);
        gs_volume_file_close(file);
    }
}

/* What libnifti makes of it has our values at their places, and the header is the input's. */
static void an_output_lies_where_its_input_does(void **state) {
    for (int i = 0; i < ORIENTATIONS; i += 5) {
        nifti_form form = plain;
        form.orientation = i;
        form.form = i % 2 ? QFORM : SFORM;
        gs_volume_file *file = take_form(*state, &form, "v.nii.gz");
        gs_volume_output *output;
        const char *path = path_in(*state, "out.nii.gz");
        const gs_output_form wish = {.type = i % 2 ? GS_OUTPUT_UINT8 : GS_OUTPUT_FLOAT32,
                                     .origin = i % 3 ? GS_OUTPUT_GENERATED : GS_OUTPUT_DRAWN,
                                     .description = "a test's output"};
        assert_ok(gs_volume_output_open(file, &wish, path, &output, &error));
        float plane[LEVEL];
        if (i % 2) assert_ok(gs_volume_output_start(output, &error));
        for (int n = 2; n >= 0; n--) { /* up and down */
            const int level = i % 4 < 2 ? n : 2 - n;
            assert_ok(gs_volume_file_read(file, level, plane, &error));
            gs_volume_output_put(output, level, plane);
        }
        assert_ok(gs_volume_output_finish(output, &error));
        gs_volume_output_close(output);
        gs_volume_file_close(file);
        assert_int_not_equal(access(path_in(*state, "out.nii.gz.raw"), F_OK), 0);
        nifti_image *in = nifti_image_read(path_in(*state, "v.nii.gz"), 1);
        nifti_image *out = nifti_image_read(path, 1);
        assert_true(in && out && out->nvox == COUNT && in->ndim == out->ndim);
        assert_string_equal(out->descrip, "a test's output");
        assert_string_equal(out->intent_name, i % 3 ? "generated" : "");
        assert_int_equal(out->intent_code, i % 2 ? NIFTI_INTENT_LABEL : NIFTI_INTENT_ESTIMATE);
        assert_memory_equal(&in->sto_xyz, &out->sto_xyz, sizeof in->sto_xyz);
        assert_memory_equal(&in->qto_xyz, &out->qto_xyz, sizeof in->qto_xyz);
        assert_true(in->sform_code == out->sform_code && in->qform_code == out->qform_code);
        assert_true(in->dx == out->dx && in->dy == out->dy && in->dz == out->dz);
        assert_int_equal(in->xyz_units, out->xyz_units);
        for (int n = 0; n < COUNT; n++)
            assert_true(((int16_t *)in->data)[n] ==
                        (i % 2 ? ((uint8_t *)out->data)[n] : ((float *)out->data)[n]));
        nifti_image_free(in);
        nifti_image_free(out);
    }
}

static void put_bytes(const char *folder, const nifti_1_header *header, size_t voxels,
                      bool is_gzip) {
    char path[256];
    put_path(path, sizeof path, folder, is_gzip ? "b.nii.gz" : "b.nii");
    gzFile file = gzopen(path, is_gzip ? "wb9" : "wbT");
    char zeros[1024] = {0};
    assert_int_equal(gzfwrite(header, 1, sizeof *header, file), sizeof *header);
    assert_int_equal(gzfwrite(zeros, 1, 4, file), 4);
    for (size_t at = 0; at < voxels; at += sizeof zeros) {
        size_t step = voxels - at < sizeof zeros ? voxels - at : sizeof zeros;
        assert_int_equal(gzfwrite(zeros, 1, step, file), step);
    }
    assert_int_equal(gzclose(file), Z_OK);
}

static nifti_1_header bytes_header(short nx, short ny, short nz) {
    nifti_form form = plain;
    form.datatype = DT_UINT8;
    nifti_1_header header = header_of(&form);
    header.dim[1] = nx;
    header.dim[2] = ny;
    header.dim[3] = nz;
    return header;
}

static void expect(const char *folder, const nifti_1_header *header, size_t voxels,
                   gs_status wanted, const char *part) {
    for (int is_gzip = 0; is_gzip < 2; is_gzip++) {
        put_bytes(folder, header, voxels, is_gzip);
        assert_fails(take(folder, is_gzip ? "b.nii.gz" : "b.nii", 1 << 20), wanted);
        if (!strstr(error.text, part)) fail_msg("\"%s\" lacks \"%s\"", error.text, part);
    }
}

static void what_is_no_volume_is_refused(void **state) {
    nifti_1_header header = bytes_header(5, 4, 3);
    expect(*state, &header, 59, GS_MALFORMED, "voxels");
    expect(*state, &header, 61, GS_MALFORMED, "follow");
    header.dim[0] = 4;
    header.dim[4] = 2;
    expect(*state, &header, 120, GS_UNSUPPORTED, "dimension 4");
    header = bytes_header(5, 4, 0);
    expect(*state, &header, 60, GS_MALFORMED, "dimension 3");
    header = bytes_header(5, 4, 1025);
    expect(*state, &header, 60, GS_TOO_LARGE, "1025");
    header = bytes_header(1024, 1024, 2);
    expect(*state, &header, 60, GS_TOO_LARGE, "limit");
    header = bytes_header(5, 4, 3);
    header.datatype = DT_RGB24;
    expect(*state, &header, 180, GS_UNSUPPORTED, "type");
    header = bytes_header(5, 4, 3);
    header.srow_x[0] = 1000;
    expect(*state, &header, 60, GS_UNUSABLE, "spacing");
    header = bytes_header(5, 4, 3);
    header.sform_code = NIFTI_XFORM_UNKNOWN; /* then it is pixdim that counts */
    header.pixdim[1] = 1000;
    expect(*state, &header, 60, GS_UNUSABLE, "spacing");
    header = bytes_header(5, 4, 3);
    memset(header.srow_x, 0, sizeof header.srow_x);
    memset(header.srow_y, 0, sizeof header.srow_y);
    expect(*state, &header, 60, GS_MALFORMED, "orientation");
    put_file(*state, "b.nii", "no volume", 9);
    assert_fails(take(*state, "b.nii", 100), GS_MALFORMED);
}

/* 64 MiB of zeros behind a header that speaks of 60 bytes: no more of them is written. */
static void a_gzip_bomb_is_not_inflated(void **state) {
    nifti_1_header header = bytes_header(5, 4, 3);
    put_bytes(*state, &header, 64 << 20, true);
    assert_fails(take(*state, "b.nii.gz", 1 << 20), GS_MALFORMED);
}

static void voxels_that_are_no_numbers_are_found_when_read(void **state) {
    nifti_form form = plain;
    form.datatype = DT_FLOAT32;
    put_nifti(*state, "v.nii", &form, number_places, NULL);
    size_t size;
    char *bytes = get_file(*state, "v.nii", &size);
    float nan = NAN, plane[LEVEL];
    memcpy(bytes + 352 + 25 * sizeof nan, &nan, sizeof nan);
    gs_volume_file *file;
    assert_ok(gs_volume_file_take(bytes, size, 100, path_in(*state, "taken.nii"), &error));
    gs_free(bytes);
    assert_ok(gs_volume_file_open(path_in(*state, "taken.nii"), &file, &error));
    assert_ok(gs_volume_file_read(file, 0, plane, &error));
    assert_fails(gs_volume_file_read(file, 1, plane, &error), GS_NUMERIC);
    gs_volume_file_close(file);
}

static void a_file_that_was_cut_is_not_opened(void **state) {
    gs_volume_file *file = take_form(*state, &plain, "v.nii");
    gs_volume_file_close(file);
    assert_int_equal(truncate(path_in(*state, "taken.nii"), 400), 0);
    assert_fails(gs_volume_file_open(path_in(*state, "taken.nii"), &file, &error), GS_MALFORMED);
    assert_fails(gs_volume_file_open(path_in(*state, "none.nii"), &file, &error), GS_NOT_FOUND);
}

static const gs_output_form labels = {.type = GS_OUTPUT_UINT8, .description = ""};

static void an_output_is_on_the_disk_when_it_is_finished(void **state) {
    for (int round = 0; round < 4; round++) {
        const bool fails = round % 2, is_beside = round / 2;
        gs_volume_file *file = take_form(*state, &plain, "v.nii");
        gs_volume_output *output;
        struct stat info;
        const char *path = path_in(*state, "o.nii.gz");
        assert_ok(gs_volume_output_open(file, &labels, path, &output, &error));
        if (is_beside) assert_ok(gs_volume_output_start(output, &error));
        syncs.fails = fails;
        gs_status status = gs_volume_output_finish(output, &error);
        syncs.fails = false;
        if (fails) {
            assert_int_equal(status, GS_IO);
            assert_int_equal(access(path, F_OK), -1);
        } else {
            assert_ok(status);
            assert_int_equal(stat(path, &info), 0);
            assert_true(info.st_ino == syncs.last);
            unlink(path);
        }
        gs_volume_output_close(output);
        gs_volume_file_close(file);
    }
}

static void an_output_that_is_given_up_leaves_no_file(void **state) {
    gs_volume_file *file = take_form(*state, &plain, "v.nii");
    gs_volume_output *output;
    const char *path = path_in(*state, "o.nii.gz");
    float plane[LEVEL] = {0};
    assert_ok(gs_volume_output_open(file, &labels, path, &output, &error));
    assert_ok(gs_volume_output_start(output, &error));
    gs_volume_output_put(output, 0, plane);
    gs_volume_output_close(output);
    assert_int_equal(access(path, F_OK), -1);
    gs_volume_file_close(file);
}

static void an_output_without_a_folder_is_refused(void **state) {
    gs_volume_file *file = take_form(*state, &plain, "v.nii");
    gs_volume_output *output;
    assert_fails(gs_volume_output_open(file, &labels, "/nonexistent/o.nii.gz", &output, &error),
                 GS_NOT_FOUND);
    gs_volume_file_close(file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_type_and_orientation_is_read, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(an_output_lies_where_its_input_does, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(what_is_no_volume_is_refused, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_gzip_bomb_is_not_inflated, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(voxels_that_are_no_numbers_are_found_when_read, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(a_file_that_was_cut_is_not_opened, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(an_output_is_on_the_disk_when_it_is_finished, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(an_output_that_is_given_up_leaves_no_file, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(an_output_without_a_folder_is_refused, make_folder,
                                        remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
