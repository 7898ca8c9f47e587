/* The engine with PBFT's framing and decoding, under any events, bytes and script. */
#include "engine_drive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct tc_protocol *protocol = tc_protocol_find("pbft");
    if (size < 1 << 14)
        drive(protocol, (struct tc_slice){data, size}, NULL);
    return 0;
}
