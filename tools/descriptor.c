/*
 * descriptor.c - benchdnn's problem descriptor: knobs such as ic3 or kh7 in any order, '_' between them where
 * one likes, and at the end n"name". An axis left out takes the values of the one before it: ih7 alone means
 * 7x7, id7 alone 7x7x7. Where no output size is given, padding left out is 0; where one is given, padding
 * left out is what leads to it, split evenly, and padding at the end always is what leads to it.
 */
#include "descriptor.h"

#include "cli.h"

#include <stdio.h>
#include <string.h>

enum { DEPTH, HEIGHT, WIDTH, AXES };
enum { IN, OUT, KERNEL, STRIDE, PAD, DILATION, PER_AXIS };

static const char axis_letters[] = "dhw";
static const char knob_letters[] = "ioksp"
                                   "d";

struct knob {
    bool given;
    size_t value;
};

struct knobs {
    const char *text;
    const char *command;
    struct knob groups, mb, ic, oc;
    struct knob axis[AXES][PER_AXIS];
};

static struct knob *find_knob(struct knobs *knobs, const char *at, size_t *length)
{
    if (at[0] == 'g') {
        *length = 1;
        return &knobs->groups;
    }
    *length = 2;
    if (strncmp(at, "mb", 2) == 0) {
        return &knobs->mb;
    }
    if (strncmp(at, "ic", 2) == 0) {
        return &knobs->ic;
    }
    if (strncmp(at, "oc", 2) == 0) {
        return &knobs->oc;
    }
    const char *kind = at[0] ? strchr(knob_letters, at[0]) : NULL;
    const char *axis = kind && at[1] ? strchr(axis_letters, at[1]) : NULL;
    return axis ? &knobs->axis[axis - axis_letters][kind - knob_letters] : NULL;
}

/* Everything but padding and dilation counts from 1. */
static bool may_be_zero(const struct knobs *knobs, const struct knob *knob)
{
    for (size_t a = 0; a < AXES; a++) {
        if (knob == &knobs->axis[a][PAD] || knob == &knobs->axis[a][DILATION]) {
            return true;
        }
    }
    return false;
}

static int read_knob(struct knobs *knobs, const char **at)
{
    size_t length;
    const size_t place = (size_t)(*at - knobs->text) + 1;
    struct knob *knob = find_knob(knobs, *at, &length);
    if (!knob) {
        return cvy_cli_usage(knobs->command,
                             "%s: character %zu, '%.8s': not a knob; there are g, mb, ic, oc, i k o p s d "
                             "with d h w behind them, and n for a name at the end",
                             knobs->text, place, *at);
    }
    const char *digits = *at + length;
    const size_t n_digits = strspn(digits, "0123456789");
    char number[24];
    snprintf(number, sizeof(number), "%.*s", (int)(n_digits < 23 ? n_digits : 23), digits);
    size_t value = 0;
    if (n_digits == 0 || n_digits > 22 || !cvy_cli_parse_size(number, &value) || value > SIZE_MAX / 8) {
        return cvy_cli_usage(knobs->command, "%s: character %zu: '%.*s' needs a whole number behind it%s",
                             knobs->text, place, (int)length, *at, n_digits ? ", and a smaller one" : "");
    }
    if (value == 0 && !may_be_zero(knobs, knob)) {
        return cvy_cli_usage(knobs->command, "%s: character %zu: '%.*s0' must be at least 1", knobs->text,
                             place, (int)length, *at);
    }
    if (knob->given) {
        return cvy_cli_usage(knobs->command, "%s: character %zu: '%.*s' given a second time; drop one",
                             knobs->text, place, (int)length, *at);
    }
    *knob = (struct knob){.given = true, .value = value};
    *at = digits + n_digits;
    return CVY_CLI_OK;
}

static int read_name(struct cvy_descriptor *descriptor, const char *text, const char *at)
{
    const size_t length = strlen(at);
    const bool quoted = length > 0 && at[0] == '"';
    if (length == 0 || (quoted && (length < 3 || at[length - 1] != '"'))) {
        return cvy_cli_usage(descriptor->command, "%s: character %zu: the name behind 'n' is %s", text,
                             (size_t)(at - text) + 1, length == 0 ? "missing" : "not closed, or empty");
    }
    snprintf(descriptor->name, sizeof(descriptor->name), "%.*s", (int)(length - (quoted ? 2 : 0)),
             at + (quoted ? 1 : 0));
    return CVY_CLI_OK;
}

static bool any_given(const struct knob *knobs)
{
    for (size_t i = 0; i < PER_AXIS; i++) {
        if (knobs[i].given) {
            return true;
        }
    }
    return false;
}

/* Finds the axes there are, and fills those left out. first: DEPTH for rank 3, HEIGHT 2, WIDTH 1. */
static int spread_axes(struct knobs *knobs, size_t *first)
{
    bool given[AXES];
    *first = AXES;
    for (size_t a = AXES; a-- > 0;) {
        given[a] = any_given(knobs->axis[a]);
        if (given[a]) {
            *first = a;
        }
    }
    if (*first == AXES) {
        return cvy_cli_usage(knobs->command,
                             "%s: no axis; give at least ih and kh, or iw and kw for one axis", knobs->text);
    }
    if (*first == DEPTH && given[HEIGHT] != given[WIDTH]) {
        return cvy_cli_usage(
            knobs->command,
            "%s: depth and %s are given, but not %s; give all three axes, or depth alone for a "
            "cube",
            knobs->text, given[HEIGHT] ? "height" : "width", given[HEIGHT] ? "width" : "height");
    }
    for (size_t a = *first + 1; a < AXES; a++) {
        if (!given[a]) {
            memcpy(knobs->axis[a], knobs->axis[a - 1], sizeof(knobs->axis[a]));
        }
    }
    for (size_t a = *first; a < AXES; a++) {
        const struct knob *axis = knobs->axis[a];
        if (!axis[IN].given || !axis[KERNEL].given) {
            return cvy_cli_usage(
                knobs->command, "%s: %c%c is missing; give the size of the %s along this axis", knobs->text,
                axis[IN].given ? 'k' : 'i', axis_letters[a], axis[IN].given ? "kernel" : "input");
        }
    }
    return CVY_CLI_OK;
}

/* Padding that leads to the output size asked for; a is the axis in the descriptor, i in the problem. */
static int fit_output(const struct knobs *knobs, struct cvy_conv_problem *problem, size_t a, size_t i)
{
    const struct knob *axis = knobs->axis[a];
    const size_t in = problem->in[i], stride = problem->stride[i], out = axis[OUT].value;
    const size_t reach = cvy_conv_effective_kernel(problem->kernel[i], problem->dilation[i]);
    const size_t positions = problem->transposed ? in : out;
    size_t spread;
    if (reach == 0 || __builtin_mul_overflow(positions - 1, stride, &spread) ||
        __builtin_add_overflow(spread, reach, &spread) || spread > SIZE_MAX / 8) {
        return cvy_cli_usage(knobs->command, "%s: the sizes along %c are too large", knobs->text,
                             axis_letters[a]);
    }
    /* Both ends together; what is negative is left over at the end of x, or added to the end of y. */
    const ptrdiff_t both = (ptrdiff_t)spread - (ptrdiff_t)(problem->transposed ? out : in);
    const ptrdiff_t begin = axis[PAD].given ? (ptrdiff_t)axis[PAD].value : both > 0 ? both / 2 : 0;
    const ptrdiff_t end = both - begin;
    problem->pad_begin[i] = (size_t)begin;
    problem->pad_end[i] = end > 0 ? (size_t)end : 0;
    if (problem->transposed) {
        problem->output_padding[i] = end < 0 ? (size_t)-end : 0;
        return CVY_CLI_OK;
    }
    if (end < 0 && (size_t)-end >= stride) {
        return cvy_cli_usage(
            knobs->command,
            "%s: o%c%zu: with %zu of padding at the begin alone the output is %zu; leave o%c out, or change "
            "it",
            knobs->text, axis_letters[a], out, problem->pad_begin[i],
            cvy_conv_output_size(in, problem->kernel[i], stride, problem->dilation[i], problem->pad_begin[i]),
            axis_letters[a]);
    }
    return CVY_CLI_OK;
}

static int fill_problem(const struct knobs *knobs, size_t first, struct cvy_conv_problem *problem)
{
    problem->n = knobs->mb.given ? knobs->mb.value : 2;
    problem->c = knobs->ic.value;
    problem->k = knobs->oc.value;
    problem->groups = knobs->groups.given ? knobs->groups.value : 1;
    for (size_t a = first; a < AXES; a++) {
        const struct knob *axis = knobs->axis[a];
        const size_t i = a - first;
        problem->in[i] = axis[IN].value;
        problem->kernel[i] = axis[KERNEL].value;
        problem->stride[i] = axis[STRIDE].given ? axis[STRIDE].value : 1;
        problem->dilation[i] = axis[DILATION].value + 1;
        problem->pad_begin[i] = problem->pad_end[i] = axis[PAD].value;
        if (axis[OUT].given) {
            int status = fit_output(knobs, problem, a, i);
            if (status != CVY_CLI_OK) {
                return status;
            }
        }
    }
    return CVY_CLI_OK;
}

int cvy_descriptor_parse_benchdnn(struct cvy_descriptor *descriptor, const char *text, bool transposed)
{
    struct knobs knobs = {.text = text, .command = descriptor->command};
    for (const char *at = text; *at;) {
        if (*at == '_') {
            at++;
            continue;
        }
        int status;
        if (*at == 'n') {
            status = read_name(descriptor, text, at + 1);
            at += strlen(at);
        } else {
            status = read_knob(&knobs, &at);
        }
        if (status != CVY_CLI_OK) {
            return status;
        }
    }
    size_t first;
    int status = spread_axes(&knobs, &first);
    if (status != CVY_CLI_OK) {
        return status;
    }
    if (!knobs.ic.given || !knobs.oc.given) {
        return cvy_cli_usage(knobs.command, "%s: %s is missing; give the channels of the %s", text,
                             knobs.ic.given ? "oc" : "ic", knobs.ic.given ? "output" : "input");
    }
    cvy_conv_problem_init(&descriptor->problem, AXES - first);
    descriptor->problem.transposed = transposed;
    return fill_problem(&knobs, first, &descriptor->problem);
}

int cvy_descriptor_parse(struct cvy_descriptor *descriptor, const char *text,
                         const struct cvy_descriptor_options *options)
{
    const bool miopen = cvy_descriptor_is_miopen(text);
    int status = miopen ? cvy_descriptor_parse_miopen(descriptor, text)
                        : cvy_descriptor_parse_benchdnn(descriptor, text, options->transposed);
    if (status != CVY_CLI_OK) {
        return status;
    }
    struct cvy_conv_problem *problem = &descriptor->problem;
    problem->transposed = problem->transposed || options->transposed;
    problem->flip = options->flip;
    problem->bias = problem->bias || options->bias;
    problem->pad_mode = options->pad_mode;
    problem->shuffle = options->shuffle;
    problem->n = options->mb ? options->mb : problem->n;
    if ((options->auto_pad != CVY_PAD_EXPLICIT &&
         cvy_conv_set_padding(problem, options->auto_pad) != CVY_OK) ||
        cvy_conv_validate(problem) != CVY_OK) {
        /* The library has said what is wrong with the numbers; this says where they came from. */
        return cvy_cli_usage(descriptor->command, "%s: not a possible convolution", text);
    }
    return CVY_CLI_OK;
}
