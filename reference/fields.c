/* Reading fields through the descriptor. A field is where `offset` says; `quantifier_offset` leads to
 * the count of a repeated field, the has_ flag of an optional scalar or the case of a oneof. */
#include "fields.h"
#include "fields_alloc.h"
#include <string.h>

const ProtobufCFieldDescriptor *tc_fields_find(struct tc_fields fields, const char *name)
{
    if (!fields.base || !fields.descriptor || !name)
        return NULL;
    return protobuf_c_message_descriptor_get_field_by_name(fields.descriptor, name);
}

enum tc_field_type tc_fields_type_of(const ProtobufCFieldDescriptor *field)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return TC_FIELD_INT;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_ENUM:
        return TC_FIELD_UINT;
    case PROTOBUF_C_TYPE_BOOL:
        return TC_FIELD_BOOL;
    case PROTOBUF_C_TYPE_STRING:
        return TC_FIELD_STRING;
    case PROTOBUF_C_TYPE_BYTES:
        return TC_FIELD_BYTES;
    case PROTOBUF_C_TYPE_MESSAGE:
        return TC_FIELD_MESSAGE;
    default:
        return TC_FIELD_NONE;
    }
}

size_t tc_fields_element_size(const ProtobufCFieldDescriptor *field)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return 8;
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    default:
        return 4;
    }
}

size_t tc_fields_count(struct tc_fields fields)
{
    const ProtobufCMessageDescriptor *descriptor = fields.descriptor;
    return fields.base && descriptor ? descriptor->n_fields : 0;
}

const char *tc_fields_name(struct tc_fields fields, size_t index)
{
    const ProtobufCMessageDescriptor *descriptor = fields.descriptor;
    return index < tc_fields_count(fields) ? descriptor->fields[index].name : NULL;
}

enum tc_field_type tc_fields_type(struct tc_fields fields, const char *name)
{
    const ProtobufCFieldDescriptor *field = tc_fields_find(fields, name);
    return field ? tc_fields_type_of(field) : TC_FIELD_NONE;
}

bool tc_fields_repeated(struct tc_fields fields, const char *name)
{
    const ProtobufCFieldDescriptor *field = tc_fields_find(fields, name);
    return field && field->label == PROTOBUF_C_LABEL_REPEATED;
}

/* Is a single field there at all? Scalars of proto3 always are. */
static bool is_present(struct tc_fields fields, const ProtobufCFieldDescriptor *field)
{
    if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
        uint32_t chosen;
        memcpy(&chosen, tc_fields_at(&fields, field->quantifier_offset), sizeof chosen);
        if (chosen != field->id)
            return false;
    }
    if (field->type != PROTOBUF_C_TYPE_MESSAGE)
        return true;
    void *nested;
    memcpy(&nested, tc_fields_at(&fields, field->offset), sizeof nested);
    return nested != NULL;
}

size_t tc_fields_length(struct tc_fields fields, const char *name)
{
    const ProtobufCFieldDescriptor *field = tc_fields_find(fields, name);
    size_t count;
    if (!field)
        return 0;
    if (field->label != PROTOBUF_C_LABEL_REPEATED)
        return is_present(fields, field) ? 1 : 0;
    memcpy(&count, tc_fields_at(&fields, field->quantifier_offset), sizeof count);
    return count;
}

static void read_number(const ProtobufCFieldDescriptor *field, const void *at, struct tc_field_value *value)
{
    if (field->type == PROTOBUF_C_TYPE_BOOL) {
        protobuf_c_boolean truth;
        memcpy(&truth, at, sizeof truth);
        value->uint_value = truth != 0;
    } else if (tc_fields_element_size(field) == 8) {
        memcpy(&value->uint_value, at, 8);
        value->int_value = (int64_t)value->uint_value;
    } else {
        uint32_t word;
        memcpy(&word, at, 4);
        value->uint_value = word;
        value->int_value = (int32_t)word;
    }
}

static int read_element(const ProtobufCFieldDescriptor *field, const void *at, struct tc_field_value *value)
{
    ProtobufCBinaryData binary;
    void *pointer;
    value->type = tc_fields_type_of(field);
    switch (value->type) {
    case TC_FIELD_NONE:
        return TC_ENOT_FOUND;
    case TC_FIELD_BYTES:
        memcpy(&binary, at, sizeof binary);
        value->bytes = (struct tc_slice){binary.data, binary.len};
        return 0;
    case TC_FIELD_STRING:
        memcpy(&pointer, at, sizeof pointer);
        value->bytes = (struct tc_slice){pointer, pointer ? strlen(pointer) : 0};
        return 0;
    case TC_FIELD_MESSAGE:
        memcpy(&pointer, at, sizeof pointer);
        value->message = (struct tc_fields){field->descriptor, pointer};
        return 0;
    default:
        read_number(field, at, value);
        return 0;
    }
}

int tc_fields_get(struct tc_fields fields, const char *name, size_t index, struct tc_field_value *value)
{
    const ProtobufCFieldDescriptor *field = tc_fields_find(fields, name);
    *value = (struct tc_field_value){.type = TC_FIELD_NONE};
    if (!field)
        return TC_ENOT_FOUND;
    const uint8_t *at = tc_fields_at(&fields, field->offset);
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        if (index >= tc_fields_length(fields, name))
            return TC_ENOT_FOUND;
        const uint8_t *items;
        memcpy(&items, at, sizeof items);
        at = items + index * tc_fields_element_size(field);
    } else if (index > 0 || (field->type != PROTOBUF_C_TYPE_MESSAGE && !is_present(fields, field))) {
        return TC_ENOT_FOUND;
    } else if (field->type == PROTOBUF_C_TYPE_MESSAGE && !is_present(fields, field)) {
        value->type = TC_FIELD_MESSAGE;
        value->message = (struct tc_fields){field->descriptor, NULL};
        return 0;
    }
    return read_element(field, at, value);
}
