#define _GNU_SOURCE
#include "decisions_internal.h"

#include "names.h"
#include "nodeset.h"
#include "random.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- first and last line ---- */

static int read_limits(struct tc_decisions_reader *r, const json_t *line)
{
    struct tc_adversary_limits *limits = &r->out->header.limits;
    const json_t *object = json_object_get(line, "limits");
    int status = json_is_object(object) ? 0 : tc_decisions_expected(r, "\"limits\"");
    if (status == 0)
        status = tc_decisions_small(r, object, "process_faults", UINT32_MAX, &limits->process_faults);
    if (status == 0)
        status = tc_decisions_small(r, object, "network_faults", UINT32_MAX, &limits->network_faults);
    if (status == 0)
        status = tc_decisions_small(r, object, "rounds_max", UINT32_MAX, &limits->rounds_max);
    limits->any_scope = json_is_true(json_object_get(object, "any_scope"));
    return status;
}

static int read_options(struct tc_decisions_reader *r, const json_t *line)
{
    struct tc_decisions_header *h = &r->out->header;
    const json_t *array = json_object_get(line, "options"), *option;
    size_t i;
    if (!json_is_array(array) || json_array_size(array) > TC_DECISIONS_OPTIONS_MAX)
        return tc_decisions_expected(r, "\"options\", a list");
    json_array_foreach(array, i, option)
    {
        const char *text = json_string_value(option);
        if (!text || strlen(text) >= sizeof h->options[0])
            return tc_decisions_expected(r, "\"options\" as texts");
        snprintf(h->options[h->option_count++], sizeof h->options[0], "%s", text);
    }
    return 0;
}

static int read_names(struct tc_decisions_reader *r, const json_t *line)
{
    struct tc_decisions_header *h = &r->out->header;
    const struct {
        const char *name;
        char *text;
        size_t size;
    } texts[] = {
        {"turncoat", h->version, sizeof h->version},
        {"scenario", h->scenario, sizeof h->scenario},
        {"path", h->path, sizeof h->path},
        {"protocol", h->protocol, sizeof h->protocol},
        {"world", h->world, sizeof h->world},
        {"signatures", h->signatures, sizeof h->signatures},
        {"bug", h->bug, sizeof h->bug},
        {"strategy", h->strategy, sizeof h->strategy},
        {"rule", h->rule, sizeof h->rule},
    };
    int status = 0;
    for (size_t i = 0; status == 0 && i < sizeof texts / sizeof *texts; i++)
        status = tc_decisions_text(r, line, texts[i].name, texts[i].text, texts[i].size);
    return status;
}

static int read_header(struct tc_decisions_reader *r, const json_t *line)
{
    struct tc_decisions_header *h = &r->out->header;
    if (!json_string_value(json_object_get(line, "turncoat")))
        return tc_decisions_expected(r, "the first line of a decisions file, {\"turncoat\":…}: this is not one");
    int status = read_names(r, line);
    if (status == 0)
        status = tc_decisions_hash(r, line, "content", &h->content);
    if (status == 0)
        status = tc_decisions_number(r, line, "seed", 0, &h->seed);
    if (status == 0)
        status = tc_decisions_number(r, line, "index", 0, &h->index);
    if (status == 0)
        status = tc_decisions_number(r, line, "decisions_max", 0, &h->decisions_max);
    if (status == 0)
        status = read_limits(r, line);
    if (status == 0)
        status = read_options(r, line);
    if (status == 0)
        status = tc_decisions_small(r, line, "kinds", UINT32_MAX, &h->kinds);
    if (status == 0)
        status = tc_decisions_small(r, line, "calls", UINT32_MAX, &h->calls);
    h->always = json_is_true(json_object_get(line, "always"));
    h->goes_on = json_is_true(json_object_get(line, "goes_on"));
    return status;
}

static int read_end(struct tc_decisions_reader *r, const json_t *line)
{
    struct tc_decisions_end *end = &r->out->end;
    r->ended = true;
    end->exit_code = (int)json_integer_value(json_object_get(line, "exit"));
    int status = tc_decisions_number(r, line, "decisions", 0, &end->decisions);
    if (status == 0)
        status = tc_decisions_number(r, line, "observations", 0, &end->observations);
    if (status == 0)
        status = tc_decisions_hash(r, line, "hash", &end->hash);
    if (status == 0)
        status = tc_decisions_text(r, line, "verdict", end->verdict, sizeof end->verdict);
    if (status == 0)
        status = tc_decisions_text(r, line, "oracle", end->oracle, sizeof end->oracle);
    return status == 0 ? tc_decisions_text(r, line, "rule", end->rule, sizeof end->rule) : status;
}

/* ---- answers ---- */

static int read_moment(struct tc_decisions_reader *r, const json_t *line, struct tc_decisions_entry *e)
{
    const char *call = json_string_value(json_object_get(line, "call"));
    const json_t *at = json_object_get(line, "at");
    const json_t *named = at ? at : line;
    int status = tc_decisions_small(r, line, "m", TC_TAPE_ITEMS_MAX, &e->m);
    if (status == 0 && (e->m == 0 || !call))
        status = tc_decisions_expected(r, "\"m\" and \"call\": the moment of the decision");
    if (status)
        return status;
    int kind = TC_CALL_BEGIN;
    while (kind <= TC_CALL_END && strcmp(call, tc_decisions_call_name((enum tc_call_kind)kind)) != 0)
        kind++;
    if (kind > TC_CALL_END)
        return tc_decisions_expected(r, "\"call\" to be begin, message, hear, decide, view, timer, phase or end");
    e->moment.call = (enum tc_call_kind)kind;
    status = tc_decisions_number(r, line, "t", 0, &e->moment.time_ns);
    if (status == 0 && json_object_get(line, "role"))
        status = tc_decisions_hash(r, line, "role", &e->moment.role);
    if (status == 0)
        status = tc_decisions_hash(r, named, "key", &e->moment.key);
    if (status == 0)
        status = tc_decisions_node(r, named, "from", &e->moment.from);
    if (status == 0)
        status = tc_decisions_node(r, named, "to", &e->moment.to);
    return status == 0 ? tc_decisions_small(r, named, "occurrence", UINT32_MAX, &e->moment.occurrence) : status;
}

static int read_frames(struct tc_decisions_reader *r, const json_t *line, struct tc_tape_item *item)
{
    const json_t *lens = json_object_get(line, "frames"), *len;
    struct tc_slice bytes;
    struct tc_slice *frames = NULL;
    size_t i, at = 0;
    int status = tc_decisions_bytes(r, line, &bytes);
    if (status || !lens)
        return status;
    if (!json_is_array(lens) || json_array_size(lens) > TC_PLAN_FRAMES_MAX)
        return tc_decisions_expected(r, "\"frames\", a list of lengths");
    item->verdict.frame_count = (uint32_t)json_array_size(lens);
    frames = tc_arena_alloc(&r->arena, (item->verdict.frame_count + (size_t)1) * sizeof *frames);
    if (!frames)
        return tc_error_set(r->err, TC_ELIMIT, "%s:%u: too many frames", r->path, r->line);
    json_array_foreach(lens, i, len)
    {
        const json_int_t n = json_integer_value(len);
        if (!json_is_integer(len) || n < 0 || (size_t)n > bytes.len - at)
            return tc_decisions_expected(r, "\"frames\" to be the lengths of what \"bytes\" holds");
        frames[i] = (struct tc_slice){bytes.data + at, (size_t)n};
        at += (size_t)n;
    }
    item->verdict.frames = frames;
    return at == bytes.len ? 0 : tc_decisions_expected(r, "\"frames\" to be the lengths of all that \"bytes\" holds");
}

static int read_verdict(struct tc_decisions_reader *r, const json_t *line, struct tc_tape_item *item)
{
    const json_t *hold = json_object_get(line, "hold");
    item->kind = TC_TAPE_VERDICT;
    item->verdict.why = tc_decisions_copy(r, json_string_value(json_object_get(line, "why")));
    item->verdict.hold_name = tc_decisions_copy(r, json_string_value(hold));
    int status = tc_decisions_number(r, line, "delay_ns", 0, &item->verdict.delay_ns);
    if (status == 0)
        status = tc_decisions_number(r, line, "window_ns", 0, &item->verdict.window_ns);
    if (status == 0)
        status = tc_decisions_small(r, line, "duplicates", UINT32_MAX, &item->verdict.duplicates);
    return status == 0 && item->verdict.verb == TC_REPLACE ? read_frames(r, line, item) : status;
}

static int read_blocks(struct tc_decisions_reader *r, const json_t *line, struct tc_op *op)
{
    const json_t *blocks = json_object_get(line, "blocks"), *block;
    size_t i;
    int status = 0;
    if (!json_is_array(blocks) || json_array_size(blocks) > sizeof op->blocks / sizeof *op->blocks)
        return tc_decisions_expected(r, "\"blocks\", at most 8 lists of nodes");
    json_array_foreach(blocks, i, block)
    {
        if (status == 0)
            status = tc_decisions_set(r, block, &op->blocks[i]);
    }
    op->block_count = (uint32_t)json_array_size(blocks);
    return status;
}

static int read_op(struct tc_decisions_reader *r, const json_t *line, enum tc_verb verb, struct tc_tape_item *item)
{
    struct tc_op *op = tc_arena_zalloc(&r->arena, sizeof *op);
    if (!op)
        return tc_error_set(r->err, TC_ELIMIT, "%s:%u: too many decisions", r->path, r->line);
    item->kind = TC_TAPE_OP;
    item->op = op;
    op->verb = verb;
    op->name = tc_decisions_copy(r, json_string_value(json_object_get(line, "hold")));
    int status = tc_decisions_node(r, line, "from", &op->from);
    if (status == 0)
        status = tc_decisions_node(r, line, "to", &op->to);
    if (status == 0)
        status = tc_decisions_node(r, line, "node", &op->node);
    if (status == 0 && verb == TC_SEND)
        status = tc_decisions_bytes(r, line, &op->frame);
    return status == 0 && verb == TC_PARTITION ? read_blocks(r, line, op) : status;
}

static int read_choice(struct tc_decisions_reader *r, const json_t *line, struct tc_decisions_entry *e)
{
    const char *word = json_string_value(json_object_get(line, "verb"));
    int verb = TC_DROP;
    while (word && verb < TC_VERB_COUNT && strcmp(word, tc_verb_name((enum tc_verb)verb)) != 0)
        verb++;
    if (!word || verb == TC_VERB_COUNT)
        return tc_decisions_expected(r, "\"verb\", what was decided");
    int status = tc_decisions_number(r, line, "id", 0, &e->item.decision);
    if (status)
        return status;
    if (verb >= TC_SEND) {
        e->rank = 4;
        return read_op(r, line, (enum tc_verb)verb, &e->item);
    }
    e->rank = 5;
    e->item.verdict.verb = (enum tc_verb)verb;
    return read_verdict(r, line, &e->item);
}

static int read_other(struct tc_decisions_reader *r, const json_t *line, struct tc_decisions_entry *e)
{
    const json_t *traitors = json_object_get(line, "traitors"), *who = json_object_get(line, "signed");
    const char *note = json_string_value(json_object_get(line, "note"));
    if (traitors || who) {
        e->rank = traitors ? 0 : 1;
        e->item.kind = traitors ? TC_TAPE_TRAITORS : TC_TAPE_SIGNED;
        return tc_decisions_set(r, traitors ? traitors : who, &e->item.nodes);
    }
    if (note) {
        e->rank = 2;
        e->item.kind = TC_TAPE_NOTE;
        e->item.note = tc_decisions_copy(r, note);
        return e->item.note ? 0 : tc_error_set(r->err, TC_ELIMIT, "%s:%u: too many notes", r->path, r->line);
    }
    if (!json_object_get(line, "after_ns"))
        return tc_decisions_expected(r, "a decision (\"id\"), \"traitors\", \"signed\", \"note\" or \"after_ns\"");
    e->rank = 3;
    e->item.kind = TC_TAPE_TIMER;
    const int status = tc_decisions_number(r, line, "after_ns", 0, &e->item.timer.delay_ns);
    return status == 0 ? tc_decisions_hash(r, line, "token", &e->item.timer.token) : status;
}

static int read_answer(struct tc_decisions_reader *r, const json_t *line)
{
    if (r->count == r->size) {
        const size_t size = r->size ? r->size * 2 : 256;
        struct tc_decisions_entry *grown =
            size <= 2 * (size_t)TC_TAPE_ITEMS_MAX ? realloc(r->entries, size * sizeof *grown) : NULL;
        if (!grown)
            return tc_error_set(r->err, TC_ELIMIT, "%s:%u: too many decisions", r->path, r->line);
        r->entries = grown;
        r->size = size;
    }
    struct tc_decisions_entry *e = &r->entries[r->count];
    memset(e, 0, sizeof *e);
    e->line = r->line;
    int status = read_moment(r, line, e);
    if (status == 0)
        status = json_object_get(line, "id") ? read_choice(r, line, e) : read_other(r, line, e);
    r->count += status == 0;
    return status;
}

/* ---- the file ---- */

static int read_line(struct tc_decisions_reader *r, const char *text, size_t len)
{
    json_error_t why;
    if (r->ended)
        return tc_decisions_expected(r, "nothing after the last line");
    json_t *line = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
    int status;
    if (!json_is_object(line))
        status = tc_error_set(r->err, TC_EMALFORMED, "%s:%u: expected a JSON object: %s", r->path, r->line,
                              line ? "found something else" : why.text);
    else if (r->line == 1)
        status = read_header(r, line);
    else if (json_is_true(json_object_get(line, "end")))
        status = read_end(r, line);
    else
        status = read_answer(r, line);
    json_decref(line);
    return status;
}

static int read_lines(struct tc_decisions_reader *r, FILE *file)
{
    char *text = NULL;
    size_t size = 0, total = 0;
    ssize_t len;
    int status = 0;
    while (status == 0 && (len = getline(&text, &size, file)) > 0) {
        r->line++;
        total += (size_t)len;
        if (total > TC_DECISIONS_BYTES_MAX)
            status = tc_error_set(r->err, TC_ELIMIT, "%s: more than %zu bytes", r->path, TC_DECISIONS_BYTES_MAX);
        else
            status = read_line(r, text, (size_t)len);
        if (status == 0 && r->line == 1 && strcmp(r->out->header.world, "sim") != 0)
            status = tc_decisions_expected(r, "decisions of a simulated run: a live one does not repeat");
    }
    if (status == 0 && ferror(file))
        status = tc_error_set(r->err, TC_EIO, "%s: %s", r->path, strerror(errno));
    if (status == 0 && !r->ended) {
        r->line++;
        status = tc_decisions_expected(r, r->line == 1
                                              ? "the first line, {\"turncoat\":…}; it is empty"
                                              : "more decisions or the last line, {\"end\":true,…}: the file was cut");
    }
    free(text);
    return status;
}

static int by_moment(const void *a, const void *b)
{
    const struct tc_decisions_entry *x = a, *y = b;
    if (x->m != y->m)
        return x->m < y->m ? -1 : 1;
    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    if (x->item.decision != y->item.decision)
        return x->item.decision < y->item.decision ? -1 : 1;
    return x->line < y->line ? -1 : x->line > y->line;
}

static int fill_tape(struct tc_decisions_reader *r)
{
    struct tc_tape *tape = &r->out->tape;
    const struct tc_decisions_header *h = &r->out->header;
    uint32_t m = 0;
    uint64_t decision = 0;
    if (r->count > 0)
        qsort(r->entries, r->count, sizeof *r->entries, by_moment);
    snprintf(tape->rule, sizeof tape->rule, "%s", h->rule);
    tape->kinds = h->kinds;
    tape->calls = h->calls;
    tape->always = h->always;
    tape->goes_on = h->goes_on;
    int status = 0;
    for (size_t i = 0; status == 0 && i < r->count; i++) {
        struct tc_decisions_entry *e = &r->entries[i];
        r->line = e->line;
        if (e->m != m)
            status = tc_tape_add_moment(tape, &e->moment);
        m = e->m;
        /* Replays count choices: a gap is a line that was taken out by hand. */
        if (e->rank >= 4 && e->item.decision != ++decision)
            return tc_decisions_expected(r, "decisions numbered without a gap, in the order of their moments");
        e->item.moment = tape->moment_count - 1;
        if (status == 0)
            status = tc_tape_add(tape, &e->item);
        if (status)
            tc_error_set(r->err, status, "%s:%u: %s", r->path, r->line, tc_error_text(status));
    }
    if (status == 0 && tape->choice_count != r->out->end.decisions)
        status = tc_error_set(r->err, TC_EMALFORMED, "%s: expected %llu decisions, as its last line says, found %u",
                              r->path, (unsigned long long)r->out->end.decisions, tape->choice_count);
    return status;
}

int tc_decisions_read(const char *path, struct tc_decisions *out, struct tc_error *err)
{
    struct tc_decisions_reader r = {.path = path, .out = out, .err = err};
    memset(out, 0, sizeof *out);
    tc_tape_init(&out->tape);
    FILE *file = fopen(path, "re");
    if (!file)
        return tc_error_set(err, errno == ENOENT ? TC_ENOT_FOUND : TC_EIO, "%s: %s", path, strerror(errno));
    tc_arena_init(&r.arena, TC_TAPE_BYTES_MAX);
    int status = read_lines(&r, file);
    if (status == 0)
        status = fill_tape(&r);
    fclose(file);
    free(r.entries);
    tc_arena_free(&r.arena);
    return status;
}

void tc_decisions_free(struct tc_decisions *decisions)
{
    tc_tape_free(&decisions->tape);
}

int tc_decisions_content(const char *const *paths, size_t count, uint64_t *hash, struct tc_error *err)
{
    static uint8_t bytes[65536];
    *hash = 1;
    for (size_t i = 0; i < count; i++) {
        FILE *file = paths[i][0] ? fopen(paths[i], "re") : NULL;
        if (paths[i][0] && !file)
            return tc_error_set(err, TC_EIO, "%s: %s", paths[i], strerror(errno));
        for (size_t n; file && (n = fread(bytes, 1, sizeof bytes, file)) > 0;)
            *hash = tc_random_mix_bytes(*hash, (struct tc_slice){bytes, n});
        const bool failed = file && ferror(file);
        if (file)
            fclose(file);
        if (failed)
            return tc_error_set(err, TC_EIO, "%s: cannot be read", paths[i]);
    }
    return 0;
}
