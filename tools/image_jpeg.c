/* image_jpeg.c - JPEG to float32, JPEG from it. */
#include "cli.h"
#include "image.h"

#include <setjmp.h>
#include <stdlib.h>

#include <jpeglib.h>

#include <jerror.h>

#define QUALITY 95

/* First member is libjpeg's, so that its callbacks find the rest. */
struct failure {
    struct jpeg_error_mgr manager;
    jmp_buf out;
    const char *path;
    const char *action;
};

/* What must survive a longjmp out of libjpeg lives here, not in locals. */
struct decoder {
    struct jpeg_decompress_struct jpeg;
    struct failure failure;
    JSAMPROW row;
    struct cvy_tensor tensor;
};

struct encoder {
    struct jpeg_compress_struct jpeg;
    struct failure failure;
};

static void on_error(j_common_ptr jpeg)
{
    struct failure *failure = (struct failure *)jpeg->err;
    char text[JMSG_LENGTH_MAX];
    failure->manager.format_message(jpeg, text);
    cvy_cli_error("%s: %s (%s)", failure->path, failure->action, text);
    longjmp(failure->out, 1);
}

/* libjpeg fills what a truncated file lacks with grey; a network should not be fed that. */
static void on_message(j_common_ptr jpeg, int level)
{
    int code = jpeg->err->msg_code;
    if (level < 0 && (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER)) {
        on_error(jpeg);
    }
}

static struct jpeg_error_mgr *prepare(struct failure *failure, const char *path, const char *action)
{
    failure->path = path;
    failure->action = action;
    jpeg_std_error(&failure->manager);
    failure->manager.error_exit = on_error;
    failure->manager.emit_message = on_message;
    return &failure->manager;
}

static bool decode_rows(struct decoder *decoder)
{
    struct jpeg_decompress_struct *jpeg = &decoder->jpeg;
    const size_t width = jpeg->output_width, height = jpeg->output_height;
    const size_t channels = (size_t)jpeg->output_components;
    decoder->row = malloc(width * channels);
    if (!decoder->row) {
        cvy_cli_error("%s: out of memory", decoder->failure.path);
        return false;
    }
    float *data = decoder->tensor.data;
    while (jpeg->output_scanline < jpeg->output_height) {
        const size_t y = jpeg->output_scanline;
        jpeg_read_scanlines(jpeg, &decoder->row, 1);
        for (size_t c = 0; c < channels; c++) {
            for (size_t x = 0; x < width; x++) {
                data[(c * height + y) * width + x] = (float)decoder->row[x * channels + c] / 255.0f;
            }
        }
    }
    return true;
}

static bool decode(struct decoder *decoder, FILE *file)
{
    if (setjmp(decoder->failure.out)) {
        return false;
    }
    struct jpeg_decompress_struct *jpeg = &decoder->jpeg;
    jpeg_create_decompress(jpeg);
    jpeg_stdio_src(jpeg, file);
    jpeg_read_header(jpeg, TRUE);
    if (jpeg->jpeg_color_space == JCS_CMYK || jpeg->jpeg_color_space == JCS_YCCK) {
        cvy_cli_error("%s: a CMYK picture; convert it to RGB first", decoder->failure.path);
        return false;
    }
    jpeg->out_color_space = jpeg->jpeg_color_space == JCS_GRAYSCALE ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_start_decompress(jpeg);
    if (!cvy_image_init(&decoder->tensor, decoder->failure.path, (size_t)jpeg->output_components,
                        jpeg->output_height, jpeg->output_width) ||
        !decode_rows(decoder)) {
        return false;
    }
    jpeg_finish_decompress(jpeg);
    return true;
}

bool cvy_image_load_jpeg(struct cvy_tensor *tensor, const char *path, FILE *file)
{
    struct decoder decoder = {0};
    decoder.jpeg.err = prepare(&decoder.failure, path, "not a JPEG, or a damaged or truncated one");
    bool done = decode(&decoder, file);
    jpeg_destroy_decompress(&decoder.jpeg);
    free(decoder.row);
    if (done) {
        *tensor = decoder.tensor;
    } else {
        cvy_tensor_finish(&decoder.tensor);
    }
    return done;
}

static bool encode(struct encoder *encoder, const struct cvy_image8 *image, FILE *file)
{
    if (setjmp(encoder->failure.out)) {
        return false;
    }
    struct jpeg_compress_struct *jpeg = &encoder->jpeg;
    jpeg_create_compress(jpeg);
    jpeg_stdio_dest(jpeg, file);
    jpeg->image_width = (JDIMENSION)image->width;
    jpeg->image_height = (JDIMENSION)image->height;
    jpeg->input_components = (int)image->channels;
    jpeg->in_color_space = image->channels == 3 ? JCS_RGB : JCS_GRAYSCALE;
    jpeg_set_defaults(jpeg);
    jpeg_set_quality(jpeg, QUALITY, TRUE);
    jpeg_start_compress(jpeg, TRUE);
    while (jpeg->next_scanline < jpeg->image_height) {
        JSAMPROW row = image->pixels + jpeg->next_scanline * image->width * image->channels;
        jpeg_write_scanlines(jpeg, &row, 1);
    }
    jpeg_finish_compress(jpeg);
    return true;
}

bool cvy_image_save_jpeg(const struct cvy_image8 *image, const char *path, FILE *file)
{
    if (image->width > JPEG_MAX_DIMENSION || image->height > JPEG_MAX_DIMENSION) {
        cvy_cli_error("%s: %zu x %zu is too large for JPEG; write .npy", path, image->width, image->height);
        return false;
    }
    struct encoder encoder = {0};
    encoder.jpeg.err = prepare(&encoder.failure, path, "cannot be written");
    bool done = encode(&encoder, image, file);
    jpeg_destroy_compress(&encoder.jpeg);
    return done;
}
