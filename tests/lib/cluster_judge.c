/* What must hold of everybody who is no traitor, checked as it is said. Written from the paper's promises, not from the
 * replica's code. */
#include "../../reference/hotstuff/wire.h"
#include "cluster_internal.h"

enum {
    FACT_SAID = 1,
    FACT_DECIDED,
    FACT_STATE,
    FACT_STABLE,
    FACT_ONCE,
    FACT_VIEW_CHANGE,
    FACT_NEW_VIEW,
    FACT_PROPOSAL,
    FACT_VOTE
};

static size_t fact_slot(const struct tc_lab *lab, const uint64_t key[static 4])
{
    uint64_t hash = 0;
    for (size_t i = 0; i < 4; i++)
        hash = tc_random_mix(hash, key[i]);
    size_t at = hash & (lab->fact_room - 1);
    while (lab->facts[at].used && memcmp(lab->facts[at].key, key, sizeof lab->facts[at].key) != 0)
        at = (at + 1) & (lab->fact_room - 1);
    return at;
}

static void grow_facts(struct tc_lab *lab)
{
    struct fact *old = lab->facts;
    size_t old_room = lab->fact_room;
    lab->fact_room = old_room ? old_room * 2 : 4096;
    lab->facts = lab_alloc(lab->fact_room * sizeof *lab->facts);
    for (size_t i = 0; i < old_room; i++)
        if (old[i].used)
            lab->facts[fact_slot(lab, old[i].key)] = old[i];
    free(old);
}

/* The value must be what was noted under this key before, if anything was. *fresh: nothing was. */
static bool same_fact(struct tc_lab *lab, uint64_t a, uint64_t b, uint64_t c, uint64_t d, const uint8_t *value,
                      bool *fresh)
{
    const uint64_t key[4] = {a, b, c, d};
    if (2 * (lab->fact_count + 1) > lab->fact_room)
        grow_facts(lab);
    struct fact *fact = &lab->facts[fact_slot(lab, key)];
    if (fresh)
        *fresh = !fact->used;
    if (fact->used)
        return memcmp(fact->value, value, TC_VALUE_SIZE) == 0;
    fact->used = true;
    memcpy(fact->key, key, sizeof key);
    memcpy(fact->value, value, TC_VALUE_SIZE);
    lab->fact_count++;
    return true;
}

static bool judged(const struct tc_lab *lab, uint16_t node)
{
    return !tc_nodeset_has(&lab->options.traitors, node);
}

/* ---- what is said ---- */

static void judge_vote(struct tc_lab *lab, uint16_t node, const Wire__Envelope *envelope, const Pbft__Prepare *vote)
{
    bool fresh;
    if (!same_fact(lab, FACT_SAID, (uint64_t)envelope->type << 32 | node, vote->view, vote->sequence, vote->digest.data,
                   &fresh))
        tc_lab_fail(lab, "replica %u contradicts itself: two messages of type %d for view %llu sequence %llu",
                    (unsigned)node, (int)envelope->type, (unsigned long long)vote->view,
                    (unsigned long long)vote->sequence);
    if (fresh && vote->view < lab->nodes[node].promised)
        tc_lab_fail(lab, "replica %u votes in view %llu after asking for %llu", (unsigned)node,
                    (unsigned long long)vote->view, (unsigned long long)lab->nodes[node].promised);
}

static void judge_unique(struct tc_lab *lab, uint16_t node, uint64_t fact, uint64_t view, ProtobufCBinaryData body,
                         const char *what)
{
    uint8_t digest[TC_VALUE_SIZE];
    tc_digest(tc_wire_slice(body), digest);
    if (!same_fact(lab, fact, node, view, 0, digest, NULL))
        tc_lab_fail(lab, "replica %u says two different %s for view %llu", (unsigned)node, what,
                    (unsigned long long)view);
}

/* One proposal and one vote of each phase for a view; no view after one that was asked for. */
static void judge_hotstuff(struct tc_lab *lab, uint16_t node, const Wire__Envelope *envelope)
{
    const uint32_t type = (uint32_t)envelope->type;
    void *base;
    if (type == HOTSTUFF__TYPE__PREPARE || type == HOTSTUFF__TYPE__GENERIC) {
        if (tc_wire_get_body(envelope, &hotstuff__proposal__descriptor, &lab->arena, &base) == 0)
            judge_unique(lab, node, FACT_PROPOSAL, ((Hotstuff__Proposal *)base)->view, envelope->body, "proposals");
    } else if (tc_hotstuff_is_vote(type)) {
        if (tc_wire_get_body(envelope, &hotstuff__vote__descriptor, &lab->arena, &base) == 0)
            judge_unique(lab, node, FACT_VOTE + type, ((Hotstuff__Vote *)base)->view, envelope->body, "votes");
    }
}

void lab_judge_said(struct tc_lab *lab, uint16_t node, struct tc_slice frame)
{
    Wire__Envelope *envelope;
    void *base;
    tc_arena_reset(&lab->arena);
    if (tc_wire_unpack(frame, &lab->arena, &envelope) != 0) {
        tc_lab_fail(lab, "replica %u says something malformed", (unsigned)node);
        return;
    }
    lab->sent[(uint32_t)envelope->type & 31]++;
    if (!judged(lab, node) || envelope->sender != node)
        return;
    switch (envelope->type) {
    case PBFT__TYPE__PRE_PREPARE: /* the three are laid out alike */
    case PBFT__TYPE__PREPARE:
    case PBFT__TYPE__COMMIT:
        if (tc_wire_get_body(envelope, &pbft__prepare__descriptor, &lab->arena, &base) == 0)
            judge_vote(lab, node, envelope, base);
        break;
    case PBFT__TYPE__VIEW_CHANGE:
        if (tc_wire_get_body(envelope, &pbft__view_change__descriptor, &lab->arena, &base) != 0)
            break;
        judge_unique(lab, node, FACT_VIEW_CHANGE, ((Pbft__ViewChange *)base)->view, envelope->body, "view changes");
        if (((Pbft__ViewChange *)base)->view > lab->nodes[node].promised)
            lab->nodes[node].promised = ((Pbft__ViewChange *)base)->view;
        break;
    case PBFT__TYPE__NEW_VIEW:
        if (tc_wire_get_body(envelope, &pbft__new_view__descriptor, &lab->arena, &base) == 0)
            judge_unique(lab, node, FACT_NEW_VIEW, ((Pbft__NewView *)base)->view, envelope->body, "new views");
        break;
    default:
        judge_hotstuff(lab, node, envelope);
        break;
    }
}

/* ---- what is observed ---- */

static void judge_operations(struct tc_lab *lab, uint16_t node, const struct tc_observation *observation)
{
    for (uint32_t i = 0; i < observation->executed.operation_count; i++) {
        const struct tc_operation *operation = &observation->executed.operations[i];
        uint8_t place[TC_VALUE_SIZE] = {0};
        if (!operation->fresh)
            continue;
        memcpy(place, &observation->executed.sequence, sizeof observation->executed.sequence);
        place[8] = (uint8_t)i;
        memcpy(place + 12, operation->digest, 16);
        if (!same_fact(lab, FACT_ONCE, operation->client, operation->timestamp, 0, place, NULL))
            tc_lab_fail(lab, "replica %u executes request %llu of client %u a second time, at sequence %llu",
                        (unsigned)node, (unsigned long long)operation->timestamp, (unsigned)operation->client,
                        (unsigned long long)observation->executed.sequence);
        if (operation->timestamp > lab->clients[operation->client - TC_CLIENT_FIRST].timestamp)
            tc_lab_fail(lab, "replica %u executes a request that client %u never made", (unsigned)node,
                        (unsigned)operation->client);
    }
}

static void judge_execution(struct tc_lab *lab, uint16_t node, const struct tc_observation *observation)
{
    struct lab_node *n = &lab->nodes[node];
    uint64_t sequence = observation->executed.sequence;
    bool transferred = observation->executed.origin == TC_EXEC_TRANSFERRED;
    if (!transferred && n->executed != 0 && sequence != n->executed + 1)
        tc_lab_fail(lab, "replica %u executes sequence %llu after %llu", (unsigned)node, (unsigned long long)sequence,
                    (unsigned long long)n->executed);
    if (transferred && sequence <= n->executed)
        tc_lab_fail(lab, "replica %u falls back from %llu to %llu", (unsigned)node, (unsigned long long)n->executed,
                    (unsigned long long)sequence);
    if (!transferred && !same_fact(lab, FACT_DECIDED, sequence, 0, 0, observation->executed.value.bytes, NULL))
        tc_lab_fail(lab, "agreement: replica %u executes another batch at sequence %llu", (unsigned)node,
                    (unsigned long long)sequence);
    if (!same_fact(lab, FACT_STATE, sequence, 0, 0, observation->executed.state.bytes, NULL))
        tc_lab_fail(lab, "replica %u has another state at sequence %llu", (unsigned)node, (unsigned long long)sequence);
    judge_operations(lab, node, observation);
    n->executed = sequence;
    lab->transfers += transferred;
    lab->replays += observation->executed.origin == TC_EXEC_REPLAYED;
}

static void print_observation(const struct tc_lab *lab, uint16_t node, const struct tc_observation *observation)
{
    double seconds = (double)lab->now_ns / 1e9;
    if (observation->kind == TC_OBS_EXECUTED)
        fprintf(stderr, "%.6f replica %u executes %llu (%02x%02x, %u operations, view %llu, origin %d)\n", seconds,
                (unsigned)node, (unsigned long long)observation->executed.sequence,
                observation->executed.value.bytes[0], observation->executed.value.bytes[1],
                observation->executed.operation_count, (unsigned long long)observation->executed.view,
                (int)observation->executed.origin);
    else if (observation->kind == TC_OBS_VIEW)
        fprintf(stderr, "%.6f replica %u %s view %llu, timeout %.3f s\n", seconds, (unsigned)node,
                observation->view.active ? "is in" : "asks for", (unsigned long long)observation->view.view,
                (double)observation->view.timeout_ns / 1e9);
    else if (observation->kind == TC_OBS_STABLE)
        fprintf(stderr, "%.6f replica %u is stable at %llu\n", seconds, (unsigned)node,
                (unsigned long long)observation->stable.sequence);
    else
        fprintf(stderr, "%.6f replica %u about %u: %s\n", seconds, (unsigned)node, (unsigned)observation->peer,
                observation->text);
}

void lab_judge_observed(struct tc_lab *lab, uint16_t node, const struct tc_observation *observation)
{
    struct lab_node *n = &lab->nodes[node];
    lab->trace = tc_random_mix(tc_random_mix(lab->trace, lab->now_ns), (uint64_t)observation->kind << 16 | node);
    if (lab->verbose)
        print_observation(lab, node, observation);
    switch (observation->kind) {
    case TC_OBS_EXECUTED:
        if (judged(lab, node))
            judge_execution(lab, node, observation);
        break;
    case TC_OBS_STABLE:
        if (judged(lab, node) &&
            !same_fact(lab, FACT_STABLE, observation->stable.sequence, 0, 0, observation->stable.state.bytes, NULL))
            tc_lab_fail(lab, "replica %u has another stable state at sequence %llu", (unsigned)node,
                        (unsigned long long)observation->stable.sequence);
        n->stable = observation->stable.sequence;
        break;
    case TC_OBS_VIEW:
        if (judged(lab, node) && observation->view.view < n->view)
            tc_lab_fail(lab, "replica %u goes back from view %llu to %llu", (unsigned)node, (unsigned long long)n->view,
                        (unsigned long long)observation->view.view);
        lab->views_entered += observation->view.active && !(n->active && observation->view.view == n->view);
        n->view = observation->view.view;
        n->active = observation->view.active;
        break;
    case TC_OBS_COMPLAINT:
        lab->complaints++;
        break;
    default:
        break;
    }
}

/* Durability: whatever it once printed as executed, it executes again or holds in a stable state. */
void lab_judge_restarted(struct tc_lab *lab, uint16_t node, uint64_t executed_before)
{
    struct lab_node *n = &lab->nodes[node];
    uint64_t holds = n->executed > 0 ? n->executed : n->stable;
    if (judged(lab, node) && holds < executed_before)
        tc_lab_fail(lab, "replica %u forgot: it had executed %llu, and comes back at %llu", (unsigned)node,
                    (unsigned long long)executed_before, (unsigned long long)holds);
    if (n->executed == 0)
        n->executed = holds;
}
