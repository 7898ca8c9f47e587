/* v0.38 writes messages in lower case, v1.0 with a capital: compared without case. Heights are numbers or strings. */
#define _GNU_SOURCE
#include "lines.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HALT_MAX 512

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static uint64_t height_of(const json_t *object)
{
    const json_t *height = json_object_get(object, "height");
    if (json_is_integer(height) && json_integer_value(height) > 0)
        return (uint64_t)json_integer_value(height);
    return json_is_string(height) ? strtoull(json_string_value(height), NULL, 10) : 0;
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Up to 32 bytes of hexadecimal digits; shorter ones are padded with zeros, as an application's hash may be. */
static bool read_hash(const char *text, struct tc_value *value)
{
    const size_t digits = strlen(text);
    *value = (struct tc_value){.state = TC_VALUE_ABSENT};
    if (digits == 0 || digits % 2 || digits > 2 * TC_VALUE_SIZE)
        return false;
    for (size_t i = 0; i < digits / 2; i++) {
        const int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        value->bytes[i] = (uint8_t)(high * 16 + low);
    }
    value->state = TC_VALUE_BYTES;
    return true;
}

static int read_execution(const json_t *object, struct tc_observation *out)
{
    out->kind = TC_OBS_EXECUTED;
    out->executed.sequence = height_of(object);
    out->executed.origin = TC_EXEC_EXECUTED;
    if (out->executed.sequence == 0 || !read_hash(text_of(object, "hash"), &out->executed.value))
        return TC_EUNSUPPORTED;
    return 0;
}

static int read_halt(const json_t *object, const char *message, struct tc_arena *arena, struct tc_observation *out)
{
    char *text = tc_arena_alloc(arena, HALT_MAX);
    const char *why = text_of(object, "err");
    if (!text)
        return TC_EUNSUPPORTED;
    out->kind = TC_OBS_HALTED;
    out->peer = TC_NODE_NONE;
    text[0] = 0;
    strncat(text, message, HALT_MAX / 2 - 1);
    if (why[0]) {
        strcat(text, ": ");
        strncat(text, why, HALT_MAX / 2 - 4);
    }
    out->text = text;
    return 0;
}

/* Most lines speak of other things: a search tells so for a tenth of what reading them as JSON costs. The first letter
 * is left out, and with it how the version writes it. */
static bool may_tell(struct tc_slice line)
{
    static const char execution[] = "inalizing commit of block", halt[] = "ONSENSUS FAILURE";
    return memmem(line.data, line.len, execution, sizeof execution - 1) ||
           memmem(line.data, line.len, halt, sizeof halt - 1);
}

int tc_cometbft_line_parse(struct tc_slice line, struct tc_arena *arena, struct tc_observation *out,
                           struct tc_error *err)
{
    json_error_t where;
    if (line.len == 0 || line.data[0] != '{' || !may_tell(line))
        return TC_EUNSUPPORTED;
    json_t *object = json_loadb((const char *)line.data, line.len, JSON_REJECT_DUPLICATES, &where);
    if (!object)
        object = json_loadb((const char *)line.data, line.len, 0, &where); /* modules may repeat a key of their own */
    if (!object)
        return tc_error_set(err, TC_EMALFORMED, "not a JSON line: %s", where.text);
    const char *message = text_of(object, "_msg");
    int rc = TC_EUNSUPPORTED;
    *out = (struct tc_observation){.node = TC_NODE_NONE, .text = ""};
    if (strcasecmp(message, "finalizing commit of block") == 0)
        rc = read_execution(object, out);
    else if (strncasecmp(message, "CONSENSUS FAILURE", 17) == 0)
        rc = read_halt(object, message, arena, out);
    json_decref(object);
    return rc;
}
