/* cmd_tune.c - convoy tune: measures which algorithm and tile sizes are fastest, and keeps that. */
#include "model_layers.h"
#include "tune.h"
#include "tune_gemm.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GEMM_SECONDS 120.0

static const char help[] =
    "Usage: convoy tune [OPTION...] DESC...\n"
    "       convoy tune [OPTION...] --batch FILE\n"
    "       convoy tune [OPTION...] MODEL.onnx\n"
    "       convoy tune --import FILE | --export FILE\n"
    "       convoy tune --gemm [--budget SECONDS]\n"
    "Measures which algorithm, with which tile sizes, is fastest for convolutions, or for each distinct one\n"
    "of a model, and keeps it in the store: from then on every command takes it. The search can be broken\n"
    "off (Ctrl-C) and goes on where it was when it is begun again. DESC is as for 'convoy explain'.\n\n"
    "  --budget SECONDS    end by then (default: when everything is measured)\n"
    "  --deconv DESC       a transposed convolution\n"
    "  --batch FILE        a descriptor each line, --deconv or --mb=N in front; # begins a comment\n"
    "  --mb N              batch of the descriptors that follow (0: as they say)\n"
    "  --shape [NAME=]DxDx...  shape of a model's input that has open dimensions\n"
    "  --plain             x and y plain, N C D H W; otherwise in the blocks of channels that suit the "
    "device\n"
    "  --gemm              find parameters for CLBlast's matrix product instead, each tried in a process\n"
    "                      of its own (budget: 120 unless given)\n"
    "  --report            measure nothing; tell what was measured earlier, and the worst estimates\n"
    "  --import FILE       take in measured times of such a file first; the newer of two stays\n"
    "  --export FILE       write all measured times to a file at the end\n"
    "  --device SEL        device: PLATFORM:DEVICE, gpu, igpu, cpu, or a part of a name\n"
    "                      (default: CONVOY_DEVICE, else the best)\n"
    "  --store FILE|off    where measured times and compiled kernels are kept\n"
    "                      (default: $XDG_CACHE_HOME/convoy/kernels.db)\n"
    "  --store-size MIB    its largest size (default 256)\n"
    "  --kernel NAME=FILE  compile FILE instead of the kernel file NAME\n"
    "  --json              print as JSON\n"
    "  -v, --verbose       say what is chosen; twice: and why\n"
    "  -h, --help          this text\n";

struct tune_options {
    struct cvy_cli_common common;
    struct cvy_descriptor_options descriptor;
    struct cvy_workload workload;
    const char *model, *import, *export;
    const char **shapes;
    size_t n_shapes;
    double budget;
    bool plain, report, gemm;
};

enum {
    OPT_BUDGET = CVY_CLI_OPT_LAST,
    OPT_DECONV,
    OPT_BATCH,
    OPT_MB,
    OPT_SHAPE,
    OPT_PLAIN,
    OPT_REPORT,
    OPT_GEMM,
    OPT_IMPORT,
    OPT_EXPORT,
};

static const struct option long_options[] = {
    {"budget", required_argument, NULL, OPT_BUDGET},
    {"deconv", required_argument, NULL, OPT_DECONV},
    {"batch", required_argument, NULL, OPT_BATCH},
    {"mb", required_argument, NULL, OPT_MB},
    {"shape", required_argument, NULL, OPT_SHAPE},
    {"plain", no_argument, NULL, OPT_PLAIN},
    {"report", no_argument, NULL, OPT_REPORT},
    {"gemm", no_argument, NULL, OPT_GEMM},
    {"import", required_argument, NULL, OPT_IMPORT},
    {"export", required_argument, NULL, OPT_EXPORT},
    {"device", required_argument, NULL, CVY_CLI_OPT_DEVICE},
    {"store", required_argument, NULL, CVY_CLI_OPT_STORE},
    {"store-size", required_argument, NULL, CVY_CLI_OPT_STORE_SIZE},
    {"kernel", required_argument, NULL, CVY_CLI_OPT_KERNEL},
    {"json", no_argument, NULL, CVY_CLI_OPT_JSON},
    {"verbose", no_argument, NULL, 'v'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static int parse_option(struct tune_options *options, int option, const char *argument)
{
    struct cvy_descriptor_options transposed = options->descriptor;
    transposed.transposed = true;
    switch (option) {
    case OPT_BUDGET:
        return cvy_cli_parse_double(argument, &options->budget) && options->budget > 0 &&
                       options->budget < 1e9
                   ? CVY_CLI_OK
                   : cvy_cli_usage("tune", "--budget %s: not a number of seconds above 0", argument);
    case OPT_DECONV:
        return cvy_workload_add(&options->workload, argument, "tune", &transposed);
    case OPT_BATCH:
        return cvy_workload_add_batch(&options->workload, argument, "tune", &options->descriptor);
    case OPT_MB:
        return cvy_cli_parse_size(argument, &options->descriptor.mb)
                   ? CVY_CLI_OK
                   : cvy_cli_usage("tune", "--mb %s: not a whole number from 0", argument);
    case OPT_SHAPE:
        options->shapes[options->n_shapes++] = argument;
        return CVY_CLI_OK;
    case OPT_PLAIN:
        options->plain = true;
        return CVY_CLI_OK;
    case OPT_REPORT:
        options->report = true;
        return CVY_CLI_OK;
    case OPT_GEMM:
        options->gemm = true;
        return CVY_CLI_OK;
    case OPT_IMPORT:
        options->import = argument;
        return CVY_CLI_OK;
    case OPT_EXPORT:
        options->export = argument;
        return CVY_CLI_OK;
    default:
        return cvy_cli_common_option(&options->common, "tune", option, argument);
    }
}

/* A word that begins a line of MIOpenDriver takes all that follow: its options are not tune's. */
static int take_argument(struct tune_options *options, int argc, char **argv, const char *argument)
{
    if (cvy_is_model(argument)) {
        if (options->model) {
            return cvy_cli_usage("tune", "%s: a second model; give one", argument);
        }
        options->model = argument;
        return CVY_CLI_OK;
    }
    if (!cvy_descriptor_is_miopen(argument) || strcspn(argument, " \t") < strlen(argument)) {
        return cvy_workload_add(&options->workload, argument, "tune", &options->descriptor);
    }
    char *line = cvy_descriptor_join(argv + optind - 1, argc - optind + 1);
    if (!line) {
        cvy_cli_error("out of memory");
        return CVY_CLI_FAILED;
    }
    optind = argc;
    int status = cvy_workload_add(&options->workload, line, "tune", &options->descriptor);
    free(line);
    return status;
}

static int check_options(const struct tune_options *options)
{
    const bool has_work = options->workload.count > 0 || options->model;
    if (options->gemm) {
        return has_work || options->import || options->export || options->report
                   ? cvy_cli_usage("tune", "--gemm: goes with nothing else to do; give it alone")
                   : CVY_CLI_OK;
    }
    if (!has_work && !options->import && !options->export) {
        return cvy_cli_usage("tune", "nothing to tune; give a descriptor, such as mb1ic64ih56oc64kh3ph1, "
                                     "--batch FILE or MODEL.onnx");
    }
    if (options->workload.count > 0 && options->model) {
        return cvy_cli_usage("tune", "%s: a model is tuned alone", options->model);
    }
    if (options->n_shapes > 0 && !options->model) {
        return cvy_cli_usage("tune", "--shape %s: goes with a model; a descriptor has its sizes in it",
                             options->shapes[0]);
    }
    if (options->model && options->descriptor.mb) {
        return cvy_cli_usage("tune", "%s: --mb does not go with a model; drop it", options->model);
    }
    if (!has_work && options->report) {
        return cvy_cli_usage("tune", "--report: of which convolutions? give them, or MODEL.onnx");
    }
    if (options->common.store && strcmp(options->common.store, "off") == 0 && !options->export) {
        return cvy_cli_usage("tune", "--store off: what is measured would be lost; give --export FILE");
    }
    return CVY_CLI_OK;
}

/* -1 where --help was asked for. */
static int parse_options(struct tune_options *options, int argc, char **argv)
{
    int option;
    opterr = 0;
    while ((option = getopt_long(argc, argv, "-:vh", long_options, NULL)) != -1) {
        if (option == 'h') {
            return -1;
        }
        int status =
            option == 1 ? take_argument(options, argc, argv, optarg) : parse_option(options, option, optarg);
        if (status == -1) {
            return cvy_cli_bad_option("tune", argv, option);
        }
        if (status != CVY_CLI_OK) {
            return status;
        }
    }
    while (optind < argc) {
        optind++;
        int status = take_argument(options, argc, argv, argv[optind - 1]);
        if (status != CVY_CLI_OK) {
            return status;
        }
    }
    return check_options(options);
}

static void add_item(struct cvy_tuning *tuning, const struct cvy_workload_item *item, bool blocks)
{
    struct cvy_tuning_item *added = &tuning->items[tuning->count];
    *added = (struct cvy_tuning_item){.item = item, .problem = item->problem};
    if (blocks) {
        cvy_workload_choose_blocks(&added->problem, tuning->device);
    }
    added->has_blocks = added->problem.x_block > 0 || added->problem.y_block > 0;
    tuning->count += added->has_blocks == blocks;
}

/* A model's tensors in both layouts: plans choose. */
static bool search(struct cvy_tuning *tuning, const struct tune_options *options)
{
    const struct cvy_workload *workload = &options->workload;
    tuning->items = calloc(2 * workload->count + 1, sizeof(*tuning->items));
    if (!tuning->items) {
        cvy_cli_error("out of memory");
        return false;
    }
    for (size_t i = 0; i < workload->count; i++) {
        const size_t before = tuning->count;
        if (!options->plain) {
            add_item(tuning, &workload->items[i], true);
        }
        if (options->plain || options->model || tuning->count == before) {
            add_item(tuning, &workload->items[i], false);
        }
    }
    /* What a candidate is refused for is told in the report. */
    if (!options->common.verbose) {
        cvy_cli_log_quiet();
    }
    const bool done = cvy_tuning_run(tuning);
    cvy_cli_log(options->common.verbose);
    if (!done) {
        cvy_cli_error("tune: broken off; 'convoy tune -v' tells more");
    }
    return done;
}

static int report(const struct cvy_tuning *tuning, const struct tune_options *options, size_t imported)
{
    if (options->common.json) {
        return cvy_tuning_print_json(tuning, imported, options->import != NULL) ? CVY_CLI_OK : CVY_CLI_FAILED;
    }
    if (options->import) {
        printf("%zu measured times in %s\n", imported, options->import);
    }
    if (tuning->count > 0) {
        cvy_tuning_print(tuning);
    }
    return CVY_CLI_OK;
}

static int tune(struct tune_options *options)
{
    struct cvy_tuning tuning = {.budget = options->budget, .only_report = options->report};
    const double begin = cvy_cli_now();
    size_t imported = 0;
    int status = CVY_CLI_OK;
    if (options->model) {
        status = cvy_workload_add_model(&options->workload, options->model, options->shapes,
                                        options->n_shapes, "tune");
    }
    if (status != CVY_CLI_OK) {
        return status;
    }
    status = CVY_CLI_FAILED;
    if (!cvy_cli_open_device(&tuning.device, &options->common) ||
        (options->import && cvy_tune_import(tuning.device, options->import, &imported) != CVY_OK)) {
        goto fail;
    }
    if (tuning.budget > 0) {
        const double left = tuning.budget - (cvy_cli_now() - begin);
        tuning.budget = left > 1e-9 ? left : 1e-9;
    }
    /* what was measured is exported also where the search failed */
    const bool done = options->workload.count == 0 || search(&tuning, options);
    if ((options->export && cvy_tune_export(tuning.device, options->export) != CVY_OK) || !done) {
        goto fail;
    }
    status = report(&tuning, options, imported);
    if (status == CVY_CLI_OK && tuning.interrupted) {
        status = CVY_CLI_INTERRUPTED;
    }
fail:
    free(tuning.items);
    cvy_device_destroy(&tuning.device);
    return status;
}

int cvy_cmd_tune(int argc, char **argv)
{
    struct tune_options options = {0};
    cvy_cli_common_init(&options.common);
    options.shapes = calloc((size_t)argc, sizeof(*options.shapes));
    int status = CVY_CLI_FAILED;
    if (options.shapes) {
        status = parse_options(&options, argc, argv);
    } else {
        cvy_cli_error("out of memory");
    }
    if (status == -1) {
        fputs(help, stdout);
        status = CVY_CLI_OK;
    } else if (status == CVY_CLI_OK) {
        cvy_cli_log(options.common.verbose);
        status = options.gemm
                     ? cvy_tune_gemm(&options.common, options.budget > 0 ? options.budget : GEMM_SECONDS)
                     : tune(&options);
    }
    cvy_workload_finish(&options.workload);
    free(options.shapes);
    return status;
}
