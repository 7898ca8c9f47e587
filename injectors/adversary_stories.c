/* What the traitor says in its own name: as a leader another proposal to some, or one on an older certificate; as a
 * voter nothing, or votes for both; in a view change whatever suits it. */
#include "adversary_strategic.h"

#include <stdlib.h>
#include <string.h>

/* ---- certificates that are known ---- */

static bool keep(uint8_t **bytes, size_t *len, struct tc_slice from)
{
    uint8_t *copy = realloc(*bytes, from.len ? from.len : 1);
    if (!copy)
        return false;
    if (from.len > 0)
        memcpy(copy, from.data, from.len);
    *bytes = copy;
    *len = from.len;
    return true;
}

/* Packed by hand of the statement's own bytes: they borrow from the message, so they are copied. */
static void keep_certificate(struct tc_adversary *a, const struct tc_statement *s, struct tc_slice packed)
{
    for (uint32_t i = 0; i < CERTIFICATES_MAX && i < a->certificate_count; i++) {
        const struct tc_strategic_certificate *c = &a->certificates[i];
        if (c->view == s->view && c->sequence == s->sequence && c->len == packed.len &&
            memcmp(c->bytes, packed.data, packed.len) == 0)
            return;
    }
    struct tc_strategic_certificate *c = &a->certificates[a->certificate_count % CERTIFICATES_MAX];
    if (!keep(&c->bytes, &c->len, packed))
        return;
    c->view = s->view;
    c->sequence = s->sequence;
    a->certificate_count++;
}

void tc_strategic_note(struct tc_adversary *a, const struct tc_message *m)
{
    struct tc_arena *arena = &a->arena;
    for (uint32_t i = 1; i < m->statement_count; i++) {
        const struct tc_statement *s = &m->statements[i];
        struct tc_slice packed;
        if (s->kind != TC_KIND_CERTIFICATE || s->parent != 0 || a->noted == m->key)
            continue;
        tc_arena_reset(arena);
        if (tc_mutate_pack(s, arena, &packed) == 0)
            keep_certificate(a, s, packed);
    }
    a->noted = m->key;
}

void tc_strategic_forget(struct tc_adversary *a)
{
    for (uint32_t i = 0; i < CERTIFICATES_MAX; i++)
        free(a->certificates[i].bytes);
    for (uint32_t i = 0; i < SECONDS_MAX; i++)
        free(a->seconds[i].frame);
    tc_arena_free(&a->arena);
}

/* One seen, one that could be made of the votes heard, or the genesis block's. */
static struct tc_slice some_certificate(struct tc_adversary *a, uint64_t hash, struct tc_arena *arena)
{
    struct tc_slice made;
    const uint64_t way = tc_random_below(hash, 8);
    if (way == 0)
        return (struct tc_slice){NULL, 0};
    if (way < 4 && tc_mutate_certify(&a->base.mutator, tc_random_mix(hash, 1), a->base.traitor, arena, &made) == 0)
        return made;
    const uint32_t count = a->certificate_count < CERTIFICATES_MAX ? a->certificate_count : CERTIFICATES_MAX;
    if (count == 0)
        return (struct tc_slice){NULL, 0};
    /* the newest ones first: an old one is no temptation any more */
    const uint64_t back = tc_random_below(tc_random_mix(hash, 2), tc_random_below(tc_random_mix(hash, 3), count) + 1);
    const struct tc_strategic_certificate *c = &a->certificates[(a->certificate_count - 1 - back) % CERTIFICATES_MAX];
    return (struct tc_slice){c->bytes, c->len};
}

/* ---- second proposals ---- */

static struct tc_strategic_second *second_of(struct tc_adversary *a, const struct tc_statement *s)
{
    for (uint32_t i = 0; i < SECONDS_MAX && i < a->second_count; i++) {
        struct tc_strategic_second *second = &a->seconds[i];
        if (second->view == s->view && second->has_sequence == s->has_sequence &&
            (!a->stable_leader || second->sequence == s->sequence))
            return second;
    }
    return NULL;
}

static void keep_second(struct tc_adversary *a, const struct tc_statement *s, struct tc_slice frame)
{
    struct tc_strategic_second *second = second_of(a, s);
    if (!second)
        second = &a->seconds[a->second_count++ % SECONDS_MAX];
    if (!keep(&second->frame, &second->len, frame))
        return;
    second->view = s->view;
    second->sequence = s->sequence;
    second->has_sequence = s->has_sequence;
}

/* Who hears the second story, and not the first: half of them, those who ask again, or all. */
static bool on_second_side(const struct tc_adversary *a, const struct tc_message *m, uint64_t era)
{
    const struct tc_adversary_base *base = &a->base;
    switch (tc_adversary_draw(base, DRAW_LEAD_SET, era, 6)) {
    case 0:
        return true;
    case 1:
        return m->occurrence > 0;
    case 2:
        return m->to == tc_adversary_draw(base, DRAW_LEAD_SET, ~era, base->n);
    default:
        return tc_random_mix(tc_random_mix(tc_random_mix(base->config.seed, DRAW_LEAD_SET), era), m->to) & 1;
    }
}

/* ---- leading ---- */

enum { LEAD_HONEST, LEAD_EQUIVOCATE, LEAD_FORK, LEAD_FORK_AGAIN, LEAD_SOME, LEAD_SILENT, LEAD_LIE, LEAD_COUNT };

static bool tell_second(struct tc_adversary *a, const struct tc_message *m, const struct tc_statement *s,
                        const struct tc_message *second, struct tc_plan *plan)
{
    struct tc_message sealed;
    if (tc_mutate_seal(&a->base.mutator, second, plan->arena, &sealed) != 0)
        return false;
    (void)m;
    keep_second(a, s, sealed.frame);
    tc_adversary_replace(plan, sealed.frame, "second proposal");
    return true;
}

static bool equivocate(struct tc_adversary *a, const struct tc_message *m, const struct tc_statement *s, uint64_t era,
                       struct tc_plan *plan)
{
    struct tc_error err = {0};
    struct tc_message second;
    const uint64_t hash = tc_random_mix(tc_random_mix(a->base.config.seed, DRAW_LEAD_HOW), era);
    return a->base.config.protocol->perturb(&a->base.config.env, m, hash, hash & 1, plan->arena, &second, &err) == 0 &&
           tell_second(a, m, s, &second, plan);
}

/* Said again, it is the same fork, whatever was learnt since. */
static bool fork_off(struct tc_adversary *a, const struct tc_message *m, const struct tc_statement *s, uint64_t era,
                     struct tc_plan *plan)
{
    struct tc_message second;
    const struct tc_strategic_second *told = second_of(a, s);
    const uint64_t hash = tc_random_mix(tc_random_mix(a->base.config.seed, DRAW_LEAD_HOW), era);
    if (told) {
        const struct tc_slice frame = tc_arena_copy(plan->arena, (struct tc_slice){told->frame, told->len});
        if (frame.data)
            tc_adversary_replace(plan, frame, "fork");
        return frame.data != NULL;
    }
    const struct tc_slice certificate = some_certificate(a, tc_random_mix(hash, 1), plan->arena);
    return tc_mutate_rebase(&a->base.mutator, m, certificate, hash, hash & 1, plan->arena, &second) == 0 &&
           tell_second(a, m, s, &second, plan);
}

void tc_strategic_lead(struct tc_adversary *a, const struct tc_message *m, const struct tc_statement *s, uint64_t era,
                       struct tc_plan *plan)
{
    const struct tc_adversary_base *base = &a->base;
    if (!tc_strategic_chance(a, DRAW_LEAD, era, a->lead_share))
        return;
    const bool second = on_second_side(a, m, era);
    const uint64_t hash = tc_random_mix(tc_random_mix(base->config.seed, DRAW_LEAD_HOW), era);
    switch (tc_adversary_draw(base, DRAW_LEAD_KIND, era, LEAD_COUNT)) {
    case LEAD_EQUIVOCATE:
        if (second && !equivocate(a, m, s, era, plan))
            tc_adversary_drop(plan, "kept back");
        break;
    case LEAD_FORK:
    case LEAD_FORK_AGAIN:
        if (second)
            fork_off(a, m, s, era, plan);
        break;
    case LEAD_SOME:
        if (second)
            tc_adversary_drop(plan, "kept back");
        break;
    case LEAD_SILENT:
        tc_adversary_drop(plan, "silent");
        break;
    case LEAD_LIE:
        if (second)
            tc_adversary_lie(&a->base, m, TC_OPERATORS_ANY, tc_random_mix(hash, s->type), plan);
        break;
    default:
        break;
    }
}

/* ---- following ---- */

enum { FOLLOW_HONEST, FOLLOW_SILENT, FOLLOW_SECOND, FOLLOW_BOTH, FOLLOW_LIE, FOLLOW_COUNT };

/* Its vote for the other proposal of this slot: the traitor's own second one, or whatever else was proposed. */
static bool vote_second(struct tc_adversary *a, const struct tc_message *m, const struct tc_statement *s, bool beside,
                        struct tc_plan *plan)
{
    struct tc_message proposal = {0}, vote, sealed;
    const struct tc_strategic_second *told = second_of(a, s);
    if (!told)
        return false;
    const struct tc_slice frame = tc_arena_copy(plan->arena, (struct tc_slice){told->frame, told->len});
    const struct tc_protocol *protocol = a->base.config.protocol;
    if (!frame.data || protocol->decode(frame, plan->arena, &proposal) ||
        protocol->vote_for(m, &proposal, plan->arena, &vote) ||
        tc_mutate_seal(&a->base.mutator, &vote, plan->arena, &sealed))
        return false;
    if (beside)
        tc_adversary_send(plan, m->from, m->to, sealed.frame);
    else
        tc_adversary_replace(plan, sealed.frame, "vote for the second");
    return true;
}

void tc_strategic_follow(struct tc_adversary *a, const struct tc_message *m, const struct tc_statement *s, uint64_t era,
                         struct tc_plan *plan)
{
    const struct tc_adversary_base *base = &a->base;
    const uint64_t which = era * 64 + s->type;
    /* Who told two stories stands by both. */
    if (s->kind == TC_KIND_VOTE && second_of(a, s)) {
        const uint64_t side = tc_adversary_draw(base, DRAW_FOLLOW_SET, which, 4);
        if (side < 2 ? on_second_side(a, m, era) : side == 2)
            vote_second(a, m, s, tc_adversary_draw(base, DRAW_FOLLOW_HOW, which, 2), plan);
        return;
    }
    if (!tc_strategic_chance(a, DRAW_FOLLOW, which, a->follow_share))
        return;
    const uint64_t hash = tc_random_mix(tc_random_mix(base->config.seed, DRAW_FOLLOW_HOW), which);
    const bool some = tc_random_mix(tc_random_mix(hash, 7), m->to) & 1;
    if (s->kind == TC_KIND_SYNC &&
        hash & 4) { /* a state, a block: false, in a way that only its receiver's care shows */
        tc_adversary_lie(&a->base, m, 1u << TC_OP_BYTES | 1u << TC_OP_SUBSTITUTE, hash, plan);
        return;
    }
    switch (tc_adversary_draw(base, DRAW_FOLLOW_KIND, which, FOLLOW_COUNT)) {
    case FOLLOW_SILENT:
        if (hash & 2 || some)
            tc_adversary_drop(plan, "withheld");
        break;
    case FOLLOW_SECOND:
        tc_adversary_lie(&a->base, m,
                         1u << TC_OP_VALUE | 1u << TC_OP_FORGE | 1u << TC_OP_SUBSTITUTE | 1u << TC_OP_EMPTY, hash,
                         plan);
        break;
    case FOLLOW_BOTH:
        tc_adversary_replay(&a->base, tc_random_mix(hash, m->to), plan);
        break;
    case FOLLOW_LIE:
        if (hash & 2 || some)
            tc_adversary_lie(&a->base, m, TC_OPERATORS_ANY, hash, plan);
        break;
    default:
        break;
    }
}
