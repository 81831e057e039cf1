/*
 * algo.h - the contract that every convolution algorithm fulfils. Algorithms are stateless and know nothing
 * of each other; algo_list.c alone names them all; find.c ranks and chooses.
 */
#ifndef CVY_OP_ALGO_H
#define CVY_OP_ALGO_H

#include <convoy/conv.h>

/* Tuning parameters of one algorithm; their meaning is its own. */
struct cvy_algo_config {
    int value[8];
};

struct cvy_algo_args {
    struct cvy_buffer *x, *y;
    struct cvy_buffer *w;         /* what prepare made, or the weights as they are where it makes nothing */
    struct cvy_buffer *bias;      /* NULL where the problem has none */
    struct cvy_buffer *workspace; /* at least workspace() bytes; NULL where that is 0 */
    /* Of integers: zero points in the types of their tensors, scales in float32. None is NULL, but y's and
     * the scales are where y is int32. */
    struct cvy_buffer *x_zero, *w_zero, *y_zero;
    struct cvy_buffer *x_scale, *w_scale, *y_scale;
    bool w_zero_per_channel, w_scale_per_channel; /* k values instead of one */
};

struct cvy_algo {
    const char *id; /* stable: users' disks remember it */
    /* The files in cl/ that it launches kernels of, NULL behind the last. Where one was found wrong on a
     * device the algorithm is not taken there. None given: it is refused only when it builds such a kernel.
     */
    const char *programs[4];
    bool uses_gemm;    /* runtime/gemm.h */
    bool takes_blocks; /* of channels; the others see plain tensors only */
    bool takes_half;   /* float16 too (storage.h) */
    bool for_integers; /* takes integers, and they alone; the others take floats alone */

    /* Can it do the problem on the device? If not, `why` (size bytes) receives the reason in words. Asked
     * about problems of its element types alone: see cvy_algo_applies(). */
    bool (*applicable)(const struct cvy_conv_problem *p, const struct cvy_device *device, char *why,
                       size_t size);
    /* Good without tuning, in constant time. max_workspace: bytes the config must keep within, if it can. */
    void (*default_config)(const struct cvy_conv_problem *p, const struct cvy_device *device,
                           size_t max_workspace, struct cvy_algo_config *config);
    /* The index-th point of the search space; false past the end. */
    bool (*configs)(const struct cvy_conv_problem *p, const struct cvy_device *device, size_t index,
                    struct cvy_algo_config *config);
    /* Bytes of scratch memory; SIZE_MAX when they cannot be counted. NULL: none is needed. */
    size_t (*workspace)(const struct cvy_conv_problem *p, const struct cvy_device *device,
                        const struct cvy_algo_config *config);
    /* Bytes of transformed weights; NULL or 0: the weights are used as they are. */
    size_t (*prepared_bytes)(const struct cvy_conv_problem *p, const struct cvy_device *device,
                             const struct cvy_algo_config *config);
    enum cvy_status (*prepare)(struct cvy_device *device, const struct cvy_conv_problem *p,
                               const struct cvy_algo_config *config, struct cvy_buffer *w,
                               struct cvy_buffer *prepared);
    /* Compiles what enqueue will launch. */
    enum cvy_status (*build)(struct cvy_device *device, const struct cvy_conv_problem *p,
                             const struct cvy_algo_config *config);
    enum cvy_status (*enqueue)(struct cvy_device *device, const struct cvy_conv_problem *p,
                               const struct cvy_algo_config *config, const struct cvy_algo_args *args);
    /* Bound of the rounding error of an element of y, in units of 2^-24 max|x| sum|w|, w those of its
     * channel. NULL: it is that of sums of products, whatever their order; a strict problem wants no other.
     */
    double (*error)(const struct cvy_conv_problem *p, const struct cvy_algo_config *config);
    /* Expected seconds on the device without tuning, to rank candidates. */
    double (*estimate)(const struct cvy_conv_problem *p, const struct cvy_device *device,
                       const struct cvy_algo_config *config);
};

/* In the order they are considered; NULL past the last. */
const struct cvy_algo *cvy_algo_at(size_t index);
const struct cvy_algo *cvy_algo_by_name(const char *id);

/* Is the program one of its programs? */
bool cvy_algo_launches(const struct cvy_algo *algo, const char *program);

/* Element types, applicable() and the quarantine together. */
bool cvy_algo_applies(const struct cvy_algo *algo, const struct cvy_conv_problem *p,
                      const struct cvy_device *device, char *why, size_t size);

/* workspace(), or 0 where the algorithm has none. */
size_t cvy_algo_workspace(const struct cvy_algo *algo, const struct cvy_conv_problem *p,
                          const struct cvy_device *device, const struct cvy_algo_config *config);

/* The algorithm for a problem: the one named, else the applicable one with the least estimate whose
 * workspace fits and whose kernels build. Logs the reasons of the others. */
enum cvy_status cvy_find_algo(struct cvy_device *device, const struct cvy_conv_problem *p, const char *name,
                              size_t max_workspace, const struct cvy_algo **algo,
                              struct cvy_algo_config *config);

/* The one expected to be fastest of those that apply, whose workspace and prepared weights are not larger
 * than given, and whose kernels build; NULL: there is none. */
const struct cvy_algo *cvy_find_lean(struct cvy_device *device, const struct cvy_conv_problem *p,
                                     size_t max_workspace, size_t max_prepared,
                                     struct cvy_algo_config *config);

/* The same, but a problem of plain tensors may be done in blocks of channels (convert.h) where that is
 * expected to be faster, conversions included, or where the algorithm named takes blocks alone: converted
 * then becomes true and p the problem in blocks. */
enum cvy_status cvy_find_conversion(struct cvy_device *device, struct cvy_conv_problem *p, const char *name,
                                    size_t max_workspace, const struct cvy_algo **algo,
                                    struct cvy_algo_config *config, bool *converted);

/* Seconds that cvy_find_conversion() expects of what it would choose; INFINITY: it would find nothing. It
 * builds nothing. */
double cvy_find_seconds(struct cvy_device *device, const struct cvy_conv_problem *p, const char *name,
                        size_t max_workspace);

#endif
