/*
 * descriptor_miopen.c - a line of MIOpenDriver: "conv -n 1 -c 3 -H 32 -W 32 -k 64 -y 3 -x 3 -p 1 -q 1".
 * Options left out have MIOpenDriver's defaults, a batch of 100 among them.
 */
#include "descriptor.h"

#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum meaning {
    BATCH,
    CHANNELS_IN,
    CHANNELS_OUT,
    GROUPS,
    SPATIAL_DIM,
    BIAS,
    MODE,
    PAD_MODE,
    PAD_VALUE,
    IGNORED, /* how to run and what to print; direction; layout */
    IN,
    KERNEL = IN + 3, /* three each: depth, height, width */
    STRIDE = KERNEL + 3,
    PAD = STRIDE + 3,
    DILATION = PAD + 3,
    OUTPUT_PADDING = DILATION + 3,
    MEANINGS = OUTPUT_PADDING + 3,
};

struct miopen_option {
    char letter;
    const char *name;
    int meaning;
};

static const struct miopen_option miopen_options[] = {
    {'n', "batchsize", BATCH},
    {'c', "in_channels", CHANNELS_IN},
    {'k', "out_channels", CHANNELS_OUT},
    {'g', "group_count", GROUPS},
    {'_', "spatial_dim", SPATIAL_DIM},
    {'b', "bias", BIAS},
    {'m', "mode", MODE},
    {'z', "pad_mode", PAD_MODE},
    {'r', "pad_val", PAD_VALUE},
    {'!', "in_d", IN},
    {'H', "in_h", IN + 1},
    {'W', "in_w", IN + 2},
    {'@', "fil_d", KERNEL},
    {'y', "fil_h", KERNEL + 1},
    {'x', "fil_w", KERNEL + 2},
    {'#', "conv_stride_d", STRIDE},
    {'u', "conv_stride_h", STRIDE + 1},
    {'v', "conv_stride_w", STRIDE + 2},
    {'$', "pad_d", PAD},
    {'p', "pad_h", PAD + 1},
    {'q', "pad_w", PAD + 2},
    {'^', "dilation_d", DILATION},
    {'l', "dilation_h", DILATION + 1},
    {'j', "dilation_w", DILATION + 2},
    {'%', "trans_output_pad_d", OUTPUT_PADDING},
    {'Y', "trans_output_pad_h", OUTPUT_PADDING + 1},
    {'X', "trans_output_pad_w", OUTPUT_PADDING + 2},
    {'F', "forw", IGNORED},
    {'i', "iter", IGNORED},
    {'V', "verify", IGNORED},
    {'C', "verification_cache", IGNORED},
    {'t', "time", IGNORED},
    {'w', "wall", IGNORED},
    {'s', "search", IGNORED},
    {'S', "solution", IGNORED},
    {'P', "printconv", IGNORED},
    {'o', "dump_output", IGNORED},
    {'d', "in_data", IGNORED},
    {'e', "weights", IGNORED},
    {'a', "in_bias", IGNORED},
    {'D', "dout_data", IGNORED},
    {'G', "gpualloc", IGNORED},
    {'I', "in_layout", IGNORED},
    {'O', "out_layout", IGNORED},
    {'f', "fil_layout", IGNORED},
    {'Z', "tensor_vect", IGNORED},
    {'L', "vector_length", IGNORED},
};
#define OPTIONS (sizeof(miopen_options) / sizeof(miopen_options[0]))

struct miopen_line {
    const char *text;
    const char *command;
    size_t numbers[MEANINGS];
    const char *option[MEANINGS]; /* as written; NULL = not given */
    char mode[16], pad_mode[16];
};

/* The last part of a path; the program's name without ".exe". */
static bool is_driver(const char *word, size_t length)
{
    static const char driver[] = "MIOpenDriver";
    size_t start = length;
    while (start > 0 && word[start - 1] != '/' && word[start - 1] != '\\') {
        start--;
    }
    length -= start;
    if (length > 4 && strncmp(word + start + length - 4, ".exe", 4) == 0) {
        length -= 4;
    }
    return length == sizeof(driver) - 1 && strncmp(word + start, driver, length) == 0;
}

bool cvy_descriptor_is_miopen(const char *word)
{
    /* The other element types are known to be refused by their names. */
    static const char *const commands[] = {"conv",     "convfp16", "convbfp16",
                                           "convint8", "convfp8",  "convbfp8"};
    const size_t length = strcspn(word, " \t");
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strlen(commands[i]) == length && strncmp(word, commands[i], length) == 0) {
            return true;
        }
    }
    return is_driver(word, length);
}

bool cvy_descriptor_is_split(const char *word)
{
    return cvy_descriptor_is_miopen(word) && word[strcspn(word, " \t")] == '\0';
}

char *cvy_descriptor_join(char *const *words, int count)
{
    size_t size = 1, used = 0;
    for (int i = 0; i < count; i++) {
        size += strlen(words[i]) + 1;
    }
    char *line = malloc(size);
    for (int i = 0; line && i < count; i++) {
        int wrote = snprintf(line + used, size - used, "%s%s", i > 0 ? " " : "", words[i]);
        used += wrote > 0 ? (size_t)wrote : 0;
    }
    return line;
}

static const struct miopen_option *find_option(const char *word)
{
    const bool is_long = word[0] == '-' && word[1] == '-' && word[2];
    for (size_t i = 0; i < OPTIONS; i++) {
        if (is_long ? strcmp(word + 2, miopen_options[i].name) == 0
                    : word[0] == '-' && word[1] == miopen_options[i].letter && word[2] == '\0') {
            return &miopen_options[i];
        }
    }
    return NULL;
}

static int set_value(struct miopen_line *line, const struct miopen_option *option, const char *word,
                     const char *value)
{
    const int meaning = option->meaning;
    if (meaning == IGNORED) {
        return CVY_CLI_OK;
    }
    if (line->option[meaning]) {
        return cvy_cli_usage(line->command, "%s: %s %s: --%s given a second time; drop one", line->text, word,
                             value, option->name);
    }
    line->option[meaning] = option->name;
    if (meaning == MODE || meaning == PAD_MODE) {
        snprintf(meaning == MODE ? line->mode : line->pad_mode, sizeof(line->mode), "%s", value);
        return CVY_CLI_OK;
    }
    const bool from_zero = meaning == PAD_VALUE || meaning == BIAS || meaning == GROUPS || meaning >= PAD;
    if (!cvy_cli_parse_size(value, &line->numbers[meaning]) || line->numbers[meaning] > SIZE_MAX / 8 ||
        (line->numbers[meaning] == 0 && (!from_zero || (meaning >= DILATION && meaning < OUTPUT_PADDING)))) {
        return cvy_cli_usage(line->command, "%s: %s %s (--%s): not a whole number from %d", line->text, word,
                             value, option->name, from_zero && meaning < DILATION ? 0 : 1);
    }
    return CVY_CLI_OK;
}

/* words is cut up in place. */
static int read_words(struct miopen_line *line, char *words)
{
    char *rest;
    char *word = strtok_r(words, " \t", &rest);
    if (word && is_driver(word, strlen(word))) {
        word = strtok_r(NULL, " \t", &rest);
    }
    if (!word || strcmp(word, "conv") != 0) {
        return cvy_cli_usage(line->command, "%s: '%s': only MIOpenDriver's 'conv', in float32, is taken",
                             line->text, word ? word : "");
    }
    while ((word = strtok_r(NULL, " \t", &rest))) {
        const struct miopen_option *option = find_option(word);
        if (!option) {
            return cvy_cli_usage(line->command, "%s: '%s' is not an option of MIOpenDriver's conv",
                                 line->text, word);
        }
        char *value = strtok_r(NULL, " \t", &rest);
        if (!value) {
            return cvy_cli_usage(line->command, "%s: %s (--%s) at the end needs a value", line->text, word,
                                 option->name);
        }
        int status = set_value(line, option, word, value);
        if (status != CVY_CLI_OK) {
            return status;
        }
    }
    return CVY_CLI_OK;
}

static int check_line(const struct miopen_line *line)
{
    const size_t rank = line->numbers[SPATIAL_DIM];
    if (rank != 2 && rank != 3) {
        return cvy_cli_usage(line->command, "%s: --spatial_dim %zu: 2 or 3 needed", line->text, rank);
    }
    for (int meaning = IN; rank == 2 && meaning < MEANINGS; meaning += 3) {
        if (line->option[meaning]) {
            return cvy_cli_usage(line->command, "%s: --%s is for three axes; add --spatial_dim 3", line->text,
                                 line->option[meaning]);
        }
    }
    if (strcmp(line->mode, "conv") != 0 && strcmp(line->mode, "trans") != 0) {
        return cvy_cli_usage(line->command, "%s: --mode %s: conv or trans needed", line->text, line->mode);
    }
    for (int meaning = OUTPUT_PADDING; strcmp(line->mode, "conv") == 0 && meaning < MEANINGS; meaning++) {
        if (line->numbers[meaning] != 0) {
            return cvy_cli_usage(line->command, "%s: --%s is for --mode trans alone", line->text,
                                 line->option[meaning]);
        }
    }
    if (strcmp(line->pad_mode, "default") != 0 && strcmp(line->pad_mode, "same") != 0 &&
        strcmp(line->pad_mode, "valid") != 0) {
        return cvy_cli_usage(line->command, "%s: --pad_mode %s: default, same or valid needed", line->text,
                             line->pad_mode);
    }
    if (line->numbers[PAD_VALUE] != 0) {
        return cvy_cli_usage(line->command, "%s: --pad_val %zu: padding holds zeros here; leave it out",
                             line->text, line->numbers[PAD_VALUE]);
    }
    return CVY_CLI_OK;
}

/* MIOpenDriver's rule for "same": one number for both ends, the rest dropped; without dilation alone. */
static void apply_pad_mode(const struct miopen_line *line, struct cvy_conv_problem *problem)
{
    bool dilated = false, wide = false;
    for (size_t i = 0; i < problem->rank; i++) {
        dilated = dilated || problem->dilation[i] != 1;
        wide = wide || problem->kernel[i] != 1;
    }
    if (problem->transposed || (dilated && wide) || strcmp(line->pad_mode, "default") == 0) {
        return;
    }
    for (size_t i = 0; i < problem->rank; i++) {
        const size_t rest = problem->in[i] % problem->stride[i];
        const size_t covered = rest ? rest : problem->stride[i];
        size_t pad = problem->kernel[i] > covered ? (problem->kernel[i] - covered) / 2 : 0;
        if (strcmp(line->pad_mode, "valid") == 0) {
            pad = 0;
        }
        problem->pad_begin[i] = problem->pad_end[i] = pad;
    }
}

static void fill_problem(const struct miopen_line *line, struct cvy_conv_problem *problem)
{
    const size_t *numbers = line->numbers;
    const size_t rank = numbers[SPATIAL_DIM];
    cvy_conv_problem_init(problem, rank);
    problem->n = numbers[BATCH];
    problem->c = numbers[CHANNELS_IN];
    problem->k = numbers[CHANNELS_OUT];
    problem->groups = numbers[GROUPS] ? numbers[GROUPS] : 1;
    problem->bias = numbers[BIAS] != 0;
    problem->transposed = strcmp(line->mode, "trans") == 0;
    for (size_t i = 0; i < rank; i++) {
        const size_t axis = 3 - rank + i;
        problem->in[i] = numbers[IN + axis];
        problem->kernel[i] = numbers[KERNEL + axis];
        problem->stride[i] = numbers[STRIDE + axis];
        problem->dilation[i] = numbers[DILATION + axis];
        problem->pad_begin[i] = problem->pad_end[i] = numbers[PAD + axis];
        problem->output_padding[i] = numbers[OUTPUT_PADDING + axis];
    }
    apply_pad_mode(line, problem);
}

int cvy_descriptor_parse_miopen(struct cvy_descriptor *descriptor, const char *text)
{
    struct miopen_line line = {
        .text = text,
        .command = descriptor->command,
        .numbers = {[BATCH] = 100, [CHANNELS_IN] = 3, [CHANNELS_OUT] = 32, [GROUPS] = 1, [SPATIAL_DIM] = 2},
        .mode = "conv",
        .pad_mode = "default",
    };
    for (size_t axis = 0; axis < 3; axis++) {
        line.numbers[IN + axis] = 32;
        line.numbers[KERNEL + axis] = 3;
        line.numbers[STRIDE + axis] = line.numbers[DILATION + axis] = 1;
    }
    char *words = strdup(text);
    if (!words) {
        cvy_cli_error("out of memory");
        return CVY_CLI_FAILED;
    }
    int status = read_words(&line, words);
    free(words);
    if (status == CVY_CLI_OK) {
        status = check_line(&line);
    }
    if (status == CVY_CLI_OK) {
        fill_problem(&line, &descriptor->problem);
    }
    return status;
}
