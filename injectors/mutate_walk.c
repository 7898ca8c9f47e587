/* The parts of a body: itself, and every message-typed field, in the order of the descriptors. */
#include "mutate_parts.h"

#include <stddef.h>

static bool certificate_of(const struct tc_mutator *mutator, const void *descriptor)
{
    const struct tc_protocol *protocol = mutator->protocol;
    for (size_t i = 0; i < protocol->row_count; i++) {
        const struct tc_message_row *row = &protocol->rows[i];
        if (row->descriptor == descriptor && !row->is_signed &&
            (row->kind == TC_KIND_CERTIFICATE || row->kind == TC_KIND_NEW_VIEW))
            return true;
    }
    return false;
}

static void add(struct tc_mutation *mutation, struct tc_fields fields, struct tc_fields parent, const char *name,
                size_t index)
{
    if (mutation->part_count == TC_MUTATE_PARTS_MAX || !fields.base)
        return;
    mutation->parts[mutation->part_count++] =
        (struct tc_part){.fields = fields,
                         .parent = parent,
                         .name = name,
                         .index = index,
                         .is_message = fields.descriptor == mutation->edited->envelope.descriptor,
                         .is_certificate = certificate_of(mutation->mutator, fields.descriptor)};
}

static void add_children(struct tc_mutation *mutation, struct tc_fields fields)
{
    for (size_t f = 0; f < tc_fields_count(fields); f++) {
        const char *name = tc_fields_name(fields, f);
        if (tc_fields_type(fields, name) != TC_FIELD_MESSAGE)
            continue;
        const size_t length = tc_fields_length(fields, name);
        for (size_t i = 0; i < length; i++) {
            struct tc_field_value value;
            if (tc_fields_get(fields, name, i, &value) == 0)
                add(mutation, value.message, fields, name, i);
        }
    }
}

void tc_mutate_walk(struct tc_mutation *mutation)
{
    mutation->part_count = 0;
    add(mutation, mutation->edited->statements[0].fields, (struct tc_fields){NULL, NULL}, NULL, 0);
    /* The list grows under way: breadth first. A message inside is opened by its own operator, not looked into. */
    for (size_t i = 0; i < mutation->part_count; i++)
        if (!mutation->parts[i].is_message)
            add_children(mutation, mutation->parts[i].fields);
}
