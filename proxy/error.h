/* Error codes: one table. Functions return 0 or a negative TC_E… code; `struct tc_error` carries the
 * sentence for the user, wrapped outward as it travels (“file, line: expected …, found …; do …”). */
#ifndef TC_ERROR_H
#define TC_ERROR_H

#include "types.h"

/* name, exit code of a command that ends with it, short text */
#define TC_ERROR_TABLE(X)                                                                                              \
    X(USAGE, 64, "usage or configuration error")                                                                       \
    X(UNREACHABLE, 69, "cluster unreachable")                                                                          \
    X(INTERNAL, 70, "internal error")                                                                                  \
    X(SCRIPT, 70, "script error")                                                                                      \
    X(MEMORY, 70, "out of memory")                                                                                     \
    X(LIMIT, 70, "a bound was reached")                                                                                \
    X(IO, 70, "input/output error")                                                                                    \
    X(MALFORMED, 64, "malformed input")                                                                                \
    X(SIGNATURE, 64, "bad signature")                                                                                  \
    X(KEY, 77, "key missing")                                                                                          \
    X(REFUSED, 70, "refused")                                                                                          \
    X(NOT_FOUND, 64, "not found")                                                                                      \
    X(UNSUPPORTED, 64, "not supported")                                                                                \
    X(INTERRUPTED, 130, "interrupted")                                                                                 \
    X(PERMISSION, 77, "permission missing")

enum tc_error_code {
#define TC_ERROR_NUMBER(name, exit_code, text) TC_ERROR_INDEX_##name,
    TC_ERROR_TABLE(TC_ERROR_NUMBER)
#undef TC_ERROR_NUMBER
        TC_ERROR_COUNT
};

/* TC_EUSAGE = -1, TC_EUNREACHABLE = -2, … in the order of the table. */
enum {
#define TC_ERROR_CODE(name, exit_code, text) TC_E##name = -(TC_ERROR_INDEX_##name + 1),
    TC_ERROR_TABLE(TC_ERROR_CODE)
#undef TC_ERROR_CODE
};

#define TC_ERROR_TEXT_MAX 1024

/* The sentence that goes with a code. Start it with {0}; it is cut, never overflowed. */
struct tc_error {
    int code; /* 0, or the code given first */
    char text[TC_ERROR_TEXT_MAX];
};

/* Sets code and sentence (printf-like), replacing what was there; returns `code`, so that
 * `return tc_error_set(err, TC_EUSAGE, "…")` works. `err` may be NULL. Cold: compilers put what leads to it aside, so
 * that what a message passes through lies together. */
int tc_error_set(struct tc_error *err, int code, const char *format, ...) __attribute__((cold, format(printf, 3, 4)));

/* Puts "context: " in front of the sentence; returns err->code. `err` may be NULL (returns TC_EINTERNAL). */
int tc_error_wrap(struct tc_error *err, const char *format, ...) __attribute__((cold, format(printf, 2, 3)));

/* The table's short text for a code; "success" for 0, "unknown error" for anything else. Static. */
const char *tc_error_text(int code);

/* The exit code a command ends with for this code; 0 for 0, 70 for anything unknown. */
int tc_error_exit(int code);

#endif
