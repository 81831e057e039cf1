/* source.h - the text of kernel files: built in, or put in their place for one device. */
#ifndef CVY_RUNTIME_SOURCE_H
#define CVY_RUNTIME_SOURCE_H

#include "runtime/device.h"

/* The text that the device compiles; NULL for an unknown name. device NULL: the built-in one. Valid until the
 * source is replaced. */
const char *cvy_source_text(const struct cvy_device *device, const char *name);

/* Name of the index-th kernel that a text defines, cut to size bytes; false past the last. */
bool cvy_source_kernel(const char *text, size_t index, char *name, size_t size);

void cvy_sources_destroy(struct cvy_source **sources);

#endif
