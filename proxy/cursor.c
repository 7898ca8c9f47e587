#include "cursor.h"

#include <string.h>

#define VARINT_BYTES_MAX 10

struct tc_cursor tc_cursor_over(struct tc_slice bytes)
{
    return (struct tc_cursor){bytes.data, bytes.len, 0, false};
}

bool tc_cursor_ok(const struct tc_cursor *c)
{
    return !c->_failed;
}

bool tc_cursor_done(const struct tc_cursor *c)
{
    return !c->_failed && c->_at == c->_len;
}

size_t tc_cursor_left(const struct tc_cursor *c)
{
    return c->_failed ? 0 : c->_len - c->_at;
}

/* NULL and failed unless `len` bytes are there. */
static const uint8_t *take(struct tc_cursor *c, size_t len)
{
    if (c->_failed || len > c->_len - c->_at) {
        c->_failed = true;
        return NULL;
    }
    static const uint8_t nothing[1];
    const uint8_t *at =
        c->_len > 0 ? c->_data + c->_at : nothing; /* memcpy and + may not be given NULL, even for 0 bytes */
    c->_at += len;
    return at;
}

static uint64_t take_big(struct tc_cursor *c, size_t len)
{
    const uint8_t *at = take(c, len);
    uint64_t value = 0;
    for (size_t i = 0; at && i < len; i++)
        value = value << 8 | at[i];
    return value;
}

static uint64_t take_little(struct tc_cursor *c, size_t len)
{
    const uint8_t *at = take(c, len);
    uint64_t value = 0;
    for (size_t i = len; at && i > 0; i--)
        value = value << 8 | at[i - 1];
    return value;
}

uint8_t tc_cursor_u8(struct tc_cursor *c)
{
    return (uint8_t)take_big(c, 1);
}

uint16_t tc_cursor_u16(struct tc_cursor *c)
{
    return (uint16_t)take_big(c, 2);
}

uint32_t tc_cursor_u32(struct tc_cursor *c)
{
    return (uint32_t)take_big(c, 4);
}

uint64_t tc_cursor_u64(struct tc_cursor *c)
{
    return take_big(c, 8);
}

uint32_t tc_cursor_u32le(struct tc_cursor *c)
{
    return (uint32_t)take_little(c, 4);
}

uint64_t tc_cursor_varint(struct tc_cursor *c)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < VARINT_BYTES_MAX; i++) {
        uint8_t byte = tc_cursor_u8(c);
        if (c->_failed || (i == VARINT_BYTES_MAX - 1 && byte > 1))
            break;
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80)
            return value;
    }
    c->_failed = true;
    return 0;
}

struct tc_slice tc_cursor_bytes(struct tc_cursor *c, size_t len)
{
    const uint8_t *at = take(c, len);
    return at ? (struct tc_slice){at, len} : (struct tc_slice){NULL, 0};
}

struct tc_slice tc_cursor_rest(struct tc_cursor *c)
{
    return tc_cursor_bytes(c, tc_cursor_left(c));
}

struct tc_writer tc_writer_into(uint8_t *data, size_t size)
{
    return (struct tc_writer){data, size, 0, false};
}

bool tc_writer_ok(const struct tc_writer *w)
{
    return !w->_failed;
}

struct tc_slice tc_writer_bytes(const struct tc_writer *w)
{
    return w->_failed ? (struct tc_slice){NULL, 0} : (struct tc_slice){w->_data, w->_at};
}

void tc_writer_slice(struct tc_writer *w, struct tc_slice bytes)
{
    if (w->_failed || bytes.len > w->_size - w->_at) {
        w->_failed = true;
        return;
    }
    if (bytes.len > 0)
        memcpy(w->_data + w->_at, bytes.data, bytes.len);
    w->_at += bytes.len;
}

static void put_big(struct tc_writer *w, uint64_t value, size_t len)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(value >> (8 * (len - 1 - i)));
    tc_writer_slice(w, (struct tc_slice){bytes, len});
}

static void put_little(struct tc_writer *w, uint64_t value, size_t len)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    tc_writer_slice(w, (struct tc_slice){bytes, len});
}

void tc_writer_u8(struct tc_writer *w, uint8_t value)
{
    put_big(w, value, 1);
}

void tc_writer_u16(struct tc_writer *w, uint16_t value)
{
    put_big(w, value, 2);
}

void tc_writer_u32(struct tc_writer *w, uint32_t value)
{
    put_big(w, value, 4);
}

void tc_writer_u64(struct tc_writer *w, uint64_t value)
{
    put_big(w, value, 8);
}

void tc_writer_u32le(struct tc_writer *w, uint32_t value)
{
    put_little(w, value, 4);
}

void tc_writer_u64le(struct tc_writer *w, uint64_t value)
{
    put_little(w, value, 8);
}

void tc_writer_varint(struct tc_writer *w, uint64_t value)
{
    uint8_t bytes[VARINT_BYTES_MAX];
    size_t len = 0;
    do {
        bytes[len] = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        value >>= 7;
        len++;
    } while (value > 0);
    tc_writer_slice(w, (struct tc_slice){bytes, len});
}
