#include "network.h"
#include "../proxy/nodeset.h"

#define SEARCH_STEPS_MAX 20000
#define NO_BLOCK         UINT32_MAX
#define WORDS            (TC_REPLICAS_MAX / 64)

static struct tc_nodeset *row_of(struct tc_links *links, uint32_t node)
{
    if (!tc_nodeset_has(&links->ends, node)) {
        tc_nodeset_add(&links->ends, node);
        links->rows[node] = (struct tc_nodeset){0};
    }
    return &links->rows[node];
}

bool tc_links_add(struct tc_links *links, uint32_t a, uint32_t b)
{
    if (a == b || a >= TC_NODES_MAX || b >= TC_NODES_MAX || tc_links_has(links, a, b))
        return false;
    tc_nodeset_add(row_of(links, a), b);
    tc_nodeset_add(row_of(links, b), a);
    return true;
}

bool tc_links_remove(struct tc_links *links, uint32_t a, uint32_t b)
{
    if (!tc_links_has(links, a, b))
        return false;
    tc_nodeset_remove(&links->rows[a], b);
    tc_nodeset_remove(&links->rows[b], a);
    return true;
}

bool tc_links_has(const struct tc_links *links, uint32_t a, uint32_t b)
{
    return tc_nodeset_has(&links->ends, a) && tc_nodeset_has(&links->rows[a], b);
}

bool tc_links_empty(const struct tc_links *links)
{
    for (uint32_t node = 0; node < TC_NODES_MAX; node++)
        if (!tc_links_spares(links, node))
            return false;
    return true;
}

/* The block of a node: the first that names it; all unnamed replicas share the number block_count. */
static uint32_t block_of(const struct tc_nodeset *blocks, uint32_t block_count, uint32_t n, uint32_t node)
{
    for (uint32_t i = 0; i < block_count; i++)
        if (tc_nodeset_has(&blocks[i], node))
            return i;
    return node < n ? block_count : NO_BLOCK;
}

uint32_t tc_links_partition(struct tc_links *links, const struct tc_nodeset *blocks, uint32_t block_count, uint32_t n)
{
    uint32_t of[TC_NODES_MAX];
    uint32_t cut = 0;
    for (uint32_t node = 0; node < TC_NODES_MAX; node++)
        of[node] = block_of(blocks, block_count, n, node);
    for (uint32_t a = 0; a < TC_NODES_MAX; a++)
        for (uint32_t b = a + 1; of[a] != NO_BLOCK && b < TC_NODES_MAX; b++)
            if (of[b] != NO_BLOCK && of[a] != of[b])
                cut += tc_links_add(links, a, b);
    return cut;
}

/* ---- minimum vertex cover: branch on a node of largest degree ---- */

struct search {
    uint64_t rows[TC_REPLICAS_MAX][WORDS];
    uint32_t n;
    uint32_t steps;
    uint32_t best_count;
    uint64_t best[WORDS];
};

static uint32_t count_words(const uint64_t words[WORDS])
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < WORDS; i++)
        count += tc_bits_count(words[i]);
    return count;
}

static bool has_word(const uint64_t words[WORDS], uint32_t node)
{
    return (words[node / 64] >> (node % 64)) & 1u;
}

/* Neighbours of a node among those alive. */
static uint32_t neighbours(const struct search *s, const uint64_t alive[WORDS], uint32_t node, uint64_t out[WORDS])
{
    for (uint32_t i = 0; i < WORDS; i++)
        out[i] = s->rows[node][i] & alive[i];
    return count_words(out);
}

/* The alive node of largest degree (the lowest number among equals) and that degree; also the sum of degrees. */
static uint32_t busiest(const struct search *s, const uint64_t alive[WORDS], uint32_t *degree, uint32_t *ends)
{
    uint32_t best = 0;
    uint64_t near[WORDS];
    *degree = 0;
    *ends = 0;
    for (uint32_t node = 0; node < s->n; node++) {
        if (!has_word(alive, node))
            continue;
        uint32_t d = neighbours(s, alive, node, near);
        *ends += d;
        if (d > *degree) {
            *degree = d;
            best = node;
        }
    }
    return best;
}

/* Either the busiest node is in the cover, or all its neighbours are. Depth is at most n. */
static void branch(struct search *s, const uint64_t alive[WORDS], const uint64_t chosen[WORDS])
{
    uint32_t degree, ends;
    uint32_t count = count_words(chosen);
    uint32_t node = busiest(s, alive, &degree, &ends);
    if (degree == 0) {
        if (count < s->best_count) {
            s->best_count = count;
            for (uint32_t i = 0; i < WORDS; i++)
                s->best[i] = chosen[i];
        }
        return;
    }
    /* ends/2 links are left and no node touches more than `degree` of them. */
    if (count + (ends / 2 + degree - 1) / degree >= s->best_count || s->steps >= SEARCH_STEPS_MAX)
        return;
    s->steps++;
    uint64_t near[WORDS], next_alive[WORDS], next_chosen[WORDS];
    neighbours(s, alive, node, near);
    uint64_t bit = UINT64_C(1) << (node % 64);
    for (uint32_t i = 0; i < WORDS; i++) {
        uint64_t self = i == node / 64 ? bit : 0;
        next_alive[i] = alive[i] & ~self;
        next_chosen[i] = chosen[i] | self;
    }
    branch(s, next_alive, next_chosen);
    for (uint32_t i = 0; i < WORDS; i++) {
        next_alive[i] = alive[i] & ~near[i] & ~(i == node / 64 ? bit : 0);
        next_chosen[i] = chosen[i] | near[i];
    }
    branch(s, next_alive, next_chosen);
}

/* Both ends of every link of a maximal matching: at most twice the smallest cover. */
static void cover_by_matching(struct search *s, const uint64_t alive[WORDS])
{
    uint64_t left[WORDS];
    for (uint32_t i = 0; i < WORDS; i++) {
        left[i] = alive[i];
        s->best[i] = 0;
    }
    for (uint32_t a = 0; a < s->n; a++)
        for (uint32_t b = a + 1; b < s->n; b++)
            if (has_word(left, a) && has_word(left, b) && has_word(s->rows[a], b)) {
                left[a / 64] &= ~(UINT64_C(1) << (a % 64));
                left[b / 64] &= ~(UINT64_C(1) << (b % 64));
                s->best[a / 64] |= UINT64_C(1) << (a % 64);
                s->best[b / 64] |= UINT64_C(1) << (b % 64);
            }
    s->best_count = count_words(s->best);
}

static void add_row(struct search *s, const struct tc_links *links, uint32_t node)
{
    for (uint32_t i = 0; links && !tc_links_spares(links, node) && i < WORDS; i++)
        s->rows[node][i] |= links->rows[node].words[i];
}

void tc_links_cover(const struct tc_links *a, const struct tc_links *b, uint32_t n, struct tc_nodeset *cover)
{
    struct search s = {.n = n < TC_REPLICAS_MAX ? n : TC_REPLICAS_MAX};
    uint64_t alive[WORDS] = {0}, chosen[WORDS] = {0};
    for (uint32_t node = 0; node < s.n; node++) {
        if (!tc_nodeset_has(cover, node))
            alive[node / 64] |= UINT64_C(1) << (node % 64);
        add_row(&s, a, node);
        add_row(&s, b, node);
    }
    cover_by_matching(&s, alive);
    branch(&s, alive, chosen);
    for (uint32_t i = 0; i < WORDS; i++)
        cover->words[i] |= s.best[i];
}

void tc_links_clients_cut_off(const struct tc_links *a, const struct tc_links *b, uint32_t n, uint32_t f,
                              struct tc_nodeset *faulty)
{
    uint32_t down = 0;
    for (uint32_t replica = 0; replica < n; replica++)
        down += tc_nodeset_has(faulty, replica);
    for (uint32_t client = TC_CLIENT_FIRST; client < TC_NODES_MAX; client++) {
        uint32_t lost = 0;
        if ((!a || tc_links_spares(a, client)) && (!b || tc_links_spares(b, client)))
            continue;
        for (uint32_t replica = 0; replica < n; replica++)
            lost += !tc_nodeset_has(faulty, replica) &&
                    ((a && tc_links_has(a, client, replica)) || (b && tc_links_has(b, client, replica)));
        if (lost > 0 && down + lost > f)
            tc_nodeset_add(faulty, client);
    }
}
