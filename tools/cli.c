/* cli.c - messages, strict numbers, common options, device and store. */
#include "cli.h"

#include <cjson/cJSON.h>
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void cvy_cli_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fflush(stdout);
    fputs("convoy: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

int cvy_cli_usage(const char *command, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("convoy: ", stderr);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "; see 'convoy %s%s--help'\n", command, command[0] ? " " : "");
    return CVY_CLI_USAGE;
}

/* What getopt_long() with opterr = 0 and a leading ':' found wrong. */
static int bad_option(const char *command, char **argv, int found)
{
    const char *text = argv[optind - 1];
    if (found == ':') {
        return cvy_cli_usage(command, "%s: needs a value", text);
    }
    if (strncmp(text, "--", 2) == 0) {
        return cvy_cli_usage(command, "%s: no such option, or not clear which", text);
    }
    return cvy_cli_usage(command, "-%c: no such option", optopt);
}

/* getopt_long() is one word ahead. */
static int take_words(const struct cvy_cli_syntax *syntax, void *user, int argc, char **argv)
{
    int count = argc - optind + 1;
    int status = syntax->take_words(user, argv + optind - 1, &count);
    optind += count - 1;
    return status;
}

int cvy_cli_parse(const struct cvy_cli_syntax *syntax, void *user, int argc, char **argv)
{
    char letters[16];
    int option, status = CVY_CLI_OK;
    /* a leading '-': words come in their order among the options */
    snprintf(letters, sizeof(letters), "%s:vh%s", syntax->take_words ? "-" : "", syntax->letters);
    opterr = 0;
    while (status == CVY_CLI_OK && (option = getopt_long(argc, argv, letters, syntax->options, NULL)) != -1) {
        if (option == 'h') {
            fputs(syntax->help, stdout);
            return -1;
        }
        if (option == 1) {
            status = take_words(syntax, user, argc, argv);
            continue;
        }
        status = syntax->take_option(user, option, optarg);
        if (status == -1) {
            return bad_option(syntax->command, argv, option);
        }
    }
    /* behind "--" */
    while (status == CVY_CLI_OK && syntax->take_words && optind < argc) {
        optind++;
        status = take_words(syntax, user, argc, argv);
    }
    return status;
}

bool cvy_cli_parse_size(const char *text, size_t *value)
{
    if (!isdigit((unsigned char)text[0])) {
        return false;
    }
    char *end;
    errno = 0;
    unsigned long long parsed = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0' || parsed > SIZE_MAX) {
        return false;
    }
    *value = (size_t)parsed;
    return true;
}

bool cvy_cli_parse_double(const char *text, double *value)
{
    if (text[0] == '\0' || isspace((unsigned char)text[0])) {
        return false;
    }
    char *end;
    double parsed = strtod(text, &end);
    if (*end != '\0' || isnan(parsed)) {
        return false;
    }
    *value = parsed;
    return true;
}

int cvy_cli_parse_pad_mode(const char *command, const char *text, enum cvy_pad_mode *mode)
{
    for (int i = CVY_PAD_CONSTANT; i <= CVY_PAD_WRAP; i++) {
        if (strcmp(text, cvy_pad_mode_name((enum cvy_pad_mode)i)) == 0) {
            *mode = (enum cvy_pad_mode)i;
            return CVY_CLI_OK;
        }
    }
    return cvy_cli_usage(command, "--pad-mode %s: not one of zeros, reflect, replicate, circular", text);
}

bool cvy_cli_files_add(struct cvy_cli_files *files, const char *argument)
{
    struct cvy_cli_file *grown = realloc(files->items, (files->count + 1) * sizeof(*grown));
    if (!grown) {
        cvy_cli_error("out of memory");
        return false;
    }
    files->items = grown;
    struct cvy_cli_file *file = &grown[files->count];
    const char *equals = strchr(argument, '=');
    file->name = NULL;
    file->path = equals ? equals + 1 : argument;
    if (equals && equals != argument) {
        file->name = strndup(argument, (size_t)(equals - argument));
        if (!file->name) {
            cvy_cli_error("out of memory");
            return false;
        }
    }
    files->count++;
    return true;
}

void cvy_cli_files_finish(struct cvy_cli_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        free(files->items[i].name);
    }
    free(files->items);
    *files = (struct cvy_cli_files){0};
}

double cvy_cli_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void cvy_cli_common_init(struct cvy_cli_common *common)
{
    *common = (struct cvy_cli_common){.device = getenv("CONVOY_DEVICE"),
                                      .store_mib = 256,
                                      .store_seconds = 1,
                                      .max_launch = -1,
                                      .tolerance = 1e-3};
}

int cvy_cli_common_option(struct cvy_cli_common *common, const char *command, int option,
                          const char *argument)
{
    switch (option) {
    case CVY_CLI_OPT_DEVICE:
        common->device = argument;
        return CVY_CLI_OK;
    case CVY_CLI_OPT_ALGO:
        common->algo = argument;
        return CVY_CLI_OK;
    case CVY_CLI_OPT_STORE:
        if (argument[0] == '\0') {
            return cvy_cli_usage(command, "--store: empty; give a file or 'off'");
        }
        common->store = argument;
        return CVY_CLI_OK;
    case CVY_CLI_OPT_STORE_TIME:
        if (!cvy_cli_parse_double(argument, &common->store_seconds) || common->store_seconds <= 0) {
            return cvy_cli_usage(command, "--store-time %s: not a number of seconds above 0", argument);
        }
        return CVY_CLI_OK;
    case CVY_CLI_OPT_STORE_SIZE:
        if (!cvy_cli_parse_size(argument, &common->store_mib) || common->store_mib == 0 ||
            common->store_mib > SIZE_MAX >> 20) {
            return cvy_cli_usage(command, "--store-size %s: not a number of MiB from 1", argument);
        }
        return CVY_CLI_OK;
    case CVY_CLI_OPT_TOLERANCE:
        if (!cvy_cli_parse_double(argument, &common->tolerance) || common->tolerance < 0) {
            return cvy_cli_usage(command, "--tolerance %s: not a number from 0 (inf: any error will do)",
                                 argument);
        }
        return CVY_CLI_OK;
    case CVY_CLI_OPT_MAX_LAUNCH:
        return cvy_cli_parse_double(argument, &common->max_launch) && common->max_launch >= 0
                   ? CVY_CLI_OK
                   : cvy_cli_usage(command, "--max-launch %s: not a number of milliseconds from 0", argument);
    case CVY_CLI_OPT_KERNEL:
        if (!strchr(argument, '=')) {
            return cvy_cli_usage(command, "--kernel %s: not NAME=FILE", argument);
        }
        if (common->n_kernels == CVY_CLI_MAX_KERNELS) {
            return cvy_cli_usage(command, "--kernel: given more than %d times", CVY_CLI_MAX_KERNELS);
        }
        common->kernels[common->n_kernels++] = argument;
        return CVY_CLI_OK;
    case CVY_CLI_OPT_JSON:
        common->json = true;
        return CVY_CLI_OK;
    case 'v':
        common->verbose++;
        return CVY_CLI_OK;
    default:
        return -1;
    }
}

static void print_message(void *user, enum cvy_log_level level, const char *message)
{
    (void)user;
    static const char *const prefixes[] = {"", "warning: ", "info: ", "debug: "};
    fprintf(stderr, "convoy: %s%s\n", (size_t)level < 4 ? prefixes[level] : "", message);
}

void cvy_cli_log(int verbose)
{
    enum cvy_log_level level = verbose >= 2 ? CVY_LOG_DEBUG : verbose == 1 ? CVY_LOG_INFO : CVY_LOG_WARNING;
    cvy_log_set_callback(print_message, NULL, level);
}

void cvy_cli_log_quiet(void)
{
    cvy_log_set_callback(NULL, NULL, CVY_LOG_ERROR);
}

/* The default place, or NULL where the environment names none. The caller frees. */
static char *default_store(void)
{
    /* The XDG specification has relative paths ignored. */
    const char *base = getenv("XDG_CACHE_HOME");
    const char *tail = "/convoy/kernels.db";
    if (!base || base[0] != '/') {
        base = getenv("HOME");
        tail = "/.cache/convoy/kernels.db";
    }
    if (!base || base[0] != '/') {
        return NULL;
    }
    size_t size = strlen(base) + strlen(tail) + 1;
    char *path = malloc(size);
    if (path) {
        snprintf(path, size, "%s%s", base, tail);
    }
    return path;
}

#define CVY_CLI_MAX_KERNEL_BYTES ((size_t)16 << 20)

/* The whole file with a terminator; the caller frees. NULL after a message. */
static char *read_text(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    size_t used = 0, capacity = 0;
    bool good = file != NULL;
    while (good) {
        if (capacity - used < 2) {
            capacity = capacity ? 2 * capacity : 1 << 14;
            char *grown = capacity <= CVY_CLI_MAX_KERNEL_BYTES ? realloc(text, capacity) : NULL;
            errno = grown ? 0 : EFBIG;
            good = grown != NULL;
            text = grown ? grown : text;
        }
        size_t got = good ? fread(text + used, 1, capacity - used - 1, file) : 0;
        used += got;
        if (got == 0) {
            break;
        }
    }
    good = good && !ferror(file);
    if (!good) {
        cvy_cli_error("%s: %s; give a file of OpenCL C", path, strerror(errno));
    }
    if (file) {
        fclose(file);
    }
    if (!good) {
        free(text);
        return NULL;
    }
    text[used] = '\0';
    return text;
}

static bool replace_kernels(struct cvy_device *device, const struct cvy_cli_common *common)
{
    for (size_t i = 0; i < common->n_kernels; i++) {
        const char *equals = strchr(common->kernels[i], '=');
        char *name = strndup(common->kernels[i], (size_t)(equals - common->kernels[i]));
        char *text = name ? read_text(equals + 1) : NULL;
        bool done = text && cvy_device_set_kernel_source(device, name, text) == CVY_OK;
        free(name);
        free(text);
        if (!done) {
            return false;
        }
    }
    return true;
}

bool cvy_cli_open_device(struct cvy_device **device, const struct cvy_cli_common *common)
{
    if (cvy_device_open(device, common->device) != CVY_OK) {
        return false;
    }
    if (!replace_kernels(*device, common)) {
        cvy_device_destroy(device);
        return false;
    }
    if (common->max_launch >= 0) {
        cvy_device_set_max_launch(*device, common->max_launch);
    }
    if (common->store && strcmp(common->store, "off") == 0) {
        return true;
    }
    char *path = common->store ? strdup(common->store) : default_store();
    if (path) {
        struct cvy_store_params params = {.path = path,
                                          .max_bytes = (uint64_t)common->store_mib << 20,
                                          .save_seconds = common->store_seconds};
        /* A store that cannot be had costs speed alone, and the library has said so. */
        (void)cvy_device_set_store(*device, &params);
        free(path);
    }
    return true;
}

void cvy_cli_describe_device(const struct cvy_device *device, char *text, size_t size)
{
    const struct cvy_device_info *info = cvy_device_get_info(device);
    snprintf(text, size, "%s %s %s", info->selector, cvy_device_type_name(info->type), info->name);
}

const char *cvy_cli_format_bytes(uint64_t bytes, char *text, size_t size)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1024 && unit < 5) {
        value /= 1024;
        unit++;
    }
    bool whole = value >= 100 || value == floor(value);
    snprintf(text, size, whole ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return text;
}

bool cvy_cli_print_json(cJSON *json)
{
    char *text = json ? cJSON_Print(json) : NULL;
    cJSON_Delete(json);
    if (!text) {
        cvy_cli_error("out of memory");
        return false;
    }
    puts(text);
    cJSON_free(text);
    return true;
}

cJSON *cvy_cli_json_shape(const struct cvy_shape *shape)
{
    cJSON *array = cJSON_CreateArray();
    for (size_t i = 0; i < shape->rank; i++) {
        cJSON_AddItemToArray(array, cJSON_CreateNumber((double)shape->dims[i]));
    }
    return array;
}

int cvy_cli_finish_output(int status)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        cvy_cli_error("standard output: %s; the report is incomplete", strerror(errno));
        return status == CVY_CLI_OK ? CVY_CLI_FAILED : status;
    }
    return status;
}
