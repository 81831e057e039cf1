/* conv_options.h - the options of `convoy conv`. */
#ifndef TOOLS_CONV_OPTIONS_H
#define TOOLS_CONV_OPTIONS_H

#include "cli.h"

/* One value for each axis as given; count may exceed what values holds, to be reported. */
struct axis_list {
    const char *option;
    const char *text; /* NULL = not given */
    size_t count;
    size_t values[CVY_CONV_MAX_RANK];
};

struct conv_options {
    struct cvy_cli_common common;
    const char *x_path, *bias_path, *y_path, *expect_path;
    struct axis_list stride, dilation, pad_begin, pad_end, output_padding;
    size_t groups, shuffle;
    enum cvy_pad_mode pad_mode;
    bool transposed, flip;
    enum cvy_split split; /* of several devices */
    enum cvy_conv_kind kind;
    const char *w_paths[CVY_CONV_MAX_PASSES]; /* one for each pass */
    size_t n_w;
    bool factor;        /* --separable: the one W is factored */
    size_t factor_rank; /* 0: the least that is exact */
};

/* As cvy_cli_parse(). */
int cvy_conv_options_parse(struct conv_options *options, int argc, char **argv);

/* Spreads a list over the axes of a problem. */
int cvy_axis_list_apply(size_t *target, size_t rank, const struct axis_list *list);

#endif
