/*
 * work.h - a graph as the passes change it: works in the order in which a plan will run them, and the values
 * between them. Works and values never move in memory while the list exists.
 */
#ifndef CVY_GRAPH_WORK_H
#define CVY_GRAPH_WORK_H

#include "graph/infer.h"

/* A node of the graph, or what several were folded into. Values are indices; SIZE_MAX: an input left out. */
struct cvy_work {
    bool gone; /* done by another work, or by none */
    struct cvy_op op;
    const char *name; /* the graph's */
    size_t n_inputs;
    size_t *inputs;
    size_t output;
    bool joins_slices; /* a Concat whose inputs lie one behind the other in the output */
    char *fused;       /* names of the nodes that it does besides its own; NULL: none */
};

struct cvy_work_value {
    struct cvy_value_info info;
    const char *name;                  /* of an input, a constant; may be NULL */
    const struct cvy_tensor *constant; /* its value, where that is fixed; else NULL */
    struct cvy_tensor own;             /* what constant points to where a pass made it */
    struct cvy_work *maker;            /* NULL: an input or a constant */
    size_t reads;                      /* by how many inputs of works, and outputs of the graph */
};

struct cvy_work_list {
    struct cvy_device *device;         /* that the plan is for */
    struct cvy_operator_params params; /* what operators are told, but for the layout of their output */
    size_t block;                      /* channels of blocks between works; 0: never any */
    bool must_block;                   /* wherever operators can; otherwise where that is faster */
    size_t count, room;
    struct cvy_work **items;
    size_t n_values, values_room; /* the graph's by their index, then those that passes added */
    struct cvy_work_value **values;
    size_t n_outputs;
    size_t *outputs; /* the value of each output of the graph */
};

/* The graph's nodes that are needed, in order; infos has one entry for each value of the graph. */
enum cvy_status cvy_work_list_create(struct cvy_work_list **list, const struct cvy_graph *graph,
                                     const struct cvy_value_info *infos, struct cvy_device *device);
void cvy_work_list_destroy(struct cvy_work_list **list);

/* Drops works that are gone and counts makers and reads anew: done between passes. */
void cvy_work_list_tidy(struct cvy_work_list *list);

/* What a work's operator is told of its input `index`. */
struct cvy_operand cvy_work_operand(const struct cvy_work_list *list, const struct cvy_work *work,
                                    size_t index);

/* The work that makes the value; NULL: an input, a constant, or left out. */
struct cvy_work *cvy_work_maker(const struct cvy_work_list *list, size_t value);
/* The same, but NULL too where something else reads the value, or it is an output of the graph. */
struct cvy_work *cvy_work_only_maker(const struct cvy_work_list *list, size_t value);
/* The constant that a work reads as input `index`; NULL: there is no such input, or it is no constant. */
const struct cvy_tensor *cvy_work_constant(const struct cvy_work_list *list, const struct cvy_work *work,
                                           size_t index);

/*
 * Changes to the list. Makers and reads are kept.
 */

/* A new value of unknown maker. The name is not copied. */
enum cvy_status cvy_work_add_value(struct cvy_work_list *list, const struct cvy_shape *shape,
                                   enum cvy_dtype dtype, const char *name, size_t *value);
/* The value lies in blocks of so many channels; 0: plain. */
enum cvy_status cvy_work_set_block(struct cvy_work_list *list, size_t value, size_t block);
/* A new constant. The tensor becomes the list's; on failure it stays the caller's. */
enum cvy_status cvy_work_add_constant(struct cvy_work_list *list, struct cvy_tensor *tensor, size_t *value);
/* A new work in front of `before` (NULL: at the end). The name is not copied. */
enum cvy_status cvy_work_insert(struct cvy_work_list *list, const struct cvy_work *before,
                                const struct cvy_op *op, const char *name, const size_t *inputs,
                                size_t n_inputs, size_t output, struct cvy_work **work);
/* Input `index` becomes `value`; inputs between the last and it are left out. */
enum cvy_status cvy_work_set_input(struct cvy_work_list *list, struct cvy_work *work, size_t index,
                                   size_t value);
/* Inputs from `count` on are read no more. */
void cvy_work_cut_inputs(struct cvy_work_list *list, struct cvy_work *work, size_t count);
/* Whatever reads `from`, outputs of the graph included, reads `to`. */
void cvy_work_replace_value(struct cvy_work_list *list, size_t from, size_t to);
/* The work is not done; its inputs lose a reader. */
void cvy_work_remove(struct cvy_work_list *list, struct cvy_work *work);
/* Removes what makes the value, if nothing reads it, and what was there for that alone. */
void cvy_work_prune(struct cvy_work_list *list, size_t value);
/* `kept` makes the output of `last` from now on; nothing but last read what it made. last is gone. */
void cvy_work_take_output(struct cvy_work_list *list, struct cvy_work *kept, struct cvy_work *last);
/* The same, and notes that `kept` does what last was there for. */
enum cvy_status cvy_work_absorb(struct cvy_work_list *list, struct cvy_work *kept, struct cvy_work *last);
/* Notes that `kept` does what the node of `done` was there for. */
enum cvy_status cvy_work_note(struct cvy_work *kept, const struct cvy_work *done);

#endif
