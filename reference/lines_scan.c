#include "lines_internal.h"

#include "../proxy/names.h"

#include <string.h>

/* Sticky: once something does not match, nothing does. */
struct scanner {
    const uint8_t *at, *end;
    struct tc_arena *arena;
    bool bad;
};

static bool next_is(const struct scanner *s, const char *text)
{
    size_t len = strlen(text);
    return !s->bad && (size_t)(s->end - s->at) >= len && memcmp(s->at, text, len) == 0;
}

static bool skip(struct scanner *s, const char *text)
{
    bool matches = next_is(s, text);
    if (matches)
        s->at += strlen(text);
    return matches;
}

static void expect(struct scanner *s, const char *text)
{
    if (!skip(s, text))
        s->bad = true;
}

static uint64_t get_uint(struct scanner *s, const char *key, uint64_t max)
{
    expect(s, key);
    uint64_t value = 0;
    const uint8_t *first = s->at;
    while (!s->bad && s->at < s->end && *s->at >= '0' && *s->at <= '9') {
        if (value > (INT64_MAX - 9) / 10)
            s->bad = true;
        value = value * 10 + (uint64_t)(*s->at++ - '0');
    }
    if (s->at == first || value > max || (*first == '0' && s->at - first > 1))
        s->bad = true;
    return value;
}

static bool get_bool(struct scanner *s, const char *key)
{
    expect(s, key);
    if (skip(s, "true"))
        return true;
    expect(s, "false");
    return false;
}

static void get_hex(struct scanner *s, uint8_t *out, size_t len)
{
    if (s->bad || (size_t)(s->end - s->at) < 2 * len) {
        s->bad = true;
        return;
    }
    for (size_t i = 0; i < len; i++) {
        int high = tc_line_hex_digit(s->at[2 * i]), low = tc_line_hex_digit(s->at[2 * i + 1]);
        if (high < 0 || low < 0)
            s->bad = true;
        out[i] = (uint8_t)((unsigned)high << 4 | (unsigned)low);
    }
    s->at += 2 * len;
}

static void get_value(struct scanner *s, const char *key, bool required, struct tc_value *out)
{
    out->state = TC_VALUE_ABSENT;
    if (!required && !next_is(s, key))
        return;
    expect(s, key);
    if (skip(s, "\"nil\"")) {
        out->state = TC_VALUE_NIL;
        return;
    }
    expect(s, "\"");
    get_hex(s, out->bytes, sizeof out->bytes);
    expect(s, "\"");
    out->state = TC_VALUE_BYTES;
}

static struct tc_slice get_bytes(struct scanner *s, const char *key)
{
    struct tc_slice none = {NULL, 0};
    expect(s, key);
    expect(s, "\"");
    const uint8_t *quote = s->bad ? NULL : memchr(s->at, '"', (size_t)(s->end - s->at));
    size_t len = quote ? (size_t)(quote - s->at) / 2 : 0;
    uint8_t *bytes = len ? tc_arena_alloc(s->arena, len) : NULL;
    if (len && !bytes)
        s->bad = true;
    if (len && bytes)
        get_hex(s, bytes, len);
    expect(s, "\"");
    return s->bad || len == 0 ? none : (struct tc_slice){bytes, len};
}

static enum tc_execution_origin get_origin(struct scanner *s)
{
    expect(s, ",\"origin\":\"");
    for (int origin = TC_EXEC_EXECUTED; origin <= TC_EXEC_TENTATIVE; origin++)
        if (skip(s, tc_execution_origin_name((enum tc_execution_origin)origin)))
            return (enum tc_execution_origin)origin;
    s->bad = true;
    return TC_EXEC_EXECUTED;
}

static uint32_t count_objects(const struct scanner *s)
{
    uint32_t count = 0;
    for (const uint8_t *c = s->at; c < s->end && *c != ']'; c++)
        count += *c == '{';
    return count;
}

static void scan_operations(struct scanner *s, struct tc_observation *out)
{
    uint32_t count = s->bad ? 0 : count_objects(s);
    struct tc_operation *operations = tc_arena_zalloc(s->arena, count * sizeof *operations);
    if (!operations)
        s->bad = true;
    for (uint32_t i = 0; i < count && !s->bad; i++) {
        if (i)
            expect(s, ",");
        operations[i].client = (uint16_t)get_uint(s, "{\"client\":", TC_NODES_MAX - 1);
        operations[i].timestamp = get_uint(s, ",\"ts\":", INT64_MAX);
        expect(s, ",\"digest\":\"");
        get_hex(s, operations[i].digest, sizeof operations[i].digest);
        operations[i].fresh = get_bool(s, "\",\"fresh\":");
        expect(s, "}");
    }
    out->executed.operations = operations;
    out->executed.operation_count = count;
}

static void scan_execute(struct scanner *s, struct tc_observation *out)
{
    out->kind = TC_OBS_EXECUTED;
    out->executed.sequence = get_uint(s, ",\"seq\":", INT64_MAX);
    out->executed.view = get_uint(s, ",\"view\":", INT64_MAX);
    get_value(s, ",\"digest\":", true, &out->executed.value);
    get_value(s, ",\"state\":", false, &out->executed.state);
    out->executed.origin = get_origin(s);
    expect(s, "\",\"ops\":[");
    scan_operations(s, out);
    expect(s, "]}");
}

static void scan_client(struct scanner *s, struct tc_observation *out, bool replied)
{
    out->kind = replied ? TC_OBS_REPLIED : TC_OBS_REQUESTED;
    out->client.timestamp = get_uint(s, ",\"ts\":", INT64_MAX);
    get_value(s, ",\"digest\":", true, &out->client.digest);
    if (replied) {
        out->client.result = get_bytes(s, ",\"result\":");
        out->client.latency_ns = get_uint(s, ",\"latency_ns\":", INT64_MAX);
        out->client.ok = get_bool(s, ",\"ok\":");
    } else {
        out->client.operation = get_bytes(s, ",\"op\":");
    }
    expect(s, "}");
}

bool tc_line_scan(struct tc_slice line, struct tc_arena *arena, struct tc_observation *out)
{
    struct scanner s = {line.data, line.data + line.len, arena, false};
    bool execute = skip(&s, "{\"e\":\"execute\"");
    bool replied = !execute && skip(&s, "{\"e\":\"reply\"");
    if (!execute && !replied)
        expect(&s, "{\"e\":\"request\"");
    out->node = (uint16_t)get_uint(&s, ",\"node\":", TC_NODES_MAX - 1);
    if (s.bad)
        return false;
    if (execute)
        scan_execute(&s, out);
    else
        scan_client(&s, out, replied);
    return !s.bad && s.at == s.end;
}
