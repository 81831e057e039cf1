/* explain_text.c - one convolution explained in words and tables. */
#include "explain.h"

#include <stdio.h>
#include <string.h>

static void print_kernel(const struct cvy_conv_problem *problem)
{
    size_t effective[CVY_CONV_MAX_RANK];
    char kernel[80], reach[80], dilation[80];
    for (size_t i = 0; i < problem->rank; i++) {
        effective[i] = cvy_conv_effective_kernel(problem->kernel[i], problem->dilation[i]);
    }
    printf("kernel           %s%s\n", cvy_format_axes(problem->kernel, problem->rank, kernel, sizeof(kernel)),
           problem->flip ? ", read backwards" : "");
    printf("dilation         %s (1 is none)\n",
           cvy_format_axes(problem->dilation, problem->rank, dilation, sizeof(dilation)));
    printf("effective kernel %s\n", cvy_format_axes(effective, problem->rank, reach, sizeof(reach)));
}

static void print_geometry(const struct cvy_conv_problem *problem)
{
    char stride[80], begin[80], end[80], output[80];
    bool more = false;
    print_kernel(problem);
    printf("stride           %s\n", cvy_format_axes(problem->stride, problem->rank, stride, sizeof(stride)));
    printf("padding          %s at the begin, %s at the end; %s\n",
           cvy_format_axes(problem->pad_begin, problem->rank, begin, sizeof(begin)),
           cvy_format_axes(problem->pad_end, problem->rank, end, sizeof(end)),
           cvy_pad_mode_name(problem->pad_mode));
    for (size_t i = 0; i < problem->rank; i++) {
        more = more || problem->output_padding[i] != 0;
    }
    if (more) {
        printf("output padding   %s\n",
               cvy_format_axes(problem->output_padding, problem->rank, output, sizeof(output)));
    }
}

static void print_costs(const struct cvy_explanation *explanation)
{
    char number[64];
    const struct cvy_conv_cost *cost = &explanation->cost;
    printf("parameters       %s\n", cvy_format_count(cost->parameters, number, sizeof(number)));
    printf("multiplications  %s\n", cvy_format_count(cost->multiplications, number, sizeof(number)));
    printf("FLOPs            %s\n", cvy_format_count(2 * cost->multiplications, number, sizeof(number)));
    printf("bytes            %s\n", cvy_format_count(cost->bytes, number, sizeof(number)));
    printf("intensity        %.4g FLOPs per byte\n",
           cost->bytes > 0 ? 2 * cost->multiplications / cost->bytes : 0);
    printf("receptive field  %s\n",
           cvy_format_field(explanation->field, explanation->problem->rank, number, sizeof(number)));
}

static void print_algorithms(const struct cvy_explanation *explanation)
{
    char why[256];
    const char *name;
    int width = 0;
    printf("\nAlgorithms on %s\n", explanation->device_text);
    for (size_t i = 0; (name = cvy_conv_algo_name(i)); i++) {
        width = (int)strlen(name) > width ? (int)strlen(name) : width;
    }
    for (size_t i = 0; (name = cvy_conv_algo_name(i)); i++) {
        if (cvy_conv_algo_applies(explanation->device, explanation->problem, name, why, sizeof(why))) {
            printf("  %-*s  yes\n", width, name);
        } else {
            printf("  %-*s  no: %s\n", width, name, why);
        }
    }
}

/* "675 + 9,600 = 10,275" */
static void format_sum(const struct cvy_alternative *alternative, char *text, size_t size)
{
    char number[64];
    size_t used = 0;
    for (size_t i = 0; i < alternative->n_passes && used < size; i++) {
        int wrote = snprintf(text + used, size - used, "%s%s", i ? " + " : "",
                             cvy_format_count(alternative->costs[i].multiplications, number, sizeof(number)));
        used += wrote > 0 ? (size_t)wrote : 0;
    }
    if (alternative->n_passes > 1 && used < size) {
        snprintf(text + used, size - used, " = %s",
                 cvy_format_count(alternative->multiplications, number, sizeof(number)));
    }
}

static void print_alternative(const struct cvy_alternative *alternative, int name_width, int sum_width)
{
    char sum[400], parameters[64], percent[32], w[128];
    struct cvy_shape shape;
    printf("%c %-*s  ", alternative->given ? '>' : ' ', name_width, alternative->name);
    if (!alternative->fits) {
        printf("no: %s\n", alternative->why);
        return;
    }
    format_sum(alternative, sum, sizeof(sum));
    printf("%*s  %14s  %7s  ", sum_width, sum,
           cvy_format_count(alternative->parameters, parameters, sizeof(parameters)),
           cvy_format_percent(alternative->ratio, percent, sizeof(percent)));
    for (size_t i = 0; i < alternative->n_passes; i++) {
        if (cvy_conv_w_shape(&alternative->passes[i], &shape) == CVY_OK) {
            printf("%s%s", i ? ", " : "", cvy_shape_format(&shape, w, sizeof(w)));
        }
    }
    putchar('\n');
}

static void print_alternatives(const struct cvy_explanation *explanation)
{
    int name_width = 0, sum_width = (int)strlen("multiplications");
    char sum[400];
    for (size_t i = 0; i < explanation->n_alternatives; i++) {
        const struct cvy_alternative *alternative = &explanation->alternatives[i];
        const int name = (int)strlen(alternative->name);
        name_width = name > name_width ? name : name_width;
        if (alternative->fits) {
            format_sum(alternative, sum, sizeof(sum));
            sum_width = (int)strlen(sum) > sum_width ? (int)strlen(sum) : sum_width;
        }
    }
    printf("\nWays from the same x to the same y (> marks the given one)\n");
    printf("  %-*s  %*s  %14s  %7s  %s\n", name_width, "", sum_width, "multiplications", "parameters",
           "ratio", "w of each pass");
    for (size_t i = 0; i < explanation->n_alternatives; i++) {
        print_alternative(&explanation->alternatives[i], name_width, sum_width);
    }
}

bool cvy_explanation_print(const struct cvy_explanation *explanation)
{
    char text[160];
    const struct cvy_conv_problem *problem = explanation->problem;
    printf("%s%s%s\n", explanation->name, explanation->name[0] ? ": " : "",
           cvy_conv_describe(problem, text, sizeof(text)));
    printf("x                %s\n", cvy_shape_format(&explanation->x, text, sizeof(text)));
    printf("w                %s\n", cvy_shape_format(&explanation->w, text, sizeof(text)));
    printf("y                %s\n", cvy_shape_format(&explanation->y, text, sizeof(text)));
    print_geometry(problem);
    print_costs(explanation);
    if (explanation->device) {
        print_algorithms(explanation);
    } else {
        printf("\nAlgorithms: unknown without a device: %s\n", explanation->device_text);
    }
    print_alternatives(explanation);
    if (problem->transposed && !cvy_transposed_print(problem)) {
        return false;
    }
    return !explanation->matrix || cvy_matrix_print(problem);
}
