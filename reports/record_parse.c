#include "record_parse.h"

#include <string.h>

#include "../proxy/names.h"
#include "../proxy/nodeset.h"

uint64_t tc_record_number(const json_t *line, const char *name)
{
    json_int_t value = json_integer_value(json_object_get(line, name));
    return value > 0 ? (uint64_t)value : 0;
}

static const char *string(const json_t *line, const char *name)
{
    return json_string_value(json_object_get(line, name));
}

static uint16_t node_of(const json_t *line, const char *name)
{
    const json_t *node = json_object_get(line, name);
    json_int_t value = json_integer_value(node);
    return json_is_integer(node) && value >= 0 && value < TC_NODES_MAX ? (uint16_t)value : TC_NODE_NONE;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hex(const char *text, uint8_t *out, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        int high = hex_digit(text[2 * i]), low = high < 0 ? -1 : hex_digit(text[2 * i + 1]);
        if (low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return text[2 * size] == 0;
}

static void read_value(const json_t *line, const char *name, struct tc_value *value)
{
    const char *text = string(line, name);
    *value = (struct tc_value){.state = TC_VALUE_ABSENT};
    if (text && strcmp(text, "nil") == 0)
        value->state = TC_VALUE_NIL;
    else if (text && read_hex(text, value->bytes, sizeof value->bytes))
        value->state = TC_VALUE_BYTES;
}

static struct tc_slice read_bytes(const json_t *line, const char *name, struct tc_arena *arena)
{
    const char *text = string(line, name);
    size_t len = text ? strlen(text) / 2 : 0;
    uint8_t *bytes = len ? tc_arena_alloc(arena, len) : NULL;
    return bytes && read_hex(text, bytes, len) ? (struct tc_slice){bytes, len} : (struct tc_slice){NULL, 0};
}

static void read_nodes(const json_t *line, const char *name, struct tc_nodeset *set)
{
    const json_t *list = json_object_get(line, name);
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_int_t node = json_integer_value(json_array_get(list, i));
        if (node >= 0 && node < TC_NODES_MAX)
            tc_nodeset_add(set, (uint32_t)node);
    }
}

static bool read_executed(const json_t *line, struct tc_arena *arena, struct tc_observation *o)
{
    const char *origin = string(line, "origin");
    const json_t *list = json_object_get(line, "ops");
    size_t count = json_array_size(list);
    struct tc_operation *operations = count ? tc_arena_alloc(arena, count * sizeof *operations) : NULL;
    o->executed.view = tc_record_number(line, "view");
    o->executed.sequence = tc_record_number(line, "seq");
    read_value(line, "digest", &o->executed.value);
    read_value(line, "state", &o->executed.state);
    while (origin && o->executed.origin < TC_EXEC_TENTATIVE &&
           strcmp(origin, tc_execution_origin_name(o->executed.origin)) != 0)
        o->executed.origin = (enum tc_execution_origin)(o->executed.origin + 1);
    for (size_t i = 0; operations && i < count; i++) {
        const json_t *op = json_array_get(list, i);
        const char *digest = string(op, "digest");
        operations[i] = (struct tc_operation){.client = node_of(op, "client"),
                                              .timestamp = tc_record_number(op, "ts"),
                                              .fresh = json_is_true(json_object_get(op, "fresh"))};
        if (digest && !read_hex(digest, operations[i].digest, sizeof operations[i].digest))
            memset(operations[i].digest, 0, sizeof operations[i].digest);
    }
    o->executed.operations = operations;
    o->executed.operation_count = (uint32_t)count;
    return operations || count == 0;
}

static void read_client(const json_t *line, struct tc_arena *arena, struct tc_observation *o)
{
    o->client.timestamp = tc_record_number(line, "ts");
    read_value(line, "digest", &o->client.digest);
    o->client.operation = read_bytes(line, "op", arena);
    o->client.result = read_bytes(line, "result", arena);
    o->client.latency_ns = tc_record_number(line, "latency_ns");
    o->client.ok = json_is_true(json_object_get(line, "ok"));
}

static void read_faults(const json_t *line, struct tc_faults *f)
{
    read_nodes(line, "signed_for", &f->signed_for);
    read_nodes(line, "liveness", &f->liveness);
    read_nodes(line, "down", &f->down);
    f->healed_ns = json_object_get(line, "healed_ns") ? tc_record_number(line, "healed_ns") : TC_NEVER_NS;
    f->bitten = tc_record_number(line, "bitten");
    f->active = json_is_true(json_object_get(line, "active"));
}

static bool read_phase(const json_t *line, struct tc_observation *o)
{
    const char *phase = string(line, "phase");
    for (int i = 0; phase && i < TC_RUN_PHASE_COUNT; i++) {
        o->phase.phase = (enum tc_run_phase)i;
        if (strcmp(phase, tc_run_phase_name(o->phase.phase)) == 0)
            return true;
    }
    return false;
}

static bool read_details(const json_t *line, struct tc_arena *arena, struct tc_observation *o)
{
    switch (o->kind) {
    case TC_OBS_EXECUTED:
        return read_executed(line, arena, o);
    case TC_OBS_VIEW:
        o->view.view = tc_record_number(line, "view");
        o->view.active = json_is_true(json_object_get(line, "active"));
        o->view.timeout_ns = tc_record_number(line, "timeout_ns");
        return true;
    case TC_OBS_STABLE:
        o->stable.sequence = tc_record_number(line, "seq");
        read_value(line, "state", &o->stable.state);
        return true;
    case TC_OBS_REQUESTED:
    case TC_OBS_REPLIED:
        read_client(line, arena, o);
        return true;
    case TC_OBS_NODE_EXIT:
        o->exit.status = (int)json_integer_value(json_object_get(line, "status"));
        o->exit.asked = json_is_true(json_object_get(line, "asked"));
        return true;
    case TC_OBS_PHASE:
        return read_phase(line, o);
    case TC_OBS_FAULTS:
        read_faults(line, &o->faults);
        return true;
    case TC_OBS_OVERFLOW:
        o->not_carried = json_is_true(json_object_get(line, "not_carried"));
        return true;
    default:
        return true;
    }
}

bool tc_record_parse(const json_t *line, struct tc_arena *arena, struct tc_observation *o)
{
    const char *kind = string(line, "e"), *text = string(line, "text");
    int found = 0;
    memset(o, 0, sizeof *o);
    while (kind && found < TC_OBS_COUNT && strcmp(kind, tc_observation_name((enum tc_observation_kind)found)) != 0)
        found++;
    if (!kind || found == TC_OBS_COUNT || found == TC_OBS_MESSAGE)
        return false;
    o->kind = (enum tc_observation_kind)found;
    o->time_ns = tc_record_number(line, "t");
    o->id = tc_record_number(line, "id");
    o->node = node_of(line, "node");
    o->peer = node_of(line, "peer");
    o->incarnation = (uint32_t)tc_record_number(line, "incarnation");
    o->text = "";
    if (text) {
        struct tc_slice copy = tc_arena_copy(arena, (struct tc_slice){(const uint8_t *)text, strlen(text) + 1});
        o->text = copy.data ? (const char *)copy.data : "";
    }
    return read_details(line, arena, o);
}
