/* cmd_bench.c - convoy bench: how fast convolutions run, and how fast the device would let them. */
#include "bench.h"
#include "model_layers.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
    "Usage: convoy bench [OPTION...] DESC...\n"
    "       convoy bench [OPTION...] --batch FILE\n"
    "       convoy bench [OPTION...] MODEL.onnx\n"
    "Measures convolutions, or each distinct one of a model: the median of runs in turns, and what share of\n"
    "the device's peak, of its bandwidth and of its roofline that is. DESC is as for 'convoy explain':\n"
    "benchdnn's descriptor, such as mb1ic64ih56oc64kh3ph1, or a line of MIOpenDriver.\n\n"
    "  --deconv DESC       a transposed convolution\n"
    "  --batch FILE        a descriptor each line, --deconv or --mb=N in front; # begins a comment\n"
    "  --mb N              batch of the descriptors that follow (0: as they say)\n"
    "  --bias              add a value to each channel of y, in the descriptors that follow\n"
    "  --shape [NAME=]DxDx...  shape of a model's input that has open dimensions\n"
    "  --plain             x and y plain, N C D H W; otherwise in the blocks of channels that suit the "
    "device\n"
    "  --runs N            runs of each convolution (default 15), of as many launches as last 1 ms\n"
    "  --algo NAME         algorithm (default: convoy's choice)\n"
    "  --why               say of every algorithm why it is not possible, or what it is expected to take\n"
    "  --svg FILE          draw the roofline\n"
    "  --device SEL        device: PLATFORM:DEVICE, gpu, igpu, cpu, or a part of a name\n"
    "                      (default: CONVOY_DEVICE, else the best)\n"
    "  --store FILE|off    where compiled kernels are kept\n"
    "                      (default: $XDG_CACHE_HOME/convoy/kernels.db)\n"
    "  --store-size MIB    its largest size (default 256)\n"
    "  --kernel NAME=FILE  compile FILE instead of the kernel file NAME\n"
    "  --json              print as JSON\n"
    "  -v, --verbose       say what is chosen; twice: and why\n"
    "  -h, --help          this text\n";

struct bench_options {
    struct cvy_cli_common common;
    struct cvy_descriptor_options descriptor;
    struct cvy_workload workload;
    const char *model, *svg;
    const char **shapes;
    size_t n_shapes, runs;
    bool plain, why;
};

enum {
    OPT_DECONV = CVY_CLI_OPT_LAST,
    OPT_BATCH,
    OPT_MB,
    OPT_BIAS,
    OPT_SHAPE,
    OPT_PLAIN,
    OPT_RUNS,
    OPT_WHY,
    OPT_SVG,
};

static const struct option long_options[] = {
    {"deconv", required_argument, NULL, OPT_DECONV},
    {"batch", required_argument, NULL, OPT_BATCH},
    {"mb", required_argument, NULL, OPT_MB},
    {"bias", no_argument, NULL, OPT_BIAS},
    {"shape", required_argument, NULL, OPT_SHAPE},
    {"plain", no_argument, NULL, OPT_PLAIN},
    {"runs", required_argument, NULL, OPT_RUNS},
    {"why", no_argument, NULL, OPT_WHY},
    {"svg", required_argument, NULL, OPT_SVG},
    {"device", required_argument, NULL, CVY_CLI_OPT_DEVICE},
    {"algo", required_argument, NULL, CVY_CLI_OPT_ALGO},
    {"store", required_argument, NULL, CVY_CLI_OPT_STORE},
    {"store-size", required_argument, NULL, CVY_CLI_OPT_STORE_SIZE},
    {"kernel", required_argument, NULL, CVY_CLI_OPT_KERNEL},
    {"json", no_argument, NULL, CVY_CLI_OPT_JSON},
    {"verbose", no_argument, NULL, 'v'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static int parse_option(struct bench_options *options, int option, const char *argument)
{
    struct cvy_descriptor_options transposed = options->descriptor;
    transposed.transposed = true;
    switch (option) {
    case OPT_DECONV:
        return cvy_workload_add(&options->workload, argument, "bench", &transposed);
    case OPT_BATCH:
        return cvy_workload_add_batch(&options->workload, argument, "bench", &options->descriptor);
    case OPT_MB:
        return cvy_cli_parse_size(argument, &options->descriptor.mb)
                   ? CVY_CLI_OK
                   : cvy_cli_usage("bench", "--mb %s: not a whole number from 0", argument);
    case OPT_RUNS:
        return cvy_cli_parse_size(argument, &options->runs) && options->runs > 0 && options->runs <= 1000000
                   ? CVY_CLI_OK
                   : cvy_cli_usage("bench", "--runs %s: not a whole number from 1 to 1000000", argument);
    case OPT_BIAS:
        options->descriptor.bias = true;
        return CVY_CLI_OK;
    case OPT_SHAPE:
        options->shapes[options->n_shapes++] = argument;
        return CVY_CLI_OK;
    case OPT_PLAIN:
        options->plain = true;
        return CVY_CLI_OK;
    case OPT_WHY:
        options->why = true;
        return CVY_CLI_OK;
    case OPT_SVG:
        options->svg = argument;
        return CVY_CLI_OK;
    default:
        return cvy_cli_common_option(&options->common, "bench", option, argument);
    }
}

/* A word that begins a line of MIOpenDriver takes all that follow: its options are not bench's. */
static int take_argument(struct bench_options *options, int argc, char **argv, const char *argument)
{
    if (cvy_is_model(argument)) {
        if (options->model) {
            return cvy_cli_usage("bench", "%s: a second model; give one", argument);
        }
        options->model = argument;
        return CVY_CLI_OK;
    }
    if (!cvy_descriptor_is_miopen(argument) || strcspn(argument, " \t") < strlen(argument)) {
        return cvy_workload_add(&options->workload, argument, "bench", &options->descriptor);
    }
    char *line = cvy_descriptor_join(argv + optind - 1, argc - optind + 1);
    if (!line) {
        cvy_cli_error("out of memory");
        return CVY_CLI_FAILED;
    }
    optind = argc;
    int status = cvy_workload_add(&options->workload, line, "bench", &options->descriptor);
    free(line);
    return status;
}

static int check_options(const struct bench_options *options)
{
    const char *name = "", *algo = options->common.algo;
    if (options->workload.count == 0 && !options->model) {
        return cvy_cli_usage("bench", "nothing to measure; give a descriptor, such as mb1ic64ih56oc64kh3ph1, "
                                      "--batch FILE or MODEL.onnx");
    }
    if (options->workload.count > 0 && options->model) {
        return cvy_cli_usage("bench", "%s: a model is measured alone", options->model);
    }
    if (options->n_shapes > 0 && !options->model) {
        return cvy_cli_usage("bench", "--shape %s: goes with a model; a descriptor has its sizes in it",
                             options->shapes[0]);
    }
    if (options->model && (options->descriptor.mb || options->descriptor.bias)) {
        return cvy_cli_usage("bench", "%s: --mb and --bias do not go with a model; drop them",
                             options->model);
    }
    for (size_t i = 0; algo && name && strcmp(name, algo) != 0; i++) {
        name = cvy_conv_algo_name(i);
    }
    return name ? CVY_CLI_OK
                : cvy_cli_usage("bench", "--algo %s: no such algorithm; 'convoy explain' lists them", algo);
}

/* -1 where --help was asked for. */
static int parse_options(struct bench_options *options, int argc, char **argv)
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
            return cvy_cli_bad_option("bench", argv, option);
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

/* On a terminal, over the line before; wiped out at the end. */
static void show_progress(const struct cvy_workload *workload, size_t index)
{
    const struct cvy_workload_item *item = &workload->items[index];
    fprintf(stderr, "\r\033[K%zu/%zu %.60s", index + 1, workload->count,
            item->name[0] ? item->name : item->text);
}

static bool report_all(const struct bench_options *options, struct cvy_bench_report *report,
                       struct cvy_bench_result *results, FILE *svg)
{
    const struct cvy_workload *workload = &options->workload;
    const bool terminal = isatty(STDERR_FILENO) && !options->common.verbose;
    /* the roofs before and after: a machine may be slower for a while */
    bool done = cvy_device_measure_rates(report->params->device, &report->rates) == CVY_OK;
    done = done && cvy_bench_run(results, workload, report->params, terminal ? show_progress : NULL);
    done = cvy_device_measure_rates(report->params->device, &report->rates) == CVY_OK && done;
    if (terminal) {
        fputs("\r\033[K", stderr);
    }
    if (options->common.json) {
        done = cvy_bench_print_json(report, results, workload->count) && done;
    } else {
        cvy_bench_print(report, results, workload->count);
    }
    return (!svg || cvy_bench_draw(svg, report, results, workload->count)) && done;
}

static int measure(const struct bench_options *options, struct cvy_device *device)
{
    const struct cvy_workload *workload = &options->workload;
    const struct cvy_bench_params params = {
        .device = device, .algo = options->common.algo, .turns = options->runs, .plain = options->plain};
    struct cvy_bench_report report = {.params = &params, .why = options->why};
    struct cvy_bench_result *results = calloc(workload->count, sizeof(*results));
    /* before the measuring, which takes its time */
    FILE *svg = results && options->svg ? fopen(options->svg, "w") : NULL;
    bool done = false;
    if (!results) {
        cvy_cli_error("out of memory");
    } else if (options->svg && !svg) {
        cvy_cli_error("%s: %s", options->svg, strerror(errno));
    } else {
        done = report_all(options, &report, results, svg);
    }
    if (svg && fclose(svg) != 0) {
        cvy_cli_error("%s: %s; the drawing is incomplete", options->svg, strerror(errno));
        done = false;
    }
    free(results);
    return done ? CVY_CLI_OK : CVY_CLI_FAILED;
}

static int bench(struct bench_options *options)
{
    struct cvy_device *device = NULL;
    int status = CVY_CLI_OK;
    if (options->model) {
        status = cvy_workload_add_model(&options->workload, options->model, options->shapes,
                                        options->n_shapes, "bench");
    }
    if (status == CVY_CLI_OK && !cvy_cli_open_device(&device, &options->common)) {
        status = CVY_CLI_FAILED;
    }
    if (status == CVY_CLI_OK) {
        status = measure(options, device);
    }
    cvy_device_destroy(&device);
    return status;
}

int cvy_cmd_bench(int argc, char **argv)
{
    struct bench_options options = {.runs = CVY_BENCH_TURNS};
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
        status = bench(&options);
    }
    cvy_workload_finish(&options.workload);
    free(options.shapes);
    return status;
}
