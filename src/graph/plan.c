#include "graph/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/log.h"
#include "base/text.h"
#include "graph/arena.h"
#include "graph/fold.h"
#include "graph/fuse.h"
#include "graph/shard.h"
#include "op/layout.h"
#include "runtime/buffer.h"

/* A plan in the making. Slots begin as one for each value; aliases share another's. */
struct builder {
    const struct cvy_graph *graph; /* folded */
    const struct cvy_plan_params *params;
    struct cvy_plan *plan;
    struct cvy_plan_budget budget;
    struct cvy_work_list *works;
    size_t *slot_of; /* of each value */
};

static enum cvy_status init_port(struct builder *b, struct cvy_port *port, const char *name, size_t value)
{
    const struct cvy_value_info *info = &b->works->values[value]->info;
    port->shape = info->shape;
    port->dtype = info->dtype;
    port->bytes = info->bytes;
    port->slot = b->slot_of[value];
    port->name = cvy_text_copy(name);
    return port->name ? CVY_OK : cvy_fail_memory("plan", strlen(name));
}

static enum cvy_status resolve_inputs(struct builder *b)
{
    enum cvy_status status = CVY_OK;
    for (size_t i = 0; status == CVY_OK && i < b->graph->n_inputs; i++) {
        const struct cvy_value *input = b->graph->inputs[i];
        status = init_port(b, &b->plan->inputs[i], input->name, input->index);
        b->plan->slots[input->index] =
            (struct cvy_slot){.place = CVY_PLACE_INPUT, .binding = i, .bytes = b->plan->inputs[i].bytes};
    }
    return status;
}

static enum cvy_status add_step(struct builder *b, const struct cvy_work *work, struct cvy_operator *operator)
{
    struct cvy_step *step = &b->plan->steps[b->plan->n_steps++];
    step->operator= operator;
    step->seconds = -1;
    step->output = work->output;
    step->joins_slices = work->joins_slices;
    step->n_inputs = work->n_inputs;
    step->name = cvy_text_copy(work->name);
    step->inputs = calloc(work->n_inputs ? work->n_inputs : 1, sizeof(*step->inputs));
    if (work->fused != NULL && (step->fused = cvy_text_copy(work->fused)) == NULL)
        return cvy_fail_memory("plan step", strlen(work->fused));
    if (step->name == NULL || step->inputs == NULL)
        return cvy_fail_memory("plan step", work->n_inputs * sizeof(*step->inputs));
    for (size_t i = 0; i < work->n_inputs; i++)
        step->inputs[i] = work->inputs[i] != SIZE_MAX && !cvy_operator_bit(operator->unread, i)
                              ? b->slot_of[work->inputs[i]]
                              : SIZE_MAX;
    b->plan->memory.prepared += operator->kept;
    return CVY_OK;
}

static enum cvy_status create_operator(const struct builder *b, const struct cvy_work *work,
                                       struct cvy_operator **operator)
{
    struct cvy_operand *operands = calloc(work->n_inputs ? work->n_inputs : 1, sizeof(*operands));
    if (operands == NULL)
        return cvy_fail_memory("plan", work->n_inputs * sizeof(*operands));
    for (size_t i = 0; i < work->n_inputs; i++)
        operands[i] = cvy_work_operand(b->works, work, i);
    struct cvy_operator_params params = b->works->params;
    params.block = b->works->values[work->output]->info.block;
    enum cvy_status status =
        cvy_operator_create(operator, b->plan->device, &work->op, operands, work->n_inputs, &params);
    free(operands);
    return status;
}

/* A layout of one pixel and whole blocks is the same in either. */
static bool is_alias(const struct builder *b, const struct cvy_work *work)
{
    const struct cvy_value_info *out = &b->works->values[work->output]->info;
    return cvy_operator_class_of(work->op.type)->is_alias ||
           (work->op.type == CVY_OP_LAYOUT && cvy_layout_is_same(&out->shape, b->works->block));
}

static enum cvy_status compile_work(struct builder *b, const struct cvy_work *work)
{
    struct cvy_slot *slot = &b->plan->slots[work->output];
    if (is_alias(b, work)) {
        b->slot_of[work->output] = b->slot_of[work->inputs[0]];
        return CVY_OK;
    }
    struct cvy_operator *operator= NULL;
    enum cvy_status status = create_operator(b, work, &operator);
    if (status != CVY_OK)
        return status;
    slot->place = CVY_PLACE_ARENA;
    return add_step(b, work, operator);
}

static enum cvy_status compile_works(struct builder *b)
{
    enum cvy_status status = CVY_OK;
    for (size_t i = 0; status == CVY_OK && i < b->works->count; i++) {
        const struct cvy_work *work = b->works->items[i];
        char context[256];
        const char *before =
            cvy_log_set_context(cvy_node_context(work->name, &work->op, context, sizeof(context)));
        status = compile_work(b, work);
        cvy_log_set_context(before);
    }
    return status;
}

static enum cvy_status resolve_outputs(struct builder *b)
{
    enum cvy_status status = CVY_OK;
    for (size_t i = 0; status == CVY_OK && i < b->graph->n_outputs; i++) {
        status = init_port(b, &b->plan->outputs[i], b->graph->outputs[i]->name, b->works->outputs[i]);
    }
    return status;
}

static bool slot_is_read(const struct cvy_plan *plan, size_t slot)
{
    for (size_t i = 0; i < plan->n_outputs; i++) {
        if (plan->outputs[i].slot == slot)
            return true;
    }
    for (size_t i = 0; i < plan->n_steps; i++) {
        for (size_t j = 0; j < plan->steps[i].n_inputs; j++) {
            if (plan->steps[i].inputs[j] == slot)
                return true;
        }
    }
    return false;
}

static enum cvy_status upload_constant(struct cvy_plan *plan, struct cvy_slot *slot,
                                       const struct cvy_work_value *value, bool only_count)
{
    const struct cvy_tensor *tensor = value->constant;
    if (tensor->elements == 0)
        return cvy_fail(CVY_ERROR_INVALID, "plan: constant '%s' has no elements",
                        value->name ? value->name : "(unnamed)");
    slot->bytes = tensor->bytes;
    slot->place = CVY_PLACE_CONSTANT;
    plan->memory.constants += slot->bytes;
    return only_count ? CVY_OK : cvy_buffer_upload(&slot->buffer, plan->device, slot->bytes, tensor->data);
}

static enum cvy_status upload_constants(struct builder *b)
{
    enum cvy_status status = CVY_OK;
    for (size_t i = 0; status == CVY_OK && i < b->plan->n_slots; i++) {
        if (b->works->values[i]->constant != NULL && slot_is_read(b->plan, i))
            status = upload_constant(b->plan, &b->plan->slots[i], b->works->values[i], b->budget.only_count);
    }
    return status;
}

static enum cvy_status allocate_tables(struct builder *b)
{
    const struct cvy_graph *g = b->graph;
    struct cvy_plan *plan = b->plan;
    plan->n_slots = b->works->n_values;
    plan->n_inputs = g->n_inputs;
    plan->n_outputs = g->n_outputs;
    plan->slots = calloc(plan->n_slots + 1, sizeof(*plan->slots));
    plan->steps = calloc(b->works->count + 1, sizeof(*plan->steps));
    plan->inputs = calloc(g->n_inputs + 1, sizeof(*plan->inputs));
    plan->outputs = calloc(g->n_outputs + 1, sizeof(*plan->outputs));
    plan->marks = calloc(b->works->count + 1, sizeof(*plan->marks));
    b->slot_of = calloc(plan->n_slots + 1, sizeof(*b->slot_of));
    if (!plan->slots || !plan->steps || !plan->inputs || !plan->outputs || !plan->marks || !b->slot_of)
        return cvy_fail_memory("plan", plan->n_slots * sizeof(*plan->slots));
    for (size_t i = 0; i < plan->n_slots; i++) {
        plan->slots[i].bytes = b->works->values[i]->info.bytes;
        b->slot_of[i] = i;
    }
    return CVY_OK;
}

/* What is left to do of the graph when it has been folded. */
static enum cvy_status make_works(struct builder *b)
{
    struct cvy_value_info *infos = calloc(b->graph->n_values + 1, sizeof(*infos));
    if (infos == NULL)
        return cvy_fail_memory("plan", b->graph->n_values * sizeof(*infos));
    enum cvy_status status = cvy_graph_infer(b->graph, infos);
    if (status == CVY_OK)
        status = cvy_work_list_create(&b->works, b->graph, infos, b->plan->device);
    free(infos);
    if (status != CVY_OK)
        return status;
    b->works->params = (struct cvy_operator_params){.algo = b->params->algo,
                                                    .max_workspace = b->budget.max_workspace,
                                                    .strict = b->params->strict,
                                                    .max_growth = b->budget.max_growth,
                                                    .more_growth = b->budget.more_growth,
                                                    .only_count = b->budget.only_count};
    b->works->must_block = b->params->block > 0;
    b->works->block = b->params->block ? b->params->block : cvy_conv_best_block(b->plan->device);
    return cvy_fuse(b->works, b->params->skip_passes, b->params->n_skip_passes);
}

/* The first arena at once, so that a lack of memory shows now; under a ceiling, which must hold, all. */
static enum cvy_status allocate_arenas(struct builder *b)
{
    struct cvy_plan *plan = b->plan;
    plan->max_arenas = CVY_MAX(b->params->in_flight, 1);
    plan->arenas = calloc(plan->max_arenas, sizeof(*plan->arenas));
    if (plan->arenas == NULL)
        return cvy_fail_memory("plan", plan->max_arenas * sizeof(*plan->arenas));
    const size_t wanted = b->params->max_memory ? plan->max_arenas : 1;
    enum cvy_status status = CVY_OK;
    for (size_t i = 0; status == CVY_OK && i < wanted; i++) {
        status = cvy_arena_create(&plan->arenas[i], plan);
        plan->n_arenas += status == CVY_OK;
    }
    return status;
}

static enum cvy_status build(struct builder *b)
{
    enum cvy_status status = make_works(b);
    if (status == CVY_OK)
        status = allocate_tables(b);
    if (status == CVY_OK)
        status = resolve_inputs(b);
    if (status == CVY_OK)
        status = compile_works(b);
    if (status == CVY_OK)
        status = resolve_outputs(b);
    if (status != CVY_OK)
        return status;
    if ((status = cvy_plan_place(b->plan)) != CVY_OK || (status = upload_constants(b)) != CVY_OK)
        return status;
    struct cvy_plan_memory *memory = &b->plan->memory;
    const size_t in_flight = CVY_MAX(b->params->in_flight, 1);
    if (!cvy_mul(memory->peak, in_flight, &memory->total) ||
        !cvy_add(memory->total, memory->constants, &memory->total) ||
        !cvy_add(memory->total, memory->prepared, &memory->total))
        return cvy_fail_memory("plan", SIZE_MAX);
    return b->budget.only_count ? CVY_OK : allocate_arenas(b);
}

enum cvy_status cvy_plan_make(struct cvy_plan **plan, const struct cvy_graph *graph,
                              struct cvy_device *device, const struct cvy_plan_params *params,
                              const struct cvy_plan_budget *budget)
{
    struct cvy_plan *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return cvy_fail_memory("plan", sizeof(*made));
    pthread_mutex_init(&made->lock, NULL);
    made->device = device;
    made->profile = params->profile;
    struct builder b = {.graph = graph, .params = params, .plan = made, .budget = *budget};
    enum cvy_status status = build(&b);
    free(b.slot_of);
    cvy_work_list_destroy(&b.works);
    if (status != CVY_OK) {
        cvy_plan_destroy(&made);
        return status;
    }
    *plan = made;
    return CVY_OK;
}

enum cvy_status cvy_plan_create(struct cvy_plan **plan, const struct cvy_graph *graph,
                                struct cvy_device *const *devices, size_t n_devices,
                                const struct cvy_plan_params *params)
{
    static const struct cvy_plan_params defaults;
    params = params ? params : &defaults;
    if (params->block != 0 &&
        (params->block > 16 || params->block < 2 || (params->block & (params->block - 1))))
        return cvy_fail(CVY_ERROR_INVALID, "plan: blocks of %zu channels; 2, 4, 8 or 16 are possible",
                        params->block);
    if (n_devices != 1)
        return cvy_shards_plan_create(plan, graph, devices, n_devices, params);
    struct cvy_plan_budget budget = {.max_workspace = params->max_workspace ? params->max_workspace
                                                                            : CVY_DEFAULT_WORKSPACE};
    struct cvy_graph *folded = NULL;
    enum cvy_status status = cvy_graph_fold(&folded, graph, params->input_shapes, params->n_input_shapes);
    if (status == CVY_OK && params->max_memory)
        status = cvy_plan_find_budget(folded, devices[0], params, &budget);
    if (status == CVY_OK)
        status = cvy_plan_make(plan, folded, devices[0], params, &budget);
    cvy_graph_destroy(&folded);
    return status;
}

static void destroy_steps(struct cvy_plan *p)
{
    for (size_t i = 0; p->steps && i < p->n_steps; i++) {
        cvy_operator_destroy(&p->steps[i].operator);
        free(p->steps[i].name);
        free(p->steps[i].fused);
        free(p->steps[i].inputs);
    }
    for (size_t i = 0; p->marks && i <= p->n_steps; i++)
        cvy_event_destroy(&p->marks[i]);
    free(p->steps);
    free(p->marks);
}

void cvy_plan_destroy(struct cvy_plan **plan)
{
    if (plan == NULL || *plan == NULL)
        return;
    struct cvy_plan *p = *plan;
    /* a run may still be using what is about to go */
    if (p->device != NULL)
        cvy_device_finish(p->device);
    cvy_shards_destroy(&p->shards);
    destroy_steps(p);
    for (size_t i = 0; p->slots && i < p->n_slots; i++)
        cvy_buffer_destroy(&p->slots[i].buffer);
    for (size_t i = 0; p->inputs && i < p->n_inputs; i++)
        free(p->inputs[i].name);
    for (size_t i = 0; p->outputs && i < p->n_outputs; i++)
        free(p->outputs[i].name);
    for (size_t i = 0; i < p->n_arenas; i++)
        cvy_arena_destroy(&p->arenas[i]);
    free(p->arenas);
    pthread_mutex_destroy(&p->lock);
    free(p->items);
    free(p->block_bytes);
    free(p->slots);
    free(p->inputs);
    free(p->outputs);
    free(p);
    *plan = NULL;
}
