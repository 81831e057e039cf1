/* peer.c - the options of a race, and its lists. */
#include "peer.h"

#include "batch.h"
#include "measure.h"
#include "peer_report.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Usage: peer-* [OPTION...] LIST...\n"
    "Runs every convolution of the lists (tests/shapes) with convoy and with the other library, in turns, "
    "on\n"
    "the same threads, and prints the other's time over convoy's: median of the turns' ratios, and "
    "geometric\n"
    "means. Results are compared first; a wrong one makes the run fail.\n\n"
    "  --mb N              batch (default 1; 0: as the list says)\n"
    "  --plain             x and y in plain N C D H W on both sides; otherwise each library's own layouts\n"
    "  --winograd          race the peer's Winograd, where it has one, as well\n"
    "  --filter TEXT       only layers whose name holds TEXT\n"
    "  --turns N           default 15\n"
    "  --tuned FILE        use the times of 'convoy tune --export FILE'\n"
    "  --csv               one line for each library and convolution\n" CVY_CLI_COMMON_HELP;

struct peer_options {
    struct cvy_cli_common common;
    struct cvy_descriptor_options descriptor;
    bool plain, winograd, csv;
    const char *filter, *tuned;
    size_t turns;
    char **lists;
    size_t n_lists;
};

enum {
    OPT_MB = CVY_CLI_OPT_LAST,
    OPT_PLAIN,
    OPT_WINOGRAD,
    OPT_FILTER,
    OPT_TURNS,
    OPT_TUNED,
    OPT_CSV,
};

static const struct option long_options[] = {
    {"mb", required_argument, NULL, OPT_MB},
    {"plain", no_argument, NULL, OPT_PLAIN},
    {"winograd", no_argument, NULL, OPT_WINOGRAD},
    {"filter", required_argument, NULL, OPT_FILTER},
    {"turns", required_argument, NULL, OPT_TURNS},
    {"tuned", required_argument, NULL, OPT_TUNED},
    {"csv", no_argument, NULL, OPT_CSV},
    CVY_CLI_COMMON_OPTIONS,
    {0},
};

static int take_option(void *user, int option, const char *argument)
{
    struct peer_options *options = user;
    switch (option) {
    case OPT_MB:
        return cvy_cli_parse_size(argument, &options->descriptor.mb)
                   ? CVY_CLI_OK
                   : cvy_cli_usage("", "--mb %s: not a whole number from 0", argument);
    case OPT_TURNS:
        return cvy_cli_parse_size(argument, &options->turns) && options->turns > 0
                   ? CVY_CLI_OK
                   : cvy_cli_usage("", "--turns %s: not a whole number from 1", argument);
    case OPT_PLAIN:
        options->plain = true;
        return CVY_CLI_OK;
    case OPT_WINOGRAD:
        options->winograd = true;
        return CVY_CLI_OK;
    case OPT_FILTER:
        options->filter = argument;
        return CVY_CLI_OK;
    case OPT_TUNED:
        options->tuned = argument;
        return CVY_CLI_OK;
    case OPT_CSV:
        options->csv = true;
        return CVY_CLI_OK;
    default:
        return cvy_cli_common_option(&options->common, "", option, argument);
    }
}

static int parse_options(struct peer_options *options, int argc, char **argv)
{
    static const struct cvy_cli_syntax syntax = {
        .command = "",
        .help = help,
        .letters = "",
        .options = long_options,
        .take_option = take_option,
    };
    const int status = cvy_cli_parse(&syntax, options, argc, argv);
    if (status != CVY_CLI_OK) {
        return status;
    }
    options->lists = argv + optind;
    options->n_lists = (size_t)(argc - optind);
    return options->n_lists > 0 ? CVY_CLI_OK : cvy_cli_usage("", "no list given, such as tests/shapes/vgg16");
}

static bool make_tensors(struct cvy_peer_job *job)
{
    struct cvy_shape x, w, y;
    if (cvy_conv_x_shape(&job->problem, &x) != CVY_OK || cvy_conv_w_shape(&job->problem, &w) != CVY_OK ||
        cvy_conv_y_shape(&job->problem, &y) != CVY_OK ||
        cvy_tensor_init(&job->x, CVY_FLOAT32, &x) != CVY_OK ||
        cvy_tensor_init(&job->w, CVY_FLOAT32, &w) != CVY_OK ||
        cvy_tensor_init(&job->y, CVY_FLOAT32, &y) != CVY_OK) {
        return false;
    }
    uint32_t state = CVY_RANDOM_BEGIN;
    cvy_random_fill(job->x.data, job->x.elements, &state);
    cvy_random_fill(job->w.data, job->w.elements, &state);
    return true;
}

/* False: convoy failed, or a result was wrong. */
static bool race_item(const struct cvy_batch_item *item, const char *suite, struct cvy_device *device,
                      const struct cvy_peer_library *peer, const struct peer_options *options,
                      struct cvy_peer_report *report)
{
    struct cvy_peer_race race = {
        .suite = suite,
        .name = item->descriptor.name[0] ? item->descriptor.name : item->text,
        .text = item->text,
        .job = {.problem = item->descriptor.problem,
                .device = device,
                .algo = options->common.algo,
                .plain = options->plain},
    };
    race.entries[race.n_entries++] = (struct cvy_peer_entry){.library = &cvy_peer_ours};
    const size_t variants = options->winograd ? CVY_PEER_MAX_VARIANTS : 1;
    for (size_t i = 0; i < variants && peer->variants[i]; i++) {
        race.entries[race.n_entries++] = (struct cvy_peer_entry){.library = peer, .variant = i};
    }
    if (make_tensors(&race.job)) {
        const bool raced = cvy_peer_race_run(&race, options->turns, options->common.tolerance);
        cvy_peer_report_race(report, &race, raced);
    } else {
        race.failed = true;
    }
    cvy_peer_race_finish(&race);
    return !race.failed;
}

/* The file's name without folders and ending. */
static void name_suite(char *name, size_t size, const char *path)
{
    const char *slash = strrchr(path, '/');
    snprintf(name, size, "%s", slash ? slash + 1 : path);
    char *dot = strrchr(name, '.');
    if (dot) {
        *dot = '\0';
    }
}

static int race_list(const char *path, struct cvy_device *device, const struct cvy_peer_library *peer,
                     const struct peer_options *options, struct cvy_peer_report *report)
{
    char suite[64];
    struct cvy_batch batch;
    int status = cvy_batch_load(&batch, path, "", &options->descriptor);
    if (status != CVY_CLI_OK) {
        return status;
    }
    name_suite(suite, sizeof(suite), path);
    cvy_peer_report_suite(report, suite);
    for (size_t i = 0; i < batch.count; i++) {
        const struct cvy_batch_item *item = &batch.items[i];
        if ((!options->filter || strstr(item->descriptor.name, options->filter)) &&
            !race_item(item, suite, device, peer, options, report)) {
            status = CVY_CLI_FAILED;
        }
    }
    cvy_peer_report_suite_end(report, suite);
    cvy_batch_finish(&batch);
    return status;
}

static int race_lists(const struct cvy_peer_library *peer, const struct peer_options *options)
{
    struct cvy_peer_report report = {.csv = options->csv,
                                     .json = options->common.json,
                                     .winograd = options->winograd && peer->variants[1],
                                     .peer = peer->name};
    struct cvy_device *device = NULL;
    if (!cvy_cli_open_device(&device, &options->common)) {
        return CVY_CLI_FAILED;
    }
    if (options->tuned && cvy_tune_import(device, options->tuned, NULL) != CVY_OK) {
        cvy_device_destroy(&device);
        return CVY_CLI_FAILED;
    }
    if ((peer->open && !peer->open(device)) || !cvy_peer_report_begin(&report)) {
        cvy_cli_error("%s does not begin", peer->name);
        cvy_device_destroy(&device);
        return CVY_CLI_FAILED;
    }
    int status = CVY_CLI_OK;
    for (size_t i = 0; i < options->n_lists; i++) {
        const int one = race_list(options->lists[i], device, peer, options, &report);
        status = status != CVY_CLI_OK ? status : one;
    }
    if (!cvy_peer_report_end(&report, options->n_lists)) {
        status = CVY_CLI_FAILED;
    }
    if (peer->close) {
        peer->close();
    }
    cvy_device_destroy(&device);
    return cvy_cli_finish_output(status);
}

int cvy_peer_main(int argc, char **argv, const struct cvy_peer_library *peer)
{
    setenv("POCL_AFFINITY", "1", 0); /* a core for each of PoCL's workers */
    struct peer_options options = {.descriptor = {.mb = 1}, .turns = 15};
    cvy_cli_common_init(&options.common);
    const int status = parse_options(&options, argc, argv);
    if (status != CVY_CLI_OK) {
        return status == -1 ? CVY_CLI_OK : status;
    }
    cvy_cli_log(options.common.verbose);
    return race_lists(peer, &options);
}
