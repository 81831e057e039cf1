/* How generous a plan can be under a ceiling: tried, from much to little. */
#include "base/arith.h"
#include "base/log.h"
#include "graph/plan.h"

#define MAX_ROUNDS 16 /* each leaves a layer a quarter of what it used */

/* Winograd's weights grow by 1.8 or 4, panels of others by what fills them up. Large weights are given up
 * first: they are those of small images, where they save the least time for their size. */
static const struct {
    double factor;
    size_t bytes;
} growths[] = {{0, 0},       {1, 32 << 20},  {1, 16 << 20},  {1, 8 << 20},  {1, 4 << 20},  {1, 2 << 20},
               {1, 1 << 20}, {1, 512 << 10}, {1, 128 << 10}, {1, 32 << 10}, {1, 16 << 10}, {1, 8 << 10},
               {1, 4 << 10}, {1, 2 << 10},   {1.05, 0},      {1, 0}};
#define GROWTHS CVY_COUNT(growths)

/* What a plan of this budget takes in all, and the most that a layer of it uses. */
static enum cvy_status count(const struct cvy_graph *graph, struct cvy_device *device,
                             const struct cvy_plan_params *params, struct cvy_plan_budget budget,
                             size_t *total, size_t *workspace)
{
    struct cvy_plan *plan = NULL;
    budget.only_count = true;
    enum cvy_status status = cvy_plan_make(&plan, graph, device, params, &budget);
    if (status != CVY_OK)
        return status;
    *total = plan->memory.total;
    *workspace = plan->memory.workspace;
    cvy_plan_destroy(&plan);
    return CVY_OK;
}

enum cvy_status cvy_plan_find_budget(const struct cvy_graph *graph, struct cvy_device *device,
                                     const struct cvy_plan_params *params, struct cvy_plan_budget *budget)
{
    size_t least = SIZE_MAX, limits[GROWTHS];
    for (size_t i = 0; i < GROWTHS; i++)
        limits[i] = budget->max_workspace;
    for (size_t i = 0; i < GROWTHS * MAX_ROUNDS; i++) {
        size_t *limit = &limits[i % GROWTHS], total, workspace;
        const struct cvy_plan_budget tried = {.max_workspace = *limit,
                                              .max_growth = growths[i % GROWTHS].factor,
                                              .more_growth = growths[i % GROWTHS].bytes};
        if (*limit == 0)
            continue;
        enum cvy_status status = count(graph, device, params, tried, &total, &workspace);
        /* an algorithm that was named does not do with so little */
        if (status == CVY_ERROR_UNSUPPORTED && least != SIZE_MAX) {
            *limit = 0;
            continue;
        }
        if (status != CVY_OK)
            return status;
        if (total <= params->max_memory) {
            *budget = tried;
            return CVY_OK;
        }
        least = CVY_MIN(least, total);
        *limit = workspace / 4;
    }
    return cvy_fail(
        CVY_ERROR_DEVICE_MEMORY,
        "plan: max_memory is %zu bytes, too little; the smallest that works for this graph and these "
        "shapes is %zu",
        params->max_memory, least);
}
