/* What the tests of CometBFT's answers share: what v0.38.25 and v1.0.1 once answered, and each test with both. */
#ifndef TC_COMETBFT_RPC_FIXTURE_H
#define TC_COMETBFT_RPC_FIXTURE_H

#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static const char *version; /* of the test that runs; set by its setup */

/* Where the recorded answer of this name lies. */
static inline const char *golden_path(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/tests/golden/cometbft/rpc-%s/%s.json", TC_SOURCE_DIR, version, name);
    return path;
}

/* Runs all tests once a version, which is their initial state. How many failed. */
static inline int run_versions(const struct CMUnitTest *tests, size_t count, CMFixtureFunction setup,
                               CMFixtureFunction teardown)
{
    static const char *const versions[] = {"v0.38.25", "v1.0.1"};
    struct CMUnitTest of_version[32];
    int failed = 0;
    assert(count <= sizeof of_version / sizeof *of_version);
    for (size_t v = 0; v < sizeof versions / sizeof *versions; v++) {
        for (size_t i = 0; i < count; i++) {
            of_version[i] = tests[i];
            of_version[i].setup_func = setup;
            of_version[i].teardown_func = teardown;
            of_version[i].initial_state = (void *)(uintptr_t)versions[v];
        }
        failed += _cmocka_run_group_tests(versions[v], of_version, count, NULL, NULL);
    }
    return failed;
}

#endif
