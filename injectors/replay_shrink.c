/* Delta debugging over choices that were recorded. */
#include "replay.h"

#include <stdlib.h>
#include <string.h>

#define PAIRS_MAX 32

struct shrink {
    uint32_t count, tried_max, tried;
    bool *left_out; /* the best so far */
    bool *trial;
    uint32_t *kept; /* choices that are not left out, rising */
    uint32_t kept_count;
    tc_shrink_fails_fn *fails;
    void *self;
};

static void list_kept(struct shrink *s)
{
    s->kept_count = 0;
    for (uint32_t i = 0; i < s->count; i++)
        if (!s->left_out[i])
            s->kept[s->kept_count++] = i;
}

/* Keeps what `trial` leaves out, if it still fails then. 1, 0, or an error. */
static int try(struct shrink *s)
{
    s->tried++;
    const int fails = s->fails(s->self, s->trial, s->count);
    if (fails <= 0)
        return fails;
    memcpy(s->left_out, s->trial, s->count * sizeof *s->trial);
    list_kept(s);
    return 1;
}

/* Leaves out kept[from … to-1] too. */
static int try_without(struct shrink *s, uint32_t from, uint32_t to)
{
    memcpy(s->trial, s->left_out, s->count * sizeof *s->trial);
    for (uint32_t i = from; i < to; i++)
        s->trial[s->kept[i]] = true;
    return try(s);
}

static int try_without_both(struct shrink *s, uint32_t one, uint32_t other)
{
    memcpy(s->trial, s->left_out, s->count * sizeof *s->trial);
    s->trial[one] = s->trial[other] = true;
    return try(s);
}

/* Two that only matter to each other, as a drop and the repair that follows it, go together or not at all. While few
 * are kept, all pairs are tried. 1: one went. */
static int pass_pairs(struct shrink *s)
{
    if (s->kept_count > PAIRS_MAX)
        return 0;
    for (uint32_t i = s->kept_count; i-- > 1;)
        for (uint32_t k = i; k-- > 0 && s->tried < s->tried_max;) {
            const int fails = try_without_both(s, s->kept[k], s->kept[i]);
            if (fails != 0)
                return fails;
        }
    return 0;
}

/* One pass over all pieces of this size, from the last: what came after the failure was seen goes first, and all at
 * once. 1: something went. */
static int pass(struct shrink *s, uint32_t size)
{
    int went = 0;
    for (uint32_t end = s->kept_count; end > 0 && s->tried < s->tried_max;) {
        const uint32_t from = end > size ? end - size : 0;
        const int fails = try_without(s, from, end);
        if (fails < 0)
            return fails;
        went |= fails;
        end = from;
    }
    return went;
}

static int halve_until_minimal(struct shrink *s, bool *minimal)
{
    uint32_t size = s->kept_count;
    *minimal = s->kept_count == 0;
    while (s->kept_count > 0 && s->tried < s->tried_max) {
        if (size > s->kept_count)
            size = s->kept_count;
        const int went = pass(s, size);
        if (went < 0)
            return went;
        /* A whole pass of single choices in which nothing could go: none of them can be left out. */
        *minimal = s->kept_count == 0 || (size == 1 && !went && s->tried < s->tried_max);
        if (*minimal) {
            const int pairs = pass_pairs(s);
            if (pairs <= 0)
                return pairs;
            *minimal = false;
        }
        if (size > 1)
            size = (size + 1) / 2;
    }
    return 0;
}

int tc_shrink(uint32_t count, bool *left_out, uint32_t tried_max, tc_shrink_fails_fn *fails, void *self,
              struct tc_shrink_result *out)
{
    struct shrink s = {.count = count, .tried_max = tried_max, .left_out = left_out, .fails = fails, .self = self};
    s.trial = malloc((count + (size_t)1) * sizeof *s.trial);
    s.kept = malloc((count + (size_t)1) * sizeof *s.kept);
    int status = s.trial && s.kept ? 0 : TC_EMEMORY;
    *out = (struct tc_shrink_result){.kept = count};
    if (status == 0) {
        list_kept(&s);
        status = halve_until_minimal(&s, &out->minimal);
        out->kept = s.kept_count;
        out->tried = s.tried;
    }
    free(s.trial);
    free(s.kept);
    return status;
}
