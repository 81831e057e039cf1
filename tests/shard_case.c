#include "shard_case.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "runtime/device_part.h"

struct cvy_device *shard_pair[2];

/* The first two devices that there are; of one alone its halves; of one that is not divided, itself twice. */
void shard_open_pair(void)
{
    struct cvy_platform_list *list = NULL;
    char selectors[2][64] = {"", ""};
    size_t n = 0;
    if (shard_pair[0] != NULL)
        return;
    test_device();
    ck_assert_int_eq(cvy_platform_list_create(&list), CVY_OK);
    for (size_t i = 0; i < list->n_platforms; i++) {
        for (size_t j = 0; j < list->platforms[i].n_devices && n < 2; j++)
            snprintf(selectors[n++], sizeof(selectors[0]), "%s", list->platforms[i].devices[j].selector);
    }
    cvy_platform_list_destroy(&list);
    const bool divides = n == 1 && cvy_device_divides(cvy_device_cl_id(test_device())) &&
                         cvy_device_get_info(test_device())->compute_units > 1;
    for (size_t i = 0; n == 1 && i < 2; i++) {
        const char *whole = cvy_device_get_info(test_device())->selector;
        snprintf(selectors[i], sizeof(selectors[0]), divides ? "%.40s/%zuof2" : "%.40s", whole, i + 1);
    }
    for (size_t i = 0; i < 2; i++)
        ck_assert_msg(cvy_device_open(&shard_pair[i], selectors[i]) == CVY_OK, "%s", test_log_last());
}

struct cvy_value *shard_constant(struct shard_builder *b, struct cvy_shape shape, float scale)
{
    struct cvy_tensor tensor;
    struct cvy_value *value;
    ck_assert_int_eq(cvy_tensor_init(&tensor, CVY_FLOAT32, &shape), CVY_OK);
    test_random_fill(&b->random, tensor.data, tensor.elements);
    for (size_t i = 0; i < tensor.elements; i++)
        ((float *)tensor.data)[i] *= scale;
    ck_assert_int_eq(cvy_graph_add_constant(b->graph, &value, NULL, &tensor), CVY_OK);
    cvy_tensor_finish(&tensor);
    return value;
}

struct cvy_value *shard_node(struct shard_builder *b, struct cvy_op op, struct cvy_value *x,
                             struct cvy_value *y, struct cvy_value *z)
{
    struct cvy_value *inputs[] = {x, y, z}, *out;
    ck_assert_msg(cvy_graph_add_node(b->graph, &out, &op, inputs,
                                     z   ? 3
                                     : y ? 2
                                         : 1,
                                     NULL) == CVY_OK,
                  "%s", test_log_last());
    return out;
}

static struct cvy_value *relu(struct shard_builder *b, struct cvy_value *x)
{
    return shard_node(b, (struct cvy_op){.type = CVY_OP_RELU}, x, NULL, NULL);
}

static struct cvy_value *conv(struct shard_builder *b, struct cvy_value *x, size_t c, size_t k, size_t groups)
{
    struct cvy_op op = {
        .type = CVY_OP_CONV,
        .conv = {
            .groups = groups, .stride = {1, 1}, .dilation = {1, 1}, .pad_begin = {1, 1}, .pad_end = {1, 1}}};
    struct cvy_value *w = shard_constant(b, (struct cvy_shape){4, {k, c / groups, 3, 3}}, 0.2f);
    return shard_node(b, op, x, w, shard_constant(b, (struct cvy_shape){1, {k}}, 1));
}

static struct cvy_value *pool(struct shard_builder *b, struct cvy_value *x)
{
    return shard_node(
        b,
        (struct cvy_op){.type = CVY_OP_MAX_POOL,
                        .pool = {.rank = 2, .kernel = {3, 3}, .stride = {2, 2}, .dilation = {1, 1}}},
        x, NULL, NULL);
}

static struct cvy_value *gemm(struct shard_builder *b, struct cvy_value *x, size_t columns)
{
    struct cvy_op flat = {.type = CVY_OP_FLATTEN, .axis = 1};
    struct cvy_op op = {.type = CVY_OP_GEMM, .gemm = {.alpha = 1, .beta = 1}};
    return shard_node(b, op, shard_node(b, flat, x, NULL, NULL),
                      shard_constant(b, (struct cvy_shape){2, {columns, 7}}, 0.1f),
                      shard_constant(b, (struct cvy_shape){1, {7}}, 1));
}

struct shard_builder shard_begin(struct cvy_value **x, const struct cvy_shape *shape)
{
    struct shard_builder b = {.random = {test_seed()}};
    ck_assert_int_eq(cvy_graph_create(&b.graph), CVY_OK);
    ck_assert_int_eq(cvy_graph_add_input(b.graph, x, "x", shape), CVY_OK);
    return b;
}

/* As AlexNet: convolutions 2, 4 and 5 in two groups, 1 and 3 in one; a residual and a batch norm besides. */
struct cvy_graph *shard_network(const struct cvy_shape *shape)
{
    struct cvy_value *x;
    struct shard_builder b = shard_begin(&x, shape);
    struct cvy_value *y = relu(&b, conv(&b, x, 3, 64, 1));
    y = pool(&b, relu(&b, conv(&b, y, 64, 32, 2)));
    struct cvy_value *scale = shard_constant(&b, (struct cvy_shape){1, {32}}, 1);
    struct cvy_value *mean = shard_constant(&b, (struct cvy_shape){1, {32}}, 1);
    struct cvy_value *variance = shard_constant(&b, (struct cvy_shape){1, {32}}, 0), *norm, *out;
    struct cvy_value *inputs[] = {y, scale, mean, mean, variance};
    struct cvy_op op = {.type = CVY_OP_BATCH_NORM, .batch_norm = {.epsilon = 1}};
    ck_assert_int_eq(cvy_graph_add_node(b.graph, &norm, &op, inputs, 5, "norm"), CVY_OK);
    y = relu(&b, conv(&b, norm, 32, 64, 1));
    y = relu(&b, conv(&b, y, 64, 64, 2));
    y = relu(&b, conv(&b, y, 64, 32, 2));
    y = shard_node(&b, (struct cvy_op){.type = CVY_OP_ADD}, y, norm, NULL);
    y = shard_node(&b, (struct cvy_op){.type = CVY_OP_MUL}, y,
                   shard_constant(&b, (struct cvy_shape){4, {1, 32, 1, 1}}, 1), NULL);
    out = gemm(&b, pool(&b, y), 32 * 9);
    ck_assert_int_eq(cvy_graph_add_output(b.graph, y, "features"), CVY_OK);
    ck_assert_int_eq(cvy_graph_add_output(b.graph, out, "classes"), CVY_OK);
    ck_assert_int_eq(cvy_graph_add_output(b.graph, y, "again"), CVY_OK);
    ck_assert_int_eq(cvy_graph_add_output(b.graph, x, "x"), CVY_OK);
    return b.graph;
}

struct cvy_tensor shard_input(const struct cvy_shape *shape)
{
    struct test_random random = {test_seed() + 7};
    struct cvy_tensor x;
    ck_assert_int_eq(cvy_tensor_init(&x, CVY_FLOAT32, shape), CVY_OK);
    test_random_fill(&random, x.data, x.elements);
    return x;
}

void shard_check_equal(const struct cvy_tensor *got, const struct cvy_tensor *expected)
{
    ck_assert(cvy_shape_equal(&got->shape, &expected->shape));
    for (size_t i = 0; i < got->elements; i++) {
        const double g = ((float *)got->data)[i], e = ((float *)expected->data)[i];
        ck_assert_msg(fabs(g - e) <= 1e-4 * (1 + fabs(e)), "element %zu: %g, not %g", i, g, e);
    }
}

/* conv, pool, join, reshape with the batch spelt out, gemm. */
struct cvy_graph *shard_batch_network(const struct cvy_shape *shape)
{
    struct cvy_value *x;
    struct shard_builder b = shard_begin(&x, shape);
    struct cvy_value *y = pool(&b, relu(&b, conv(&b, x, 3, 8, 1)));
    y = shard_node(&b, (struct cvy_op){.type = CVY_OP_CONCAT, .axis = 1}, y, relu(&b, y), NULL);
    struct cvy_op reshape = {.type = CVY_OP_RESHAPE,
                             .reshape = {.rank = 2, .dims = {(int64_t)shape->dims[0], -1}}};
    y = shard_node(&b, reshape, y, NULL, NULL);
    ck_assert_int_eq(cvy_graph_add_output(b.graph, gemm(&b, y, 16 * 49), "y"), CVY_OK);
    return b.graph;
}
