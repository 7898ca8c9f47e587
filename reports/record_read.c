#define _GNU_SOURCE
#include "record_read.h"

#include "../proxy/names.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_SIZE 1024

static uint64_t number(const json_t *line, const char *name)
{
    json_int_t value = json_integer_value(json_object_get(line, name));
    return value > 0 ? (uint64_t)value : 0;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void read_value(const char *text, struct tc_value *value)
{
    *value = (struct tc_value){.state = TC_VALUE_ABSENT};
    if (!text)
        return;
    if (strcmp(text, "nil") == 0)
        value->state = TC_VALUE_NIL;
    if (strlen(text) != 2 * sizeof value->bytes)
        return;
    for (size_t i = 0; i < sizeof value->bytes; i++) {
        int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return;
        value->bytes[i] = (uint8_t)(high << 4 | low);
    }
    value->state = TC_VALUE_BYTES;
}

/* true: the line is one that handlers are told of. */
static bool read_observation(const json_t *line, struct tc_observation *o)
{
    const char *kind = json_string_value(json_object_get(line, "e"));
    const json_t *node = json_object_get(line, "node");
    *o = (struct tc_observation){.node = TC_NODE_NONE, .peer = TC_NODE_NONE, .text = ""};
    o->node = json_is_integer(node) ? (uint16_t)json_integer_value(node) : TC_NODE_NONE;
    if (!kind)
        return false;
    if (strcmp(kind, tc_observation_name(TC_OBS_EXECUTED)) == 0) {
        const char *origin = json_string_value(json_object_get(line, "origin"));
        o->kind = TC_OBS_EXECUTED;
        o->executed.view = number(line, "view");
        o->executed.sequence = number(line, "seq");
        o->executed.operation_count = (uint32_t)json_array_size(json_object_get(line, "ops"));
        read_value(json_string_value(json_object_get(line, "digest")), &o->executed.value);
        return !origin || strcmp(origin, tc_execution_origin_name(TC_EXEC_EXECUTED)) == 0;
    }
    if (strcmp(kind, tc_observation_name(TC_OBS_VIEW)) == 0) {
        o->kind = TC_OBS_VIEW;
        o->view.view = number(line, "view");
        o->view.active = json_is_true(json_object_get(line, "active"));
        o->view.timeout_ns = number(line, "timeout_ns");
        return true;
    }
    const char *phase = json_string_value(json_object_get(line, "phase"));
    o->kind = TC_OBS_PHASE;
    for (int i = 0; phase && i < TC_RUN_PHASE_COUNT; i++) {
        o->phase.phase = (enum tc_run_phase)i;
        if (strcmp(phase, tc_run_phase_name(o->phase.phase)) == 0)
            return strcmp(kind, tc_observation_name(TC_OBS_PHASE)) == 0;
    }
    return false;
}

static int add(struct tc_record_events *events, uint64_t time_ns, const struct tc_observation *o, struct tc_error *err)
{
    if (events->count == events->size) {
        size_t wanted = events->size ? events->size * 2 : 1024;
        struct tc_record_event *grown = realloc(events->items, wanted * sizeof *grown);
        if (!grown)
            return tc_error_set(err, TC_EMEMORY, "no memory for %zu observations", wanted);
        events->items = grown;
        events->size = wanted;
    }
    events->items[events->count++] = (struct tc_record_event){time_ns, *o};
    return 0;
}

/* Run times become times of the trace: it begins when the first connection comes up. */
static void shift(struct tc_record_events *events, uint64_t start_ns)
{
    for (size_t i = 0; i < events->count; i++) {
        uint64_t *time_ns = &events->items[i].time_ns;
        *time_ns = *time_ns > start_ns ? *time_ns - start_ns : 0;
    }
}

static int read_lines(FILE *file, const char *path, struct tc_record_events *events, struct tc_error *err)
{
    char *text = NULL;
    size_t size = 0;
    ssize_t len;
    int result = 0;
    uint64_t start_ns = TC_NEVER_NS;
    for (uint64_t at = 1; result == 0 && (len = getline(&text, &size, file)) > 0; at++) {
        json_error_t why;
        struct tc_observation o;
        json_t *line = json_loadb(text, (size_t)len, JSON_REJECT_DUPLICATES, &why);
        const char *kind = json_string_value(json_object_get(line, "e"));
        if (!line)
            result = tc_error_set(err, TC_EMALFORMED, "%s:%llu: %s", path, (unsigned long long)at, why.text);
        else if (read_observation(line, &o))
            result = add(events, number(line, "t"), &o, err);
        if (kind && start_ns == TC_NEVER_NS && strcmp(kind, tc_observation_name(TC_OBS_LINK_UP)) == 0)
            start_ns = number(line, "t");
        json_decref(line);
    }
    if (result == 0 && ferror(file))
        result = tc_error_set(err, TC_EIO, "%s: %s", path, strerror(errno));
    free(text);
    shift(events, start_ns == TC_NEVER_NS ? 0 : start_ns);
    return result;
}

int tc_record_events_read(const char *trace, struct tc_record_events *out, struct tc_error *err)
{
    char path[PATH_SIZE];
    const char *slash = strrchr(trace, '/');
    int folder = slash ? (int)(slash - trace) + 1 : 0;
    *out = (struct tc_record_events){.items = NULL};
    if ((size_t)snprintf(path, sizeof path, "%.*sobservations.jsonl", folder, trace) >= sizeof path)
        return 0;
    FILE *file = fopen(path, "re");
    if (!file)
        return errno == ENOENT ? 0 : tc_error_set(err, TC_EIO, "%s: %s", path, strerror(errno));
    out->present = true;
    int result = read_lines(file, path, out, err);
    fclose(file);
    return result;
}

void tc_record_events_free(struct tc_record_events *events)
{
    free(events->items);
    *events = (struct tc_record_events){.items = NULL};
}
