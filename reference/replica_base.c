#include "replica_base.h"

#include <stdlib.h>

#define ARENA_MAX (512u << 20)

static int check(const struct tc_replica_config *config, struct tc_error *err)
{
    const struct tc_cluster *cluster = config->env.cluster;
    if (cluster->n == 0 || cluster->n > TC_REPLICAS_MAX || config->id >= cluster->n)
        return tc_error_set(err, TC_EUSAGE, "replica %u of %u: expected 1 … %d replicas, numbered from 0",
                            (unsigned)config->id, cluster->n, TC_REPLICAS_MAX);
    if (cluster->quorum > cluster->n || cluster->f >= cluster->n)
        return tc_error_set(err, TC_EUSAGE, "quorum %u and f %u of %u replicas: expected at most n votes and f < n",
                            cluster->quorum, cluster->f, cluster->n);
    if (cluster->client_count > TC_NODES_MAX - TC_CLIENT_FIRST)
        return tc_error_set(err, TC_EUSAGE, "%u clients: expected at most %d", cluster->client_count,
                            TC_NODES_MAX - TC_CLIENT_FIRST);
    if (cluster->checkpoint_interval == 0 || cluster->window < cluster->checkpoint_interval ||
        cluster->window > UINT32_C(1) << 16)
        return tc_error_set(err, TC_EUSAGE,
                            "window %u with checkpoint interval %u: expected 1 ≤ interval ≤ window ≤ 65536",
                            cluster->window, cluster->checkpoint_interval);
    if (cluster->view_timeout_ns < 8)
        return tc_error_set(err, TC_EUSAGE, "no view timeout: expected one of at least 8 ns");
    if (!tc_keyring_has_secret(config->env.keys, config->id))
        return tc_error_set(err, TC_EKEY, "replica %u: its secret key is missing", (unsigned)config->id);
    return 0;
}

static uint32_t quorum_of(const struct tc_replica_base *base)
{
    const struct tc_cluster *cluster = base->cluster;
    if (cluster->quorum)
        return cluster->quorum;
    return tc_replica_bug(base, TC_BUG_QUORUM_RULE) ? 2 * cluster->f + 1 : (cluster->n + cluster->f + 2) / 2;
}

int tc_replica_base_init(struct tc_replica_base *base, const struct tc_replica_config *config, struct tc_error *err)
{
    const struct tc_cluster *cluster = config->env.cluster;
    const int rc = check(config, err);
    if (rc != 0)
        return rc;
    base->env = config->env;
    base->cluster = cluster;
    base->bugs = config->bugs;
    base->id = config->id;
    base->n = cluster->n;
    base->f = cluster->f;
    base->quorum = quorum_of(base);
    base->window = cluster->window;
    base->interval = cluster->checkpoint_interval;
    base->batch_max = cluster->batch_max < 1                   ? 1
                      : cluster->batch_max > TC_WIRE_BATCH_MAX ? TC_WIRE_BATCH_MAX
                                                               : cluster->batch_max;
    base->from = TC_NODE_NONE;
    base->replaying = true;
    base->active = true;
    tc_arena_init(&base->arena, ARENA_MAX);
    base->store = tc_store_new();
    if (!base->store)
        return tc_error_set(err, TC_EMEMORY, "replica %u: out of memory", (unsigned)config->id);
    return 0;
}

void tc_replica_base_free(struct tc_replica_base *base)
{
    tc_verified_free(&base->verified);
    free(base->outputs);
    tc_store_free(base->store);
    tc_arena_free(&base->arena);
}

uint64_t tc_replica_view_timeout_ns(const struct tc_replica_base *base)
{
    uint64_t timeout = base->cluster->view_timeout_ns;
    const uint64_t most = base->cluster->view_timeout_max_ns > timeout ? base->cluster->view_timeout_max_ns : timeout;
    for (uint32_t i = 0; i < base->failed_views && timeout < most; i++)
        timeout = timeout > most / 2 ? most : timeout * 2;
    return timeout;
}

void tc_replica_step_begin(struct tc_replica_base *base, uint64_t now_ns)
{
    tc_arena_reset(&base->arena);
    base->output_count = 0;
    base->now_ns = now_ns;
    base->from = TC_NODE_NONE;
}

int tc_replica_step_end(struct tc_replica_base *base, int rc, struct tc_outputs *out)
{
    if (base->out_of_memory)
        rc = TC_EMEMORY;
    *out = rc == 0 ? (struct tc_outputs){base->outputs, base->output_count} : (struct tc_outputs){NULL, 0};
    return rc;
}
