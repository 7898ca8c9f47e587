#define _GNU_SOURCE
#include "record_stream.h"

#include "../proxy/names.h"
#include "../proxy/nodeset.h"
#include "record_parse.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_MAX ((size_t)16 << 20) /* what one line tells */

struct tc_record_stream {
    FILE *file;
    char path[1024];
    char *text;
    size_t size;
    uint64_t line;
    struct tc_arena arena;
    uint32_t kinds;
    struct tc_nodeset tellers;
    bool has_wall;
    uint64_t start_wall_ns, first_link_ns, last_ns;
    bool ended;
};

/* The next line as JSON: 1, 0 at the end, or an error. */
static int next_line(struct tc_record_stream *s, json_t **out, struct tc_error *err)
{
    json_error_t why;
    *out = NULL;
    ssize_t len = getline(&s->text, &s->size, s->file);
    if (len <= 0)
        return ferror(s->file) ? tc_error_set(err, TC_EIO, "%s: %s", s->path, strerror(errno)) : 0;
    s->line++;
    *out = json_loadb(s->text, (size_t)len, JSON_REJECT_DUPLICATES, &why);
    if (*out)
        return 1;
    if (s->text[len - 1] != '\n')
        return 0; /* the run was cut off while it wrote */
    return tc_error_set(err, TC_EMALFORMED, "%s:%llu: %s", s->path, (unsigned long long)s->line, why.text);
}

static void note_wall(struct tc_record_stream *s, const json_t *line)
{
    uint64_t wall_ns = tc_record_number(line, "ns"), time_ns = tc_record_number(line, "t");
    if (s->has_wall || wall_ns < time_ns)
        return;
    s->has_wall = true;
    s->start_wall_ns = wall_ns - time_ns;
}

/* The kind that a line says it is, without reading all of it: the recorder writes "t" and "e" first. -1: none. */
static int kind_of(const char *text)
{
    const char *at = strstr(text, "\"e\":\"");
    for (int i = 0; at && i < TC_OBS_COUNT; i++) {
        const char *name = tc_observation_name((enum tc_observation_kind)i);
        if (strncmp(at + 5, name, strlen(name)) == 0 && at[5 + strlen(name)] == '"')
            return i;
    }
    return -1;
}

static bool is_wall(const char *text)
{
    return strstr(text, "\"e\":\"wall\"") != NULL;
}

/* Lines come in order of time. */
static void note_end(struct tc_record_stream *s)
{
    unsigned long long time_ns;
    if (sscanf(s->text, "{\"t\":%llu,", &time_ns) == 1 && time_ns > s->last_ns)
        s->last_ns = time_ns;
    s->ended = strstr(s->text, "\"e\":\"end\"") != NULL;
}

/* Nodes whose lines were read, or that were processes of ours and might have printed some. */
static void note_teller(struct tc_record_stream *s, int kind)
{
    const bool tells = kind == TC_OBS_EXECUTED || kind == TC_OBS_VIEW || kind == TC_OBS_NODE_UP;
    const char *at = tells ? strstr(s->text, "\"node\":") : NULL;
    const unsigned long node = at ? strtoul(at + 7, NULL, 10) : TC_NODES_MAX;
    if (node < TC_NODES_MAX)
        tc_nodeset_add(&s->tellers, (uint16_t)node);
}

/* The clock and the first connection are read, all else only counted by kind. */
static int scan(struct tc_record_stream *s, struct tc_error *err)
{
    while (getline(&s->text, &s->size, s->file) > 0) {
        int kind = kind_of(s->text);
        bool wall = kind < 0 && is_wall(s->text);
        note_end(s);
        if (kind >= 0) {
            s->kinds |= UINT32_C(1) << kind;
            note_teller(s, kind);
        }
        if (!wall && (kind != TC_OBS_LINK_UP || s->first_link_ns != TC_NEVER_NS))
            continue;
        json_t *line = json_loads(s->text, JSON_REJECT_DUPLICATES, NULL);
        if (wall)
            note_wall(s, line);
        else if (line)
            s->first_link_ns = tc_record_number(line, "t");
        json_decref(line);
    }
    if (ferror(s->file))
        return tc_error_set(err, TC_EIO, "%s: %s", s->path, strerror(errno));
    if (!s->kinds)
        return tc_error_set(err, TC_EMALFORMED, "%s: expected the observations.jsonl of a run, found no line of one",
                            s->path);
    rewind(s->file);
    return 0;
}

int tc_record_stream_open(const char *path, struct tc_record_stream **out, struct tc_error *err)
{
    *out = NULL;
    FILE *file = fopen(path, "re");
    if (!file)
        return tc_error_set(err, errno == ENOENT ? TC_ENOT_FOUND : TC_EIO, "%s: %s", path, strerror(errno));
    struct tc_record_stream *s = calloc(1, sizeof *s);
    if (!s) {
        fclose(file);
        return tc_error_set(err, TC_EMEMORY, "no memory to read %s", path);
    }
    s->file = file;
    s->first_link_ns = TC_NEVER_NS;
    snprintf(s->path, sizeof s->path, "%s", path);
    tc_arena_init(&s->arena, ARENA_MAX);
    int result = scan(s, err);
    if (result < 0)
        tc_record_stream_close(s);
    else
        *out = s;
    return result;
}

void tc_record_stream_close(struct tc_record_stream *s)
{
    if (!s)
        return;
    fclose(s->file);
    free(s->text);
    tc_arena_free(&s->arena);
    free(s);
}

int tc_record_stream_next(struct tc_record_stream *s, struct tc_observation *out, struct tc_error *err)
{
    json_t *line;
    int status;
    while ((status = next_line(s, &line, err)) == 1) {
        tc_arena_reset(&s->arena);
        bool known = tc_record_parse(line, &s->arena, out);
        json_decref(line);
        if (known)
            return 1;
    }
    return status;
}

bool tc_record_stream_wall(const struct tc_record_stream *s, uint64_t *start_wall_ns)
{
    *start_wall_ns = s->start_wall_ns;
    return s->has_wall;
}

uint32_t tc_record_stream_kinds(const struct tc_record_stream *s)
{
    return s->kinds;
}

bool tc_record_stream_ended(const struct tc_record_stream *s)
{
    return s->ended;
}

uint64_t tc_record_stream_last_ns(const struct tc_record_stream *s)
{
    return s->last_ns;
}

uint64_t tc_record_stream_first_link_ns(const struct tc_record_stream *s)
{
    return s->first_link_ns;
}

const struct tc_nodeset *tc_record_stream_tellers(const struct tc_record_stream *s)
{
    return &s->tellers;
}
