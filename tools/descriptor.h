/* descriptor.h - convolution problems as benchdnn and MIOpenDriver write them. */
#ifndef TOOLS_DESCRIPTOR_H
#define TOOLS_DESCRIPTOR_H

#include <convoy/convoy.h>

/* What a descriptor cannot say. */
struct cvy_descriptor_options {
    bool transposed, flip, bias;
    enum cvy_pad_mode pad_mode;
    size_t shuffle;
    size_t mb;                  /* batch; 0: as the descriptor says */
    enum cvy_auto_pad auto_pad; /* CVY_PAD_EXPLICIT: as the descriptor says */
};

struct cvy_descriptor {
    struct cvy_conv_problem problem;
    char name[64];       /* "" = none */
    const char *command; /* for messages: which command's --help to point at */
};

/* Whether a word begins a line of MIOpenDriver: "conv", "convfp16", ".../MIOpenDriver". */
bool cvy_descriptor_is_miopen(const char *word);
/* Whether it is the first of several such words, which takes all that follow: their options are not the
 * command's. */
bool cvy_descriptor_is_split(const char *word);
/* Such a line from its words, with blanks between them; the caller frees. NULL: out of memory. */
char *cvy_descriptor_join(char *const *words, int count);

/*
 * Reads a descriptor of either kind, applies the options and validates the problem. Returns an exit status;
 * what is wrong has been said.
 */
int cvy_descriptor_parse(struct cvy_descriptor *descriptor, const char *text,
                         const struct cvy_descriptor_options *options);
/* The two kinds, without options (transposed is looked at: it changes what an output size means). */
int cvy_descriptor_parse_benchdnn(struct cvy_descriptor *descriptor, const char *text, bool transposed);
int cvy_descriptor_parse_miopen(struct cvy_descriptor *descriptor, const char *text);

#endif
