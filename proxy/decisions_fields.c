/* The fields of a line of a decisions file. */
#include "decisions_internal.h"

#include "nodeset.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int tc_decisions_expected(struct tc_decisions_reader *r, const char *what)
{
    return tc_error_set(r->err, TC_EMALFORMED, "%s:%u: expected %s", r->path, r->line, what);
}

/* ---- fields: what is missing keeps the default, what is of another kind is an error ---- */

int tc_decisions_number(struct tc_decisions_reader *r, const json_t *line, const char *name, uint64_t otherwise,
                        uint64_t *out)
{
    const json_t *value = json_object_get(line, name);
    char what[96], *rest = NULL;
    *out = otherwise;
    if (!value)
        return 0;
    if (json_is_integer(value) && json_integer_value(value) >= 0) {
        *out = (uint64_t)json_integer_value(value);
        return 0;
    }
    const char *text = json_string_value(value);
    if (text && strncmp(text, "0x", 2) == 0 && text[2]) {
        errno = 0;
        *out = strtoull(text, &rest, 16);
        if (errno == 0 && *rest == 0)
            return 0;
    }
    snprintf(what, sizeof what, "\"%s\" to be a number", name);
    return tc_decisions_expected(r, what);
}

int tc_decisions_small(struct tc_decisions_reader *r, const json_t *line, const char *name, uint64_t max, uint32_t *out)
{
    uint64_t value;
    char what[96];
    int status = tc_decisions_number(r, line, name, 0, &value);
    *out = (uint32_t)value;
    if (status == 0 && value > max) {
        snprintf(what, sizeof what, "\"%s\" to be at most %llu", name, (unsigned long long)max);
        status = tc_decisions_expected(r, what);
    }
    return status;
}

int tc_decisions_node(struct tc_decisions_reader *r, const json_t *line, const char *name, uint16_t *out)
{
    uint64_t value;
    const int status = tc_decisions_number(r, line, name, TC_NODE_NONE, &value);
    *out = (uint16_t)value;
    return status == 0 && value >= TC_NODES_MAX && value != TC_NODE_NONE ? tc_decisions_expected(r, "a node's number")
                                                                         : status;
}

int tc_decisions_hash(struct tc_decisions_reader *r, const json_t *line, const char *name, uint64_t *out)
{
    char what[96], *rest = NULL;
    const char *text = json_string_value(json_object_get(line, name));
    if (text && strlen(text) == 16) {
        *out = strtoull(text, &rest, 16);
        if (*rest == 0)
            return 0;
    }
    snprintf(what, sizeof what, "\"%s\" with 16 hexadecimal digits", name);
    return tc_decisions_expected(r, what);
}

int tc_decisions_text(struct tc_decisions_reader *r, const json_t *line, const char *name, char *out, size_t size)
{
    char what[96];
    const char *text = json_string_value(json_object_get(line, name));
    if (text && strlen(text) < size) {
        snprintf(out, size, "%s", text);
        return 0;
    }
    snprintf(what, sizeof what, "\"%s\", a text of at most %zu bytes", name, size - 1);
    return tc_decisions_expected(r, what);
}

int tc_decisions_set(struct tc_decisions_reader *r, const json_t *array, struct tc_nodeset *out)
{
    size_t i;
    const json_t *node;
    *out = (struct tc_nodeset){0};
    if (!json_is_array(array))
        return tc_decisions_expected(r, "a list of nodes");
    json_array_foreach(array, i, node)
    {
        if (!json_is_integer(node) || json_integer_value(node) < 0 || json_integer_value(node) >= TC_NODES_MAX)
            return tc_decisions_expected(r, "a node's number");
        tc_nodeset_add(out, (uint32_t)json_integer_value(node));
    }
    return 0;
}

const char *tc_decisions_copy(struct tc_decisions_reader *r, const char *text)
{
    if (!text)
        return NULL;
    return (const char *)tc_arena_copy(&r->arena, (struct tc_slice){(const uint8_t *)text, strlen(text) + 1}).data;
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int tc_decisions_bytes(struct tc_decisions_reader *r, const json_t *line, struct tc_slice *out)
{
    const char *text = json_string_value(json_object_get(line, "bytes"));
    const size_t len = text ? strlen(text) : 0;
    *out = (struct tc_slice){NULL, 0};
    uint8_t *bytes = len ? tc_arena_alloc(&r->arena, len / 2 + 1) : NULL;
    if (len && !bytes)
        return tc_error_set(r->err, TC_ELIMIT, "%s:%u: too many bytes", r->path, r->line);
    for (size_t i = 0; i < len; i += 2) {
        const int high = digit(text[i]), low = digit(text[i + 1]); /* text[len] is the NUL: no digit */
        if (high < 0 || low < 0)
            return tc_decisions_expected(r, "\"bytes\" in hexadecimal");
        bytes[i / 2] = (uint8_t)(high << 4 | low);
    }
    *out = (struct tc_slice){bytes, len / 2};
    return 0;
}
