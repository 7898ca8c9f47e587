#include "record_line.h"

#include "../proxy/names.h"
#include "../proxy/nodeset.h"

static void add_number(struct tc_buf *t, const char *name, uint64_t value)
{
    /* JSON knows no 64-bit numbers: what a forged message may hold above 2^63 is a hexadecimal text. */
    tc_buf_format(t, value <= INT64_MAX ? ",\"%s\":%llu" : ",\"%s\":\"0x%llx\"", name, (unsigned long long)value);
}

static void add_string(struct tc_buf *t, const char *name, const char *value)
{
    if (!value || !*value)
        return;
    tc_buf_format(t, ",\"%s\":\"", name);
    tc_buf_escape(t, TC_ESCAPE_JSON, value);
    tc_buf_add(t, "\"");
}

static void add_bytes(struct tc_buf *t, const char *name, struct tc_slice bytes)
{
    if (bytes.len == 0)
        return;
    tc_buf_format(t, ",\"%s\":\"", name);
    tc_buf_hex(t, bytes);
    tc_buf_add(t, "\"");
}

static void add_value(struct tc_buf *t, const char *name, const struct tc_value *value)
{
    if (value->state == TC_VALUE_NIL)
        add_string(t, name, "nil");
    else if (value->state == TC_VALUE_BYTES)
        add_bytes(t, name, (struct tc_slice){value->bytes, sizeof value->bytes});
}

static void add_bool(struct tc_buf *t, const char *name, bool value)
{
    tc_buf_format(t, ",\"%s\":%s", name, value ? "true" : "false");
}

static void add_nodes(struct tc_buf *t, const char *name, const struct tc_nodeset *set)
{
    const char *between = "";
    tc_buf_format(t, ",\"%s\":[", name);
    for (uint32_t node = 0; node < TC_NODES_MAX; node++)
        if (tc_nodeset_has(set, node)) {
            tc_buf_format(t, "%s%u", between, node);
            between = ",";
        }
    tc_buf_add(t, "]");
}

static void add_executed(struct tc_buf *t, const struct tc_observation *o)
{
    add_number(t, "view", o->executed.view);
    add_number(t, "seq", o->executed.sequence);
    add_value(t, "digest", &o->executed.value);
    add_value(t, "state", &o->executed.state);
    add_string(t, "origin", tc_execution_origin_name(o->executed.origin));
    tc_buf_add(t, ",\"ops\":[");
    for (uint32_t i = 0; i < o->executed.operation_count; i++) {
        const struct tc_operation *op = &o->executed.operations[i];
        tc_buf_format(t, "%s{\"client\":%u", i ? "," : "", op->client);
        add_number(t, "ts", op->timestamp);
        add_bytes(t, "digest", (struct tc_slice){op->digest, sizeof op->digest});
        add_bool(t, "fresh", op->fresh);
        tc_buf_add(t, "}");
    }
    tc_buf_add(t, "]");
}

static void add_client(struct tc_buf *t, const struct tc_observation *o)
{
    add_number(t, "ts", o->client.timestamp);
    add_value(t, "digest", &o->client.digest);
    add_bytes(t, "op", o->client.operation);
    if (o->kind != TC_OBS_REPLIED)
        return;
    add_bytes(t, "result", o->client.result);
    add_number(t, "latency_ns", o->client.latency_ns);
    add_bool(t, "ok", o->client.ok);
}

static void add_faults(struct tc_buf *t, const struct tc_faults *f)
{
    add_nodes(t, "signed_for", &f->signed_for);
    add_nodes(t, "liveness", &f->liveness);
    add_nodes(t, "down", &f->down);
    if (f->healed_ns != TC_NEVER_NS)
        add_number(t, "healed_ns", f->healed_ns);
    add_number(t, "bitten", f->bitten);
    add_bool(t, "active", f->active);
}

/* Of the two votes of the evidence the first tells all that they share. */
static void add_accused(struct tc_buf *t, const struct tc_observation *o)
{
    const struct tc_message *m = o->accused.message;
    add_number(t, "seq", o->accused.sequence);
    add_value(t, "digest", &o->accused.block);
    if (o->accused.unchecked)
        add_bool(t, "unchecked", true);
    if (!m || m->statement_count < 2)
        return;
    const struct tc_statement *vote = &m->statements[1];
    if (vote->signer != TC_NODE_NONE)
        add_number(t, "accused", vote->signer);
    add_string(t, "phase", tc_phase_name(vote->phase));
    add_number(t, "of_view", vote->view);
    add_number(t, "of_seq", vote->sequence);
}

static void add_member(struct tc_buf *t, const struct tc_observation *o)
{
    add_number(t, "seq", o->member.sequence);
    add_number(t, "index", o->member.index);
    add_number(t, "count", o->member.count);
    add_number(t, "power", o->member.power);
    if (o->member.node != TC_NODE_NONE)
        add_number(t, "member", o->member.node);
    add_bytes(t, "key", (struct tc_slice){o->member.public_key, sizeof o->member.public_key});
}

static void add_details(struct tc_buf *t, const struct tc_observation *o)
{
    switch (o->kind) {
    case TC_OBS_EXECUTED:
        add_executed(t, o);
        break;
    case TC_OBS_VIEW:
        add_number(t, "view", o->view.view);
        add_bool(t, "active", o->view.active);
        add_number(t, "timeout_ns", o->view.timeout_ns);
        break;
    case TC_OBS_STABLE:
        add_number(t, "seq", o->stable.sequence);
        add_value(t, "state", &o->stable.state);
        break;
    case TC_OBS_REQUESTED:
    case TC_OBS_REPLIED:
        add_client(t, o);
        break;
    case TC_OBS_NODE_EXIT:
        tc_buf_format(t, ",\"status\":%d", o->exit.status);
        add_bool(t, "asked", o->exit.asked);
        break;
    case TC_OBS_ACCUSED:
        add_accused(t, o);
        break;
    case TC_OBS_MEMBER:
        add_member(t, o);
        break;
    case TC_OBS_PHASE:
        add_string(t, "phase", tc_run_phase_name(o->phase.phase));
        break;
    case TC_OBS_FAULTS:
        add_faults(t, &o->faults);
        break;
    case TC_OBS_OVERFLOW:
        if (o->not_carried)
            add_bool(t, "not_carried", true);
        break;
    default:
        break;
    }
}

void tc_record_observation(struct tc_buf *t, const struct tc_observation *o)
{
    tc_buf_format(t, "{\"t\":%llu,\"e\":\"%s\"", (unsigned long long)o->time_ns, tc_observation_name(o->kind));
    add_number(t, "id", o->id);
    if (o->node != TC_NODE_NONE)
        add_number(t, "node", o->node);
    if (o->peer != TC_NODE_NONE && (o->kind == TC_OBS_COMPLAINT || o->kind == TC_OBS_LINK_UP ||
                                    o->kind == TC_OBS_LINK_DOWN || o->kind == TC_OBS_SPLICED))
        add_number(t, "peer", o->peer);
    if (o->incarnation)
        add_number(t, "incarnation", o->incarnation);
    add_details(t, o);
    add_string(t, "text", o->text);
    tc_buf_add(t, "}\n");
}

void tc_record_decision(struct tc_buf *t, const struct tc_decision *d)
{
    tc_buf_format(t, "{\"id\":%llu,\"t\":%llu", (unsigned long long)d->id, (unsigned long long)d->time_ns);
    add_string(t, "rule", d->rule);
    add_string(t, "verb", tc_verb_name(d->verb));
    if (d->from != TC_NODE_NONE)
        add_number(t, "from", d->from);
    if (d->to != TC_NODE_NONE)
        add_number(t, "to", d->to);
    if (d->verb >= TC_PAUSE && d->node != TC_NODE_NONE)
        add_number(t, "node", d->node);
    add_bool(t, "bitten", d->bitten);
    tc_buf_format(t, ",\"key\":\"%016llx\"", (unsigned long long)d->key);
    add_number(t, "occurrence", d->occurrence);
    if (d->count)
        add_number(t, "count", d->count);
    add_string(t, "kind", tc_kind_name(d->kind));
    add_string(t, "phase", tc_phase_name(d->phase));
    add_string(t, "type", d->type);
    if (d->has_view)
        add_number(t, "view", d->view);
    if (d->has_sequence)
        add_number(t, "seq", d->sequence);
    add_value(t, "digest", &d->value);
    if (d->asked_ns)
        add_number(t, "asked_ns", d->asked_ns);
    if (d->measured_ns)
        add_number(t, "measured_ns", d->measured_ns);
    add_string(t, "why", d->why);
    add_bytes(t, "bytes", d->bytes);
    tc_buf_add(t, "}\n");
}
