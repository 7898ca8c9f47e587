/* Twins: some replicas run twice with one identity, honest both, and the network decides who meets which copy. A
 * scenario says for each round how nodes and copies are partitioned and who leads; scenarios are enumerated, without
 * those that are others under other names.
 *
 * Bano, Sonnino, Chursin, Perelman, Li, Ching, Malkhi: Twins: BFT Systems Made Robust, OPODIS'21. The generator there
 * lets only twinned nodes lead, another (relab) only the others: even indices do the one, odd ones the other. Rounds
 * are views; where one leader stays, a round is a slot. One block of each partition holds a quorum.
 *
 * The second copy is a second instance of the reference replica, with the same key and a memory of its own. It lives
 * here: what is said to its identity is handed to both copies, as the partition allows, and what it says goes out on
 * its identity's links. To the world it is its identity's word, signed with its key, so its identity is in F_s. */
#include "../reference/replica.h"
#include "adversary_base.h"
#include "adversary_mail.h"

#include <stdlib.h>
#include <string.h>

#define TWINS_MAX      8
#define NODES_MAX      (TC_REPLICAS_MAX + TWINS_MAX)
#define PARTITIONS_MAX 512
#define BLOCKS_MAX     3
#define ROUNDS_DEFAULT 8
#define SMALL          7 /* nodes and copies up to which all partitions are listed */
#define TOKEN_MAIL     1000
#define DUE_AGAIN_NS   UINT64_C(1000)

struct twin {
    struct tc_replica *replica;
    uint64_t armed_ns; /* a timer is under way for then */
};

struct tc_adversary {
    struct tc_adversary_base base;
    const struct tc_replica_class *class;
    struct twin twins[TWINS_MAX];
    uint32_t twin_count; /* the identities 0 … twin_count-1 */
    bool stable_leader, signed_for, overflowed;
    uint32_t rounds;
    uint8_t block[64][NODES_MAX]; /* of each round: a copy's number is n + its identity */
    uint64_t newest;              /* round that any message was of: what has no view belongs there */
    struct tc_mail mail;
};

/* ---- scenarios ---- */

struct scenarios {
    uint32_t nodes, twins, n;
    struct partitions {
        uint32_t count;
        uint8_t blocks[PARTITIONS_MAX][NODES_MAX];
    } every, first; /* first: of the first round, one of those that differ by names alone */
};

/* A block in which a quorum of identities meets; both copies are one identity. */
static bool has_quorum(const struct scenarios *s, const uint8_t *block, uint32_t quorum)
{
    for (uint8_t b = 0; b < BLOCKS_MAX; b++) {
        uint32_t count = 0;
        for (uint32_t i = 0; i < s->n; i++)
            count += block[i] == b || (i < s->twins && block[s->n + i] == b);
        if (count >= quorum)
            return true;
    }
    return false;
}

/* Are the nodes from `alike` on, which have no copy, in the order of their blocks? Of partitions that differ by the
 * names of such nodes alone one at least is, and it is kept for all. */
static bool ordered(const struct scenarios *s, const uint8_t *block, uint32_t alike)
{
    for (uint32_t i = alike + 1; i < s->n; i++)
        if (block[i] < block[i - 1])
            return false;
    return true;
}

static void add_partition(const struct scenarios *s, struct partitions *to, const uint8_t *block, uint32_t quorum)
{
    if (to->count < PARTITIONS_MAX && has_quorum(s, block, quorum))
        memcpy(to->blocks[to->count++], block, s->nodes);
}

/* All partitions as restricted growth strings: no block's number before those below it. Before the first round nothing
 * tells nodes without a copy apart but who leads, so those from `alike` on may be renamed, once: in the first round. */
static void list_partitions(struct scenarios *s, uint32_t quorum, uint32_t alike)
{
    uint8_t block[NODES_MAX] = {0};
    s->every.count = s->first.count = 0;
    if (s->nodes > SMALL) {
        for (uint64_t i = 0; i < 4 * PARTITIONS_MAX; i++)
            if (tc_partition_draw(tc_random_mix(UINT64_C(0x7477696e), i), s->nodes, block) <= BLOCKS_MAX)
                add_partition(s, &s->every, block, quorum);
        s->first = s->every;
        return;
    }
    for (;;) {
        add_partition(s, &s->every, block, quorum);
        if (ordered(s, block, alike))
            add_partition(s, &s->first, block, quorum);
        uint32_t i = s->nodes;
        while (i-- > 1) {
            uint8_t highest = 0;
            for (uint32_t k = 0; k < i; k++)
                highest = block[k] > highest ? block[k] : highest;
            if (block[i] <= highest && block[i] + 1 < BLOCKS_MAX)
                break;
            block[i] = 0;
        }
        if (i == 0 || i > s->nodes)
            return;
        block[i]++;
    }
}

/* a · b modulo m, for a, b < m ≤ 2^63: doubling and adding, since the product itself may not fit. */
static uint64_t multiply(uint64_t a, uint64_t b, uint64_t m)
{
    uint64_t product = 0;
    for (; b > 0; b >>= 1) {
        if (b & 1)
            product = (product + a) % m;
        a = (a + a) % m;
    }
    return product;
}

/* The index-th of `total`, in an order that spreads neighbours far apart: a step that has no divisor in common. */
static uint64_t spread(uint64_t index, uint64_t total)
{
    uint64_t step = (uint64_t)((double)total * 0.6180339887498949) | 1;
    uint64_t a = total, b = step;
    for (;;) { /* greatest common divisor */
        while (b) {
            const uint64_t rest = a % b;
            a = b;
            b = rest;
        }
        if (a == 1)
            break;
        step += 2;
        a = total;
        b = step;
    }
    return multiply(index % total, step % total, total);
}

static uint32_t twins_of(const struct tc_adversary_config *config)
{
    const struct tc_cluster *cluster = config->env.cluster;
    const uint32_t allowed = config->ledger ? config->ledger->traitors_max : cluster->f;
    const uint32_t count = cluster->f < allowed ? cluster->f : allowed;
    return count < TWINS_MAX ? count : TWINS_MAX;
}

/* What may be chosen in a round: a partition, and a leader from `leader` on. */
struct round_choice {
    const struct partitions *partitions;
    uint32_t leader, leaders;
};

static uint64_t ways_of(const struct round_choice *choice)
{
    return (uint64_t)choice->partitions->count * choice->leaders;
}

/* What the index-th scenario says of each round; `leaders` or `a` may be NULL. How many rounds. Of the leaders without
 * a copy the first round has one alone, the first of them: the others would be it under another name. */
static uint32_t settle(const struct tc_adversary_config *config, struct tc_adversary *a, uint8_t *leaders)
{
    const struct tc_cluster *cluster = config->env.cluster;
    struct scenarios *s = malloc(sizeof *s);
    if (!s)
        return 0;
    s->n = cluster->n;
    s->twins = twins_of(config);
    s->nodes = s->n + s->twins;
    const bool twinned = config->index % 2 == 0 && s->twins > 0, pruned = s->nodes <= SMALL;
    list_partitions(s, tc_protocol_quorum(config->protocol, cluster), twinned ? s->twins : s->twins + 1);
    const struct round_choice later = {&s->every, twinned ? 0 : s->twins, twinned ? s->twins : s->n - s->twins};
    const struct round_choice first = {&s->first, later.leader, twinned || !pruned ? later.leaders : 1};
    uint32_t rounds = config->limits.rounds_max ? config->limits.rounds_max : ROUNDS_DEFAULT, fitting = 0;
    uint64_t total = 1;
    while (fitting < rounds && fitting < 64) {
        const uint64_t ways = ways_of(fitting == 0 ? &first : &later);
        if (ways == 0 || total > (UINT64_C(1) << 62) / ways)
            break;
        total *= ways;
        fitting++;
    }
    uint64_t place = fitting > 0 ? spread(config->index / 2, total) : 0;
    for (uint32_t r = 0; r < fitting; r++) {
        const struct round_choice *choice = r == 0 ? &first : &later;
        const uint64_t way = place % ways_of(choice);
        if (a)
            memcpy(a->block[r], choice->partitions->blocks[way / choice->leaders], s->nodes);
        if (leaders)
            leaders[r] = (uint8_t)(choice->leader + way % choice->leaders);
        place /= ways_of(choice);
    }
    free(s);
    return fitting;
}

static void twins_settle(const struct tc_adversary_config *config, struct tc_cluster *cluster)
{
    uint8_t leaders[64];
    const uint32_t rounds = settle(config, NULL, leaders);
    cluster->leader_count = rounds < TC_LEADERS_MAX ? rounds : TC_LEADERS_MAX;
    memcpy(cluster->leaders, leaders, cluster->leader_count);
}

/* ---- who meets whom ---- */

static uint64_t round_of(struct tc_adversary *a, const struct tc_message *m)
{
    const struct tc_statement *s = m->statement_count > 0 ? &m->statements[0] : NULL;
    if (!s || !s->has_view || s->kind == TC_KIND_REPLY)
        return a->newest;
    /* a leader that stays: a round for each slot */
    const uint64_t round = a->stable_leader && s->has_sequence ? s->view + s->sequence - 1 : s->view;
    if (round > a->newest)
        a->newest = round;
    return a->stable_leader ? a->newest : round; /* an old slot may be told again: that is said now */
}

static bool meet(const struct tc_adversary *a, uint64_t round, uint32_t x, uint32_t y)
{
    return round >= a->rounds || a->block[round][x] == a->block[round][y];
}

/* ---- the second copies ---- */

/* Said once a run: the copies miss something that no partition took from them. */
static void overflow(struct tc_adversary *a, struct tc_plan *plan)
{
    if (!a->overflowed && plan->note_count < sizeof plan->notes / sizeof *plan->notes)
        plan->notes[plan->note_count++] = "twins: a copy's mail or timers overflowed, and something was lost to it";
    a->overflowed = true;
}

static void arm(struct tc_adversary *a, uint64_t due_ns, uint64_t token, struct tc_plan *plan)
{
    if (due_ns == TC_NEVER_NS)
        return;
    if (plan->timer_count == sizeof plan->timers / sizeof *plan->timers) {
        overflow(a, plan);
        return;
    }
    plan->timers[plan->timer_count].due_ns = due_ns;
    plan->timers[plan->timer_count++].token = token;
}

/* A word to a copy reaches it after a while, as on any link. */
static void post(struct tc_adversary *a, uint32_t twin, uint16_t from, struct tc_slice frame, uint64_t now_ns,
                 struct tc_plan *plan)
{
    const uint64_t due_ns = tc_mail_put(&a->mail, now_ns, twin, from, frame);
    if (due_ns)
        arm(a, due_ns, TOKEN_MAIL, plan);
    else
        overflow(a, plan);
}

/* What the copy says: to whom the partition lets it, to both copies of a twin. */
static void speak(struct tc_adversary *a, uint32_t twin, uint16_t to, struct tc_slice frame, uint64_t now_ns,
                  struct tc_plan *plan)
{
    struct tc_message m = {0};
    if (a->base.config.protocol->decode(frame, plan->arena, &m))
        return;
    const uint32_t self = a->base.n + twin;
    const uint64_t round = round_of(a, &m);
    if (to >= TC_CLIENT_FIRST || meet(a, round, self, to))
        tc_adversary_send(plan, (uint16_t)twin, to, frame);
    if (to < a->twin_count && to != twin && meet(a, round, self, a->base.n + to))
        post(a, to, (uint16_t)twin, frame, now_ns, plan);
}

static void twin_step(struct tc_adversary *a, uint32_t twin, const struct tc_replica_event *event, struct tc_plan *plan)
{
    struct tc_outputs outputs = {0};
    struct twin *t = &a->twins[twin];
    if (!t->replica || a->class->step(t->replica, event, &outputs) != 0)
        return;
    for (size_t i = 0; i < outputs.count; i++)
        if (outputs.items[i].kind == TC_OUT_SEND && outputs.items[i].to != twin)
            speak(a, twin, outputs.items[i].to, outputs.items[i].bytes, event->now_ns, plan);
    const uint64_t due_ns = a->class->deadline_ns(t->replica);
    if (due_ns < t->armed_ns || t->armed_ns <= event->now_ns) {
        t->armed_ns = due_ns > event->now_ns ? due_ns : event->now_ns + DUE_AGAIN_NS;
        arm(a, due_ns == TC_NEVER_NS ? TC_NEVER_NS : t->armed_ns, twin, plan);
    }
}

static void twins_begin(struct tc_adversary *a, const struct tc_call *call, struct tc_plan *plan)
{
    plan->traitors = a->base.traitors;
    for (uint32_t i = 0; i < a->twin_count; i++) {
        const struct tc_replica_event start = {.kind = TC_REPLICA_START, .now_ns = call->now_ns, .peer = TC_NODE_NONE};
        a->twins[i].armed_ns = TC_NEVER_NS;
        twin_step(a, i, &start, plan);
    }
}

static void twins_timer(struct tc_adversary *a, const struct tc_call *call, struct tc_plan *plan)
{
    struct tc_mail_item item;
    if (call->token == TOKEN_MAIL) {
        while (tc_mail_take(&a->mail, call->now_ns, &item)) {
            const struct tc_replica_event event = {
                .kind = TC_REPLICA_FRAME, .now_ns = call->now_ns, .peer = item.from, .bytes = item.frame};
            twin_step(a, item.to, &event, plan);
        }
    } else if (call->token < a->twin_count && a->twins[call->token].armed_ns <= call->now_ns) {
        const struct tc_replica_event event = {.kind = TC_REPLICA_TIMER, .now_ns = call->now_ns, .peer = TC_NODE_NONE};
        struct twin *t = &a->twins[call->token];
        if (t->replica && a->class->deadline_ns(t->replica) <= call->now_ns) {
            twin_step(a, (uint32_t)call->token, &event, plan);
        } else if (t->replica) {
            t->armed_ns = a->class->deadline_ns(t->replica);
            arm(a, t->armed_ns, call->token, plan);
        }
    }
}

static void twins_message(struct tc_adversary *a, const struct tc_call *call, struct tc_plan *plan)
{
    const struct tc_message *m = call->message;
    struct tc_error err = {0};
    for (uint32_t i = 0; i < a->twin_count && !a->signed_for; i++)
        tc_ledger_sign(a->base.config.ledger, i, &err); /* what a copy says is its identity's signed word */
    a->signed_for = true;
    if (m->to >= a->base.n || m->from >= TC_NODES_MAX)
        return;
    const bool client = m->from >= a->base.n;
    const uint64_t round = round_of(a, m);
    if (m->to < a->twin_count && (client || meet(a, round, m->from, a->base.n + m->to)))
        post(a, m->to, m->from, m->frame, call->now_ns, plan);
    if (!client && !meet(a, round, m->from, m->to))
        tc_adversary_drop(plan, "on the other side");
}

static int twins_call(void *self, const struct tc_call *call, struct tc_plan *plan, struct tc_error *err)
{
    struct tc_adversary *a = self;
    (void)err;
    if (call->kind == TC_CALL_BEGIN)
        twins_begin(a, call, plan);
    else if (call->kind == TC_CALL_MESSAGE)
        twins_message(a, call, plan);
    else if (call->kind == TC_CALL_TIMER)
        twins_timer(a, call, plan);
    return 0;
}

/* ---- life ---- */

static void twins_destroy(struct tc_adversary *a)
{
    for (uint32_t i = 0; a && i < a->twin_count; i++)
        if (a->twins[i].replica)
            a->class->destroy(a->twins[i].replica);
    if (a) {
        tc_mail_free(&a->mail);
        tc_adversary_done(&a->base);
    }
    free(a);
}

static bool twins_open(struct tc_adversary *a)
{
    const struct tc_adversary_config *config = &a->base.config;
    struct tc_error err = {0};
    a->class = tc_replica_find(config->protocol->name);
    a->twin_count = a->class ? twins_of(config) : 0;
    a->base.traitors = (struct tc_nodeset){0};
    for (uint32_t i = 0; i < a->twin_count; i++) {
        const struct tc_replica_config replica = {.id = (uint16_t)i, .env = config->env, .bugs = config->bugs};
        a->twins[i].replica = a->class->create(&replica, &err);
        if (!a->twins[i].replica)
            return false;
        tc_nodeset_add(&a->base.traitors, i);
    }
    for (size_t i = 0; i < config->protocol->row_count; i++)
        a->stable_leader |= config->protocol->rows[i].kind == TC_KIND_NEW_VIEW && config->protocol->rows[i].is_signed;
    a->rounds = settle(config, a, NULL);
    return true;
}

static struct tc_adversary *twins_create(const struct tc_adversary_config *config)
{
    struct tc_adversary *a = calloc(1, sizeof *a);
    if (!a || tc_adversary_init(&a->base, config, "twins")) {
        free(a);
        return NULL;
    }
    a->base.act = twins_call;
    a->base.handler.calls |= 1u << TC_CALL_TIMER;
    if (!twins_open(a)) {
        twins_destroy(a);
        return NULL;
    }
    return a;
}

static const struct tc_handler *twins_handler(struct tc_adversary *a)
{
    return &a->base.handler;
}

const struct tc_adversary_class tc_adversary_twins = {
    .name = "twins",
    .summary = "runs a replica twice with one identity; enumerates partitions and leaders of each round",
    .source = "Bano et al., OPODIS'21",
    .create = twins_create,
    .handler = twins_handler,
    .destroy = twins_destroy,
    .settle = twins_settle,
};
