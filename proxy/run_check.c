/* Mistakes in a cluster file, found on the wire before anybody is blamed for them: another cluster's id, a key that is
 * not the node's, a log that is not there. Only for clusters that others started; ours are right by construction. */
#define _GNU_SOURCE
#include "run_internal.h"

#include "../proxy/nodeset.h"
#include "../reference/fields.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STRANGER_MIN       8u /* votes, relayed ones among them: by then every other replica was heard */
#define CAPTURED_WRONG_MIN 4u /* signed messages of a replica that do not verify */

static void mistake(struct tc_run *run, struct tc_error *err)
{
    run->mistake = true;
    if (run->live)
        tc_live_abort(run->live, err);
    else
        tc_run_check_refuse(run, err);
}

/* A first frame may name its sender's cluster: PBFT's HELLO in `cluster`, CometBFT's NodeInfo in `network`. One that is
 * not ours is its node's affair, whose peers refuse it; where more differ than may be faulty, the file is wrong. */
static void check_cluster_id(struct tc_run *run, const struct tc_message *m, const char *field)
{
    struct tc_field_value value;
    struct tc_error err = {0};
    const char *id = run->cluster.id;
    if (m->from >= run->cluster.n || tc_fields_get(m->statements[0].fields, field, 0, &value) < 0 ||
        value.type != TC_FIELD_STRING ||
        (value.bytes.len == strlen(id) && memcmp(value.bytes.data, id, value.bytes.len) == 0))
        return;
    tc_nodeset_add(&run->strangers, m->from);
    if (tc_nodeset_count(&run->strangers) <= run->cluster.f)
        return;
    tc_error_set(&err, TC_EUSAGE, "%s: id: expected the cluster's own, which node %u says is \"%.*s\", found \"%s\"",
                 run->scenario->cluster.path, m->from, (int)(value.bytes.len < 64 ? value.bytes.len : 64),
                 (const char *)value.bytes.data, id);
    mistake(run, &err);
}

/* The node at this address holds another key than the home directory that the file gives for it. */
static void check_home(struct tc_run *run, const struct tc_observation *broken)
{
    struct tc_error err = {0};
    tc_error_set(&err, TC_EUSAGE, "%s: home of replica %u (%s): its node_key.json is not the key of the node at %s: %s",
                 run->scenario->cluster.path, broken->node, run->scenario->cluster.nodes[broken->node].home,
                 tc_run_node_address(run, broken->node), broken->text);
    mistake(run, &err);
}

/* The first signed message of each replica, on its own link and before any attack, must bear its signature. Of what
 * others captured nobody knows when an attack began: there it takes several in a row. */
static void check_key(struct tc_run *run, const struct tc_message *m)
{
    const struct tc_statement *s = &m->statements[0];
    struct tc_error err = {0};
    if (!s->signature.len || s->signer != m->from || m->from >= run->cluster.n ||
        tc_nodeset_has(&run->keys_checked, m->from))
        return;
    const bool wrong = run->protocol->verify(&run->env, s) == TC_ESIGNATURE;
    if (wrong && run->checking && ++run->keys_wrong[m->from] < CAPTURED_WRONG_MIN)
        return;
    tc_nodeset_add(&run->keys_checked, m->from);
    if (!wrong)
        return;
    tc_error_set(
        &err, TC_EUSAGE,
        "%s: replica %u's own %s does not verify: its key (or public_key) here is not the one it signs with, or "
        "the cluster's id differs",
        run->scenario->cluster.path, m->from, m->type);
    mistake(run, &err);
}

/* Where every replica's key is given, votes of somebody else tell that one of the keys is not the one that its replica
 * signs with: that whose votes nobody says. */
static void check_stranger(struct tc_run *run, const struct tc_message *m)
{
    struct tc_error err = {0};
    uint16_t unheard = TC_NODE_NONE;
    if (m->statements[0].kind != TC_KIND_VOTE || m->statements[0].signer != TC_NODE_NONE)
        return;
    for (uint16_t node = run->cluster.n; node-- > 0;) {
        if (!tc_keyring_public(run->keys, node))
            return;
        if (run->voices[node].begun == 0)
            unheard = node;
    }
    if (++run->stranger_votes < STRANGER_MIN)
        return;
    if (unheard == TC_NODE_NONE)
        tc_error_set(&err, TC_EUSAGE,
                     "%s: expected n as many as the chain has validators: a %s is of one that is none of the %u here",
                     run->scenario->cluster.path, m->type, run->cluster.n);
    else
        tc_error_set(&err, TC_EUSAGE,
                     "%s: replica %u: expected the key (home or public_key) that it signs with: no vote bears the one "
                     "given here, and %u bear another that is nobody's in this file",
                     run->scenario->cluster.path, unheard, STRANGER_MIN);
    mistake(run, &err);
}

/* A chain with more validators than the file has replicas: quorums and the number of traitors would be wrong. */
static void check_members(struct tc_run *run, const struct tc_observation *told)
{
    struct tc_error err = {0};
    if (told->member.count <= run->cluster.n || (run->phase != TC_RUN_ENDED && run->phase != TC_RUN_BEFORE))
        return;
    tc_nodeset_add(&run->crowded, told->node);
    if (tc_nodeset_count(&run->crowded) <= run->cluster.f)
        return;
    tc_error_set(
        &err, TC_EUSAGE,
        "%s: n: expected as many replicas as the chain has validators, which are %u (so says the rpc of replica "
        "%u), found %u",
        run->scenario->cluster.path, (unsigned)told->member.count, told->node, (unsigned)run->cluster.n);
    mistake(run, &err);
}

/* Where peers relay, keys that are swapped between replicas still verify. Once there is a traitor, what we say for it
 * is passed on as its votes are. */
static void check_voice(struct tc_run *run, const struct tc_message *m)
{
    if (tc_nodeset_has(&run->ledger.traitors, m->statements[0].signer))
        return;
    const uint16_t sayer = tc_run_voice(run, m), owner = m->statements[0].signer;
    struct tc_error err = {0};
    if (sayer == TC_NODE_NONE)
        return;
    tc_error_set(&err, TC_EUSAGE,
                 "%s: votes of the key given for replica %u are always said by replica %u first: are the keys (home or "
                 "public_key) of the two swapped, or do they talk past turncoat?",
                 run->scenario->cluster.path, owner, sayer);
    mistake(run, &err);
}

/* The attack begins, and signs: as each of its traitors? */
static void check_traitors(struct tc_run *run)
{
    struct tc_error err = {0};
    const struct tc_cluster_spec *spec = &run->scenario->cluster;
    for (uint16_t node = 0; run->script && tc_script_info(run->script)->needs_keys && node < run->cluster.n; node++) {
        if (!tc_nodeset_has(&run->ledger.traitors, node) || tc_keyring_has_secret(run->keys, node))
            continue;
        const bool home = run->driver->identities && spec->nodes[node].home[0];
        tc_error_set(&err, TC_EKEY,
                     "%s: attack '%s' signs as replica %u, whose secret key is not held: expected %s%s%s", spec->path,
                     tc_script_info(run->script)->name, node, home ? spec->nodes[node].home : "", home ? "/" : "",
                     home                      ? run->driver->identities->signing_file
                     : run->driver->identities ? "home = \"DIR\" with its keys"
                                               : "key = \"FILE\"");
        mistake(run, &err);
        return;
    }
}

static void check_message(struct tc_run *run, const struct tc_message *m)
{
    if (m->touched || m->statement_count == 0)
        return;
    if (m->statements[0].kind == TC_KIND_OTHER)
        check_cluster_id(run, m, run->protocol->transport ? "network" : "cluster");
    else if (run->phase == TC_RUN_ENDED || run->phase == TC_RUN_BEFORE) { /* ENDED: no phase has begun */
        check_key(run, m);
        if (run->protocol->transport && run->live && !run->mistake)
            check_stranger(run, m);
    }
    if (run->protocol->transport && run->live && !run->mistake)
        check_voice(run, m);
}

void tc_run_check(struct tc_run *run, const struct tc_observation *observation)
{
    if (run->scenario->cluster.start || run->mistake)
        return;
    if (observation->kind == TC_OBS_MESSAGE) {
        if (observation->message.said)
            check_message(run, observation->message.message);
        return;
    }
    if (observation->kind == TC_OBS_BROKEN && observation->exit.status == TC_EKEY && observation->node < run->cluster.n)
        check_home(run, observation);
    if (observation->kind == TC_OBS_MEMBER && run->live)
        check_members(run, observation);
    if (observation->kind == TC_OBS_PHASE && observation->phase.phase == TC_RUN_DURING)
        check_traitors(run);
}

static uint16_t holder_of(const struct tc_run *run, const uint8_t *public_key)
{
    for (uint16_t node = 0; node < run->cluster.n; node++) {
        const uint8_t *key = tc_keyring_public(run->keys, node);
        if (key && memcmp(key, public_key, TC_PUBLIC_KEY_SIZE) == 0)
            return node;
    }
    return TC_NODE_NONE;
}

void tc_run_check_identity(struct tc_run *run, uint16_t node, const char *network, const uint8_t *public_key)
{
    const struct tc_cluster_node *given = &run->scenario->cluster.nodes[node];
    const uint8_t *key = tc_keyring_public(run->keys, node);
    struct tc_error err = {0};
    if (run->scenario->cluster.start || run->mistake)
        return;
    if (strcmp(network, run->cluster.id) != 0)
        tc_error_set(&err, TC_EUSAGE, "%s: rpc of replica %u (%s) answers for the chain \"%s\", expected \"%s\"",
                     run->scenario->cluster.path, node, given->rpc, network, run->cluster.id);
    else if (public_key && key && memcmp(key, public_key, TC_PUBLIC_KEY_SIZE) != 0) {
        const uint16_t holder = holder_of(run, public_key);
        char whose[48] = "nobody's in this file";
        if (holder != TC_NODE_NONE)
            snprintf(whose, sizeof whose, "the one given for replica %u", holder);
        tc_error_set(&err, TC_EUSAGE,
                     "%s: replica %u: the node at rpc %s signs with another key than the one given here: it is %s. Are "
                     "home, key or rpc swapped?",
                     run->scenario->cluster.path, node, given->rpc, whose);
    }
    if (err.code)
        mistake(run, &err);
}

void tc_run_show_logs(const struct tc_run *run)
{
    for (uint32_t i = 0; i < run->cluster.n; i++) {
        const char *log = run->logs[i];
        if (log[0] && access(log, R_OK) != 0)
            printf("warning   the log of node %u, %s, is not there (yet)\n", i, log);
    }
    if (!run->scenario->cluster.start && !run->request->interrupt_ends)
        printf("waiting   for the cluster's first decision\n");
    fflush(stdout);
}
