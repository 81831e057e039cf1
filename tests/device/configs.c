/* Every point of every algorithm's search space, not the one that it takes by itself. */
#include <stdio.h>

#include "conv_case.h"
#include "op/algo.h"
#include "op/problem.h"

/* The buffers of one problem on the device. */
struct buffers {
    struct cvy_buffer *x, *w, *bias, *y, *workspace, *prepared;
};

static struct cvy_buffer *upload(const float *data, size_t count)
{
    struct cvy_buffer *buffer = NULL;
    ck_assert_int_eq(cvy_buffer_create(&buffer, test_device(), count * sizeof(float)), CVY_OK);
    ck_assert_int_eq(cvy_buffer_write(buffer, 0, count * sizeof(float), data), CVY_OK);
    return buffer;
}

static void run_config(const struct cvy_algo *algo, const struct cvy_conv_problem *p, size_t index,
                       const struct cvy_algo_config *config, struct case_data *data)
{
    struct cvy_device *device = test_device();
    struct buffers b = {0};
    char text[64];
    snprintf(text, sizeof(text), "%s, configuration %zu", algo->id, index);
    test_poison(data->y, data->y_count);
    b.x = upload(data->x, data->x_count);
    b.w = upload(data->w, data->w_count);
    b.y = upload(data->y, data->y_count);
    if (p->bias)
        b.bias = upload(data->bias, p->k);
    size_t workspace = algo->workspace(p, device, config);
    if (workspace > 0)
        ck_assert_int_eq(cvy_buffer_create(&b.workspace, device, workspace), CVY_OK);
    ck_assert_msg(algo->build(device, p, config) == CVY_OK, "%s: %s", text, test_log_last());
    struct cvy_algo_args args = {.x = b.x, .y = b.y, .w = b.w, .bias = b.bias, .workspace = b.workspace};
    size_t prepared = algo->prepared_bytes != NULL ? algo->prepared_bytes(p, device, config) : 0;
    if (prepared > 0) {
        ck_assert_int_eq(cvy_buffer_create(&b.prepared, device, prepared), CVY_OK);
        ck_assert_int_eq(algo->prepare(device, p, config, b.w, b.prepared), CVY_OK);
        args.w = b.prepared;
    }
    ck_assert_msg(algo->enqueue(device, p, config, &args) == CVY_OK, "%s: %s", text, test_log_last());
    ck_assert_int_eq(cvy_buffer_read(b.y, 0, data->y_count * sizeof(float), data->y), CVY_OK);
    case_check_y(p, data, text);
    struct cvy_buffer **all[] = {&b.x, &b.w, &b.bias, &b.y, &b.workspace, &b.prepared};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        cvy_buffer_destroy(all[i]);
}

START_TEST(every_configuration_agrees_with_the_oracle)
{
    struct test_random random = {test_seed() + 1};
    size_t counts[32] = {0}, problems = test_small() ? 12 : 150;
    for (size_t i = 0; i < problems; i++) {
        struct cvy_conv_problem p = case_random_problem(&random);
        struct case_data data;
        case_data_make(&data, &p, &random);
        const struct cvy_algo *algo;
        for (size_t a = 0; (algo = cvy_algo_at(a)) != NULL; a++) {
            struct cvy_algo_config config;
            char why[256];
            if (!cvy_conv_algo_applies(test_device(), &p, algo->id, why, sizeof(why)))
                continue;
            for (size_t index = 0; algo->configs(&p, test_device(), index, &config); index++, counts[a]++)
                run_config(algo, &p, index, &config, &data);
        }
        case_data_free(&data);
    }
    for (size_t a = 0; cvy_algo_at(a) != NULL; a++)
        printf("%s: %zu runs\n", cvy_algo_at(a)->id, counts[a]);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("configs");
    TCase *tests = tcase_create("configs");
    tcase_set_timeout(tests, 0);
    tcase_add_test(tests, every_configuration_agrees_with_the_oracle);
    suite_add_tcase(suite, tests);
    return suite;
}
