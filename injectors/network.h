/* Which links are cut, which lose messages, and what that means for liveness: the pure part. Links are undirected
 * here, because cutting a TCP connection cuts both directions. */
#ifndef TC_NETWORK_H
#define TC_NETWORK_H

#include "../proxy/nodeset.h"
#include "../proxy/types.h"

/* A set of undirected links: rows[a] has b exactly when rows[b] has a. Empty if `ends` is: a row counts only once its
 * node is in there, and need not be zeroed before. */
struct tc_links {
    struct tc_nodeset ends;
    struct tc_nodeset rows[TC_NODES_MAX];
};

/* Is no link of the node in the set? */
static inline bool tc_links_spares(const struct tc_links *links, uint32_t node)
{
    return !tc_nodeset_has(&links->ends, node) || tc_nodeset_empty(&links->rows[node]);
}

/* Adds or removes a – b. Ignores a == b and numbers that are no node. True if it changed anything. */
bool tc_links_add(struct tc_links *links, uint32_t a, uint32_t b);
bool tc_links_remove(struct tc_links *links, uint32_t a, uint32_t b);

/* Is a – b in the set (false for numbers that are no node)? Is there nothing in it? */
bool tc_links_has(const struct tc_links *links, uint32_t a, uint32_t b);
bool tc_links_empty(const struct tc_links *links);

/* Adds every link between different blocks. Replicas 0 … n-1 that no block names form one more block; clients that
 * no block names are in none and keep all their links. A node named twice belongs to the first. Returns the number of
 * links that were not cut before. */
uint32_t tc_links_partition(struct tc_links *links, const struct tc_nodeset *blocks, uint32_t block_count, uint32_t n);

/* Adds to `cover` a smallest set of nodes that, together with those already in it, touches every link between
 * replicas 0 … n-1 of `a` and `b` (either may be NULL). Exact within a bounded search; past the bound (dense graphs of
 * dozens of nodes) a cover at most twice the smallest, so that liveness is judged less often and never wrongly. Links
 * to clients do not count. Among covers of one size the choice depends on nothing but the links. */
void tc_links_cover(const struct tc_links *a, const struct tc_links *b, uint32_t n, struct tc_nodeset *cover);

/* Adds to `faulty`, which has the replicas that cannot be counted on, every client that has lost too many of the
 * others: with those that a link of `a` or `b` parts it from (either may be NULL) they are more than `f`. Such a
 * client's requests need not be answered: a quorum that hears it and f+1 that it hears are no longer sure. */
void tc_links_clients_cut_off(const struct tc_links *a, const struct tc_links *b, uint32_t n, uint32_t f,
                              struct tc_nodeset *faulty);

#endif
