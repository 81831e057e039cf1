/* bytes.h - byte order of elements in files. */
#ifndef CVY_IMPORT_BYTES_H
#define CVY_IMPORT_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool cvy_host_is_little_endian(void)
{
    const uint16_t one = 1;
    return *(const uint8_t *)&one == 1;
}

/* Reverses the bytes of each of count elements. */
static inline void cvy_swap_bytes(void *data, size_t element_size, size_t count)
{
    uint8_t *byte = data;
    for (size_t i = 0; i < count; i++, byte += element_size) {
        for (size_t low = 0, high = element_size - 1; low < high; low++, high--) {
            uint8_t kept = byte[low];
            byte[low] = byte[high];
            byte[high] = kept;
        }
    }
}

#endif
