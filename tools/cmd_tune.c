/* cmd_tune.c - convoy tune: measures which algorithm and tile sizes are fastest, and keeps that. */
#include "tune.h"
#include "tune_gemm.h"
#include "workload_options.h"

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
    "off (Ctrl-C) and goes on where it was when it is begun again. DESC is as for 'convoy explain'.\n"
    "\n" CVY_WORKLOAD_HELP "  --budget SECONDS    end by then (default: when everything is measured)\n"
    "  --gemm              find parameters for CLBlast's matrix product instead, each tried in a process\n"
    "                      of its own (budget: 120 unless given)\n"
    "  --report            measure nothing; tell what was measured earlier, and the worst estimates\n"
    "  --import FILE       take in measured times of such a file first; the newer of two stays\n"
    "  --export FILE       write all measured times to a file at the end\n" CVY_CLI_DEVICE_HELP;

struct tune_options {
    struct cvy_workload_options work;
    const char *import, *export;
    double budget;
    bool report, gemm;
};

enum {
    OPT_BUDGET = CVY_WORKLOAD_OPT_LAST,
    OPT_REPORT,
    OPT_GEMM,
    OPT_IMPORT,
    OPT_EXPORT,
};

static const struct option long_options[] = {
    CVY_WORKLOAD_OPTIONS,
    {"budget", required_argument, NULL, OPT_BUDGET},
    {"report", no_argument, NULL, OPT_REPORT},
    {"gemm", no_argument, NULL, OPT_GEMM},
    {"import", required_argument, NULL, OPT_IMPORT},
    {"export", required_argument, NULL, OPT_EXPORT},
    {0},
};

static int take_option(void *user, int option, const char *argument)
{
    struct tune_options *options = user;
    switch (option) {
    case OPT_BUDGET:
        return cvy_cli_parse_double(argument, &options->budget) && options->budget > 0 &&
                       options->budget < 1e9
                   ? CVY_CLI_OK
                   : cvy_cli_usage("tune", "--budget %s: not a number of seconds above 0", argument);
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
        return cvy_workload_options_take(&options->work, option, argument);
    }
}

static int take_words(void *user, char *const *words, int *count)
{
    struct tune_options *options = user;
    return cvy_workload_options_take_words(&options->work, words, count);
}

static int check_options(const struct tune_options *options)
{
    const bool has_work = options->work.workload.count > 0 || options->work.model;
    const char *store = options->work.common.store;
    if (options->gemm) {
        return has_work || options->import || options->export || options->report
                   ? cvy_cli_usage("tune", "--gemm: goes with nothing else to do; give it alone")
                   : CVY_CLI_OK;
    }
    if (!has_work && !options->import && !options->export) {
        return cvy_cli_usage("tune", "nothing to tune; give a descriptor, such as mb1ic64ih56oc64kh3ph1, "
                                     "--batch FILE or MODEL.onnx");
    }
    if (!has_work && options->report) {
        return cvy_cli_usage("tune", "--report: of which convolutions? give them, or MODEL.onnx");
    }
    if (store && strcmp(store, "off") == 0 && !options->export) {
        return cvy_cli_usage("tune", "--store off: what is measured would be lost; give --export FILE");
    }
    return cvy_workload_options_check(&options->work, "tuned");
}

static int parse_options(struct tune_options *options, int argc, char **argv)
{
    static const struct cvy_cli_syntax syntax = {
        .command = "tune",
        .help = help,
        .letters = "",
        .options = long_options,
        .take_option = take_option,
        .take_words = take_words,
    };
    const int status = cvy_cli_parse(&syntax, options, argc, argv);
    return status == CVY_CLI_OK ? check_options(options) : status;
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
    const struct cvy_workload *workload = &options->work.workload;
    tuning->items = calloc(2 * workload->count + 1, sizeof(*tuning->items));
    if (!tuning->items) {
        cvy_cli_error("out of memory");
        return false;
    }
    for (size_t i = 0; i < workload->count; i++) {
        const size_t before = tuning->count;
        if (!options->work.plain) {
            add_item(tuning, &workload->items[i], true);
        }
        if (options->work.plain || options->work.model || tuning->count == before) {
            add_item(tuning, &workload->items[i], false);
        }
    }
    /* What a candidate is refused for is told in the report. */
    if (!options->work.common.verbose) {
        cvy_cli_log_quiet();
    }
    const bool done = cvy_tuning_run(tuning);
    cvy_cli_log(options->work.common.verbose);
    if (!done) {
        cvy_cli_error("tune: broken off; 'convoy tune -v' tells more");
    }
    return done;
}

static int report(const struct cvy_tuning *tuning, const struct tune_options *options, size_t imported)
{
    if (options->work.common.json) {
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
    int status = cvy_workload_options_load(&options->work);
    if (status != CVY_CLI_OK) {
        return status;
    }
    status = CVY_CLI_FAILED;
    if (!cvy_cli_open_device(&tuning.device, &options->work.common) ||
        (options->import && cvy_tune_import(tuning.device, options->import, &imported) != CVY_OK)) {
        goto fail;
    }
    if (tuning.budget > 0) {
        const double left = tuning.budget - (cvy_cli_now() - begin);
        tuning.budget = left > 1e-9 ? left : 1e-9;
    }
    /* what was measured is exported also where the search failed */
    const bool done = options->work.workload.count == 0 || search(&tuning, options);
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
    int status = CVY_CLI_FAILED;
    if (cvy_workload_options_init(&options.work, "tune", argc)) {
        status = parse_options(&options, argc, argv);
    }
    if (status == CVY_CLI_OK) {
        const struct cvy_cli_common *common = &options.work.common;
        cvy_cli_log(common->verbose);
        status = options.gemm ? cvy_tune_gemm(common, options.budget > 0 ? options.budget : GEMM_SECONDS)
                              : tune(&options);
    }
    cvy_workload_options_finish(&options.work);
    return status == -1 ? CVY_CLI_OK : status;
}
