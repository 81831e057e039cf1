/* batch.c - reads files that list convolutions. */
#include "batch.h"

#include "cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char blanks[] = " \t\r\n";

static void cut_comment(char *line)
{
    for (char *at = line; *at; at++) {
        if (*at == '#' && (at == line || strchr(blanks, at[-1]))) {
            *at = '\0';
            return;
        }
    }
}

static void cut_trailing_blanks(char *line)
{
    size_t length = strlen(line);
    while (length > 0 && strchr(blanks, line[length - 1])) {
        line[--length] = '\0';
    }
}

/* Takes the options in front and leaves *at at the descriptor, or at the end of the line. */
static int read_options(char **at, const char *command, struct cvy_descriptor_options *lasting,
                        bool *transposed)
{
    *transposed = lasting->transposed;
    for (;;) {
        *at += strspn(*at, blanks);
        if (strncmp(*at, "--", 2) != 0) {
            return CVY_CLI_OK;
        }
        char *option = *at;
        *at += strcspn(*at, blanks);
        if (**at) {
            *(*at)++ = '\0';
        }
        if (strcmp(option, "--deconv") == 0) {
            *transposed = true;
        } else if (strncmp(option, "--mb=", 5) != 0) {
            return cvy_cli_usage(command, "%s: not an option of a batch file; there are --deconv and --mb=N",
                                 option);
        } else if (!cvy_cli_parse_size(option + 5, &lasting->mb)) {
            return cvy_cli_usage(command, "%s: not a whole number from 0", option);
        }
    }
}

static int add(struct cvy_batch *batch, const char *text, const char *command,
               const struct cvy_descriptor_options *options)
{
    struct cvy_batch_item *grown = realloc(batch->items, (batch->count + 1) * sizeof(*grown));
    if (grown) {
        batch->items = grown;
    }
    char *copy = grown ? strdup(text) : NULL;
    if (!copy) {
        cvy_cli_error("out of memory");
        return CVY_CLI_FAILED;
    }
    grown[batch->count] = (struct cvy_batch_item){.descriptor = {.command = command}, .text = copy};
    return cvy_descriptor_parse(&grown[batch->count++].descriptor, text, options);
}

static int read_line(struct cvy_batch *batch, char *line, const char *command,
                     struct cvy_descriptor_options *lasting)
{
    bool transposed;
    cut_comment(line);
    cut_trailing_blanks(line);
    int status = read_options(&line, command, lasting, &transposed);
    if (status != CVY_CLI_OK || !*line) {
        return status;
    }
    struct cvy_descriptor_options options = *lasting;
    options.transposed = transposed;
    return add(batch, line, command, &options);
}

int cvy_batch_load(struct cvy_batch *batch, const char *path, const char *command,
                   const struct cvy_descriptor_options *defaults)
{
    struct cvy_descriptor_options lasting = *defaults;
    char *line = NULL;
    size_t size = 0;
    int status = CVY_CLI_OK;
    *batch = (struct cvy_batch){0};
    FILE *file = fopen(path, "r");
    if (!file) {
        cvy_cli_error("%s: %s", path, strerror(errno));
        return CVY_CLI_FAILED;
    }
    for (size_t number = 1; status == CVY_CLI_OK && getline(&line, &size, file) >= 0; number++) {
        status = read_line(batch, line, command, &lasting);
        if (status != CVY_CLI_OK) {
            cvy_cli_error("%s:%zu: stopped at this line", path, number);
        }
    }
    if (status == CVY_CLI_OK && ferror(file)) {
        cvy_cli_error("%s: cannot be read", path);
        status = CVY_CLI_FAILED;
    } else if (status == CVY_CLI_OK && batch->count == 0) {
        cvy_cli_error("%s: no descriptor in it", path);
        status = CVY_CLI_FAILED;
    }
    free(line);
    fclose(file);
    if (status != CVY_CLI_OK) {
        cvy_batch_finish(batch);
    }
    return status;
}

void cvy_batch_finish(struct cvy_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        free(batch->items[i].text);
    }
    free(batch->items);
    *batch = (struct cvy_batch){0};
}
