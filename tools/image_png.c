/* image_png.c - PNG of any depth and colour type to float32, 8-bit PNG from it. */
#include "cli.h"
#include "image.h"

#include <png.h>
#include <setjmp.h>
#include <stdlib.h>

bool cvy_image_available(const char *path)
{
    (void)path;
    return true;
}

/* What must survive a longjmp out of libpng lives here, not in locals. */
struct codec {
    const char *path;
    const char *action;
    png_structp png;
    png_infop info;
    png_bytep data;
    png_bytepp rows;
    struct cvy_tensor tensor;
};

static void on_error(png_structp png, png_const_charp message)
{
    const struct codec *codec = png_get_error_ptr(png);
    cvy_cli_error("%s: %s (%s)", codec->path, codec->action, message);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static bool make_rows(struct codec *codec, size_t height, size_t row_bytes)
{
    codec->data = height && row_bytes <= SIZE_MAX / height ? malloc(height * row_bytes) : NULL;
    codec->rows = malloc(height * sizeof(*codec->rows));
    if (!codec->data || !codec->rows) {
        cvy_cli_error("%s: out of memory", codec->path);
        return false;
    }
    for (size_t y = 0; y < height; y++) {
        codec->rows[y] = codec->data + y * row_bytes;
    }
    return true;
}

static void to_float(struct codec *codec, size_t depth)
{
    const size_t *dims = codec->tensor.shape.dims;
    float *out = codec->tensor.data;
    for (size_t c = 0; c < dims[1]; c++) {
        for (size_t y = 0; y < dims[2]; y++) {
            for (size_t x = 0; x < dims[3]; x++) {
                const size_t i = x * dims[1] + c;
                const png_bytep row = codec->rows[y];
                *out++ = depth == 16 ? (float)(row[2 * i] << 8 | row[2 * i + 1]) / 65535.0f
                                     : (float)row[i] / 255.0f;
            }
        }
    }
}

static bool decode(struct codec *codec, FILE *file)
{
    if (setjmp(png_jmpbuf(codec->png))) {
        return false;
    }
    png_init_io(codec->png, file);
    png_read_info(codec->png, codec->info);
    const png_byte colour = png_get_color_type(codec->png, codec->info);
    if (colour == PNG_COLOR_TYPE_PALETTE) {
        png_set_palette_to_rgb(codec->png);
    }
    if (colour == PNG_COLOR_TYPE_GRAY) {
        png_set_expand_gray_1_2_4_to_8(codec->png);
    }
    png_set_strip_alpha(codec->png);
    png_set_interlace_handling(codec->png);
    png_read_update_info(codec->png, codec->info);

    const size_t height = png_get_image_height(codec->png, codec->info);
    const size_t channels = png_get_channels(codec->png, codec->info);
    if (!cvy_image_init(&codec->tensor, codec->path, channels, height,
                        png_get_image_width(codec->png, codec->info)) ||
        !make_rows(codec, height, png_get_rowbytes(codec->png, codec->info))) {
        return false;
    }
    png_read_image(codec->png, codec->rows);
    png_read_end(codec->png, NULL);
    to_float(codec, png_get_bit_depth(codec->png, codec->info));
    return true;
}

bool cvy_image_load_png(struct cvy_tensor *tensor, const char *path, FILE *file)
{
    struct codec codec = {.path = path, .action = "not a PNG, or a damaged or truncated one"};
    codec.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &codec, on_error, on_warning);
    codec.info = codec.png ? png_create_info_struct(codec.png) : NULL;
    bool done = false;
    if (!codec.info) {
        cvy_cli_error("%s: out of memory", path);
    } else {
        done = decode(&codec, file);
    }
    png_destroy_read_struct(&codec.png, &codec.info, NULL);
    free(codec.rows);
    free(codec.data);
    if (done) {
        *tensor = codec.tensor;
    } else {
        cvy_tensor_finish(&codec.tensor);
    }
    return done;
}

static bool encode(struct codec *codec, const struct cvy_image8 *image, FILE *file)
{
    if (setjmp(png_jmpbuf(codec->png))) {
        return false;
    }
    png_init_io(codec->png, file);
    png_set_IHDR(codec->png, codec->info, (png_uint_32)image->width, (png_uint_32)image->height, 8,
                 image->channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(codec->png, codec->info);
    for (size_t y = 0; y < image->height; y++) {
        png_write_row(codec->png, image->pixels + y * image->width * image->channels);
    }
    png_write_end(codec->png, NULL);
    return true;
}

bool cvy_image_save_png(const struct cvy_image8 *image, const char *path, FILE *file)
{
    if (image->width > PNG_USER_WIDTH_MAX || image->height > PNG_USER_HEIGHT_MAX) {
        cvy_cli_error("%s: %zu x %zu is too large for PNG; write .npy", path, image->width, image->height);
        return false;
    }
    struct codec codec = {.path = path, .action = "cannot be written"};
    codec.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &codec, on_error, on_warning);
    codec.info = codec.png ? png_create_info_struct(codec.png) : NULL;
    bool done = false;
    if (!codec.info) {
        cvy_cli_error("%s: out of memory", path);
    } else {
        done = encode(&codec, image, file);
    }
    png_destroy_write_struct(&codec.png, &codec.info);
    return done;
}
