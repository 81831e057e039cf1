/* tune_candidates.h - what a search chooses from: every config of every algorithm that applies. */
#ifndef CVY_OP_TUNE_CANDIDATES_H
#define CVY_OP_TUNE_CANDIDATES_H

#include "op/tunedb.h"

#define CVY_CANDIDATE_ROUNDS 3

struct cvy_candidate {
    const struct cvy_algo *algo;
    struct cvy_algo_config config;
    bool is_default;
    double estimate;
    int rounds; /* 0: not tried; 1: tried; up to CVY_CANDIDATE_ROUNDS: was in longer races */
    double seconds;
    bool refused, hopeless;
    bool is_baseline; /* what is taken without tuning */
    bool is_trusted;  /* the data's trusted result is its */
};

struct cvy_candidates {
    struct cvy_device *device;
    struct cvy_conv_problem p; /* bare */
    size_t max_workspace;
    struct cvy_candidate *items;
    size_t count, capacity;
};

/* Fills items, with what was measured of them before. CVY_ERROR_UNSUPPORTED where there is none. The caller
 * frees items. */
enum cvy_status cvy_candidates_collect(struct cvy_candidates *list);

bool cvy_candidate_is_usable(const struct cvy_candidate *c);
/* The fastest of those that have been through the most rounds; NULL before the first. */
struct cvy_candidate *cvy_candidates_best(const struct cvy_candidates *list);
struct cvy_candidate *cvy_candidates_baseline(const struct cvy_candidates *list);
/* As cvy_find_algo() chooses: the least estimate of those that work. */
void cvy_candidates_mark_baseline(struct cvy_candidates *list);
/* Seconds of one run: measured, or the estimate, corrected by what its algorithm was seen to take (seen). */
double cvy_candidate_expected_seconds(const struct cvy_candidates *list,
                                      const struct cvy_candidate *candidate, bool *seen);
/* Marks those that are not worth a run. */
void cvy_candidates_drop_hopeless(struct cvy_candidates *list);
/* By time the fastest first; otherwise the most promising, the baseline before all. */
void cvy_candidates_sort(struct cvy_candidates *list, bool by_time);

#endif
