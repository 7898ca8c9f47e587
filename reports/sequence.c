#define _GNU_SOURCE
/* What the picture shows. A whole run on linear time is two smears: so only the guilty sequence number and the view
 * changes around it are kept, idle time is cut, and a broadcast is one fan. */
#include "sequence.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAN_NS      UINT64_C(5000000) /* messages of one broadcast are said within this */
#define LATE_NS     UINT64_C(2000000) /* an arrival later than this gets a place of its own */
#define IDLE_NS     UINT64_C(4000000) /* nothing for longer than this is cut */
#define MARK_ROW_NS UINT64_C(1000000)
#define FAN_STEP    34
#define MARK_STEP   27
#define CUT_STEP    30
#define TOP         92
#define ROWS_MAX    60000u
#define NEAR        64u /* rows between a message and what it was replaced by */

static enum tc_sequence_fate fate_of(const char *word)
{
    static const char *const words[TC_SEQ_FATES] = {"passed",      "delayed",  "duplicate", "changed",
                                                    "corrupted",   "replaced", "dropped",   "held",
                                                    "undelivered", "executed", "enters",    "asks"};
    for (int i = 0; i < TC_SEQ_FATES; i++)
        if (strcmp(words[i], word) == 0)
            return (enum tc_sequence_fate)i;
    return TC_SEQ_PASSED;
}

static uint64_t number(const char *text)
{
    return *text ? strtoull(text, NULL, 10) : TC_NEVER_NS;
}

static uint16_t node_of(const char *text)
{
    uint64_t node = number(text);
    return node < TC_NODES_MAX ? (uint16_t)node : TC_NODE_NONE;
}

static uint64_t start_ns(const struct tc_sequence_row *row)
{
    return row->said_ns != TC_NEVER_NS ? row->said_ns : row->heard_ns;
}

/* Splits one line in place; false if it has too few columns. A table of an older turncoat has no signers. */
static bool read_row(char *line, struct tc_sequence_row *row)
{
    char none[] = "", *columns[13] = {[12] = none}, *at = line;
    for (int i = 0; i < 13 && (i < 12 || at); i++) {
        columns[i] = strsep(&at, "\t");
        if (!columns[i])
            return false;
    }
    *row = (struct tc_sequence_row){.said_ns = number(columns[0]), .heard_ns = number(columns[1])};
    row->from = node_of(columns[2]);
    row->to = node_of(columns[3]);
    row->type = columns[4];
    row->kind = columns[5];
    row->view = number(columns[7]);
    row->sequence = number(columns[8]);
    row->digest = columns[9];
    row->fate = fate_of(columns[10]);
    row->decision = *columns[11] ? number(columns[11]) : 0;
    const uint16_t signer = *columns[12] ? node_of(columns[12]) : TC_NODE_NONE;
    row->signer = signer != TC_NODE_NONE ? signer : row->from;
    return row->from != TC_NODE_NONE && row->to != TC_NODE_NONE && start_ns(row) != TC_NEVER_NS;
}

/* Does this changed message stand for one of the same value? What it replaced was written shortly before it. */
static bool keeps_value(const struct tc_sequence *s, uint32_t index)
{
    const struct tc_sequence_row *row = &s->rows[index];
    for (uint32_t i = index; i-- > 0 && i + NEAR > index;) {
        const struct tc_sequence_row *old = &s->rows[i];
        if (old->fate == TC_SEQ_REPLACED && old->from == row->from && old->to == row->to &&
            old->signer == row->signer && old->view == row->view && old->sequence == row->sequence &&
            strcmp(old->type, row->type) == 0)
            return *row->digest && strcmp(old->digest, row->digest) == 0;
    }
    return false;
}

static void read_rows(struct tc_sequence *s, char *table)
{
    char *line = strsep(&table, "\n"); /* the heading */
    while (line && table && s->row_count < ROWS_MAX) {
        line = strsep(&table, "\n");
        if (!line || !*line || !read_row(line, &s->rows[s->row_count]))
            continue;
        struct tc_sequence_row *row = &s->rows[s->row_count];
        row->same_value = row->fate == TC_SEQ_CHANGED && keeps_value(s, s->row_count);
        s->row_count++;
    }
}

static bool is_kind(const struct tc_sequence_row *row, const char *kind)
{
    return strcmp(row->kind, kind) == 0;
}

static bool is_agreement(const struct tc_sequence_row *row)
{
    return row->fate == TC_SEQ_EXECUTED || is_kind(row, "propose") || is_kind(row, "vote") ||
           is_kind(row, "certificate");
}

static bool is_view_change(const struct tc_sequence_row *row)
{
    return row->fate == TC_SEQ_ENTERS || row->fate == TC_SEQ_ASKS || is_kind(row, "view_change") ||
           is_kind(row, "new_view");
}

static bool is_fault(const struct tc_sequence_row *row)
{
    return row->fate != TC_SEQ_PASSED && row->fate < TC_SEQ_EXECUTED && row->fate != TC_SEQ_UNDELIVERED;
}

static uint64_t attack_begin_ns(const json_t *result)
{
    const json_t *phase;
    size_t i;
    json_array_foreach(json_object_get(result, "phases"), i, phase)
    {
        if (strcmp(tc_json_string(phase, "name"), "during") == 0)
            return tc_json_ns(phase, "begin_ns");
    }
    return TC_NEVER_NS;
}

/* Is the slot wholly in the window, so that what is said first about it is its proposal? */
static bool is_whole(const struct tc_sequence *s, uint64_t sequence)
{
    for (uint32_t i = 0; i < s->row_count; i++) {
        const struct tc_sequence_row *row = &s->rows[i];
        if (row->sequence != sequence || !is_agreement(row))
            continue;
        bool seen_whole = row->said_ns != TC_NEVER_NS || row->fate == TC_SEQ_CHANGED || row->fate == TC_SEQ_CORRUPTED;
        return is_kind(row, "propose") && seen_whole;
    }
    return false;
}

/* Nothing is guilty: the first sequence number that a fault touched, or else the first proposed under the attack. */
static void choose_representative(struct tc_sequence *s)
{
    uint64_t begin = attack_begin_ns(s->result), fallback = TC_NEVER_NS, proposed = TC_NEVER_NS, cut = TC_NEVER_NS;
    for (uint32_t i = 0; i < s->row_count; i++) {
        const struct tc_sequence_row *row = &s->rows[i];
        if (row->sequence == TC_NEVER_NS || !is_agreement(row))
            continue;
        if (is_fault(row) && row->sequence != cut) {
            if (!is_whole(s, row->sequence)) {
                cut = row->sequence; /* its beginning came before the window's */
                continue;
            }
            s->sequence = row->sequence;
            return;
        }
        if (!is_kind(row, "propose") || row->said_ns == TC_NEVER_NS)
            continue;
        if (fallback == TC_NEVER_NS)
            fallback = row->sequence;
        if (proposed == TC_NEVER_NS && begin != TC_NEVER_NS && start_ns(row) >= begin)
            proposed = row->sequence;
    }
    s->sequence = proposed != TC_NEVER_NS ? proposed : fallback;
}

static void choose_focus(struct tc_sequence *s)
{
    const json_t *first = json_object_get(s->result, "first");
    s->view = s->sequence = s->finding_ns = TC_NEVER_NS;
    if (json_is_object(first)) {
        s->guilty = true;
        s->view = tc_json_ns(first, "view");
        s->sequence = tc_json_ns(first, "sequence");
        s->finding_ns = tc_json_ns(first, "time_ns");
    } else {
        choose_representative(s);
    }
}

/* The stretch of time in which view changes belong to the story. */
static void story(const struct tc_sequence *s, uint64_t *from_ns, uint64_t *to_ns)
{
    *from_ns = TC_NEVER_NS;
    *to_ns = 0;
    for (uint32_t i = 0; i < s->row_count; i++) {
        const struct tc_sequence_row *row = &s->rows[i];
        bool mine = s->sequence != TC_NEVER_NS ? row->sequence == s->sequence && is_agreement(row) : is_fault(row);
        uint64_t at = start_ns(row);
        if (!mine || (s->finding_ns != TC_NEVER_NS && at > s->finding_ns + IDLE_NS))
            continue;
        *from_ns = at < *from_ns ? at : *from_ns;
        *to_ns = at > *to_ns ? at : *to_ns;
    }
    if (*from_ns == TC_NEVER_NS)
        *from_ns = 0;
    if (s->finding_ns != TC_NEVER_NS && s->finding_ns > *to_ns)
        *to_ns = s->finding_ns;
    *to_ns += IDLE_NS;
}

/* The same sender, words, signer and fate. */
static bool same_words(const struct tc_sequence_row *a, const struct tc_sequence_row *b)
{
    return a->from == b->from && a->signer == b->signer && a->view == b->view && a->sequence == b->sequence &&
           a->fate == b->fate && a->same_value == b->same_value && strcmp(a->type, b->type) == 0 &&
           strcmp(a->digest, b->digest) == 0;
}

/* Said again by a timer: the first time tells it. */
static bool is_repetition(const struct tc_sequence *s, const struct tc_sequence_row *row)
{
    for (uint32_t i = 0; i < s->chosen_count; i++) {
        const struct tc_sequence_row *old = &s->rows[s->chosen[i]];
        if (old->to == row->to && same_words(old, row))
            return true;
    }
    return false;
}

static bool wanted(const struct tc_sequence *s, const struct tc_sequence_row *row, uint64_t from_ns, uint64_t to_ns)
{
    uint64_t at = start_ns(row);
    if (row->fate == TC_SEQ_REPLACED)
        return false;
    if (is_view_change(row))
        return at >= from_ns && at <= to_ns;
    if (s->sequence != TC_NEVER_NS)
        return row->sequence == s->sequence && (is_agreement(row) || is_fault(row)) && at <= to_ns;
    return is_fault(row) && at >= from_ns && at <= to_ns;
}

/* False: not all that is wanted has room. */
static bool choose_rows_of(struct tc_sequence *s, uint64_t from_ns, uint64_t to_ns)
{
    const uint32_t arrows_max = s->guilty ? TC_SEQUENCE_ARROWS_MAX : TC_SEQUENCE_PLAIN_MAX;
    bool room = true;
    s->chosen_count = s->arrow_count = s->left_out = 0;
    for (uint32_t i = 0; i < s->row_count; i++) {
        const struct tc_sequence_row *row = &s->rows[i];
        if (!wanted(s, row, from_ns, to_ns))
            continue;
        bool mark = row->fate >= TC_SEQ_EXECUTED;
        bool passed_on = s->first_hand && row->signer != row->from && row->fate == TC_SEQ_PASSED;
        if (passed_on || is_repetition(s, row)) {
            s->left_out++;
            continue;
        }
        if (s->chosen_count == arrows_max * 2 || (!mark && s->arrow_count == arrows_max)) {
            room = false;
            s->left_out++;
            continue;
        }
        s->chosen[s->chosen_count++] = i;
        s->arrow_count += !mark;
    }
    return room;
}

/* Where replicas gossip, what they pass on for each other would push the end out of the picture. */
static void choose_rows(struct tc_sequence *s)
{
    uint64_t from_ns, to_ns;
    story(s, &from_ns, &to_ns);
    s->first_hand = false;
    if (choose_rows_of(s, from_ns, to_ns))
        return;
    s->first_hand = true;
    choose_rows_of(s, from_ns, to_ns);
}

int tc_sequence_lane(const struct tc_sequence *s, uint16_t node)
{
    uint16_t lane = node >= TC_CLIENT_FIRST ? TC_CLIENT_FIRST : node;
    for (uint32_t i = 0; i < s->lane_count; i++)
        if (s->lanes[i] == lane)
            return (int)i;
    return -1;
}

/* All replicas of a small cluster; of a large one those that say something in the picture. */
static void choose_lanes(struct tc_sequence *s)
{
    int64_t n = tc_json_integer(json_object_get(s->result, "cluster"), "replicas");
    bool used[TC_CLIENT_FIRST + 1] = {false};
    for (uint32_t i = 0; i < s->chosen_count; i++) {
        const struct tc_sequence_row *row = &s->rows[s->chosen[i]];
        used[row->from < TC_CLIENT_FIRST ? row->from : TC_CLIENT_FIRST] = true;
        used[row->to < TC_CLIENT_FIRST ? row->to : TC_CLIENT_FIRST] = true;
    }
    for (uint16_t node = 0; node <= TC_CLIENT_FIRST && s->lane_count < TC_SEQUENCE_LANES_MAX; node++)
        if (used[node] || (node < n && n <= TC_SEQUENCE_LANES_MAX))
            s->lanes[s->lane_count++] = node;
}

static struct tc_sequence_item *add_item(struct tc_sequence *s, enum tc_sequence_item_kind kind, uint64_t time_ns,
                                         uint32_t row)
{
    if (s->item_count == TC_SEQUENCE_ITEMS_MAX)
        return NULL;
    struct tc_sequence_item *item = &s->items[s->item_count];
    *item = (struct tc_sequence_item){.kind = kind, .time_ns = time_ns, .row = row, .rank = s->item_count};
    s->item_count++;
    return item;
}

/* The fan this message belongs to: the same words at the same time. */
static struct tc_sequence_item *fan_of(struct tc_sequence *s, const struct tc_sequence_row *row)
{
    uint64_t at = start_ns(row);
    for (uint32_t i = 0; i < s->item_count; i++) {
        struct tc_sequence_item *item = &s->items[i];
        const struct tc_sequence_row *old = &s->rows[item->row];
        if (item->kind == TC_SEQ_FAN && item->count < TC_SEQUENCE_LANES_MAX * 2 && at - item->time_ns < FAN_NS &&
            same_words(old, row))
            return item;
    }
    return NULL;
}

static void add_arrow(struct tc_sequence *s, uint32_t index)
{
    const struct tc_sequence_row *row = &s->rows[index];
    if (tc_sequence_lane(s, row->from) < 0 || tc_sequence_lane(s, row->to) < 0) {
        s->arrow_count--;
        s->left_out++;
        return;
    }
    struct tc_sequence_item *fan = fan_of(s, row);
    if (!fan)
        fan = add_item(s, TC_SEQ_FAN, start_ns(row), index);
    if (!fan)
        return;
    fan->next[fan->count++] = index;
    if (row->said_ns != TC_NEVER_NS && row->heard_ns != TC_NEVER_NS && row->heard_ns > row->said_ns + LATE_NS)
        add_item(s, TC_SEQ_ARRIVAL, row->heard_ns, index);
}

static void add_items(struct tc_sequence *s)
{
    for (uint32_t i = 0; i < s->chosen_count; i++) {
        const struct tc_sequence_row *row = &s->rows[s->chosen[i]];
        if (row->fate < TC_SEQ_EXECUTED)
            add_arrow(s, s->chosen[i]);
        else if (tc_sequence_lane(s, row->from) >= 0)
            add_item(s, TC_SEQ_MARK, start_ns(row), s->chosen[i]);
    }
    if (s->guilty && s->finding_ns != TC_NEVER_NS && s->item_count > 0)
        add_item(s, TC_SEQ_FINDING, s->finding_ns, 0);
}

static int by_time(const void *a, const void *b)
{
    const struct tc_sequence_item *x = a, *y = b;
    if (x->time_ns != y->time_ns)
        return x->time_ns < y->time_ns ? -1 : 1;
    return x->rank < y->rank ? -1 : x->rank > y->rank;
}

/* Marks that follow each other closely on different lanes stand side by side. */
static bool shares_row(const struct tc_sequence *s, uint32_t index)
{
    const struct tc_sequence_item *item = &s->items[index];
    if (item->kind != TC_SEQ_MARK || index == 0 || item->cut_ns != 0)
        return false;
    int y = s->items[index - 1].y;
    for (uint32_t i = index; i-- > 0 && s->items[i].y == y;) {
        const struct tc_sequence_item *old = &s->items[i];
        if (old->kind != TC_SEQ_MARK || s->rows[old->row].from == s->rows[item->row].from ||
            item->time_ns - old->time_ns > MARK_ROW_NS)
            return false;
    }
    return true;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* What counts as idle follows the pace of the run: a slow machine pauses between any two messages. */
static uint64_t idle_ns(const struct tc_sequence *s)
{
    uint64_t gaps[TC_SEQUENCE_ITEMS_MAX];
    uint32_t count = 0;
    for (uint32_t i = 1; i < s->item_count; i++)
        gaps[count++] = s->items[i].time_ns - s->items[i - 1].time_ns;
    if (count == 0)
        return IDLE_NS;
    qsort(gaps, count, sizeof *gaps, by_number);
    const uint64_t usual = 4 * gaps[count / 2];
    return usual > IDLE_NS ? usual : IDLE_NS;
}

/* Every item gets a row of its own, however short the time between two; a long pause costs one fixed step. */
static void place_items(struct tc_sequence *s)
{
    qsort(s->items, s->item_count, sizeof *s->items, by_time);
    uint64_t longest_ns = idle_ns(s);
    int y = TOP;
    for (uint32_t i = 0; i < s->item_count; i++) {
        struct tc_sequence_item *item = &s->items[i];
        uint64_t idle = i > 0 ? item->time_ns - s->items[i - 1].time_ns : 0;
        if (idle > longest_ns) {
            item->cut_ns = idle;
            y += CUT_STEP;
        }
        /* The text of the finding stands above its line. */
        y += item->kind == TC_SEQ_FINDING ? MARK_STEP / 2 : 0;
        if (shares_row(s, i)) {
            item->y = s->items[i - 1].y;
            continue;
        }
        item->y = y;
        y += item->kind == TC_SEQ_FAN ? FAN_STEP : MARK_STEP;
    }
    s->height = y + 24;
}

static void say_what(const struct tc_sequence *s, struct tc_buf *caption)
{
    if (s->sequence != TC_NEVER_NS)
        tc_buf_format(caption, "Sequence number %llu", (unsigned long long)s->sequence);
    else
        tc_buf_add(caption, "Faulty messages and view changes");
    if (s->view != TC_NEVER_NS)
        tc_buf_format(caption, ", view %llu", (unsigned long long)s->view);
    tc_buf_add(caption, s->guilty ? ": the messages that decided the verdict" : ": a representative decision");
    tc_buf_format(caption, ". %u %s drawn", s->arrow_count, s->arrow_count == 1 ? "message" : "messages");
    if (s->left_out > 0)
        tc_buf_format(caption, ", %u more (%s) left out", s->left_out,
                      s->first_hand ? "repetitions, what was only passed on, and overflow"
                                    : "repetitions and overflow");
    tc_buf_add(caption, "; time runs downwards, idle time is cut.");
}

void tc_sequence_draw(const json_t *result, const char *messages, struct tc_buf *svg, struct tc_buf *caption)
{
    struct tc_sequence s = {.result = result};
    char *table = strdup(messages);
    s.rows = malloc(ROWS_MAX * sizeof *s.rows);
    s.items = malloc(TC_SEQUENCE_ITEMS_MAX * sizeof *s.items);
    if (table && s.rows && s.items) {
        read_rows(&s, table);
        choose_focus(&s);
        choose_rows(&s);
        if (s.guilty && s.arrow_count == 0) { /* the guilty messages are no longer in the window */
            s.guilty = false;
            s.view = s.finding_ns = TC_NEVER_NS;
            choose_representative(&s);
            choose_rows(&s);
        }
        choose_lanes(&s);
        add_items(&s);
        place_items(&s);
    }
    if (s.item_count > 0) {
        tc_sequence_svg(&s, svg);
        say_what(&s, caption);
    }
    free(table);
    free(s.rows);
    free(s.items);
}
