/* cmd_devices.c - convoy devices: every platform and device. */
#include "cli.h"

#include <cjson/cJSON.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

static const char help[] =
    "Usage: convoy devices [--rates] [--json]\n"
    "Lists every OpenCL platform, also those without a device, and every device.\n\n"
    "  --rates        measure how fast each is, in about a second; what is found is kept\n"
    "  --store FILE|off, --store-size MIB, --store-time S  where it is kept\n"
    "  --json         print as JSON\n"
    "  -v, --verbose  show the library's messages; twice: all of them\n"
    "  -h, --help     this text\n";

struct devices_options {
    struct cvy_cli_common common;
    bool rates;
};

/* false, too, where the driver's figures had to stand in. */
static bool measure(const struct cvy_device_info *info, const struct devices_options *options,
                    struct cvy_device_rates *rates)
{
    struct cvy_cli_common common = options->common;
    struct cvy_device *device = NULL;
    common.device = info->selector;
    bool done = info->available && cvy_cli_open_device(&device, &common) &&
                cvy_device_measure_rates(device, rates) == CVY_OK && rates->is_measured;
    cvy_device_destroy(&device);
    return done;
}

static const char *yes_no(bool value)
{
    return value ? "yes" : "no";
}

/* "3.0" of "OpenCL 3.0 vendor's words". */
static void opencl_number(const char *version, char *text, size_t size)
{
    const char *start = strncmp(version, "OpenCL ", 7) == 0 ? version + 7 : version;
    snprintf(text, size, "%.*s", (int)strcspn(start, " "), start);
}

static void print_device(const struct cvy_device_info *info, const struct devices_options *options)
{
    struct cvy_device_rates rates;
    char memory[32], largest[32], local[48], bytes[32], opencl[24], clock[24] = "?";
    cvy_cli_format_bytes(info->global_bytes, memory, sizeof(memory));
    cvy_cli_format_bytes(info->max_alloc_bytes, largest, sizeof(largest));
    cvy_cli_format_bytes(info->local_bytes, bytes, sizeof(bytes));
    snprintf(local, sizeof(local), "%s %s", bytes, info->local_is_dedicated ? "own" : "plain");
    opencl_number(info->opencl_version, opencl, sizeof(opencl));
    if (info->clock_mhz) {
        snprintf(clock, sizeof(clock), "%zu", info->clock_mhz);
    }
    printf("  %-7s %-12s %5zu %5s %9s %9s %14s %6zu %6zu %5s %5s %7s %6s  %s%s\n", info->selector,
           cvy_device_type_name(info->type), info->compute_units, clock, memory, largest, local,
           info->max_work_group, info->vector_width, yes_no(info->fp16), yes_no(info->fp64),
           yes_no(info->unified_memory), opencl, info->name, info->available ? "" : " (not available)");
    printf("  %-7s driver %s\n", "", info->driver_version);
    if (options->rates && measure(info, options, &rates)) {
        printf("  %-7s %.4g GFLOP/s; memory %.3g GB/s, caches %.3g GB/s; a launch %.3g us, a work-group %.3g "
               "ns\n",
               "", 1e-9 * rates.flops, 1e-9 * rates.memory_bytes, 1e-9 * rates.cache_bytes,
               1e6 * rates.launch_seconds, 1e9 * rates.group_seconds);
    } else if (options->rates) {
        printf("  %-7s its speed cannot be measured; 'convoy devices --rates -v' tells why\n", "");
    }
}

static void print_table(const struct cvy_platform_list *list, const struct devices_options *options)
{
    for (size_t p = 0; p < list->n_platforms; p++) {
        const struct cvy_platform_info *platform = &list->platforms[p];
        printf("%s%zu  %s, %s\n", p ? "\n" : "", p, platform->name, platform->version);
        if (platform->problem[0]) {
            printf("  %s\n", platform->problem);
        } else if (platform->n_devices == 0) {
            puts("  no device");
        }
        if (platform->n_devices > 0) {
            printf("  %-7s %-12s %5s %5s %9s %9s %14s %6s %6s %5s %5s %7s %6s  %s\n", "DEVICE", "TYPE",
                   "UNITS", "MHZ", "MEMORY", "LARGEST", "LOCAL", "GROUP", "VECTOR", "FP16", "FP64", "UNIFIED",
                   "OPENCL", "NAME");
        }
        for (size_t d = 0; d < platform->n_devices; d++) {
            print_device(&platform->devices[d], options);
        }
    }
}

static void add_rates(cJSON *json, const struct cvy_device_info *info, const struct devices_options *options)
{
    struct cvy_device_rates rates;
    if (!measure(info, options, &rates)) {
        cJSON_AddNullToObject(json, "rates");
        return;
    }
    cJSON *item = cJSON_AddObjectToObject(json, "rates");
    cJSON_AddNumberToObject(item, "flops", rates.flops);
    cJSON_AddNumberToObject(item, "memory_bytes", rates.memory_bytes);
    cJSON_AddNumberToObject(item, "cache_bytes", rates.cache_bytes);
    cJSON_AddNumberToObject(item, "launch_seconds", rates.launch_seconds);
    cJSON_AddNumberToObject(item, "group_seconds", rates.group_seconds);
}

static cJSON *device_json(const struct cvy_device_info *info, const struct devices_options *options)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "selector", info->selector);
    cJSON_AddStringToObject(json, "name", info->name);
    cJSON_AddStringToObject(json, "vendor", info->vendor);
    cJSON_AddStringToObject(json, "type", cvy_device_type_name(info->type));
    cJSON_AddNumberToObject(json, "compute_units", (double)info->compute_units);
    cJSON_AddNumberToObject(json, "clock_mhz", (double)info->clock_mhz);
    cJSON_AddNumberToObject(json, "global_bytes", (double)info->global_bytes);
    cJSON_AddNumberToObject(json, "max_alloc_bytes", (double)info->max_alloc_bytes);
    cJSON_AddNumberToObject(json, "local_bytes", (double)info->local_bytes);
    cJSON_AddBoolToObject(json, "local_is_dedicated", info->local_is_dedicated);
    cJSON_AddNumberToObject(json, "cache_bytes", (double)info->cache_bytes);
    cJSON_AddNumberToObject(json, "max_work_group", (double)info->max_work_group);
    cJSON *sizes = cJSON_AddArrayToObject(json, "max_work_item_sizes");
    for (size_t i = 0; i < 3; i++) {
        cJSON_AddItemToArray(sizes, cJSON_CreateNumber((double)info->max_work_item_sizes[i]));
    }
    cJSON_AddNumberToObject(json, "vector_width", (double)info->vector_width);
    cJSON_AddNumberToObject(json, "base_align", (double)info->base_align);
    cJSON_AddBoolToObject(json, "fp16", info->fp16);
    cJSON_AddBoolToObject(json, "fp64", info->fp64);
    cJSON_AddBoolToObject(json, "unified_memory", info->unified_memory);
    cJSON_AddBoolToObject(json, "available", info->available);
    cJSON_AddStringToObject(json, "opencl_version", info->opencl_version);
    cJSON_AddStringToObject(json, "opencl_c_version", info->opencl_c_version);
    cJSON_AddStringToObject(json, "driver_version", info->driver_version);
    if (options->rates) {
        add_rates(json, info, options);
    }
    return json;
}

static cJSON *list_json(const struct cvy_platform_list *list, const struct devices_options *options)
{
    cJSON *json = cJSON_CreateObject();
    cJSON *platforms = cJSON_AddArrayToObject(json, "platforms");
    for (size_t p = 0; p < list->n_platforms; p++) {
        const struct cvy_platform_info *platform = &list->platforms[p];
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "name", platform->name);
        cJSON_AddStringToObject(item, "vendor", platform->vendor);
        cJSON_AddStringToObject(item, "version", platform->version);
        cJSON_AddStringToObject(item, "problem", platform->problem);
        cJSON *devices = cJSON_AddArrayToObject(item, "devices");
        for (size_t d = 0; d < platform->n_devices; d++) {
            cJSON_AddItemToArray(devices, device_json(&platform->devices[d], options));
        }
        cJSON_AddItemToArray(platforms, item);
    }
    return json;
}

static int list_devices(const struct devices_options *options)
{
    struct cvy_platform_list *list = NULL;
    enum cvy_status status = cvy_platform_list_create(&list);
    if (status == CVY_ERROR_NOT_FOUND) {
        cvy_cli_error("OpenCL: no platform on this machine; install the driver of your GPU (Debian, Ubuntu: "
                      "intel-opencl-icd, nvidia-opencl-icd or mesa-opencl-icd) or pocl-opencl-icd, which "
                      "computes on any CPU");
    } else if (status != CVY_OK) {
        cvy_cli_error("OpenCL: the platforms cannot be listed: %s; try 'convoy devices -v'",
                      cvy_status_string(status));
    }
    if (status != CVY_OK) {
        return CVY_CLI_FAILED;
    }
    bool done = true;
    if (options->common.json) {
        done = cvy_cli_print_json(list_json(list, options));
    } else {
        print_table(list, options);
    }
    cvy_platform_list_destroy(&list);
    return done ? CVY_CLI_OK : CVY_CLI_FAILED;
}

enum { OPT_RATES = CVY_CLI_OPT_LAST };

static int take_option(void *user, int option, const char *argument)
{
    struct devices_options *options = user;
    if (option == OPT_RATES) {
        options->rates = true;
        return CVY_CLI_OK;
    }
    return cvy_cli_common_option(&options->common, "devices", option, argument);
}

int cvy_cmd_devices(int argc, char **argv)
{
    static const struct option long_options[] = {
        {"rates", no_argument, NULL, OPT_RATES},
        {"store", required_argument, NULL, CVY_CLI_OPT_STORE},
        {"store-size", required_argument, NULL, CVY_CLI_OPT_STORE_SIZE},
        {"store-time", required_argument, NULL, CVY_CLI_OPT_STORE_TIME},
        {"json", no_argument, NULL, CVY_CLI_OPT_JSON},
        {"verbose", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    static const struct cvy_cli_syntax syntax = {
        .command = "devices",
        .help = help,
        .letters = "",
        .options = long_options,
        .take_option = take_option,
    };
    struct devices_options options = {0};
    cvy_cli_common_init(&options.common);
    const int status = cvy_cli_parse(&syntax, &options, argc, argv);
    if (status != CVY_CLI_OK) {
        return status == -1 ? CVY_CLI_OK : status;
    }
    if (optind < argc) {
        return cvy_cli_usage("devices", "%s: an argument too many", argv[optind]);
    }
    if (options.common.verbose) {
        cvy_cli_log(options.common.verbose);
    } else {
        cvy_cli_log_quiet();
    }
    return list_devices(&options);
}
