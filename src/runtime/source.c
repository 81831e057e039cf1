#include "runtime/source.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "runtime/program.h"

/* A text that stands in for a built-in one. */
struct cvy_source {
    struct cvy_source *next;
    char *name;
    char *text;
};

static const char *built_in(const char *name)
{
    for (const struct cvy_cl_source *source = cvy_cl_sources; source->name != NULL; source++) {
        if (strcmp(source->name, name) == 0)
            return source->text;
    }
    return NULL;
}

static struct cvy_source *replaced(const struct cvy_device *device, const char *name)
{
    struct cvy_source *source = device != NULL ? device->sources : NULL;
    while (source != NULL && strcmp(source->name, name) != 0)
        source = source->next;
    return source;
}

const char *cvy_source_text(const struct cvy_device *device, const char *name)
{
    const struct cvy_source *source = replaced(device, name);
    return source != NULL ? source->text : built_in(name);
}

static void source_destroy(struct cvy_source *source)
{
    if (source == NULL)
        return;
    free(source->name);
    free(source->text);
    free(source);
}

void cvy_sources_destroy(struct cvy_source **sources)
{
    while (*sources != NULL) {
        struct cvy_source *source = *sources;
        *sources = source->next;
        source_destroy(source);
    }
}

static struct cvy_source *source_create(const char *name, const char *text)
{
    struct cvy_source *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return NULL;
    made->name = cvy_text_copy(name);
    made->text = cvy_text_copy(text);
    if (made->name == NULL || made->text == NULL) {
        source_destroy(made);
        return NULL;
    }
    return made;
}

enum cvy_status cvy_device_set_kernel_source(struct cvy_device *device, const char *name, const char *text)
{
    if (device == NULL || name == NULL)
        return cvy_fail(CVY_ERROR_INVALID, "cvy_device_set_kernel_source: device or name is NULL; pass both");
    if (built_in(name) == NULL)
        return cvy_fail(CVY_ERROR_NOT_FOUND,
                        "kernel source: no file is called '%s'; list the names with cvy_kernel_file_name()",
                        name);
    struct cvy_source *made = NULL;
    if (text != NULL) {
        made = source_create(name, text);
        if (made == NULL)
            return cvy_fail_memory("a kernel source", strlen(text));
    }
    pthread_mutex_lock(&device->lock);
    struct cvy_source **at = &device->sources;
    while (*at != NULL && strcmp((*at)->name, name) != 0)
        at = &(*at)->next;
    struct cvy_source *old = *at;
    if (old != NULL)
        *at = old->next;
    if (made != NULL) {
        made->next = device->sources;
        device->sources = made;
    }
    cvy_programs_drop(device, name);
    pthread_mutex_unlock(&device->lock);
    source_destroy(old);
    return CVY_OK;
}

const char *cvy_kernel_file_name(size_t index)
{
    for (const struct cvy_cl_source *source = cvy_cl_sources; source->name != NULL; source++) {
        if (index-- == 0)
            return source->name;
    }
    return NULL;
}

const char *cvy_device_get_kernel_source(const struct cvy_device *device, const char *name)
{
    return name != NULL ? cvy_source_text(device, name) : NULL;
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* Past blanks, comments, directives and attributes. */
static const char *skip_between(const char *at)
{
    for (;;) {
        if (isspace((unsigned char)*at)) {
            at++;
        } else if (strncmp(at, "//", 2) == 0) {
            at += strcspn(at, "\n");
        } else if (strncmp(at, "/*", 2) == 0) {
            const char *end = strstr(at + 2, "*/");
            at = end != NULL ? end + 2 : at + strlen(at);
        } else if (*at == '#') {
            while (*at != '\0' && !(*at == '\n' && at[-1] != '\\'))
                at++;
        } else if (strncmp(at, "__attribute__", 13) == 0) {
            int depth = 0;
            for (at += 13; *at != '\0'; at++) {
                depth += (*at == '(') - (*at == ')');
                if (depth == 0 && *at == ')')
                    break;
            }
            at += *at != '\0';
        } else {
            return at;
        }
    }
}

/* The next word; *at ends behind it. Length 0: no word is there. */
static size_t next_word(const char **at, const char **word)
{
    *word = skip_between(*at);
    *at = *word;
    while (is_word(**at))
        (*at)++;
    return (size_t)(*at - *word);
}

static bool is(const char *word, size_t length, const char *text)
{
    return strlen(text) == length && strncmp(word, text, length) == 0;
}

bool cvy_source_kernel(const char *text, size_t index, char *name, size_t size)
{
    bool expected = false; /* __kernel has been seen, or TEAM_KERNEL( of cl/team.cl: its name is to come */
    for (const char *at = text; *skip_between(at) != '\0';) {
        const char *word;
        size_t length = next_word(&at, &word);
        if (length == 0) {
            at++;
        } else if (is(word, length, "__kernel") || is(word, length, "kernel")) {
            expected = true;
        } else if (is(word, length, "TEAM_KERNEL") || is(word, length, "TEAM_KERNEL_LOCAL")) {
            at = skip_between(at) + 1;
            length = next_word(&at, &word);
            if (index-- == 0) {
                snprintf(name, size, "%.*s", (int)length, word);
                return true;
            }
        } else if (expected && !is(word, length, "void")) {
            expected = false;
            if (*skip_between(at) == '(' && index-- == 0) {
                snprintf(name, size, "%.*s", (int)length, word);
                return true;
            }
        }
    }
    return false;
}
