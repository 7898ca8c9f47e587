/* A stream of any bytes, cut anywhere: the framer answers the same however the bytes arrive, and never
 * claims more than there is. */
#include "../../reference/pbft/protocol.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
    if (!truth)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (size_t at = 0; at < size;) {
        const struct tc_slice whole = {data + at, size - at};
        const int64_t result = tc_pbft.frame(whole);
        if (result <= 0) {
            require(result == TC_FRAME_PARTIAL || result == TC_FRAME_MALFORMED);
            break;
        }
        require((size_t)result <= whole.len && result <= TC_FRAME_MAX);
        /* A copy of each shorter beginning, in memory of its own size, is partial. */
        for (size_t len = 0; len < (size_t)result && len < 64; len++) {
            uint8_t *part = malloc(len ? len : 1);
            require(part != NULL);
            memcpy(part, whole.data, len);
            require(tc_pbft.frame((struct tc_slice){part, len}) == TC_FRAME_PARTIAL);
            free(part);
        }
        at += (size_t)result;
    }
    return 0;
}
