/* Between the files that write and read decisions files. Nobody else includes this. */
#ifndef TC_DECISIONS_INTERNAL_H
#define TC_DECISIONS_INTERNAL_H

#include "decisions.h"

#include <jansson.h>

/* "begin", "message", …; "?". */
const char *tc_decisions_call_name(enum tc_call_kind call);

/* One line, until all are there and can be put in order. What it points to is the reader's arena's. */
struct tc_decisions_entry {
    uint32_t m, rank, line;
    struct tc_moment moment;
    struct tc_tape_item item;
};

struct tc_decisions_reader {
    const char *path;
    uint32_t line;
    struct tc_arena arena;
    struct tc_decisions_entry *entries;
    size_t count, size;
    struct tc_decisions *out;
    struct tc_error *err;
    bool ended;
};

/* Sets TC_EMALFORMED: "FILE:LINE: expected WHAT". */
int tc_decisions_expected(struct tc_decisions_reader *r, const char *what);

/* Each reads a field of `line`: 0, or TC_EMALFORMED. What is optional and missing keeps its default (a number
 * `otherwise` or 0, a node TC_NODE_NONE, bytes none); a hash and a text must be there. */
int tc_decisions_number(struct tc_decisions_reader *r, const json_t *line, const char *name, uint64_t otherwise,
                        uint64_t *out);
int tc_decisions_small(struct tc_decisions_reader *r, const json_t *line, const char *name, uint64_t max,
                       uint32_t *out);
int tc_decisions_node(struct tc_decisions_reader *r, const json_t *line, const char *name, uint16_t *out);
int tc_decisions_hash(struct tc_decisions_reader *r, const json_t *line, const char *name, uint64_t *out);
int tc_decisions_text(struct tc_decisions_reader *r, const json_t *line, const char *name, char *out, size_t size);
int tc_decisions_set(struct tc_decisions_reader *r, const json_t *array, struct tc_nodeset *out);
int tc_decisions_bytes(struct tc_decisions_reader *r, const json_t *line, struct tc_slice *out);

/* A copy that lives as long as the reader; NULL of NULL, and if there is no room. */
const char *tc_decisions_copy(struct tc_decisions_reader *r, const char *text);

#endif
