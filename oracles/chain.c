#include "chain.h"

#include <stdlib.h>
#include <string.h>

#include "table.h"

#define BLOCKS_MAX 4096

struct tc_chain {
    const struct tc_oracle_env *env;
    struct tc_table *blocks;
};

struct tc_chain *tc_chain_new(const struct tc_oracle_env *env)
{
    struct tc_chain *chain = calloc(1, sizeof *chain);
    if (!chain)
        return NULL;
    chain->env = env;
    chain->blocks = tc_table_new(BLOCKS_MAX, sizeof(struct tc_block));
    if (!chain->blocks) {
        tc_chain_free(chain);
        return NULL;
    }
    return chain;
}

void tc_chain_free(struct tc_chain *chain)
{
    if (!chain)
        return;
    tc_table_free(chain->blocks);
    free(chain);
}

static uint64_t key_of(const uint8_t *digest)
{
    uint64_t key;
    memcpy(&key, digest, sizeof key);
    return key;
}

/* Of two digests that begin alike the first stays. */
static struct tc_block *find(const struct tc_chain *chain, const uint8_t *digest)
{
    struct tc_block *block = tc_table_find(chain->blocks, key_of(digest));
    return block && memcmp(block->at.digest, digest, TC_VALUE_SIZE) == 0 ? block : NULL;
}

const struct tc_block *tc_chain_find(const struct tc_chain *chain, const uint8_t digest[TC_VALUE_SIZE])
{
    const struct tc_block *block = find(chain, digest);
    return block && !block->disputed ? block : NULL;
}

/* The view of the first certificate right inside the proposal. */
static uint64_t justify_view(const struct tc_message *m)
{
    for (uint32_t i = 1; i < m->statement_count; i++)
        if (m->statements[i].kind == TC_KIND_CERTIFICATE && m->statements[i].parent == 0)
            return m->statements[i].view;
    return 0;
}

/* Nobody proposes it, so nobody could dispute a lie about it. */
static bool is_genesis(const uint8_t *digest)
{
    static const uint8_t genesis[TC_VALUE_SIZE];
    return memcmp(digest, genesis, TC_VALUE_SIZE) == 0;
}

void tc_chain_learn(struct tc_chain *chain, const struct tc_message *m)
{
    struct tc_value parent;
    bool fresh;
    const struct tc_statement *s = m->statement_count > 0 ? &m->statements[0] : NULL;
    if (!s || s->kind != TC_KIND_PROPOSE || s->value.state != TC_VALUE_BYTES || !s->has_view || !s->has_sequence ||
        !chain->env->protocol->parent)
        return;
    if (!chain->env->protocol->parent(m, &parent) || is_genesis(s->value.bytes))
        return;
    const uint64_t view = justify_view(m);
    struct tc_block *block = find(chain, s->value.bytes);
    if (block) { /* told to another, perhaps with another certificate: the highest may be what justifies it */
        block->disputed |= memcmp(block->parent, parent.bytes, TC_VALUE_SIZE) != 0 || block->at.view != s->view ||
                           block->at.sequence != s->sequence;
        block->justify_view = view > block->justify_view ? view : block->justify_view;
        return;
    }
    block = tc_table_put(chain->blocks, key_of(s->value.bytes), &fresh);
    if (!fresh)
        return;
    block->at = (struct tc_point){.view = s->view, .sequence = s->sequence};
    memcpy(block->at.digest, s->value.bytes, TC_VALUE_SIZE);
    memcpy(block->parent, parent.bytes, TC_VALUE_SIZE);
    block->justify_view = view;
}

int tc_chain_extends(const struct tc_chain *chain, const uint8_t digest[TC_VALUE_SIZE], const struct tc_point *ancestor)
{
    for (uint32_t depth = 0; depth < BLOCKS_MAX; depth++) {
        if (memcmp(digest, ancestor->digest, TC_VALUE_SIZE) == 0)
            return 1;
        const struct tc_block *block = tc_chain_find(chain, digest);
        if (!block)
            return -1;
        if (block->at.sequence <= ancestor->sequence)
            return 0;
        digest = block->parent;
    }
    return -1;
}
