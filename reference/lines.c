/* Writing of JSON lines: by hand, bounded, no allocation. Reading is lines_parse.c. */
#include "lines.h"

#include "../proxy/names.h"

#include <stdio.h>
#include <string.h>

/* Bytes past the end are counted, not written, so one check at the end suffices. */
struct writer {
    char *buffer;
    size_t size, used;
};

static void put_bytes(struct writer *w, const char *bytes, size_t len)
{
    if (w->used <= w->size && len <= w->size - w->used)
        memcpy(w->buffer + w->used, bytes, len);
    w->used += len;
}

static void put(struct writer *w, const char *text)
{
    put_bytes(w, text, strlen(text));
}

static void put_char(struct writer *w, char c)
{
    put_bytes(w, &c, 1);
}

static void put_decimal(struct writer *w, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    put_bytes(w, digits + at, sizeof digits - at);
}

/* JSON readers keep 63 bits of an integer: larger ones travel as strings. */
static void put_uint(struct writer *w, const char *key, uint64_t value)
{
    bool wide = value > INT64_MAX;
    put(w, key);
    if (wide)
        put_char(w, '"');
    put_decimal(w, value);
    if (wide)
        put_char(w, '"');
}

static void put_hex(struct writer *w, const char *key, const uint8_t *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    put(w, key);
    put_char(w, '"');
    if (w->used <= w->size && len <= (w->size - w->used) / 2) {
        char *out = w->buffer + w->used;
        for (size_t i = 0; i < len; i++) {
            out[2 * i] = digits[bytes[i] >> 4];
            out[2 * i + 1] = digits[bytes[i] & 15];
        }
    }
    w->used += 2 * len;
    put_char(w, '"');
}

static void put_value(struct writer *w, const char *key, const struct tc_value *value)
{
    if (value->state == TC_VALUE_BYTES) {
        put_hex(w, key, value->bytes, sizeof value->bytes);
    } else if (value->state == TC_VALUE_NIL) {
        put(w, key);
        put(w, "\"nil\"");
    }
}

static void put_bool(struct writer *w, const char *key, bool value)
{
    put(w, key);
    put(w, value ? "true" : "false");
}

/* Bytes that are not printable ASCII become '?': a complaint may quote what a peer sent. */
static void put_text(struct writer *w, const char *key, const char *text)
{
    put(w, key);
    put_char(w, '"');
    for (const char *c = text ? text : ""; *c; c++) {
        if (*c == '"' || *c == '\\')
            put_char(w, '\\');
        put_char(w, *c >= 0x20 && *c < 0x7f ? *c : '?');
    }
    put_char(w, '"');
}

static void put_head(struct writer *w, const char *event, uint16_t node)
{
    put(w, "{\"e\":\"");
    put(w, event);
    put_uint(w, "\",\"node\":", node);
}

static void put_operation(struct writer *w, const struct tc_operation *operation)
{
    put_uint(w, "{\"client\":", operation->client);
    put_uint(w, ",\"ts\":", operation->timestamp);
    put_hex(w, ",\"digest\":", operation->digest, sizeof operation->digest);
    put_bool(w, ",\"fresh\":", operation->fresh);
    put_char(w, '}');
}

static void put_executed(struct writer *w, const struct tc_observation *o)
{
    put_head(w, "execute", o->node);
    put_uint(w, ",\"seq\":", o->executed.sequence);
    put_uint(w, ",\"view\":", o->executed.view);
    put_value(w, ",\"digest\":", &o->executed.value);
    put_value(w, ",\"state\":", &o->executed.state);
    put_text(w, ",\"origin\":", tc_execution_origin_name(o->executed.origin));
    put(w, ",\"ops\":[");
    for (uint32_t i = 0; i < o->executed.operation_count; i++) {
        if (i)
            put_char(w, ',');
        put_operation(w, &o->executed.operations[i]);
    }
    put(w, "]}\n");
}

static void put_view(struct writer *w, const struct tc_observation *o)
{
    put_head(w, "view", o->node);
    put_uint(w, ",\"view\":", o->view.view);
    put_bool(w, ",\"active\":", o->view.active);
    if (o->view.timeout_ns)
        put_uint(w, ",\"timeout_ns\":", o->view.timeout_ns);
    put(w, "}\n");
}

static void put_client(struct writer *w, const struct tc_observation *o)
{
    bool replied = o->kind == TC_OBS_REPLIED;
    put_head(w, replied ? "reply" : "request", o->node);
    put_uint(w, ",\"ts\":", o->client.timestamp);
    put_value(w, ",\"digest\":", &o->client.digest);
    if (replied) {
        put_hex(w, ",\"result\":", o->client.result.data, o->client.result.len);
        put_uint(w, ",\"latency_ns\":", o->client.latency_ns);
        put_bool(w, ",\"ok\":", o->client.ok);
    } else {
        put_hex(w, ",\"op\":", o->client.operation.data, o->client.operation.len);
    }
    put(w, "}\n");
}

int64_t tc_line_write(const struct tc_observation *o, char *buffer, size_t size)
{
    struct writer w = {buffer, size, 0};
    switch (o->kind) {
    case TC_OBS_EXECUTED:
        put_executed(&w, o);
        break;
    case TC_OBS_VIEW:
        put_view(&w, o);
        break;
    case TC_OBS_STABLE:
        put_head(&w, "stable", o->node);
        put_uint(&w, ",\"seq\":", o->stable.sequence);
        put_value(&w, ",\"state\":", &o->stable.state);
        put(&w, "}\n");
        break;
    case TC_OBS_COMPLAINT:
        put_head(&w, "complaint", o->node);
        if (o->peer != TC_NODE_NONE)
            put_uint(&w, ",\"peer\":", o->peer);
        put_text(&w, ",\"text\":", o->text);
        put(&w, "}\n");
        break;
    case TC_OBS_NODE_UP:
        put_head(&w, "up", o->node);
        put_text(&w, ",\"protocol\":", o->text);
        put(&w, "}\n");
        break;
    case TC_OBS_REQUESTED:
    case TC_OBS_REPLIED:
        put_client(&w, o);
        break;
    default:
        return TC_EUNSUPPORTED;
    }
    return w.used <= size ? (int64_t)w.used : TC_ELIMIT;
}
