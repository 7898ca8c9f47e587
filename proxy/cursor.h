/* Reading and writing bytes with bounds checked and a sticky error: read or write everything, then ask once whether it
 * all fitted. A failed reader gives zeros and empty slices; a failed writer writes nothing more. Integers are
 * big-endian unless the name says `le`. Pure; nothing here allocates. */
#ifndef TC_CURSOR_H
#define TC_CURSOR_H

#include "types.h"

/* Reads borrowed bytes from the front. */
struct tc_cursor {
    const uint8_t *_data;
    size_t _len, _at;
    bool _failed;
};

/* Writes into memory that the caller owns. */
struct tc_writer {
    uint8_t *_data;
    size_t _size, _at;
    bool _failed;
};

/* A cursor at the start of `bytes`, which must outlive it. */
struct tc_cursor tc_cursor_over(struct tc_slice bytes);

/* Was everything asked for so far there? Check once, at the end. */
bool tc_cursor_ok(const struct tc_cursor *c);

/* Everything fitted and nothing is left: what a strict decoder wants at its end. */
bool tc_cursor_done(const struct tc_cursor *c);

/* Bytes not read yet; 0 once failed. */
size_t tc_cursor_left(const struct tc_cursor *c);

/* The next integer; 0 if it is not there. */
uint8_t tc_cursor_u8(struct tc_cursor *c);
uint16_t tc_cursor_u16(struct tc_cursor *c);
uint32_t tc_cursor_u32(struct tc_cursor *c);
uint64_t tc_cursor_u64(struct tc_cursor *c);
uint32_t tc_cursor_u32le(struct tc_cursor *c);

/* A protobuf varint of at most ten bytes that fits 64 bits; 0 and failed otherwise. */
uint64_t tc_cursor_varint(struct tc_cursor *c);

/* The next `len` bytes, borrowed; {NULL, 0} if they are not there, never NULL if they are, be it none. */
struct tc_slice tc_cursor_bytes(struct tc_cursor *c, size_t len);

/* All bytes left, borrowed; the cursor is at its end then. */
struct tc_slice tc_cursor_rest(struct tc_cursor *c);

/* A writer into data[0 … size-1]. */
struct tc_writer tc_writer_into(uint8_t *data, size_t size);
/* Has everything fitted so far? Check once, at the end. */
bool tc_writer_ok(const struct tc_writer *w);

/* What was written; {NULL, 0} if something did not fit. Borrows the caller's memory. */
struct tc_slice tc_writer_bytes(const struct tc_writer *w);

/* Append a number (varint: as protobuf has it, 7 bits a byte, the lowest first) or bytes; nothing once one did not fit.
 */
void tc_writer_u8(struct tc_writer *w, uint8_t value);
void tc_writer_u16(struct tc_writer *w, uint16_t value);
void tc_writer_u32(struct tc_writer *w, uint32_t value);
void tc_writer_u64(struct tc_writer *w, uint64_t value);
void tc_writer_u32le(struct tc_writer *w, uint32_t value);
void tc_writer_u64le(struct tc_writer *w, uint64_t value);
void tc_writer_varint(struct tc_writer *w, uint64_t value);
void tc_writer_slice(struct tc_writer *w, struct tc_slice bytes);

#endif
