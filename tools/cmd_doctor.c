/* cmd_doctor.c - convoy doctor: is every kernel right on this device? */
#include "cli.h"

#include <cjson/cJSON.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const char help[] =
    "Usage: convoy doctor [--device SEL] [OPTION...]\n"
    "Runs every kernel on random inputs and compares with plain loops on the host. A kernel that is wrong\n"
    "on this device and driver is not used there any more, until it is found right or forgotten.\n"
    "Exit status 1: a kernel is wrong.\n\n"
    "  --forget            test nothing; use again what was found wrong on this device\n"
    "  --only NAME         examine one kernel file, and take the others for right\n"
    "  --quick             fewer and smaller problems, for slow implementations\n"
    "  --seed N            of the random inputs (default: from the clock)\n"
    "  --print-kernel NAME print a kernel file as it is compiled (to change it and give it to "
    "--kernel)\n" CVY_CLI_DEVICE_HELP;

enum {
    OPT_FORGET = CVY_CLI_OPT_LAST,
    OPT_QUICK,
    OPT_ONLY,
    OPT_SEED,
    OPT_PRINT_KERNEL,
};

static const struct option long_options[] = {
    {"forget", no_argument, NULL, OPT_FORGET},
    {"quick", no_argument, NULL, OPT_QUICK},
    {"only", required_argument, NULL, OPT_ONLY},
    {"seed", required_argument, NULL, OPT_SEED},
    {"print-kernel", required_argument, NULL, OPT_PRINT_KERNEL},
    CVY_CLI_DEVICE_OPTIONS,
    {0},
};

struct doctor_options {
    struct cvy_cli_common common;
    const char *print_kernel, *only;
    size_t seed;
    bool has_seed, forget, quick;
};

/* What the callback adds to. */
struct doctor_report {
    cJSON *kernels; /* NULL: a table is printed */
    size_t tried, not_tried;
};

static int take_option(void *user, int option, const char *argument)
{
    struct doctor_options *options = user;
    switch (option) {
    case OPT_FORGET:
        options->forget = true;
        return CVY_CLI_OK;
    case OPT_QUICK:
        options->quick = true;
        return CVY_CLI_OK;
    case OPT_ONLY:
        options->only = argument;
        return CVY_CLI_OK;
    case OPT_SEED:
        if (!cvy_cli_parse_size(argument, &options->seed)) {
            return cvy_cli_usage("doctor", "--seed %s: not a number from 0", argument);
        }
        options->has_seed = true;
        return CVY_CLI_OK;
    case OPT_PRINT_KERNEL:
        options->print_kernel = argument;
        return CVY_CLI_OK;
    default:
        return cvy_cli_common_option(&options->common, "doctor", option, argument);
    }
}

static int parse_options(struct doctor_options *options, int argc, char **argv)
{
    static const struct cvy_cli_syntax syntax = {
        .command = "doctor",
        .help = help,
        .letters = "",
        .options = long_options,
        .take_option = take_option,
    };
    const int status = cvy_cli_parse(&syntax, options, argc, argv);
    if (status == CVY_CLI_OK && optind < argc) {
        return cvy_cli_usage("doctor", "%s: an argument too many", argv[optind]);
    }
    return status;
}

static int refuse_name(const char *option, const char *name)
{
    char names[1024] = "";
    size_t used = 0;
    const char *known;
    for (size_t i = 0; (known = cvy_kernel_file_name(i)) && used < sizeof(names); i++) {
        int wrote = snprintf(names + used, sizeof(names) - used, "%s%s", used ? ", " : "", known);
        used += wrote > 0 ? (size_t)wrote : 0;
    }
    cvy_cli_error("%s %s: no such kernel file; there are %s", option, name, names);
    return CVY_CLI_FAILED;
}

static int print_kernel(const char *name)
{
    const char *text = cvy_device_get_kernel_source(NULL, name);
    if (!text) {
        return refuse_name("--print-kernel", name);
    }
    fputs(text, stdout);
    return CVY_CLI_OK;
}

static void print_row(const struct cvy_doctor_report *kernel)
{
    char name[160];
    snprintf(name, sizeof(name), "%s.cl %s", kernel->program, kernel->kernel);
    if (strcmp(kernel->program, "clblast") == 0) {
        snprintf(name, sizeof(name), "CLBlast %s", kernel->kernel);
    }
    printf("%-36s %-14s %7zu", name, cvy_verdict_name(kernel->verdict), kernel->checks);
    if (kernel->verdict == CVY_VERDICT_RIGHT) {
        printf(" %9.1e", kernel->max_error);
    }
    putchar('\n');
    if (kernel->detail[0]) {
        printf("    %s\n", kernel->detail);
    }
}

static cJSON *row_json(const struct cvy_doctor_report *kernel)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "file", kernel->program);
    cJSON_AddStringToObject(json, "kernel", kernel->kernel);
    cJSON_AddStringToObject(json, "verdict", cvy_verdict_name(kernel->verdict));
    cJSON_AddNumberToObject(json, "checks", (double)kernel->checks);
    cJSON_AddNumberToObject(json, "wrong", (double)kernel->wrong);
    cJSON_AddNumberToObject(json, "max_relative", kernel->max_error);
    cJSON_AddStringToObject(json, "detail", kernel->detail);
    return json;
}

static void take_report(void *user, const struct cvy_doctor_report *kernel)
{
    struct doctor_report *report = user;
    if (kernel->verdict == CVY_VERDICT_NOT_TRIED) {
        report->not_tried++;
    } else {
        report->tried++;
    }
    if (report->kernels) {
        cJSON_AddItemToArray(report->kernels, row_json(kernel));
    } else {
        print_row(kernel);
    }
}

static bool print_summary(const struct doctor_report *report, const struct cvy_device *device, uint64_t seed,
                          size_t wrong, double seconds)
{
    if (!report->kernels) {
        printf("\n%zu kernels tried in %.1f s, %zu wrong, %zu not tried\n", report->tried, seconds, wrong,
               report->not_tried);
        return true;
    }
    cJSON *json = cJSON_CreateObject();
    char text[32];
    snprintf(text, sizeof(text), "%" PRIu64, seed);
    cJSON_AddStringToObject(json, "device", cvy_device_get_info(device)->name);
    cJSON_AddStringToObject(json, "driver", cvy_device_get_info(device)->driver_version);
    cJSON_AddStringToObject(json, "seed", text);
    cJSON_AddNumberToObject(json, "seconds", seconds);
    cJSON_AddNumberToObject(json, "wrong", (double)wrong);
    cJSON_AddNumberToObject(json, "not_tried", (double)report->not_tried);
    cJSON_AddItemToObject(json, "kernels", report->kernels);
    return cvy_cli_print_json(json);
}

static int examine(struct cvy_device *device, const struct doctor_options *options)
{
    struct doctor_report report = {0};
    struct cvy_doctor_params params = {
        .seed = options->has_seed ? options->seed : (uint64_t)time(NULL) * 1000003u,
        .quick = options->quick,
        .program = options->only,
        .report = take_report,
        .user = &report,
    };
    size_t wrong = 0;
    double start = cvy_cli_now();
    if (options->common.json) {
        report.kernels = cJSON_CreateArray();
        if (!report.kernels) {
            cvy_cli_error("out of memory");
            return CVY_CLI_FAILED;
        }
    } else {
        char text[256];
        cvy_cli_describe_device(device, text, sizeof(text));
        printf("device   %s, driver %s\nseed     %" PRIu64 "\n\n%-36s %-14s %7s %9s\n", text,
               cvy_device_get_info(device)->driver_version, params.seed, "KERNEL", "VERDICT", "CHECKS",
               "ERROR");
        fflush(stdout);
    }
    /* What a driver says of a kernel that it does not build is told once, in the report. */
    if (!options->common.verbose) {
        cvy_cli_log_quiet();
    }
    enum cvy_status status = cvy_doctor_run(device, &params, &wrong);
    cvy_cli_log(options->common.verbose);
    if (status != CVY_OK) {
        cJSON_Delete(report.kernels);
        cvy_cli_error("doctor: broken off: %s; 'convoy doctor -v' tells more", cvy_status_string(status));
        return CVY_CLI_FAILED;
    }
    if (!print_summary(&report, device, params.seed, wrong, cvy_cli_now() - start)) {
        return CVY_CLI_FAILED;
    }
    return wrong > 0 ? CVY_CLI_FAILED : CVY_CLI_OK;
}

static int forget(struct cvy_device *device, bool json)
{
    size_t count = 0;
    if (cvy_doctor_forget(device, &count) != CVY_OK) {
        return CVY_CLI_FAILED;
    }
    if (json) {
        cJSON *report = cJSON_CreateObject();
        cJSON_AddNumberToObject(report, "forgotten", (double)count);
        return cvy_cli_print_json(report) ? CVY_CLI_OK : CVY_CLI_FAILED;
    }
    printf("%zu kernel%s forgotten\n", count, count == 1 ? "" : "s");
    return CVY_CLI_OK;
}

int cvy_cmd_doctor(int argc, char **argv)
{
    struct doctor_options options = {0};
    cvy_cli_common_init(&options.common);
    int status = parse_options(&options, argc, argv);
    if (status != CVY_CLI_OK) {
        return status == -1 ? CVY_CLI_OK : status;
    }
    if (options.print_kernel) {
        return print_kernel(options.print_kernel);
    }
    if (options.only && strcmp(options.only, "clblast") &&
        !cvy_device_get_kernel_source(NULL, options.only)) {
        return refuse_name("--only", options.only);
    }
    cvy_cli_log(options.common.verbose);
    struct cvy_device *device = NULL;
    if (!cvy_cli_open_device(&device, &options.common)) {
        return CVY_CLI_FAILED;
    }
    status = options.forget ? forget(device, options.common.json) : examine(device, &options);
    cvy_device_destroy(&device);
    return status;
}
