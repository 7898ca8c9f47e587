#include "buf.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void tc_buf_free(struct tc_buf *t)
{
    free(t->data);
    *t = (struct tc_buf){0};
}

static bool reserve(struct tc_buf *t, size_t more)
{
    if (t->failed)
        return false;
    if (more > TC_BUF_MAX || t->len + more + 1 > TC_BUF_MAX) {
        t->failed = true;
        return false;
    }
    size_t need = t->len + more + 1;
    if (need <= t->_capacity)
        return true;
    size_t capacity = t->_capacity ? t->_capacity * 2 : 256;
    while (capacity < need)
        capacity *= 2;
    char *data = realloc(t->data, capacity);
    if (!data) {
        t->failed = true;
        return false;
    }
    t->data = data;
    t->_capacity = capacity;
    return true;
}

void tc_buf_bytes(struct tc_buf *t, const char *bytes, size_t len)
{
    if (!reserve(t, len))
        return;
    if (len > 0)
        memcpy(t->data + t->len, bytes, len);
    t->len += len;
    t->data[t->len] = '\0';
}

void tc_buf_add(struct tc_buf *t, const char *text)
{
    if (text)
        tc_buf_bytes(t, text, strlen(text));
}

void tc_buf_format(struct tc_buf *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len < 0)
        t->failed = true;
    else if (reserve(t, (size_t)len)) {
        vsnprintf(t->data + t->len, (size_t)len + 1, format, again);
        t->len += (size_t)len;
    }
    va_end(again);
}

/* One code point of UTF-8: its length in bytes, or 0 if the bytes at `s` are not the shortest form of one. */
static size_t decode(const unsigned char *s, size_t len, uint32_t *point)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t need = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : (s[0] & 0xf0) == 0xe0 ? 3 : 0;
    if (s[0] >= 0xf0 && s[0] < 0xf5)
        need = 4;
    if (need == 0 || need > len)
        return 0;
    uint32_t value = need == 1 ? s[0] : s[0] & (0x7fu >> need);
    for (size_t i = 1; i < need; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        value = (value << 6) | (s[i] & 0x3f);
    }
    if (value < smallest[need] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
        return 0;
    *point = value;
    return need;
}

static bool is_control(uint32_t point)
{
    return point < 0x20 || (point >= 0x7f && point < 0xa0);
}

/* Characters that turn the direction of what follows: a way to make a terminal or a page show another text. */
static bool is_bidi(uint32_t point)
{
    return (point >= 0x202a && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069) || point == 0x2028 ||
           point == 0x2029;
}

#define REPLACEMENT "\xef\xbf\xbd"

static const char *markup(uint32_t point)
{
    switch (point) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    case '\t':
    case '\n':
        return NULL;
    default:
        break;
    }
    /* XML 1.0 has no way to write most control characters and the two non-characters. */
    return is_control(point) || is_bidi(point) || (point & 0xfffe) == 0xfffe ? REPLACEMENT : NULL;
}

static const char *json(uint32_t point, char buffer[static 8])
{
    if (point == '"')
        return "\\\"";
    if (point == '\\')
        return "\\\\";
    if (point == '\n')
        return "\\n";
    if (point == '\t')
        return "\\t";
    if (point >= 0x20 && point != 0x7f)
        return NULL;
    snprintf(buffer, 8, "\\u%04x", (unsigned)point & 0xffffu);
    return buffer;
}

/* What stands for the code point, or NULL if it stands for itself. */
static const char *substitute(enum tc_escape escape, uint32_t point, char buffer[static 8])
{
    switch (escape) {
    case TC_ESCAPE_MARKUP:
        return markup(point);
    case TC_ESCAPE_JSON:
        return json(point, buffer);
    case TC_ESCAPE_TERMINAL:
        if (point == '\n' || point == '\t' || point == '\r')
            return " ";
        return is_control(point) || is_bidi(point) ? "?" : NULL;
    case TC_ESCAPE_TSV:
        return is_control(point) || is_bidi(point) ? " " : NULL;
    case TC_ESCAPE_UTF8:
        return point == 0 ? REPLACEMENT : NULL;
    }
    return NULL;
}

void tc_buf_escape_bytes(struct tc_buf *t, enum tc_escape escape, const char *text, size_t len)
{
    char buffer[8];
    size_t plain = 0; /* start of the run that stands for itself */
    for (size_t i = 0; i < len;) {
        uint32_t point = 0;
        size_t used = decode((const unsigned char *)text + i, len - i, &point);
        const char *instead = used ? substitute(escape, point, buffer) : REPLACEMENT;
        size_t next = i + (used ? used : 1);
        if (instead) {
            tc_buf_bytes(t, text + plain, i - plain);
            tc_buf_add(t, instead);
            plain = next;
        }
        i = next;
    }
    tc_buf_bytes(t, text + plain, len - plain);
}

void tc_buf_escape(struct tc_buf *t, enum tc_escape escape, const char *text)
{
    if (text)
        tc_buf_escape_bytes(t, escape, text, strlen(text));
}

void tc_buf_hex(struct tc_buf *t, struct tc_slice bytes)
{
    static const char digits[] = "0123456789abcdef";
    if (bytes.len > TC_BUF_MAX / 2 || !reserve(t, bytes.len * 2))
        return;
    for (size_t i = 0; i < bytes.len; i++) {
        t->data[t->len++] = digits[bytes.data[i] >> 4];
        t->data[t->len++] = digits[bytes.data[i] & 15];
    }
    t->data[t->len] = '\0';
}

void tc_buf_count(struct tc_buf *t, uint64_t count)
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)count);
    for (int i = 0; i < len; i++) {
        tc_buf_bytes(t, digits + i, 1);
        if (i + 1 < len && (len - 1 - i) % 3 == 0)
            tc_buf_add(t, ",");
    }
}

static void three_digits(struct tc_buf *t, double value, const char *unit)
{
    int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
    char number[48];
    snprintf(number, sizeof number, "%.*f", decimals, value);
    if (decimals > 0) { /* 2.00 → 2.0: one decimal says that it was measured, two zeros say nothing */
        size_t len = strlen(number);
        if (decimals == 2 && number[len - 1] == '0')
            number[len - 1] = '\0';
    }
    tc_buf_format(t, "%s %s", number, unit);
}

void tc_buf_duration(struct tc_buf *t, uint64_t duration_ns)
{
    double ns = (double)duration_ns;
    if (duration_ns == TC_NEVER_NS)
        tc_buf_add(t, "never");
    else if (duration_ns < 1000)
        tc_buf_format(t, "%u ns", (unsigned)duration_ns);
    else if (ns < 999.5e3)
        three_digits(t, ns / 1e3, "µs");
    else if (ns < 999.5e6)
        three_digits(t, ns / 1e6, "ms");
    else if (ns < 600e9)
        three_digits(t, ns / 1e9, "s");
    else
        three_digits(t, ns / 60e9, "min");
}

void tc_buf_value(struct tc_buf *t, double value, const char *unit)
{
    if (!isfinite(value)) {
        tc_buf_add(t, "–");
        return;
    }
    if (strcmp(unit, "ns") == 0 && value >= 0 && value < 1.8e19) {
        tc_buf_duration(t, (uint64_t)value);
        return;
    }
    double size = fabs(value);
    if (value < 0)
        tc_buf_add(t, "−");
    if (size >= 100 && size < 1.8e19)
        tc_buf_count(t, (uint64_t)(size + 0.5));
    else if (size == floor(size))
        tc_buf_format(t, "%.0f", size);
    else
        tc_buf_format(t, size < 1 ? "%.3f" : "%.2f", size);
    if (strcmp(unit, "1/s") == 0)
        tc_buf_add(t, "/s");
    else if (*unit)
        tc_buf_format(t, " %s", unit);
}

void tc_buf_base64(struct tc_buf *t, struct tc_slice bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if (bytes.len > TC_BUF_MAX / 2 || !reserve(t, (bytes.len + 2) / 3 * 4))
        return;
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        uint32_t word = (uint32_t)bytes.data[i] << 16;
        word |= left > 1 ? (uint32_t)bytes.data[i + 1] << 8 : 0;
        word |= left > 2 ? bytes.data[i + 2] : 0;
        t->data[t->len++] = digits[word >> 18];
        t->data[t->len++] = digits[(word >> 12) & 63];
        t->data[t->len++] = left > 1 ? digits[(word >> 6) & 63] : '=';
        t->data[t->len++] = left > 2 ? digits[word & 63] : '=';
    }
    t->data[t->len] = '\0';
}

const char *tc_buf_get(const struct tc_buf *t)
{
    return t->data ? t->data : "";
}
