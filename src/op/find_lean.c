/* A choice for who has little memory. */
#include "op/algo.h"

/* Whether the algorithm is among those asked for; seconds receives what it is expected to take. */
static bool is_lean(const struct cvy_algo *algo, struct cvy_device *device, const struct cvy_conv_problem *p,
                    size_t max_workspace, size_t max_prepared, struct cvy_algo_config *config,
                    double *seconds)
{
    char why[320];
    if (!cvy_algo_applies(algo, p, device, why, sizeof(why)))
        return false;
    algo->default_config(p, device, max_workspace, config);
    if (cvy_algo_workspace(algo, p, device, config) > max_workspace ||
        (algo->prepared_bytes != NULL && algo->prepared_bytes(p, device, config) > max_prepared))
        return false;
    *seconds = algo->estimate(p, device, config);
    return true;
}

const struct cvy_algo *cvy_find_lean(struct cvy_device *device, const struct cvy_conv_problem *p,
                                     size_t max_workspace, size_t max_prepared,
                                     struct cvy_algo_config *config)
{
    const struct cvy_algo *algo, *best = NULL;
    double best_seconds = 0;
    for (size_t i = 0; (algo = cvy_algo_at(i)) != NULL; i++) {
        struct cvy_algo_config tried;
        double seconds;
        if (is_lean(algo, device, p, max_workspace, max_prepared, &tried, &seconds) &&
            (best == NULL || seconds < best_seconds) && algo->build(device, p, &tried) == CVY_OK) {
            best = algo;
            best_seconds = seconds;
            *config = tried;
        }
    }
    return best;
}
