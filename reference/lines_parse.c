/* Reading of JSON lines. Strict: a key of a wrong type or a value out of range is named, never guessed. Keys we do not
 * know are left alone, so that other implementations may add their own. */
#include "lines_internal.h"

#include "../proxy/names.h"

#include <jansson.h>
#include <string.h>

struct reader {
    json_t *object;
    struct tc_arena *arena;
    struct tc_error *err;
    int code; /* the first error, sticky */
};

static void fail(struct reader *r, const char *key, const char *expected)
{
    if (r->code == 0)
        r->code = tc_error_set(r->err, TC_EMALFORMED, "key \"%s\": expected %s", key, expected);
}

/* An unsigned integer up to `max`; as a string of digits if it passes 63 bits. */
static uint64_t get_uint(struct reader *r, json_t *object, const char *key, uint64_t max, bool required)
{
    json_t *item = json_object_get(object, key);
    uint64_t value = 0;
    if (!item && !required)
        return 0;
    if (json_is_integer(item) && json_integer_value(item) >= 0) {
        value = (uint64_t)json_integer_value(item);
    } else if (json_is_string(item) && json_string_length(item) > 0 && json_string_length(item) <= 20) {
        for (const char *c = json_string_value(item); *c; c++) {
            if (*c < '0' || *c > '9' || value > (UINT64_MAX - (uint64_t)(*c - '0')) / 10) {
                fail(r, key, "an unsigned integer");
                return 0;
            }
            value = value * 10 + (uint64_t)(*c - '0');
        }
    } else {
        fail(r, key, "an unsigned integer");
        return 0;
    }
    if (value > max)
        fail(r, key, "a smaller number");
    return value > max ? 0 : value;
}

static bool get_bool(struct reader *r, json_t *object, const char *key)
{
    json_t *item = json_object_get(object, key);
    if (!json_is_boolean(item))
        fail(r, key, "true or false");
    return json_is_true(item);
}

/* Exactly len bytes from 2*len lower-case digits. */
static bool hex_bytes(const char *digits, uint8_t *out, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        int high = tc_line_hex_digit((uint8_t)digits[2 * i]);
        int low = high < 0 ? -1 : tc_line_hex_digit((uint8_t)digits[2 * i + 1]);
        if (low < 0)
            return false;
        out[i] = (uint8_t)(high * 16 + low);
    }
    return true;
}

/* A digest: 64 hexadecimal digits, "nil", or (if it need not be there) nothing. */
static void get_value(struct reader *r, json_t *object, const char *key, bool required, struct tc_value *out)
{
    json_t *item = json_object_get(object, key);
    const char *text = json_string_value(item);
    out->state = TC_VALUE_ABSENT;
    if (!required && (!item || (text && !*text)))
        return;
    if (text && strcmp(text, "nil") == 0) {
        out->state = TC_VALUE_NIL;
        return;
    }
    size_t len = text ? json_string_length(item) : 0;
    if (len != 2 * sizeof out->bytes || !hex_bytes(text, out->bytes, sizeof out->bytes))
        fail(r, key, "64 hexadecimal digits or \"nil\"");
    else
        out->state = TC_VALUE_BYTES;
}

static struct tc_slice get_bytes(struct reader *r, const char *key)
{
    struct tc_slice none = {NULL, 0};
    json_t *item = json_object_get(r->object, key);
    if (!item)
        return none;
    size_t digits = json_string_length(item);
    if (!json_is_string(item) || digits % 2) {
        fail(r, key, "hexadecimal digits");
        return none;
    }
    if (digits == 0)
        return none;
    uint8_t *bytes = tc_arena_alloc(r->arena, digits / 2);
    if (!bytes || !hex_bytes(json_string_value(item), bytes, digits / 2)) {
        fail(r, key, bytes ? "hexadecimal digits" : "fewer bytes");
        return none;
    }
    return (struct tc_slice){bytes, digits / 2};
}

static const char *get_text(struct reader *r, const char *key)
{
    json_t *item = json_object_get(r->object, key);
    if (!json_is_string(item)) {
        fail(r, key, "a string");
        return "";
    }
    size_t len = json_string_length(item);
    char *copy = tc_arena_alloc(r->arena, len + 1);
    if (!copy) {
        fail(r, key, "a shorter string");
        return "";
    }
    memcpy(copy, json_string_value(item), len);
    copy[len] = '\0';
    return copy;
}

static enum tc_execution_origin get_origin(struct reader *r)
{
    const char *word = json_string_value(json_object_get(r->object, "origin"));
    for (int origin = TC_EXEC_EXECUTED; word && origin <= TC_EXEC_TENTATIVE; origin++)
        if (strcmp(word, tc_execution_origin_name((enum tc_execution_origin)origin)) == 0)
            return (enum tc_execution_origin)origin;
    fail(r, "origin", "executed, replayed, transferred or tentative");
    return TC_EXEC_EXECUTED;
}

static void get_operations(struct reader *r, struct tc_observation *out)
{
    json_t *list = json_object_get(r->object, "ops");
    size_t count = json_array_size(list);
    if (!json_is_array(list)) {
        fail(r, "ops", "a list");
        return;
    }
    struct tc_operation *operations = tc_arena_zalloc(r->arena, count * sizeof *operations);
    if (!operations) {
        fail(r, "ops", "fewer operations");
        return;
    }
    for (size_t i = 0; i < count && r->code == 0; i++) {
        json_t *item = json_array_get(list, i);
        struct tc_value digest;
        operations[i].client = (uint16_t)get_uint(r, item, "client", TC_NODES_MAX - 1, true);
        operations[i].timestamp = get_uint(r, item, "ts", UINT64_MAX, true);
        get_value(r, item, "digest", true, &digest);
        if (digest.state == TC_VALUE_BYTES)
            memcpy(operations[i].digest, digest.bytes, sizeof digest.bytes);
        else
            fail(r, "digest", "64 hexadecimal digits");
        operations[i].fresh = get_bool(r, item, "fresh");
    }
    out->executed.operations = operations;
    out->executed.operation_count = (uint32_t)count;
}

static void read_execute(struct reader *r, struct tc_observation *out)
{
    out->kind = TC_OBS_EXECUTED;
    out->executed.sequence = get_uint(r, r->object, "seq", UINT64_MAX, true);
    out->executed.view = get_uint(r, r->object, "view", UINT64_MAX, true);
    out->executed.origin = get_origin(r);
    /* A transferred state is no batch: it has a state digest only. */
    bool batch = out->executed.origin != TC_EXEC_TRANSFERRED;
    get_value(r, r->object, "digest", batch, &out->executed.value);
    get_value(r, r->object, "state", !batch, &out->executed.state);
    get_operations(r, out);
}

static void read_view(struct reader *r, struct tc_observation *out)
{
    out->kind = TC_OBS_VIEW;
    out->view.view = get_uint(r, r->object, "view", UINT64_MAX, true);
    out->view.active = get_bool(r, r->object, "active");
    out->view.timeout_ns = get_uint(r, r->object, "timeout_ns", UINT64_MAX, false);
}

static void read_stable(struct reader *r, struct tc_observation *out)
{
    out->kind = TC_OBS_STABLE;
    out->stable.sequence = get_uint(r, r->object, "seq", UINT64_MAX, true);
    get_value(r, r->object, "state", false, &out->stable.state);
}

static void read_complaint(struct reader *r, struct tc_observation *out)
{
    out->kind = TC_OBS_COMPLAINT;
    if (json_object_get(r->object, "peer"))
        out->peer = (uint16_t)get_uint(r, r->object, "peer", TC_NODES_MAX - 1, true);
    out->text = get_text(r, "text");
}

static void read_up(struct reader *r, struct tc_observation *out)
{
    out->kind = TC_OBS_NODE_UP;
    out->text = get_text(r, "protocol");
}

static void read_request(struct reader *r, struct tc_observation *out)
{
    out->kind = TC_OBS_REQUESTED;
    out->client.timestamp = get_uint(r, r->object, "ts", UINT64_MAX, true);
    get_value(r, r->object, "digest", false, &out->client.digest);
    out->client.operation = get_bytes(r, "op");
}

static void read_reply(struct reader *r, struct tc_observation *out)
{
    out->kind = TC_OBS_REPLIED;
    out->client.timestamp = get_uint(r, r->object, "ts", UINT64_MAX, true);
    get_value(r, r->object, "digest", false, &out->client.digest);
    out->client.result = get_bytes(r, "result");
    out->client.latency_ns = get_uint(r, r->object, "latency_ns", UINT64_MAX, false);
    out->client.ok = get_bool(r, r->object, "ok");
}

static const struct {
    const char *name;
    void (*read)(struct reader *r, struct tc_observation *out);
} events[] = {
    {"execute", read_execute}, {"view", read_view},       {"stable", read_stable}, {"complaint", read_complaint},
    {"up", read_up},           {"request", read_request}, {"reply", read_reply},
};

static int read_object(struct reader *r, struct tc_observation *out)
{
    const char *name = json_string_value(json_object_get(r->object, "e"));
    for (size_t i = 0; name && i < sizeof events / sizeof *events; i++) {
        if (strcmp(name, events[i].name) != 0)
            continue;
        out->node = (uint16_t)get_uint(r, r->object, "node", TC_NODES_MAX - 1, true);
        events[i].read(r, out);
        return r->code;
    }
    return tc_error_set(r->err, TC_EUNSUPPORTED, "not a line about a node");
}

static void clear(struct tc_observation *out)
{
    memset(out, 0, sizeof *out);
    out->node = out->peer = TC_NODE_NONE;
    out->text = "";
}

int tc_line_parse_json(struct tc_slice line, struct tc_arena *arena, struct tc_observation *out, struct tc_error *err)
{
    static const char opening[] = "{\"e\":";
    json_error_t why;
    struct reader r = {NULL, arena, err, 0};
    clear(out);
    if (line.len == 0 || line.data[0] != '{') /* the common case of foreign logs: no need to parse */
        return tc_error_set(err, TC_EUNSUPPORTED, "not a JSON object");
    r.object = json_loadb((const char *)line.data, line.len, JSON_REJECT_DUPLICATES, &why);
    if (!r.object) {
        bool ours = line.len >= sizeof opening - 1 && memcmp(line.data, opening, sizeof opening - 1) == 0;
        return tc_error_set(err, ours ? TC_EMALFORMED : TC_EUNSUPPORTED, "not JSON: %s", why.text);
    }
    int rc = read_object(&r, out);
    json_decref(r.object);
    return rc;
}

int tc_line_parse(struct tc_slice line, struct tc_arena *arena, struct tc_observation *out, struct tc_error *err)
{
    clear(out);
    if (tc_line_scan(line, arena, out))
        return 0;
    return tc_line_parse_json(line, arena, out, err);
}
