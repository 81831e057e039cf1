/* tunedb.h - measured times of algorithms and configs, by device and problem, and the choice they make. */
#ifndef CVY_OP_TUNEDB_H
#define CVY_OP_TUNEDB_H

#include "op/algo.h"

struct cvy_tuned {
    const struct cvy_algo *algo;
    struct cvy_algo_config config;
    int rounds; /* how often it was measured, each time for longer; 0: it was tried and is of no use */
    double seconds;
};

/* What times are kept under: two problems with the same key have the same times. */
#define CVY_TUNEDB_KEY 800
void cvy_tunedb_key(const struct cvy_conv_problem *p, char *key, size_t size);

/* "algo 4,14", zeros at the end left out; and back, false where it is no such text or no such algorithm. */
void cvy_tunedb_format(const struct cvy_algo *algo, const struct cvy_algo_config *config, char *text,
                       size_t size);
bool cvy_tunedb_parse(const char *text, const struct cvy_algo **algo, struct cvy_algo_config *config);

/* Keeps a time, as measured now. false: it cannot be kept. */
bool cvy_tunedb_put(struct cvy_device *device, const struct cvy_conv_problem *p, const struct cvy_tuned *row);

/* The times of the problem that still mean something: most rounds first, then the fastest first, useless ones
 * last. rows is freed by the caller. */
enum cvy_status cvy_tunedb_list(struct cvy_device *device, const struct cvy_conv_problem *p,
                                struct cvy_tuned **rows, size_t *count);

/* The fastest that applies to the problem and keeps to max_workspace; false where nothing was measured. */
bool cvy_tunedb_choose(struct cvy_device *device, const struct cvy_conv_problem *p, size_t max_workspace,
                       struct cvy_tuned *chosen);

#endif
