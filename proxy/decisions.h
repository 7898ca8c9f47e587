/* The decisions file: decisions.jsonl of a run, shrunk.jsonl of a hunt. It says what an attack did, and holds all that
 * a replay needs to do it again.
 *
 *   first line   {"turncoat":"0.1.0","scenario":…,…}            which run it is of (struct tc_decisions_header)
 *   lines        {"id":87,…,"m":12,"call":"message",…}           a decision, and the moment at which it was taken
 *                {"m":1,"call":"begin",…,"traitors":[0]}         what else was answered: traitors, signed, note,
 * after_ns last line    {"end":true,"decisions":212,"hash":"…",…}      what came of it; a file without it was cut
 *
 * `m` numbers the moments from 1; `at` names the message of a side action. Of the live world only the first line and
 * the decisions are written: such a run does not repeat. */
#ifndef TC_DECISIONS_H
#define TC_DECISIONS_H

#include "../injectors/adversary.h"
#include "../injectors/replay.h"
#include "../reports/buf.h"

#define TC_DECISIONS_OPTIONS_MAX 48
#define TC_DECISIONS_BYTES_MAX   ((size_t)1 << 30)

/* Which run it was. Texts are cut at their size. */
struct tc_decisions_header {
    char version[32];
    char scenario[512]; /* as it was named on the command line */
    char path[512];     /* where that was found */
    uint64_t content;   /* hash of the scenario's file and of its attack's */
    char protocol[TC_NAME_MAX], world[16], signatures[16], bug[TC_NAME_MAX];
    uint64_t seed;
    /* of a hunt; strategy "": the scenario's own attack */
    char strategy[TC_NAME_MAX];
    struct tc_adversary_limits limits;
    uint64_t index, decisions_max;
    /* options of the command line that change the run, "name=value" without the dashes */
    char options[TC_DECISIONS_OPTIONS_MAX][256];
    uint32_t option_count;
    /* of the handler, as in struct tc_tape */
    char rule[TC_NAME_MAX];
    uint32_t kinds, calls;
    bool always, goes_on;
};

/* What came of it. */
struct tc_decisions_end {
    uint64_t decisions, observations;
    uint64_t hash; /* of all that was seen, messages included */
    int exit_code;
    char verdict[32], oracle[TC_NAME_MAX], rule[96]; /* oracle, rule: of the first violation, or "" */
};

/* ---- writing: each adds whole lines or, `more`, fields ---- */

/* The first line; one of the tape; the last. */
void tc_decisions_header_line(struct tc_buf *out, const struct tc_decisions_header *header);
void tc_decisions_item_line(struct tc_buf *out, const struct tc_tape *tape, const struct tc_tape_item *item);
/* Adds to the line of a decision (which begins with tc_record_decision's fields; `,"name":…` follow). */
void tc_decisions_more(struct tc_buf *out, const struct tc_tape *tape, const struct tc_decision *decision);
void tc_decisions_end_line(struct tc_buf *out, const struct tc_decisions_end *end);

/* ---- reading ---- */

struct tc_decisions {
    struct tc_decisions_header header;
    struct tc_decisions_end end;
    struct tc_tape tape;
};

/* Reads a whole file. TC_EMALFORMED with file, line and what was expected there (also: cut, of a live run, too much was
 * decided to be replayed); TC_ENOT_FOUND, TC_EIO, TC_ELIMIT, TC_EMEMORY. Free in every case. */
int tc_decisions_read(const char *path, struct tc_decisions *out, struct tc_error *err);
void tc_decisions_free(struct tc_decisions *decisions);

/* The hash of files' bytes, in order; a path of "" adds nothing. TC_EIO. */
int tc_decisions_content(const char *const *paths, size_t count, uint64_t *hash, struct tc_error *err);

#endif
