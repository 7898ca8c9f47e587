/* A growing buffer of text and the escapes of every format the reports write. All that comes from a wire, a script or a
 * node's log is untrusted: it enters a report through one of the escapes below and in no other way. */
#ifndef TC_BUF_H
#define TC_BUF_H

#include "../proxy/types.h"

#define TC_BUF_MAX ((size_t)64 << 20) /* a text never grows beyond this */

/* Start it with {0}. Errors are sticky: after one, additions do nothing and `failed` stays true. */
struct tc_buf {
    char *data; /* NUL-terminated once anything was added; may be NULL while empty */
    size_t len, _capacity;
    bool failed; /* out of memory, or TC_BUF_MAX passed */
};

enum tc_escape {
    TC_ESCAPE_MARKUP,   /* HTML and XML, text and attribute values: & < > " ', and no control characters */
    TC_ESCAPE_JSON,     /* inside a JSON string */
    TC_ESCAPE_TERMINAL, /* one line: no control, no escape sequence, no bidirectional override */
    TC_ESCAPE_TSV,      /* one field: no tab, no line end */
    TC_ESCAPE_UTF8      /* valid UTF-8 without NUL, otherwise as it is */
};

/* Leaves it empty, to be used anew. */
void tc_buf_free(struct tc_buf *t);

/* Add text as it is: for what needs no escaping, or has been. */
void tc_buf_bytes(struct tc_buf *t, const char *bytes, size_t len);
void tc_buf_add(struct tc_buf *t, const char *text);
void tc_buf_format(struct tc_buf *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Adds untrusted bytes escaped; invalid UTF-8 becomes U+FFFD. NULL counts as "". */
void tc_buf_escape(struct tc_buf *t, enum tc_escape escape, const char *text);
void tc_buf_escape_bytes(struct tc_buf *t, enum tc_escape escape, const char *text, size_t len);

/* Lower-case hexadecimal. */
void tc_buf_hex(struct tc_buf *t, struct tc_slice bytes);
/* 12003 → "12,003". */
void tc_buf_count(struct tc_buf *t, uint64_t count);
/* "412 ms", "2.1 ms", "9.3 s": three significant digits and a unit. */
void tc_buf_duration(struct tc_buf *t, uint64_t duration_ns);
/* A measured value: durations for unit "ns", grouped digits otherwise, followed by the unit. */
void tc_buf_value(struct tc_buf *t, double value, const char *unit);
/* Standard base64 with padding. */
void tc_buf_base64(struct tc_buf *t, struct tc_slice bytes);

/* The text, or "" while there is none. */
const char *tc_buf_get(const struct tc_buf *t);

#endif
