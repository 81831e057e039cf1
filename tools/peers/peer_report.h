/* peer_report.h - what the race prints: tables, CSV, JSON. */
#ifndef TOOLS_PEERS_PEER_REPORT_H
#define TOOLS_PEERS_PEER_REPORT_H

#include "cli.h"
#include "peer.h"

/* Geometric means of the ratios. */
struct cvy_peer_mean {
    size_t count, disturbed;
    double logarithms[2]; /* of the default's ratio, of the least ratio; sums */
    double least;         /* ratio of the default */
    char worst[64];       /* its layer */
};

struct cvy_peer_report {
    bool csv, json;
    bool winograd; /* a second variant takes part */
    const char *peer;
    struct cvy_peer_mean suite, all;
    struct cJSON *list;
};

bool cvy_peer_report_begin(struct cvy_peer_report *report);
void cvy_peer_report_suite(struct cvy_peer_report *report, const char *suite);
/* raced: the times are there. */
void cvy_peer_report_race(struct cvy_peer_report *report, const struct cvy_peer_race *race, bool raced);
void cvy_peer_report_suite_end(struct cvy_peer_report *report, const char *suite);
bool cvy_peer_report_end(struct cvy_peer_report *report, size_t suites);

#endif
