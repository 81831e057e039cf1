/* image.h - pictures as tensors: float32, 1 C H W, C = 1 (grey) or 3 (red, green, blue), 0 to 1. */
#ifndef TOOLS_IMAGE_H
#define TOOLS_IMAGE_H

#include <convoy/convoy.h>
#include <stdio.h>

/* No picture larger than this is read: a small file can claim any size. */
#define CVY_IMAGE_MAX_PIXELS ((size_t)1 << 28)

/* What a picture becomes after reading. All zeros: as it is in the file. */
struct cvy_image_params {
    size_t channels;      /* 1 or 3; 0 = as in the file */
    size_t height, width; /* 0 = as in the file */
    size_t n_mean, n_std; /* 0 = none, 1 = the same for all, or one for each channel */
    float mean[3], std[3];
};

/* An 8-bit picture, rows from the top, channels interleaved. */
struct cvy_image8 {
    size_t width, height, channels;
    unsigned char *pixels;
};

/* Whether this build has the codecs; prints what is missing for path if not. */
bool cvy_image_available(const char *path);
/* Each prints why it failed. Readers initialise tensor. Alpha is dropped. */
bool cvy_image_load_png(struct cvy_tensor *tensor, const char *path, FILE *file);
bool cvy_image_load_jpeg(struct cvy_tensor *tensor, const char *path, FILE *file);
bool cvy_image_save_png(const struct cvy_image8 *image, const char *path, FILE *file);
bool cvy_image_save_jpeg(const struct cvy_image8 *image, const char *path, FILE *file);

/* Allocates a picture's tensor, after checking the size against CVY_IMAGE_MAX_PIXELS. */
bool cvy_image_init(struct cvy_tensor *tensor, const char *path, size_t channels, size_t height,
                    size_t width);
/* Channels, then size, then mean and std. Replaces tensor. */
bool cvy_image_apply(struct cvy_tensor *tensor, const char *path, const struct cvy_image_params *params);
/* A value as an 8-bit sample: 0 to 1 becomes 0 to 255, beyond is cut, NaN becomes 0. */
unsigned char cvy_image_sample(float value);
/* Whether the shape is a picture: [1] C H W with C 1 or 3. */
bool cvy_image_is_shape(const struct cvy_shape *shape);
/* pixels is malloc'ed. The shape must be a picture's. */
bool cvy_image_to8(struct cvy_image8 *image, const struct cvy_tensor *tensor);

#endif
