#define _GNU_SOURCE
#include "record_read.h"

#include "../proxy/names.h"
#include "record_parse.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_SIZE      1024
#define LINE_ARENA_MAX ((size_t)16 << 20)

/* true: the line is one that handlers are told of. */
static bool read_observation(const json_t *line, struct tc_arena *arena, struct tc_observation *o)
{
    tc_arena_reset(arena);
    bool known = tc_record_parse(line, arena, o);
    o->text = "";
    switch (o->kind) {
    case TC_OBS_EXECUTED:
        o->executed.operations = NULL; /* only how many there were is kept */
        return known && o->executed.origin == TC_EXEC_EXECUTED;
    case TC_OBS_VIEW:
    case TC_OBS_PHASE:
        return known;
    default:
        return false;
    }
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
    struct tc_arena arena;
    char *text = NULL;
    size_t size = 0;
    ssize_t len;
    int result = 0;
    uint64_t start_ns = TC_NEVER_NS;
    tc_arena_init(&arena, LINE_ARENA_MAX);
    for (uint64_t at = 1; result == 0 && (len = getline(&text, &size, file)) > 0; at++) {
        json_error_t why;
        struct tc_observation o;
        json_t *line = json_loadb(text, (size_t)len, JSON_REJECT_DUPLICATES, &why);
        const char *kind = json_string_value(json_object_get(line, "e"));
        if (!line)
            result = tc_error_set(err, TC_EMALFORMED, "%s:%llu: %s", path, (unsigned long long)at, why.text);
        else if (read_observation(line, &arena, &o))
            result = add(events, tc_record_number(line, "t"), &o, err);
        if (kind && start_ns == TC_NEVER_NS && strcmp(kind, tc_observation_name(TC_OBS_LINK_UP)) == 0)
            start_ns = tc_record_number(line, "t");
        json_decref(line);
    }
    if (result == 0 && ferror(file))
        result = tc_error_set(err, TC_EIO, "%s: %s", path, strerror(errno));
    free(text);
    tc_arena_free(&arena);
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
