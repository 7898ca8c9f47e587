/* The bytes of the durable log (layout: wal.h). Private to wal*.c and their tests. */
#ifndef TC_WAL_FORMAT_H
#define TC_WAL_FORMAT_H

#include "../proxy/types.h"

#define TC_WAL_HEADER_SIZE   24
#define TC_WAL_RECORD_HEADER 32

/* Bytes that a record of `len` bytes takes in the file, header and padding included. */
static inline size_t tc_wal_record_size(size_t len)
{
    return TC_WAL_RECORD_HEADER + (len + 7) / 8 * 8;
}

void tc_wal_header_encode(uint64_t number, uint8_t header[static TC_WAL_HEADER_SIZE]);

/* Writes tc_wal_record_size(record.len) bytes to `out`. */
void tc_wal_record_encode(uint64_t number, uint64_t sequence, uint64_t durable, struct tc_slice record, uint8_t *out);

#endif
