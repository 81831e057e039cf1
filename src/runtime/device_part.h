/* device_part.h - equal parts of a device's compute units, as devices of their own. Inside runtime only. */
#ifndef CVY_RUNTIME_DEVICE_PART_H
#define CVY_RUNTIME_DEVICE_PART_H

#include "runtime/device.h"

/* Whether the device divides into equal parts. Drivers that can not may lack clCreateSubDevices(). */
bool cvy_device_divides(cl_device_id id);

/*
 * Cuts "/1of2" off the end of a selector: the first of two equal parts. text (size bytes) receives what is
 * left, part and parts the two numbers; both are 0, and text is the whole selector, where there is no such
 * end.
 */
enum cvy_status cvy_part_parse(const char *selector, char *text, size_t size, size_t *part, size_t *parts);

/* Replaces *id by the sub-device of that part, to be released by clReleaseDevice(), and fills info and cores.
 */
enum cvy_status cvy_part_take(cl_device_id *id, size_t part, size_t parts, struct cvy_device_info *info,
                              struct cvy_cores *cores);

/* Whether work of one may have to share a core with work of the other. */
bool cvy_cores_meet(const struct cvy_cores *a, const struct cvy_cores *b);

#endif
