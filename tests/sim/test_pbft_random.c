/* The heart of the replica's tests: thousands of small clusters under random misfortune (random_lab.h), some of them
 * with traitors that hold their keys. */
#include "random_lab.h"

#define PEACE_NS    (120000 * MS)
#define EQUIVOCATED 256

enum strategy {
    EQUIVOCATE = 1,
    WITHHOLD = 2,
    LIE_VIEW_CHANGE = 4,
    LIE_NEW_VIEW = 8,
    LAZY = 16,
    WILD_VOTES = 32,
    LIE_CHECKPOINT = 64,
    LIE_STATE = 128
};

/* What a traitor does. It remembers which second proposal it made, to vote for it consistently. */
struct traitor {
    uint64_t seed;
    uint32_t strategy;
    struct tc_nodeset members;
    struct tc_arena arena;
    struct {
        uint64_t view, sequence;
        uint8_t digest[TC_VALUE_SIZE];
    } second[EQUIVOCATED];
};

static size_t second_slot(uint64_t view, uint64_t sequence)
{
    return (size_t)(tc_random_mix(view, sequence) % EQUIVOCATED);
}

/* Half of the replicas are shown another batch: without requests, or in another order. */
static bool second_proposal(struct traitor *t, struct tc_lab *lab, uint16_t from, uint16_t to, Wire__Envelope *envelope)
{
    void *base;
    if (tc_wire_get_body(envelope, &pbft__pre_prepare__descriptor, &t->arena, &base) != 0)
        return false;
    Pbft__PrePrepare *body = base;
    if (!(draw(t->seed, body->sequence + 1000, to) & 1) || (draw(t->seed, 5, body->sequence) & 3) == 0)
        return false;
    if (envelope->n_requests > 1 && (draw(t->seed, 6, body->sequence) & 1)) {
        Wire__Envelope *first = envelope->requests[0];
        envelope->requests[0] = envelope->requests[envelope->n_requests - 1];
        envelope->requests[envelope->n_requests - 1] = first;
    } else {
        envelope->n_requests = 0;
    }
    size_t at = second_slot(body->view, body->sequence);
    if (tc_wire_requests_digest(envelope, &t->arena, t->second[at].digest) != 0)
        return false;
    t->second[at].view = body->view;
    t->second[at].sequence = body->sequence;
    body->digest = (ProtobufCBinaryData){TC_VALUE_SIZE, t->second[at].digest};
    return send_signed(lab, from, to, envelope, &body->base, &t->arena);
}

static bool second_vote(struct traitor *t, struct tc_lab *lab, uint16_t from, uint16_t to, Wire__Envelope *envelope)
{
    void *base;
    const ProtobufCMessageDescriptor *descriptor =
        envelope->type == PBFT__TYPE__PREPARE ? &pbft__prepare__descriptor : &pbft__commit__descriptor;
    if (tc_wire_get_body(envelope, descriptor, &t->arena, &base) != 0)
        return false;
    Pbft__Prepare *body = base;
    size_t at = second_slot(body->view, body->sequence);
    bool known = t->second[at].view == body->view && t->second[at].sequence == body->sequence;
    if ((t->strategy & WILD_VOTES) && draw(t->seed, 7, body->sequence ^ to) % 3 == 0) {
        body->view += draw(t->seed, 8, to) & 1;
        body->sequence += draw(t->seed, 9, body->sequence) % 3;
        if (!known)
            body->digest.data[0] ^= 1;
    }
    if (!known || !(draw(t->seed, body->sequence + 1000, to) & 1))
        return (t->strategy & WILD_VOTES) && send_signed(lab, from, to, envelope, &body->base, &t->arena);
    body->digest = (ProtobufCBinaryData){TC_VALUE_SIZE, t->second[at].digest};
    return send_signed(lab, from, to, envelope, &body->base, &t->arena);
}

/* Validly signed, and silent about what was prepared. */
static bool false_view_change(struct traitor *t, struct tc_lab *lab, uint16_t from, uint16_t to,
                              Wire__Envelope *envelope)
{
    void *base;
    if (tc_wire_get_body(envelope, &pbft__view_change__descriptor, &t->arena, &base) != 0)
        return false;
    Pbft__ViewChange *body = base;
    uint64_t how = draw(t->seed, 10, body->view) % 4;
    if (how == 0)
        body->n_prepared = 0;
    else if (how == 1 && body->n_prepared > 0)
        body->n_prepared--;
    else if (how == 2 && body->n_prepared > 0)
        body->prepared[0]->n_prepares = 0;
    else if (how == 3 && body->n_prepared > 1)
        body->prepared[1]->pre_prepare->body = body->prepared[0]->pre_prepare->body;
    return send_signed(lab, from, to, envelope, &body->base, &t->arena);
}

static bool false_new_view(struct traitor *t, struct tc_lab *lab, uint16_t from, uint16_t to, Wire__Envelope *envelope)
{
    void *base;
    static const uint8_t null_digest[TC_VALUE_SIZE];
    if (tc_wire_get_body(envelope, &pbft__new_view__descriptor, &t->arena, &base) != 0)
        return false;
    Pbft__NewView *body = base;
    for (size_t i = 0; i < body->n_pre_prepares; i++) {
        Pbft__PrePrepare proposal = PBFT__PRE_PREPARE__INIT;
        void *inner;
        if (tc_wire_get_body(body->pre_prepares[i], &pbft__pre_prepare__descriptor, &t->arena, &inner) != 0)
            return false;
        proposal.view = body->view;
        proposal.sequence = ((Pbft__PrePrepare *)inner)->sequence;
        proposal.digest = tc_wire_binary((struct tc_slice){null_digest, TC_VALUE_SIZE});
        if (tc_wire_set_body(body->pre_prepares[i], &proposal.base, &t->arena) != 0 ||
            tc_wire_sign(tc_lab_env(lab), body->pre_prepares[i], &t->arena) != 0)
            return false;
    }
    if (draw(t->seed, 11, to) & 1)
        body->n_view_changes--;
    return send_signed(lab, from, to, envelope, &body->base, &t->arena);
}

static bool false_checkpoint(struct traitor *t, struct tc_lab *lab, uint16_t from, uint16_t to,
                             Wire__Envelope *envelope)
{
    void *base;
    if (tc_wire_get_body(envelope, &pbft__checkpoint__descriptor, &t->arena, &base) != 0)
        return false;
    Pbft__Checkpoint *body = base;
    body->digest.data[3] ^= 0x10;
    return send_signed(lab, from, to, envelope, &body->base, &t->arena);
}

static bool false_state(struct traitor *t, struct tc_lab *lab, uint16_t from, uint16_t to, Wire__Envelope *envelope)
{
    void *base;
    if (tc_wire_get_body(envelope, &pbft__state__descriptor, &t->arena, &base) != 0)
        return false;
    Pbft__State *body = base;
    if (body->snapshot.len > 20)
        body->snapshot.data[20 + draw(t->seed, 12, to) % (body->snapshot.len - 20)] ^= 1;
    return send_signed(lab, from, to, envelope, &body->base, &t->arena);
}

static bool act(struct traitor *t, struct tc_lab *lab, uint16_t from, uint16_t to, Wire__Envelope *envelope)
{
    switch (envelope->type) {
    case PBFT__TYPE__PRE_PREPARE:
        return (t->strategy & EQUIVOCATE) && second_proposal(t, lab, from, to, envelope);
    case PBFT__TYPE__PREPARE:
    case PBFT__TYPE__COMMIT:
        return (t->strategy & (EQUIVOCATE | WILD_VOTES)) && second_vote(t, lab, from, to, envelope);
    case PBFT__TYPE__VIEW_CHANGE:
        return (t->strategy & LIE_VIEW_CHANGE) && false_view_change(t, lab, from, to, envelope);
    case PBFT__TYPE__NEW_VIEW:
        return (t->strategy & LIE_NEW_VIEW) && false_new_view(t, lab, from, to, envelope);
    case PBFT__TYPE__CHECKPOINT:
        return (t->strategy & LIE_CHECKPOINT) && false_checkpoint(t, lab, from, to, envelope);
    case PBFT__TYPE__STATE:
        return (t->strategy & LIE_STATE) && false_state(t, lab, from, to, envelope);
    default:
        return false;
    }
}

static bool betray(void *self, struct tc_lab *lab, uint16_t from, uint16_t to, struct tc_slice frame)
{
    struct traitor *t = self;
    Wire__Envelope *envelope;
    if (!tc_nodeset_has(&t->members, from) || to >= TC_CLIENT_FIRST)
        return false;
    tc_arena_reset(&t->arena);
    if (tc_wire_unpack(frame, &t->arena, &envelope) != 0 || envelope->sender != from)
        return false;
    uint64_t chance = draw(t->seed, 13, tc_lab_now(lab) ^ to);
    if ((t->strategy & WITHHOLD) && chance % 4 != 0)
        return true;
    if ((t->strategy & LAZY) && chance % 2 == 0) {
        tc_lab_deliver(lab, from, to, frame, chance % (90 * MS));
        return true;
    }
    return act(t, lab, from, to, envelope);
}

/* ---- one run ---- */

static void choose_cluster(uint64_t seed, struct tc_lab_options *options)
{
    static const uint32_t sizes[] = {4, 4, 4, 4, 6, 7, 7, 10};
    choose_sizes(seed, sizes, 8, &options->cluster);
}

static void choose_traitors(uint64_t seed, struct tc_lab_options *options, struct traitor *t)
{
    t->seed = tc_random_mix(seed, 77);
    if (draw(seed, 40, 0) % 2 == 0)
        return;
    t->strategy = (uint32_t)draw(seed, 41, 0) & 255;
    if (draw(seed, 42, 0) % 3 != 0)
        t->strategy |= EQUIVOCATE;
    for (uint32_t i = 0; i < options->cluster.f; i++)
        tc_nodeset_add(&t->members, (uint32_t)(draw(seed, 43, 0) + i) % options->cluster.n);
    options->traitors = t->members;
    options->hook = betray;
    options->hook_self = t;
}

static void peace(struct tc_lab *lab, uint64_t seed, const struct tc_lab_options *options)
{
    begin_peace(lab, seed, options);
    uint64_t limit = tc_lab_now(lab) + PEACE_NS;
    while (!tc_lab_failure(lab) && tc_lab_outstanding(lab) > 0 && tc_lab_now(lab) < limit)
        tc_lab_run(lab, tc_lab_now(lab) + 100 * MS);
    if (tc_lab_outstanding(lab) > 0)
        tc_lab_fail(lab, "liveness: %llu requests without an answer after %llu s of peace",
                    (unsigned long long)tc_lab_outstanding(lab), (unsigned long long)(PEACE_NS / 1000 / MS));
    tc_lab_run(lab, tc_lab_now(lab) + 10000 * MS);
}

static bool run_seed(uint64_t seed, bool verbose, struct totals *totals)
{
    struct tc_lab_options options = {
        .scheme = TC_SCHEME_KEYED_HASH, .seed = tc_random_mix(seed, 3), .sync_ns_max = MS / 2, .retry_ns = 150 * MS};
    struct traitor t = {.strategy = 0};
    tc_arena_init(&t.arena, 64u << 20);
    choose_cluster(seed, &options);
    choose_network(seed, &options.network);
    choose_traitors(seed, &options, &t);
    struct tc_lab *lab = tc_lab_new(&options);
    tc_lab_verbose(lab, verbose);
    for (uint32_t i = 0; i < options.cluster.client_count; i++)
        tc_lab_load(lab, i, 10 + (uint32_t)(draw(seed, 80, i) % 100));
    chaos(lab, seed, options.cluster.n);
    peace(lab, seed, &options);
    must_have_caught_up(lab, &options, 0);
    bool good = !tc_lab_failure(lab);
    if (!good) {
        fprintf(stderr, "TC_SEED=%llu (n=%u, %u traitors, strategy %u): %s\n", (unsigned long long)seed,
                options.cluster.n, tc_nodeset_count(&t.members), t.strategy, tc_lab_failure(lab));
        tc_lab_dump(lab);
    }
    add_totals(totals, lab);
    tc_lab_free(lab);
    tc_arena_free(&t.arena);
    return good;
}

static void test_random_schedules(void **state)
{
    (void)state;
    struct totals totals = {0};
    if (run_seeds(run_seed, 250, &totals))
        assert_true(totals.views > 0 && totals.transfers > 0 && totals.replays > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_schedules)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
