/* explain_transposed.c - a transposed convolution seen as a plain one, and its checkerboard. */
#include "explain.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* Larger results are not drawn. */
#define MAP_SIZE 24

struct transposed_view {
    const struct cvy_conv_problem *problem;
    struct cvy_conv_zero_inserted zeros;
    struct cvy_checkerboard board;
    size_t stride_below[CVY_CONV_MAX_RANK]; /* nearest strides that are even with this kernel; 0 = none */
    size_t stride_above[CVY_CONV_MAX_RANK];
    size_t out[CVY_CONV_MAX_RANK];
    size_t *counts[CVY_CONV_MAX_RANK];
};

/* Whether this stride along the axis would be even; padding does not matter away from the edges. */
static bool even_with_stride(const struct cvy_conv_problem *problem, size_t axis, size_t stride)
{
    struct cvy_conv_problem other;
    struct cvy_checkerboard board;
    cvy_conv_problem_init(&other, 1);
    other.transposed = true;
    other.in[0] = problem->in[axis];
    other.kernel[0] = problem->kernel[axis];
    other.dilation[0] = problem->dilation[axis];
    other.stride[0] = stride;
    return cvy_conv_get_checkerboard(&other, &board) == CVY_OK && board.even;
}

static void find_strides(struct transposed_view *view, size_t axis)
{
    const size_t stride = view->problem->stride[axis];
    for (size_t s = stride - 1; s > 0 && view->stride_below[axis] == 0; s--) {
        view->stride_below[axis] = even_with_stride(view->problem, axis, s) ? s : 0;
    }
    /* No more than the taps there are: a larger stride leaves elements that none reaches. */
    for (size_t s = stride + 1; s <= view->problem->kernel[axis] && view->stride_above[axis] == 0; s++) {
        view->stride_above[axis] = even_with_stride(view->problem, axis, s) ? s : 0;
    }
}

static void finish(struct transposed_view *view)
{
    for (size_t i = 0; i < CVY_CONV_MAX_RANK; i++) {
        free(view->counts[i]);
    }
}

static bool prepare(struct transposed_view *view, const struct cvy_conv_problem *problem)
{
    struct cvy_shape y;
    *view = (struct transposed_view){.problem = problem};
    if (cvy_conv_get_zero_inserted(problem, &view->zeros) != CVY_OK ||
        cvy_conv_get_checkerboard(problem, &view->board) != CVY_OK ||
        cvy_conv_y_shape(problem, &y) != CVY_OK) {
        return false;
    }
    for (size_t i = 0; i < problem->rank; i++) {
        view->out[i] = y.dims[2 + i];
        view->counts[i] = calloc(view->out[i], sizeof(size_t));
        if (!view->counts[i]) {
            cvy_cli_error("out of memory");
            goto fail;
        }
        if (cvy_conv_count_contributions(problem, i, view->counts[i]) != CVY_OK) {
            goto fail;
        }
        if (view->board.least[i] != view->board.most[i]) {
            find_strides(view, i);
        }
    }
    return true;
fail:
    finish(view);
    return false;
}

static void print_zeros(const struct transposed_view *view)
{
    const struct cvy_conv_problem *problem = view->problem;
    char text[80];
    printf("\nSeen as a plain convolution\n");
    printf("  zeros between the elements of x  %s\n",
           cvy_format_axes(view->zeros.inserted, problem->rank, text, sizeof(text)));
    printf("  padding                         ");
    for (size_t i = 0; i < problem->rank; i++) {
        printf(" %c %" PRId64 " and %" PRId64 "%s", cvy_axis_letter(problem->rank, i),
               view->zeros.pad_begin[i], view->zeros.pad_end[i], i + 1 < problem->rank ? "," : "\n");
    }
    puts("  then the kernel turned round, at stride 1");
}

/* "2 or 4", "4"; false where there is neither. */
static bool format_either(size_t below, size_t above, char *text, size_t size)
{
    if (below && above && below != above) {
        snprintf(text, size, "%zu or %zu", below, above);
    } else {
        snprintf(text, size, "%zu", below ? below : above);
    }
    return below || above;
}

static void print_remedies(const struct transposed_view *view)
{
    const struct cvy_conv_problem *problem = view->problem;
    char values[64];
    for (size_t i = 0; i < problem->rank; i++) {
        const char letter = cvy_axis_letter(problem->rank, i);
        if (view->board.least[i] == view->board.most[i]) {
            continue;
        }
        if (format_either(view->board.kernel_below[i], view->board.kernel_above[i], values, sizeof(values))) {
            printf("  even along %c: kernel %s with stride %zu\n", letter, values, problem->stride[i]);
        }
        if (format_either(view->stride_below[i], view->stride_above[i], values, sizeof(values))) {
            printf("  even along %c: stride %s with kernel %zu\n", letter, values, problem->kernel[i]);
        }
    }
    printf("  even always: resize by %s, then a convolution at stride 1\n",
           cvy_format_axes(problem->stride, problem->rank, values, sizeof(values)));
}

static void print_map(const struct transposed_view *view)
{
    const size_t rank = view->problem->rank;
    const size_t rows = rank == 2 ? view->out[0] : 1, columns = view->out[rank - 1];
    if (rank > 2 || rows > MAP_SIZE || columns > MAP_SIZE) {
        printf("  (the map of y is drawn for up to 2 axes of up to %d)\n", MAP_SIZE);
        return;
    }
    puts("  taps that reach each element of y:");
    for (size_t r = 0; r < rows; r++) {
        printf("   ");
        for (size_t c = 0; c < columns; c++) {
            printf(" %2zu", (rank == 2 ? view->counts[0][r] : 1) * view->counts[rank - 1][c]);
        }
        putchar('\n');
    }
}

bool cvy_transposed_print(const struct cvy_conv_problem *problem)
{
    struct transposed_view view;
    if (!prepare(&view, problem)) {
        return false;
    }
    print_zeros(&view);
    printf("\nCheckerboard: %s\n", view.board.even
                                       ? "none, all elements of y away from the edges get equally many taps"
                                       : "yes, neighbours in y get unequally many taps");
    for (size_t i = 0; i < problem->rank; i++) {
        printf("  along %c: %zu to %zu taps, kernel %zu, stride %zu\n", cvy_axis_letter(problem->rank, i),
               view.board.least[i], view.board.most[i], problem->kernel[i], problem->stride[i]);
    }
    if (!view.board.even) {
        print_remedies(&view);
    }
    print_map(&view);
    finish(&view);
    return true;
}

static cJSON *signed_axes(const int64_t *values, size_t rank)
{
    cJSON *array = cJSON_CreateArray();
    for (size_t i = 0; i < rank; i++) {
        cJSON_AddItemToArray(array, cJSON_CreateNumber((double)values[i]));
    }
    return array;
}

cJSON *cvy_transposed_json(const struct cvy_conv_problem *problem)
{
    struct transposed_view view;
    const size_t rank = problem->rank;
    if (!prepare(&view, problem)) {
        return NULL;
    }
    cJSON *json = cJSON_CreateObject();
    cJSON_AddItemToObject(json, "inserted_zeros", cvy_json_axes(view.zeros.inserted, rank));
    cJSON_AddItemToObject(json, "pad_begin", signed_axes(view.zeros.pad_begin, rank));
    cJSON_AddItemToObject(json, "pad_end", signed_axes(view.zeros.pad_end, rank));
    cJSON *board = cJSON_AddObjectToObject(json, "checkerboard");
    cJSON_AddBoolToObject(board, "even", view.board.even);
    cJSON_AddItemToObject(board, "least", cvy_json_axes(view.board.least, rank));
    cJSON_AddItemToObject(board, "most", cvy_json_axes(view.board.most, rank));
    cJSON_AddItemToObject(board, "kernel_below", cvy_json_axes(view.board.kernel_below, rank));
    cJSON_AddItemToObject(board, "kernel_above", cvy_json_axes(view.board.kernel_above, rank));
    cJSON_AddItemToObject(board, "stride_below", cvy_json_axes(view.stride_below, rank));
    cJSON_AddItemToObject(board, "stride_above", cvy_json_axes(view.stride_above, rank));
    cJSON *counts = cJSON_AddArrayToObject(board, "counts");
    for (size_t i = 0; i < rank; i++) {
        /* As many as y is long: not for sizes that nobody reads. */
        if (view.out[i] <= 4096) {
            cJSON *along = cJSON_CreateArray();
            for (size_t p = 0; p < view.out[i]; p++) {
                cJSON_AddItemToArray(along, cJSON_CreateNumber((double)view.counts[i][p]));
            }
            cJSON_AddItemToArray(counts, along);
        } else {
            cJSON_AddItemToArray(counts, cJSON_CreateNull());
        }
    }
    finish(&view);
    return json;
}
