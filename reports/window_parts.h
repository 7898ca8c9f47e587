/* What window.c and window_table.c share. */
#ifndef TC_WINDOW_PARTS_H
#define TC_WINDOW_PARTS_H

#include "window.h"

struct tc_window {
    struct tc_window_record *head, *ring, *after;
    uint32_t head_count, after_count;
    uint64_t ring_total; /* records ever put into the ring */
    uint64_t order;
    bool attacked, marked;
    struct tc_nodeset signed_for; /* as it was told last: who else was changed has no valid signature */
    char types[TC_WINDOW_TYPES_MAX][32];
    uint32_t type_count;
    uint8_t last_number; /* of the type met last; 0 none */
};

/* Walks over all kept records in order, each once. */
struct tc_window_walk {
    const struct tc_window *window;
    uint32_t head_at, after_at;
    uint64_t ring_at, last_order;
    bool seen;
};

/* Before the first. The window must not change while somebody walks. */
struct tc_window_walk tc_window_begin(const struct tc_window *w);
/* NULL at the end. Borrowed from the window. */
const struct tc_window_record *tc_window_next(struct tc_window_walk *walk);

#endif
