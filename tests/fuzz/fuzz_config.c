/* Any text is a configuration or a sentence about what is wrong with it. */
#include "../../reference/config.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tc_node_config config;
    struct tc_error err = {0};
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    int rc = tc_node_config_parse("fuzz", text, &config, &err);
    if (rc != 0 && (rc != TC_EUSAGE || !err.text[0]))
        abort();
    if (rc == 0 && (config.cluster.n > TC_REPLICAS_MAX || config.cluster.f >= config.cluster.n))
        abort();
    free(text);
    return 0;
}
