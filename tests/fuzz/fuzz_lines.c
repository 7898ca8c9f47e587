/* Any bytes are a line of ours or not; what is accepted is written again and read back the same. */
#include "../../reference/lines_internal.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char line[1 << 20];
    struct tc_observation first, second;
    struct tc_arena arena;
    struct tc_error err = {0};
    tc_arena_init(&arena, 8u << 20);
    memset(&first, 0, sizeof first);
    if (tc_line_scan((struct tc_slice){data, size}, &arena, &first)) { /* the short way and JSON agree */
        if (tc_line_parse_json((struct tc_slice){data, size}, &arena, &second, &err) != 0 ||
            first.kind != second.kind || first.node != second.node)
            abort();
        if (first.kind == TC_OBS_EXECUTED && (first.executed.operation_count != second.executed.operation_count ||
                                              first.executed.sequence != second.executed.sequence))
            abort();
    }
    if (tc_line_parse((struct tc_slice){data, size}, &arena, &first, &err) == 0) {
        int64_t len = tc_line_write(&first, line, sizeof line);
        if (len < 0) {
            if (len != TC_ELIMIT)
                abort();
        } else if (tc_line_parse((struct tc_slice){(uint8_t *)line, (size_t)len - 1}, &arena, &second, &err) != 0 ||
                   first.kind != second.kind || first.node != second.node || first.peer != second.peer) {
            abort();
        }
    }
    tc_arena_free(&arena);
    return 0;
}
