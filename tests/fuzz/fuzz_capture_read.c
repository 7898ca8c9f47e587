/* Any bytes as a capture file: the reader may refuse them, and nothing else. */
#define _GNU_SOURCE
#include "../../proxy/capture_read.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int each(void *self, const struct tc_capture_segment *segment)
{
    uint64_t *sum = self;
    for (size_t i = 0; i < segment->bytes.len; i++)
        *sum += segment->bytes.data[i];
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tc_capture_counts counts;
    struct tc_error err = {0};
    uint64_t sum = 0;
    FILE *file = size ? fmemopen((void *)(uintptr_t)data, size, "rb") : NULL;
    if (file)
        tc_capture_read_file(file, "fuzz", each, &sum, &counts, &err);
    return 0;
}
