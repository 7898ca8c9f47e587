/* Bytes that grow. */
#include "transport.h"

#include <stdlib.h>
#include <string.h>

uint8_t *tc_bytes_reserve(struct tc_bytes *bytes, size_t len)
{
    if (len <= bytes->size - bytes->len)
        return bytes->data + bytes->len;
    size_t size = bytes->size ? bytes->size : 2048;
    while (size - bytes->len < len)
        size *= 2;
    uint8_t *data = realloc(bytes->data, size);
    if (!data)
        return NULL;
    bytes->data = data;
    bytes->size = size;
    return data + bytes->len;
}

int tc_bytes_append(struct tc_bytes *bytes, struct tc_slice more)
{
    if (more.len == 0)
        return 0;
    uint8_t *at = tc_bytes_reserve(bytes, more.len);
    if (!at)
        return TC_EMEMORY;
    memcpy(at, more.data, more.len);
    bytes->len += more.len;
    return 0;
}

void tc_bytes_drop(struct tc_bytes *bytes, size_t len)
{
    bytes->len -= len;
    if (bytes->len > 0)
        memmove(bytes->data, bytes->data + len, bytes->len);
}

void tc_bytes_free(struct tc_bytes *bytes)
{
    free(bytes->data);
    *bytes = (struct tc_bytes){0};
}

struct tc_slice tc_bytes_slice(const struct tc_bytes *bytes)
{
    return (struct tc_slice){bytes->data, bytes->len};
}
