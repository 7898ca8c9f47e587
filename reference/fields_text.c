/* Fields in words: one line, for notes, traces and the log. Bounded by the caller's buffer and by depth. */
#include "fields.h"
#include "fields_alloc.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define BYTES_SHOWN    8
#define TEXT_SHOWN     64
#define ELEMENTS_SHOWN 16

struct writer {
    char *buffer;
    size_t size, used;
};

__attribute__((format(printf, 2, 3))) static void put(struct writer *w, const char *format, ...)
{
    if (w->used + 1 >= w->size)
        return;
    va_list arguments;
    va_start(arguments, format);
    const int wanted = vsnprintf(w->buffer + w->used, w->size - w->used, format, arguments);
    va_end(arguments);
    if (wanted > 0)
        w->used += (size_t)wanted < w->size - w->used ? (size_t)wanted : w->size - w->used - 1;
}

static void put_bytes(struct writer *w, struct tc_slice bytes)
{
    put(w, "\"");
    for (size_t i = 0; i < bytes.len && i < BYTES_SHOWN; i++)
        put(w, "%02x", bytes.data[i]);
    put(w, bytes.len > BYTES_SHOWN ? "…\"" : "\"");
}

static void put_string(struct writer *w, struct tc_slice text)
{
    put(w, "\"");
    for (size_t i = 0; i < text.len && i < TEXT_SHOWN; i++) {
        const uint8_t c = text.data[i];
        if (c == '"' || c == '\\')
            put(w, "\\%c", c);
        else if (c < 0x20 || c >= 0x7f)
            put(w, "\\u%04x", c);
        else
            put(w, "%c", c);
    }
    put(w, text.len > TEXT_SHOWN ? "…\"" : "\"");
}

static void put_message(struct writer *w, struct tc_fields fields, unsigned depth);

static void put_value(struct writer *w, const ProtobufCFieldDescriptor *field, const struct tc_field_value *value,
                      unsigned depth)
{
    const ProtobufCEnumValue *named;
    switch (value->type) {
    case TC_FIELD_UINT:
        named = field->type == PROTOBUF_C_TYPE_ENUM && value->uint_value <= INT32_MAX
                    ? protobuf_c_enum_descriptor_get_value(field->descriptor, (int)value->uint_value)
                    : NULL;
        if (named)
            put(w, "\"%s\"", named->name);
        else
            put(w, "%llu", (unsigned long long)value->uint_value);
        break;
    case TC_FIELD_INT:
        put(w, "%lld", (long long)value->int_value);
        break;
    case TC_FIELD_BOOL:
        put(w, value->uint_value ? "true" : "false");
        break;
    case TC_FIELD_BYTES:
        put_bytes(w, value->bytes);
        break;
    case TC_FIELD_STRING:
        put_string(w, value->bytes);
        break;
    case TC_FIELD_MESSAGE:
        put_message(w, value->message, depth + 1);
        break;
    case TC_FIELD_NONE:
        put(w, "null");
        break;
    }
}

static void put_field(struct writer *w, struct tc_fields fields, const ProtobufCFieldDescriptor *field, unsigned depth)
{
    const size_t length = tc_fields_length(fields, field->name);
    struct tc_field_value value;
    if (field->label != PROTOBUF_C_LABEL_REPEATED) {
        (void)tc_fields_get(fields, field->name, 0, &value);
        put_value(w, field, &value, depth);
        return;
    }
    put(w, "[");
    for (size_t i = 0; i < length && i < ELEMENTS_SHOWN; i++) {
        put(w, i > 0 ? "," : "");
        (void)tc_fields_get(fields, field->name, i, &value);
        put_value(w, field, &value, depth);
    }
    put(w, length > ELEMENTS_SHOWN ? ",…]" : "]");
}

static void put_message(struct writer *w, struct tc_fields fields, unsigned depth)
{
    const ProtobufCMessageDescriptor *descriptor = fields.descriptor;
    if (!fields.base || depth > TC_FIELDS_DEPTH_MAX) {
        put(w, "null");
        return;
    }
    put(w, "{");
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        put(w, i > 0 ? ",\"%s\":" : "\"%s\":", descriptor->fields[i].name);
        put_field(w, fields, &descriptor->fields[i], depth);
    }
    put(w, "}");
}

const char *tc_fields_text(struct tc_fields fields, char *buffer, size_t size)
{
    struct writer w = {.buffer = buffer, .size = size};
    if (size == 0)
        return buffer;
    buffer[0] = 0;
    put_message(&w, fields, 0);
    return buffer;
}
