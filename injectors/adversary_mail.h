/* What is on its way to the second copies of twins: first in, first out, each the same while. */
#ifndef TC_ADVERSARY_MAIL_H
#define TC_ADVERSARY_MAIL_H

#include "../proxy/types.h"

#define TC_MAIL_MAX        4096 /* letters under way; more are lost */
#define TC_MAIL_LATENCY_NS UINT64_C(400000)

struct tc_mail_item {
    uint64_t due_ns;
    uint32_t to; /* number of the copy */
    uint16_t from;
    struct tc_slice frame; /* taken: valid until the next put */
};

/* Zeroed: empty. */
struct tc_mail {
    struct tc_mail_item items[TC_MAIL_MAX];
    uint8_t *memory[TC_MAIL_MAX];
    size_t size[TC_MAIL_MAX];
    uint64_t first, end; /* ever taken, ever put */
};

/* When it will arrive; 0: it is lost, there is no room. The frame is copied. */
uint64_t tc_mail_put(struct tc_mail *mail, uint64_t now_ns, uint32_t to, uint16_t from, struct tc_slice frame);

/* The next one that has arrived. */
bool tc_mail_take(struct tc_mail *mail, uint64_t now_ns, struct tc_mail_item *out);

void tc_mail_free(struct tc_mail *mail);

#endif
