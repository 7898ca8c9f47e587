/* Elements of lists: signers of a certificate, proofs of a view change, requests of a batch. Lists of one message that
 * are equally long run parallel (signers and their signatures) and are changed together. */
#include "mutate_parts.h"

#include <stddef.h>

struct list {
    struct tc_fields fields;
    const char *name;
    size_t length;
};

#define LISTS_MAX 64

/* The lists of a part with at least `length_min` elements. */
static size_t lists_of(struct tc_fields fields, size_t length_min, struct list *lists, size_t count)
{
    for (size_t f = 0; f < tc_fields_count(fields); f++) {
        const char *name = tc_fields_name(fields, f);
        if (!tc_fields_repeated(fields, name) || count == LISTS_MAX)
            continue;
        const size_t length = tc_fields_length(fields, name);
        if (length >= length_min)
            lists[count++] = (struct list){fields, name, length};
    }
    return count;
}

static bool choose(const struct tc_mutation *mutation, size_t length_min, struct list *out)
{
    struct list lists[LISTS_MAX];
    size_t count = 0;
    for (size_t p = 0; p < mutation->part_count; p++)
        if (!mutation->parts[p].is_message)
            count = lists_of(mutation->parts[p].fields, length_min, lists, count);
    if (count > 0)
        *out = lists[tc_mutate_draw(mutation, 1, count)];
    return count > 0;
}

static int set_element(struct list list, size_t at, const struct tc_field_value *value, struct tc_arena *arena)
{
    return tc_fields_set(list.fields, list.name, at, value, arena);
}

/* What is done to one list; from and to are below its length. */
typedef int change_fn(struct list list, size_t from, size_t to, struct tc_arena *arena);

static int duplicate(struct list list, size_t from, size_t to, struct tc_arena *arena)
{
    return tc_fields_duplicate(list.fields, list.name, from, to, arena);
}

static int take_out(struct list list, size_t from, size_t to, struct tc_arena *arena)
{
    (void)to;
    (void)arena;
    return tc_fields_remove(list.fields, list.name, from);
}

static int swap(struct list list, size_t from, size_t to, struct tc_arena *arena)
{
    struct tc_field_value a, b;
    int rc = tc_fields_get(list.fields, list.name, from, &a);
    if (rc == 0)
        rc = tc_fields_get(list.fields, list.name, to, &b);
    if (rc == 0)
        rc = set_element(list, from, &b, arena);
    return rc ? rc : set_element(list, to, &a, arena);
}

static int repeat(struct list list, size_t from, size_t to, struct tc_arena *arena)
{
    struct tc_field_value value;
    const int rc = tc_fields_get(list.fields, list.name, from, &value);
    return rc ? rc : set_element(list, to, &value, arena);
}

/* The list and those that run parallel to it. */
static int change(const struct tc_mutation *mutation, struct list chosen, change_fn *how)
{
    struct list lists[LISTS_MAX];
    const size_t count = lists_of(chosen.fields, 1, lists, 0);
    const size_t from = (size_t)tc_mutate_draw(mutation, 2, chosen.length);
    size_t to = (size_t)tc_mutate_draw(mutation, 3, chosen.length);
    int rc = 0;
    if (to == from)
        to = (to + 1) % chosen.length;
    for (size_t i = 0; i < count && rc == 0; i++)
        if (lists[i].length == chosen.length)
            rc = how(lists[i], from, to, mutation->arena);
    return rc == TC_EUSAGE || rc == TC_ENOT_FOUND ? TC_EUNSUPPORTED : rc;
}

static int change_any(const struct tc_mutation *mutation, size_t length_min, change_fn *how)
{
    struct list list;
    return choose(mutation, length_min, &list) ? change(mutation, list, how) : TC_EUNSUPPORTED;
}

int tc_mutate_duplicate(struct tc_mutation *mutation)
{
    return change_any(mutation, 1, duplicate);
}

int tc_mutate_remove(struct tc_mutation *mutation)
{
    return change_any(mutation, 1, take_out);
}

int tc_mutate_swap(struct tc_mutation *mutation)
{
    return change_any(mutation, 2, swap);
}

int tc_mutate_repeat(struct tc_mutation *mutation)
{
    return change_any(mutation, 2, repeat);
}

int tc_mutate_batch(struct tc_mutation *mutation)
{
    static change_fn *const ways[] = {take_out, duplicate, swap};
    struct list lists[LISTS_MAX];
    const uint64_t way = tc_mutate_draw(mutation, 4, 3);
    const size_t count = lists_of(mutation->edited->envelope, way == 2 ? 2 : 1, lists, 0);
    return count > 0 ? change(mutation, lists[0], ways[way]) : TC_EUNSUPPORTED;
}

/* ---- leaving out ---- */

static bool may_be_empty(struct tc_fields fields, const char *name)
{
    const enum tc_field_type type = tc_fields_type(fields, name);
    return tc_fields_repeated(fields, name) || type == TC_FIELD_MESSAGE || type == TC_FIELD_BYTES;
}

int tc_mutate_empty(struct tc_mutation *mutation)
{
    struct list sites[LISTS_MAX];
    size_t count = 0;
    for (size_t p = 0; p < mutation->part_count; p++) {
        const struct tc_fields fields = mutation->parts[p].fields;
        for (size_t f = 0; !mutation->parts[p].is_message && f < tc_fields_count(fields) && count < LISTS_MAX; f++) {
            const char *name = tc_fields_name(fields, f);
            if (may_be_empty(fields, name) && tc_fields_length(fields, name) > 0)
                sites[count++] = (struct list){fields, name, tc_fields_length(fields, name)};
        }
    }
    if (count == 0)
        return TC_EUNSUPPORTED;
    const struct list site = sites[tc_mutate_draw(mutation, 1, count)];
    if (tc_fields_repeated(site.fields, site.name)) {
        int rc = 0;
        while (rc == 0 && tc_fields_length(site.fields, site.name) > 0)
            rc = tc_fields_remove(site.fields, site.name, tc_fields_length(site.fields, site.name) - 1);
        return rc;
    }
    struct tc_field_value value;
    if (tc_fields_get(site.fields, site.name, 0, &value))
        return TC_EUNSUPPORTED;
    value.bytes = (struct tc_slice){NULL, 0};
    value.message.base = NULL;
    return tc_fields_set(site.fields, site.name, 0, &value, mutation->arena);
}
