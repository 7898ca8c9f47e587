/* Writing fields through the descriptor. What is stored lives in the caller's arena; the memory it
 * displaces stays where it was until that arena is reset. */
#include "fields.h"
#include "fields_alloc.h"
#include <string.h>

static int number_in_range(const ProtobufCFieldDescriptor *field, const struct tc_field_value *value, uint64_t *bits)
{
    const enum tc_field_type wanted = tc_fields_type_of(field);
    const bool narrow = tc_fields_element_size(field) == 4;
    const bool negative = value->type == TC_FIELD_INT && value->int_value < 0;
    uint64_t word = value->type == TC_FIELD_INT ? (uint64_t)value->int_value : value->uint_value;

    if (wanted == TC_FIELD_BOOL) {
        if (value->type != TC_FIELD_BOOL || word > 1)
            return TC_EUSAGE;
    } else if (value->type != TC_FIELD_UINT && value->type != TC_FIELD_INT) {
        return TC_EUSAGE;
    } else if (wanted == TC_FIELD_UINT) {
        if (negative || (narrow && word > UINT32_MAX))
            return TC_EUSAGE;
    } else if (negative) {
        if (narrow && value->int_value < INT32_MIN)
            return TC_EUSAGE;
    } else if (word > (uint64_t)(narrow ? INT32_MAX : INT64_MAX)) {
        return TC_EUSAGE;
    }
    *bits = word;
    return 0;
}

static void store_number(const ProtobufCFieldDescriptor *field, void *at, uint64_t bits)
{
    if (field->type == PROTOBUF_C_TYPE_BOOL) {
        const protobuf_c_boolean truth = bits != 0;
        memcpy(at, &truth, sizeof truth);
    } else if (tc_fields_element_size(field) == 8) {
        memcpy(at, &bits, 8);
    } else {
        const uint32_t word = (uint32_t)bits;
        memcpy(at, &word, 4);
    }
}

static int store_bytes(const ProtobufCFieldDescriptor *field, void *at, struct tc_slice bytes, struct tc_arena *arena)
{
    const bool text = field->type == PROTOBUF_C_TYPE_STRING;
    if (text && bytes.len > 0 && memchr(bytes.data, 0, bytes.len))
        return TC_EUSAGE;
    if (bytes.len > TC_FRAME_MAX)
        return TC_ELIMIT;
    uint8_t *copy = tc_arena_alloc(arena, bytes.len + 1);
    if (!copy)
        return TC_ELIMIT;
    if (bytes.len > 0)
        memcpy(copy, bytes.data, bytes.len);
    copy[bytes.len] = 0;
    if (text) {
        memcpy(at, &copy, sizeof copy);
    } else {
        const ProtobufCBinaryData binary = {.len = bytes.len, .data = copy};
        memcpy(at, &binary, sizeof binary);
    }
    return 0;
}

static int store_message(const ProtobufCFieldDescriptor *field, void *at, struct tc_fields message,
                         struct tc_arena *arena)
{
    if (message.descriptor != field->descriptor)
        return TC_EUSAGE;
    if (!message.base && field->label == PROTOBUF_C_LABEL_REPEATED)
        return TC_EUSAGE;
    struct tc_fields copy = {message.descriptor, NULL};
    if (message.base) {
        copy = tc_fields_copy(message, arena);
        if (!copy.base)
            return TC_ELIMIT;
    }
    memcpy(at, &copy.base, sizeof copy.base);
    return 0;
}

static int store_element(const ProtobufCFieldDescriptor *field, void *at, const struct tc_field_value *value,
                         struct tc_arena *arena)
{
    uint64_t bits = 0;
    int rc;
    switch (tc_fields_type_of(field)) {
    case TC_FIELD_NONE:
        return TC_EUSAGE;
    case TC_FIELD_BYTES:
    case TC_FIELD_STRING:
        if (value->type != TC_FIELD_BYTES && value->type != TC_FIELD_STRING)
            return TC_EUSAGE;
        return store_bytes(field, at, value->bytes, arena);
    case TC_FIELD_MESSAGE:
        if (value->type != TC_FIELD_MESSAGE)
            return TC_EUSAGE;
        return store_message(field, at, value->message, arena);
    default:
        rc = number_in_range(field, value, &bits);
        if (rc == 0)
            store_number(field, at, bits);
        return rc;
    }
}

static uint8_t *repeated_items(struct tc_fields fields, const ProtobufCFieldDescriptor *field, size_t *count)
{
    uint8_t *items;
    memcpy(count, tc_fields_at(&fields, field->quantifier_offset), sizeof *count);
    memcpy(&items, tc_fields_at(&fields, field->offset), sizeof items);
    return items;
}

static void set_repeated(struct tc_fields fields, const ProtobufCFieldDescriptor *field, uint8_t *items, size_t count)
{
    memcpy(tc_fields_at(&fields, field->quantifier_offset), &count, sizeof count);
    memcpy(tc_fields_at(&fields, field->offset), &items, sizeof items);
}

/* A new list with a gap of one element at `gap`; the old list stays untouched, so a failure changes nothing. */
static uint8_t *widen(struct tc_fields fields, const ProtobufCFieldDescriptor *field, size_t gap,
                      struct tc_arena *arena)
{
    const size_t size = tc_fields_element_size(field);
    size_t count;
    const uint8_t *items = repeated_items(fields, field, &count);
    if (count >= TC_FRAME_MAX)
        return NULL;
    uint8_t *made = tc_arena_alloc(arena, (count + 1) * size);
    if (!made)
        return NULL;
    if (gap > 0)
        memcpy(made, items, gap * size);
    if (count > gap)
        memcpy(made + (gap + 1) * size, items + gap * size, (count - gap) * size);
    return made;
}

static int set_repeated_element(struct tc_fields fields, const ProtobufCFieldDescriptor *field, size_t index,
                                const struct tc_field_value *value, struct tc_arena *arena)
{
    size_t count;
    uint8_t *items = repeated_items(fields, field, &count);
    const size_t size = tc_fields_element_size(field);
    if (index > count)
        return TC_ENOT_FOUND;
    if (index < count)
        return store_element(field, items + index * size, value, arena);
    uint8_t *wider = widen(fields, field, count, arena);
    if (!wider)
        return TC_ELIMIT;
    const int rc = store_element(field, wider + count * size, value, arena);
    if (rc == 0)
        set_repeated(fields, field, wider, count + 1);
    return rc;
}

int tc_fields_set(struct tc_fields fields, const char *name, size_t index, const struct tc_field_value *value,
                  struct tc_arena *arena)
{
    const ProtobufCFieldDescriptor *field = tc_fields_find(fields, name);
    if (!field)
        return TC_ENOT_FOUND;
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return set_repeated_element(fields, field, index, value, arena);
    if (index > 0)
        return TC_ENOT_FOUND;
    const int rc = store_element(field, tc_fields_at(&fields, field->offset), value, arena);
    if (rc != 0)
        return rc;
    if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
        const uint32_t chosen = field->id;
        memcpy(tc_fields_at(&fields, field->quantifier_offset), &chosen, sizeof chosen);
    } else if (field->label == PROTOBUF_C_LABEL_OPTIONAL && field->type != PROTOBUF_C_TYPE_MESSAGE &&
               field->type != PROTOBUF_C_TYPE_STRING) {
        const protobuf_c_boolean has = 1;
        memcpy(tc_fields_at(&fields, field->quantifier_offset), &has, sizeof has);
    }
    return 0;
}

int tc_fields_remove(struct tc_fields fields, const char *name, size_t index)
{
    const ProtobufCFieldDescriptor *field = tc_fields_find(fields, name);
    size_t count;
    if (!field)
        return TC_ENOT_FOUND;
    if (field->label != PROTOBUF_C_LABEL_REPEATED)
        return TC_EUSAGE;
    uint8_t *items = repeated_items(fields, field, &count);
    const size_t size = tc_fields_element_size(field);
    if (index >= count)
        return TC_ENOT_FOUND;
    memmove(items + index * size, items + (index + 1) * size, (count - index - 1) * size);
    set_repeated(fields, field, items, count - 1);
    return 0;
}

int tc_fields_duplicate(struct tc_fields fields, const char *name, size_t from, size_t to, struct tc_arena *arena)
{
    const ProtobufCFieldDescriptor *field = tc_fields_find(fields, name);
    size_t count;
    struct tc_field_value value;
    if (!field)
        return TC_ENOT_FOUND;
    if (field->label != PROTOBUF_C_LABEL_REPEATED)
        return TC_EUSAGE;
    (void)repeated_items(fields, field, &count);
    if (from >= count || to > count)
        return TC_ENOT_FOUND;
    int rc = tc_fields_get(fields, name, from, &value);
    if (rc != 0)
        return TC_EUSAGE;
    uint8_t *wider = widen(fields, field, to, arena);
    if (!wider)
        return TC_ELIMIT;
    rc = store_element(field, wider + to * tc_fields_element_size(field), &value, arena);
    if (rc == 0)
        set_repeated(fields, field, wider, count + 1);
    return rc;
}

struct tc_fields tc_fields_copy(struct tc_fields fields, struct tc_arena *arena)
{
    struct tc_fields none = {fields.descriptor, NULL};
    struct tc_slice bytes;
    ProtobufCMessage *base;
    if (!fields.base || tc_fields_pack(fields.base, arena, &bytes) != 0)
        return none;
    if (tc_fields_unpack(fields.descriptor, bytes, arena, &base) != 0)
        return none;
    return (struct tc_fields){fields.descriptor, base};
}
