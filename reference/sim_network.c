/* How long things take: latency models, bandwidth, what happens before GST, clocks. Integers only, so that every
 * compiler and processor agrees. */
#include "../proxy/random.h"
#include "sim_internal.h"

#define SECOND_NS UINT64_C(1000000000)
#define ONE       UINT64_C(65536)

/* What a random number decides. */
enum { DRAW_LATENCY = 1, DRAW_GST, DRAW_BREAK };

/* The upper half of the normal distribution, in 65536ths: entry i is the quantile of 1/2 + i/256; the last one, of
 * 1 - 1/2048, ends the tail. */
static const uint32_t normal_quantiles[129] = {
    0,      642,    1283,   1925,   2567,   3210,   3852,   4495,   5139,   5783,   6427,   7072,   7718,
    8365,   9012,   9660,   10310,  10960,  11611,  12263,  12917,  13572,  14228,  14886,  15545,  16206,
    16869,  17533,  18199,  18867,  19536,  20208,  20882,  21559,  22237,  22918,  23601,  24287,  24976,
    25668,  26362,  27059,  27759,  28463,  29170,  29880,  30594,  31311,  32032,  32758,  33487,  34220,
    34958,  35700,  36446,  37198,  37954,  38715,  39482,  40254,  41032,  41816,  42605,  43401,  44203,
    45012,  45828,  46651,  47482,  48320,  49166,  50021,  50884,  51756,  52637,  53528,  54428,  55340,
    56262,  57195,  58140,  59097,  60067,  61051,  62048,  63060,  64087,  65131,  66191,  67268,  68364,
    69480,  70616,  71774,  72954,  74159,  75389,  76647,  77933,  79250,  80600,  81985,  83408,  84871,
    86377,  87931,  89536,  91196,  92917,  94704,  96565,  98507,  100540, 102675, 104924, 107304, 109834,
    112540, 115453, 118613, 122076, 125918, 130248, 135235, 141156, 148519, 158437, 174330, 216085};

/* 2^(i/32) in 65536ths. */
static const uint32_t powers_of_two[33] = {65536,  66971,  68438,  69936,  71468,  73032,  74632,  76266,  77936,
                                           79642,  81386,  83169,  84990,  86851,  88752,  90696,  92682,  94711,
                                           96785,  98905,  101070, 103283, 105545, 107856, 110218, 112631, 115098,
                                           117618, 120194, 122825, 125515, 128263, 131072};

/* Between two entries by a straight line; `at` in 65536ths of an entry. */
static uint64_t interpolate(const uint32_t *table, uint64_t at)
{
    const uint64_t low = table[at / ONE], high = table[at / ONE + 1];
    return low + (high - low) * (at % ONE) / ONE;
}

uint64_t tc_sim_log_normal_ns(uint64_t median_ns, uint32_t sigma_milli, uint64_t random)
{
    const bool below = random & 1;
    const uint64_t z = interpolate(normal_quantiles, (random >> 8) % (128 * ONE));
    /* exp(sigma z) = 2^(sigma z log2 e); 94548 / 65536 is log2 e. All in 65536ths. */
    const uint64_t power = z * sigma_milli / 1000 * 94548 / ONE;
    const uint64_t whole = power / ONE, part = interpolate(powers_of_two, power % ONE * 32);
    if (below) /* never 0 of what was not */
        return (median_ns * ONE / part) >> whole;
    return (median_ns * part / ONE) << whole;
}

static uint64_t link_key(const struct tc_sim *sim, uint64_t draw, uint16_t from, uint16_t to)
{
    return tc_random_mix(tc_random_mix(sim->config.seed, draw), (uint64_t)from << 16 | to);
}

static uint64_t key(const struct tc_sim *sim, uint64_t draw, uint16_t from, uint16_t to, uint64_t k)
{
    return tc_random_mix(link_key(sim, draw, from, to), k);
}

/* The same for the draw that everything on the link needs: what is the link's is kept. */
static uint64_t latency_key(const struct tc_sim *sim, uint16_t from, uint16_t to, uint64_t k)
{
    const size_t nodes = sim->cluster->n + sim->client_count;
    const size_t row = tc_sim_node_index(sim, from), column = tc_sim_node_index(sim, to);
    if (row >= nodes || column >= nodes) /* no link of the load's */
        return key(sim, DRAW_LATENCY, from, to, k);
    uint64_t *kept = &sim->link_key[row * nodes + column];
    if (*kept == 0)
        *kept = link_key(sim, DRAW_LATENCY, from, to);
    return tc_random_mix(*kept, k);
}

static uint64_t model_ns(const struct tc_sim_latency *latency, uint16_t from, uint16_t to, uint64_t random)
{
    uint64_t base_ns;
    switch (latency->model) {
    case TC_SIM_LOG_NORMAL:
        base_ns = tc_sim_log_normal_ns(latency->median_ns, latency->sigma_milli, random);
        return latency->max_ns && base_ns > latency->max_ns ? latency->max_ns : base_ns;
    case TC_SIM_REGIONS:
        base_ns = latency->region_ns[latency->region[from]][latency->region[to]];
        return base_ns + tc_random_below(random, base_ns * latency->jitter_milli / 1000 + 1);
    case TC_SIM_UNIFORM:
    default:
        return latency->min_ns + tc_random_below(random, latency->max_ns - latency->min_ns + 1);
    }
}

uint64_t tc_sim_latency_ns(const struct tc_sim *sim, uint16_t from, uint16_t to, uint64_t k)
{
    const struct tc_sim_network *network = &sim->config.network;
    uint64_t latency_ns = model_ns(&network->latency, from, to, latency_key(sim, from, to, k));
    if (sim->now_ns < network->gst_ns)
        latency_ns += tc_random_below(key(sim, DRAW_GST, from, to, k), network->gst_delay_ns + 1);
    return latency_ns;
}

bool tc_sim_breaks(const struct tc_sim *sim, uint16_t from, uint16_t to, uint64_t k)
{
    const struct tc_sim_network *network = &sim->config.network;
    return sim->now_ns < network->gst_ns && key(sim, DRAW_BREAK, from, to, k) % ONE < network->gst_loss;
}

uint64_t tc_sim_travel_ns(struct tc_sim *sim, uint16_t from, uint16_t to, uint64_t k, size_t bytes)
{
    const uint64_t latency_ns = tc_sim_latency_ns(sim, from, to, k);
    const uint64_t bandwidth = sim->config.network.bandwidth_bytes_per_s;
    if (bandwidth == 0)
        return latency_ns;
    const size_t nodes = sim->cluster->n + sim->client_count;
    uint64_t *free_ns = &sim->link_free_ns[tc_sim_node_index(sim, from) * nodes + tc_sim_node_index(sim, to)];
    if (*free_ns < sim->now_ns)
        *free_ns = sim->now_ns;
    *free_ns += bytes * SECOND_NS / bandwidth;
    return *free_ns - sim->now_ns + latency_ns;
}

/* ---- clocks ---- */

uint64_t tc_sim_local_ns(const struct tc_sim *sim, uint16_t node, uint64_t now_ns)
{
    const struct tc_sim_clock *clock = &sim->config.clocks[node];
    const int64_t drift_ns =
        (int64_t)(now_ns / 1000000) * clock->drift_ppm + (int64_t)(now_ns % 1000000) * clock->drift_ppm / 1000000;
    return clock->offset_ns + (uint64_t)((int64_t)now_ns + drift_ns);
}

uint64_t tc_sim_global_ns(const struct tc_sim *sim, uint16_t node, uint64_t local_ns)
{
    const struct tc_sim_clock *clock = &sim->config.clocks[node];
    if (local_ns == TC_NEVER_NS)
        return TC_NEVER_NS;
    if (local_ns <= clock->offset_ns)
        return 0;
    uint64_t at_ns = local_ns - clock->offset_ns;
    if (clock->drift_ppm == 0)
        return at_ns;
    at_ns = (uint64_t)((int64_t)(at_ns / (uint64_t)(1000000 + clock->drift_ppm)) * 1000000);
    while (tc_sim_local_ns(sim, node, at_ns) < local_ns) {
        const uint64_t missing_ns = local_ns - tc_sim_local_ns(sim, node, at_ns);
        at_ns += missing_ns / 2 + 1;
    }
    return at_ns;
}
