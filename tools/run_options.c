/* run_options.c - the arguments of `convoy run`. */
#include "run_options.h"
#include "devices.h"

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Usage: convoy run MODEL.onnx [-i [NAME=]FILE...] [-o [NAME=]FILE...] [OPTION...]\n"
    "Runs a model. Files: .npy, ONNX TensorProto .pb, .png, .jpg; a picture is a float tensor 1xCxHxW, 0 to "
    "1,\n"
    "grey or RGB as the input needs it. Files without a name are taken in the model's order; \"=FILE\" "
    "stands for\n"
    "a file without a name whose own name has a '='.\n"
    "One input may be a folder or a pattern, -i 'frames/*.png': each file is run, read and written beside\n"
    "the computing, and -o names a folder, where results get their files' names.\n\n"
    "  -i, --input [NAME=]FILE   an input\n"
    "  -o, --output [NAME=]FILE  write an output\n"
    "  --expect [NAME=]FILE      compare an output with a file; exit 3 beyond the tolerance. A picture is\n"
    "                            compared with the output rounded to 8 bits\n"
    "  --mean R[,G,B]      subtracted from input pictures\n"
    "  --std R[,G,B]       and then divided by\n"
    "  --size HxW          scale input pictures\n"
    "  --grey              read input pictures as grey\n"
    "  --random SEED       inputs without a file are random: from -1 to 1, small integers of their whole\n"
    "                      range, larger ones 0 or 1\n"
    "  --shape [NAME=]DxDx...  shape of such an input where it has open dimensions\n"
    "  --repeat N          N runs after a warm-up, on tensors that are on the device: the median; then the\n"
    "                      layers are measured in one more\n"
    "  --max-memory SIZE   ceiling on the device memory of the plan, inputs and outputs aside: bytes, or\n"
    "                      with a K, M or G\n"
    "  --trace FILE        when each layer was enqueued, waited and ran, for Chrome or ui.perfetto.dev\n"
    "  --svg FILE          draw the memory of each layer, and the time line\n"
    "  --compare           a stream: first one by one, to tell how much faster side by side is\n"
    "  --no-pass NAME      leave out a pass that folds nodes into each other; may be repeated.\n"
    "                      A name that is none lists them\n"
    "  --dump-plan         print the steps, what each does, and where its output lies, instead of\n"
    "                      running; inputs need no file\n" CVY_CLI_DEVICES_HELP CVY_CLI_COMMON_HELP;

enum {
    OPT_EXPECT = CVY_CLI_OPT_LAST,
    OPT_MEAN,
    OPT_STD,
    OPT_SIZE,
    OPT_GREY,
    OPT_RANDOM,
    OPT_SHAPE,
    OPT_REPEAT,
    OPT_MAX_MEMORY,
    OPT_TRACE,
    OPT_SVG,
    OPT_COMPARE,
    OPT_NO_PASS,
    OPT_DUMP_PLAN,
    OPT_SPLIT,
};

static const struct option long_options[] = {
    {"input", required_argument, NULL, 'i'},
    {"output", required_argument, NULL, 'o'},
    {"expect", required_argument, NULL, OPT_EXPECT},
    {"mean", required_argument, NULL, OPT_MEAN},
    {"std", required_argument, NULL, OPT_STD},
    {"size", required_argument, NULL, OPT_SIZE},
    {"grey", no_argument, NULL, OPT_GREY},
    {"random", required_argument, NULL, OPT_RANDOM},
    {"shape", required_argument, NULL, OPT_SHAPE},
    {"repeat", required_argument, NULL, OPT_REPEAT},
    {"max-memory", required_argument, NULL, OPT_MAX_MEMORY},
    {"trace", required_argument, NULL, OPT_TRACE},
    {"svg", required_argument, NULL, OPT_SVG},
    {"compare", no_argument, NULL, OPT_COMPARE},
    {"no-pass", required_argument, NULL, OPT_NO_PASS},
    {"dump-plan", no_argument, NULL, OPT_DUMP_PLAN},
    {"split", required_argument, NULL, OPT_SPLIT},
    CVY_CLI_COMMON_OPTIONS,
    {0},
};

/* One or three numbers. */
static int parse_colours(const char *option, const char *text, float *values, size_t *count, bool zero_is_bad)
{
    char copy[128];
    size_t found = 0;
    bool good = strlen(text) < sizeof(copy);
    snprintf(copy, sizeof(copy), "%s", text);
    for (char *at = copy, *next; good && at; at = next) {
        next = strchr(at, ',');
        if (next) {
            *next++ = '\0';
        }
        double value = 0;
        good = found < 3 && cvy_cli_parse_double(at, &value) && isfinite(value) &&
               !(zero_is_bad && (float)value == 0);
        if (good) {
            values[found++] = (float)value;
        }
    }
    if (!good || found == 2) {
        return cvy_cli_usage("run", "%s %s: not one or three numbers%s", option, text,
                             zero_is_bad ? " other than 0" : "");
    }
    *count = found;
    return CVY_CLI_OK;
}

static int parse_image_size(struct cvy_image_params *image, const char *text)
{
    char height[32];
    size_t digits = strcspn(text, "x");
    snprintf(height, sizeof(height), "%.*s", (int)(digits < 31 ? digits : 31), text);
    if (text[digits] != 'x' || digits > 31 || !cvy_cli_parse_size(height, &image->height) ||
        !cvy_cli_parse_size(text + digits + 1, &image->width) || image->height == 0 || image->width == 0) {
        return cvy_cli_usage("run", "--size %s: not HEIGHTxWIDTH, such as 224x224", text);
    }
    return CVY_CLI_OK;
}

static int parse_count(const char *option, const char *text, size_t most, size_t *value)
{
    if (!cvy_cli_parse_size(text, value) || *value == 0 || *value > most) {
        return cvy_cli_usage("run", "%s %s: not a number from 1 to %zu", option, text, most);
    }
    return CVY_CLI_OK;
}

/* "123", "64M", "64MiB" */
static int parse_bytes(const char *option, const char *text, size_t *bytes)
{
    static const char units[] = "KMG";
    char number[32];
    size_t factor = 1;
    const size_t digits = strspn(text, "0123456789");
    snprintf(number, sizeof(number), "%.*s", (int)(digits < 31 ? digits : 31), text);
    const char *unit = text + digits, *found = *unit ? strchr(units, *unit) : NULL;
    if (found) {
        factor = (size_t)1 << (10 * (found - units + 1));
        unit += strcmp(unit + 1, "iB") == 0 ? 3 : 1;
    }
    if (*unit != '\0' || digits > 31 || !cvy_cli_parse_size(number, bytes) || *bytes == 0 ||
        *bytes > SIZE_MAX / factor) {
        return cvy_cli_usage("run", "%s %s: not a size, such as 100000000, 64M or 2G", option, text);
    }
    *bytes *= factor;
    return CVY_CLI_OK;
}

static int parse_seed(struct run_options *options, const char *text)
{
    size_t seed = 0;
    const int status = parse_count("--random", text, UINT32_MAX, &seed);
    options->seed = (uint32_t)seed;
    return status;
}

static int add_file(struct cvy_cli_files *files, const char *argument)
{
    return cvy_cli_files_add(files, argument) ? CVY_CLI_OK : CVY_CLI_FAILED;
}

static int add_no_pass(struct run_options *options, const char *name)
{
    for (size_t i = 0; cvy_plan_pass_name(i); i++) {
        if (strcmp(cvy_plan_pass_name(i), name) == 0) {
            options->no_passes[options->n_no_passes++] = name;
            return CVY_CLI_OK;
        }
    }
    cvy_cli_error("run --no-pass %s: no pass has that name; there are", name);
    for (size_t i = 0; cvy_plan_pass_name(i); i++) {
        cvy_cli_error("  %-16s %s", cvy_plan_pass_name(i), cvy_plan_pass_description(i));
    }
    return CVY_CLI_USAGE;
}

static int take_option(void *user, int option, const char *argument)
{
    struct run_options *options = user;
    switch (option) {
    case 'i':
        return add_file(&options->inputs, argument);
    case 'o':
        return add_file(&options->outputs, argument);
    case OPT_EXPECT:
        return add_file(&options->expects, argument);
    case OPT_MEAN:
        return parse_colours("--mean", argument, options->image.mean, &options->image.n_mean, false);
    case OPT_STD:
        return parse_colours("--std", argument, options->image.std, &options->image.n_std, true);
    case OPT_SIZE:
        return parse_image_size(&options->image, argument);
    case OPT_GREY:
        options->grey = true;
        return CVY_CLI_OK;
    case OPT_RANDOM:
        return parse_seed(options, argument);
    case OPT_SHAPE:
        options->shapes[options->n_shapes++] = argument;
        return CVY_CLI_OK;
    case OPT_REPEAT:
        return parse_count("--repeat", argument, 1000000, &options->repeat);
    case OPT_MAX_MEMORY:
        return parse_bytes("--max-memory", argument, &options->max_memory);
    case OPT_TRACE:
        options->trace = argument;
        return CVY_CLI_OK;
    case OPT_SVG:
        options->svg = argument;
        return CVY_CLI_OK;
    case OPT_COMPARE:
        options->compare_stream = true;
        return CVY_CLI_OK;
    case OPT_NO_PASS:
        return add_no_pass(options, argument);
    case OPT_SPLIT:
        return cvy_cli_parse_split("run", argument, &options->split);
    case OPT_DUMP_PLAN:
        options->dump_plan = true;
        return CVY_CLI_OK;
    default:
        return cvy_cli_common_option(&options->common, "run", option, argument);
    }
}

int cvy_run_options_parse(struct run_options *options, int argc, char **argv)
{
    static const struct cvy_cli_syntax syntax = {
        .command = "run",
        .help = help,
        .letters = "i:o:",
        .options = long_options,
        .take_option = take_option,
    };
    cvy_cli_common_init(&options->common);
    options->shapes = calloc((size_t)argc, sizeof(*options->shapes));
    options->no_passes = calloc((size_t)argc, sizeof(*options->no_passes));
    if (!options->shapes || !options->no_passes) {
        cvy_cli_error("out of memory");
        return CVY_CLI_FAILED;
    }
    const int status = cvy_cli_parse(&syntax, options, argc, argv);
    if (status != CVY_CLI_OK) {
        return status;
    }
    if (argc - optind != 1) {
        return cvy_cli_usage("run", "%d models given, 1 needed", argc - optind);
    }
    options->model = argv[optind];
    if (options->dump_plan && options->seed == 0) {
        options->seed = 1; /* only shapes matter */
    }
    for (size_t i = 0; i < options->outputs.count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (strcmp(options->outputs.items[i].path, options->outputs.items[j].path) == 0) {
                return cvy_cli_usage("run", "--output %s: given twice", options->outputs.items[i].path);
            }
        }
    }
    return CVY_CLI_OK;
}

void cvy_run_options_finish(struct run_options *options)
{
    cvy_cli_files_finish(&options->inputs);
    cvy_cli_files_finish(&options->outputs);
    cvy_cli_files_finish(&options->expects);
    free(options->shapes);
    free(options->no_passes);
}
