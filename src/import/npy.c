#include <convoy/import.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/log.h"
#include "import/bytes.h"
#include "base/file.h"

static const char magic[6] = {'\x93', 'N', 'U', 'M', 'P', 'Y'};

static const struct {
    const char *code;
    enum cvy_dtype dtype;
} types[] = {
    {"f4", CVY_FLOAT32}, {"f8", CVY_FLOAT64}, {"f2", CVY_FLOAT16}, {"i1", CVY_INT8},
    {"i2", CVY_INT16},   {"i4", CVY_INT32},   {"i8", CVY_INT64},   {"u1", CVY_UINT8},
    {"u2", CVY_UINT16},  {"u4", CVY_UINT32},  {"u8", CVY_UINT64},  {"b1", CVY_BOOL},
};

/* What the header, a Python dict in text, says. */
struct header {
    enum cvy_dtype dtype;
    bool swapped;
    bool fortran;
    struct cvy_shape shape;
    bool has_descr, has_order, has_shape;
};

/* The text being parsed; `end` is where it stops. */
struct reader {
    const char *path;
    const char *at;
    const char *end;
};

static enum cvy_status fail_header(const struct reader *r, const char *what)
{
    return cvy_fail(CVY_ERROR_FORMAT, "%s: damaged .npy header (%s); write the file anew with numpy.save",
                    r->path, what);
}

static char peek(struct reader *r)
{
    while (r->at < r->end && isspace((unsigned char)*r->at))
        r->at++;
    return r->at < r->end ? *r->at : '\0';
}

static bool take(struct reader *r, char wanted)
{
    if (peek(r) != wanted || wanted == '\0')
        return false;
    r->at++;
    return true;
}

/* A quoted string without escapes, cut to size. */
static bool take_string(struct reader *r, char *text, size_t size)
{
    char quote = peek(r);
    if (quote != '\'' && quote != '"')
        return false;
    const char *begin = ++r->at;
    while (r->at < r->end && *r->at != quote)
        r->at++;
    if (r->at == r->end)
        return false;
    size_t length = CVY_MIN((size_t)(r->at - begin), size - 1);
    memcpy(text, begin, length);
    text[length] = '\0';
    r->at++;
    return true;
}

static bool take_word(struct reader *r, const char *word)
{
    size_t length = strlen(word);
    peek(r);
    if ((size_t)(r->end - r->at) < length || memcmp(r->at, word, length) != 0)
        return false;
    r->at += length;
    return true;
}

static bool take_number(struct reader *r, size_t *number)
{
    size_t value = 0;
    if (!isdigit((unsigned char)peek(r)))
        return false;
    for (; r->at < r->end && isdigit((unsigned char)*r->at); r->at++) {
        if (!cvy_mul(value, 10, &value) || !cvy_add(value, (size_t)(*r->at - '0'), &value))
            return false;
    }
    *number = value;
    take(r, 'L'); /* Python 2 wrote long integers so */
    return true;
}

static enum cvy_status parse_descr(struct reader *r, struct header *header)
{
    char text[32];
    if (!take_string(r, text, sizeof(text))) {
        if (peek(r) == '[')
            return cvy_fail(CVY_ERROR_UNSUPPORTED, "%s: holds records; save one plain array per file",
                            r->path);
        return fail_header(r, "'descr' is no string");
    }
    const char *code = strchr("<>|=", text[0]) && text[0] ? text + 1 : text;
    for (size_t i = 0; i < CVY_COUNT(types); i++) {
        if (strcmp(code, types[i].code) == 0) {
            header->dtype = types[i].dtype;
            header->swapped = (text[0] == '<' && !cvy_host_is_little_endian()) ||
                              (text[0] == '>' && cvy_host_is_little_endian());
            header->has_descr = true;
            return CVY_OK;
        }
    }
    return cvy_fail(CVY_ERROR_UNSUPPORTED, "%s: elements of type '%s' are not supported; save as float32",
                    r->path, text);
}

static enum cvy_status parse_shape(struct reader *r, struct header *header)
{
    if (!take(r, '('))
        return fail_header(r, "'shape' is no tuple");
    struct cvy_shape shape = {0};
    while (!take(r, ')')) {
        size_t dim;
        if (!take_number(r, &dim))
            return fail_header(r, "'shape' holds something other than sizes that fit this machine");
        if (shape.rank == CVY_MAX_RANK)
            return cvy_fail(CVY_ERROR_UNSUPPORTED, "%s: more than %d dimensions; reshape the array", r->path,
                            CVY_MAX_RANK);
        shape.dims[shape.rank++] = dim;
        if (!take(r, ',') && peek(r) != ')')
            return fail_header(r, "'shape' does not end");
    }
    header->shape = shape;
    header->has_shape = true;
    return CVY_OK;
}

static enum cvy_status parse_order(struct reader *r, struct header *header)
{
    header->fortran = take_word(r, "True");
    if (!header->fortran && !take_word(r, "False"))
        return fail_header(r, "'fortran_order' is neither True nor False");
    header->has_order = true;
    return CVY_OK;
}

static enum cvy_status parse_header(struct reader *r, struct header *header)
{
    if (!take(r, '{'))
        return fail_header(r, "no dictionary");
    while (!take(r, '}')) {
        char key[32];
        if (!take_string(r, key, sizeof(key)) || !take(r, ':'))
            return fail_header(r, "a key is missing");
        enum cvy_status status;
        if (strcmp(key, "descr") == 0)
            status = parse_descr(r, header);
        else if (strcmp(key, "fortran_order") == 0)
            status = parse_order(r, header);
        else if (strcmp(key, "shape") == 0)
            status = parse_shape(r, header);
        else
            status = fail_header(r, "an unknown key");
        if (status != CVY_OK)
            return status;
        if (!take(r, ',') && peek(r) != '}')
            return fail_header(r, "it does not end");
    }
    if (!header->has_descr || !header->has_order || !header->has_shape)
        return fail_header(r, "'descr', 'fortran_order' or 'shape' is missing");
    return CVY_OK;
}

/* Column-major src to row-major dst. */
static void rearrange(const struct cvy_shape *shape, size_t size, size_t elements, const uint8_t *src,
                      uint8_t *dst)
{
    size_t index[CVY_MAX_RANK] = {0};
    for (size_t i = 0; i < elements; i++) {
        size_t from = 0;
        for (size_t d = shape->rank; d-- > 0;)
            from = from * shape->dims[d] + index[d];
        memcpy(dst + i * size, src + from * size, size);
        for (size_t d = shape->rank; d-- > 0;) {
            if (++index[d] < shape->dims[d])
                break;
            index[d] = 0;
        }
    }
}

static enum cvy_status make_tensor(const char *path, const struct header *header, const uint8_t *data,
                                   size_t bytes, struct cvy_tensor *tensor)
{
    size_t size = cvy_dtype_size(header->dtype), elements = 1, needed = 0;
    bool fits = true;
    for (size_t i = 0; i < header->shape.rank; i++)
        fits = fits && cvy_mul(elements, header->shape.dims[i], &elements);
    if (!fits || !cvy_mul(elements, size, &needed))
        return cvy_fail(CVY_ERROR_FORMAT,
                        "%s: the shape in its header is larger than this machine can address", path);
    if (needed != bytes) {
        char text[128];
        return cvy_fail(
            CVY_ERROR_FORMAT, "%s: %s; its header promises %zu bytes (%s %s), %zu are there; write it anew",
            path, bytes < needed ? "truncated" : "longer than its array", needed,
            cvy_shape_format(&header->shape, text, sizeof(text)), cvy_dtype_name(header->dtype), bytes);
    }
    struct cvy_tensor made = {0};
    enum cvy_status status = cvy_tensor_init(&made, header->dtype, &header->shape);
    if (status != CVY_OK)
        return status;
    if (header->fortran)
        rearrange(&header->shape, size, elements, data, made.data);
    else
        memcpy(made.data, data, bytes);
    if (header->swapped)
        cvy_swap_bytes(made.data, size, elements);
    *tensor = made;
    return CVY_OK;
}

static enum cvy_status parse_file(const char *path, const uint8_t *data, size_t bytes,
                                  struct cvy_tensor *tensor)
{
    if (bytes < 8 || memcmp(data, magic, sizeof(magic)) != 0)
        return cvy_fail(CVY_ERROR_FORMAT, "%s: truncated or no .npy file; write one with numpy.save", path);
    if (data[6] < 1 || data[6] > 3)
        return cvy_fail(CVY_ERROR_UNSUPPORTED, "%s: .npy version %u.%u; versions 1 to 3 are read", path,
                        data[6], data[7]);
    size_t begin = data[6] == 1 ? 10 : 12, length = 0;
    if (bytes < begin)
        return cvy_fail(CVY_ERROR_FORMAT, "%s: truncated in its header; write it anew", path);
    for (size_t i = begin; i-- > 8;)
        length = length << 8 | data[i];
    if (length > bytes - begin)
        return cvy_fail(CVY_ERROR_FORMAT, "%s: truncated in its header (%zu of %zu bytes); write it anew",
                        path, bytes - begin, length);
    const char *text = (const char *)data + begin;
    struct reader reader = {.path = path, .at = text, .end = text + length};
    struct header header = {0};
    enum cvy_status status = parse_header(&reader, &header);
    if (status != CVY_OK)
        return status;
    return make_tensor(path, &header, data + begin + length, bytes - begin - length, tensor);
}

enum cvy_status cvy_tensor_load_npy(struct cvy_tensor *tensor, const char *path)
{
    uint8_t *data = NULL;
    size_t bytes = 0;
    enum cvy_status status = cvy_file_read(path, 0, &data, &bytes);
    if (status != CVY_OK)
        return status;
    status = parse_file(path, data, bytes, tensor);
    free(data);
    return status;
}

enum cvy_status cvy_tensor_save_npy(const struct cvy_tensor *tensor, const char *path)
{
    const char *code = NULL;
    for (size_t i = 0; i < CVY_COUNT(types); i++) {
        if (types[i].dtype == tensor->dtype)
            code = types[i].code;
    }
    if (code == NULL || tensor->data == NULL || tensor->shape.rank > CVY_MAX_RANK)
        return cvy_fail(CVY_ERROR_INVALID, "%s: the tensor to write is not initialised", path);
    char order = cvy_dtype_size(tensor->dtype) == 1 ? '|' : cvy_host_is_little_endian() ? '<' : '>';
    char text[512];
    int used = 10 + snprintf(text + 10, sizeof(text) - 10,
                             "{'descr': '%c%s', 'fortran_order': False, 'shape': (", order, code);
    for (size_t i = 0; i < tensor->shape.rank; i++)
        used += snprintf(text + used, sizeof(text) - (size_t)used, "%s%zu%s", i ? " " : "",
                         tensor->shape.dims[i], i + 1 < tensor->shape.rank || i == 0 ? "," : "");
    used += snprintf(text + used, sizeof(text) - (size_t)used, "), }");
    /* data begins at a multiple of 64, behind a newline */
    size_t total = cvy_round_up((size_t)used + 1, 64);
    memset(text + used, ' ', total - (size_t)used);
    text[total - 1] = '\n';
    memcpy(text, magic, sizeof(magic));
    text[6] = 1;
    text[7] = 0;
    text[8] = (char)((total - 10) & 255);
    text[9] = (char)((total - 10) >> 8);
    const struct cvy_piece pieces[] = {{text, total}, {tensor->data, tensor->bytes}};
    return cvy_file_write(path, pieces, CVY_COUNT(pieces));
}
