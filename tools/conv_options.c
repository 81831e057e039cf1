/* conv_options.c - reads the options of `convoy conv`. */
#include "conv_options.h"
#include "devices.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

static const char help[] =
    "Usage: convoy conv X.npy W.npy... [-o Y.npy] [OPTION...]\n"
    "Runs one convolution. X is N C [D [H]] W, W is K C/groups [Z [R]] S, Y is N K [O [P]] Q;\n"
    "with --transposed W is C K/groups [Z [R]] S. Lists have one value for each spatial axis, or one\n"
    "for all. Files: .npy, .pb, .png, .jpg.\n\n"
    "  -o, --output FILE   write Y\n"
    "  --bias FILE         K values to add\n"
    "  --stride LIST       default 1\n"
    "  --dilation LIST     default 1: none\n"
    "  --pad LIST[:LIST]   padding at the begin and at the end of the axes; one list: both (default 0)\n"
    "  --pad-mode MODE     what padding holds: zeros, reflect, replicate, circular (default zeros)\n"
    "  --groups N          default 1\n"
    "  --shuffle N         shuffle the channels of Y in N groups\n"
    "  --transposed        transposed convolution\n"
    "  --output-padding LIST  extra size at the end of Y, transposed only\n"
    "  --kind KIND         standard (default), or one that takes a W for each pass:\n"
    "                      spatially-separable: first axis, other axes\n"
    "                      depthwise-separable: depthwise, pointwise\n"
    "                      flattened: lateral (1x1), then each axis\n"
    "  --separable RANK    factor W into two passes of this rank (0: the least that is exact)\n"
    "                      and run those\n"
    "  --flip              read W backwards: true convolution\n"
    "  --expect FILE       compare Y with it; exit 3 beyond the tolerance\n" CVY_CLI_DEVICES_HELP
        CVY_CLI_COMMON_HELP;

/* Parses "1,2,3" up to end (NULL = all of text). */
static int parse_list(struct axis_list *list, const char *option, const char *text, const char *end)
{
    *list = (struct axis_list){.option = option, .text = text};
    const char *stop = end ? end : text + strlen(text);
    for (const char *at = text;; at++) {
        char number[32];
        size_t length = 0;
        while (at + length < stop && at[length] != ',') {
            length++;
        }
        size_t value = 0;
        snprintf(number, sizeof(number), "%.*s", (int)(length < sizeof(number) ? length : sizeof(number) - 1),
                 at);
        if (length >= sizeof(number) || !cvy_cli_parse_size(number, &value)) {
            return cvy_cli_usage("conv", "%s %s: '%s' is not a whole number from 0", option, text, number);
        }
        if (list->count < CVY_CONV_MAX_RANK) {
            list->values[list->count] = value;
        }
        list->count++;
        at += length;
        if (at == stop) {
            return CVY_CLI_OK;
        }
    }
}

static int parse_pad(struct conv_options *options, const char *text)
{
    const char *colon = strchr(text, ':');
    int status = parse_list(&options->pad_begin, "--pad", text, colon);
    if (status == CVY_CLI_OK) {
        status = parse_list(&options->pad_end, "--pad", colon ? colon + 1 : text, NULL);
    }
    options->pad_end.text = options->pad_begin.text;
    return status;
}

/* Spreads a list over the axes of the problem. */
int cvy_axis_list_apply(size_t *target, size_t rank, const struct axis_list *list)
{
    if (!list->text) {
        return CVY_CLI_OK;
    }
    if (list->count != 1 && list->count != rank) {
        return cvy_cli_usage("conv", "%s %s: %zu values, but the problem has %zu %s; give %s%zu",
                             list->option, list->text, list->count, rank, rank == 1 ? "axis" : "axes",
                             rank == 1 ? "" : "1 or ", rank);
    }
    for (size_t i = 0; i < rank; i++) {
        target[i] = list->values[list->count == 1 ? 0 : i];
    }
    return CVY_CLI_OK;
}

enum {
    OPT_BIAS = CVY_CLI_OPT_LAST,
    OPT_STRIDE,
    OPT_DILATION,
    OPT_PAD,
    OPT_PAD_MODE,
    OPT_GROUPS,
    OPT_SHUFFLE,
    OPT_TRANSPOSED,
    OPT_OUTPUT_PADDING,
    OPT_FLIP,
    OPT_KIND,
    OPT_SEPARABLE,
    OPT_EXPECT,
    OPT_SPLIT,
};

static const struct option long_options[] = {
    {"output", required_argument, NULL, 'o'},
    {"bias", required_argument, NULL, OPT_BIAS},
    {"stride", required_argument, NULL, OPT_STRIDE},
    {"dilation", required_argument, NULL, OPT_DILATION},
    {"pad", required_argument, NULL, OPT_PAD},
    {"pad-mode", required_argument, NULL, OPT_PAD_MODE},
    {"groups", required_argument, NULL, OPT_GROUPS},
    {"shuffle", required_argument, NULL, OPT_SHUFFLE},
    {"transposed", no_argument, NULL, OPT_TRANSPOSED},
    {"output-padding", required_argument, NULL, OPT_OUTPUT_PADDING},
    {"flip", no_argument, NULL, OPT_FLIP},
    {"kind", required_argument, NULL, OPT_KIND},
    {"separable", required_argument, NULL, OPT_SEPARABLE},
    {"expect", required_argument, NULL, OPT_EXPECT},
    {"split", required_argument, NULL, OPT_SPLIT},
    CVY_CLI_COMMON_OPTIONS,
    {0},
};

static const char *const kinds[CVY_CONV_KINDS] = {
    [CVY_CONV_STANDARD] = "standard",
    [CVY_CONV_SPATIALLY_SEPARABLE] = "spatially-separable",
    [CVY_CONV_DEPTHWISE_SEPARABLE] = "depthwise-separable",
    [CVY_CONV_FLATTENED] = "flattened",
};

static int parse_kind(enum cvy_conv_kind *kind, const char *text)
{
    for (int i = 0; i < CVY_CONV_KINDS; i++) {
        if (strcmp(text, kinds[i]) == 0) {
            *kind = (enum cvy_conv_kind)i;
            return CVY_CLI_OK;
        }
    }
    return cvy_cli_usage("conv", "--kind %s: not one of %s, %s, %s, %s", text, kinds[0], kinds[1], kinds[2],
                         kinds[3]);
}

static int parse_count(size_t *count, const char *option, const char *text)
{
    if (!cvy_cli_parse_size(text, count)) {
        return cvy_cli_usage("conv", "%s %s: not a whole number from 0", option, text);
    }
    return CVY_CLI_OK;
}

static int take_option(void *user, int option, const char *argument)
{
    struct conv_options *options = user;
    switch (option) {
    case 'o':
        options->y_path = argument;
        return CVY_CLI_OK;
    case OPT_BIAS:
        options->bias_path = argument;
        return CVY_CLI_OK;
    case OPT_STRIDE:
        return parse_list(&options->stride, "--stride", argument, NULL);
    case OPT_DILATION:
        return parse_list(&options->dilation, "--dilation", argument, NULL);
    case OPT_PAD:
        return parse_pad(options, argument);
    case OPT_PAD_MODE:
        return cvy_cli_parse_pad_mode("conv", argument, &options->pad_mode);
    case OPT_GROUPS:
        return parse_count(&options->groups, "--groups", argument);
    case OPT_SHUFFLE:
        return parse_count(&options->shuffle, "--shuffle", argument);
    case OPT_TRANSPOSED:
        options->transposed = true;
        return CVY_CLI_OK;
    case OPT_OUTPUT_PADDING:
        return parse_list(&options->output_padding, "--output-padding", argument, NULL);
    case OPT_FLIP:
        options->flip = true;
        return CVY_CLI_OK;
    case OPT_SPLIT:
        return cvy_cli_parse_split("conv", argument, &options->split);
    case OPT_KIND:
        return parse_kind(&options->kind, argument);
    case OPT_SEPARABLE:
        options->factor = true;
        return parse_count(&options->factor_rank, "--separable", argument);
    case OPT_EXPECT:
        options->expect_path = argument;
        return CVY_CLI_OK;
    default:
        return cvy_cli_common_option(&options->common, "conv", option, argument);
    }
}

/* X, and as many W as the kind of convolution has passes. */
static int take_files(struct conv_options *options, int count, char **files)
{
    if (options->factor && options->kind != CVY_CONV_STANDARD) {
        return cvy_cli_usage("conv", "--separable with --kind %s: factors one W of a standard convolution",
                             kinds[options->kind]);
    }
    const int least = options->kind == CVY_CONV_STANDARD ? 1 : 2;
    const int most = options->kind == CVY_CONV_FLATTENED ? CVY_CONV_MAX_PASSES : least;
    if (count < 1 + least || count > 1 + most) {
        return cvy_cli_usage("conv", "%d files given, X and %s%d W needed", count,
                             least == most ? "" : "from 2 to ", most);
    }
    options->x_path = files[0];
    options->n_w = (size_t)count - 1;
    for (size_t i = 0; i < options->n_w; i++) {
        options->w_paths[i] = files[1 + i];
    }
    return CVY_CLI_OK;
}

int cvy_conv_options_parse(struct conv_options *options, int argc, char **argv)
{
    static const struct cvy_cli_syntax syntax = {
        .command = "conv",
        .help = help,
        .letters = "o:",
        .options = long_options,
        .take_option = take_option,
    };
    const int status = cvy_cli_parse(&syntax, options, argc, argv);
    return status == CVY_CLI_OK ? take_files(options, argc - optind, argv + optind) : status;
}
