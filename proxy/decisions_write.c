#include "decisions_internal.h"

#include "names.h"
#include "nodeset.h"

#include <inttypes.h>

static const char *const call_names[] = {"begin", "message", "hear", "decide", "view", "timer", "phase", "end"};

const char *tc_decisions_call_name(enum tc_call_kind call)
{
    return (size_t)call < sizeof call_names / sizeof *call_names ? call_names[call] : "?";
}

static void add_text(struct tc_buf *out, const char *name, const char *value)
{
    tc_buf_format(out, ",\"%s\":\"", name);
    tc_buf_escape(out, TC_ESCAPE_JSON, value);
    tc_buf_add(out, "\"");
}

/* JSON knows no 64-bit numbers: above 2^63 it is a hexadecimal text. */
static void add_number(struct tc_buf *out, const char *name, uint64_t value)
{
    if (value <= INT64_MAX)
        tc_buf_format(out, ",\"%s\":%" PRIu64, name, value);
    else
        tc_buf_format(out, ",\"%s\":\"0x%" PRIx64 "\"", name, value);
}

static void add_hash(struct tc_buf *out, const char *name, uint64_t value)
{
    tc_buf_format(out, ",\"%s\":\"%016" PRIx64 "\"", name, value);
}

static void add_bool(struct tc_buf *out, const char *name, bool value)
{
    tc_buf_format(out, ",\"%s\":%s", name, value ? "true" : "false");
}

static void add_set(struct tc_buf *out, const struct tc_nodeset *set)
{
    const char *between = "";
    tc_buf_add(out, "[");
    for (uint32_t node = 0; node < TC_NODES_MAX; node++)
        if (tc_nodeset_has(set, node)) {
            tc_buf_format(out, "%s%u", between, node);
            between = ",";
        }
    tc_buf_add(out, "]");
}

static void add_nodes(struct tc_buf *out, const char *name, const struct tc_nodeset *set)
{
    tc_buf_format(out, ",\"%s\":", name);
    add_set(out, set);
}

/* ---- first and last line ---- */

static void add_strategy(struct tc_buf *out, const struct tc_decisions_header *h)
{
    add_text(out, "strategy", h->strategy);
    add_number(out, "index", h->index);
    add_number(out, "decisions_max", h->decisions_max);
    tc_buf_format(out, ",\"limits\":{\"process_faults\":%u,\"network_faults\":%u,\"rounds_max\":%u",
                  h->limits.process_faults, h->limits.network_faults, h->limits.rounds_max);
    add_bool(out, "any_scope", h->limits.any_scope);
    tc_buf_add(out, "}");
}

void tc_decisions_header_line(struct tc_buf *out, const struct tc_decisions_header *h)
{
    tc_buf_add(out, "{\"turncoat\":\"");
    tc_buf_escape(out, TC_ESCAPE_JSON, h->version);
    tc_buf_add(out, "\"");
    add_text(out, "scenario", h->scenario);
    add_text(out, "path", h->path);
    add_hash(out, "content", h->content);
    add_text(out, "protocol", h->protocol);
    add_text(out, "world", h->world);
    add_text(out, "signatures", h->signatures);
    add_text(out, "bug", h->bug);
    tc_buf_format(out, ",\"seed\":\"0x%08" PRIx64 "\"", h->seed);
    add_strategy(out, h);
    tc_buf_add(out, ",\"options\":[");
    for (uint32_t i = 0; i < h->option_count; i++) {
        tc_buf_add(out, i ? ",\"" : "\"");
        tc_buf_escape(out, TC_ESCAPE_JSON, h->options[i]);
        tc_buf_add(out, "\"");
    }
    tc_buf_add(out, "]");
    add_text(out, "rule", h->rule);
    add_number(out, "kinds", h->kinds);
    add_number(out, "calls", h->calls);
    add_bool(out, "always", h->always);
    add_bool(out, "goes_on", h->goes_on);
    tc_buf_add(out, "}\n");
}

void tc_decisions_end_line(struct tc_buf *out, const struct tc_decisions_end *end)
{
    tc_buf_add(out, "{\"end\":true");
    add_number(out, "decisions", end->decisions);
    add_number(out, "observations", end->observations);
    add_hash(out, "hash", end->hash);
    tc_buf_format(out, ",\"exit\":%d", end->exit_code);
    add_text(out, "verdict", end->verdict);
    add_text(out, "oracle", end->oracle);
    add_text(out, "rule", end->rule);
    tc_buf_add(out, "}\n");
}

/* ---- what was answered ---- */

static void add_moment(struct tc_buf *out, const struct tc_tape *tape, uint32_t moment, bool name_message)
{
    const struct tc_moment *m = &tape->moments[moment];
    tc_buf_format(out, ",\"m\":%u", moment + 1);
    add_text(out, "call", tc_decisions_call_name(m->call));
    if (m->role)
        add_hash(out, "role", m->role);
    if (!name_message)
        return;
    tc_buf_format(out, ",\"at\":{\"key\":\"%016" PRIx64 "\"", m->key);
    if (m->from != TC_NODE_NONE)
        add_number(out, "from", m->from);
    if (m->to != TC_NODE_NONE)
        add_number(out, "to", m->to);
    if (m->occurrence)
        add_number(out, "occurrence", m->occurrence);
    tc_buf_add(out, "}");
}

void tc_decisions_item_line(struct tc_buf *out, const struct tc_tape *tape, const struct tc_tape_item *item)
{
    tc_buf_format(out, "{\"t\":%" PRIu64, tape->moments[item->moment].time_ns);
    add_moment(out, tape, item->moment, true);
    switch (item->kind) {
    case TC_TAPE_TRAITORS:
        add_nodes(out, "traitors", &item->nodes);
        break;
    case TC_TAPE_SIGNED:
        add_nodes(out, "signed", &item->nodes);
        break;
    case TC_TAPE_NOTE:
        add_text(out, "note", item->note);
        break;
    case TC_TAPE_TIMER:
        add_number(out, "after_ns", item->timer.delay_ns);
        add_hash(out, "token", item->timer.token);
        break;
    case TC_TAPE_OP:
    case TC_TAPE_VERDICT:
        break;
    }
    tc_buf_add(out, "}\n");
}

static void more_op(struct tc_buf *out, const struct tc_op *op)
{
    if (op->verb == TC_RELEASE && op->name)
        add_text(out, "hold", op->name);
    if (op->verb != TC_PARTITION)
        return;
    tc_buf_add(out, ",\"blocks\":[");
    for (uint32_t i = 0; i < op->block_count && i < sizeof op->blocks / sizeof *op->blocks; i++) {
        tc_buf_add(out, i ? "," : "");
        add_set(out, &op->blocks[i]);
    }
    tc_buf_add(out, "]");
}

static void more_frames(struct tc_buf *out, const struct tc_tape_item *item, const struct tc_decision *d)
{
    tc_buf_add(out, ",\"frames\":[");
    for (uint32_t i = 0; i < item->verdict.frame_count; i++)
        tc_buf_format(out, "%s%zu", i ? "," : "", item->verdict.frames[i].len);
    tc_buf_add(out, "]");
    if (d->bytes.len > 0)
        return;
    /* It never came to be put in place, so the engine shows no bytes: a replay may get further. */
    tc_buf_add(out, ",\"bytes\":\"");
    for (uint32_t i = 0; i < item->verdict.frame_count; i++)
        tc_buf_hex(out, item->verdict.frames[i]);
    tc_buf_add(out, "\"");
}

static void more_verdict(struct tc_buf *out, const struct tc_tape_item *item, const struct tc_decision *d)
{
    if (item->verdict.delay_ns)
        add_number(out, "delay_ns", item->verdict.delay_ns);
    if (item->verdict.window_ns)
        add_number(out, "window_ns", item->verdict.window_ns);
    if (item->verdict.duplicates)
        add_number(out, "duplicates", item->verdict.duplicates);
    if (item->verdict.hold_name)
        add_text(out, "hold", item->verdict.hold_name);
    if (item->verdict.frame_count)
        more_frames(out, item, d);
}

void tc_decisions_more(struct tc_buf *out, const struct tc_tape *tape, const struct tc_decision *d)
{
    const struct tc_tape_item *item = tc_tape_choice(tape, d->id);
    if (!item)
        return;
    add_moment(out, tape, item->moment, item->kind == TC_TAPE_OP);
    if (item->kind == TC_TAPE_OP)
        more_op(out, item->op);
    else
        more_verdict(out, item, d);
}
