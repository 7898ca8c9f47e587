/* What the tests of PBFT's messages share: a maker as the test's state, and the richest message there is. */
#ifndef TC_TEST_PBFT_FIXTURE_H
#define TC_TEST_PBFT_FIXTURE_H

#include "../lib/pbft_make.h"

static inline int set_up(void **state)
{
    static struct tc_make make;
    tc_make_init(&make, 4);
    *state = &make;
    return 0;
}

static inline int tear_down(void **state)
{
    tc_make_free(*state);
    return 0;
}

/* A new view whose two view changes carry a certificate each; the richest message there is. */
static inline Wire__Envelope *rich_new_view(struct tc_make *make)
{
    Pbft__Prepared *first = tc_make_prepared(make, 0, 17, tc_make_digest(make, 5), (uint32_t[]){1, 2}, 2);
    Pbft__Prepared *second = tc_make_prepared(make, 0, 18, tc_make_digest(make, 6), (uint32_t[]){2, 3}, 2);
    Wire__Envelope *changes[] = {
        tc_make_view_change(make, 1, 1, 0, &first, 1),
        tc_make_view_change(make, 2, 1, 16, &second, 1),
        tc_make_view_change(make, 3, 1, 16, NULL, 0),
    };
    Wire__Envelope *proposals[] = {
        tc_make_pre_prepare(make, 1, 1, 17, tc_make_digest(make, 5)),
        tc_make_pre_prepare(make, 1, 1, 18, tc_make_digest(make, 0)),
    };
    return tc_make_new_view(make, 1, 1, changes, 3, proposals, 2);
}

#endif
