/* Encrypted links that do not work, said once each with what is known of the reason: rules that a peer broke, two ends
 * of different networks or versions, a connection that ended before anything was said, one that never came. */
#include "run_internal.h"

#include "../reference/fields.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NETWORK_MAX 64

struct end {
    bool greeted; /* its NodeInfo came */
    char network[NETWORK_MAX];
    uint64_t block_version;
};

struct link {
    bool up, told;
    bool ever;       /* it was up once */
    bool unfinished; /* a handshake did not come to its end, */
    uint16_t silent; /* with this one */
    uint64_t said;   /* messages since it came up, without NodeInfo */
};

struct tc_run_links {
    uint32_t n;
    struct end *ends;
    struct link *links; /* [a * n + b], a < b */
};

int tc_run_links_open(struct tc_run *run, struct tc_error *err)
{
    const size_t n = run->cluster.n;
    if (!run->protocol->transport || run->request->simulated || run->request->check)
        return 0;
    run->links = calloc(1, sizeof *run->links);
    if (run->links) {
        run->links->n = run->cluster.n;
        run->links->ends = calloc(n, sizeof *run->links->ends);
        run->links->links = calloc(n * n, sizeof *run->links->links);
    }
    if (run->links && run->links->ends && run->links->links)
        return 0;
    return tc_error_set(err, TC_EMEMORY, "no memory for %zu links", n * n);
}

void tc_run_links_close(struct tc_run *run)
{
    if (!run->links)
        return;
    free(run->links->ends);
    free(run->links->links);
    free(run->links);
    run->links = NULL;
}

static struct link *link_of(const struct tc_run_links *links, uint16_t a, uint16_t b)
{
    if (a >= links->n || b >= links->n || a == b)
        return NULL;
    return &links->links[a < b ? (size_t)a * links->n + b : (size_t)b * links->n + a];
}

/* NodeInfo tells of its sender what its peers compare with their own. */
static void greet(struct tc_run_links *links, const struct tc_message *m)
{
    struct tc_field_value value, version;
    struct end *end = &links->ends[m->from];
    const struct tc_fields fields = m->statements[0].fields;
    if (tc_fields_get(fields, "network", 0, &value) < 0 || value.type != TC_FIELD_STRING)
        return;
    end->greeted = true;
    snprintf(end->network, sizeof end->network, "%.*s", (int)(value.bytes.len < NETWORK_MAX ? value.bytes.len : 63),
             (const char *)value.bytes.data);
    if (tc_fields_get(fields, "protocol_version", 0, &value) == 0 && value.type == TC_FIELD_MESSAGE &&
        value.message.base && tc_fields_get(value.message, "block", 0, &version) == 0)
        end->block_version = version.uint_value;
}

static void saw_message(struct tc_run_links *links, const struct tc_message *m)
{
    struct link *link = link_of(links, m->from, m->to);
    if (!link || m->statement_count == 0)
        return;
    if (m->type && strcmp(m->type, "node-info") == 0)
        greet(links, m);
    else
        link->said++;
}

/* It came up, and ended before either said a thing: why its ends do not want each other. */
static void explain(const struct tc_run *run, uint16_t a, uint16_t b, char text[static TC_RUN_LINK_TEXT_MAX])
{
    const struct end *one = &run->links->ends[a], *other = &run->links->ends[b];
    char id[41];
    tc_run_peers_id(run, b, id);
    if (one->greeted && other->greeted && strcmp(one->network, other->network) != 0)
        snprintf(text, TC_RUN_LINK_TEXT_MAX,
                 "%u – %u refused: replica %u is of the network \"%s\", replica %u of \"%s\"", a, b, a, one->network, b,
                 other->network);
    else if (one->greeted && other->greeted && one->block_version != other->block_version)
        snprintf(text, TC_RUN_LINK_TEXT_MAX, "%u – %u refused: replica %u has block version %llu, replica %u has %llu",
                 a, b, a, (unsigned long long)one->block_version, b, (unsigned long long)other->block_version);
    else
        snprintf(
            text, TC_RUN_LINK_TEXT_MAX,
            "%u – %u closed right after the handshake: does replica %u know replica %u by the id %s? Its log says why",
            a, b, a, b, id);
}

/* A cluster whose links do not come up by themselves is not the one that was to be judged. Of ours the nodes are told
 * whom to dial, and one that is refused is an affair of its start. */
static void unsure(struct tc_run *run, const char *text)
{
    char why[TC_RUN_LINK_TEXT_MAX + 8];
    if (run->scenario->cluster.start)
        return;
    snprintf(why, sizeof why, "link %s", text);
    tc_judge_unsure(run->judge, why);
}

static bool came_down(struct tc_run *run, uint16_t a, uint16_t b, char text[static TC_RUN_LINK_TEXT_MAX])
{
    struct link *link = link_of(run->links, a, b);
    if (!link || !link->up)
        return false;
    link->up = false;
    if (link->said > 0 || link->told || run->phase == TC_RUN_DURING)
        return false;
    link->told = true;
    explain(run, a, b, text);
    unsure(run, text);
    return true;
}

static bool broke(struct tc_run *run, const struct tc_observation *o, char text[static TC_RUN_LINK_TEXT_MAX])
{
    struct link *link = link_of(run->links, o->node, o->peer);
    if (!link || link->told)
        return false;
    if (o->exit.status == TC_EUNREACHABLE) { /* the next one may: tc_run_links_end */
        link->unfinished = true;
        link->silent = o->node;
        return false;
    }
    link->told = true;
    snprintf(text, TC_RUN_LINK_TEXT_MAX, "%u – %u broke at replica %u's end: %s", o->peer, o->node, o->node, o->text);
    if (run->phase != TC_RUN_DURING) /* else the attack may have asked for it */
        unsure(run, text);
    return true;
}

/* Why a link that is not up is not. */
static void say_why(struct tc_run *run, uint16_t a, uint16_t b, char text[static TC_RUN_LINK_TEXT_MAX])
{
    const struct link *link = link_of(run->links, a, b);
    if (link->unfinished)
        snprintf(
            text, TC_RUN_LINK_TEXT_MAX,
            "%u – %u is not up: replica %u takes the connection, and the handshake with it does not come to its end", a,
            b, link->silent);
    else
        snprintf(text, TC_RUN_LINK_TEXT_MAX,
                 "%u – %u is not up: nobody dialled %s or %s, or the node behind it did not answer", a, b,
                 tc_run_dialled(run, a, b), tc_run_dialled(run, b, a));
}

/* What the ends of a link say to each other that never came up through us is hidden from the judge. A network that runs
 * already may have connections that pass us by; nodes of ours were told whom to dial. */
static void tell_hidden(const struct tc_run *run)
{
    const struct tc_run_links *links = run->links;
    char why[96];
    for (uint32_t at = 0; !run->scenario->cluster.start && at < links->n * links->n; at++) {
        const uint32_t a = at / links->n, b = at % links->n;
        if (a >= b || links->links[at].ever || links->links[at].told)
            continue;
        snprintf(why, sizeof why, "no connection between replicas %u and %u came through the proxy", a, b);
        tc_judge_links_hidden(run->judge, why);
        return;
    }
}

bool tc_run_links_observe(struct tc_run *run, const struct tc_observation *o, char text[static TC_RUN_LINK_TEXT_MAX])
{
    struct link *link;
    switch (o->kind) {
    case TC_OBS_MESSAGE:
        if (o->message.said)
            saw_message(run->links, o->message.message);
        return false;
    case TC_OBS_LINK_UP:
        link = link_of(run->links, o->node, o->peer);
        if (link) {
            link->up = link->ever = true;
            link->said = 0;
        }
        return false;
    case TC_OBS_LINK_DOWN:
        return came_down(run, o->node, o->peer, text);
    case TC_OBS_BROKEN:
        return broke(run, o, text);
    case TC_OBS_PHASE:
        if (run->judge && (o->phase.phase == TC_RUN_DURING || o->phase.phase == TC_RUN_ENDED))
            tell_hidden(run);
        return false;
    default:
        return false;
    }
}

bool tc_run_links_missing(struct tc_run *run, uint32_t *at, char text[static TC_RUN_LINK_TEXT_MAX])
{
    const struct tc_run_links *links = run->links;
    if (run->scenario->cluster.start) /* we told the nodes whom to dial: it is only late */
        return false;
    for (; *at < links->n * links->n; ++*at) {
        const uint16_t a = (uint16_t)(*at / links->n), b = (uint16_t)(*at % links->n);
        if (a >= b || links->links[*at].up || links->links[*at].told)
            continue;
        say_why(run, a, b, text);
        ++*at;
        return true;
    }
    return false;
}

bool tc_run_links_known(void *run)
{
    char why[TC_RUN_LINK_TEXT_MAX];
    uint32_t at = 0;
    return !tc_run_links_missing(run, &at, why);
}

void tc_run_links_end(struct tc_run *run)
{
    const struct tc_run_links *links = run->links;
    char text[TC_RUN_LINK_TEXT_MAX];
    for (uint32_t at = 0; links && at < links->n * links->n; at++) {
        if (!links->links[at].unfinished || links->links[at].ever || links->links[at].told)
            continue;
        say_why(run, (uint16_t)(at / links->n), (uint16_t)(at % links->n), text);
        unsure(run, text);
    }
}
