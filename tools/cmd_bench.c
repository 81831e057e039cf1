/* cmd_bench.c - convoy bench: how fast convolutions run, and how fast the device would let them. */
#include "bench.h"
#include "bench_devices.h"
#include "workload_options.h"

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
    "benchdnn's descriptor, such as mb1ic64ih56oc64kh3ph1, or a line of MIOpenDriver.\n"
    "\n" CVY_WORKLOAD_HELP
    "  --bias              add a value to each channel of y, in the descriptors that follow\n"
    "  --runs N            runs of each convolution (default 15), of as many launches as last 1 ms\n"
    "  --algo NAME         algorithm (default: convoy's choice)\n"
    "  --why               say of every algorithm why it is not possible, or what it is expected to take\n"
    "  --svg FILE          draw the roofline\n"
    "  --device SEL,SEL    several devices, from and to host memory, against the first of them alone; of a\n"
    "                      MODEL.onnx the whole. SEL/1of2 is the first half of a device, SEL/2 both halves\n"
    "  --split HOW         how they share: batch, channels (groups of convolutions), or auto (default)\n"
    CVY_CLI_DEVICE_HELP;

struct bench_options {
    struct cvy_workload_options work;
    const char *svg;
    size_t runs;
    bool why;
    enum cvy_split split; /* of several devices */
};

enum {
    OPT_BIAS = CVY_WORKLOAD_OPT_LAST,
    OPT_RUNS,
    OPT_WHY,
    OPT_SVG,
    OPT_SPLIT,
};

static const struct option long_options[] = {
    CVY_WORKLOAD_OPTIONS,
    {"bias", no_argument, NULL, OPT_BIAS},
    {"runs", required_argument, NULL, OPT_RUNS},
    {"algo", required_argument, NULL, CVY_CLI_OPT_ALGO},
    {"why", no_argument, NULL, OPT_WHY},
    {"svg", required_argument, NULL, OPT_SVG},
    {"split", required_argument, NULL, OPT_SPLIT},
    {0},
};

static int take_option(void *user, int option, const char *argument)
{
    struct bench_options *options = user;
    switch (option) {
    case OPT_BIAS:
        options->work.descriptor.bias = true;
        return CVY_CLI_OK;
    case OPT_RUNS:
        return cvy_cli_parse_size(argument, &options->runs) && options->runs > 0 && options->runs <= 1000000
                   ? CVY_CLI_OK
                   : cvy_cli_usage("bench", "--runs %s: not a whole number from 1 to 1000000", argument);
    case OPT_SPLIT:
        return cvy_cli_parse_split("bench", argument, &options->split);
    case OPT_WHY:
        options->why = true;
        return CVY_CLI_OK;
    case OPT_SVG:
        options->svg = argument;
        return CVY_CLI_OK;
    default:
        return cvy_workload_options_take(&options->work, option, argument);
    }
}

static int take_words(void *user, char *const *words, int *count)
{
    struct bench_options *options = user;
    return cvy_workload_options_take_words(&options->work, words, count);
}

static int check_options(const struct bench_options *options)
{
    const char *name = "", *algo = options->work.common.algo;
    if (options->work.workload.count == 0 && !options->work.model) {
        return cvy_cli_usage("bench", "nothing to measure; give a descriptor, such as mb1ic64ih56oc64kh3ph1, "
                                      "--batch FILE or MODEL.onnx");
    }
    for (size_t i = 0; algo && name && strcmp(name, algo) != 0; i++) {
        name = cvy_conv_algo_name(i);
    }
    return name ? cvy_workload_options_check(&options->work, "measured")
                : cvy_cli_usage("bench", "--algo %s: no such algorithm; 'convoy explain' lists them", algo);
}

static int parse_options(struct bench_options *options, int argc, char **argv)
{
    static const struct cvy_cli_syntax syntax = {
        .command = "bench",
        .help = help,
        .letters = "",
        .options = long_options,
        .take_option = take_option,
        .take_words = take_words,
    };
    const int status = cvy_cli_parse(&syntax, options, argc, argv);
    return status == CVY_CLI_OK ? check_options(options) : status;
}

/* On a terminal, over the line before; wiped out at the end. */
static void show_progress(const struct cvy_workload *workload, size_t index)
{
    fprintf(stderr, "\r\033[K%zu/%zu %.60s", index + 1, workload->count,
            cvy_workload_label(&workload->items[index]));
}

static bool report_all(const struct bench_options *options, struct cvy_bench_report *report,
                       struct cvy_bench_result *results, FILE *svg)
{
    const struct cvy_workload *workload = &options->work.workload;
    const bool terminal = isatty(STDERR_FILENO) && !options->work.common.verbose;
    /* the roofs before and after: a machine may be slower for a while */
    bool done = cvy_device_measure_rates(report->params->device, &report->rates) == CVY_OK;
    done = done && cvy_bench_run(results, workload, report->params, terminal ? show_progress : NULL);
    done = cvy_device_measure_rates(report->params->device, &report->rates) == CVY_OK && done;
    if (terminal) {
        fputs("\r\033[K", stderr);
    }
    if (options->work.common.json) {
        done = cvy_bench_print_json(report, results, workload->count) && done;
    } else {
        cvy_bench_print(report, results, workload->count);
    }
    return (!svg || cvy_bench_draw(svg, report, results, workload->count)) && done;
}

static int measure(const struct bench_options *options, struct cvy_device *device)
{
    const struct cvy_workload *workload = &options->work.workload;
    const struct cvy_bench_params params = {.device = device,
                                            .algo = options->work.common.algo,
                                            .turns = options->runs,
                                            .plain = options->work.plain};
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

static int measure_devices(const struct bench_options *options, const struct cvy_cli_devices *devices)
{
    const struct cvy_bench_devices params = {.devices = devices,
                                             .workload = &options->work.workload,
                                             .model = options->work.model,
                                             .shapes = options->work.shapes,
                                             .n_shapes = options->work.n_shapes,
                                             .algo = options->work.common.algo,
                                             .split = options->split,
                                             .turns = options->runs};
    if (options->svg || options->why) {
        return cvy_cli_usage("bench", "%s: goes with one device", options->svg ? "--svg" : "--why");
    }
    return cvy_bench_devices(&params, options->work.common.json) ? CVY_CLI_OK : CVY_CLI_FAILED;
}

static int bench(struct bench_options *options)
{
    struct cvy_cli_devices devices;
    if (!cvy_cli_open_devices(&devices, &options->work.common)) {
        return CVY_CLI_FAILED;
    }
    int status;
    if (devices.count > 1) {
        status = measure_devices(options, &devices);
    } else {
        status = cvy_workload_options_load(&options->work);
        status = status == CVY_CLI_OK ? measure(options, devices.items[0]) : status;
    }
    cvy_cli_close_devices(&devices);
    return status;
}

int cvy_cmd_bench(int argc, char **argv)
{
    struct bench_options options = {.runs = CVY_BENCH_TURNS};
    int status = CVY_CLI_FAILED;
    if (cvy_workload_options_init(&options.work, "bench", argc)) {
        status = parse_options(&options, argc, argv);
    }
    if (status == CVY_CLI_OK) {
        cvy_cli_log(options.work.common.verbose);
        status = bench(&options);
    }
    cvy_workload_options_finish(&options.work);
    return status == -1 ? CVY_CLI_OK : status;
}
