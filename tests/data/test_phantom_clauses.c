/* What is said of the phantoms' images, measured in their files: each number falls below its bound
 * when what it measures is taken out of the source. */
#include "tests/data/phantom_fixture.h"

#include "engine/data/head.h"
#include "engine/data/phantom_internal.h"

#include <math.h>

enum { BRAINS = 8, LIVERS = 7, LIVER_SEED = 420 /* draws 0, 1, 2, 3, 4, 6 and 5 lesions */ };

static char folder[] = "/tmp/genseg-data-XXXXXX", ill[64], healthy[64], livers[64];
static bool has_brains;

static int make_phantoms(void **state) {
    (void)state;
    if (!mkdtemp(folder)) return -1;
    put_path(ill, sizeof ill, folder, "ill");
    put_path(healthy, sizeof healthy, folder, "healthy");
    put_path(livers, sizeof livers, folder, "livers");
    gs_phantom_options options = small_options(BRAINS);
    options.healthy = healthy;
    has_brains = access(GS_PHANTOM_SOURCE, R_OK) == 0;
    if (has_brains && gs_phantom_brain(ill, &options, &error) != GS_OK) return -1;
    options = small_options(LIVERS);
    options.seed = LIVER_SEED;
    return gs_phantom_liver(livers, &options, &error) == GS_OK ? 0 : -1;
}

static int remove_phantoms(void **state) {
    char command[64];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static ptrdiff_t place(const gs_volume *v, int x, int y, int z) {
    return ((ptrdiff_t)z * v->side[1] + y) * v->side[0] + x;
}

/* ---- one scan ---- */

/* T1CE of a healthy brain is T1 times a constant, but for the scanner: what is left of its
 * logarithm is the bias, which is smooth, and the noise, which is not. */
static gs_volume scanner_of(int number) {
    gs_volume t1 = load(healthy, number, "healthy_t1"), ce = load(healthy, number, "healthy_t1ce");
    double product = 0, square = 0;
    for (size_t i = 0; i < gs_volume_voxels(&t1); i++) { /* 0: background */
        t1.voxels[i] = t1.voxels[i] > 0 ? logf(t1.voxels[i]) : NAN;
        ce.voxels[i] = ce.voxels[i] > 0 ? logf(ce.voxels[i]) : NAN;
    }
    for (size_t i = 1; i < gs_volume_voxels(&t1); i++) { /* gamma, from neighbours */
        double a = (double)(t1.voxels[i] - t1.voxels[i - 1]);
        double b = (double)(ce.voxels[i] - ce.voxels[i - 1]);
        if (!isfinite(a + b)) continue;
        product += a * b, square += a * a;
    }
    for (size_t i = 0; i < gs_volume_voxels(&t1); i++)
        ce.voxels[i] -= (float)(product / square) * t1.voxels[i];
    gs_volume_deinit(&t1);
    return ce;
}

/* Of the means of cubes of 24 mm that are mostly brain. */
static double deviation_of_cubes(const gs_volume *v) {
    double sum = 0, square = 0;
    int cubes = 0;
    for (int z = 0; z + 6 <= v->side[2]; z += 6)
        for (int y = 0; y + 6 <= v->side[1]; y += 6)
            for (int x = 0; x + 6 <= v->side[0]; x += 6) {
                double mean = 0;
                int count = 0;
                for (int i = 0; i < 216; i++) {
                    float value = v->voxels[place(v, x + i % 6, y + i / 6 % 6, z + i / 36)];
                    if (isfinite(value)) mean += (double)value, count++;
                }
                if (count < 150) continue;
                sum += mean / count, square += pow(mean / count, 2), cubes++;
            }
    return sqrt(square / cubes - pow(sum / cubes, 2));
}

static double roughness(const gs_volume *v) {
    double square = 0, count = 0;
    for (size_t i = 2; i < gs_volume_voxels(v); i++) {
        double bend = (double)(v->voxels[i] - 2 * v->voxels[i - 1] + v->voxels[i - 2]);
        if (isfinite(bend)) square += bend * bend, count++;
    }
    return sqrt(square / count);
}

static void brains_have_a_bias_field_and_noise(void **state) {
    (void)state;
    need_source();
    double bias = 0, noise = 0;
    for (int number = 1; number <= BRAINS; number++) {
        gs_volume v = scanner_of(number);
        bias += deviation_of_cubes(&v) / BRAINS;
        noise += roughness(&v) / BRAINS;
        gs_volume_deinit(&v);
    }
    assert_true(bias > 0.008);  /* 0.021; without a field 0.001 */
    assert_true(noise > 0.012); /* 0.030; without noise 0.003, of rounding */
}

static void noise_is_rician(void **state) {
    (void)state;
    assert_true(gs__rician(0, 3, 4) == 5); /* never below 0, and above it where nothing is */
    assert_true(gs__rician(3, 0, 4) == 5 && gs__rician(3, 1, 0) == 4);
}

/* ---- anatomies ---- */

static double outline_difference(int a, int b) {
    gs_volume v = load(healthy, a, "healthy_t1"), w = load(healthy, b, "healthy_t1");
    double both = 0, either = 0;
    for (size_t i = 0; i < gs_volume_voxels(&v); i++) {
        both += v.voxels[i] > 0 && w.voxels[i] > 0;
        either += v.voxels[i] > 0 || w.voxels[i] > 0;
    }
    gs_volume_deinit(&v);
    gs_volume_deinit(&w);
    return 1 - both / either;
}

static void every_case_has_an_anatomy_of_its_own(void **state) {
    (void)state;
    need_source();
    double least = 1;
    for (int a = 1; a <= BRAINS; a++)
        for (int b = a + 1; b <= BRAINS; b++) least = fmin(least, outline_difference(a, b));
    assert_true(least > 0.05); /* of the volume; 0.17 */
}

/* Root of the mean square of second differences along rows, `lag` apart: 0 of an affine map. */
static double bend_mm(gs_head *head, int lag) {
    enum { COUNT = 60 };
    const double step_mm = 4;
    double square = 0;
    int count = 0;
    for (int y = -80; y <= 80; y += 20) {
        const double start[3] = {-118, y, 10};
        double q[COUNT][3];
        gs_head_set_row(head, start, step_mm);
        for (int i = 0; i < COUNT; i++) {
            const double p[3] = {start[0] + i * step_mm, start[1], start[2]};
            gs_head_to_anatomy(head, i, p, q[i]);
        }
        for (int i = 2 * lag; i < COUNT; i++)
            for (int k = 0; k < 3; k++, count++)
                square += pow(q[i][k] - 2 * q[i - lag][k] + q[i - 2 * lag][k], 2);
    }
    return sqrt(square / count);
}

static void anatomies_are_bent_smoothly(void **state) {
    (void)state;
    const double size_mm[3] = {240, 240, 155};
    gs_rng rng = {.seed = 5};
    gs_head head;
    assert_ok(gs_head_init(size_mm, &rng, 1, 2, 60, &head, &error));
    head.widening = 0;
    double near = bend_mm(&head, 1), far = bend_mm(&head, 15);
    assert_true(near > 0.07 && near < 0.5); /* over 4 mm: the fine field, and no tear */
    assert_true(far > 5);                   /* over 60 mm: 6.3, without the coarse field 3.4 */
    gs_head_deinit(&head);
}

/* ---- parts of a volume ---- */

/* A connected part of some labels, corners included. */
typedef struct part {
    int count;
    int (*places)[3]; /* [count] */
} part;

typedef struct parts {
    int count;
    part items[256];
    int (*memory)[3];
} parts;

static bool is_core(float label) {
    return label == 1 || label == 4;
}

static bool is_lesion(float label) {
    return label == 2;
}

/* The labels found become -1. */
static parts find_parts(gs_volume *v, bool is_wanted(float label)) {
    parts all = {.memory = malloc(gs_volume_voxels(v) * sizeof *all.memory)};
    const int *side = v->side;
    int end = 0; /* of the places in use */
    for (int i = 0; i < (int)gs_volume_voxels(v); i++) {
        if (!is_wanted(v->voxels[i])) continue;
        int start = end;
        int first[3] = {i % side[0], i / side[0] % side[1], i / side[0] / side[1]};
        memcpy(all.memory[end++], first, sizeof first);
        v->voxels[i] = -1;
        for (int next = start; next < end; next++)
            for (int n = 0; n < 27; n++) {
                const int *at = all.memory[next];
                int p[3] = {at[0] + n % 3 - 1, at[1] + n / 3 % 3 - 1, at[2] + n / 9 - 1};
                bool is_in = true;
                for (int k = 0; k < 3; k++) is_in = is_in && p[k] >= 0 && p[k] < side[k];
                if (!is_in || !is_wanted(v->voxels[place(v, p[0], p[1], p[2])])) continue;
                v->voxels[place(v, p[0], p[1], p[2])] = -1;
                memcpy(all.memory[end++], p, sizeof p);
            }
        assert_true(all.count < 256);
        all.items[all.count++] = (part){.count = end - start, .places = all.memory + start};
    }
    return all;
}

/* ---- tumours ---- */

/* Of pairs of a part's places, the share whose middle is not in it: 0 of an ellipsoid. */
static double dents(const gs_volume *v, const part *p) {
    int pairs = 0, outside = 0;
    for (int a = 0; a < p->count; a++)
        for (int b = 0; b < a; b++) {
            int middle[3];
            bool is_whole = true;
            for (int k = 0; k < 3; k++) {
                middle[k] = (p->places[a][k] + p->places[b][k]) / 2;
                is_whole = is_whole && (p->places[a][k] + p->places[b][k]) % 2 == 0;
            }
            if (!is_whole) continue;
            pairs++;
            outside += v->voxels[place(v, middle[0], middle[1], middle[2])] != -1;
        }
    return (double)outside / pairs;
}

static void tumours_are_irregular(void **state) {
    (void)state;
    need_source();
    double sum = 0;
    int large = 0;
    for (int number = 1; number <= BRAINS; number++) {
        gs_volume seg = load(ill, number, "seg");
        parts cores = find_parts(&seg, is_core);
        for (int i = 0; i < cores.count; i++)
            if (cores.items[i].count >= 60) sum += dents(&seg, &cores.items[i]), large++;
        free(cores.memory);
        gs_volume_deinit(&seg);
    }
    assert_true(large >= 4);
    assert_true(sum / large > 0.01); /* 0.037; of ellipsoids 0.0005 */
}

/* How often a neighbour of one label has another. */
static void count_neighbours(const gs_volume *seg, double counts[5][5]) {
    for (int z = 1; z + 1 < seg->side[2]; z++)
        for (int y = 1; y + 1 < seg->side[1]; y++)
            for (int x = 1; x + 1 < seg->side[0]; x++) {
                int own = (int)seg->voxels[place(seg, x, y, z)];
                for (int n = 0; own && n < 6; n++) {
                    int at[3] = {x, y, z};
                    at[n / 2] += n % 2 ? 1 : -1;
                    counts[own][(int)seg->voxels[place(seg, at[0], at[1], at[2])]]++;
                }
            }
}

static void necrosis_lies_in_a_rim_and_the_rim_in_oedema(void **state) {
    (void)state;
    need_source();
    double n[5][5] = {{0}};
    for (int number = 1; number <= BRAINS; number++) {
        if (!strstr(case_folder(ill, number), "HGG")) continue;
        gs_volume seg = load(ill, number, "seg");
        count_neighbours(&seg, n);
        gs_volume_deinit(&seg);
    }
    assert_true(n[1][4] > n[1][0] + n[1][2]); /* rims are open here and there */
    assert_true(n[4][2] > 0.8 * (n[4][0] + n[4][2]));
    assert_true(n[2][4] > 2 * n[2][1]);
}

/* Millimetres that tissue moved away from the tumour's middle, by least squares: what is at p was
 * at p - m*r, r the direction from the middle, so that ill - healthy = -m * (gradient . r). Places
 * from 8 to 24 mm off the labels, whose soft edges are no push. */
static double outward_shift_mm(int number, const char *sequence) {
    char name[32];
    snprintf(name, sizeof name, "healthy_%s", sequence);
    gs_volume seg = load(ill, number, "seg"), after = load(ill, number, sequence),
              before = load(healthy, number, name);
    double product = 0, square = 0;
    parts all = find_parts(&seg, is_core);
    for (int i = 1; i < all.count; i++) /* several tumours: the largest counts */
        if (all.items[i].count > all.items[0].count) {
            part larger = all.items[i];
            all.items[i] = all.items[0], all.items[0] = larger;
        }
    double middle[3] = {0};
    for (int i = 0; i < all.items[0].count; i++)
        for (int k = 0; k < 3; k++)
            middle[k] += (double)all.items[0].places[i][k] / all.items[0].count;
    for (int z = 2; z + 2 < seg.side[2]; z++)
        for (int y = 2; y + 2 < seg.side[1]; y++)
            for (int x = 2; x + 2 < seg.side[0]; x++) {
                bool is_near_label = false;
                for (int n = 0; n < 125 && !is_near_label; n++)
                    is_near_label =
                        seg.voxels[place(&seg, x + n % 5 - 2, y + n / 5 % 5 - 2, z + n / 25 - 2)] !=
                        0;
                const double r[3] = {x - middle[0], y - middle[1], z - middle[2]};
                double distance = sqrt(r[0] * r[0] + r[1] * r[1] + r[2] * r[2]);
                if (is_near_label || distance > 10 || before.voxels[place(&seg, x, y, z)] <= 0)
                    continue;
                double slope = 0;
                bool is_brain = true;
                for (int k = 0; k < 3; k++) {
                    int low[3] = {x, y, z}, high[3] = {x, y, z};
                    low[k]--, high[k]++;
                    float a = before.voxels[place(&seg, low[0], low[1], low[2])],
                          b = before.voxels[place(&seg, high[0], high[1], high[2])];
                    is_brain = is_brain && a > 0 && b > 0;
                    slope += (double)(b - a) / 8 * r[k] / distance;
                }
                if (!is_brain) continue;
                ptrdiff_t at = place(&seg, x, y, z);
                product -= slope * (double)(after.voxels[at] - before.voxels[at]);
                square += slope * slope;
            }
    free(all.memory);
    gs_volume_deinit(&seg);
    gs_volume_deinit(&after);
    gs_volume_deinit(&before);
    return product / square;
}

static void tumours_push_the_tissue_around_them(void **state) {
    (void)state;
    need_source();
    double mean = 0;
    for (int number = 1; number <= BRAINS; number++) {
        double mm = outward_shift_mm(number, "t1");
        assert_true(mm > 0);
        mean += mm / BRAINS;
    }
    assert_true(mean > 0.5); /* 1.3; without a push 0 */
}

/* ---- livers ---- */

static gs_volume load_liver(int number, const char *what) {
    char path[128];
    gs_volume volume;
    snprintf(path, sizeof path, "%s/%s-%d.nii.gz", livers, what, number);
    assert_ok(gs_volume_load(path, &volume, &error));
    return volume;
}

/* Of voxels two away from whatever is not healthy liver; the others become NAN. */
static gs_volume liver_inside(int number) {
    gs_volume seg = load_liver(number, "segmentation"), v = load_liver(number, "volume");
    for (int z = 0; z < seg.side[2]; z++)
        for (int y = 0; y < seg.side[1]; y++)
            for (int x = 0; x < seg.side[0]; x++) {
                bool is_inside = z > 1 && y > 1 && x > 1 && z + 2 < seg.side[2] &&
                                 y + 2 < seg.side[1] && x + 2 < seg.side[0];
                for (int n = 0; n < 125 && is_inside; n++)
                    is_inside =
                        seg.voxels[place(&seg, x + n % 5 - 2, y + n / 5 % 5 - 2, z + n / 25 - 2)] ==
                        1;
                if (!is_inside) v.voxels[place(&v, x, y, z)] = NAN;
            }
    gs_volume_deinit(&seg);
    return v;
}

static int compare_floats(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* The median, and the deviation of the half around it as that of a normal distribution. */
static void middle_of(const gs_volume *v, double *median, double *deviation) {
    float *sorted = malloc(gs_volume_voxels(v) * sizeof *sorted);
    size_t count = 0;
    for (size_t i = 0; i < gs_volume_voxels(v); i++)
        if (isfinite(v->voxels[i])) sorted[count++] = v->voxels[i];
    assert_true(count > 1000);
    qsort(sorted, count, sizeof *sorted, compare_floats);
    *median = (double)sorted[count / 2];
    *deviation = (double)(sorted[count / 4 * 3] - sorted[count / 4]) / 1.349;
    free(sorted);
}

static void livers_have_bright_vessels_a_texture_and_noise(void **state) {
    (void)state;
    double vessels = 0;
    for (int number = 0; number < LIVERS; number++) {
        gs_volume v = liver_inside(number);
        double median, deviation, bright = 0, count = 0, product = 0, pairs = 0, rough = 0,
                                  lines = 0;
        middle_of(&v, &median, &deviation);
        ptrdiff_t level = (ptrdiff_t)v.side[0] * v.side[1];
        for (ptrdiff_t i = 0; i < (ptrdiff_t)gs_volume_voxels(&v); i++) {
            double value = (double)v.voxels[i] - median;
            if (!isfinite(value)) continue;
            bright += value > 3.5 * deviation, count++;
            if (i + 3 * level >= (ptrdiff_t)gs_volume_voxels(&v)) continue;
            /* Three levels on: noise and grain are new there, and vessels are left out. */
            double above = (double)v.voxels[i + 3 * level] - median;
            if (fabs(value) > 2.5 * deviation || !(fabs(above) <= 2.5 * deviation)) continue;
            product += value * above, pairs++;
            double next = (double)v.voxels[i + level] - median;
            if (fabs(next) <= 2.5 * deviation) rough += pow(value - next, 2), lines++;
        }
        vessels += bright / count / LIVERS;
        assert_true(product / pairs > 6);         /* 13 HU² and more; without texture below 2 */
        assert_true(sqrt(rough / lines / 2) > 3); /* 4 HU and more; without noise 2, of grain */
        gs_volume_deinit(&v);
    }
    assert_true(vessels > 0.0015); /* of the voxels; 0.004, without vessels 0.0003 */
}

static void livers_differ_in_volume_and_in_lesions(void **state) {
    (void)state;
    int seen[7] = {0};
    double sum = 0, square = 0;
    for (int number = 0; number < LIVERS; number++) {
        gs_volume seg = load_liver(number, "segmentation");
        double ml = 0;
        for (size_t i = 0; i < gs_volume_voxels(&seg); i++) ml += seg.voxels[i] > 0 ? 0.027 : 0;
        sum += ml, square += ml * ml;
        parts lesions = find_parts(&seg, is_lesion);
        assert_in_range(lesions.count, 0, 6);
        seen[lesions.count]++;
        free(lesions.memory);
        gs_volume_deinit(&seg);
    }
    double mean = sum / LIVERS;
    assert_true(sqrt(square / LIVERS - mean * mean) > 0.08 * mean); /* 0.14 */
    for (int count = 0; count <= 6; count++) assert_int_equal(seen[count], 1);
}

/* Skin is the same on every level before the body is deformed. */
static void bodies_are_deformed(void **state) {
    (void)state;
    for (int number = 0; number < LIVERS; number++) {
        gs_volume v = load_liver(number, "volume");
        double both = 0, either = 0;
        ptrdiff_t level = (ptrdiff_t)v.side[0] * v.side[1];
        for (ptrdiff_t i = 0; i < level; i++) {
            bool a = v.voxels[i + 12 * level] > -900, b = v.voxels[i + 60 * level] > -900;
            both += a && b, either += a || b;
        }
        assert_true(1 - both / either > 0.03); /* 0.07; without a deformation 0.002, of noise */
        gs_volume_deinit(&v);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(brains_have_a_bias_field_and_noise),
        cmocka_unit_test(noise_is_rician),
        cmocka_unit_test(every_case_has_an_anatomy_of_its_own),
        cmocka_unit_test(anatomies_are_bent_smoothly),
        cmocka_unit_test(tumours_are_irregular),
        cmocka_unit_test(necrosis_lies_in_a_rim_and_the_rim_in_oedema),
        cmocka_unit_test(tumours_push_the_tissue_around_them),
        cmocka_unit_test(livers_have_bright_vessels_a_texture_and_noise),
        cmocka_unit_test(livers_differ_in_volume_and_in_lesions),
        cmocka_unit_test(bodies_are_deformed),
    };
    return cmocka_run_group_tests(tests, make_phantoms, remove_phantoms);
}
