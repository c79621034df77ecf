#include "cli/commands.h"
#include "cli/options.h"
#include "engine/train/parity.h"

int gs_cli_parity(int argc, char **argv) {
    gs_parity_options o = {.preset = "brain", .engine = {.backend = "cpu"}, .width = 1};
    const gs_option options[] = {
        {"--weights", GS_OPTION_TEXT, &o.weights, "weights.safetensors of the dump"},
        {"--case", GS_OPTION_TEXT, &o.dump, "case.safetensors of the dump"},
        {"--preset", GS_OPTION_TEXT, &o.preset, "the dump's task (brain)"},
        {"--width", GS_OPTION_NUMBER, &o.width, "the dump's width (1)"},
        {"--precision", GS_OPTION_PRECISION, &o.engine.precision,
         "auto, fp32, tf32 or bf16 (fp32)"},
        {"--backend", GS_OPTION_TEXT, &o.engine.backend, "auto, cpu, cuda or reference (cpu)"},
        {"--device", GS_OPTION_INT, &o.engine.device, "which of the visible CUDA devices (0)"},
        {"--threads", GS_OPTION_INT, &o.threads, "threads (all processors)"},
    };
    gs_error err;
    bool passed = false;
    gs_status status = gs_options_parse(argc, argv, "parity --weights FILE --case FILE [options]",
                                        options, sizeof options / sizeof *options, &err);
    if (status == GS_OK && (!o.weights || !o.dump))
        status = gs_fail(&err, GS_INVALID_ARGUMENT, "--weights and --case are needed");
    if (status == GS_OK) status = gs_parity_run(&o, stdout, &passed, &err);
    if (status != GS_OK) return gs_cli_fail("parity", &err);
    return passed ? 0 : 1;
}
