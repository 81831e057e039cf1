#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool reserve(struct cvy_text *text, size_t extra)
{
    size_t need = text->length + extra + 1;
    if (need <= text->capacity)
        return true;
    size_t capacity = text->capacity * 2 > need ? text->capacity * 2 : need + 256;
    char *data = realloc(text->data, capacity);
    if (data == NULL)
        return false;
    text->data = data;
    text->capacity = capacity;
    return true;
}

void cvy_text_add(struct cvy_text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0 || text->failed || !reserve(text, (size_t)length)) {
        text->failed = true;
        return;
    }
    va_start(args, format);
    vsnprintf(text->data + text->length, (size_t)length + 1, format, args);
    va_end(args);
    text->length += (size_t)length;
}

static void add_bytes(struct cvy_text *text, const char *bytes, size_t length)
{
    if (text->failed || !reserve(text, length)) {
        text->failed = true;
        return;
    }
    memcpy(text->data + text->length, bytes, length);
    text->length += length;
    text->data[text->length] = '\0';
}

void cvy_text_add_string(struct cvy_text *text, const char *string)
{
    add_bytes(text, string, strlen(string));
}

void cvy_text_add_count(struct cvy_text *text, size_t count)
{
    char digits[3 * sizeof(count)];
    size_t at = sizeof(digits);
    do
        digits[--at] = (char)('0' + count % 10);
    while ((count /= 10) > 0);
    add_bytes(text, digits + at, sizeof(digits) - at);
}

void cvy_text_finish(struct cvy_text *text)
{
    free(text->data);
    *text = (struct cvy_text){0};
}

char *cvy_text_copy(const char *string)
{
    size_t bytes = strlen(string) + 1;
    char *copy = malloc(bytes);
    return copy ? memcpy(copy, string, bytes) : NULL;
}
