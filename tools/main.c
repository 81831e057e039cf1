/* main.c - the convoy command: finds the subcommand. */
#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct subcommand {
    const char *name;
    const char *summary; /* NULL: not for users */
    int (*run)(int argc, char **argv);
};

static const struct subcommand subcommands[] = {
    {"devices", "list OpenCL platforms and devices", cvy_cmd_devices},
    {"doctor", "test every kernel on a device", cvy_cmd_doctor},
    {"run", "run an ONNX model on files", cvy_cmd_run},
    {"conv", "run one convolution on files", cvy_cmd_conv},
    {"explain", "explain a convolution or a model", cvy_cmd_explain},
    {"bench", "measure convolutions", cvy_cmd_bench},
    {"tune", "measure which algorithms are fastest", cvy_cmd_tune},
    {"try-gemm", NULL, cvy_cmd_try_gemm},
};
#define SUBCOMMANDS (sizeof(subcommands) / sizeof(subcommands[0]))

static void print_help(FILE *stream)
{
    fputs("Usage: convoy COMMAND [OPTION...]\n"
          "Convolutions and convolutional networks on any OpenCL device.\n\n",
          stream);
    for (size_t i = 0; i < SUBCOMMANDS; i++) {
        if (subcommands[i].summary != NULL) {
            fprintf(stream, "  %-9s %s\n", subcommands[i].name, subcommands[i].summary);
        }
    }
    fputs("\n"
          "  --help     this text; 'convoy COMMAND --help' tells a command's options\n"
          "  --version  the version\n",
          stream);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return CVY_CLI_USAGE;
    }
    const char *name = argv[1];
    /* PoCL's workers keep to a core each: two on one core would take twice as long */
    setenv("POCL_AFFINITY", "1", 0);
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_help(stdout);
        return cvy_cli_finish_output(CVY_CLI_OK);
    }
    if (strcmp(name, "--version") == 0) {
        printf("convoy %s\n", cvy_version());
        return cvy_cli_finish_output(CVY_CLI_OK);
    }
    for (size_t i = 0; i < SUBCOMMANDS; i++) {
        if (strcmp(name, subcommands[i].name) == 0) {
            cvy_cli_log(0);
            return cvy_cli_finish_output(subcommands[i].run(argc - 1, argv + 1));
        }
    }
    return cvy_cli_usage("", "%s: no such command", name);
}
