/* A choice for who has little memory. */
#include <math.h>

#include "op/algo.h"

#define MOST_ALGOS 32

struct limits {
    size_t workspace, prepared;
};

/* Of the algorithm's configs that keep within the limits, the one expected to be fastest; INFINITY: there is
 * none. */
static double least_config(const struct cvy_algo *algo, struct cvy_device *device,
                           const struct cvy_conv_problem *p, const struct limits *limits,
                           struct cvy_algo_config *config)
{
    char why[320];
    double least = INFINITY;
    struct cvy_algo_config tried;
    if (!cvy_algo_applies(algo, p, device, why, sizeof(why)))
        return least;
    algo->default_config(p, device, limits->workspace, &tried);
    for (size_t i = 0; i == 0 || algo->configs(p, device, i - 1, &tried); i++) {
        if (cvy_algo_workspace(algo, p, device, &tried) > limits->workspace ||
            (algo->prepared_bytes != NULL && algo->prepared_bytes(p, device, &tried) > limits->prepared))
            continue;
        const double seconds = algo->estimate(p, device, &tried);
        if (seconds < least) {
            least = seconds;
            *config = tried;
        }
    }
    return least;
}

const struct cvy_algo *cvy_find_lean(struct cvy_device *device, const struct cvy_conv_problem *p,
                                     size_t max_workspace, size_t max_prepared,
                                     struct cvy_algo_config *config)
{
    const struct limits limits = {max_workspace, max_prepared};
    bool has_failed[MOST_ALGOS] = {false};
    for (;;) {
        const struct cvy_algo *algo;
        size_t best = 0;
        double least = INFINITY;
        for (size_t i = 0; i < MOST_ALGOS && (algo = cvy_algo_at(i)) != NULL; i++) {
            struct cvy_algo_config tried;
            const double seconds = has_failed[i] ? INFINITY : least_config(algo, device, p, &limits, &tried);
            if (seconds < least) {
                least = seconds;
                best = i;
                *config = tried;
            }
        }
        if (isinf(least))
            return NULL;
        if (cvy_algo_at(best)->build(device, p, config) == CVY_OK)
            return cvy_algo_at(best);
        has_failed[best] = true;
    }
}
