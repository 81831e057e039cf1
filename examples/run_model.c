/* Runs an ONNX model with one input and one output: run_model MODEL.onnx IN.npy OUT.npy */
#include <convoy/convoy.h>
#include <stdio.h>

static void print(void *user, enum cvy_log_level level, const char *message)
{
    (void)user;
    (void)level;
    fprintf(stderr, "run_model: %s\n", message);
}

int main(int argc, char **argv)
{
    struct cvy_device *device = NULL;
    struct cvy_graph *graph = NULL;
    struct cvy_plan *plan = NULL;
    struct cvy_tensor in = {0}, out = {0};
    cvy_log_set_callback(print, NULL, CVY_LOG_WARNING);
    int failed = argc != 4 || cvy_device_open(&device, NULL) || cvy_graph_load_onnx(&graph, argv[1], NULL) ||
                 cvy_graph_input_count(graph) != 1 || cvy_graph_output_count(graph) != 1 ||
                 cvy_tensor_load_npy(&in, argv[2]) ||
                 cvy_plan_create(&plan, graph, &device, 1,
                                 &(struct cvy_plan_params){.input_shapes = &in.shape, .n_input_shapes = 1}) ||
                 cvy_plan_run(plan, &in, &out) || cvy_tensor_save_npy(&out, argv[3]);
    if (failed)
        fprintf(stderr, "usage: run_model MODEL.onnx IN.npy OUT.npy (one input, one output, float32)\n");
    cvy_tensor_finish(&in);
    cvy_tensor_finish(&out);
    cvy_plan_destroy(&plan);
    cvy_graph_destroy(&graph);
    cvy_device_destroy(&device);
    return failed;
}
