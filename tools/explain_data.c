/* explain_data.c - what there is to know about one convolution, and about the others of the same shapes. */
#include "explain.h"

#include <stdio.h>

static struct {
    char *text;
    size_t size;
} capture;

static void keep_first(void *user, enum cvy_log_level level, const char *message)
{
    (void)user;
    (void)level;
    if (capture.text[0] == '\0') {
        snprintf(capture.text, capture.size, "%s", message);
    }
}

void cvy_capture_begin(char *text, size_t size)
{
    text[0] = '\0';
    capture.text = text;
    capture.size = size;
    cvy_log_set_callback(keep_first, NULL, CVY_LOG_ERROR);
}

void cvy_capture_end(int verbose)
{
    cvy_cli_log(verbose);
}

static bool sum_passes(struct cvy_alternative *alternative, double standard)
{
    for (size_t i = 0; i < alternative->n_passes; i++) {
        if (cvy_conv_get_cost(&alternative->passes[i], &alternative->costs[i]) != CVY_OK) {
            return false;
        }
        alternative->multiplications += alternative->costs[i].multiplications;
        alternative->parameters += alternative->costs[i].parameters;
    }
    alternative->ratio = standard > 0 ? alternative->multiplications / standard : 0;
    return true;
}

static void add_kind(struct cvy_explanation *explanation, const struct cvy_conv_problem *standard,
                     enum cvy_conv_kind kind, double multiplications, int verbose)
{
    struct cvy_alternative *alternative = &explanation->alternatives[explanation->n_alternatives++];
    snprintf(alternative->name, sizeof(alternative->name), "%s", cvy_conv_kind_name(kind));
    alternative->given = kind == CVY_CONV_STANDARD && explanation->problem->groups == 1;
    cvy_capture_begin(alternative->why, sizeof(alternative->why));
    alternative->fits =
        cvy_conv_get_passes(standard, kind, 0, alternative->passes, &alternative->n_passes) == CVY_OK &&
        sum_passes(alternative, multiplications);
    cvy_capture_end(verbose);
}

static void add_groups(struct cvy_explanation *explanation, const struct cvy_conv_problem *standard,
                       size_t groups, double multiplications, int verbose)
{
    struct cvy_alternative *alternative = &explanation->alternatives[explanation->n_alternatives++];
    snprintf(alternative->name, sizeof(alternative->name), "grouped by %zu", groups);
    alternative->given = explanation->problem->groups == groups;
    if (standard->c % groups != 0 || standard->k % groups != 0) {
        const bool in = standard->c % groups != 0;
        const size_t channels = in ? standard->c : standard->k;
        snprintf(alternative->why, sizeof(alternative->why), "%zu channel%s of %s do%s not divide by %zu",
                 channels, channels == 1 ? "" : "s", in ? "x" : "y", channels == 1 ? "es" : "", groups);
        return;
    }
    alternative->passes[0] = *standard;
    alternative->passes[0].groups = groups;
    alternative->n_passes = 1;
    cvy_capture_begin(alternative->why, sizeof(alternative->why));
    alternative->fits = sum_passes(alternative, multiplications);
    cvy_capture_end(verbose);
}

static bool add_alternatives(struct cvy_explanation *explanation, int verbose)
{
    struct cvy_conv_problem standard = *explanation->problem;
    const size_t groups = standard.groups;
    standard.groups = 1;
    struct cvy_conv_cost cost;
    if (cvy_conv_get_cost(&standard, &cost) != CVY_OK) {
        return false;
    }
    for (int kind = 0; kind < CVY_CONV_KINDS; kind++) {
        add_kind(explanation, &standard, (enum cvy_conv_kind)kind, cost.multiplications, verbose);
    }
    for (size_t n = 2; n <= 8; n *= 2) {
        add_groups(explanation, &standard, n, cost.multiplications, verbose);
    }
    if (groups != 1 && groups != 2 && groups != 4 && groups != 8) {
        add_groups(explanation, &standard, groups, cost.multiplications, verbose);
    }
    return true;
}

bool cvy_explanation_fill(struct cvy_explanation *explanation, int verbose)
{
    const struct cvy_conv_problem *problem = explanation->problem;
    if (cvy_conv_x_shape(problem, &explanation->x) != CVY_OK ||
        cvy_conv_w_shape(problem, &explanation->w) != CVY_OK ||
        cvy_conv_y_shape(problem, &explanation->y) != CVY_OK ||
        cvy_conv_get_cost(problem, &explanation->cost) != CVY_OK) {
        return false;
    }
    for (size_t i = 0; i < problem->rank; i++) {
        explanation->field[i] = (struct cvy_receptive_field){1, 1};
        cvy_receptive_field_add(&explanation->field[i], problem->kernel[i], problem->stride[i],
                                problem->dilation[i], problem->transposed);
    }
    return add_alternatives(explanation, verbose);
}
