#include "mutate_memory.h"

#include "../proxy/arena.h"
#include "../proxy/nodeset.h"
#include "../proxy/random.h"

#include <stdlib.h>
#include <string.h>

#define RECENT      32  /* a broadcast comes in a row, interleaved with a few others */
#define BUCKETS     256 /* messages are looked for by key: each bucket's newest, and from each item the next older */
#define FRAME_FIRST 512 /* bytes for a frame at first; then twice as many, and those before are not given back */
#define ARENA_MAX   (2 * (size_t)TC_MEMORY_MAX * TC_MEMORY_FRAME_MAX)

struct tc_memory {
    uint64_t newest[BUCKETS];      /* number of the item that came last; 0: none */
    uint64_t older[TC_MEMORY_MAX]; /* of each item: number of the one before it in its bucket */
    struct tc_memory_item items[TC_MEMORY_MAX];
    uint8_t *memory[TC_MEMORY_MAX]; /* of the frames, in the arena; kept when an item gives way */
    size_t size[TC_MEMORY_MAX];
    uint64_t count; /* ever */
    struct tc_arena arena;
};

struct tc_memory *tc_memory_new(void)
{
    struct tc_memory *heard = malloc(sizeof *heard); /* one a run: only what is read before it is written is zeroed */
    if (!heard)
        return NULL;
    memset(heard->newest, 0, sizeof heard->newest);
    memset(heard->memory, 0, sizeof heard->memory);
    memset(heard->size, 0, sizeof heard->size);
    heard->count = 0;
    tc_arena_init(&heard->arena, ARENA_MAX);
    return heard;
}

void tc_memory_free(struct tc_memory *heard)
{
    if (heard)
        tc_arena_free(&heard->arena);
    free(heard);
}

static size_t slot_of(uint64_t number)
{
    return (size_t)((number - 1) % TC_MEMORY_MAX);
}

static struct tc_memory_item *known(struct tc_memory *heard, const struct tc_message *m)
{
    const uint64_t before = heard->count > RECENT ? heard->count - RECENT : 0;
    uint64_t number = heard->newest[m->key % BUCKETS];
    for (; number > before; number = heard->older[slot_of(number)]) {
        struct tc_memory_item *item = &heard->items[slot_of(number)];
        if (item->key == m->key && item->from == m->from && item->frame.len == m->frame.len &&
            memcmp(item->frame.data, m->frame.data, m->frame.len) == 0)
            return item;
    }
    return NULL;
}

static bool fits(struct tc_memory *heard, size_t slot, size_t len)
{
    if (heard->size[slot] >= len)
        return true;
    size_t size = FRAME_FIRST;
    while (size < len)
        size *= 2;
    uint8_t *memory = tc_arena_alloc(&heard->arena, size);
    if (!memory)
        return false;
    heard->memory[slot] = memory;
    heard->size[slot] = size;
    return true;
}

void tc_memory_add(struct tc_memory *heard, const struct tc_message *m)
{
    if (!m->decoded || m->statement_count == 0 || m->frame.len == 0 || m->frame.len > TC_MEMORY_FRAME_MAX)
        return;
    struct tc_memory_item *item = known(heard, m);
    if (item) {
        tc_nodeset_add(&item->receivers, m->to);
        return;
    }
    const size_t slot = slot_of(heard->count + 1);
    uint64_t *newest = &heard->newest[m->key % BUCKETS];
    if (!fits(heard, slot, m->frame.len))
        return;
    const struct tc_statement *s = &m->statements[0];
    memcpy(heard->memory[slot], m->frame.data, m->frame.len);
    heard->items[slot] = (struct tc_memory_item){.key = m->key,
                                                 .number = ++heard->count,
                                                 .view = s->has_view ? s->view : 0,
                                                 .sequence = s->has_sequence ? s->sequence : 0,
                                                 .value = s->value,
                                                 .frame = {heard->memory[slot], m->frame.len},
                                                 .from = m->from,
                                                 .signer = s->signer,
                                                 .kind = s->kind,
                                                 .type = s->type};
    tc_nodeset_add(&heard->items[slot].receivers, m->to);
    heard->older[slot] = *newest;
    *newest = heard->count;
}

size_t tc_memory_count(const struct tc_memory *heard)
{
    return heard->count < TC_MEMORY_MAX ? (size_t)heard->count : TC_MEMORY_MAX;
}

const struct tc_memory_item *tc_memory_get(const struct tc_memory *heard, size_t index)
{
    const size_t count = tc_memory_count(heard);
    return index < count ? &heard->items[(heard->count - count + index) % TC_MEMORY_MAX] : NULL;
}

/* The one of those that match which `hash` names. */
static const struct tc_memory_item *choose(const struct tc_memory *heard, uint32_t kinds, int type, uint16_t signer,
                                           uint64_t hash)
{
    const struct tc_memory_item *found[TC_MEMORY_MAX];
    size_t count = 0;
    for (size_t i = 0; i < tc_memory_count(heard); i++) {
        const struct tc_memory_item *item = tc_memory_get(heard, i);
        if ((kinds >> item->kind & 1u) && (type < 0 || item->type == type) &&
            (signer == TC_NODE_NONE || item->signer == signer))
            found[count++] = item;
    }
    return count > 0 ? found[tc_random_below(hash, count)] : NULL;
}

const struct tc_memory_item *tc_memory_pick(const struct tc_memory *heard, uint8_t type, uint16_t signer, uint64_t hash)
{
    return choose(heard, UINT32_MAX, type, signer, hash);
}

const struct tc_memory_item *tc_memory_pick_kind(const struct tc_memory *heard, uint32_t kinds, uint64_t hash)
{
    return choose(heard, kinds, -1, TC_NODE_NONE, hash);
}
