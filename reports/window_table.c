/* messages.tsv: said_ns heard_ns from to type kind phase view sequence digest fate decision signer. Times empty when it
 * was not said (made or changed by us) or not heard; nodes are numbers; fate is one of the words below, "executed" or
 * "enters"/"asks"; signer is whose word it is, empty where that is `from`. What we changed and did not sign anew is
 * "corrupted", for its signature no longer holds: by its signer, whoever relays it. */
#include "../proxy/names.h"
#include "../proxy/nodeset.h"
#include "window_parts.h"

#include <stdlib.h>
#include <string.h>

struct row {
    const struct tc_window_record *record;
    uint64_t said_ns, heard_ns;
    uint64_t decision; /* id, 0 none */
    const char *fate;  /* NULL: follows from the times */
    uint32_t next;     /* row + 1 of the same hash chain */
};

struct table {
    struct row *rows;
    uint32_t count;
    uint32_t *chains; /* row + 1, 0 empty */
    uint32_t mask;
};

static uint32_t chain_of(const struct table *t, const struct tc_window_record *r)
{
    uint64_t hash = r->key ^ ((uint64_t)r->from << 48) ^ ((uint64_t)r->to << 32) ^ r->occurrence;
    hash *= UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(hash >> 40) & t->mask;
}

static bool same_message(const struct tc_window_record *a, const struct tc_window_record *b)
{
    return a->key == b->key && a->occurrence == b->occurrence && a->from == b->from && a->to == b->to;
}

/* The row of what was said under this key on this link, or NULL. */
static struct row *find_said(const struct table *t, const struct tc_window_record *r)
{
    for (uint32_t i = t->chains[chain_of(t, r)]; i != 0; i = t->rows[i - 1].next) {
        struct row *row = &t->rows[i - 1];
        if (row->said_ns != TC_NEVER_NS && same_message(row->record, r))
            return row;
    }
    return NULL;
}

static struct row *append(struct table *t, const struct tc_window_record *r)
{
    struct row *row = &t->rows[t->count];
    *row = (struct row){.record = r, .said_ns = TC_NEVER_NS, .heard_ns = TC_NEVER_NS};
    uint32_t *chain = &t->chains[chain_of(t, r)];
    row->next = *chain;
    *chain = ++t->count;
    return row;
}

static void add_message(struct table *t, const struct tc_window *w, const struct tc_window_record *r)
{
    struct row *row = r->said || r->touched ? NULL : find_said(t, r);
    bool again = row && row->heard_ns != TC_NEVER_NS;
    if (!row || again)
        row = append(t, r);
    if (r->said)
        row->said_ns = r->time_ns;
    if (r->heard)
        row->heard_ns = r->time_ns;
    if (r->touched)
        row->fate = tc_nodeset_has(&w->signed_for, r->signer) ? "changed" : "corrupted";
    else if (again)
        row->fate = "duplicate";
}

/* A decision may come before or after what was heard of the message, never before it was said. */
static void add_decision(struct table *t, const struct tc_window_record *r)
{
    struct row *row = r->bitten ? find_said(t, r) : NULL;
    if (!row)
        return;
    row->decision = r->id;
    if (r->verb == TC_DROP)
        row->fate = "dropped";
    else if (r->verb == TC_REPLACE)
        row->fate = "replaced";
    else if (r->verb == TC_DELAY || r->verb == TC_REORDER)
        row->fate = "delayed";
    else if (r->verb == TC_HOLD)
        row->fate = "held";
}

static const char *fate(const struct row *row)
{
    if (row->record->what == TC_WINDOW_EXECUTED)
        return "executed";
    if (row->record->what == TC_WINDOW_VIEW)
        return row->record->active ? "enters" : "asks";
    if (row->fate)
        return row->fate;
    return row->heard_ns == TC_NEVER_NS ? "undelivered" : "passed";
}

static void write_time(struct tc_buf *out, uint64_t time_ns)
{
    if (time_ns != TC_NEVER_NS)
        tc_buf_format(out, "%llu", (unsigned long long)time_ns);
    tc_buf_add(out, "\t");
}

static void write_row(const struct tc_window *w, const struct row *row, struct tc_buf *out)
{
    const struct tc_window_record *r = row->record;
    write_time(out, row->said_ns);
    write_time(out, row->heard_ns);
    tc_buf_format(out, "%u\t%u\t", r->from, r->to);
    tc_buf_escape(out, TC_ESCAPE_TSV, tc_window_type(w, r));
    tc_buf_format(out, "\t%s\t%s\t", r->what == TC_WINDOW_MESSAGE ? tc_kind_name(r->kind) : "",
                  tc_phase_name(r->phase));
    write_time(out, r->has_view ? r->view : TC_NEVER_NS);
    write_time(out, r->has_sequence ? r->sequence : TC_NEVER_NS);
    if (r->value_state == TC_VALUE_BYTES)
        tc_buf_hex(out, (struct tc_slice){r->digest, sizeof r->digest});
    else if (r->value_state == TC_VALUE_NIL)
        tc_buf_add(out, "nil");
    tc_buf_format(out, "\t%s\t", fate(row));
    if (row->decision)
        tc_buf_format(out, "%llu", (unsigned long long)row->decision);
    tc_buf_add(out, "\t");
    if (r->what == TC_WINDOW_MESSAGE && r->signer != r->from)
        tc_buf_format(out, "%u", r->signer);
    tc_buf_add(out, "\n");
}

int tc_window_table(const struct tc_window *w, struct tc_buf *out)
{
    size_t most = (size_t)w->head_count + w->after_count + TC_WINDOW_RING_MAX;
    struct table t = {.mask = 0xffff};
    t.rows = malloc(most * sizeof *t.rows);
    t.chains = calloc(t.mask + 1, sizeof *t.chains);
    int rc = t.rows && t.chains ? 0 : TC_EMEMORY;
    struct tc_window_walk walk = tc_window_begin(w);
    for (const struct tc_window_record *r = tc_window_next(&walk); r && rc == 0; r = tc_window_next(&walk)) {
        if (r->what == TC_WINDOW_DECISION)
            add_decision(&t, r);
        else if (r->what == TC_WINDOW_MESSAGE)
            add_message(&t, w, r);
        else
            append(&t, r)->heard_ns = r->time_ns;
    }
    tc_buf_add(out, "said_ns\theard_ns\tfrom\tto\ttype\tkind\tphase\tview\tsequence\tdigest\tfate\tdecision\tsigner\n");
    for (uint32_t i = 0; i < t.count && rc == 0; i++)
        write_row(w, &t.rows[i], out);
    free(t.rows);
    free(t.chains);
    return rc == 0 && out->failed ? TC_EMEMORY : rc;
}
