/* image_none.c - stands in for the codecs in a build without them. */
#include "cli.h"
#include "image.h"

bool cvy_image_available(const char *path)
{
    cvy_cli_error("%s: this convoy was built without PNG and JPEG; use .npy, or configure it with "
                  "-Dimages=enabled (needs libpng and libjpeg)",
                  path);
    return false;
}

bool cvy_image_load_png(struct cvy_tensor *tensor, const char *path, FILE *file)
{
    (void)tensor;
    (void)file;
    return cvy_image_available(path);
}

bool cvy_image_load_jpeg(struct cvy_tensor *tensor, const char *path, FILE *file)
{
    return cvy_image_load_png(tensor, path, file);
}

bool cvy_image_save_png(const struct cvy_image8 *image, const char *path, FILE *file)
{
    (void)image;
    (void)file;
    return cvy_image_available(path);
}

bool cvy_image_save_jpeg(const struct cvy_image8 *image, const char *path, FILE *file)
{
    return cvy_image_save_png(image, path, file);
}
