/* Sentences in bounded buffers: what findings and verdicts are written with. Pure. */
#ifndef TC_TEXT_H
#define TC_TEXT_H

#include "../proxy/nodeset.h"
#include "../proxy/types.h"

/* A text that grows until its buffer is full and is then cut; always NUL-terminated. */
struct tc_text {
    char *buffer;
    size_t size, len;
};

/* Starts an empty text in `buffer` (size ≥ 1). */
struct tc_text tc_text_begin(char *buffer, size_t size);

/* Appends, printf-like. Cold: texts are made of findings and of results, never for each message. */
void tc_text_add(struct tc_text *t, const char *format, ...) __attribute__((cold, format(printf, 2, 3)));

/* Appends a number with a comma between thousands: 12,003. */
void tc_text_number(struct tc_text *t, uint64_t number);

/* Appends a value in short: first two bytes … last byte in hexadecimal, "nil" or "nothing". */
void tc_text_value(struct tc_text *t, const struct tc_value *value);

/* Appends the members of a set: "0, 2, c1"; "nobody" if empty. */
void tc_text_nodes(struct tc_text *t, const struct tc_nodeset *set);

/* Appends "replica 2", "client c0" or "an unknown node". */
void tc_text_who(struct tc_text *t, uint32_t node);

/* Appends "replica 0" or "replicas 0, 2" (clients likewise named c0). */
void tc_text_whos(struct tc_text *t, const struct tc_nodeset *set);

/* Appends a duration with three significant digits: 412 ms, 1.5 s, 83 us. */
void tc_text_duration(struct tc_text *t, uint64_t duration_ns);

#endif
