/* cluster.lua of a run directory: the cluster as a file, so that its traffic can be judged again. */
#include "run_internal.h"

#include "../reports/out.h"

#include <string.h>

/* A Lua string. What it holds was read from Lua before, or made by us: quotes, backslashes and line ends suffice. */
static void add_text(struct tc_buf *t, const char *text)
{
    tc_buf_add(t, "\"");
    for (; *text; text++) {
        if (*text == '\n')
            tc_buf_add(t, "\\n");
        else
            tc_buf_format(t, "%s%c", *text == '"' || *text == '\\' ? "\\" : "", *text);
    }
    tc_buf_add(t, "\"");
}

static void add_field(struct tc_buf *t, const char *name, const char *text)
{
    if (!text[0])
        return;
    tc_buf_format(t, ", %s = ", name);
    add_text(t, text);
}

static void add_key(struct tc_buf *t, const struct tc_run *run, uint32_t node)
{
    const uint8_t *key = tc_keyring_public(run->keys, node);
    tc_buf_add(t, "\"");
    if (key)
        tc_buf_hex(t, (struct tc_slice){key, TC_PUBLIC_KEY_SIZE});
    tc_buf_add(t, "\"");
}

/* The listener for each dialler, where every link has its own. */
static void add_link_ports(struct tc_buf *t, struct tc_run *run, uint16_t to)
{
    if (run->scenario->cluster.listen_mode != TC_LISTEN_PER_LINK)
        return;
    tc_buf_add(t, ", link_ports = { ");
    for (uint32_t from = 0; from < run->cluster.n; from++) {
        const char *colon = from == to ? NULL : strrchr(tc_run_dialled(run, (uint16_t)from, to), ':');
        tc_buf_format(t, "%s%s", from ? ", " : "", colon ? colon + 1 : "0");
    }
    tc_buf_add(t, " }");
}

static void add_replica(struct tc_buf *t, struct tc_run *run, uint16_t id)
{
    tc_buf_format(t, "    { id = %u", id);
    add_field(t, "address", tc_run_node_address(run, id));
    add_field(t, "listen", tc_run_dialled(run, TC_NODE_NONE, id));
    add_link_ports(t, run, id);
    if (tc_keyring_public(run->keys, id)) {
        tc_buf_add(t, ",\n      public_key = ");
        add_key(t, run, id);
    }
    tc_buf_add(t, " },\n");
}

static void add_client_keys(struct tc_buf *t, const struct tc_run *run)
{
    uint32_t count = run->cluster.client_count;
    while (count > 0 && !tc_keyring_public(run->keys, TC_CLIENT_FIRST + count - 1))
        count--;
    if (count == 0)
        return;
    tc_buf_add(t, "  client_keys = {\n");
    for (uint32_t i = 0; i < count; i++) {
        tc_buf_add(t, "    ");
        add_key(t, run, TC_CLIENT_FIRST + i);
        tc_buf_add(t, ",\n");
    }
    tc_buf_add(t, "  },\n");
}

static void add_cluster(struct tc_buf *t, struct tc_run *run)
{
    const struct tc_cluster_spec *spec = &run->scenario->cluster;
    const struct tc_cluster *c = &run->cluster;
    tc_buf_add(t, "return cluster {\n  protocol = ");
    add_text(t, run->protocol->name);
    add_field(t, "id", c->id);
    tc_buf_format(t, ", listen = \"%s\",\n  f = %u",
                  spec->listen_mode == TC_LISTEN_PER_LINK ? "per-link" : "per-destination", c->f);
    if (c->quorum)
        tc_buf_format(t, ", quorum = %u", c->quorum);
    tc_buf_format(t, ", clients = %u, checkpoint_interval = %u, window = %u, batch_max = %u, pipeline_max = %u,\n",
                  c->client_count, c->checkpoint_interval, c->window, c->batch_max, c->pipeline_max);
    tc_buf_format(t, "  view_timeout = %.9g, view_timeout_max = %.9g, authentication = \"%s\",\n",
                  (double)c->view_timeout_ns / 1e9, (double)c->view_timeout_max_ns / 1e9,
                  c->request_authentication == TC_AUTH_MAC ? "mac" : "signature");
    tc_buf_add(t, "  replicas = {\n");
    for (uint32_t i = 0; i < c->n; i++)
        add_replica(t, run, (uint16_t)i);
    tc_buf_add(t, "  },\n");
    add_client_keys(t, run);
    tc_buf_add(t, "}\n");
}

int tc_run_describe_cluster(struct tc_run *run, struct tc_error *err)
{
    struct tc_buf text = {0};
    tc_buf_add(&text, "-- The cluster of this run, as it was on the wire. To judge the run's capture again:\n"
                      "--\n"
                      "--   turncoat check trace.pcap --cluster cluster.lua --observations observations.jsonl\n");
    add_cluster(&text, run);
    int result = tc_out_file(run->dir, "cluster.lua", &text, err);
    tc_buf_free(&text);
    return result;
}
