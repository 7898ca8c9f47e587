/* Any bytes as a decisions file: the reader takes them or says where they are wrong, and nothing else. What it takes is
 * written again, item by item. */
#define _GNU_SOURCE
#include "../../proxy/decisions.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_again(const struct tc_decisions *read)
{
    struct tc_buf text = {0};
    tc_decisions_header_line(&text, &read->header);
    for (uint32_t i = 0; i < read->tape.item_count; i++)
        tc_decisions_item_line(&text, &read->tape, &read->tape.items[i]);
    tc_decisions_end_line(&text, &read->end);
    tc_buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tc_decisions read; /* large */
    static char path[32];
    static int fd = -1;
    struct tc_error err = {0};
    if (fd < 0) {
        fd = memfd_create("decisions", 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    if (fd < 0 || ftruncate(fd, 0) != 0 || pwrite(fd, data, size, 0) != (ssize_t)size)
        return 0;
    const int status = tc_decisions_read(path, &read, &err);
    if (status != 0 && !err.text[0])
        abort();
    if (status == 0)
        write_again(&read);
    tc_decisions_free(&read);
    return 0;
}
