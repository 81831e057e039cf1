#include "graph/passes.h"

enum cvy_status cvy_pass_dead(struct cvy_work_list *list)
{
    for (size_t i = list->count; i-- > 0;) {
        if (list->values[list->items[i]->output]->reads == 0)
            cvy_work_remove(list, list->items[i]);
    }
    return CVY_OK;
}
