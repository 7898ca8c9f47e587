/* Messages inside messages: view changes inside a new view, prepares inside a view change. Each is opened as the
 * message that it is, changed by an operator of its own, signed again if its sender is a traitor, and put back. */
#include "mutate_parts.h"

#include <stddef.h>

/* A frame of the protocol is made by the protocol: an empty message of some type lends its frame, and gets the
 * envelope.
 */
int tc_mutate_open(const struct tc_mutation *mutation, struct tc_fields envelope, struct tc_message *out)
{
    const struct tc_protocol *protocol = mutation->mutator->protocol;
    struct tc_message blank;
    struct tc_slice frame;
    int rc = protocol->build(mutation->original->type, mutation->arena, &blank);
    if (rc)
        return rc;
    blank.envelope = envelope;
    rc = protocol->encode(&blank, mutation->arena, &frame);
    if (rc)
        return rc;
    *out = (struct tc_message){.from = mutation->original->from, .to = mutation->original->to};
    return protocol->decode(frame, mutation->arena, out);
}

int tc_mutate_embedded(struct tc_mutation *mutation)
{
    const struct tc_part *found[TC_MUTATE_PARTS_MAX];
    struct tc_message inner, changed = {0};
    struct tc_slice frame;
    size_t count = 0;
    for (size_t i = 0; i < mutation->part_count; i++)
        if (mutation->parts[i].is_message)
            found[count++] = &mutation->parts[i];
    if (count == 0 || mutation->depth >= TC_MUTATE_DEPTH_MAX)
        return TC_EUNSUPPORTED;
    const struct tc_part *part = found[tc_mutate_draw(mutation, 1, count)];
    if (tc_mutate_open(mutation, part->fields, &inner) || inner.statement_count == 0)
        return TC_EUNSUPPORTED;
    uint32_t order[TC_OP_CORRUPT];
    tc_random_order(tc_random_mix(mutation->hash, 2), order, TC_OP_CORRUPT);
    int rc = TC_EUNSUPPORTED;
    for (size_t i = 0; i < TC_OP_CORRUPT && rc == TC_EUNSUPPORTED; i++)
        rc = tc_mutate_nested(mutation->mutator, (enum tc_operator)order[i], tc_random_mix(mutation->hash, 3),
                              mutation->depth + 1, &inner, mutation->arena, &frame);
    if (rc == 0)
        rc = mutation->mutator->protocol->decode(frame, mutation->arena, &changed);
    if (rc || !changed.envelope.base)
        return TC_EUNSUPPORTED;
    const struct tc_field_value value = {.type = TC_FIELD_MESSAGE, .message = changed.envelope};
    return tc_fields_set(part->parent, part->name, part->index, &value, mutation->arena);
}
