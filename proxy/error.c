#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *text;
    int exit_code;
} errors[TC_ERROR_COUNT] = {
#define TC_ERROR_ROW(name, exit_code, text) {text, exit_code},
    TC_ERROR_TABLE(TC_ERROR_ROW)
#undef TC_ERROR_ROW
};

static bool known(int code)
{
    return code < 0 && -code <= TC_ERROR_COUNT;
}

int tc_error_set(struct tc_error *err, int code, const char *format, ...)
{
    if (!err)
        return code;
    va_list args;
    va_start(args, format);
    err->code = code;
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    return code;
}

int tc_error_wrap(struct tc_error *err, const char *format, ...)
{
    if (!err)
        return TC_EINTERNAL;
    char inner[TC_ERROR_TEXT_MAX];
    memcpy(inner, err->text, sizeof inner);
    va_list args;
    va_start(args, format);
    int used = vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    if (used >= 0 && (size_t)used < sizeof err->text)
        snprintf(err->text + used, sizeof err->text - (size_t)used, ": %s", inner);
    return err->code;
}

const char *tc_error_text(int code)
{
    if (code == 0)
        return "success";
    return known(code) ? errors[-code - 1].text : "unknown error";
}

int tc_error_exit(int code)
{
    if (code == 0)
        return 0;
    return known(code) ? errors[-code - 1].exit_code : 70;
}
