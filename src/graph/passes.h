/* passes.h - every pass from graph to graph, for the table in fuse.c. Each is tried on a tidy list. */
#ifndef CVY_GRAPH_PASSES_H
#define CVY_GRAPH_PASSES_H

#include "graph/work.h"

enum cvy_status cvy_pass_shuffle(struct cvy_work_list *list);
enum cvy_status cvy_pass_shuffle_write(struct cvy_work_list *list);
enum cvy_status cvy_pass_pad(struct cvy_work_list *list);
enum cvy_status cvy_pass_identity(struct cvy_work_list *list);
enum cvy_status cvy_pass_unary(struct cvy_work_list *list);
enum cvy_status cvy_pass_scale(struct cvy_work_list *list);
enum cvy_status cvy_pass_residual(struct cvy_work_list *list);
enum cvy_status cvy_pass_activation(struct cvy_work_list *list);
enum cvy_status cvy_pass_concat(struct cvy_work_list *list);
enum cvy_status cvy_pass_dead(struct cvy_work_list *list);
enum cvy_status cvy_pass_layout(struct cvy_work_list *list);

#endif
