/* cmd_devices.c - convoy devices: every platform and device. */
#include "cli.h"

#include <cjson/cJSON.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char help[] = "Usage: convoy devices [--json]\n"
                           "Lists every OpenCL platform, also those without a device, and every device.\n\n"
                           "  --json         print as JSON\n"
                           "  -v, --verbose  show the library's messages; twice: all of them\n"
                           "  -h, --help     this text\n";

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

static void print_device(const struct cvy_device_info *info)
{
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
}

static void print_table(const struct cvy_platform_list *list)
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
            print_device(&platform->devices[d]);
        }
    }
}

static cJSON *device_json(const struct cvy_device_info *info)
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
    return json;
}

static cJSON *list_json(const struct cvy_platform_list *list)
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
            cJSON_AddItemToArray(devices, device_json(&platform->devices[d]));
        }
        cJSON_AddItemToArray(platforms, item);
    }
    return json;
}

static int list_devices(bool json)
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
    if (json) {
        done = cvy_cli_print_json(list_json(list));
    } else {
        print_table(list);
    }
    cvy_platform_list_destroy(&list);
    return done ? CVY_CLI_OK : CVY_CLI_FAILED;
}

int cvy_cmd_devices(int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'},
        {"verbose", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    bool json = false;
    int verbose = 0, option;
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":vh", options, NULL)) != -1) {
        switch (option) {
        case 'j':
            json = true;
            break;
        case 'v':
            verbose++;
            break;
        case 'h':
            fputs(help, stdout);
            return CVY_CLI_OK;
        default:
            return cvy_cli_bad_option("devices", argv, option);
        }
    }
    if (optind < argc) {
        return cvy_cli_usage("devices", "%s: an argument too many", argv[optind]);
    }
    if (verbose) {
        cvy_cli_log(verbose);
    } else {
        cvy_cli_log_quiet();
    }
    return list_devices(json);
}
