/* Ranks the algorithms through their contract; names none. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/arith.h"
#include "base/log.h"
#include "op/algo.h"
#include "op/convert.h"
#include "op/tunedb.h"
#include "runtime/gemm.h"
#include "runtime/quarantine.h"

#define MAX_CANDIDATES 32

struct candidate {
    const struct cvy_algo *algo;
    struct cvy_algo_config config;
    double seconds;
    bool is_converted; /* it does the problem in blocks of channels; seconds counts the conversion */
};

/* A problem, and the same in blocks of channels, where a conversion is allowed and possible. */
struct layouts {
    const struct cvy_conv_problem *given;
    struct cvy_conv_problem blocked;
    bool can_convert;
    size_t room;    /* of the conversion's workspace */
    double seconds; /* of the conversion */
};

bool cvy_algo_launches(const struct cvy_algo *algo, const char *program)
{
    for (size_t i = 0; i < CVY_COUNT(algo->programs) && algo->programs[i] != NULL; i++) {
        if (strcmp(algo->programs[i], program) == 0)
            return true;
    }
    return false;
}

/* Whether a kernel that the algorithm needs was found wrong on the device; why receives which, and the way
 * out. */
static bool is_quarantined(const struct cvy_algo *algo, const struct cvy_device *device, char *why,
                           size_t size)
{
    static const char way_out[] = "gave wrong results on this device and driver; 'convoy doctor' tests it "
                                  "again, 'convoy doctor --forget' admits it untested";
    char kernel[64];
    for (size_t i = 0; i < CVY_COUNT(algo->programs) && algo->programs[i] != NULL; i++) {
        if (cvy_quarantine_has(device, algo->programs[i], NULL, kernel, sizeof(kernel))) {
            snprintf(why, size, "its kernel %s of %s.cl %s", kernel, algo->programs[i], way_out);
            return true;
        }
    }
    if (algo->uses_gemm && cvy_gemm_is_quarantined(device)) {
        snprintf(why, size, "the matrix product that it needs %s", way_out);
        return true;
    }
    return false;
}

bool cvy_algo_applies(const struct cvy_algo *algo, const struct cvy_conv_problem *p,
                      const struct cvy_device *device, char *why, size_t size)
{
    bool takes_type = algo->takes_half || p->x_dtype != CVY_FLOAT16;
    if (algo->for_integers != cvy_conv_is_integer(p) || !takes_type) {
        snprintf(why, size, "its tensors are %s; this algorithm computes in %s", cvy_dtype_name(p->x_dtype),
                 algo->for_integers ? "integers" : "float32");
        return false;
    }
    if (!algo->takes_blocks && (p->x_block != 0 || p->y_block != 0)) {
        snprintf(why, size, "%s lies in blocks of channels; this algorithm takes plain tensors",
                 p->x_block != 0 ? "x" : "y");
        return false;
    }
    if (p->strict && algo->error != NULL) {
        snprintf(why, size, "it rounds more than sums of products do, and strict is set");
        return false;
    }
    return algo->applicable(p, device, why, size) && !is_quarantined(algo, device, why, size);
}

static void refuse(bool asked, const struct cvy_algo *algo, const char *why)
{
    if (asked)
        cvy_fail(CVY_ERROR_UNSUPPORTED,
                 "conv: algorithm %s cannot do this: %s; leave the choice to convoy or "
                 "name another",
                 algo->id, why);
    else
        cvy_log(CVY_LOG_DEBUG, "conv: not %s: %s", algo->id, why);
}

/* Fills candidate, or says why not. */
static bool consider(const struct cvy_algo *algo, const struct cvy_device *device,
                     const struct cvy_conv_problem *p, size_t max_workspace, bool asked,
                     struct candidate *candidate)
{
    char why[320] = "";
    bool fits = cvy_algo_applies(algo, p, device, why, sizeof(why));
    if (fits) {
        candidate->algo = algo;
        algo->default_config(p, device, max_workspace, &candidate->config);
        size_t bytes = cvy_algo_workspace(algo, p, device, &candidate->config);
        fits = bytes <= max_workspace;
        if (!fits)
            snprintf(why, sizeof(why), "it needs %zu bytes of workspace and may use %zu", bytes,
                     max_workspace);
    }
    if (!fits)
        refuse(asked, algo, why);
    else
        candidate->seconds = algo->estimate(p, device, &candidate->config);
    return fits;
}

static struct layouts layouts_of(const struct cvy_device *device, const struct cvy_conv_problem *p,
                                 size_t max_workspace, bool convert)
{
    struct layouts layouts = {.given = p};
    if (convert && cvy_convert(p, device, &layouts.blocked)) {
        layouts.room = cvy_convert_workspace(&layouts.blocked, device);
        layouts.seconds = cvy_convert_seconds(&layouts.blocked, device);
        layouts.can_convert = layouts.room <= max_workspace;
    }
    return layouts;
}

static const struct cvy_conv_problem *problem_for(const struct layouts *layouts,
                                                  const struct candidate *candidate)
{
    return candidate->is_converted ? &layouts->blocked : layouts->given;
}

static enum cvy_status build(struct cvy_device *device, const struct layouts *layouts,
                             const struct candidate *candidate)
{
    enum cvy_status status =
        candidate->algo->build(device, problem_for(layouts, candidate), &candidate->config);
    if (status == CVY_OK && candidate->is_converted)
        status = cvy_convert_build(device, &layouts->blocked);
    return status;
}

static enum cvy_status find_named(struct cvy_device *device, const struct layouts *layouts, const char *name,
                                  size_t max_workspace, struct candidate *chosen)
{
    const struct cvy_algo *algo = cvy_algo_by_name(name);
    char why[320];
    if (algo == NULL)
        return cvy_fail(CVY_ERROR_UNSUPPORTED,
                        "conv: no algorithm is called '%s'; list the names with "
                        "cvy_conv_algo_name()",
                        name);
    *chosen = (struct candidate){0};
    bool convert = layouts->can_convert &&
                   !cvy_algo_applies(algo, layouts->given, device, why, sizeof(why)) &&
                   cvy_algo_applies(algo, &layouts->blocked, device, why, sizeof(why));
    if (!consider(algo, device, convert ? &layouts->blocked : layouts->given,
                  max_workspace - (convert ? layouts->room : 0), true, chosen))
        return CVY_ERROR_UNSUPPORTED;
    chosen->is_converted = convert;
    return build(device, layouts, chosen);
}

static size_t insert(struct candidate *candidates, size_t count, const struct candidate *next)
{
    size_t at = count;
    if (count == MAX_CANDIDATES)
        return count;
    for (; at > 0 && candidates[at - 1].seconds > next->seconds; at--)
        candidates[at] = candidates[at - 1];
    candidates[at] = *next;
    return count + 1;
}

/* Adds the candidates of one layout, the fastest first: the fastest that was measured alone, if it was;
 * otherwise by estimate. */
static size_t add_candidates(struct cvy_device *device, const struct cvy_conv_problem *p,
                             size_t max_workspace, const struct layouts *converted,
                             struct candidate *candidates, size_t count)
{
    const double extra = converted != NULL ? converted->seconds : 0;
    const struct cvy_algo *algo;
    struct cvy_tuned tuned;
    struct candidate next = {.is_converted = converted != NULL};
    if (cvy_tunedb_choose(device, p, max_workspace, &tuned)) {
        next.algo = tuned.algo;
        next.config = tuned.config;
        next.seconds = tuned.seconds + extra;
        /* what does not build is seen when it is the turn of the estimates */
        if (tuned.algo->build(device, p, &tuned.config) == CVY_OK)
            return insert(candidates, count, &next);
    }
    for (size_t i = 0; (algo = cvy_algo_at(i)) != NULL; i++) {
        /* plain tensors are its business as they are */
        if (converted != NULL && !algo->takes_blocks)
            continue;
        if (!consider(algo, device, p, max_workspace, false, &next))
            continue;
        next.seconds += extra;
        count = insert(candidates, count, &next);
    }
    return count;
}

static bool any_quarantined(const struct cvy_device *device)
{
    const struct cvy_algo *algo;
    char why[320];
    for (size_t i = 0; (algo = cvy_algo_at(i)) != NULL; i++) {
        if (is_quarantined(algo, device, why, sizeof(why)))
            return true;
    }
    return false;
}

static enum cvy_status find(struct cvy_device *device, const struct layouts *layouts, const char *name,
                            size_t max_workspace, struct candidate *result)
{
    struct candidate candidates[MAX_CANDIDATES];
    size_t count = 1, chosen = 0;
    enum cvy_status status;
    if (name != NULL) {
        status = find_named(device, layouts, name, max_workspace, &candidates[0]);
    } else {
        count = add_candidates(device, layouts->given, max_workspace, NULL, candidates, 0);
        if (layouts->can_convert)
            count = add_candidates(device, &layouts->blocked, max_workspace - layouts->room, layouts,
                                   candidates, count);
        status = CVY_ERROR_UNSUPPORTED;
        for (chosen = 0; chosen < count; chosen++) {
            status = build(device, layouts, &candidates[chosen]);
            if (status == CVY_OK)
                break;
            cvy_log(CVY_LOG_WARNING, "conv: %s does not build on this device; the next algorithm is taken",
                    candidates[chosen].algo->id);
        }
        if (count == 0)
            cvy_fail(status,
                     "conv: no algorithm can do this problem on this device; reduce its size or allow "
                     "more workspace than %zu bytes%s",
                     max_workspace,
                     any_quarantined(device)
                         ? "; some are not used because their kernels gave wrong results here: see 'convoy "
                           "doctor', and 'convoy doctor --forget'"
                         : "");
    }
    if (status != CVY_OK)
        return status;
    for (size_t i = chosen + 1; i < count; i++)
        cvy_log(CVY_LOG_DEBUG, "conv: not %s%s: %.3g ms expected", candidates[i].algo->id,
                candidates[i].is_converted ? " in blocks" : "", candidates[i].seconds * 1e3);
    cvy_log(CVY_LOG_INFO, "conv: algorithm %s%s, %.3g ms expected", candidates[chosen].algo->id,
            candidates[chosen].is_converted ? ", x and y converted to blocks of channels and back" : "",
            candidates[chosen].seconds * 1e3);
    *result = candidates[chosen];
    return CVY_OK;
}

enum cvy_status cvy_find_algo(struct cvy_device *device, const struct cvy_conv_problem *p, const char *name,
                              size_t max_workspace, const struct cvy_algo **algo,
                              struct cvy_algo_config *config)
{
    struct layouts layouts = layouts_of(device, p, max_workspace, false);
    struct candidate found;
    enum cvy_status status = find(device, &layouts, name, max_workspace, &found);
    if (status != CVY_OK)
        return status;
    *algo = found.algo;
    *config = found.config;
    return CVY_OK;
}

enum cvy_status cvy_find_conversion(struct cvy_device *device, struct cvy_conv_problem *p, const char *name,
                                    size_t max_workspace, const struct cvy_algo **algo,
                                    struct cvy_algo_config *config, bool *converted)
{
    struct layouts layouts = layouts_of(device, p, max_workspace, true);
    struct candidate found;
    enum cvy_status status = find(device, &layouts, name, max_workspace, &found);
    if (status != CVY_OK)
        return status;
    *algo = found.algo;
    *config = found.config;
    *converted = found.is_converted;
    *p = *problem_for(&layouts, &found);
    return CVY_OK;
}

/* Of one layout; INFINITY: it cannot be done so. */
static double least_seconds(struct cvy_device *device, const struct cvy_conv_problem *p, const char *name,
                            size_t max_workspace, bool blocks_alone)
{
    const struct cvy_algo *algo;
    struct cvy_tuned tuned;
    struct cvy_algo_config config;
    double least = INFINITY;
    char why[320];
    if (name == NULL && cvy_tunedb_choose(device, p, max_workspace, &tuned))
        return tuned.seconds;
    for (size_t i = 0; (algo = cvy_algo_at(i)) != NULL; i++) {
        if ((name != NULL && strcmp(algo->id, name) != 0) || (blocks_alone && !algo->takes_blocks) ||
            !cvy_algo_applies(algo, p, device, why, sizeof(why)))
            continue;
        algo->default_config(p, device, max_workspace, &config);
        if (cvy_algo_workspace(algo, p, device, &config) <= max_workspace)
            least = CVY_MIN(least, algo->estimate(p, device, &config));
    }
    return least;
}

double cvy_find_seconds(struct cvy_device *device, const struct cvy_conv_problem *p, const char *name,
                        size_t max_workspace)
{
    struct layouts layouts = layouts_of(device, p, max_workspace, true);
    double least = least_seconds(device, p, name, max_workspace, false);
    if (layouts.can_convert)
        least = CVY_MIN(least, layouts.seconds + least_seconds(device, &layouts.blocked, name,
                                                               max_workspace - layouts.room, true));
    return least;
}
