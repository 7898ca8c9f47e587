/* What decoding and justifying a message cost. Prints nanoseconds; asserts nothing. */
#include "../lib/pbft_make.h"
#include <stdio.h>
#include <string.h>
#include <time.h>

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void bench_decode(const char *name, struct tc_slice frame, unsigned rounds)
{
    struct tc_arena arena;
    tc_arena_init(&arena, 32u << 20);
    uint64_t best = UINT64_MAX, sum = 0;
    for (int repeat = 0; repeat < 7; repeat++) {
        const uint64_t start = now_ns();
        for (unsigned i = 0; i < rounds; i++) {
            struct tc_message m = {0};
            tc_arena_reset(&arena);
            tc_pbft.decode(frame, &arena, &m);
            tc_message_set_key(&m);
            sum += m.key;
        }
        const uint64_t took = now_ns() - start;
        if (took < best)
            best = took;
    }
    printf("decode + key  %-24s %6zu bytes  %8.1f ns  (%llx)\n", name, frame.len, (double)best / rounds,
           (unsigned long long)(sum & 15));
    tc_arena_free(&arena);
}

static void bench_decodes(struct tc_make *make)
{
    static char text[200];
    memset(text, 'x', sizeof text - 1);
    Pbft__Envelope *requests[64];
    for (size_t i = 0; i < 64; i++)
        requests[i] = tc_make_request(make, 128 + i % 4, i + 1, text);
    bench_decode("prepare", tc_make_frame(make, tc_make_prepare(make, 1, 0, 1000, tc_make_digest(make, 7))), 200000);
    bench_decode("request", tc_make_frame(make, requests[0]), 100000);
    bench_decode("pre-prepare, 1 request", tc_make_frame(make, tc_make_proposal(make, 0, 0, 1000, requests, 1)), 50000);
    bench_decode("pre-prepare, 64 requests", tc_make_frame(make, tc_make_proposal(make, 0, 0, 1000, requests, 64)),
                 2000);
}

int main(void)
{
    static struct tc_make make;
    tc_make_init(&make, 4);
    bench_decodes(&make);
    tc_make_free(&make);
    return 0;
}
