/*
 * explain_matrix.c - a small convolution as a matrix of weights. Which weights make an entry is found by
 * asking for the matrix of each weight alone: beyond zeros padding an entry may be a sum.
 */
#include "explain.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SIDE 64
#define MAX_WEIGHTS 512
#define CELL 24

struct symbols {
    size_t rows, columns;
    char (*cells)[CELL]; /* "" = zero */
};

static void append(char *cell, double factor, size_t weight)
{
    char term[64];
    if (factor == 1) {
        snprintf(term, sizeof(term), "%sw%zu", cell[0] ? "+" : "", weight);
    } else {
        snprintf(term, sizeof(term), "%s%gw%zu", cell[0] ? "+" : "", factor, weight);
    }
    size_t used = strlen(cell);
    if (used + strlen(term) < CELL) {
        strcpy(cell + used, term);
    } else {
        /* The rest does not fit; such sums are a curiosity of padding wider than x. */
        memcpy(cell + CELL - 4, "...", 4);
    }
}

static bool add_weight(struct symbols *symbols, const struct cvy_conv_problem *problem, const float *w,
                       size_t weight)
{
    struct cvy_sparse_matrix *matrix = NULL;
    if (cvy_conv_matrix_create(&matrix, problem, w, 0) != CVY_OK) {
        return false;
    }
    for (size_t row = 0; row < matrix->rows; row++) {
        for (size_t e = matrix->row_start[row]; e < matrix->row_start[row + 1]; e++) {
            if (matrix->value[e] != 0) {
                append(symbols->cells[row * symbols->columns + matrix->column[e]], (double)matrix->value[e],
                       weight);
            }
        }
    }
    cvy_sparse_matrix_destroy(&matrix);
    return true;
}

static bool check_size(const struct cvy_conv_problem *problem, struct symbols *symbols, size_t *weights)
{
    struct cvy_shape x, w, y;
    size_t rows, columns;
    if (cvy_conv_x_shape(problem, &x) != CVY_OK || cvy_conv_w_shape(problem, &w) != CVY_OK ||
        cvy_conv_y_shape(problem, &y) != CVY_OK) {
        return false;
    }
    x.dims[0] = y.dims[0] = 1;
    if (cvy_shape_elements(&x, &columns) != CVY_OK || cvy_shape_elements(&y, &rows) != CVY_OK ||
        cvy_shape_elements(&w, weights) != CVY_OK) {
        return false;
    }
    if (rows > MAX_SIDE || columns > MAX_SIDE || *weights > MAX_WEIGHTS) {
        cvy_cli_error(
            "--matrix: it would be %zux%zu, of %zu weights; up to %dx%d and %d are printed, take smaller "
            "sizes or fewer channels",
            rows, columns, *weights, MAX_SIDE, MAX_SIDE, MAX_WEIGHTS);
        return false;
    }
    symbols->rows = rows;
    symbols->columns = columns;
    return true;
}

static bool fill(struct symbols *symbols, const struct cvy_conv_problem *problem)
{
    size_t weights;
    bool done = false;
    float *w = NULL;
    *symbols = (struct symbols){0};
    if (!check_size(problem, symbols, &weights)) {
        return false;
    }
    w = calloc(weights, sizeof(float));
    symbols->cells = calloc(symbols->rows * symbols->columns, CELL);
    if (!w || !symbols->cells) {
        cvy_cli_error("out of memory");
        goto fail;
    }
    for (size_t i = 0; i < weights; i++) {
        w[i] = 1;
        if (!add_weight(symbols, problem, w, i)) {
            goto fail;
        }
        w[i] = 0;
    }
    done = true;
fail:
    free(w);
    if (!done) {
        free(symbols->cells);
    }
    return done;
}

/* Has a transposed counterpart in both directions: zeros padding, no shuffle. */
static bool has_transpose(const struct cvy_conv_problem *problem)
{
    return problem->pad_mode == CVY_PAD_CONSTANT && problem->shuffle <= 1;
}

bool cvy_matrix_print(const struct cvy_conv_problem *problem)
{
    struct symbols symbols;
    if (!fill(&symbols, problem)) {
        return false;
    }
    size_t width = 1;
    for (size_t i = 0; i < symbols.rows * symbols.columns; i++) {
        const size_t length = strlen(symbols.cells[i]);
        width = length > width ? length : width;
    }
    printf("\nAs a matrix, %zux%zu: y = %s x, x and y laid out as they lie in memory\n", symbols.rows,
           symbols.columns, problem->transposed ? "C^T" : "C");
    for (size_t row = 0; row < symbols.rows; row++) {
        for (size_t column = 0; column < symbols.columns; column++) {
            const char *cell = symbols.cells[row * symbols.columns + column];
            printf(" %*s", (int)width, cell[0] ? cell : ".");
        }
        putchar('\n');
    }
    if (has_transpose(problem)) {
        printf("%s, %zux%zu, is the %s convolution from y's shape to x's.\n",
               problem->transposed ? "C" : "C^T", symbols.columns, symbols.rows,
               problem->transposed ? "plain" : "transposed");
    }
    free(symbols.cells);
    return true;
}

cJSON *cvy_matrix_json(const struct cvy_conv_problem *problem)
{
    struct symbols symbols;
    if (!fill(&symbols, problem)) {
        return NULL;
    }
    cJSON *json = cJSON_CreateObject();
    cJSON_AddNumberToObject(json, "rows", (double)symbols.rows);
    cJSON_AddNumberToObject(json, "columns", (double)symbols.columns);
    cJSON *cells = cJSON_AddArrayToObject(json, "cells");
    for (size_t row = 0; row < symbols.rows; row++) {
        cJSON *line = cJSON_CreateArray();
        for (size_t column = 0; column < symbols.columns; column++) {
            cJSON_AddItemToArray(line, cJSON_CreateString(symbols.cells[row * symbols.columns + column]));
        }
        cJSON_AddItemToArray(cells, line);
    }
    free(symbols.cells);
    return json;
}
