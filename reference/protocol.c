/* The table of protocols, and what holds for all of them. */
#include "protocol.h"
#include "../proxy/random.h"
#include "cometbft/protocol.h"
#include "hotstuff/protocol.h"
#include "pbft/protocol.h"
#include <stdio.h>
#include <string.h>

#define KEY_BODY_MAX 512 /* bytes of a body that tell valueless messages apart; snapshots are megabytes */

const struct tc_protocol *const tc_protocols[] = {&tc_pbft, &tc_hotstuff, &tc_chained_hotstuff, &tc_cometbft, NULL};

const struct tc_protocol *tc_protocol_find(const char *name)
{
    for (size_t i = 0; tc_protocols[i]; i++)
        if (strcmp(tc_protocols[i]->name, name) == 0)
            return tc_protocols[i];
    return NULL;
}

int tc_protocol_decode(const struct tc_protocol *protocol, const struct tc_protocol_env *env, struct tc_slice frame,
                       struct tc_arena *arena, struct tc_message *m)
{
    const int rc = protocol->decode(frame, arena, m);
    if (rc == 0 && protocol->attribute)
        protocol->attribute(env, m);
    return rc;
}

uint16_t tc_protocol_dictated_leader(const struct tc_cluster *cluster, uint64_t view)
{
    if (view < cluster->leader_count && view < TC_LEADERS_MAX && cluster->leaders[view] < cluster->n)
        return cluster->leaders[view];
    return cluster->n > 0 ? (uint16_t)(view % cluster->n) : TC_NODE_NONE;
}

uint16_t tc_protocol_leader(const struct tc_protocol *protocol, const struct tc_protocol_env *env, uint64_t view)
{
    return env->leader ? env->leader(env->cluster, view) : protocol->leader(env->cluster, view);
}

uint32_t tc_protocol_quorum(const struct tc_protocol *protocol, const struct tc_cluster *cluster)
{
    return cluster->quorum ? cluster->quorum : protocol->quorum(cluster);
}

uint32_t tc_protocol_faults_max(uint32_t n)
{
    return n > 0 ? (n - 1) / 3 : 0;
}

uint32_t tc_protocol_bearable(const struct tc_cluster *cluster)
{
    const uint32_t most = tc_protocol_faults_max(cluster->n);
    return cluster->f < most ? cluster->f : most;
}

/* Little-endian on every machine, as in tc_random_mix_bytes. Spelt out, for then compilers see one load in it. */
static uint64_t first_word(const uint8_t bytes[static 8])
{
    return (uint64_t)bytes[0] | (uint64_t)bytes[1] << 8 | (uint64_t)bytes[2] << 16 | (uint64_t)bytes[3] << 24 |
           (uint64_t)bytes[4] << 32 | (uint64_t)bytes[5] << 40 | (uint64_t)bytes[6] << 48 | (uint64_t)bytes[7] << 56;
}

/* Neither the sender of the link nor a signature or MAC is part of the key: a message said again,
 * or signed again, draws the same lot. */
void tc_message_set_key(struct tc_message *m)
{
    if (m->statement_count == 0) {
        m->key = tc_random_mix_bytes(TC_KIND_OTHER, m->frame);
        return;
    }
    const struct tc_statement *s = &m->statements[0];
    const uint64_t what = (uint64_t)s->kind << 32 | (uint64_t)s->phase << 24 | (uint64_t)s->type << 16 | s->signer;
    uint64_t h = tc_random_mix(s->has_view ? s->view + 1 : 0, what);
    const uint64_t sequence = s->has_sequence ? s->sequence + 1 : 0;
    if (s->value.state == TC_VALUE_BYTES) {
        /* Every message pays for this, so a digest, which is random already, gives eight bytes, and shares a mix with
         * the sequence: for one digest different sequences still give different words. */
        h = tc_random_mix(h, sequence * UINT64_C(0x9e3779b97f4a7c15) + first_word(s->value.bytes));
    } else if (s->value.state == TC_VALUE_ABSENT) {
        const size_t shown = s->body.len < KEY_BODY_MAX ? s->body.len : KEY_BODY_MAX;
        h = tc_random_mix(tc_random_mix(h, sequence), s->body.len);
        h = tc_random_mix_bytes(h, (struct tc_slice){s->body.data, shown});
    } else {
        h = tc_random_mix(tc_random_mix(h, sequence), s->value.state);
    }
    m->key = s->kind == TC_KIND_REQUEST ? tc_random_mix(h, s->slot) : h;
}

void tc_cluster_defaults(struct tc_cluster *c)
{
    if (!c->id[0])
        (void)snprintf(c->id, sizeof c->id, "turncoat");
    c->n = c->n ? c->n : 4;
    c->f = c->f ? c->f : tc_protocol_faults_max(c->n);
    c->checkpoint_interval = c->checkpoint_interval ? c->checkpoint_interval : 128;
    if (!c->window)
        c->window = c->checkpoint_interval > 128 ? 2 * c->checkpoint_interval : 256;
    c->batch_max = c->batch_max ? c->batch_max : 64;
    c->pipeline_max = c->pipeline_max ? c->pipeline_max : 16;
    c->view_timeout_ns = c->view_timeout_ns ? c->view_timeout_ns : UINT64_C(500000000);
    c->view_timeout_max_ns = c->view_timeout_max_ns ? c->view_timeout_max_ns : UINT64_C(8000000000);
    if (c->view_timeout_max_ns < c->view_timeout_ns)
        c->view_timeout_max_ns = c->view_timeout_ns;
}
