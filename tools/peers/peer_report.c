/* peer_report.c - prints a race: a table as it goes, or CSV, or JSON at the end. */
#include "peer_report.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void add_to_mean(struct cvy_peer_mean *mean, const struct cvy_peer_race *race)
{
    const struct cvy_peer_entry *first = &race->entries[1];
    const double best = cvy_peer_race_best(race);
    const double ratio = first->algorithm[0] ? first->ratio : best;
    mean->disturbed += race->others > CVY_PEER_DISTURBED;
    mean->logarithms[0] += log(ratio);
    mean->logarithms[1] += log(best);
    if (mean->count++ == 0 || ratio < mean->least) {
        mean->least = ratio;
        snprintf(mean->worst, sizeof(mean->worst), "%s", race->name);
    }
}

static void print_mean(const struct cvy_peer_report *report, const char *what,
                       const struct cvy_peer_mean *mean)
{
    if (mean->count == 0) {
        return;
    }
    printf("%s: geometric mean %.3f", what, exp(mean->logarithms[0] / (double)mean->count));
    if (report->winograd) {
        printf(", against the better of both %.3f", exp(mean->logarithms[1] / (double)mean->count));
    }
    printf("; least %.3f (%s); %zu shapes", mean->least, mean->worst, mean->count);
    if (mean->disturbed > 0) {
        printf(", %zu of them disturbed", mean->disturbed);
    }
    printf("\n\n");
}

bool cvy_peer_report_begin(struct cvy_peer_report *report)
{
    if (report->json) {
        report->list = cJSON_CreateArray();
        return report->list != NULL;
    }
    if (report->csv) {
        printf("suite,layer,problem,batch,library,variant,algorithm,ms,gflops,ratio,error,others,why\n");
    }
    return true;
}

void cvy_peer_report_suite(struct cvy_peer_report *report, const char *suite)
{
    report->suite = (struct cvy_peer_mean){0};
    if (report->json || report->csv) {
        return;
    }
    printf("%-22s %-12s %9s %8s  %-24s %9s %6s", suite, "convoy", "ms", "GFLOP/s", report->peer, "ms",
           "ratio");
    if (report->winograd) {
        printf("  %-24s %9s %6s", "its Winograd", "ms", "ratio");
    }
    printf("\n");
}

static double gflops(const struct cvy_peer_race *race, const struct cvy_peer_entry *entry)
{
    struct cvy_conv_cost cost = {0};
    cvy_conv_get_cost(&race->job.problem, &cost);
    return entry->seconds > 0 ? 2e-9 * cost.multiplications / entry->seconds : 0;
}

static void print_row(const struct cvy_peer_race *race, bool raced)
{
    const struct cvy_peer_entry *ours = &race->entries[0];
    if (!raced) {
        printf("%-22s not raced:", race->name);
        for (size_t i = 0; i < race->n_entries; i++) {
            const struct cvy_peer_entry *entry = &race->entries[i];
            if (!entry->algorithm[0] && entry->why[0]) {
                printf(" %s %s: %s.", entry->library->name, entry->library->variants[entry->variant],
                       entry->why);
            }
        }
        printf("\n");
        return;
    }
    printf("%-22s %-12s %9.4f %8.1f", race->name, ours->algorithm, 1e3 * ours->seconds, gflops(race, ours));
    for (size_t i = 1; i < race->n_entries; i++) {
        const struct cvy_peer_entry *entry = &race->entries[i];
        if (entry->algorithm[0]) {
            printf("  %-24s %9.4f %6.3f", entry->algorithm, 1e3 * entry->seconds, entry->ratio);
        } else {
            printf("  %-24s %9s %6s", "-", "-", "-");
        }
    }
    if (race->others > CVY_PEER_DISTURBED) {
        printf("  disturbed: other processes kept %.2f cores busy", race->others);
    }
    printf("\n");
    for (size_t i = 1; race->failed && i < race->n_entries; i++) {
        printf("  %s %s: %s\n", race->entries[i].library->name,
               race->entries[i].library->variants[race->entries[i].variant], race->entries[i].why);
    }
}

static void print_csv(const struct cvy_peer_race *race, bool raced)
{
    for (size_t i = 0; i < race->n_entries; i++) {
        const struct cvy_peer_entry *entry = &race->entries[i];
        const bool timed = raced && entry->algorithm[0];
        printf("%s,%s,\"%.*s\",%zu,%s,%s,%s,%.6g,%.6g,%.6g,%.3g,%.2f,\"%s\"\n", race->suite, race->name,
               (int)strcspn(race->text, "n"), race->text, race->job.problem.n, entry->library->name,
               entry->library->variants[entry->variant], entry->algorithm, timed ? 1e3 * entry->seconds : NAN,
               timed ? gflops(race, entry) : NAN, timed ? entry->ratio : NAN, entry->error, race->others,
               entry->algorithm[0] ? "" : entry->why);
    }
}

static void add_json(struct cJSON *list, const struct cvy_peer_race *race, bool raced)
{
    cJSON *row = cJSON_CreateObject(), *entries = cJSON_CreateArray();
    cJSON_AddStringToObject(row, "suite", race->suite);
    cJSON_AddStringToObject(row, "layer", race->name);
    cJSON_AddStringToObject(row, "desc", race->text);
    cJSON_AddNumberToObject(row, "batch", (double)race->job.problem.n);
    cJSON_AddNumberToObject(row, "others", race->others);
    for (size_t i = 0; i < race->n_entries; i++) {
        const struct cvy_peer_entry *entry = &race->entries[i];
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "library", entry->library->name);
        cJSON_AddStringToObject(item, "variant", entry->library->variants[entry->variant]);
        if (raced && entry->algorithm[0]) {
            cJSON_AddStringToObject(item, "algorithm", entry->algorithm);
            cJSON_AddNumberToObject(item, "ms", 1e3 * entry->seconds);
            cJSON_AddNumberToObject(item, "gflops", gflops(race, entry));
            cJSON_AddNumberToObject(item, "ratio", entry->ratio);
            cJSON_AddNumberToObject(item, "error", entry->error);
        } else {
            cJSON_AddStringToObject(item, "why", entry->why);
        }
        cJSON_AddItemToArray(entries, item);
    }
    cJSON_AddItemToObject(row, "entries", entries);
    cJSON_AddItemToArray(list, row);
}

void cvy_peer_report_race(struct cvy_peer_report *report, const struct cvy_peer_race *race, bool raced)
{
    if (raced) {
        add_to_mean(&report->suite, race);
        add_to_mean(&report->all, race);
    }
    if (report->json) {
        add_json(report->list, race, raced);
    } else if (report->csv) {
        print_csv(race, raced);
    } else {
        print_row(race, raced);
    }
    fflush(stdout);
}

void cvy_peer_report_suite_end(struct cvy_peer_report *report, const char *suite)
{
    if (!report->json && !report->csv) {
        print_mean(report, suite, &report->suite);
    }
}

bool cvy_peer_report_end(struct cvy_peer_report *report, size_t suites)
{
    if (report->json) {
        return cvy_cli_print_json(report->list);
    }
    if (!report->csv && suites > 1) {
        print_mean(report, "all", &report->all);
    }
    return true;
}
