#include "op/tunedb.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arith.h"
#include "base/log.h"
#include "base/text.h"
#include "runtime/device.h"
#include "runtime/source.h"
#include "runtime/store.h"

static void add_axes(struct cvy_text *text, const char *name, const size_t *values, size_t rank)
{
    for (size_t i = 0; i < rank; i++)
        cvy_text_add(text, "%s%zu", i == 0 ? name : "x", values[i]);
}

void cvy_tunedb_key(const struct cvy_conv_problem *p, char *key, size_t size)
{
    struct cvy_text text = {0};
    cvy_text_add(&text, "%s n%zu c%zu k%zu g%zu", p->transposed ? "transposed" : "conv", p->n, p->c, p->k,
                 p->groups);
    add_axes(&text, " in", p->in, p->rank);
    add_axes(&text, " kernel", p->kernel, p->rank);
    add_axes(&text, " stride", p->stride, p->rank);
    add_axes(&text, " dilation", p->dilation, p->rank);
    add_axes(&text, " begin", p->pad_begin, p->rank);
    add_axes(&text, " end", p->pad_end, p->rank);
    if (p->transposed)
        add_axes(&text, " extra", p->output_padding, p->rank);
    if (p->pad_mode != CVY_PAD_CONSTANT)
        cvy_text_add(&text, " %s", cvy_pad_mode_name(p->pad_mode));
    if (p->shuffle > 1)
        cvy_text_add(&text, " shuffle%zu", p->shuffle);
    if (p->flip)
        cvy_text_add(&text, " flip");
    cvy_text_add(&text, " blocks%zu:%zu %s:%s:%s", p->x_block, p->y_block, cvy_dtype_name(p->x_dtype),
                 cvy_dtype_name(p->w_dtype), cvy_dtype_name(p->y_dtype));
    snprintf(key, size, "%s", text.data != NULL ? text.data : "");
    cvy_text_finish(&text);
}

void cvy_tunedb_format(const struct cvy_algo *algo, const struct cvy_algo_config *config, char *text,
                       size_t size)
{
    size_t count = CVY_COUNT(config->value);
    while (count > 1 && config->value[count - 1] == 0)
        count--;
    int used = snprintf(text, size, "%s", algo->id);
    for (size_t i = 0; i < count && used > 0 && (size_t)used < size; i++)
        used += snprintf(text + used, size - (size_t)used, "%c%d", i == 0 ? ' ' : ',', config->value[i]);
}

bool cvy_tunedb_parse(const char *text, const struct cvy_algo **algo, struct cvy_algo_config *config)
{
    char id[64], again[160];
    size_t length = strcspn(text, " ");
    snprintf(id, sizeof(id), "%.*s", (int)CVY_MIN(length, sizeof(id)), text);
    const struct cvy_algo *found = cvy_algo_by_name(id);
    if (found == NULL || text[length] == '\0')
        return false;
    struct cvy_algo_config read = {{0}};
    const char *at = text + length;
    for (size_t i = 0; i < CVY_COUNT(read.value) && *at != '\0'; i++) {
        char *end;
        read.value[i] = (int)strtol(at + 1, &end, 10);
        at = end;
    }
    /* what would not be written so was not written here */
    cvy_tunedb_format(found, &read, again, sizeof(again));
    if (strcmp(again, text) != 0)
        return false;
    *algo = found;
    *config = read;
    return true;
}

/* Of what decides an algorithm's speed: its kernels, and this version's host code. */
static struct cvy_hash source_of(const struct cvy_device *device, const struct cvy_algo *algo)
{
    struct cvy_hash hash = cvy_hash_string(cvy_hash_string((struct cvy_hash){0, 0}, CVY_VERSION), algo->id);
    for (size_t i = 0; i < CVY_COUNT(algo->programs) && algo->programs[i] != NULL; i++) {
        const char *source = cvy_source_text(device, algo->programs[i]);
        hash = cvy_hash_string(hash, source != NULL ? source : "");
    }
    return hash;
}

bool cvy_tunedb_put(struct cvy_device *device, const struct cvy_conv_problem *p, const struct cvy_tuned *row)
{
    char key[CVY_TUNEDB_KEY], choice[160];
    cvy_tunedb_key(p, key, sizeof(key));
    cvy_tunedb_format(row->algo, &row->config, choice, sizeof(choice));
    struct cvy_store_time time_row = {.device = cvy_device_identity(device),
                                      .source = source_of(device, row->algo),
                                      .problem = key,
                                      .choice = choice,
                                      .rounds = row->rounds,
                                      .nanoseconds = (int64_t)(row->seconds * 1e9 + 0.5),
                                      .when = (int64_t)time(NULL)};
    return cvy_device_put_times(device, &time_row, 1);
}

struct collected {
    const struct cvy_device *device;
    struct cvy_tuned *rows;
    size_t count, capacity;
    bool failed;
};

static void collect(void *user, const struct cvy_store_time *row)
{
    struct collected *all = user;
    struct cvy_tuned next = {.rounds = (int)row->rounds, .seconds = 1e-9 * (double)row->nanoseconds};
    if (!cvy_tunedb_parse(row->choice, &next.algo, &next.config) ||
        !cvy_hash_equal(row->source, source_of(all->device, next.algo)))
        return;
    if (all->count == all->capacity) {
        size_t capacity = 2 * all->capacity + 16;
        struct cvy_tuned *grown = realloc(all->rows, capacity * sizeof(*grown));
        if (grown == NULL) {
            all->failed = true;
            return;
        }
        all->rows = grown;
        all->capacity = capacity;
    }
    all->rows[all->count++] = next;
}

static int by_merit(const void *left, const void *right)
{
    const struct cvy_tuned *a = left, *b = right;
    if (a->rounds != b->rounds)
        return a->rounds > b->rounds ? -1 : 1;
    return a->seconds < b->seconds ? -1 : a->seconds > b->seconds;
}

enum cvy_status cvy_tunedb_list(struct cvy_device *device, const struct cvy_conv_problem *p,
                                struct cvy_tuned **rows, size_t *count)
{
    char key[CVY_TUNEDB_KEY];
    struct collected all = {.device = device};
    cvy_tunedb_key(p, key, sizeof(key));
    cvy_device_list_times(device, key, collect, &all);
    if (all.failed) {
        free(all.rows);
        return cvy_fail_memory("measured times", all.capacity * sizeof(*all.rows));
    }
    if (all.count > 0)
        qsort(all.rows, all.count, sizeof(*all.rows), by_merit);
    *rows = all.rows;
    *count = all.count;
    return CVY_OK;
}

/* Whether the config is the algorithm's default or a point of its search space. */
static bool has_config(const struct cvy_algo *algo, const struct cvy_conv_problem *p,
                       const struct cvy_device *device, size_t max_workspace,
                       const struct cvy_algo_config *config)
{
    struct cvy_algo_config point = {{0}};
    algo->default_config(p, device, max_workspace, &point);
    for (size_t i = 0; memcmp(&point, config, sizeof(point)) != 0; i++) {
        point = (struct cvy_algo_config){{0}};
        if (!algo->configs(p, device, i, &point))
            return false;
    }
    return true;
}

bool cvy_tunedb_choose(struct cvy_device *device, const struct cvy_conv_problem *p, size_t max_workspace,
                       struct cvy_tuned *chosen)
{
    struct cvy_tuned *rows = NULL;
    size_t count = 0;
    bool found = false;
    if (cvy_tunedb_list(device, p, &rows, &count) != CVY_OK)
        return false;
    for (size_t i = 0; i < count && !found; i++) {
        const struct cvy_tuned *row = &rows[i];
        char why[320];
        found = row->rounds > 0 && cvy_algo_applies(row->algo, p, device, why, sizeof(why)) &&
                has_config(row->algo, p, device, max_workspace, &row->config) &&
                cvy_algo_workspace(row->algo, p, device, &row->config) <= max_workspace;
        if (found)
            *chosen = *row;
    }
    free(rows);
    return found;
}
