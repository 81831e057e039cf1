/*
 * conv.h - the convolution problem, its arithmetic, its algorithms, and running one.
 *
 * Axes: x is N C D H W, w is K C/groups Z R S, y is N K O P Q. A problem of rank 2 has only the last two
 * spatial axes (H W), of rank 1 only the last (W); arrays below are indexed from the first axis present.
 *
 * Without flip this is cross-correlation, what deep learning calls convolution:
 *   y[n,k,p,q] = bias[k] + sum over c,r,s of x[n, c, p*stride - pad + r*dilation, ...] * w[k,c,r,s]
 * With flip the kernel is read backwards along every spatial axis: the true convolution of mathematics.
 *
 * transposed exchanges the directions: every x[n,c,h,w] adds w[c,k,r,s] * x to
 *   y[n, k, h*stride - pad + r*dilation, ...]
 * and its weights are C K/groups Z R S, as ONNX and PyTorch have them. x and y, C and K keep their meaning:
 * x is what goes in, y what comes out. Arithmetic: Dumoulin and Visin, arXiv 1603.07285.
 *
 * shuffle interleaves the channels of y (ShuffleNet: Zhang et al., arXiv 1707.01083): channel k as defined
 * above is written as channel (k % m) * shuffle + k / m of y, m = k channels / shuffle. It costs no pass of
 * its own. The bias keeps the order of w.
 *
 * y = activation(convolution + bias), or activation(convolution + bias + what y held before) with accumulate:
 * a residual connection (He et al., arXiv 1512.03385) costs no pass of its own.
 *
 * x and y may lie in blocks of channels, each on its own: with a block of b, N ceil(C/b) D H W b, channel c
 * in block c / b at c % b, and zeros behind the last channel. Devices whose work-items fill vector registers
 * are fastest so. Weights are plain always.
 *
 * Winograd's algorithm multiplies less and rounds more: the error of y can reach
 *   a (D C/groups + 32) 2^-24 max|x| sum|w|
 * w being the weights of its channel, D the kernel's depth, and a 4 for every axis of 4 points, 29.4 for
 * every one of 6. On random data 6x6 points err four times as much as sums in order do, 4x4 points less than
 * they. A strict problem is not given to it.
 *
 * Integers: x and w may be int8 or uint8, each with a zero point, the integer that stands for 0. Sums are of
 * (x - x zero point) * (w - w zero point) in int32, wrapping around beyond it; padding stands for 0. y is the
 * sum itself (int32), or is requantised to int8 or uint8, in float32 and rounded to nearest, ties to even:
 *   y = saturate(round(sum * (x scale * w scale / y scale)) + y zero point)
 */
#ifndef CONVOY_CONV_H
#define CONVOY_CONV_H

#include <convoy/device.h>
#include <convoy/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CVY_CONV_MAX_RANK 3

/* What padding holds. x of size n is continued to both sides as far as needed: */
enum cvy_pad_mode {
    CVY_PAD_CONSTANT = 0, /* one value, 0 in a convolution:  0 0 | a b c | 0 0 */
    CVY_PAD_REFLECT,      /* the edge itself not repeated:   c b | a b c | b a */
    CVY_PAD_REPLICATE,    /* the edge (ONNX: edge):          a a | a b c | c c */
    CVY_PAD_WRAP,         /* circular:                       b c | a b c | a b */
};

/* Applied to every element v of y. */
enum cvy_activation {
    CVY_ACTIVATION_NONE = 0,
    CVY_ACTIVATION_RELU,         /* max(v, 0) */
    CVY_ACTIVATION_LEAKY_RELU,   /* v, below 0 alpha * v */
    CVY_ACTIVATION_CLIP,         /* min(max(v, alpha), beta) */
    CVY_ACTIVATION_SIGMOID,      /* 1 / (1 + exp(-v)) */
    CVY_ACTIVATION_TANH,         /* tanh(v) */
    CVY_ACTIVATION_HARD_SIGMOID, /* min(max(alpha * v + beta, 0), 1) */
    CVY_ACTIVATION_HARD_SWISH,   /* v * min(max(v / 6 + 1/2, 0), 1); Howard et al., arXiv 1905.02244 */
    CVY_ACTIVATION_SILU,         /* v / (1 + exp(-v)) */
    CVY_ACTIVATION_GELU,         /* v * (1 + erf(v / sqrt(2))) / 2; Hendrycks and Gimpel, arXiv 1606.08415 */
    CVY_ACTIVATION_MISH,         /* v * tanh(log(1 + exp(v))); Misra, arXiv 1908.08681 */
};

/* Rules for padding. On a transposed convolution SAME means y = x * stride. */
enum cvy_auto_pad {
    CVY_PAD_EXPLICIT = 0, /* pad_begin and pad_end as given */
    CVY_PAD_SAME_UPPER,   /* y = ceil(x / stride); an odd rest of padding goes to the end */
    CVY_PAD_SAME_LOWER,   /* ... to the beginning */
    CVY_PAD_VALID,        /* none: the window stays on x */
    CVY_PAD_FULL,         /* dilation*(kernel-1) at both ends: every window that touches x */
};

/* A full description; nothing in it is defaulted. cvy_conv_problem_init() fills the neutral values. */
struct cvy_conv_problem {
    size_t rank;                  /* spatial axes: 1 to 3 */
    size_t n;                     /* batch */
    size_t c, k;                  /* channels of x and of y; both must divide by groups */
    size_t groups;                /* 1 = none; groups == c is depthwise, k / c then the depth multiplier */
    size_t in[CVY_CONV_MAX_RANK]; /* size of x per axis */
    size_t kernel[CVY_CONV_MAX_RANK];   /* size of w per axis */
    size_t stride[CVY_CONV_MAX_RANK];   /* 1 = every position */
    size_t dilation[CVY_CONV_MAX_RANK]; /* 1 = none */
    size_t pad_begin[CVY_CONV_MAX_RANK];
    size_t pad_end[CVY_CONV_MAX_RANK];
    size_t output_padding[CVY_CONV_MAX_RANK]; /* transposed only: extra size at the end of y */
    enum cvy_pad_mode pad_mode;               /* transposed: CVY_PAD_CONSTANT alone */
    size_t shuffle; /* 0 or 1: none. Otherwise y's channels are shuffled in so many groups (below) */
    bool transposed;
    bool flip;
    bool bias;       /* one value for each of the k channels */
    bool accumulate; /* adds to what y holds */
    bool strict;     /* only algorithms that add up products (above) */
    enum cvy_activation activation;
    float alpha, beta;       /* of the activation, where it has them */
    size_t x_block, y_block; /* 0: plain; otherwise channels of a block: 2, 4, 8 or 16, the same for both */
    /* Element types: float32 (0) all three; float16 all three; or int8 or uint8 for x and w and int32, int8
     * or uint8 for y. float16 is for storage: the sums, the bias, activation and what is done to them are
     * float32, and every element of y is rounded once, to nearest. The bias of integers is int32. */
    enum cvy_dtype x_dtype, w_dtype, y_dtype;
};

/* Whether the problem's elements are integers. */
CVY_API bool cvy_conv_is_integer(const struct cvy_conv_problem *problem);

/* "zeros", "reflect", "replicate" or "circular"; "unknown" for another value. */
CVY_API const char *cvy_pad_mode_name(enum cvy_pad_mode mode);

/* "none", "relu", "leaky_relu", ...; "unknown" for another value. */
CVY_API const char *cvy_activation_name(enum cvy_activation activation);

/* Channels of a block that suit the device; 0: plain tensors do. */
CVY_API size_t cvy_conv_best_block(const struct cvy_device *device);

/* rank as given, stride, dilation, groups, n, c, k and kernel 1, everything else 0. */
CVY_API void cvy_conv_problem_init(struct cvy_conv_problem *problem, size_t rank);

/* CVY_ERROR_INVALID, and a message that says what is wrong and by how much, if the problem is impossible. */
CVY_API enum cvy_status cvy_conv_validate(const struct cvy_conv_problem *problem);

/* Shapes of the valid problem's tensors. Errors: as cvy_conv_validate(). y per axis:
 *   forward     floor((in + pad_begin + pad_end - dilation*(kernel-1) - 1) / stride) + 1
 *   transposed  (in-1)*stride + dilation*(kernel-1) + 1 + output_padding - pad_begin - pad_end */
CVY_API enum cvy_status cvy_conv_x_shape(const struct cvy_conv_problem *problem, struct cvy_shape *shape);
CVY_API enum cvy_status cvy_conv_w_shape(const struct cvy_conv_problem *problem, struct cvy_shape *shape);
CVY_API enum cvy_status cvy_conv_y_shape(const struct cvy_conv_problem *problem, struct cvy_shape *shape);

/* Bytes of x and y as they lie, blocks filled up. Errors: as cvy_conv_validate(), and CVY_ERROR_INVALID where
 * they do not fit size_t. */
CVY_API enum cvy_status cvy_conv_x_bytes(const struct cvy_conv_problem *problem, size_t *bytes);
CVY_API enum cvy_status cvy_conv_y_bytes(const struct cvy_conv_problem *problem, size_t *bytes);

struct cvy_conv_cost {
    double multiplications; /* of the definition, products with padding counted; FLOPs are twice this */
    double parameters;      /* weights and bias */
    double bytes;           /* x, w, bias and y read or written once */
};
CVY_API enum cvy_status cvy_conv_get_cost(const struct cvy_conv_problem *problem, struct cvy_conv_cost *cost);

/* Names of the algorithms, in the order they are considered; NULL past the last. */
CVY_API const char *cvy_conv_algo_name(size_t index);
/* Whether the algorithm can do the problem on the device; if not, why (cut to why_size) tells the reason.
 * false, with a reason, also for an unknown name. */
CVY_API bool cvy_conv_algo_applies(const struct cvy_device *device, const struct cvy_conv_problem *problem,
                                   const char *algo, char *why, size_t why_size);

/* Seconds that the algorithm is expected to take on the device, by a model of the work it does and by the
 * device's measured rates (cvy_device_get_rates()). false, with a reason, where it does not apply. */
CVY_API bool cvy_conv_algo_estimate(const struct cvy_device *device, const struct cvy_conv_problem *problem,
                                    const char *algo, double *seconds, char *why, size_t why_size);

/* What integers stand for: real value = scale * (integer - zero point). Copied. */
struct cvy_conv_quantization {
    int32_t x_zero_point, y_zero_point; /* within the range of their types */
    const int32_t *w_zero_points;       /* n_w_zero_points values: 1, or one for each channel of y */
    size_t n_w_zero_points;             /* 0 = all are 0 */
    /* Of a requantised y alone; all finite and above 0. */
    float x_scale, y_scale;
    const float *w_scales; /* n_w_scales values: 1, or one for each channel of y */
    size_t n_w_scales;
};

struct cvy_conv_params {
    const char *algo;     /* NULL = chosen by convoy; otherwise that one or CVY_ERROR_UNSUPPORTED */
    size_t max_workspace; /* bytes of scratch memory on the device; 0 = 256 MiB */
    /* Of integers; NULL: all zero points are 0 (and y is int32). */
    const struct cvy_conv_quantization *quantization;
};

/* A convolution made ready for one device: algorithm chosen, kernels built, weights in place. */
struct cvy_conv;

/*
 * w: elements of w_dtype in the shape of cvy_conv_w_shape(); bias: k values, float32 (of integers int32),
 * NULL where the problem has none. Both are copied. CVY_ERROR_UNSUPPORTED when no algorithm applies, or the
 * one asked for does not.
 */
CVY_API enum cvy_status cvy_conv_create(struct cvy_conv **conv, struct cvy_device *device,
                                        const struct cvy_conv_problem *problem, const void *w,
                                        const void *bias, const struct cvy_conv_params *params);
CVY_API void cvy_conv_destroy(struct cvy_conv **conv);
CVY_API const char *cvy_conv_get_algo(const struct cvy_conv *conv);
CVY_API size_t cvy_conv_get_workspace(const struct cvy_conv *conv);

/* Enqueues on the device's queue and returns. x and y must have at least the bytes of cvy_conv_x_bytes() and
 * cvy_conv_y_bytes(), and must not overlap. event may be NULL. Runs of one conv are in order; they share its
 * workspace. */
CVY_API enum cvy_status cvy_conv_enqueue(struct cvy_conv *conv, struct cvy_buffer *x, struct cvy_buffer *y,
                                         struct cvy_event *const *waits, size_t n_waits,
                                         struct cvy_event **event);

/* From host memory to host memory, in one call; with accumulate y is read too. algo_used may be NULL; it
 * receives a static string. */
CVY_API enum cvy_status cvy_conv_run(struct cvy_device *device, const struct cvy_conv_problem *problem,
                                     const void *x, const void *w, const void *bias, void *y,
                                     const struct cvy_conv_params *params, const char **algo_used);

#ifdef __cplusplus
}
#endif

#endif
