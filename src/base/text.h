/* text.h - a string that grows. A failed allocation sticks and shows at the end. */
#ifndef CVY_BASE_TEXT_H
#define CVY_BASE_TEXT_H

#include <convoy/base.h>

/* Zeroed is empty. data is NULL while empty, otherwise terminated. */
struct cvy_text {
    char *data;
    size_t length;
    size_t capacity;
    bool failed; /* out of memory: data is what fitted */
};

void cvy_text_add(struct cvy_text *text, const char *format, ...) CVY_PRINTF(2, 3);
/* The same for what needs no format; faster. */
void cvy_text_add_string(struct cvy_text *text, const char *string);
void cvy_text_add_count(struct cvy_text *text, size_t count);
void cvy_text_finish(struct cvy_text *text);

/* A copy of a string, to be freed; NULL when out of memory. */
char *cvy_text_copy(const char *string);

#endif
