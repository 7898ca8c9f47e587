/* Numbers, values, and fields as an earlier message had them. */
#include "../proxy/nodeset.h"
#include "mutate_parts.h"

#include <stddef.h>
#include <string.h>

/* A field of a part that is no message of the protocol itself. */
struct site {
    struct tc_fields fields;
    const char *name;
    size_t index;
};

#define SITES_MAX 256

static bool is_number(enum tc_field_type type)
{
    return type == TC_FIELD_UINT || type == TC_FIELD_INT || type == TC_FIELD_BOOL;
}

static size_t number_sites(const struct tc_mutation *mutation, size_t parts, struct site *sites)
{
    size_t count = 0;
    for (size_t p = 0; p < parts && p < mutation->part_count; p++) {
        const struct tc_part *part = &mutation->parts[p];
        for (size_t f = 0; !part->is_message && f < tc_fields_count(part->fields); f++) {
            const char *name = tc_fields_name(part->fields, f);
            if (!is_number(tc_fields_type(part->fields, name)))
                continue;
            const size_t length = tc_fields_length(part->fields, name);
            for (size_t i = 0; i < length && count < SITES_MAX; i++)
                sites[count++] = (struct site){part->fields, name, i};
        }
    }
    return count;
}

static int change_number(struct tc_mutation *mutation, const struct site *site, bool extreme)
{
    static const uint64_t extremes[] = {0, UINT32_MAX, UINT64_MAX, UINT64_C(1) << 40, INT64_MAX, 1};
    struct tc_field_value value;
    int rc = tc_fields_get(site->fields, site->name, site->index, &value);
    if (rc)
        return TC_EUNSUPPORTED;
    uint64_t number = value.type == TC_FIELD_INT ? (uint64_t)value.int_value : value.uint_value;
    if (value.type == TC_FIELD_BOOL)
        number = !number;
    else if (extreme)
        number = extremes[tc_mutate_draw(mutation, 11, sizeof extremes / sizeof extremes[0])];
    else
        number += tc_mutate_draw(mutation, 12, 2) ? 1 : UINT64_MAX; /* a wrap below zero is one, too */
    value.uint_value = number;
    value.int_value = (int64_t)number;
    rc = tc_fields_set(site->fields, site->name, site->index, &value, mutation->arena);
    if (rc == TC_EUSAGE && number > UINT32_MAX) { /* a narrow field takes its own highest */
        value.uint_value = UINT32_MAX;
        value.int_value = INT32_MAX;
        rc = tc_fields_set(site->fields, site->name, site->index, &value, mutation->arena);
    }
    return rc == TC_EUSAGE ? TC_EUNSUPPORTED : rc;
}

/* View and sequence, if the table names them; else any number of the body. */
int tc_mutate_nudge(struct tc_mutation *mutation)
{
    struct site sites[SITES_MAX];
    const struct tc_message_row *row = tc_mutate_row(mutation->mutator, mutation->edited);
    size_t count = number_sites(mutation, 1, sites);
    if (row && (row->view_field || row->sequence_field) && tc_mutate_draw(mutation, 3, 4) > 0) {
        count = 0;
        if (row->view_field)
            sites[count++] = (struct site){mutation->parts[0].fields, row->view_field, 0};
        if (row->sequence_field)
            sites[count++] = (struct site){mutation->parts[0].fields, row->sequence_field, 0};
    }
    return count > 0 ? change_number(mutation, &sites[tc_mutate_draw(mutation, 1, count)], false) : TC_EUNSUPPORTED;
}

int tc_mutate_extreme(struct tc_mutation *mutation)
{
    struct site sites[SITES_MAX];
    const size_t count = number_sites(mutation, TC_MUTATE_PARTS_MAX, sites);
    return count > 0 ? change_number(mutation, &sites[tc_mutate_draw(mutation, 1, count)], true) : TC_EUNSUPPORTED;
}

/* One that somebody proposed or voted for, other than this. */
static bool other_value(const struct tc_mutation *mutation, const struct tc_value *value, struct tc_value *other)
{
    const struct tc_memory *heard = mutation->mutator->heard;
    for (uint64_t i = 0; heard && i < 4; i++) {
        const struct tc_memory_item *item =
            tc_memory_pick_kind(heard, 1u << TC_KIND_PROPOSE | 1u << TC_KIND_VOTE | 1u << TC_KIND_CHECKPOINT,
                                tc_random_mix(mutation->hash, 20 + i));
        if (item && item->value.state == TC_VALUE_BYTES &&
            memcmp(item->value.bytes, value->bytes, TC_VALUE_SIZE) != 0) {
            *other = item->value;
            return true;
        }
    }
    return false;
}

int tc_mutate_value(struct tc_mutation *mutation)
{
    const struct tc_message_row *row = tc_mutate_row(mutation->mutator, mutation->edited);
    struct tc_value value = mutation->edited->statements[0].value;
    if (!row || !row->value_field || value.state == TC_VALUE_ABSENT)
        return TC_EUNSUPPORTED;
    const uint64_t way = tc_mutate_draw(mutation, 1, 4);
    if (way == 0)
        memset(value.bytes, 0, TC_VALUE_SIZE); /* nothing, in most protocols */
    else if (way == 1 || !other_value(mutation, &value, &value))
        value.bytes[tc_mutate_draw(mutation, 2, TC_VALUE_SIZE)] ^= 1;
    const struct tc_field_value bytes = {.type = TC_FIELD_BYTES, .bytes = {value.bytes, TC_VALUE_SIZE}};
    return tc_fields_set(mutation->parts[0].fields, row->value_field, 0, &bytes, mutation->arena);
}

int tc_mutate_bytes(struct tc_mutation *mutation)
{
    struct site sites[SITES_MAX];
    struct tc_field_value value;
    size_t count = 0;
    for (size_t p = 0; p < mutation->part_count; p++) {
        const struct tc_part *part = &mutation->parts[p];
        for (size_t f = 0; !part->is_message && f < tc_fields_count(part->fields); f++) {
            const char *name = tc_fields_name(part->fields, f);
            const size_t length = tc_fields_length(part->fields, name);
            for (size_t i = 0; tc_fields_type(part->fields, name) == TC_FIELD_BYTES && i < length; i++)
                if (count < SITES_MAX)
                    sites[count++] = (struct site){part->fields, name, i};
        }
    }
    const struct site *site = &sites[count > 0 ? tc_mutate_draw(mutation, 1, count) : 0];
    if (count == 0 || tc_fields_get(site->fields, site->name, site->index, &value) || value.bytes.len == 0)
        return TC_EUNSUPPORTED;
    const struct tc_slice copy = tc_arena_copy(mutation->arena, value.bytes);
    if (!copy.data)
        return TC_ELIMIT;
    uint8_t *bytes = (uint8_t *)(uintptr_t)copy.data;
    bytes[tc_mutate_draw(mutation, 2, copy.len)] ^= (uint8_t)(1u << tc_mutate_draw(mutation, 3, 8));
    value.bytes = copy;
    return tc_fields_set(site->fields, site->name, site->index, &value, mutation->arena);
}

/* The same field of another message of this type; a list as a whole. */
static int take_field(struct tc_mutation *mutation, struct tc_fields from, const char *name)
{
    const struct tc_fields to = mutation->parts[0].fields;
    const bool repeated = tc_fields_repeated(to, name);
    int rc = 0;
    while (repeated && rc == 0 && tc_fields_length(to, name) > 0)
        rc = tc_fields_remove(to, name, tc_fields_length(to, name) - 1);
    const size_t length = repeated ? tc_fields_length(from, name) : 1;
    for (size_t i = 0; rc == 0 && i < length; i++) {
        struct tc_field_value value;
        if (tc_fields_get(from, name, i, &value))
            return TC_EUNSUPPORTED;
        rc = tc_fields_set(to, name, i, &value, mutation->arena);
    }
    return rc == TC_EUSAGE ? TC_EUNSUPPORTED : rc;
}

int tc_mutate_substitute(struct tc_mutation *mutation)
{
    const struct tc_fields body = mutation->parts[0].fields;
    struct tc_message earlier;
    const size_t count = tc_fields_count(body);
    const struct tc_memory_item *item =
        mutation->mutator->heard ? tc_memory_pick(mutation->mutator->heard, mutation->edited->statements[0].type,
                                                  TC_NODE_NONE, tc_random_mix(mutation->hash, 5))
                                 : NULL;
    if (count == 0 || !item || tc_mutate_recall(mutation->mutator, item, mutation->arena, &earlier) ||
        earlier.statement_count == 0)
        return TC_EUNSUPPORTED;
    return take_field(mutation, earlier.statements[0].fields,
                      tc_fields_name(body, (size_t)tc_mutate_draw(mutation, 1, count)));
}
