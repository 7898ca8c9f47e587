/* Whose vote is said first by whom. Where peers relay, a vote does not tell on which link its signer sits; but a vote
 * that nobody said before can only come from its signer. If a key's votes always come from another replica first, the
 * file gives the wrong key to both: found before anybody is blamed for it. */
#include "../proxy/nodeset.h"
#include "run_internal.h"

#include <stdio.h>

#define FIRST_MIN 4 /* votes in a row that another replica said first */

static bool is_newer(const struct tc_run_voice *voice, const struct tc_statement *s)
{
    if (s->sequence != voice->sequence)
        return s->sequence > voice->sequence;
    if (s->view != voice->view)
        return s->view > voice->view;
    return (uint32_t)s->type > voice->type;
}

/* The heights at which the run began say nothing: their votes may have been said before. */
static bool counts(struct tc_run_voice *voice, const struct tc_statement *s)
{
    const bool newer = is_newer(voice, s);
    if (voice->begun == 0)
        voice->begun = s->sequence + 1;
    if (newer) {
        voice->sequence = s->sequence;
        voice->view = s->view;
        voice->type = s->type;
    }
    return newer && s->sequence > voice->begun;
}

uint16_t tc_run_voice(struct tc_run *run, const struct tc_message *m)
{
    const struct tc_statement *s = &m->statements[0];
    if (s->kind != TC_KIND_VOTE || s->signer >= run->cluster.n || m->from >= run->cluster.n || !s->has_sequence)
        return TC_NODE_NONE;
    struct tc_run_voice *voice = &run->voices[s->signer];
    if (!counts(voice, s))
        return TC_NODE_NONE;
    if (m->from == s->signer)
        voice->own = true;
    voice->times = m->from == voice->other ? voice->times + 1 : 1;
    voice->other = m->from;
    return !voice->own && voice->times >= FIRST_MIN ? m->from : TC_NODE_NONE;
}

/* Asked over rpc, a node says itself with which key it signs: that was compared. */
static bool is_open(const struct tc_run *run, uint16_t node)
{
    return run->voices[node].begun > 0 && !run->voices[node].own && !run->scenario->cluster.nodes[node].rpc[0] &&
           !tc_nodeset_has(&run->ledger.traitors, node);
}

void tc_run_voice_end(struct tc_run *run)
{
    char why[160];
    uint32_t matched = 0;
    uint16_t open = TC_NODE_NONE, other = TC_NODE_NONE;
    if (run->scenario->cluster.start || !run->live || !run->protocol->transport || run->mistake)
        return;
    for (uint16_t node = run->cluster.n; node-- > 0;) {
        matched += run->voices[node].own;
        if (is_open(run, node) && run->voices[node].times > 0)
            other = node;
        else if (is_open(run, node))
            open = node;
    }
    if (other != TC_NODE_NONE)
        snprintf(why, sizeof why,
                 "the few votes of the key given for replica %u were said by replica %u first: the keys may be swapped",
                 (unsigned)other, (unsigned)run->voices[other].other);
    else if (open != TC_NODE_NONE && matched == 0)
        snprintf(why, sizeof why, "too few votes to tell whether the keys given are those of the replicas (no rpc)");
    else
        return;
    tc_judge_unsure(run->judge, why);
}
