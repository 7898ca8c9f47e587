/* What window.c and window_table.c share. */
#ifndef TC_WINDOW_PARTS_H
#define TC_WINDOW_PARTS_H

#include "window.h"

#define TC_WINDOW_RECORD_SIZE 64
_Static_assert(sizeof(struct tc_window_record) == TC_WINDOW_RECORD_SIZE, "a record is one line of the cache");

/* A record is kept once: from the attack's begin on in the head until that is full, else in the ring until something is
 * found, and then among those after it. */
struct tc_window {
    struct tc_window_record *head, *ring, *after;
    uint32_t head_count, after_count;
    uint64_t ring_total;                /* records ever put into the ring */
    uint64_t ring_before, after_before; /* of both, those that came before the attack */
    bool attacked, marked;
    struct tc_nodeset signed_for; /* as it was told last: who else was changed has no valid signature */
    char types[TC_WINDOW_TYPES_MAX][32];
    uint32_t type_count;
    uint8_t last_number;   /* of the type met last; 0 none */
    const char *last_type; /* of the message met last, and its number */
    uint8_t last_type_number;
};

/* Walks over all kept records in order, each once. */
struct tc_window_walk {
    const struct tc_window *window;
    uint32_t head_at, after_at;
    uint64_t ring_at;
};

/* Before the first. The window must not change while somebody walks. */
struct tc_window_walk tc_window_begin(const struct tc_window *w);
/* NULL at the end. Borrowed from the window. */
const struct tc_window_record *tc_window_next(struct tc_window_walk *walk);

#endif
