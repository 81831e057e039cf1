/* cli.h - what every subcommand shares: exit statuses, messages, strict parsing, common options. */
#ifndef TOOLS_CLI_H
#define TOOLS_CLI_H

#include <convoy/convoy.h>

enum cvy_cli_exit {
    CVY_CLI_OK = 0,
    CVY_CLI_FAILED = 1,
    CVY_CLI_USAGE = 2,
    CVY_CLI_BEYOND = 3,        /* a result differs from --expect by more than the tolerance */
    CVY_CLI_INTERRUPTED = 130, /* by Ctrl-C, as shells say it */
};

/* Prints "convoy: ..." to stderr. */
void cvy_cli_error(const char *format, ...) CVY_PRINTF(1, 2);
/* The same, and where to read how it is meant. Returns CVY_CLI_USAGE. */
int cvy_cli_usage(const char *command, const char *format, ...) CVY_PRINTF(2, 3);

/* How the arguments of a command are read; getopt.h is the includer's. */
struct option;
struct cvy_cli_syntax {
    const char *command; /* "" = a program of its own */
    const char *help;
    const char *letters; /* short options beside -v and -h, as getopt_long() has them: "o:" */
    const struct option *options;
    /* Takes an option, or returns -1 where there is none such. Returns an exit status. */
    int (*take_option)(void *user, int option, const char *argument);
    /* Takes the first of *count words, and says in *count how many it took. Returns an exit status. NULL:
     * what is no option is left for the caller, in argv from optind on. */
    int (*take_words)(void *user, char *const *words, int *count);
};
/* Returns an exit status; -1 where --help was asked for, is printed, and nothing is left to be done. */
int cvy_cli_parse(const struct cvy_cli_syntax *syntax, void *user, int argc, char **argv);

/* The whole text must be one number: no sign, no blanks, no overflow. */
bool cvy_cli_parse_size(const char *text, size_t *value);
/* The whole text; no NaN. */
bool cvy_cli_parse_double(const char *text, double *value);
/* The value of --pad-mode. Returns an exit status. */
int cvy_cli_parse_pad_mode(const char *command, const char *text, enum cvy_pad_mode *mode);

/* "[NAME=]FILE". An empty name counts as none, so that "=FILE" admits a file with '=' in its name. */
struct cvy_cli_file {
    char *name; /* NULL = none */
    const char *path;
};
struct cvy_cli_files {
    struct cvy_cli_file *items;
    size_t count;
};
bool cvy_cli_files_add(struct cvy_cli_files *files, const char *argument);
void cvy_cli_files_finish(struct cvy_cli_files *files);

/* Seconds of a clock that only goes forward. */
double cvy_cli_now(void);

#define CVY_CLI_MAX_KERNELS 16

/* Options that every subcommand which opens a device takes. */
struct cvy_cli_common {
    const char *device;
    const char *algo;
    const char *store; /* NULL = default place */
    size_t store_mib;
    double store_seconds; /* for saving */
    double max_launch;    /* milliseconds; negative: the device's default */
    const char *kernels[CVY_CLI_MAX_KERNELS]; /* NAME=FILE: kernel files to use instead of built-in ones */
    size_t n_kernels;
    double tolerance;
    int verbose;
    bool json;
};

enum {
    CVY_CLI_OPT_DEVICE = 1000,
    CVY_CLI_OPT_ALGO,
    CVY_CLI_OPT_STORE,
    CVY_CLI_OPT_STORE_SIZE,
    CVY_CLI_OPT_STORE_TIME,
    CVY_CLI_OPT_TOLERANCE,
    CVY_CLI_OPT_KERNEL,
    CVY_CLI_OPT_JSON,
    CVY_CLI_OPT_MAX_LAUNCH,
    CVY_CLI_OPT_LAST,
};

/* For the array of struct option; getopt.h is the includer's. */
#define CVY_CLI_DEVICE_OPTIONS                                                              \
    {"device", required_argument, NULL, CVY_CLI_OPT_DEVICE},                                \
        {"store", required_argument, NULL, CVY_CLI_OPT_STORE},                              \
        {"store-size", required_argument, NULL, CVY_CLI_OPT_STORE_SIZE},                    \
        {"store-time", required_argument, NULL, CVY_CLI_OPT_STORE_TIME},                    \
        {"kernel", required_argument, NULL, CVY_CLI_OPT_KERNEL},                            \
        {"max-launch", required_argument, NULL, CVY_CLI_OPT_MAX_LAUNCH},                    \
        {"json", no_argument, NULL, CVY_CLI_OPT_JSON}, {"verbose", no_argument, NULL, 'v'}, \
    {                                                                                       \
        "help", no_argument, NULL, 'h'                                                      \
    }
#define CVY_CLI_COMMON_OPTIONS                           \
    {"algo", required_argument, NULL, CVY_CLI_OPT_ALGO}, \
        {"tolerance", required_argument, NULL, CVY_CLI_OPT_TOLERANCE}, CVY_CLI_DEVICE_OPTIONS

#define CVY_CLI_DEVICE_HELP                                                                       \
    "  --device SEL        device: PLATFORM:DEVICE, gpu, igpu, cpu, or a part of a name\n"        \
    "                      (default: CONVOY_DEVICE, else the best)\n"                             \
    "  --store FILE|off    where compiled kernels and measured times are kept\n"                  \
    "                      (default: $XDG_CACHE_HOME/convoy/kernels.db)\n"                        \
    "  --store-size MIB    its largest size (default 256)\n"                                      \
    "  --store-time S      most seconds to spend on saving kernels; the rest is saved\n"          \
    "                      by later runs (default 1)\n"                                           \
    "  --max-launch MS     cut launches expected to take longer; 0: none (default: 100 on a GPU that\n"    \
    "                      draws a screen, else none)\n"                                               \
    "  --kernel NAME=FILE  compile FILE instead of the kernel file NAME; for those who develop\n" \
    "                      kernels: begin with 'convoy doctor --print-kernel NAME'\n"             \
    "  --json              print the report as JSON\n"                                            \
    "  -v, --verbose       say what is chosen; twice: and why\n"                                  \
    "  -h, --help          this text\n"
#define CVY_CLI_COMMON_HELP                              \
    "  --algo NAME         algorithm for convolutions\n" \
    "  --tolerance X       largest error over largest expected value (default 1e-3)\n" CVY_CLI_DEVICE_HELP

void cvy_cli_common_init(struct cvy_cli_common *common);
/* -1: none of these options; otherwise an exit status, CVY_CLI_OK when it was taken. */
int cvy_cli_common_option(struct cvy_cli_common *common, const char *command, int option,
                          const char *argument);

/* Sends the library's messages to stderr. verbose: 0 errors and warnings, 1 also info, 2 all. */
void cvy_cli_log(int verbose);
/* Drops the library's errors, where the command says the same better. */
void cvy_cli_log_quiet(void);

/* Opens the device asked for and gives it the store. */
bool cvy_cli_open_device(struct cvy_device **device, const struct cvy_cli_common *common);
/* "gpu 0:0 NAME" for reports. */
void cvy_cli_describe_device(const struct cvy_device *device, char *text, size_t size);

/* "1.5 GiB" and the like. Returns text. */
const char *cvy_cli_format_bytes(uint64_t bytes, char *text, size_t size);

/* Prints and frees a cJSON object; cJSON.h stays with those who build one. */
struct cJSON;
bool cvy_cli_print_json(struct cJSON *json);
/* Shape as an array of numbers; NULL when out of memory. */
struct cJSON *cvy_cli_json_shape(const struct cvy_shape *shape);

/* Flushes stdout; an error there (a full disk, say) is a failure too. Returns status or CVY_CLI_FAILED. */
int cvy_cli_finish_output(int status);

int cvy_cmd_bench(int argc, char **argv);
int cvy_cmd_devices(int argc, char **argv);
int cvy_cmd_doctor(int argc, char **argv);
int cvy_cmd_run(int argc, char **argv);
int cvy_cmd_conv(int argc, char **argv);
int cvy_cmd_explain(int argc, char **argv);
int cvy_cmd_tune(int argc, char **argv);
int cvy_cmd_try_gemm(int argc, char **argv);

#endif
