#include "text.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "../proxy/names.h"

struct tc_text tc_text_begin(char *buffer, size_t size)
{
    assert(size > 0);
    buffer[0] = '\0';
    return (struct tc_text){.buffer = buffer, .size = size};
}

void tc_text_add(struct tc_text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int wrote = vsnprintf(t->buffer + t->len, t->size - t->len, format, args);
    va_end(args);
    if (wrote < 0)
        return;
    size_t room = t->size - t->len - 1;
    t->len += (size_t)wrote < room ? (size_t)wrote : room;
}

void tc_text_number(struct tc_text *t, uint64_t number)
{
    char digits[32]; /* twenty, six commas and the end */
    size_t at = sizeof digits;
    uint32_t count = 0;
    digits[--at] = '\0';
    do {
        if (count > 0 && count % 3 == 0)
            digits[--at] = ',';
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
        count++;
    } while (number > 0);
    tc_text_add(t, "%s", digits + at);
}

void tc_text_value(struct tc_text *t, const struct tc_value *value)
{
    if (value->state == TC_VALUE_BYTES)
        tc_text_add(t, "%02x%02x…%02x", value->bytes[0], value->bytes[1], value->bytes[TC_VALUE_SIZE - 1]);
    else
        tc_text_add(t, "%s", value->state == TC_VALUE_NIL ? "nil" : "nothing");
}

void tc_text_nodes(struct tc_text *t, const struct tc_nodeset *set)
{
    const char *between = "";
    for (uint32_t node = 0; node < TC_NODES_MAX; node++) {
        if (!tc_nodeset_has(set, node))
            continue;
        char name[8];
        tc_text_add(t, "%s%s", between, tc_node_name(node, name));
        between = ", ";
    }
    if (between[0] == '\0')
        tc_text_add(t, "nobody");
}

void tc_text_who(struct tc_text *t, uint32_t node)
{
    char name[8];
    if (node >= TC_NODES_MAX)
        tc_text_add(t, "an unknown node");
    else
        tc_text_add(t, "%s %s", node < TC_CLIENT_FIRST ? "replica" : "client", tc_node_name(node, name));
}

void tc_text_whos(struct tc_text *t, const struct tc_nodeset *set)
{
    uint32_t count = tc_nodeset_count(set);
    if (count != 1) {
        tc_text_add(t, "%s", count ? "replicas " : "");
        tc_text_nodes(t, set);
        return;
    }
    for (uint32_t node = 0; node < TC_NODES_MAX; node++)
        if (tc_nodeset_has(set, node))
            tc_text_who(t, node);
}

/* value/scale with three significant digits, in integer arithmetic. */
static void add_scaled(struct tc_text *t, uint64_t value, uint64_t scale, const char *unit)
{
    uint64_t whole = value / scale;
    uint64_t thousandths = value % scale / (scale / 1000);
    if (whole >= 100)
        tc_text_add(t, "%" PRIu64 " %s", whole, unit);
    else if (whole >= 10)
        tc_text_add(t, "%" PRIu64 ".%" PRIu64 " %s", whole, thousandths / 100, unit);
    else
        tc_text_add(t, "%" PRIu64 ".%02" PRIu64 " %s", whole, thousandths / 10, unit);
}

void tc_text_duration(struct tc_text *t, uint64_t duration_ns)
{
    if (duration_ns == TC_NEVER_NS)
        tc_text_add(t, "never");
    else if (duration_ns >= 1000000000u)
        add_scaled(t, duration_ns, 1000000000u, "s");
    else if (duration_ns >= 1000000u)
        add_scaled(t, duration_ns, 1000000u, "ms");
    else if (duration_ns >= 1000u)
        add_scaled(t, duration_ns, 1000u, "us");
    else
        tc_text_add(t, "%" PRIu64 " ns", duration_ns);
}
