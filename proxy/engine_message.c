/* Frame → message → what the script says to it. Everything here is on the hot path. */
#include "engine_internal.h"
#include "random.h"

#include <stdlib.h>
#include <string.h>

/* What was decoded, or what stands for it: m is zeroed but for the frame, and may be of no protocol. */
static inline void decode_into(struct tc_engine *e, const struct tc_lane *lane, struct tc_arena *arena,
                               struct tc_slice frame, struct tc_message *m)
{
    memset(m, 0, sizeof *m);
    m->from = lane->from; /* who passes it on: tells the signer's own word from a relayed one */
    int rc = tc_protocol_decode(e->protocol, &e->config.env, frame, arena, m);
    if (rc) {
        memset(m, 0, sizeof *m);
        m->sender = TC_NODE_NONE;
        m->type = "other";
        if (rc == TC_ELIMIT)
            tc_engine_overflow(e, lane->from, lane->to, "a message is too large to decode");
    }
    m->frame = frame;
    m->from = lane->from;
    tc_message_set_key(m);
}

static bool is_kept(const struct tc_kept *kept, const struct tc_lane *lane, struct tc_slice frame)
{
    const struct tc_message *m = &kept->message;
    return kept->filled && m->from == lane->from && m->frame.len == frame.len &&
           memcmp(m->frame.data, frame.data, frame.len) == 0;
}

/* Where the message is, or the place that it may have. What this step decoded already is still spoken of and must not
 * make way; a step decodes more long messages than there are places for only if they come in one piece. */
static struct tc_kept *kept_place(struct tc_engine *e, const struct tc_lane *lane, struct tc_slice frame)
{
    if (frame.len <= TC_KEPT_SHORT_MAX || frame.len > TC_KEPT_LONG_MAX)
        return &e->kept[0];
    for (size_t i = 1; i <= TC_KEPT_LONG; i++)
        if (is_kept(&e->kept[i], lane, frame))
            return &e->kept[i];
    return &e->kept[1 + e->kept_next++ % TC_KEPT_LONG];
}

/* The copies of a broadcast come one after another, each in a step of its own: the first is kept, with a copy of its
 * bytes, and the others are the same. */
static bool decode_kept(struct tc_engine *e, const struct tc_lane *lane, struct tc_slice frame, struct tc_message *m)
{
    struct tc_kept *kept = kept_place(e, lane, frame);
    const bool same = is_kept(kept, lane, frame);
    if (!same && kept->step == e->step)
        return false;
    if (!same) {
        tc_arena_reset(&kept->arena);
        const struct tc_slice copy = tc_arena_copy(&kept->arena, frame);
        kept->filled = copy.data != NULL;
        if (!kept->filled)
            return false;
        decode_into(e, lane, &kept->arena, copy, &kept->message);
        kept->message.frame_hash = tc_message_fold(&kept->message);
    }
    kept->step = e->step;
    *m = kept->message;
    m->frame = frame;
    return true;
}

struct tc_message *tc_engine_decode(struct tc_engine *e, const struct tc_lane *lane, uint32_t conn,
                                    struct tc_slice frame)
{
    struct tc_message *m = tc_arena_alloc(&e->arena, sizeof *m);
    if (!m)
        return NULL;
    if (!e->config.broadcasts || !decode_kept(e, lane, frame, m))
        decode_into(e, lane, &e->arena, frame, m);
    m->to = lane->to;
    m->conn = conn & ~1u;
    return m;
}

static enum tc_kind message_kind(const struct tc_message *m)
{
    return m->statement_count > 0 ? m->statements[0].kind : TC_KIND_OTHER;
}

static void verify_later(struct tc_engine *e, const struct tc_message *m, const struct tc_observation *o)
{
    if (m->statement_count == 0 || m->statements[0].signature.len == 0)
        return;
    struct tc_action *verify = tc_engine_act_later(e, TC_ACT_VERIFY);
    verify->token = ++e->next_token << 16 | m->statements[0].signer;
    verify->bytes = m->frame;
    verify->observation = o;
}

void tc_engine_observe_message(struct tc_engine *e, const struct tc_message *m, bool said, bool heard)
{
    if (!e->config.observe || m->from == TC_NODE_NONE || m->to == TC_NODE_NONE)
        return;
    const struct tc_observation *o = tc_engine_observe_frame(e, m, said, heard);
    if (said && e->config.verify_all)
        verify_later(e, m, o);
}

/* Where a message's entry is looked for. The table is larger than the nearest cache, so the slots of one link follow
 * one another in it, as they do on the wire: then the processor fetches the next one ahead. */
static uint32_t occurrence_place(const struct tc_message *m, uint64_t tag)
{
    uint64_t at = tag >> 32;
    if (m->statement_count > 0 && m->statements[0].has_sequence) {
        const struct tc_statement *s = &m->statements[0];
        uint64_t stream = (uint64_t)m->from << 48 | (uint64_t)m->to << 32 | (uint64_t)s->type << 16 | s->signer;
        at = (stream * UINT64_C(0x9e3779b97f4a7c15) >> 32) + s->sequence;
    }
    return at % TC_OCCURRENCE_SETS;
}

/* Its set, zeroed when it is first used: most of the table never is. */
static struct tc_occurrence *occurrence_set(struct tc_engine *e, uint32_t place)
{
    const uint32_t set = place & (e->occurrence_sets - 1);
    struct tc_occurrence *entries = &e->occurrences[(size_t)set * TC_OCCURRENCE_WAYS];
    uint64_t *word = &e->occurrence_begun[set / 64];
    if (!(*word >> set % 64 & 1)) {
        *word |= UINT64_C(1) << set % 64;
        memset(entries, 0, TC_OCCURRENCE_WAYS * sizeof *entries);
    }
    return entries;
}

/* The entry with this tag, else the free one or the one longest not met. */
static inline struct tc_occurrence *occurrence_find(struct tc_occurrence *set, uint64_t tag, uint32_t stamp)
{
    for (size_t i = 0; i < TC_OCCURRENCE_WAYS; i++)
        if (set[i].tag == tag || set[i].tag == 0)
            return &set[i];
    struct tc_occurrence *oldest = set;
    for (size_t i = 1; i < TC_OCCURRENCE_WAYS; i++)
        if (stamp - set[i].stamp > stamp - oldest->stamp)
            oldest = &set[i];
    return oldest;
}

/* A few hundred decisions of a small cluster: each message looks here, so it should lie near the processor. */
static uint32_t occurrence_sets_max(const struct tc_engine *e)
{
    const uint32_t n = e->config.env.cluster ? e->config.env.cluster->n : TC_REPLICAS_MAX;
    uint32_t sets = TC_OCCURRENCE_FIRST;
    while (sets < TC_OCCURRENCE_SETS && sets < n * TC_OCCURRENCE_SETS_EACH)
        sets *= 2;
    return sets;
}

/* The entries of a set of the smaller table: of a set they fill one after another. */
static void occurrences_move(struct tc_engine *e, const struct tc_occurrence *set)
{
    for (size_t i = 0; i < TC_OCCURRENCE_WAYS && set[i].tag != 0; i++)
        *occurrence_find(occurrence_set(e, set[i].place), set[i].tag, e->occurrence_stamp) = set[i];
}

/* The first table, or one twice as large with what the old one holds: entries of one set only move apart. False:
 * it has its full size, or no memory is left (without a first table the run cannot go on). */
static bool occurrences_grow(struct tc_engine *e)
{
    const uint32_t old_sets = e->occurrence_sets;
    const uint32_t sets = old_sets == 0 ? TC_OCCURRENCE_FIRST : old_sets * 2;
    if (old_sets == 0)
        e->occurrence_sets_max = occurrence_sets_max(e);
    else if (old_sets >= e->occurrence_sets_max)
        return false;
    struct tc_occurrence *old = e->occurrences;
    struct tc_occurrence *grown = malloc((size_t)sets * TC_OCCURRENCE_WAYS * sizeof *grown);
    uint64_t begun[TC_OCCURRENCE_SETS / 64];
    if (!grown)
        return false;
    memcpy(begun, e->occurrence_begun, sizeof begun);
    memset(e->occurrence_begun, 0, sizeof begun);
    e->occurrences = grown;
    e->occurrence_sets = sets;
    for (uint32_t word = 0; word < old_sets / 64; word++)
        for (uint64_t sets_left = begun[word]; sets_left != 0; sets_left &= sets_left - 1)
            occurrences_move(e, &old[(word * 64u + (uint32_t)__builtin_ctzll(sets_left)) * TC_OCCURRENCE_WAYS]);
    free(old);
    return true;
}

/* The k-th message with this key on this link. Old entries give way, which is no bound that a verdict could hang on: a
 * retransmission follows its first by little, and one that comes much later only draws as the first did. */
uint32_t tc_engine_occurrence(struct tc_engine *e, const struct tc_message *m, uint64_t salt)
{
    if (!e->occurrences && !occurrences_grow(e)) {
        e->out_of_memory = true;
        return 0;
    }
    /* The key is a hash already: an odd multiple of the link keeps links apart. */
    uint64_t link = (salt << 16 | (uint64_t)m->from) << 16 | m->to;
    uint64_t tag = (m->key ^ (link + 1) * UINT64_C(0xd6e8feb86659fd93)) | 1;
    const uint32_t place = occurrence_place(m, tag), stamp = ++e->occurrence_stamp;
    struct tc_occurrence *entry = occurrence_find(occurrence_set(e, place), tag, stamp);
    if (entry->tag == tag) {
        entry->stamp = stamp;
        entry->count += entry->count < TC_OCCURRENCE_COUNT_MAX;
        return entry->count;
    }
    while (entry->tag != 0 && e->occurrence_sets < e->occurrence_sets_max && occurrences_grow(e))
        entry = occurrence_find(occurrence_set(e, place), tag, stamp);
    *entry = (struct tc_occurrence){.tag = tag, .place = place, .stamp = stamp};
    return 0;
}

/* A view counts once its own leader was heard to lead it: a lone view change does not move the script's view. */
static void follow_view(struct tc_engine *e, const struct tc_message *m)
{
    const struct tc_statement *s = &m->statements[0];
    if ((s->kind == TC_KIND_PROPOSE || s->kind == TC_KIND_NEW_VIEW) && s->has_view && s->view > e->view &&
        s->signer == tc_protocol_leader(e->protocol, &e->config.env, s->view))
        e->view = s->view;
}

/* The first frame of a lane may name who speaks. It passes exactly as it came, whatever the script wants: the
 * connection is not the message. True: it was one, or the pair is gone, and nothing is left to do. */
static bool first_frame(struct tc_engine *e, uint32_t conn, struct tc_lane *lane, struct tc_message *m)
{
    uint16_t node = TC_NODE_NONE;
    lane->first_seen = true;
    bool hello = e->protocol->hello && m->decoded && e->protocol->hello(m, &node) == 0 && node < TC_NODES_MAX;
    if ((conn & 1) == 0 && lane->from == TC_NODE_NONE) {
        if (!hello && lane->lost_untold) {
            node = tc_engine_guess_dialler(lane, m);
            lane->first_seen = node != TC_NODE_NONE;
        }
        if (hello || node != TC_NODE_NONE) {
            if (!tc_engine_name_pair(e, conn, node))
                return true;
            m->from = node;
            tc_engine_gap_tell(e, lane);
        } else if (!lane->lost_untold) {
            struct tc_pair *pair = tc_engine_pair(e, conn);
            pair->lanes[0].raw = true;
            pair->lanes[1].raw = true;
            e->stats.spliced++;
            tc_engine_observe(e, TC_OBS_SPLICED, TC_NODE_NONE, lane->to)->text =
                "the first frame does not name the dialler: passed raw";
        }
    }
    if (hello)
        tc_engine_pass(e, conn, m);
    return hello;
}

static bool script_takes(const struct tc_engine *e, enum tc_call_kind call, const struct tc_message *m)
{
    return tc_engine_wants(e, call) && (e->handler->kinds >> message_kind(m) & 1u);
}

void tc_engine_message(struct tc_engine *e, uint32_t conn, struct tc_lane *lane, struct tc_slice frame)
{
    lane->messages++;
    e->stats.messages += lane->shows != TC_SHOWS_HEARD; /* of a capture's two legs one counts */
    struct tc_message *m = tc_engine_decode(e, lane, conn, frame);
    if (!m) {
        tc_engine_overflow(e, lane->from, lane->to, "one step decodes too much");
        tc_engine_offer(e, conn, frame, TC_ITEM_RAW, 0);
        return;
    }
    e->stats.undecodable += !m->decoded && lane->shows != TC_SHOWS_HEARD;
    if (!lane->first_seen && first_frame(e, conn, lane, m))
        return;
    if (e->protocol->gather)
        m = tc_engine_gather(e, conn, m);
    if (!m)
        return; /* the first of several frames: the last one brings them all */
    if (m->statement_count > 0)
        follow_view(e, m);
    if (!e->handler || lane->from == TC_NODE_NONE || lane->to == TC_NODE_NONE) {
        tc_engine_pass(e, conn, m);
        return;
    }
    if (e->lossy_any && m->from >= TC_CLIENT_FIRST && m->from < TC_NODES_MAX)
        tc_engine_asked_again(e, m);
    m->occurrence = tc_engine_occurrence(e, m, 0);
    static const struct tc_verdict forward = {.verb = TC_FORWARD}; /* a kilobyte, not to be made for each message */
    const struct tc_verdict *verdict = &forward;
    if (script_takes(e, TC_CALL_MESSAGE, m) && tc_engine_call(e, TC_CALL_MESSAGE, m, NULL, 0))
        verdict = &e->plan->verdict;
    if (verdict->verb == TC_FORWARD && tc_nodeset_has(&e->traitors, m->to) && e->handler &&
        script_takes(e, TC_CALL_HEAR, m) && tc_engine_call(e, TC_CALL_HEAR, m, NULL, 0))
        verdict = &e->plan->verdict;
    if (verdict->verb <= TC_FORWARD || verdict->verb > TC_HOLD)
        tc_engine_pass(e, conn, m);
    else
        tc_engine_verdict(e, conn, m, verdict);
}

/* Behind what is scheduled on the lane. */
static bool offer_later(struct tc_engine *e, uint32_t conn, struct tc_slice bytes, uint64_t flags, uint32_t pending)
{
    int rc = tc_schedule_put(e->schedule, conn + 1, e->now_ns, e->now_ns, false, bytes, pending, flags);
    if (rc == 0)
        return true;
    e->out_of_memory |= rc == TC_EMEMORY;
    const struct tc_lane *lane = tc_engine_lane(e, conn);
    tc_engine_overflow(e, lane->from, lane->to, "the schedule is full: bytes behind a delay were dropped");
    return false;
}

bool tc_engine_offer(struct tc_engine *e, uint32_t conn, struct tc_slice bytes, uint64_t flags, uint32_t pending)
{
    if (tc_schedule_lane_busy(e->schedule, conn + 1))
        return offer_later(e, conn, bytes, flags, pending);
    tc_engine_write(e, TC_CONN_PEER(conn), bytes);
    return true;
}

void tc_engine_pass(struct tc_engine *e, uint32_t conn, struct tc_message *m)
{
    struct tc_pair *pair = tc_engine_pair(e, conn);
    struct tc_lane *lane = pair ? &pair->lanes[conn & 1] : NULL;
    if (lane && lane->shows) {
        tc_engine_witness(e, lane, m);
        return;
    }
    if (!lane || lane->closed) { /* a script cut the connection under its message */
        tc_engine_observe_message(e, m, true, false);
        return;
    }
    const bool waits = tc_schedule_lane_busy(e->schedule, conn + 1);
    tc_engine_observe_message(e, m, true, !waits);
    if (waits)
        offer_later(e, conn, m->frame, (uint64_t)m->occurrence << 32, 0);
    else if (m->frame.len > 0)
        tc_engine_write_pair(e, pair, TC_CONN_PEER(conn), m->frame);
}
