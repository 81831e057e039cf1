#include "tune_gemm.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SELF "/proc/self/exe"
#define MAX_SECONDS 120.0 /* for one setting: some send a compiler into a search without end */
#define WORTH 1.03        /* times as fast as the best so far: less is noise */
#define FINALISTS 3       /* the fastest are tried once more: other programs disturb the times */
#define MAX_RESULTS 64

extern char **environ;

struct result {
    char setting[CVY_GEMM_SETTING_BYTES];
    double gflops; /* the best of its trials, 0: unusable */
};

struct search {
    const struct cvy_cli_common *common;
    struct cvy_device *device;
    double began, deadline;
    double longest; /* seconds that a setting took so far */
    char best[CVY_GEMM_SETTING_BYTES];
    double best_gflops, own_gflops; /* of CLBlast's own parameters */
    size_t tried, failed;
    struct result results[MAX_RESULTS];
    size_t n_results;
    cJSON *rows; /* NULL: print lines */
};

/* The trial of one setting, in the process that the search starts: "convoy try-gemm DEVICE SEED SETTING". */
int cvy_cmd_try_gemm(int argc, char **argv)
{
    struct cvy_device *device = NULL;
    double gflops = 0;
    if (argc != 4) {
        return cvy_cli_usage("", "try-gemm: is for 'convoy tune --gemm' alone");
    }
    /* CLBlast prints compilers' words on stdout */
    int output = dup(STDOUT_FILENO);
    if (output < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
        cvy_cli_error("try-gemm: %s", strerror(errno));
        return CVY_CLI_FAILED;
    }
    /* no store: what it holds is not to be in force here */
    enum cvy_status status = cvy_device_open(&device, argv[1]);
    if (status == CVY_OK) {
        status = cvy_gemm_setting_try(device, argv[3], strtoull(argv[2], NULL, 10), &gflops);
    }
    cvy_device_destroy(&device);
    dprintf(output, "%d %.6g\n", (int)status, gflops);
    close(output);
    return status == CVY_OK ? CVY_CLI_OK : CVY_CLI_FAILED;
}

static bool start(const struct search *search, const char *setting, pid_t *pid, int *output)
{
    char seed[32];
    int ends[2];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(seed, sizeof(seed), "%" PRIu64, (uint64_t)now.tv_sec * 1000003 + (uint64_t)now.tv_nsec);
    char *const arguments[] = {(char *)"convoy",
                               (char *)"try-gemm",
                               (char *)cvy_device_get_info(search->device)->selector,
                               seed,
                               (char *)setting,
                               NULL};
    if (pipe(ends) != 0) {
        cvy_cli_error("tune --gemm: no pipe: %s", strerror(errno));
        return false;
    }
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    posix_spawn_file_actions_addclose(&actions, ends[1]);
    if (search->common->verbose == 0) {
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    }
    int error = posix_spawn(pid, SELF, &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (error != 0) {
        close(ends[0]);
        cvy_cli_error("tune --gemm: %s cannot be started: %s", SELF, strerror(error));
        return false;
    }
    *output = ends[0];
    return true;
}

/* Reads until the process closes its output or the time is over; false: it is over. */
static bool read_until(int output, double deadline, char *text, size_t size)
{
    size_t used = 0;
    for (;;) {
        double left = deadline - cvy_cli_now();
        struct pollfd wait = {.fd = output, .events = POLLIN};
        int ready = left > 0 ? poll(&wait, 1, (int)(left * 1e3) + 1) : 0;
        if (ready == 0) {
            return false;
        }
        ssize_t count = ready < 0 ? -1 : read(output, text + used, size - 1 - used);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0 || used + (size_t)count == size - 1) {
            text[used + (count > 0 ? (size_t)count : 0)] = '\0';
            return true;
        }
        used += (size_t)count;
    }
}

/* What came of a setting, in words; NULL where it is right. */
static const char *verdict(const char *text, bool in_time, int exit_status, double *gflops)
{
    int status;
    if (!in_time) {
        return "not done in time";
    }
    if (WIFSIGNALED(exit_status)) {
        return "crashes";
    }
    if (sscanf(text, "%d %lf", &status, gflops) != 2) {
        return "ends without a result";
    }
    switch ((enum cvy_status)status) {
    case CVY_OK:
        return NULL;
    case CVY_ERROR_DEVICE:
        return "wrong results";
    case CVY_ERROR_BUILD:
    case CVY_ERROR_INVALID:
        return "refused by CLBlast";
    default:
        return cvy_status_string((enum cvy_status)status);
    }
}

static void report(struct search *search, const char *setting, double gflops, const char *problem)
{
    const char *name = setting[0] != '\0' ? setting : "(CLBlast's own)";
    if (search->rows == NULL) {
        if (problem != NULL) {
            printf("%-22s %s\n", problem, name);
        } else {
            printf("%9.1f GFLOP/s      %s\n", gflops, name);
        }
        fflush(stdout);
        return;
    }
    cJSON *row = cJSON_CreateObject();
    cJSON_AddStringToObject(row, "setting", setting);
    if (problem != NULL) {
        cJSON_AddStringToObject(row, "problem", problem);
    } else {
        cJSON_AddNumberToObject(row, "gflops", gflops);
    }
    cJSON_AddItemToArray(search->rows, row);
}

static void note(struct search *search, const char *setting, double gflops)
{
    size_t i = 0;
    while (i < search->n_results && strcmp(search->results[i].setting, setting) != 0) {
        i++;
    }
    if (i == MAX_RESULTS) {
        return;
    }
    struct result *result = &search->results[i];
    if (i == search->n_results) {
        snprintf(result->setting, sizeof(result->setting), "%s", setting);
        search->n_results++;
    }
    result->gflops = gflops > result->gflops ? gflops : result->gflops;
    if (setting[0] == '\0') {
        search->own_gflops = result->gflops;
    }
    if (result->gflops > WORTH * search->best_gflops) {
        search->best_gflops = result->gflops;
        snprintf(search->best, sizeof(search->best), "%s", setting);
    }
}

/* false: no process can be started. */
static bool try_setting(struct search *search, const char *setting)
{
    pid_t pid;
    int output, exit_status = 0;
    char text[128] = "";
    double began = cvy_cli_now(), gflops = 0, limit = began + MAX_SECONDS;
    if (limit > search->deadline) {
        limit = search->deadline;
    }
    if (!start(search, setting, &pid, &output)) {
        return false;
    }
    bool in_time = read_until(output, limit, text, sizeof(text));
    close(output);
    if (!in_time) {
        kill(pid, SIGKILL);
    }
    while (waitpid(pid, &exit_status, 0) < 0 && errno == EINTR) {
    }
    double seconds = cvy_cli_now() - began;
    search->longest = seconds > search->longest ? seconds : search->longest;
    const char *problem = verdict(text, in_time, exit_status, &gflops);
    report(search, setting, gflops, problem);
    search->tried++;
    search->failed += problem != NULL;
    note(search, setting, problem == NULL ? gflops : 0);
    return true;
}

static bool has_time(const struct search *search)
{
    return cvy_cli_now() + search->longest < search->deadline;
}

/* The one that the store has goes first: it is to be beaten in today's conditions. */
static bool try_all(struct search *search)
{
    char setting[CVY_GEMM_SETTING_BYTES], kept[CVY_GEMM_SETTING_BYTES];
    snprintf(kept, sizeof(kept), "%s", cvy_gemm_setting_get(search->device, NULL));
    bool works = kept[0] == '\0' || try_setting(search, kept);
    for (size_t i = 0; works && has_time(search) &&
                       cvy_gemm_setting_at(search->device, i, search->best, setting, sizeof(setting));
         i++) {
        if (setting[0] == '\0' || strcmp(setting, kept) != 0) {
            works = try_setting(search, setting);
        }
    }
    return works;
}

static int compare_results(const void *a, const void *b)
{
    double x = ((const struct result *)a)->gflops, y = ((const struct result *)b)->gflops;
    return (x < y) - (x > y);
}

static bool try_finalists(struct search *search)
{
    bool works = true;
    struct result *results = search->results;
    qsort(results, search->n_results, sizeof(*results), compare_results);
    for (size_t i = 0; works && i < FINALISTS && i < search->n_results && results[i].gflops > 0; i++) {
        works = !has_time(search) || try_setting(search, results[i].setting);
    }
    qsort(results, search->n_results, sizeof(*results), compare_results);
    search->best_gflops = 0;
    if (search->n_results > 0) {
        note(search, results[0].setting, results[0].gflops);
    }
    return works;
}

static int finish(struct search *search)
{
    bool keeps = search->best_gflops > 0;
    if (keeps && cvy_gemm_setting_keep(search->device, search->best, search->best_gflops) != CVY_OK) {
        return CVY_CLI_FAILED;
    }
    double seconds = cvy_cli_now() - search->began;
    if (search->rows == NULL) {
        printf("\n%zu settings in %.1f s, %zu of them unusable; ", search->tried, seconds, search->failed);
        if (!keeps) {
            puts("none is kept");
        } else {
            printf("%.1f GFLOP/s kept", search->best_gflops);
            if (search->own_gflops > 0) {
                printf(", %.1f times CLBlast's own %.1f", search->best_gflops / search->own_gflops,
                       search->own_gflops);
            }
            putchar('\n');
        }
        return keeps ? CVY_CLI_OK : CVY_CLI_FAILED;
    }
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "device", cvy_device_get_info(search->device)->name);
    cJSON_AddNumberToObject(json, "seconds", seconds);
    cJSON_AddNumberToObject(json, "own_gflops", search->own_gflops);
    cJSON_AddNumberToObject(json, "gflops", search->best_gflops);
    cJSON_AddStringToObject(json, "setting", search->best);
    cJSON_AddItemToObject(json, "settings", search->rows);
    search->rows = NULL;
    return cvy_cli_print_json(json) && keeps ? CVY_CLI_OK : CVY_CLI_FAILED;
}

int cvy_tune_gemm(const struct cvy_cli_common *common, double budget)
{
    struct search search = {.common = common, .began = cvy_cli_now()};
    search.deadline = search.began + budget;
    if (!cvy_cli_open_device(&search.device, common)) {
        return CVY_CLI_FAILED;
    }
    search.rows = common->json ? cJSON_CreateArray() : NULL;
    int status = try_all(&search) && try_finalists(&search) ? finish(&search) : CVY_CLI_FAILED;
    cJSON_Delete(search.rows);
    cvy_device_destroy(&search.device);
    return status;
}
