/*
 * op.h - the operators a graph is made of, each with its attributes.
 *
 * Semantics are ONNX's. Tensors are float32, where nothing else is said, in N C [D [H]] W order. Unused
 * attributes are zero.
 *
 * What follows from constants and shapes alone is computed on the host when a plan is made, in any element
 * type: so are the shapes, axes and sizes that exporters compute. Inputs marked "fixed" must be of that kind;
 * they stand in place of attributes. A truth value is bool on the host; where the network computes it, it is
 * float32, 1 or 0.
 */
#ifndef CONVOY_OP_H
#define CONVOY_OP_H

#include <convoy/conv.h>
#include <convoy/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

enum cvy_op_type {
    CVY_OP_CONV = 0,            /* x, w, [bias], [residual: of y's shape]; attributes: conv */
    CVY_OP_RELU,                /* x */
    CVY_OP_LEAKY_RELU,          /* x; leaky_relu */
    CVY_OP_PRELU,               /* x, slope; slope broadcasts to x */
    CVY_OP_CLIP,                /* x; clip */
    CVY_OP_SIGMOID,             /* x */
    CVY_OP_TANH,                /* x */
    CVY_OP_IDENTITY,            /* x; also what Dropout is in inference */
    CVY_OP_ADD,                 /* a, b; each broadcasts to the other, aligned at the last dimension */
    CVY_OP_SUB,                 /* a, b */
    CVY_OP_MUL,                 /* a, b */
    CVY_OP_DIV,                 /* a, b */
    CVY_OP_CONCAT,              /* one or more; axis */
    CVY_OP_MAX_POOL,            /* x; pool */
    CVY_OP_AVERAGE_POOL,        /* x; pool */
    CVY_OP_GLOBAL_AVERAGE_POOL, /* x; spatial axes become 1 */
    CVY_OP_BATCH_NORM,          /* x, scale, bias, mean, variance; batch_norm */
    CVY_OP_RESHAPE,             /* x, [fixed dims]; reshape */
    CVY_OP_FLATTEN,             /* x; axis: dimensions before it are merged, and those from it on */
    CVY_OP_TRANSPOSE,           /* x; transpose */
    CVY_OP_DEPTH_TO_SPACE,      /* x of rank 4; depth_to_space */
    CVY_OP_RESIZE,              /* x, [fixed scales], [fixed sizes]; resize */
    CVY_OP_PAD,                 /* x, [fixed begins and ends], [fixed value]; pad */
    CVY_OP_GEMM,                /* a, b, [c]: alpha*a*b + beta*c; c broadcasts; gemm */
    CVY_OP_SOFTMAX,             /* x; softmax */
    /* Several passes in one operator; conv says what the whole does: see cvy_conv_get_passes(). */
    CVY_OP_SPATIALLY_SEPARABLE_CONV, /* x, w of the first axis, w of the others, [bias]; conv */
    CVY_OP_DEPTHWISE_SEPARABLE_CONV, /* x, depthwise w, pointwise w, [bias], [bias between]; conv */
    CVY_OP_FLATTENED_CONV,           /* x, lateral w, w of each spatial axis in order, [bias]; conv */
    CVY_OP_CHANNEL_SHUFFLE,          /* x; channel_shuffle */
    /* Integers: x and w are int8 or uint8. A zero point left out is 0. */
    CVY_OP_CONV_INTEGER, /* x, w, [x zero point], [w zero point: 1 or K]; conv; y is int32 */
    CVY_OP_QLINEAR_CONV, /* x, x scale, x zero point, w, w scale, w zero point, y scale, y zero point, [bias];
                            conv; y has the type of its zero point */
    CVY_OP_QUANTIZE, /* x float32, scale, [zero point]; y has the type of the zero point, else uint8; axis */
    CVY_OP_DEQUANTIZE, /* x int8, uint8 or int32, scale, [zero point]; y float32; axis */
    /* Element by element. */
    CVY_OP_HARD_SIGMOID,  /* x; activation: min(max(alpha * x + beta, 0), 1) */
    CVY_OP_HARD_SWISH,    /* x */
    CVY_OP_SILU,          /* x; x * sigmoid(x) */
    CVY_OP_GELU,          /* x */
    CVY_OP_MISH,          /* x */
    CVY_OP_SOFTPLUS,      /* x */
    CVY_OP_SOFTSIGN,      /* x */
    CVY_OP_ELU,           /* x; activation: alpha */
    CVY_OP_SELU,          /* x; activation: alpha, and beta for ONNX's gamma */
    CVY_OP_ABS,           /* x */
    CVY_OP_NEG,           /* x */
    CVY_OP_EXP,           /* x */
    CVY_OP_LOG,           /* x */
    CVY_OP_SQRT,          /* x */
    CVY_OP_RECIPROCAL,    /* x */
    CVY_OP_ERF,           /* x */
    CVY_OP_SIN,           /* x */
    CVY_OP_COS,           /* x */
    CVY_OP_FLOOR,         /* x */
    CVY_OP_CEIL,          /* x */
    CVY_OP_ROUND,         /* x; ties to even */
    CVY_OP_SIGN,          /* x */
    CVY_OP_NOT,           /* x */
    CVY_OP_POW,           /* a, b; both broadcast, as do those that follow */
    CVY_OP_MIN,           /* a, b */
    CVY_OP_MAX,           /* a, b */
    CVY_OP_MOD,           /* a, b; the sign is that of b */
    CVY_OP_FMOD,          /* a, b; the sign is that of a */
    CVY_OP_EQUAL,         /* a, b */
    CVY_OP_LESS,          /* a, b */
    CVY_OP_LESS_EQUAL,    /* a, b */
    CVY_OP_GREATER,       /* a, b */
    CVY_OP_GREATER_EQUAL, /* a, b */
    CVY_OP_AND,           /* a, b */
    CVY_OP_OR,            /* a, b */
    CVY_OP_WHERE,         /* condition, a, b; a where the condition is not 0, else b */
    /* Parts and copies. */
    CVY_OP_SLICE,          /* x, [fixed begins, fixed ends, [fixed axes], [fixed steps]]; slice */
    CVY_OP_SPLIT,          /* x, [fixed sizes]; split */
    CVY_OP_SQUEEZE,        /* x, [fixed axes]; axes: none stand for all of size 1 */
    CVY_OP_UNSQUEEZE,      /* x, [fixed axes]; axes, counted in the result */
    CVY_OP_EXPAND,         /* x, [fixed dims], which broadcast with those of x; reshape.dims */
    CVY_OP_TILE,           /* x, [fixed repeats] of each dimension; reshape.dims */
    CVY_OP_GATHER,         /* x, fixed indices, integers; axis */
    CVY_OP_SPACE_TO_DEPTH, /* x of rank 4; depth_to_space.block */
    /* Over some dimensions, or all. */
    CVY_OP_REDUCE_SUM,      /* x, [fixed axes]; reduce */
    CVY_OP_REDUCE_MEAN,     /* the same */
    CVY_OP_REDUCE_MAX,      /* the same */
    CVY_OP_REDUCE_MIN,      /* the same */
    CVY_OP_REDUCE_PROD,     /* the same */
    CVY_OP_GLOBAL_MAX_POOL, /* x; spatial axes become 1 */
    CVY_OP_LRN,             /* x; lrn */
    CVY_OP_MATMUL,          /* a, b: matrices, or arrays of them, which broadcast */
    CVY_OP_GROUP_NORM,      /* x, scale, bias: a number for each channel, or each group; group_norm */
    CVY_OP_LAYER_NORM,      /* x, scale, [bias]: a number for each element of a row; layer_norm */
    /* On the host alone: their inputs must be constants, or follow from constants and shapes. */
    CVY_OP_SHAPE, /* x, of which only the shape counts; y int64; shape */
    CVY_OP_CAST,  /* x; cast. Between types that are float32 here it does nothing, on a device too */
    CVY_OP_RANGE, /* first, end, step; scalars */
    CVY_OP_CONSTANT_OF_SHAPE, /* dims; fill */
    CVY_OP_LAYOUT, /* x in blocks of channels, or plain again (conv.h): for plans, not for graphs */
    CVY_OP_TYPES,
};

/* Spatial rank, channels and kernel come from the shapes of x and w. 0 in stride or dilation is an error.
 * y = activation(convolution + bias + residual); an activation is of CVY_OP_CONV alone. */
struct cvy_op_conv {
    size_t groups;
    size_t stride[CVY_CONV_MAX_RANK];
    size_t dilation[CVY_CONV_MAX_RANK];
    size_t pad_begin[CVY_CONV_MAX_RANK];
    size_t pad_end[CVY_CONV_MAX_RANK];
    size_t output_padding[CVY_CONV_MAX_RANK];
    size_t output_shape[CVY_CONV_MAX_RANK]; /* transposed: y's sizes, from which padding follows; 0 = not
                                               given */
    enum cvy_auto_pad auto_pad;
    enum cvy_pad_mode pad_mode;
    size_t shuffle;
    bool transposed;
    bool flip;
    enum cvy_activation activation;
    float alpha, beta; /* of the activation, where it has them */
};

struct cvy_op_pool {
    size_t rank; /* spatial axes; must be the rank of x minus 2 */
    size_t kernel[CVY_CONV_MAX_RANK];
    size_t stride[CVY_CONV_MAX_RANK];
    size_t dilation[CVY_CONV_MAX_RANK];
    size_t pad_begin[CVY_CONV_MAX_RANK];
    size_t pad_end[CVY_CONV_MAX_RANK];
    enum cvy_auto_pad auto_pad;
    bool ceil_mode;         /* round the size of y up: windows may begin in x and end beyond its padding */
    bool count_include_pad; /* average: divide by the whole window, padding counted */
};

enum cvy_resize_mode {
    CVY_RESIZE_NEAREST = 0,
    CVY_RESIZE_LINEAR,
    CVY_RESIZE_CUBIC,
};

/* How a position of y maps to x; formulas in the ONNX specification of Resize. */
enum cvy_resize_coordinates {
    CVY_RESIZE_HALF_PIXEL = 0,
    CVY_RESIZE_PYTORCH_HALF_PIXEL,
    CVY_RESIZE_ALIGN_CORNERS,
    CVY_RESIZE_ASYMMETRIC,
};

enum cvy_resize_nearest {
    CVY_RESIZE_ROUND_PREFER_FLOOR = 0,
    CVY_RESIZE_ROUND_PREFER_CEIL,
    CVY_RESIZE_FLOOR,
    CVY_RESIZE_CEIL,
};

/* Either scales (y = floor(x * scale)) or, where sizes[i] is not 0, the size itself, for every dimension. */
struct cvy_op_resize {
    enum cvy_resize_mode mode;
    enum cvy_resize_coordinates coordinates;
    enum cvy_resize_nearest nearest;
    float cubic_a;        /* cubic coefficient; ONNX's default is -0.75 */
    bool exclude_outside; /* weights of positions outside x become 0 and the rest is scaled to sum 1 */
    size_t rank;          /* how many of the following are given; must be the rank of x */
    float scales[CVY_MAX_RANK];
    size_t sizes[CVY_MAX_RANK];
};

/* Begins, ends and steps of `count` axes; the others stay whole. A negative begin, end or axis counts from
 * the end; what lies beyond is cut off. A negative step goes backwards. */
struct cvy_op_slice {
    size_t count;
    int64_t axes[CVY_MAX_RANK];
    int64_t begin[CVY_MAX_RANK];
    int64_t end[CVY_MAX_RANK];
    int64_t step[CVY_MAX_RANK];
};

/* Negative amounts crop. Given as an input, the amounts are begins and then ends of the axes given here, or
 * of all. */
struct cvy_op_pad {
    enum cvy_pad_mode mode;
    float value;
    size_t rank; /* must be the rank of x */
    int64_t begin[CVY_MAX_RANK];
    int64_t end[CVY_MAX_RANK];
    size_t n_axes;
    int64_t axes[CVY_MAX_RANK];
};

/* Dimensions by number; negative ones count from the end. */
struct cvy_op_axes {
    size_t count;
    int64_t axes[CVY_MAX_RANK];
};

struct cvy_op {
    enum cvy_op_type type;
    union {
        struct cvy_op_conv conv;
        struct cvy_op_pool pool;
        struct cvy_op_resize resize;
        struct cvy_op_pad pad;
        struct {
            float alpha;
        } leaky_relu;
        struct {
            float min, max; /* -INFINITY, INFINITY: no bound */
        } clip;
        struct {
            float epsilon;
        } batch_norm;
        struct {
            size_t rank;
            int64_t dims[CVY_MAX_RANK]; /* 0 = as in x (unless allow_zero), -1 = the rest, once */
            bool allow_zero;
        } reshape;
        struct {
            size_t rank;                /* 0 = reverse the dimensions */
            size_t order[CVY_MAX_RANK]; /* y's dimension i is x's order[i] */
        } transpose;
        struct {
            size_t block;
            bool column_row_depth; /* ONNX: mode CRD; otherwise DCR */
        } depth_to_space;
        struct {
            float alpha, beta;
            bool transpose_a, transpose_b;
        } gemm;
        struct {
            int64_t axis;
            bool flatten; /* opset < 13: all dimensions from axis on are one */
        } softmax;
        struct {
            size_t groups; /* channel k of x becomes (k % m) * groups + k / m, m = channels / groups */
        } channel_shuffle;
        struct {
            float alpha, beta;
        } activation;
        struct cvy_op_slice slice;
        struct cvy_op_axes axes;
        struct {
            int64_t axis;
            size_t index, count; /* this part, and how many; without sizes they are equal, but for the last */
        } split;
        struct {
            struct cvy_op_axes axes; /* none, and none as an input: all */
            bool keep_dims;
            bool none_is_none; /* without axes nothing is reduced */
        } reduce;
        struct {
            size_t size;
            float alpha, beta, bias;
        } lrn;
        struct {
            size_t groups; /* of channels, of which an image's are normalized together; 0: each by itself */
            float epsilon;
        } group_norm;
        struct {
            int64_t axis; /* a row is all dimensions from here on; negative counts from the end */
            float epsilon;
        } layer_norm;
        struct {
            int64_t begin,
                end; /* of the dimensions listed, negative ones from the end; end 0 = the last, too */
        } shape;
        struct {
            enum cvy_dtype dtype;
        } cast;
        struct {
            enum cvy_dtype dtype;
            double value;
        } fill;
        int64_t axis; /* concat, flatten, gather, quantize, dequantize; negative counts from the end */
    };
};

/* An operator of a type that is a convolution, with the problem's attributes; what the shapes of its inputs
 * say is left out. */
CVY_API struct cvy_op cvy_op_from_problem(enum cvy_op_type type, const struct cvy_conv_problem *problem);

/* "Conv", "ConvTranspose", ...: ONNX's name of what op does. Never NULL. */
CVY_API const char *cvy_op_name(const struct cvy_op *op);

#ifdef __cplusplus
}
#endif

#endif
