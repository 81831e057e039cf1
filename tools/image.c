/* image.c - channels, scaling, normalisation and rounding of pictures. */
#include "image.h"

#include "cli.h"

#include <math.h>
#include <stdlib.h>

bool cvy_image_init(struct cvy_tensor *tensor, const char *path, size_t channels, size_t height, size_t width)
{
    if (height == 0 || width == 0 || height > CVY_IMAGE_MAX_PIXELS / width) {
        cvy_cli_error("%s: a picture of %zu x %zu; convoy reads 1 to %zu pixels", path, width, height,
                      CVY_IMAGE_MAX_PIXELS);
        return false;
    }
    struct cvy_shape shape = {.rank = 4, .dims = {1, channels, height, width}};
    return cvy_tensor_init(tensor, CVY_FLOAT32, &shape) == CVY_OK;
}

static bool change_channels(struct cvy_tensor *tensor, const char *path, size_t channels)
{
    const size_t pixels = tensor->shape.dims[2] * tensor->shape.dims[3];
    struct cvy_tensor out = {0};
    if (!cvy_image_init(&out, path, channels, tensor->shape.dims[2], tensor->shape.dims[3])) {
        return false;
    }
    const float *from = tensor->data;
    float *to = out.data;
    for (size_t i = 0; i < pixels; i++) {
        if (channels == 1) {
            /* ITU-R BT.601 luma */
            to[i] = 0.299f * from[i] + 0.587f * from[pixels + i] + 0.114f * from[2 * pixels + i];
        } else {
            to[i] = to[pixels + i] = to[2 * pixels + i] = from[i];
        }
    }
    cvy_tensor_finish(tensor);
    *tensor = out;
    return true;
}

/* Scaling along one axis with a triangle filter, widened when shrinking so that every value counts. */
struct resample {
    size_t from, to;     /* values in a line */
    size_t outer, inner; /* lines: outer blocks of inner ones, whose values alternate */
};

/* Adds up value `index` of every line. */
static void resample_one(const struct resample *r, size_t index, const float *source, float *target)
{
    double scale = (double)r->from / (double)r->to;
    double radius = scale > 1 ? scale : 1;
    double centre = ((double)index + 0.5) * scale - 0.5;
    double first = ceil(centre - radius), last = floor(centre + radius);
    size_t begin = first < 0 ? 0 : (size_t)first;
    size_t end = last >= (double)r->from ? r->from : (size_t)last + 1;
    double total = 0;
    for (size_t i = begin; i < end; i++) {
        total += fmax(0, 1 - fabs((double)i - centre) / radius);
    }
    for (size_t o = 0; o < r->outer; o++) {
        const float *in = source + o * r->from * r->inner;
        float *out = target + (o * r->to + index) * r->inner;
        for (size_t i = begin; i < end; i++) {
            float weight = (float)(fmax(0, 1 - fabs((double)i - centre) / radius) / total);
            for (size_t n = 0; n < r->inner; n++) {
                out[n] += weight * in[i * r->inner + n];
            }
        }
    }
}

static bool scale(struct cvy_tensor *tensor, const char *path, size_t height, size_t width)
{
    const size_t channels = tensor->shape.dims[1], old_height = tensor->shape.dims[2];
    struct cvy_tensor wide = {0}, out = {0};
    /* init zeroes: resample_one() adds to what is there */
    if (!cvy_image_init(&wide, path, channels, old_height, width) ||
        !cvy_image_init(&out, path, channels, height, width)) {
        cvy_tensor_finish(&wide);
        return false;
    }
    struct resample across = {tensor->shape.dims[3], width, channels * old_height, 1};
    for (size_t i = 0; i < width; i++) {
        resample_one(&across, i, tensor->data, wide.data);
    }
    struct resample down = {old_height, height, channels, width};
    for (size_t i = 0; i < height; i++) {
        resample_one(&down, i, wide.data, out.data);
    }
    cvy_tensor_finish(&wide);
    cvy_tensor_finish(tensor);
    *tensor = out;
    return true;
}

static bool normalise(struct cvy_tensor *tensor, const char *path, const struct cvy_image_params *params)
{
    const size_t channels = tensor->shape.dims[1], pixels = tensor->shape.dims[2] * tensor->shape.dims[3];
    if ((params->n_mean > 1 && params->n_mean != channels) ||
        (params->n_std > 1 && params->n_std != channels)) {
        cvy_cli_error("%s: %zu channels, but --mean has %zu and --std %zu values; give 1 or %zu", path,
                      channels, params->n_mean, params->n_std, channels);
        return false;
    }
    float *data = tensor->data;
    for (size_t c = 0; c < channels; c++) {
        float mean = params->n_mean ? params->mean[params->n_mean > 1 ? c : 0] : 0;
        float std = params->n_std ? params->std[params->n_std > 1 ? c : 0] : 1;
        for (size_t i = 0; i < pixels; i++) {
            data[c * pixels + i] = (data[c * pixels + i] - mean) / std;
        }
    }
    return true;
}

bool cvy_image_apply(struct cvy_tensor *tensor, const char *path, const struct cvy_image_params *params)
{
    if (params->channels && params->channels != tensor->shape.dims[1] &&
        !change_channels(tensor, path, params->channels)) {
        return false;
    }
    if (params->height && !scale(tensor, path, params->height, params->width)) {
        return false;
    }
    return (!params->n_mean && !params->n_std) || normalise(tensor, path, params);
}

unsigned char cvy_image_sample(float value)
{
    if (!(value > 0)) {
        return 0;
    }
    return value >= 1 ? 255 : (unsigned char)(value * 255 + 0.5f);
}

bool cvy_image_is_shape(const struct cvy_shape *shape)
{
    if (shape->rank < 3 || shape->rank > 4 || (shape->rank == 4 && shape->dims[0] != 1)) {
        return false;
    }
    const size_t *dims = shape->dims + shape->rank - 3;
    return (dims[0] == 1 || dims[0] == 3) && dims[1] > 0 && dims[2] > 0;
}

bool cvy_image_to8(struct cvy_image8 *image, const struct cvy_tensor *tensor)
{
    const size_t *dims = tensor->shape.dims + tensor->shape.rank - 3;
    const size_t channels = dims[0], pixels = dims[1] * dims[2];
    unsigned char *data = malloc(channels * pixels);
    if (!data) {
        cvy_cli_error("out of memory");
        return false;
    }
    const float *from = tensor->data;
    for (size_t c = 0; c < channels; c++) {
        for (size_t i = 0; i < pixels; i++) {
            data[i * channels + c] = cvy_image_sample(from[c * pixels + i]);
        }
    }
    *image = (struct cvy_image8){.width = dims[2], .height = dims[1], .channels = channels, .pixels = data};
    return true;
}
