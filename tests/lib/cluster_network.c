/* The lab's network, and the questions one may ask the lab. */
#include "cluster_internal.h"

static bool chance(uint64_t random, uint32_t rate)
{
    return (random & 0xffff) < rate;
}

static uint64_t latency(const struct tc_lab *lab, uint64_t random)
{
    const struct tc_lab_network *network = &lab->options.network;
    return network->latency_min_ns + tc_random_below(random, network->latency_max_ns - network->latency_min_ns + 1);
}

static void put_on_way(struct tc_lab *lab, uint16_t from, uint16_t to, struct blob *frame, uint64_t delay_ns)
{
    uint64_t at = lab->now_ns + delay_ns;
    if (lab->options.network.fifo && at <= lab->link_last_ns[from][to])
        at = lab->link_last_ns[from][to] + 1;
    lab->link_last_ns[from][to] = at;
    frame->references++;
    lab_push(lab, (struct lab_event){.time_ns = at, .kind = LAB_DELIVER, .from = from, .to = to, .frame = frame});
}

static void transmit(struct tc_lab *lab, uint16_t from, uint16_t to, struct blob *frame, uint64_t extra_ns)
{
    const struct tc_lab_network *network = &lab->options.network;
    uint64_t random = lab_random(lab, 4, (uint64_t)from << 16 | to, lab->link_count[from][to]++);
    if (lab->blocked[from][to] || chance(random, network->drop))
        return;
    random = tc_random_mix(random, 1);
    if (chance(random, network->corrupt) && frame->len > 0) {
        struct blob *damaged = lab_blob((struct tc_slice){frame->data, frame->len});
        damaged->data[tc_random_below(tc_random_mix(random, 7), frame->len)] ^= (uint8_t)(1u << (random >> 40 & 7));
        put_on_way(lab, from, to, damaged, latency(lab, tc_random_mix(random, 2)) + extra_ns);
        lab_blob_drop(damaged);
        return;
    }
    put_on_way(lab, from, to, frame, latency(lab, tc_random_mix(random, 2)) + extra_ns);
    if (chance(tc_random_mix(random, 3), network->duplicate))
        put_on_way(lab, from, to, frame, 3 * latency(lab, tc_random_mix(random, 4)) + extra_ns);
}

void lab_say(struct tc_lab *lab, uint16_t from, uint16_t to, struct blob *frame)
{
    struct tc_slice bytes = {frame->data, frame->len};
    lab->trace = tc_random_mix_bytes(tc_random_mix(lab->trace, (uint64_t)from << 16 | to), bytes);
    if (lab->options.hook && lab->options.hook(lab->options.hook_self, lab, from, to, bytes))
        return;
    transmit(lab, from, to, frame, 0);
}

void tc_lab_deliver(struct tc_lab *lab, uint16_t from, uint16_t to, struct tc_slice frame, uint64_t extra_ns)
{
    struct blob *blob = lab_blob(frame);
    transmit(lab, from, to, blob, extra_ns);
    lab_blob_drop(blob);
}

void tc_lab_partition(struct tc_lab *lab, const uint8_t groups[static TC_NODES_MAX], bool clients_too)
{
    for (size_t i = 0; i < TC_NODES_MAX; i++)
        for (size_t j = 0; j < TC_NODES_MAX; j++)
            if (groups[i] != groups[j] && (clients_too || (i < TC_CLIENT_FIRST && j < TC_CLIENT_FIRST)))
                lab->blocked[i][j] = true;
}

void tc_lab_cut(struct tc_lab *lab, uint16_t from, uint16_t to)
{
    lab->blocked[from][to] = true;
}

void tc_lab_network_set(struct tc_lab *lab, const struct tc_lab_network *network)
{
    lab->options.network = *network;
}

uint64_t tc_lab_now(const struct tc_lab *lab)
{
    return lab->now_ns;
}

const char *tc_lab_failure(const struct tc_lab *lab)
{
    return lab->failure[0] ? lab->failure : NULL;
}

void tc_lab_fail(struct tc_lab *lab, const char *format, ...)
{
    va_list arguments;
    if (lab->failure[0])
        return;
    va_start(arguments, format);
    vsnprintf(lab->failure, sizeof lab->failure, format, arguments);
    va_end(arguments);
}

bool tc_lab_is_up(const struct tc_lab *lab, uint16_t node)
{
    return lab->nodes[node].up;
}

const struct tc_protocol_env *tc_lab_env(const struct tc_lab *lab)
{
    return &lab->env;
}

uint64_t tc_lab_executed(const struct tc_lab *lab, uint16_t node)
{
    return lab->nodes[node].executed;
}

uint64_t tc_lab_view(const struct tc_lab *lab, uint16_t node)
{
    return lab->nodes[node].view;
}

bool tc_lab_view_active(const struct tc_lab *lab, uint16_t node)
{
    return lab->nodes[node].active;
}

uint64_t tc_lab_stable(const struct tc_lab *lab, uint16_t node)
{
    return lab->nodes[node].stable;
}

uint64_t tc_lab_sent(const struct tc_lab *lab, uint32_t type)
{
    return type < 32 ? lab->sent[type] : 0;
}

uint64_t tc_lab_transfers(const struct tc_lab *lab)
{
    return lab->transfers;
}

uint64_t tc_lab_replays(const struct tc_lab *lab)
{
    return lab->replays;
}

uint64_t tc_lab_complaints(const struct tc_lab *lab)
{
    return lab->complaints;
}

uint64_t tc_lab_views_entered(const struct tc_lab *lab)
{
    return lab->views_entered;
}

uint64_t tc_lab_records(const struct tc_lab *lab)
{
    return lab->records;
}

struct tc_slice tc_lab_record(const struct tc_lab *lab, uint16_t node, uint32_t place)
{
    const struct lab_node *owner = &lab->nodes[node];
    return place < owner->disk_count ? (struct tc_slice){owner->disk[place]->data, owner->disk[place]->len}
                                     : (struct tc_slice){NULL, 0};
}

uint64_t tc_lab_trace(const struct tc_lab *lab)
{
    return lab->trace;
}

void tc_lab_verbose(struct tc_lab *lab, bool verbose)
{
    lab->verbose = verbose;
}

void tc_lab_dump(const struct tc_lab *lab)
{
    for (uint32_t i = 0; i < lab->options.cluster.n; i++) {
        const struct lab_node *node = &lab->nodes[i];
        fprintf(stderr, "  replica %u: %s view %llu%s executed %llu stable %llu records %u\n", i,
                node->up ? "up" : "down", (unsigned long long)node->view, node->active ? "" : " (asked)",
                (unsigned long long)node->executed, (unsigned long long)node->stable, node->disk_count);
    }
    for (uint32_t i = 0; i < lab->options.cluster.client_count; i++) {
        const struct lab_client *client = &lab->clients[i];
        fprintf(stderr, "  client %u: %s request %llu, %llu to go, %llu answered, view %llu\n", i,
                client->waiting ? "waits for" : "idle after", (unsigned long long)client->timestamp,
                (unsigned long long)client->left, (unsigned long long)client->answered,
                (unsigned long long)client->view);
    }
}
