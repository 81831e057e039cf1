#include "graph/fuse.h"

#include <stdio.h>
#include <string.h>

#include "base/arith.h"
#include "base/log.h"
#include "graph/passes.h"

/* In the order in which they run. */
static const struct {
    const char *name, *description;
    enum cvy_status (*run)(struct cvy_work_list *list);
} passes[] = {
    {"identity", "nodes that change nothing, alone or in a chain, are left out", cvy_pass_identity},
    {"unary", "activations written as several nodes become one", cvy_pass_unary},
    {"scale", "scales and shifts of channels, batch normalization too: in weights and bias", cvy_pass_scale},
    {"residual", "a convolution adds what was added to its result", cvy_pass_residual},
    {"activation", "a convolution ends with its activation", cvy_pass_activation},
    {"shuffle", "Reshape, Transpose, Reshape that exchange factors of the channels: one shuffle",
     cvy_pass_shuffle},
    {"shuffle-write", "a convolution writes its channels shuffled", cvy_pass_shuffle_write},
    {"pad", "a convolution pads for itself", cvy_pass_pad},
    {"dead", "what nothing reads is not done", cvy_pass_dead},
    {"layout", "values lie in blocks of channels where that is faster", cvy_pass_layout},
    {"concat", "what is concatenated is made in its place", cvy_pass_concat},
};

const char *cvy_plan_pass_name(size_t index)
{
    return index < CVY_COUNT(passes) ? passes[index].name : NULL;
}

const char *cvy_plan_pass_description(size_t index)
{
    return index < CVY_COUNT(passes) ? passes[index].description : NULL;
}

static bool is_among(const char *name, const char *const *names, size_t n_names)
{
    for (size_t i = 0; i < n_names; i++) {
        if (names[i] != NULL && strcmp(names[i], name) == 0)
            return true;
    }
    return false;
}

static enum cvy_status check_names(const char *const *names, size_t n_names)
{
    const char *all[CVY_COUNT(passes)];
    char text[512] = "";
    for (size_t i = 0, used = 0; i < CVY_COUNT(passes); i++) {
        all[i] = passes[i].name;
        int wrote = snprintf(text + used, sizeof(text) - used, "%s%s", i ? ", " : "", all[i]);
        used = CVY_MIN(used + (size_t)wrote, sizeof(text) - 1);
    }
    for (size_t i = 0; i < n_names; i++) {
        if (names[i] == NULL || !is_among(names[i], all, CVY_COUNT(all)))
            return cvy_fail(CVY_ERROR_INVALID, "plan: no pass is called '%s'; there are %s",
                            names[i] ? names[i] : "(null)", text);
    }
    return CVY_OK;
}

enum cvy_status cvy_fuse(struct cvy_work_list *list, const char *const *skipped, size_t n_skipped)
{
    enum cvy_status status = check_names(skipped, n_skipped);
    for (size_t i = 0; status == CVY_OK && i < CVY_COUNT(passes); i++) {
        if (is_among(passes[i].name, skipped, n_skipped))
            continue;
        size_t before = list->count;
        status = passes[i].run(list);
        cvy_work_list_tidy(list);
        if (list->count != before)
            cvy_log(CVY_LOG_DEBUG, "plan: pass %s made %zu nodes of %zu", passes[i].name, list->count,
                    before);
    }
    return status;
}
