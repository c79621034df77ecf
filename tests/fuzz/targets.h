/* What is fuzzed: each function takes any bytes and must neither crash nor leak. Shared by the
 * libFuzzer programs (fuzz_*.c) and the mutation test that needs no clang. */
#ifndef TESTS_FUZZ_TARGETS_H
#define TESTS_FUZZ_TARGETS_H

#include <stddef.h>
#include <stdint.h>

/* Returns whether the bytes were accepted. */
typedef int fuzz_target(const uint8_t *bytes, size_t size);

fuzz_target fuzz_png, fuzz_mask_png, fuzz_npy, fuzz_nifti, fuzz_volume, fuzz_rle_json,
    fuzz_rle_string, fuzz_safetensors;

#endif
