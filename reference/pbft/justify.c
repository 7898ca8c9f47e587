/* Justification of PBFT (OSDI'99): each thing a correct replica says must follow by the rules from what it said before
 * and what it was offered. Written apart from the replica: they share the wire format, no predicate.
 *
 * What a replica *may* know is over-approximated: everything ever offered to it counts as processed, its own votes
 * count before we see them, certificates count wherever they were found. What left the window, what did not fit and
 * what happened before we watched is not judged. So a breach is never a matter of timing. */
#include "../../proxy/random.h"
#include "justify_parts.h"
#include <stdlib.h>

static void destroy(struct tc_justifier *j)
{
    if (!j)
        return;
    tc_justify_table_free(j);
    tc_justify_views_free(j);
    tc_arena_free(&j->scratch);
    free(j->replicas);
    free(j->genuine);
    free(j->frames);
    free(j->frame_bytes);
    free(j->support_bytes);
    free(j);
}

static struct tc_justifier *create(const struct tc_protocol_env *env, tc_breach_fn *sink, void *self)
{
    struct tc_justifier *j = calloc(1, sizeof *j);
    if (!j)
        return NULL;
    j->env = *env;
    j->sink = sink;
    j->self = self;
    j->n = env->cluster->n;
    j->quorum = tc_protocol_quorum(&tc_pbft, env->cluster);
    tc_arena_init(&j->scratch, SCRATCH_MAX);
    j->replicas = calloc(j->n, sizeof *j->replicas);
    j->genuine_size = GENUINE_FIRST;
    j->genuine = calloc(j->genuine_size, sizeof *j->genuine);
    j->frames = malloc(FRAMES_MAX * sizeof *j->frames);
    if (tc_justify_table_init(j) && j->replicas && j->genuine && j->frames)
        return j;
    destroy(j);
    return NULL;
}

/* Is this what a cluster says first of all? Then we see everything from its birth on. */
static bool is_birth(const struct tc_statement *s)
{
    if (s->kind != TC_KIND_VIEW_CHANGE)
        return s->has_sequence && s->sequence == 1 && s->view == 0;
    const Pbft__ViewChange *change = s->fields.base;
    return change->view == 1 && change->stable_sequence == 0 && change->n_prepared == 0;
}

/* A new view or a view change, which a connection may begin with, says nothing of the sequence numbers in flight. Those
 * that are lie in the log, no more than a window above the stable checkpoint; and that is at most what is spoken of,
 * or, where a vote is cast above it, the last checkpoint before. */
static void set_floor(struct tc_justifier *j, struct justify_replica *r, const struct tc_statement *s)
{
    if (r->floor != UINT64_MAX || !s->has_sequence)
        return;
    const uint64_t interval = j->env.cluster->checkpoint_interval;
    const bool votes =
        s->type == PBFT__TYPE__PRE_PREPARE || s->type == PBFT__TYPE__PREPARE || s->type == PBFT__TYPE__COMMIT;
    const uint64_t stable =
        votes && s->sequence > 0 && interval > 0 ? (s->sequence - 1) / interval * interval : s->sequence;
    r->floor = stable + j->env.cluster->window;
    if (s->sequence >= j->base + j->slot_count)
        j->base = s->sequence - j->slot_count / 2;
}

/* A replica that we did not see start may know what was said before: sequence numbers that may have been in flight are
 * not judged, nor its being in the view it speaks in. */
static void first_word(struct tc_justifier *j, struct justify_replica *r, const struct tc_statement *s)
{
    if (s->kind == TC_KIND_OTHER || s->kind == TC_KIND_REQUEST || s->kind == TC_KIND_REPLY || s->kind == TC_KIND_SYNC)
        return;
    if (!j->spoken)
        j->fresh = is_birth(s);
    j->spoken = true;
    r->seen = true;
    r->fresh |= j->fresh;
    if (r->fresh)
        return;
    r->view_floor = s->view;
    r->floor = UINT64_MAX; /* until it names a sequence number */
    set_floor(j, r, s);
}

/* No stable checkpoint can be later than the last that anybody said. */
static void note_checkpoint(struct tc_justifier *j, const struct tc_statement *s)
{
    const bool is_one = s->type == PBFT__TYPE__CHECKPOINT || s->type == PBFT__TYPE__STATE;
    if (is_one && s->has_sequence && s->sequence > j->last_checkpoint)
        j->last_checkpoint = s->sequence;
}

/* h < n ≤ H, with the highest h that it can know of. */
static bool between_watermarks(struct tc_justifier *j, uint16_t replica, const struct tc_message *m)
{
    const struct tc_statement *s = &m->statements[0];
    const uint32_t window = j->env.cluster->window;
    if (!j->replicas[replica].fresh || s->sequence <= j->last_checkpoint || s->sequence - j->last_checkpoint <= window)
        return true;
    j->judged++;
    tc_justify_breach(j, replica, m, "beyond-watermark", "OSDI'99 §4.2", s->view, s->sequence,
                      "replica %u said a %s for sequence %llu, beyond the high watermark: no checkpoint after %llu was "
                      "ever said, and the window is %u",
                      replica, m->type, (unsigned long long)s->sequence, (unsigned long long)j->last_checkpoint,
                      window);
    return false;
}

static void said(struct tc_justifier *j, uint16_t replica, const struct tc_message *m)
{
    j->events++;
    if (replica >= j->n || !m->decoded || m->statement_count == 0 || m->statements[0].signer != replica)
        return; /* passing on others' words is no statement of its own */
    struct justify_replica *r = &j->replicas[replica];
    const struct tc_statement *s = &m->statements[0];
    if (!r->seen)
        first_word(j, r, s);
    else if (!r->fresh)
        set_floor(j, r, s);
    if (!r->fresh && s->has_view && s->has_sequence && s->sequence <= r->floor && s->view > r->view_floor)
        r->view_floor = s->view;
    if (!r->fresh && !r->placed && r->seen && s->has_view) {
        r->placed = true;
        r->first_view = s->view;
    }
    switch (s->type) {
    case WIRE__TYPE__HELLO:
        r->links[m->to % TC_NODES_MAX] =
            (struct justify_link){.conn = m->conn, .open = true, .born = j->events, .asked = 0};
        break;
    case PBFT__TYPE__PRE_PREPARE:
        if (between_watermarks(j, replica, m))
            tc_justify_said_proposal(j, replica, m, s);
        break;
    case PBFT__TYPE__PREPARE:
    case PBFT__TYPE__COMMIT:
        if (between_watermarks(j, replica, m))
            tc_justify_said_vote(j, replica, m);
        break;
    case PBFT__TYPE__CHECKPOINT:
        note_checkpoint(j, s);
        tc_justify_said_checkpoint(j, replica, m);
        break;
    case PBFT__TYPE__VIEW_CHANGE:
        tc_justify_said_view_change(j, replica, m);
        break;
    case PBFT__TYPE__NEW_VIEW:
        tc_justify_said_new_view(j, replica, m);
        break;
    default:
        break;
    }
}

/* One statement of a message that was offered. Pre-prepares count as their primary's wherever they are found. */
static void heard_statement(struct tc_justifier *j, uint16_t replica, const struct tc_statement *s, bool genuine)
{
    switch (s->type) {
    case PBFT__TYPE__PRE_PREPARE:
        if (s->signer == tc_justify_leader(j, s->view))
            tc_justify_offer(j, replica, s, JUSTIFY_PROPOSE, genuine);
        break;
    case PBFT__TYPE__PREPARE:
        tc_justify_offer(j, replica, s, JUSTIFY_PREPARE, genuine);
        break;
    case PBFT__TYPE__COMMIT:
        tc_justify_offer(j, replica, s, JUSTIFY_COMMIT, genuine);
        break;
    case PBFT__TYPE__VIEW_CHANGE:
        tc_justify_heard_view_change(j, replica, s->view, s->signer);
        break;
    case PBFT__TYPE__STATE:
        note_checkpoint(j, s);
        break;
    case WIRE__TYPE__REQUEST:
    case PBFT__TYPE__CHECKPOINT:
        note_checkpoint(j, s);
        if (genuine)
            tc_justify_vouch(j, s->type, s->signer, s->body, s->signature, true);
        break;
    default:
        break;
    }
}

static void heard(struct tc_justifier *j, uint16_t replica, const struct tc_message *m, bool trusted)
{
    j->events++;
    if (replica >= j->n || !m->decoded || m->statement_count == 0)
        return;
    const struct tc_statement *s = &m->statements[0];
    const bool genuine = trusted && s->signer == m->from;
    if (s->kind == TC_KIND_VIEW_CHANGE || s->kind == TC_KIND_NEW_VIEW || s->kind == TC_KIND_SYNC)
        tc_justify_keep_frame(j, m, replica);
    if (s->type == PBFT__TYPE__NEW_VIEW)
        tc_justify_heard_new_view(j, replica, m);
    else if (s->type == PBFT__TYPE__STATE)
        tc_justify_heard_state(j, replica, m);
    for (uint32_t i = 0; i < m->statement_count; i++)
        if (m->statements[i].fields.base)
            heard_statement(j, replica, &m->statements[i], genuine && i == 0);
}

static void observed(struct tc_justifier *j, const struct tc_observation *observation)
{
    j->events++;
    if (observation->node >= j->n)
        return;
    struct justify_replica *r = &j->replicas[observation->node];
    switch (observation->kind) {
    case TC_OBS_NODE_UP:
        if (!r->seen && observation->incarnation == 1)
            r->fresh = true;
        for (size_t i = 0; i < TC_NODES_MAX; i++)
            r->links[i].open = false;
        break;
    case TC_OBS_LINK_DOWN:
        if (observation->peer < TC_NODES_MAX)
            r->links[observation->peer].open = false;
        break;
    case TC_OBS_EXECUTED:
        tc_justify_executed(j, observation);
        break;
    case TC_OBS_VIEW:
        if (observation->view.active && r->seen)
            tc_justify_in_view(j, observation->node, NULL, "entered normal operation", observation->view.view, 0, NULL);
        break;
    default:
        break;
    }
}

static void counts(const struct tc_justifier *j, uint64_t *judged, uint64_t *unjudged, uint64_t *late)
{
    *judged = j->judged;
    *unjudged = j->unjudged;
    *late = j->late;
}

const struct tc_justifier_ops tc_pbft_justifier = {
    .create = create,
    .said = said,
    .heard = heard,
    .observed = observed,
    .counts = counts,
    .destroy = destroy,
};
