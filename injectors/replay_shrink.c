/* Delta debugging over choices that were recorded. What is minimal depends on what was tried first: so it begins anew,
 * in another order, as long as much is kept, and the smallest is what counts. */
#include "replay.h"

#include <stdlib.h>
#include <string.h>

#define PAIRS_MAX 32

struct shrink {
    uint32_t count, tried_max, tried;
    bool *left_out; /* the best of this start so far */
    bool *trial;
    const uint32_t *order; /* all choices; NULL: rising */
    uint32_t *kept;        /* choices that are not left out, in this order */
    uint32_t kept_count;
    tc_shrink_fails_fn *fails;
    void *self;
};

static void list_kept(struct shrink *s)
{
    s->kept_count = 0;
    for (uint32_t i = 0; i < s->count; i++) {
        const uint32_t choice = s->order ? s->order[i] : i;
        if (!s->left_out[choice])
            s->kept[s->kept_count++] = choice;
    }
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
        end = from < s->kept_count ? from : s->kept_count; /* more may have gone than was asked for */
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

/* From `from` on, in one order after the other; the smallest goes to `best`. */
static int start_anew(struct shrink *s, const struct tc_shrink_search *how, const bool *from, bool *best,
                      struct tc_shrink_result *out)
{
    int status = 0;
    for (uint32_t start = 0; status == 0 && s->tried < s->tried_max; start++) {
        bool minimal;
        s->order = how->orders ? how->orders + (size_t)start * s->count : NULL;
        memcpy(s->left_out, from, s->count * sizeof *from);
        list_kept(s);
        status = halve_until_minimal(s, &minimal);
        if (status == 0 && (start == 0 || s->kept_count < out->kept)) {
            memcpy(best, s->left_out, s->count * sizeof *best);
            out->kept = s->kept_count;
            out->minimal = minimal;
        }
        if (start + 1 >= how->order_count || out->kept <= how->enough || s->tried >= how->enough_runs)
            break;
    }
    return status;
}

int tc_shrink(uint32_t count, bool *left_out, const struct tc_shrink_search *how, tc_shrink_fails_fn *fails, void *self,
              struct tc_shrink_result *out)
{
    struct shrink s = {.count = count, .tried_max = how->tried_max, .fails = fails, .self = self};
    bool *from = malloc((count + (size_t)1) * sizeof *from);
    s.left_out = malloc((count + (size_t)1) * sizeof *s.left_out);
    s.trial = malloc((count + (size_t)1) * sizeof *s.trial);
    s.kept = malloc((count + (size_t)1) * sizeof *s.kept);
    int status = from && s.left_out && s.trial && s.kept ? 0 : TC_EMEMORY;
    *out = (struct tc_shrink_result){.kept = count};
    if (status == 0) {
        memcpy(from, left_out, count * sizeof *from);
        status = start_anew(&s, how, from, left_out, out);
        out->tried = s.tried;
    }
    free(from);
    free(s.left_out);
    free(s.trial);
    free(s.kept);
    return status;
}
