/* Encoding and reading of the durable log's bytes, without I/O. */
#include "wal.h"
#include "wal_format.h"

#include <sodium.h>
#include <string.h>

#define RECORD_MAGIC 0x52574354u /* "TCWR" */

static const uint8_t file_magic[8] = {'T', 'C', 'W', 'A', 'L', 0, 0, 1};

static void put32(uint8_t *out, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(value >> (8 * i));
}

static void put64(uint8_t *out, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(value >> (8 * i));
}

static uint32_t get32(const uint8_t *in)
{
    return (uint32_t)in[0] | (uint32_t)in[1] << 8 | (uint32_t)in[2] << 16 | (uint32_t)in[3] << 24;
}

static uint64_t get64(const uint8_t *in)
{
    return (uint64_t)get32(in) | (uint64_t)get32(in + 4) << 32;
}

/* BLAKE2b-64 (the first half of a 128-bit one) over file number ‖ head ‖ bytes. */
static uint64_t checksum(uint64_t number, const uint8_t *head, size_t head_len, struct tc_slice bytes)
{
    uint8_t key[8], hash[crypto_generichash_blake2b_BYTES_MIN];
    crypto_generichash_blake2b_state state;
    put64(key, number);
    crypto_generichash_blake2b_init(&state, NULL, 0, sizeof hash);
    crypto_generichash_blake2b_update(&state, key, sizeof key);
    crypto_generichash_blake2b_update(&state, head, head_len);
    if (bytes.len)
        crypto_generichash_blake2b_update(&state, bytes.data, bytes.len);
    crypto_generichash_blake2b_final(&state, hash, sizeof hash);
    return get64(hash);
}

void tc_wal_header_encode(uint64_t number, uint8_t header[static TC_WAL_HEADER_SIZE])
{
    struct tc_slice none = {NULL, 0};
    memcpy(header, file_magic, sizeof file_magic);
    put64(header + 8, number);
    put64(header + 16, checksum(number, header, 16, none));
}

void tc_wal_record_encode(uint64_t number, uint64_t sequence, uint64_t durable, struct tc_slice record, uint8_t *out)
{
    memset(out, 0, tc_wal_record_size(record.len));
    put32(out, RECORD_MAGIC);
    put32(out + 4, (uint32_t)record.len);
    put64(out + 8, sequence);
    put64(out + 16, durable);
    put64(out + 24, checksum(number, out, 24, record));
    memcpy(out + TC_WAL_RECORD_HEADER, record.data, record.len);
}

struct record {
    uint64_t sequence, durable;
    struct tc_slice bytes;
};

/* Is there a whole, sound record at `offset`? */
static bool record_at(struct tc_slice file, uint64_t offset, uint64_t number, struct record *record)
{
    if (file.len < TC_WAL_RECORD_HEADER || offset > file.len - TC_WAL_RECORD_HEADER)
        return false;
    const uint8_t *head = file.data + offset;
    uint32_t len = get32(head + 4);
    if (get32(head) != RECORD_MAGIC || len == 0 || len > TC_WAL_RECORD_MAX)
        return false;
    if (len > file.len - offset - TC_WAL_RECORD_HEADER)
        return false;
    record->bytes = (struct tc_slice){head + TC_WAL_RECORD_HEADER, len};
    record->sequence = get64(head + 8);
    record->durable = get64(head + 16);
    return get64(head + 24) == checksum(number, head, 24, record->bytes);
}

/* Does a sound record after `offset` say that record `missing` had been durable? Its offset, or 0. */
static uint64_t contradiction(struct tc_slice file, uint64_t offset, uint64_t number, uint64_t missing)
{
    struct record record;
    for (uint64_t at = offset; at + TC_WAL_RECORD_HEADER <= file.len; at += 8)
        if (record_at(file, at, number, &record) && record.durable > missing)
            return at;
    return 0;
}

static bool all_zero(struct tc_slice file, uint64_t offset)
{
    for (uint64_t i = offset; i < file.len; i++)
        if (file.data[i])
            return false;
    return true;
}

static int check_header(struct tc_slice file, uint64_t number, struct tc_error *err)
{
    uint8_t header[TC_WAL_HEADER_SIZE];
    tc_wal_header_encode(number, header);
    if (file.len < sizeof header || memcmp(file.data, header, sizeof header) != 0)
        return tc_error_set(err, TC_EMALFORMED, "offset 0: expected the header of log file %llu",
                            (unsigned long long)number);
    return 0;
}

int tc_wal_scan(struct tc_slice file, uint64_t number, tc_wal_record_fn *each, void *self, struct tc_wal_end *end,
                struct tc_error *err)
{
    struct record record;
    int rc = check_header(file, number, err);
    if (rc < 0)
        return rc;
    *end = (struct tc_wal_end){.offset = TC_WAL_HEADER_SIZE};
    while (record_at(file, end->offset, number, &record) && record.sequence == end->records) {
        rc = each(self, record.bytes, err);
        if (rc < 0)
            return rc;
        end->offset += tc_wal_record_size(record.bytes.len);
        end->records++;
    }
    if (end->offset > file.len) /* the last record is whole, only its padding is missing */
        end->torn = true;
    else
        end->torn = !all_zero(file, end->offset);
    if (number > 1 && end->records == 0)
        return tc_error_set(err, TC_EMALFORMED, "offset %d: the snapshot that begins the file is corrupt",
                            TC_WAL_HEADER_SIZE);
    uint64_t later = end->torn ? contradiction(file, end->offset, number, end->records) : 0;
    if (later)
        return tc_error_set(err, TC_EMALFORMED,
                            "offset %llu: record %llu is corrupt though it was durable (the record at offset %llu says "
                            "so); restore the directory from a copy or begin with an empty one",
                            (unsigned long long)end->offset, (unsigned long long)end->records,
                            (unsigned long long)later);
    return 0;
}
