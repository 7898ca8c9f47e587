/* The load: each client has one operation under way, to the primary it believes in, then to all; it is done with f+1
 * equal answers (Castro & Liskov, OSDI'99 section 4.1). The simulated counterpart of client_session.c. */
#include "sim_internal.h"

#include <stdlib.h>
#include <string.h>

#define ARENA_MAX      ((size_t)256 << 10)
#define TIMEOUT_NS     UINT64_C(300000000)
#define TIMEOUT_MAX_NS UINT64_C(2000000000)

static struct tc_sim_client *client_of(struct tc_sim *sim, uint16_t node)
{
    return &sim->clients[node - TC_CLIENT_FIRST];
}

static void send_to_all(struct tc_sim *sim, uint16_t node)
{
    for (uint16_t i = 0; i < sim->cluster->n; i++)
        tc_sim_say_to(sim, node, i, client_of(sim, node)->request.frame);
}

static uint16_t believed_primary(const struct tc_sim *sim, const struct tc_sim_client *client)
{
    return tc_protocol_leader(sim->protocol, &sim->config.env, client->view);
}

static void schedule(struct tc_sim *sim, uint16_t node)
{
    struct tc_sim_client *client = client_of(sim, node);
    const uint64_t at_ns = client->busy ? client->retransmit_at_ns : client->due_ns;
    if (at_ns >= client->wake_ns)
        return;
    client->wake_ns = at_ns;
    tc_sim_push(sim, (struct tc_sim_event){.time_ns = at_ns, .kind = TC_SIM_CLIENT, .node = node, .token = at_ns});
}

static struct tc_observation about(const struct tc_sim_client *client, uint16_t node, enum tc_observation_kind kind)
{
    struct tc_observation o = {.kind = kind, .node = node, .peer = TC_NODE_NONE, .text = ""};
    o.client.timestamp = client->timestamp;
    o.client.digest.state = TC_VALUE_BYTES;
    memcpy(o.client.digest.bytes, client->request.digest, TC_VALUE_SIZE);
    return o;
}

/* ---- operations ---- */

static uint64_t next_due_ns(const struct tc_sim *sim, const struct tc_sim_client *client, uint16_t node)
{
    if (sim->interval_ns == 0)
        return sim->now_ns + sim->config.load.think_ns;
    return (client->started * sim->client_count + (uint64_t)(node - TC_CLIENT_FIRST)) * sim->interval_ns;
}

static void begin(struct tc_sim *sim, uint16_t node)
{
    struct tc_sim_client *client = client_of(sim, node);
    struct tc_kv_operation operation;
    tc_arena_reset(&client->arena);
    client->timestamp++;
    client->started++;
    sim->started++;
    int status = tc_operation_make(&sim->maker, node, client->timestamp, &client->memory, &client->arena, &operation);
    if (status == 0)
        status =
            sim->wire->request(&sim->config.env, node, client->timestamp, &operation, &client->arena, &client->request);
    if (status < 0) {
        tc_sim_fail(sim, status, "client %u cannot make a request: %s", node, tc_error_text(status));
        return;
    }
    client->busy = true;
    client->to_all = false;
    client->answered = (struct tc_nodeset){{0}};
    client->timeout_ns = sim->config.load.timeout_ns ? sim->config.load.timeout_ns : TIMEOUT_NS;
    client->retransmit_at_ns = sim->now_ns + client->timeout_ns;
    struct tc_observation requested = about(client, node, TC_OBS_REQUESTED);
    requested.client.operation = client->request.operation;
    tc_sim_observe(sim, &requested);
    const uint16_t primary = believed_primary(sim, client);
    if (primary < sim->cluster->n && tc_sim_link(sim, node, primary)->connected)
        tc_sim_say_to(sim, node, primary, client->request.frame);
    else
        send_to_all(sim, node);
}

static void finish(struct tc_sim *sim, uint16_t node, struct tc_slice result)
{
    struct tc_sim_client *client = client_of(sim, node);
    struct tc_observation replied = about(client, node, TC_OBS_REPLIED);
    replied.client.result = result;
    replied.client.latency_ns = sim->now_ns > client->due_ns ? sim->now_ns - client->due_ns : 0;
    replied.client.ok = true;
    sim->stats.operations++;
    client->busy = false;
    client->retransmit_at_ns = TC_NEVER_NS;
    client->due_ns = next_due_ns(sim, client, node);
    tc_sim_observe(sim, &replied);
}

static void retransmit(struct tc_sim *sim, uint16_t node)
{
    struct tc_sim_client *client = client_of(sim, node);
    client->to_all = true;
    sim->stats.retransmissions++;
    send_to_all(sim, node);
    client->timeout_ns = client->timeout_ns * 2 < TIMEOUT_MAX_NS ? client->timeout_ns * 2 : TIMEOUT_MAX_NS;
    client->retransmit_at_ns = sim->now_ns + client->timeout_ns;
}

void tc_sim_client_due(struct tc_sim *sim, const struct tc_sim_event *event)
{
    struct tc_sim_client *client = client_of(sim, event->node);
    if (event->token != client->wake_ns)
        return;
    client->wake_ns = TC_NEVER_NS;
    if (client->busy && client->retransmit_at_ns <= sim->now_ns)
        retransmit(sim, event->node);
    const uint64_t max = sim->config.load.operations_max;
    if (!client->busy && client->due_ns <= sim->now_ns) {
        if (max > 0 && sim->started >= max)
            return;
        begin(sim, event->node);
    }
    schedule(sim, event->node);
}

void tc_sim_client_linked(struct tc_sim *sim, uint16_t node, uint16_t replica)
{
    const struct tc_sim_client *client = client_of(sim, node);
    if (client->busy && (client->to_all || replica == believed_primary(sim, client)))
        tc_sim_say_to(sim, node, replica, client->request.frame);
}

/* ---- answers ---- */

/* The highest view that at least f+1 replicas say they have reached: one of them is correct. */
static void learn_view(const struct tc_sim *sim, struct tc_sim_client *client)
{
    for (uint32_t i = 0; i < sim->cluster->n; i++) {
        uint32_t reached = 0;
        for (uint32_t j = 0; j < sim->cluster->n; j++)
            reached += client->views[j] >= client->views[i];
        if (reached > sim->cluster->f && client->views[i] > client->view)
            client->view = client->views[i];
    }
}

static bool enough_equal(const struct tc_sim *sim, const struct tc_sim_client *client, uint32_t replica)
{
    uint32_t equal = 0;
    for (uint32_t i = 0; i < sim->cluster->n; i++)
        equal += tc_nodeset_has(&client->answered, i) &&
                 memcmp(client->answers[i], client->answers[replica], TC_VALUE_SIZE) == 0;
    return equal > sim->cluster->f;
}

void tc_sim_client_hears(struct tc_sim *sim, uint16_t node, uint16_t replica, struct tc_slice frame)
{
    struct tc_sim_client *client = client_of(sim, node);
    struct tc_wire_reply reply;
    if (!client->busy) /* late answers to what is done */
        return;
    tc_arena_reset(&sim->memory->arena);
    const int status = sim->wire->reply(&sim->config.env, node, client->timestamp, frame, &sim->memory->arena, &reply);
    if (status == TC_ENOT_FOUND)
        return;
    if (status < 0) {
        tc_sim_complain(sim, node, replica, "%s",
                        status == TC_ESIGNATURE ? "bad signature on reply" : "malformed reply");
        return;
    }
    tc_nodeset_add(&client->answered, reply.replica);
    tc_digest(reply.result, client->answers[reply.replica]);
    if (reply.view > client->views[reply.replica])
        client->views[reply.replica] = reply.view;
    if (!enough_equal(sim, client, reply.replica))
        return;
    learn_view(sim, client);
    finish(sim, node, reply.result);
    schedule(sim, node);
}

/* ---- opening and freeing ---- */

int tc_sim_clients_open(struct tc_sim *sim)
{
    const struct tc_sim_load *load = &sim->config.load;
    sim->client_count = load->clients;
    sim->maker = (struct tc_operation_maker){.seed = sim->config.seed,
                                             .keys = load->keys ? load->keys : 1000,
                                             .value_bytes = load->value_bytes ? load->value_bytes : 64};
    if (load->rate_per_s > 0)
        sim->interval_ns = (uint64_t)(1e9 / load->rate_per_s + 0.5);
    sim->clients = calloc(load->clients + 1, sizeof *sim->clients);
    if (!sim->clients)
        return TC_EMEMORY;
    for (uint32_t i = 0; i < load->clients; i++) {
        tc_arena_init(&sim->clients[i].arena, ARENA_MAX);
        sim->clients[i].wake_ns = TC_NEVER_NS;
        sim->clients[i].retransmit_at_ns = TC_NEVER_NS;
    }
    return 0;
}

void tc_sim_clients_start(struct tc_sim *sim)
{
    for (uint32_t i = 0; i < sim->client_count; i++) {
        const uint16_t node = (uint16_t)(TC_CLIENT_FIRST + i);
        sim->nodes[node].up = true;
        sim->nodes[node].incarnation = 1;
        tc_sim_dial_all(sim, node);
        sim->clients[i].due_ns = next_due_ns(sim, &sim->clients[i], node);
        schedule(sim, node);
    }
}

void tc_sim_clients_free(struct tc_sim *sim)
{
    for (uint32_t i = 0; sim->clients && i < sim->client_count; i++)
        tc_arena_free(&sim->clients[i].arena);
    free(sim->clients);
}
