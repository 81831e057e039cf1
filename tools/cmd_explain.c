/* cmd_explain.c - convoy explain: what a convolution or a model costs, and what else would do. */
#include "cli.h"
#include "descriptor.h"
#include "explain.h"
#include "model_layers.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const char help[] =
    "Usage: convoy explain [OPTION...] DESC...\n"
    "       convoy explain [OPTION...] MODEL.onnx\n"
    "Explains a convolution: shapes, cost, receptive field, algorithms that apply, and what other kinds\n"
    "of convolution from the same x to the same y would cost. Several DESC are the layers of a stack.\n\n"
    "DESC is benchdnn's problem descriptor, such as mb1ic3ih7oc128kh3:\n"
    "  g groups, mb batch (default 2), ic and oc channels; i input, o output, k kernel, s stride, p "
    "padding,\n"
    "  d dilation (0: none), each with d, h, w behind it for the axis; n\"name\" at the end. Axes left out\n"
    "  are as the one before them; without od, oh, ow the output follows from the rest\n"
    "or a line of MIOpenDriver, to the end of the arguments or as one of them:\n"
    "  conv -n 1 -c 3 -H 32 -W 32 -k 64 -y 3 -x 3 -p 1 -q 1\n\n"
    "  --transposed        transposed convolution\n"
    "  --flip              read w backwards: true convolution\n"
    "  --bias              add a value to each channel of y\n"
    "  --pad-mode MODE     what padding holds: zeros, reflect, replicate, circular (default zeros)\n"
    "  --same, --full      padding for y as large as x / stride; for every window that touches x\n"
    "  --shuffle N         shuffle the channels of y in N groups\n"
    "  --matrix            print a small convolution as a matrix of its weights w0, w1, ...\n"
    "  --shape [NAME=]DxDx...  shape of a model's input that has open dimensions\n"
    "  --device SEL        device whose algorithms are asked: PLATFORM:DEVICE, gpu, igpu, cpu, or a part\n"
    "                      of a name (default: CONVOY_DEVICE, else the best)\n"
    "  --no-device         ask no device\n"
    "  --json              print as JSON\n"
    "  -v, --verbose       show the library's messages; twice: all of them\n"
    "  -h, --help          this text\n";

struct explain_options {
    struct cvy_descriptor_options descriptor;
    struct cvy_cli_common common;
    bool device_given, no_device, matrix;
    const char **arguments; /* descriptors, or a model */
    size_t n_arguments;
    const char **shapes;
    size_t n_shapes;
    char *line; /* MIOpenDriver's, put together from arguments */
};

enum {
    OPT_TRANSPOSED = CVY_CLI_OPT_LAST,
    OPT_FLIP,
    OPT_BIAS,
    OPT_PAD_MODE,
    OPT_SAME,
    OPT_FULL,
    OPT_SHUFFLE,
    OPT_MATRIX,
    OPT_SHAPE,
    OPT_NO_DEVICE,
};

static const struct option long_options[] = {
    {"transposed", no_argument, NULL, OPT_TRANSPOSED},
    {"flip", no_argument, NULL, OPT_FLIP},
    {"bias", no_argument, NULL, OPT_BIAS},
    {"pad-mode", required_argument, NULL, OPT_PAD_MODE},
    {"same", no_argument, NULL, OPT_SAME},
    {"full", no_argument, NULL, OPT_FULL},
    {"shuffle", required_argument, NULL, OPT_SHUFFLE},
    {"matrix", no_argument, NULL, OPT_MATRIX},
    {"shape", required_argument, NULL, OPT_SHAPE},
    {"device", required_argument, NULL, CVY_CLI_OPT_DEVICE},
    {"no-device", no_argument, NULL, OPT_NO_DEVICE},
    {"json", no_argument, NULL, CVY_CLI_OPT_JSON},
    {"verbose", no_argument, NULL, 'v'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static int take_option(void *user, int option, const char *argument)
{
    struct explain_options *options = user;
    switch (option) {
    case OPT_TRANSPOSED:
        options->descriptor.transposed = true;
        return CVY_CLI_OK;
    case OPT_FLIP:
        options->descriptor.flip = true;
        return CVY_CLI_OK;
    case OPT_BIAS:
        options->descriptor.bias = true;
        return CVY_CLI_OK;
    case OPT_PAD_MODE:
        return cvy_cli_parse_pad_mode("explain", argument, &options->descriptor.pad_mode);
    case OPT_SAME:
    case OPT_FULL:
        if (options->descriptor.auto_pad != CVY_PAD_EXPLICIT) {
            return cvy_cli_usage("explain", "--same and --full: give one of them, once");
        }
        options->descriptor.auto_pad = option == OPT_SAME ? CVY_PAD_SAME_UPPER : CVY_PAD_FULL;
        return CVY_CLI_OK;
    case OPT_SHUFFLE:
        if (!cvy_cli_parse_size(argument, &options->descriptor.shuffle)) {
            return cvy_cli_usage("explain", "--shuffle %s: not a whole number from 0", argument);
        }
        return CVY_CLI_OK;
    case OPT_MATRIX:
        options->matrix = true;
        return CVY_CLI_OK;
    case OPT_SHAPE:
        options->shapes[options->n_shapes++] = argument;
        return CVY_CLI_OK;
    case OPT_NO_DEVICE:
        options->no_device = true;
        return CVY_CLI_OK;
    case CVY_CLI_OPT_DEVICE:
        options->device_given = true;
        return cvy_cli_common_option(&options->common, "explain", option, argument);
    default:
        return cvy_cli_common_option(&options->common, "explain", option, argument);
    }
}

static int take_words(void *user, char *const *words, int *count)
{
    struct explain_options *options = user;
    const char *text = words[0];
    if (cvy_descriptor_is_split(text)) {
        text = options->line = cvy_descriptor_join(words, *count);
        if (!text) {
            cvy_cli_error("out of memory");
            return CVY_CLI_FAILED;
        }
    } else {
        *count = 1;
    }
    options->arguments[options->n_arguments++] = text;
    return CVY_CLI_OK;
}

static int check_options(const struct explain_options *options)
{
    const struct cvy_descriptor_options *descriptor = &options->descriptor;
    if (options->n_arguments == 0) {
        return cvy_cli_usage("explain",
                             "nothing to explain; give a descriptor, such as mb1ic3ih7oc128kh3, or "
                             "MODEL.onnx");
    }
    for (size_t i = 0; i < options->n_arguments; i++) {
        if (cvy_is_model(options->arguments[i]) && options->n_arguments > 1) {
            return cvy_cli_usage("explain", "%s: a model is explained alone", options->arguments[i]);
        }
    }
    const bool model = cvy_is_model(options->arguments[0]);
    if (model && (options->matrix || descriptor->transposed || descriptor->flip || descriptor->bias ||
                  descriptor->pad_mode != CVY_PAD_CONSTANT || descriptor->shuffle ||
                  descriptor->auto_pad != CVY_PAD_EXPLICIT)) {
        return cvy_cli_usage("explain", "%s: options of a convolution do not go with a model; drop them",
                             options->arguments[0]);
    }
    if (!model && options->n_shapes) {
        return cvy_cli_usage("explain", "--shape %s: goes with a model; a descriptor has its sizes in it",
                             options->shapes[0]);
    }
    if (options->matrix && options->n_arguments > 1) {
        return cvy_cli_usage("explain", "--matrix: of one convolution, not of a stack of %zu",
                             options->n_arguments);
    }
    if (options->device_given && options->no_device) {
        return cvy_cli_usage("explain", "--device and --no-device: give one of them");
    }
    return CVY_CLI_OK;
}

static int parse_options(struct explain_options *options, int argc, char **argv)
{
    static const struct cvy_cli_syntax syntax = {
        .command = "explain",
        .help = help,
        .letters = "",
        .options = long_options,
        .take_option = take_option,
        .take_words = take_words,
    };
    int status = cvy_cli_parse(&syntax, options, argc, argv);
    return status == CVY_CLI_OK ? check_options(options) : status;
}

/* A device is asked which algorithms apply; all else is told without one. Only one asked for must be there.
 */
static bool open_device(struct cvy_device **device, const struct explain_options *options, char *text,
                        size_t size)
{
    if (options->no_device) {
        snprintf(text, size, "--no-device");
        return true;
    }
    if (options->device_given) {
        return cvy_device_open(device, options->common.device) == CVY_OK &&
               (cvy_cli_describe_device(*device, text, size), true);
    }
    cvy_capture_begin(text, size);
    enum cvy_status status = cvy_device_open(device, options->common.device);
    cvy_capture_end(options->common.verbose);
    if (status == CVY_OK) {
        cvy_cli_describe_device(*device, text, size);
    }
    return true;
}

static int explain_conv(const struct cvy_descriptor *descriptor, const struct explain_options *options)
{
    struct cvy_device *device = NULL;
    struct cvy_explanation *explanation = calloc(1, sizeof(*explanation));
    bool done = false;
    if (!explanation) {
        cvy_cli_error("out of memory");
        return CVY_CLI_FAILED;
    }
    explanation->problem = &descriptor->problem;
    explanation->text = options->arguments[0];
    explanation->name = descriptor->name;
    explanation->matrix = options->matrix;
    if (open_device(&device, options, explanation->device_text, sizeof(explanation->device_text))) {
        explanation->device = device;
        done = cvy_explanation_fill(explanation, options->common.verbose) &&
               (options->common.json ? cvy_explanation_print_json(explanation)
                                     : cvy_explanation_print(explanation));
    }
    cvy_device_destroy(&device);
    free(explanation);
    return done ? CVY_CLI_OK : CVY_CLI_FAILED;
}

static int explain_model(const struct explain_options *options)
{
    struct cvy_graph *graph = NULL;
    struct cvy_layer_list *list = NULL;
    const char *path = options->arguments[0];
    int status = cvy_model_layers(&graph, &list, path, options->shapes, options->n_shapes, "explain");
    if (status == CVY_CLI_OK && !cvy_layers_print(list->layers, list->count, path, options->common.json)) {
        status = CVY_CLI_FAILED;
    }
    cvy_layer_list_destroy(&list);
    cvy_graph_destroy(&graph);
    return status;
}

static int explain(const struct explain_options *options)
{
    if (cvy_is_model(options->arguments[0])) {
        return explain_model(options);
    }
    struct cvy_descriptor *descriptors = calloc(options->n_arguments, sizeof(*descriptors));
    int status = CVY_CLI_OK;
    if (!descriptors) {
        cvy_cli_error("out of memory");
        return CVY_CLI_FAILED;
    }
    for (size_t i = 0; status == CVY_CLI_OK && i < options->n_arguments; i++) {
        descriptors[i].command = "explain";
        status = cvy_descriptor_parse(&descriptors[i], options->arguments[i], &options->descriptor);
    }
    if (status == CVY_CLI_OK) {
        status = options->n_arguments == 1 ? explain_conv(&descriptors[0], options)
                                           : cvy_explain_stack(descriptors, options->arguments,
                                                               options->n_arguments, options->common.json);
    }
    free(descriptors);
    return status;
}

int cvy_cmd_explain(int argc, char **argv)
{
    struct explain_options options = {0};
    cvy_cli_common_init(&options.common);
    options.arguments = calloc((size_t)argc, sizeof(*options.arguments));
    options.shapes = calloc((size_t)argc, sizeof(*options.shapes));
    int status = CVY_CLI_FAILED;
    if (!options.arguments || !options.shapes) {
        cvy_cli_error("out of memory");
    } else {
        status = parse_options(&options, argc, argv);
    }
    if (status == CVY_CLI_OK) {
        cvy_cli_log(options.common.verbose);
        status = explain(&options);
    }
    free(options.arguments);
    free(options.shapes);
    free(options.line);
    return status == -1 ? CVY_CLI_OK : status;
}
