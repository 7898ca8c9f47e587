/* Both HotStuff replicas under random misfortune (random_lab.h), as test_pbft_random.c does it for PBFT; and the
 * justifier, which listens, must say nothing of correct ones.
 *
 * links: tc_testlib tc_oracles tc_engine tc_protocol */
#include "random_lab.h"

#include "../../reference/fields_alloc.h"
#include "../../reference/hotstuff/protocol.h"
#include "../../reference/hotstuff/wire.h"

#define STALL_NS (30000 * MS)

enum strategy { EQUIVOCATE = 1, WITHHOLD = 2, SILENT = 4, STALE = 8, WILD_VOTES = 16, DOUBLE_SIGNERS = 32, HIDE = 64 };

/* What a traitor does. */
struct traitor {
    uint64_t seed;
    uint32_t strategy;
    struct tc_nodeset members;
    struct tc_arena arena, kept;
    Hotstuff__Certificate *stale; /* an old certificate, to propose on */
    uint8_t second[TC_VALUE_SIZE], second_of[TC_VALUE_SIZE];
};

/* Half of the replicas are shown a block without requests, or one that forks from an old certificate. */
static bool second_proposal(struct traitor *t, struct tc_lab *lab, uint16_t from, uint16_t to, Wire__Envelope *envelope)
{
    void *base;
    if (tc_wire_get_body(envelope, &hotstuff__proposal__descriptor, &t->arena, &base) != 0)
        return false;
    Hotstuff__Proposal *body = base;
    if (!t->stale && body->justify && draw(t->seed, 3, body->view) % 8 == 0) {
        struct tc_slice packed;
        ProtobufCMessage *copy;
        if (tc_fields_pack(&body->justify->base, &t->kept, &packed) == 0 &&
            tc_fields_unpack(&hotstuff__certificate__descriptor, packed, &t->kept, &copy) == 0)
            t->stale = (Hotstuff__Certificate *)copy;
    }
    if (!(draw(t->seed, body->view + 1000, to) & 1))
        return false;
    memcpy(t->second_of, body->digest.data, body->digest.len == TC_VALUE_SIZE ? TC_VALUE_SIZE : 0);
    if ((t->strategy & STALE) && t->stale && body->timeout) {
        body->justify = t->stale;
        body->parent = t->stale->digest;
        body->sequence = t->stale->sequence + 1;
    } else if (!(t->strategy & EQUIVOCATE)) {
        return false;
    }
    envelope->n_requests = 0;
    if (body->parent.len != TC_VALUE_SIZE ||
        tc_hotstuff_envelope_digest(envelope, body->view, body->sequence, body->parent.data, &t->arena, t->second) != 0)
        return false;
    body->digest = (ProtobufCBinaryData){TC_VALUE_SIZE, t->second};
    return send_signed(lab, from, to, envelope, &body->base, &t->arena);
}

static bool second_vote(struct traitor *t, struct tc_lab *lab, uint16_t from, uint16_t to, Wire__Envelope *envelope)
{
    void *base;
    if (tc_wire_get_body(envelope, &hotstuff__vote__descriptor, &t->arena, &base) != 0)
        return false;
    Hotstuff__Vote *body = base;
    if (draw(t->seed, 7, body->view) % 3 == 0)
        body->view += draw(t->seed, 8, body->view) & 1;
    if (body->digest.len == TC_VALUE_SIZE && memcmp(body->digest.data, t->second_of, TC_VALUE_SIZE) == 0)
        body->digest = (ProtobufCBinaryData){TC_VALUE_SIZE, t->second};
    return send_signed(lab, from, to, envelope, &body->base, &t->arena);
}

/* A certificate whose signers are one and the same. */
static bool double_signers(struct traitor *t, struct tc_lab *lab, uint16_t from, uint16_t to, Wire__Envelope *envelope)
{
    void *base;
    if (tc_wire_get_body(envelope, &hotstuff__announcement__descriptor, &t->arena, &base) != 0)
        return false;
    Hotstuff__Announcement *body = base;
    for (size_t i = 1; body->justify && i < body->justify->n_signers && i < body->justify->n_signatures; i++) {
        body->justify->signers[i] = body->justify->signers[0];
        body->justify->signatures[i] = body->justify->signatures[0];
    }
    return send_signed(lab, from, to, envelope, &body->base, &t->arena);
}

static bool hides(const struct traitor *t, const Wire__Envelope *envelope, uint16_t to)
{
    const uint64_t random = draw(t->seed, 11, tc_random_mix(envelope->body.len, to));
    if ((t->strategy & SILENT) && envelope->type != WIRE__TYPE__REPLY)
        return true;
    if ((t->strategy & WITHHOLD) && tc_hotstuff_is_vote(tc_hotstuff_type(envelope)))
        return random & 1;
    return (t->strategy & HIDE) && tc_hotstuff_type(envelope) >= HOTSTUFF__TYPE__PRE_COMMIT &&
           tc_hotstuff_type(envelope) <= HOTSTUFF__TYPE__DECIDE && to % 2 == 0;
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
    if (hides(t, envelope, to))
        return true;
    const uint32_t type = tc_hotstuff_type(envelope);
    if (type == HOTSTUFF__TYPE__PREPARE || type == HOTSTUFF__TYPE__GENERIC)
        return second_proposal(t, lab, from, to, envelope);
    if ((t->strategy & WILD_VOTES) && tc_hotstuff_is_vote(type))
        return second_vote(t, lab, from, to, envelope);
    if ((t->strategy & DOUBLE_SIGNERS) && type > HOTSTUFF__TYPE__PREPARE && type <= HOTSTUFF__TYPE__DECIDE)
        return double_signers(t, lab, from, to, envelope);
    return false;
}

static void choose_cluster(uint64_t seed, struct tc_lab_options *options)
{
    static const uint32_t sizes[] = {4, 4, 4, 5, 7, 1};
    options->protocol = seed & 1 ? "chained-hotstuff" : "hotstuff";
    choose_sizes(seed, sizes, 6, &options->cluster);
    options->cluster.pipeline_max = 1;
}

static void choose_traitors(uint64_t seed, struct tc_lab_options *options, struct traitor *t)
{
    t->seed = tc_random_mix(seed, 77);
    if (draw(seed, 40, 0) % 2 == 0)
        return;
    t->strategy = (uint32_t)draw(seed, 41, 0) & 127;
    if (draw(seed, 44, 0) % 4 != 0)
        t->strategy &= ~(uint32_t)SILENT;
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
    /* With silent leaders in every rotation a client gets one answer a rotation, but it must get it. */
    uint64_t answered = tc_lab_answered(lab), since = tc_lab_now(lab);
    while (!tc_lab_failure(lab) && tc_lab_outstanding(lab) > 0 && tc_lab_now(lab) - since < STALL_NS) {
        tc_lab_run(lab, tc_lab_now(lab) + 100 * MS);
        if (tc_lab_answered(lab) > answered)
            since = tc_lab_now(lab);
        answered = tc_lab_answered(lab);
    }
    if (tc_lab_outstanding(lab) > 0)
        tc_lab_fail(lab, "liveness: %llu requests wait, and none was answered in %llu s of peace",
                    (unsigned long long)tc_lab_outstanding(lab), (unsigned long long)(STALL_NS / 1000 / MS));
    tc_lab_run(lab, tc_lab_now(lab) + 10000 * MS);
}

/* ---- the justifier listens: it must say nothing of correct replicas ---- */

struct witness {
    const struct tc_protocol *protocol;
    struct tc_lab *lab;
    struct tc_justifier *justifier;
    struct tc_nodeset traitors;
    struct tc_arena arena;
    uint64_t judged, unjudged;
};

static void on_breach(void *self, const struct tc_breach *breach)
{
    struct witness *w = self;
    if (!tc_nodeset_has(&w->traitors, breach->replica))
        tc_lab_fail(w->lab, "justification: %s (%s)", breach->text, breach->rule);
}

static bool decoded(struct witness *w, uint16_t from, uint16_t to, struct tc_slice frame, struct tc_message *m)
{
    tc_arena_reset(&w->arena);
    *m = (struct tc_message){.from = from, .to = to};
    return w->protocol->decode(frame, &w->arena, m) == 0;
}

static void on_said(void *self, uint16_t from, uint16_t to, struct tc_slice frame)
{
    struct witness *w = self;
    struct tc_message m;
    if (w->lab && decoded(w, from, to, frame, &m))
        w->protocol->justifier->said(w->justifier, from, &m);
}

static void on_heard(void *self, uint16_t from, uint16_t to, struct tc_slice frame)
{
    struct witness *w = self;
    struct tc_message m;
    if (w->lab && to < TC_CLIENT_FIRST && decoded(w, from, to, frame, &m))
        w->protocol->justifier->heard(w->justifier, to, &m, false);
}

static void on_observed(void *self, uint16_t node, const struct tc_observation *observation)
{
    struct witness *w = self;
    struct tc_observation copy = *observation;
    copy.node = node;
    if (w->lab)
        w->protocol->justifier->observed(w->justifier, &copy);
}

static void witness_begin(struct witness *w, struct tc_lab_options *options)
{
    w->protocol = tc_protocol_find(options->protocol);
    w->traitors = options->traitors;
    tc_arena_init(&w->arena, 64u << 20);
    options->watch = (struct tc_lab_watch){.said = on_said, .heard = on_heard, .observed = on_observed, .self = w};
}

static void witness_attach(struct witness *w, struct tc_lab *lab)
{
    w->justifier = w->protocol->justifier->create(tc_lab_env(lab), on_breach, w);
    assert_non_null(w->justifier);
    w->lab = lab;
}

static void witness_end(struct witness *w)
{
    uint64_t late;
    w->protocol->justifier->counts(w->justifier, &w->judged, &w->unjudged, &late);
    w->protocol->justifier->destroy(w->justifier);
    tc_arena_free(&w->arena);
}

static bool run_seed(uint64_t seed, bool verbose, struct totals *totals)
{
    struct tc_lab_options options = {
        .scheme = TC_SCHEME_KEYED_HASH, .seed = tc_random_mix(seed, 3), .sync_ns_max = MS / 2, .retry_ns = 150 * MS};
    struct traitor t = {.strategy = 0};
    tc_arena_init(&t.arena, 64u << 20);
    tc_arena_init(&t.kept, 1u << 20);
    choose_cluster(seed, &options);
    choose_network(seed, &options.network);
    choose_traitors(seed, &options, &t);
    struct witness w = {.lab = NULL};
    witness_begin(&w, &options);
    struct tc_lab *lab = tc_lab_new(&options);
    witness_attach(&w, lab);
    tc_lab_verbose(lab, verbose);
    for (uint32_t i = 0; i < options.cluster.client_count; i++)
        tc_lab_load(lab, i, 10 + (uint32_t)(draw(seed, 80, i) % 100));
    chaos(lab, seed, options.cluster.n);
    peace(lab, seed, &options);
    must_have_caught_up(lab, &options, options.cluster.window);
    const bool good = !tc_lab_failure(lab);
    if (!good) {
        fprintf(stderr, "TC_SEED=%llu (%s, n=%u, %u traitors, strategy %u): %s\n", (unsigned long long)seed,
                options.protocol, options.cluster.n, tc_nodeset_count(&t.members), t.strategy, tc_lab_failure(lab));
        tc_lab_dump(lab);
    }
    witness_end(&w);
    totals->judged += w.judged;
    totals->unjudged += w.unjudged;
    add_totals(totals, lab);
    tc_lab_free(lab);
    tc_arena_free(&t.arena);
    tc_arena_free(&t.kept);
    return good;
}

static void test_random_schedules(void **state)
{
    (void)state;
    struct totals totals = {0};
    if (run_seeds(run_seed, 120, &totals))
        assert_true(totals.views > 0 && totals.replays > 0 && totals.judged > 0);
}

/* One seed, one story. */
static void test_repeats(void **state)
{
    uint64_t traces[2];
    (void)state;
    for (uint64_t protocol = 0; protocol < 2; protocol++) {
        for (size_t i = 0; i < 2; i++) {
            struct tc_lab_options options = {.scheme = TC_SCHEME_KEYED_HASH, .seed = 5, .retry_ns = 150 * MS};
            choose_cluster(4 + protocol, &options);
            choose_network(9, &options.network);
            struct tc_lab *lab = tc_lab_new(&options);
            tc_lab_load(lab, 0, 40);
            chaos(lab, 11, options.cluster.n);
            traces[i] = tc_lab_trace(lab);
            tc_lab_free(lab);
        }
        assert_int_equal(traces[0], traces[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_repeats), cmocka_unit_test(test_random_schedules)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
