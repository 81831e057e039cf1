/* bench.h - what 'convoy bench' measures of convolutions, and how it shows it. */
#ifndef TOOLS_BENCH_H
#define TOOLS_BENCH_H

#include "cli.h"
#include "workload.h"

#include <stdio.h>

#define CVY_BENCH_TURNS 15

struct cvy_bench_params {
    struct cvy_device *device;
    const char *algo; /* NULL = convoy's choice */
    size_t turns;
    bool plain; /* x and y plain; otherwise in the blocks of channels that suit the device */
};

/* One convolution's figures. */
struct cvy_bench_result {
    const struct cvy_workload_item *item;
    struct cvy_conv_problem problem; /* the item's, with blocks */
    struct cvy_conv_cost cost;
    char algorithm[64]; /* "" = it was not run; why_not then says the reason */
    char why_not[320];
    size_t repeats;             /* launches of a run, back to back */
    double median, least, most; /* seconds of one launch */
    double setup;               /* seconds to choose, compile, place the weights, and run once */
};

/* Fills a result for each item. Several are measured in turns, so that what else the machine does meets all
 * alike. progress, unless NULL, learns which one is made ready. False: one was not run. */
bool cvy_bench_run(struct cvy_bench_result *results, const struct cvy_workload *workload,
                   const struct cvy_bench_params *params,
                   void (*progress)(const struct cvy_workload *workload, size_t index));

/* Where a result stands under the roofs of the device: Williams, Waterman and Patterson, "Roofline", CACM
 * 52(4), 2009. */
struct cvy_bench_place {
    double flops;      /* a second */
    double intensity;  /* operations for each byte of x, w, bias and y */
    double attainable; /* operations a second at that intensity */
    double of_peak, of_bandwidth, of_attainable;
};
struct cvy_bench_place cvy_bench_place(const struct cvy_bench_result *result,
                                       const struct cvy_device_rates *rates);

struct cvy_bench_report {
    const struct cvy_bench_params *params;
    struct cvy_device_rates rates;
    bool why;
};

void cvy_bench_print(const struct cvy_bench_report *report, const struct cvy_bench_result *results,
                     size_t count);
bool cvy_bench_print_json(const struct cvy_bench_report *report, const struct cvy_bench_result *results,
                          size_t count);
/* Draws the roofline as SVG. */
bool cvy_bench_draw(FILE *file, const struct cvy_bench_report *report, const struct cvy_bench_result *results,
                    size_t count);

#endif
