/* tune.h - what 'convoy tune' does to a list of convolutions, and how it shows it. */
#ifndef TOOLS_TUNE_H
#define TOOLS_TUNE_H

#include "cli.h"
#include "workload.h"

struct cvy_tuning_item {
    const struct cvy_workload_item *item;
    struct cvy_conv_problem problem; /* the item's, with blocks or without */
    bool has_blocks;
    struct cvy_tune_result result;
};

struct cvy_tuning {
    struct cvy_device *device;
    struct cvy_tuning_item *items;
    size_t count;
    double budget;    /* seconds for all of them; 0 = no limit */
    bool only_report; /* of what was measured earlier */
    bool interrupted; /* by a signal */
};

/* Tunes every item, as far as the budget and the user let it. False: the library has said why not. */
bool cvy_tuning_run(struct cvy_tuning *tuning);

/* A row for each item, what tuning has won, and the shapes where the estimates were furthest off. */
void cvy_tuning_print(const struct cvy_tuning *tuning);
bool cvy_tuning_print_json(const struct cvy_tuning *tuning, size_t imported, bool has_imported);

#endif
