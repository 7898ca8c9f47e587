/* Orders of a tape's choices for shrinking: what belongs together stands together, so that it can go together. */
#include "replay.h"

#include "../proxy/random.h"

#include <stdlib.h>

struct place {
    uint64_t key;
    uint32_t choice;
};

static int by_key(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return (x->choice > y->choice) - (x->choice < y->choice);
}

static uint64_t key_of(const struct tc_tape *tape, const struct tc_tape_item *item, uint32_t number)
{
    const struct tc_moment *m = &tape->moments[item->moment];
    const uint64_t choice = item->decision - 1;
    switch (number) {
    case 0:
        return choice;
    case 1: /* what is put on links goes last, for most else happens on its behalf */
        return (uint64_t)!tc_tape_forges(item) << 32 | choice;
    case 2: /* a message, with everybody who is to hear it and all the times it is said again */
        return tc_random_mix(m->key, (uint64_t)m->call << 16 | m->from);
    case 3:
        return (uint64_t)m->from << 16 | m->to;
    case 4:
        return (uint64_t)m->to << 16 | m->from;
    case 5:
        return ~choice;
    default:
        return tc_random_mix(tc_random_mix_text(number, "shrink"), choice);
    }
}

int tc_tape_order(const struct tc_tape *tape, uint32_t number, uint32_t *order)
{
    struct place *places = malloc((tape->choice_count + (size_t)1) * sizeof *places);
    uint32_t count = 0;
    if (!places)
        return TC_EMEMORY;
    for (uint32_t i = 0; i < tape->item_count && count < tape->choice_count; i++)
        if (tape->items[i].decision > 0) {
            places[count].key = key_of(tape, &tape->items[i], number);
            places[count].choice = count;
            count++;
        }
    qsort(places, count, sizeof *places, by_key);
    for (uint32_t i = 0; i < count; i++)
        order[i] = places[i].choice;
    free(places);
    return 0;
}
