/* Reading and writing the fields of a decoded protobuf message by name, through its descriptor: what
 * Lua access, mutation, printing and the JSON log are derived from. */
#ifndef TC_FIELDS_H
#define TC_FIELDS_H

#include "../proxy/arena.h"
#include "../proxy/error.h"
#include "../proxy/types.h"

enum tc_field_type {
    TC_FIELD_NONE = 0,
    TC_FIELD_UINT,
    TC_FIELD_INT,
    TC_FIELD_BOOL,
    TC_FIELD_BYTES,
    TC_FIELD_STRING,
    TC_FIELD_MESSAGE
};

/* One value of a field. */
struct tc_field_value {
    enum tc_field_type type;
    uint64_t uint_value; /* uint, bool (0 or 1), enum */
    int64_t int_value;
    struct tc_slice bytes;    /* bytes, string (without NUL) */
    struct tc_fields message; /* nested message; base NULL if absent */
};

/* Number of fields the message has by its descriptor. */
size_t tc_fields_count(struct tc_fields fields);

/* Name of the index-th field (static, descriptor order); NULL past the end. Its type and whether it repeats. */
const char *tc_fields_name(struct tc_fields fields, size_t index);
enum tc_field_type tc_fields_type(struct tc_fields fields, const char *name);
bool tc_fields_repeated(struct tc_fields fields, const char *name);

/* Elements of a repeated field; 1 or 0 (absent message) for a single one; 0 if no such field. */
size_t tc_fields_length(struct tc_fields fields, const char *name);

/* The value (element `index`, 0 for a single field). TC_ENOT_FOUND for no such field or element. Bytes are borrowed. */
int tc_fields_get(struct tc_fields fields, const char *name, size_t index, struct tc_field_value *value);

/* Stores a value; bytes are copied into `arena`. In a repeated field, an index equal to its length appends.
 * TC_ENOT_FOUND no such field or element, TC_EUSAGE wrong type or out of
 * the field's range (e.g. 2^33 into uint32), TC_ELIMIT arena full. A nested message must have the field's descriptor.
 */
int tc_fields_set(struct tc_fields fields, const char *name, size_t index, const struct tc_field_value *value,
                  struct tc_arena *arena);

/* Repeated fields: removes element `index`, or inserts a copy of element `from` before `to`. Errors as tc_fields_set.
 */
int tc_fields_remove(struct tc_fields fields, const char *name, size_t index);
int tc_fields_duplicate(struct tc_fields fields, const char *name, size_t from, size_t to, struct tc_arena *arena);

/* A deep copy in `arena` (base NULL if it does not fit). */
struct tc_fields tc_fields_copy(struct tc_fields fields, struct tc_arena *arena);

/* One line of JSON-like text, bytes as hex shortened to 8 bytes; cut at `size`, always NUL-terminated. Returns
 * `buffer`. */
const char *tc_fields_text(struct tc_fields fields, char *buffer, size_t size);

/* The protobuf-c allocator over an arena: pass `&allocator` to unpack; free is a no-op. Returned by value; holds the
 * arena pointer. Declared in fields_alloc.h, which includes <protobuf-c/protobuf-c.h>. */

#endif
