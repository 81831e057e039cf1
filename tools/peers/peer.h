/*
 * peer.h - races convoy against another library over lists of convolutions: same data, same threads, in
 * turns.
 *
 * A program for a peer fulfils struct cvy_peer_library and calls cvy_peer_main(); convoy itself is one more
 * library behind the same contract (peer_ours.c).
 */
#ifndef TOOLS_PEERS_PEER_H
#define TOOLS_PEERS_PEER_H

#include <convoy/convoy.h>

#define CVY_PEER_MAX_VARIANTS 2

/* One convolution to be run by every library. Tensors are plain: N C D H W and as in conv.h. */
struct cvy_peer_job {
    struct cvy_conv_problem problem;
    struct cvy_device *device;
    struct cvy_tensor x, w, y; /* y: the first library's result, to which the others are compared */
    const char *algo;          /* of convoy; NULL = its own choice */
    bool plain;                /* x and y stay plain; otherwise each library takes the layouts it likes */
};

struct cvy_peer_library {
    const char *name;
    /* Ways to do a convolution, each raced on its own: the default, and what --winograd adds. NULL: none. */
    const char *variants[CVY_PEER_MAX_VARIANTS];
    /* Once, before anything else; NULL: nothing to do. */
    bool (*open)(struct cvy_device *device);
    void (*close)(void);
    /* Makes one convolution ready: data in place, weights prepared, y poisoned. *run is set even on failure,
     * for destroy; why (size bytes) then receives the reason. */
    bool (*create)(void **run, const struct cvy_peer_job *job, size_t variant, char *why, size_t size);
    const char *(*algorithm)(const void *run);
    /* Begins one execution; it may return before that has ended. */
    bool (*enqueue)(void *run);
    bool (*wait)(void *run);
    bool (*read)(void *run, float *y); /* plain */
    void (*destroy)(void *run);        /* accepts NULL */
};

extern const struct cvy_peer_library cvy_peer_ours;

/* The result of one library's variant. */
struct cvy_peer_entry {
    const struct cvy_peer_library *library;
    size_t variant;
    void *run;
    char algorithm[64]; /* "" = it does not take part; then why says the reason */
    char why[256];
    size_t repeats; /* executions in a turn */
    double seconds; /* of one execution, median */
    double ratio;   /* its time over convoy's, median of the turns' ratios */
    double error;   /* largest difference from convoy's y, over the largest value of y */
};

#define CVY_PEER_MAX_ENTRIES (1 + CVY_PEER_MAX_VARIANTS)

/* One convolution with its entries; the first is convoy's. */
struct cvy_peer_race {
    const char *suite, *name, *text;
    struct cvy_peer_job job;
    struct cvy_peer_entry entries[CVY_PEER_MAX_ENTRIES];
    size_t n_entries;
    double others; /* cores that other processes kept busy meanwhile, as far as the system tells */
    bool failed;   /* a library failed, or a result is wrong */
};

/* Above this much of `others` the times are taken again, a few times, and marked if that did not help. */
#define CVY_PEER_DISTURBED 0.1

/* Makes the entries ready, compares their results and times them in `turns` turns. False where convoy or
 * every variant of the peer did not take part; race->failed tells whether that is an error. */
bool cvy_peer_race_run(struct cvy_peer_race *race, size_t turns, double tolerance);
void cvy_peer_race_finish(struct cvy_peer_race *race);
/* The least of the peer's ratios; 0 where none took part. */
double cvy_peer_race_best(const struct cvy_peer_race *race);

/* Reads the options, runs the lists, prints the tables. Returns an exit status. */
int cvy_peer_main(int argc, char **argv, const struct cvy_peer_library *peer);

#endif
