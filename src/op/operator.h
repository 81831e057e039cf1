/*
 * operator.h - the contract of every operator: infer shapes, make ready for a device, enqueue.
 *
 * An operator knows one node's work and nothing of graphs or files. Each has a class; operator_list.c holds
 * the table from enum cvy_op_type to class.
 */
#ifndef CVY_OP_OPERATOR_H
#define CVY_OP_OPERATOR_H

#include <convoy/device.h>
#include <convoy/op.h>

/* What a max_workspace of 0 stands for in the public headers. */
#define CVY_DEFAULT_WORKSPACE ((size_t)256 << 20)

/* What is known of an input when a plan is made. An optional input left out has present == false. */
struct cvy_operand {
    bool present;
    struct cvy_shape shape;
    enum cvy_dtype dtype;
    const struct cvy_tensor *constant; /* its value, where that is fixed; else NULL */
    size_t block;                      /* channels of the blocks that it lies in (conv.h); 0: plain */
};

/* How an operator wants an input to lie, whose shape stays the logical one. Blocks are filled up with zeros:
 * who writes them sees to that, who reads them may rely on it. */
enum cvy_layout {
    CVY_LAYOUT_PLAIN = 0,
    CVY_LAYOUT_BLOCKS,
    CVY_LAYOUT_ANY,
};

struct cvy_operator_params {
    const char *algo;     /* of a convolution; NULL = chosen */
    size_t max_workspace; /* bytes; never 0 here */
    bool strict;          /* as in struct cvy_conv_problem */
    size_t block;         /* channels of the blocks that the output is to lie in; 0: plain */
    double max_growth;    /* of weights when they are prepared, as a factor, where that is possible; 0: any */
    size_t more_growth;   /* and so many bytes beside that */
    bool only_count;      /* choose and count; upload nothing, for the operator will not be enqueued */
};

/* Bytes that weights of so many may become when they are prepared. */
static inline size_t cvy_most_prepared(const struct cvy_operator_params *params, size_t bytes)
{
    return params->max_growth == 0 ? SIZE_MAX
                                   : (size_t)(params->max_growth * (double)bytes) + params->more_growth;
}

struct cvy_operator_class;

/* First member of each operator's own struct. */
struct cvy_operator {
    const struct cvy_operator_class *class;
    struct cvy_device *device;
    struct cvy_op op;
    struct cvy_shape out;
    enum cvy_dtype dtype;  /* of the output */
    size_t block;          /* of the output; 0: plain */
    size_t workspace;      /* bytes of scratch memory that enqueue wants */
    size_t kept;           /* bytes of device memory that it has for itself, such as prepared weights */
    unsigned unread;       /* bit i: enqueue does not look at input i, which may then be NULL */
    double flops;          /* 0 where the measure makes no sense */
    const char *algorithm; /* "" where there is only one */
};

struct cvy_operator_class {
    size_t min_inputs, max_inputs; /* max SIZE_MAX: any number */
    bool is_alias;                 /* the output is input 0 in another shape: nothing is enqueued */
    unsigned in_place;             /* bit i: may write its output over input i when shapes agree */
    bool on_host;                  /* where all operands are constants, it is computed by evaluate.h */
    bool by_shape;                 /* and where they are not, since only the shape of input 0 counts */

    /* Attributes alone, when a node is added. May be NULL. */
    enum cvy_status (*check)(const struct cvy_op *op);
    /* Takes attributes out of constant operands, from operand 1 on, and leaves n_in operands; op may become
     * another operator. The shape of operand 0 is known. NULL: every operand is a tensor. */
    enum cvy_status (*settle)(struct cvy_op *op, const struct cvy_operand *in, size_t *n_in);
    /* The output's shape from the operands. Messages begin with the operator's name; the caller adds the
     * node. */
    enum cvy_status (*infer)(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                             struct cvy_shape *out);
    /* Element type of the output, and a check of those of the inputs. NULL: everything is float32; an alias
     * takes any type. Called before infer. */
    enum cvy_status (*infer_dtype)(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                                   enum cvy_dtype *dtype);
    /* How it wants its inputs where the output lies in blocks of `block` channels, or plain (0); in[i].block
     * is not looked at. false: not so. layouts come all plain. NULL: plain tensors alone. Asked about
     * operands that infer has accepted; output and inputs of rank 3 or more and float32 alone are ever in
     * blocks. */
    bool (*layouts)(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in, size_t block,
                    enum cvy_layout *layouts);
    /* Seconds that it is expected to take with its tensors where in[i].block and params->block have them;
     * INFINITY: it cannot. NULL: about the same in all layouts. */
    double (*seconds)(struct cvy_device *device, const struct cvy_op *op, const struct cvy_operand *in,
                      size_t n_in, const struct cvy_operator_params *params);
    /* Bytes of the operator's own struct (0: plain struct cvy_operator). */
    size_t size;
    /* Fills its own part of a struct whose cvy_operator members are set; builds kernels, chooses algorithms,
     * sets workspace, flops, algorithm. May be NULL. */
    enum cvy_status (*init)(struct cvy_operator *self, const struct cvy_operand *in, size_t n_in,
                            const struct cvy_operator_params *params);
    /* NULL: on the host alone. in[i] is NULL for an optional input left out. workspace is at least
     * self->workspace bytes, or NULL. */
    enum cvy_status (*enqueue)(struct cvy_operator *self, struct cvy_buffer *const *in, size_t n_in,
                               struct cvy_buffer *out, struct cvy_buffer *workspace);
    void (*finish)(struct cvy_operator *self); /* may be NULL */
};

/* layouts of a class whose only tensor in blocks, input 0, lies as its output does. */
bool cvy_layouts_alike(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in, size_t block,
                       enum cvy_layout *layouts);

/* Bit i of unread or in_place; inputs beyond the last bit have none. */
static inline bool cvy_operator_bit(unsigned bits, size_t i)
{
    return i < 8 * sizeof(bits) && (bits >> i & 1);
}

/* NULL for a value that is no operator. */
const struct cvy_operator_class *cvy_operator_class_of(enum cvy_op_type type);

/* The activation that a unary operator is, and its parameters; false: it is none that a convolution can end
 * with. */
bool cvy_op_activation(const struct cvy_op *op, enum cvy_activation *activation, float *alpha, float *beta);

/* Takes attributes that were given as operands; see settle above. What is settled stays so. */
enum cvy_status cvy_operator_settle(struct cvy_op *op, const struct cvy_operand *in, size_t *n_in);

/* Whether evaluate.h computes the operator from what is known of its operands. */
bool cvy_operator_is_known(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in);

/* Both inferences of a settled node's output, with the checks that all operators share. */
enum cvy_status cvy_operator_infer(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                                   struct cvy_shape *out, enum cvy_dtype *dtype);

/* How the settled operator wants its n_in inputs where its output, of this shape, lies in blocks; false: not
 * so. */
bool cvy_operator_layouts(const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                          const struct cvy_shape *out, size_t block, enum cvy_layout *layouts);

/* settle, infer, then allocate and init. Operands and params->block must be as the operator wants them. */
enum cvy_status cvy_operator_create(struct cvy_operator **self, struct cvy_device *device,
                                    const struct cvy_op *op, const struct cvy_operand *in, size_t n_in,
                                    const struct cvy_operator_params *params);
void cvy_operator_destroy(struct cvy_operator **self);

#endif
