/*
 * arithmetic.h - convolution arithmetic: sizes, padding, receptive fields, the ways to split a convolution,
 * its matrix, and the checkerboards of transposed ones. Pure functions: no device, no state.
 *
 * Source of the relations: Dumoulin and Visin, "A guide to convolution arithmetic for deep learning",
 * arXiv 1603.07285. Problems are as in conv.h; a function that takes one checks it first.
 */
#ifndef CONVOY_ARITHMETIC_H
#define CONVOY_ARITHMETIC_H

#include <convoy/conv.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The common name: "2D convolution", "grouped 2D convolution (4 groups), channel shuffle", "pointwise (1x1)
 * convolution", "depthwise 1D convolution, dilated", "transposed 3D convolution", ... Returns text. */
CVY_API const char *cvy_conv_describe(const struct cvy_conv_problem *problem, char *text, size_t size);

/* dilation*(kernel-1) + 1: how far a dilated kernel reaches. 0 where an argument is 0 or it does not fit. */
CVY_API size_t cvy_conv_effective_kernel(size_t kernel, size_t dilation);
/* Positions of a window: floor((in + pads - effective) / stride) + 1; 0 where there are none. */
CVY_API size_t cvy_conv_output_size(size_t in, size_t kernel, size_t stride, size_t dilation, size_t pads);

/* Sets pad_begin, pad_end and output_padding (0, or what SAME needs of a transposed one) of every axis by a
 * rule; see enum cvy_auto_pad. CVY_PAD_EXPLICIT changes nothing. */
CVY_API enum cvy_status cvy_conv_set_padding(struct cvy_conv_problem *problem, enum cvy_auto_pad rule);

/*
 * The transposed convolution that leads from the y of `forward` back to the shape of its x, with the same
 * weights as they lie in memory; without bias. Where stride leaves a rest of x unread, that is its output
 * padding (Dumoulin and Visin, relation 14). CVY_ERROR_INVALID for a problem that is transposed, shuffled or
 * padded with something other than zeros.
 */
CVY_API enum cvy_status cvy_conv_transpose(const struct cvy_conv_problem *forward,
                                           struct cvy_conv_problem *transposed);

/* A transposed convolution seen as a plain one of stride 1 with the kernel turned round, on x with `inserted`
 * zeros between its elements and so much padding; negative padding crops. That is how it is explained, not
 * how it is computed. */
struct cvy_conv_zero_inserted {
    size_t inserted[CVY_CONV_MAX_RANK];
    int64_t pad_begin[CVY_CONV_MAX_RANK];
    int64_t pad_end[CVY_CONV_MAX_RANK];
};
CVY_API enum cvy_status cvy_conv_get_zero_inserted(const struct cvy_conv_problem *transposed,
                                                   struct cvy_conv_zero_inserted *view);

/*
 * The receptive field along one axis: how many elements of the first input an element of y sees, and how many
 * elements of it lie between neighbours of y (jump; below 1 after upsampling). Begin with {1, 1} and add the
 * layers in order. Method: Araujo, Norris, Sim, "Computing Receptive Fields of Convolutional Neural
 * Networks", Distill 2019.
 */
struct cvy_receptive_field {
    double size, jump;
};
CVY_API void cvy_receptive_field_add(struct cvy_receptive_field *field, size_t kernel, size_t stride,
                                     size_t dilation, bool transposed);

/* Ways to lead from the same x to the same y. */
enum cvy_conv_kind {
    CVY_CONV_STANDARD = 0,
    CVY_CONV_SPATIALLY_SEPARABLE, /* rank 2 and 3: the first spatial axis, then the others */
    CVY_CONV_DEPTHWISE_SEPARABLE, /* every channel by itself, then 1x1 */
    CVY_CONV_FLATTENED,           /* 1x1, then each spatial axis by itself, depthwise (arXiv 1412.5474) */
    CVY_CONV_KINDS,
};
/* "standard", "spatially separable", "depthwise separable", "flattened"; "unknown" for another value. */
CVY_API const char *cvy_conv_kind_name(enum cvy_conv_kind kind);

#define CVY_CONV_MAX_PASSES 4

/*
 * The passes of `kind` that map the same shapes as problem, each a convolution of its own: y of one is x of
 * the next. Stride, dilation and padding go with their axis; bias, and shuffle, with the last pass; groups
 * with the pass that mixes channels (spatially separable: with both). A 1x1 pass is never transposed: that
 * changes nothing but the order of its weights. middle: channels between two passes; spatially separable: a
 * multiple of groups, 0 = the smaller of c and k; depthwise separable: a multiple of c (the depth
 * multiplier), 0 = c; of no meaning to other kinds. CVY_ERROR_INVALID with the reason where kind does not fit
 * the problem (spatially separable of rank 1), or where a pass is too large.
 */
CVY_API enum cvy_status cvy_conv_get_passes(const struct cvy_conv_problem *problem, enum cvy_conv_kind kind,
                                            size_t middle,
                                            struct cvy_conv_problem passes[CVY_CONV_MAX_PASSES],
                                            size_t *n_passes);

/*
 * Factors given weights into the two passes of a spatially separable convolution: for each group the best
 * approximation of rank `rank` in the least-squares sense, by singular value decomposition of the matrix with
 * rows (c, r) and columns (k, s) (Jaderberg, Vedaldi, Zisserman, "Speeding up convolutional neural networks
 * with low rank expansions", BMVC 2014). A kernel such as Sobel's or a Gaussian has rank 1 and is factored
 * exactly. rank 0: the least whose error is at most 1e-6.
 * Time grows as the cube of the matrix: seconds for 256 to 256 channels with 3x3, a minute for 512.
 */
struct cvy_conv_factors {
    size_t rank;
    double error;                        /* |w - product| / |w|, both as root of the sum of squares */
    struct cvy_conv_problem passes[2];   /* first_w belongs to passes[0], second_w to passes[1] */
    struct cvy_tensor first_w, second_w; /* in the shapes of cvy_conv_w_shape() */
};
CVY_API enum cvy_status cvy_conv_factor(struct cvy_conv_factors *factors,
                                        const struct cvy_conv_problem *problem, const float *w, size_t rank);
/* Accepts NULL and a zeroed struct. */
CVY_API void cvy_conv_factors_finish(struct cvy_conv_factors *factors);

/*
 * The convolution of one image as a matrix M: y = M x, both flattened as they lie in memory (the batch is
 * left out, bias too). That of a 3x3 kernel on a 4x4 image is 4x16. For zeros padding the matrix of
 * cvy_conv_transpose() is the transpose of M.
 */
struct cvy_sparse_matrix {
    size_t rows, columns, entries;
    size_t *row_start; /* rows + 1 indices into column and value */
    size_t *column;    /* ascending in each row */
    float *value;
};
/* CVY_ERROR_UNSUPPORTED for more entries, or more rows, than max_entries (0 = 2^24). */
CVY_API enum cvy_status cvy_conv_matrix_create(struct cvy_sparse_matrix **matrix,
                                               const struct cvy_conv_problem *problem, const float *w,
                                               size_t max_entries);
CVY_API void cvy_sparse_matrix_destroy(struct cvy_sparse_matrix **matrix);
/* out = M in, or out = M^T in; lengths are columns and rows, or the other way round. */
CVY_API void cvy_sparse_matrix_multiply(const struct cvy_sparse_matrix *matrix, bool transposed,
                                        const float *in, float *out);

/*
 * Checkerboards: how many taps of a transposed convolution reach each element of y. Where neighbours get
 * unequally many, the picture shows a pattern (Odena, Dumoulin, Olah, "Deconvolution and Checkerboard
 * Artifacts", Distill 2016).
 */
struct cvy_checkerboard {
    bool even;                       /* on every axis, away from the edges */
    size_t least[CVY_CONV_MAX_RANK]; /* taps that reach an element, away from the edges */
    size_t most[CVY_CONV_MAX_RANK];
    size_t
        kernel_below[CVY_CONV_MAX_RANK]; /* nearest kernel that is even with this stride and dilation: not */
    size_t kernel_above[CVY_CONV_MAX_RANK]; /* above, and not below the given one; 0 = none */
};
/* CVY_ERROR_INVALID for a problem that is not transposed. */
CVY_API enum cvy_status cvy_conv_get_checkerboard(const struct cvy_conv_problem *problem,
                                                  struct cvy_checkerboard *board);
/* Writes how many taps reach each position of axis `axis` of y; counts of several axes multiply. counts has
 * as many elements as y along the axis. */
CVY_API enum cvy_status cvy_conv_count_contributions(const struct cvy_conv_problem *problem, size_t axis,
                                                     size_t *counts);

#ifdef __cplusplus
}
#endif

#endif
