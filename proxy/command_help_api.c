/* turncoat help api, help delay, help pbft: what script writers may use, from lua/api.def and from the protocols' own
 * tables and schemas. */
#include "command.h"

#include "../lua/api.h"
#include "../proxy/names.h"
#include "../reference/fields.h"
#include "../reference/protocol.h"

#include <protobuf-c/protobuf-c.h>
#include <stdio.h>
#include <string.h>

#define ARENA_MAX   ((size_t)1 << 20)
#define SCHEMAS_MAX 64

static void print_row(const struct tc_api_row *row)
{
    printf("  %s%s%s\n      %s\n", row->signature, row->gives[0] ? "  → " : "", row->gives, row->text);
}

static void print_all(void)
{
    enum tc_api_scope scope = TC_API_SCOPE_COUNT;
    printf("Times are seconds; a node is a number: replicas from 0, clients from 128. A message's fields by protocol: "
           "turncoat help pbft.\n");
    for (const struct tc_api_row *row = tc_api_rows; row->name; row++) {
        if (row->scope != scope)
            printf("\n%s\n", tc_api_scope_title(row->scope));
        scope = row->scope;
        print_row(row);
    }
}

/* "c:random", "m.view" and "random" all mean the entry; a prefix says of what. */
static bool matches(const struct tc_api_row *row, const char *name)
{
    static const struct {
        enum tc_api_scope scope;
        char letter;
    } prefixes[] = {{TC_API_CONTEXT, 'c'}, {TC_API_MESSAGE, 'm'}, {TC_API_EVENT, 'e'}};
    if (strcmp(row->name, name) == 0)
        return true;
    if (!name[0] || (name[1] != ':' && name[1] != '.'))
        return false;
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        if (prefixes[i].scope == row->scope && prefixes[i].letter == name[0])
            return strcmp(row->name, name + 2) == 0;
    return false;
}

bool tc_help_api(const char *name)
{
    bool found = strcmp(name, "api") == 0;
    if (found)
        print_all();
    for (const struct tc_api_row *row = tc_api_rows; row->name; row++) {
        if (!matches(row, name))
            continue;
        printf("%s%s\n", found ? "\n" : "", tc_api_scope_title(row->scope));
        print_row(row);
        found = true;
    }
    return found;
}

/* ---- protocols ---- */

static const char *type_name(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_BOOL:
        return "true or false";
    case PROTOBUF_C_TYPE_STRING:
        return "string";
    case PROTOBUF_C_TYPE_BYTES:
        return "bytes";
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return "whole number";
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_DOUBLE:
        return "number";
    default:
        return "whole number ≥ 0";
    }
}

/* Schemas whose fields are still to be printed, or were. */
struct schemas {
    const ProtobufCMessageDescriptor *items[SCHEMAS_MAX];
    size_t count;
};

static void add_schema(struct schemas *schemas, const ProtobufCMessageDescriptor *schema)
{
    for (size_t i = 0; i < schemas->count; i++)
        if (schemas->items[i] == schema)
            return;
    if (schemas->count < SCHEMAS_MAX)
        schemas->items[schemas->count++] = schema;
}

static void print_fields(const ProtobufCMessageDescriptor *schema, const struct tc_message_row *row,
                         struct schemas *nested)
{
    for (unsigned i = 0; i < schema->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &schema->fields[i];
        const ProtobufCMessageDescriptor *inner = field->type == PROTOBUF_C_TYPE_MESSAGE ? field->descriptor : NULL;
        printf("      %-18s %s%s", field->name, field->label == PROTOBUF_C_LABEL_REPEATED ? "list of " : "",
               inner ? inner->short_name : type_name(field->type));
        if (row && row->view_field && strcmp(row->view_field, field->name) == 0)
            printf("   = m.view");
        if (row && row->sequence_field && strcmp(row->sequence_field, field->name) == 0)
            printf("   = m.sequence");
        if (row && row->value_field && strcmp(row->value_field, field->name) == 0)
            printf("   = m.value (there in hexadecimal)");
        printf("\n");
        if (inner)
            add_schema(nested, inner);
    }
    if (!schema->n_fields)
        printf("      (no fields)\n");
}

static const ProtobufCMessageDescriptor *envelope_of(const struct tc_protocol *protocol, struct tc_arena *arena)
{
    struct tc_message m = {.sender = TC_NODE_NONE};
    if (!protocol->build || !protocol->row_count || protocol->build(protocol->rows[0].name, arena, &m) < 0)
        return NULL;
    return m.envelope.base ? m.envelope.descriptor : NULL;
}

bool tc_help_protocol(const char *name)
{
    const struct tc_protocol *protocol = tc_protocol_find(name);
    struct schemas nested = {.count = 0};
    struct tc_arena arena;
    if (!protocol)
        return false;
    printf("protocol %s: %s\n\nTypes of messages, for m.type, c:build(type, fields) and m.fields:\n", protocol->name,
           protocol->summary);
    for (size_t i = 0; i < protocol->row_count; i++) {
        const struct tc_message_row *row = &protocol->rows[i];
        const char *phase = tc_phase_name(row->phase);
        printf("\n  %s   kind %s%s%s%s\n", row->name, tc_kind_name(row->kind), *phase ? ", phase " : "", phase,
               row->is_signed ? ", signed" : "");
        if (row->descriptor)
            print_fields(row->descriptor, row, &nested);
    }
    tc_arena_init(&arena, ARENA_MAX);
    const ProtobufCMessageDescriptor *envelope = envelope_of(protocol, &arena);
    if (envelope) {
        printf("\n  the envelope, for m.envelope\n");
        print_fields(envelope, NULL, &nested);
    }
    tc_arena_free(&arena);
    for (size_t i = 0; i < nested.count; i++) { /* grows as it goes: what is nested in the nested comes after */
        printf("\n  %s, part of others\n", nested.items[i]->short_name);
        print_fields(nested.items[i], NULL, &nested);
    }
    return true;
}
