/* Any bytes after a sound header: records are handed over in order from 0 or refused, nothing is read past the end. */
#include "../../reference/wal.h"
#include "../../reference/wal_format.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct count {
    uint64_t records, bytes;
};

static int each(void *self, struct tc_slice record, struct tc_error *err)
{
    (void)err;
    struct count *count = self;
    count->records++;
    for (size_t i = 0; i < record.len; i++)
        count->bytes += 1u + (record.data[i] & 0u); /* touch every byte */
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tc_wal_end end;
    struct tc_error err = {0};
    struct count count = {0, 0};
    size_t len = TC_WAL_HEADER_SIZE + size;
    uint8_t *file = malloc(len);
    if (!file)
        return 0;
    tc_wal_header_encode(1, file);
    memcpy(file + TC_WAL_HEADER_SIZE, data, size);
    int rc = tc_wal_scan((struct tc_slice){file, len}, 1, each, &count, &end, &err);
    if (rc != 0 && rc != TC_EMALFORMED)
        abort();
    if (rc == 0 && (end.records != count.records || end.offset > len + 7 || count.bytes > size))
        abort();
    free(file);
    return 0;
}
