#include "proofs.h"

#include <stdlib.h>
#include <string.h>

struct tc_proofs {
    struct tc_finding *against[TC_REPLICAS_MAX];
    struct tc_fork fork;
    bool forked;
};

struct tc_proofs *tc_proofs_new(void)
{
    return calloc(1, sizeof(struct tc_proofs));
}

void tc_proofs_free(struct tc_proofs *proofs)
{
    if (!proofs)
        return;
    for (size_t i = 0; i < TC_REPLICAS_MAX; i++) {
        struct tc_finding *proof = proofs->against[i];
        for (uint32_t k = 0; proof && k < proof->evidence_count; k++)
            free((void *)(uintptr_t)proof->evidence[k].frame.data);
        free(proof);
    }
    free(proofs);
}

void tc_proofs_fork(struct tc_proofs *proofs, const struct tc_fork *fork)
{
    if (!proofs->forked)
        proofs->fork = *fork;
    proofs->forked = true;
}

const struct tc_fork *tc_proofs_forked(const struct tc_proofs *proofs)
{
    return proofs->forked ? &proofs->fork : NULL;
}

void tc_proofs_add(struct tc_proofs *proofs, uint16_t node, const struct tc_finding *proof)
{
    if (node >= TC_REPLICAS_MAX || proofs->against[node])
        return;
    struct tc_finding *kept = malloc(sizeof *kept);
    if (!kept)
        return;
    *kept = *proof;
    for (uint32_t i = 0; i < kept->evidence_count; i++) {
        const struct tc_slice frame = proof->evidence[i].frame;
        uint8_t *copy = frame.len > 0 ? malloc(frame.len) : NULL;
        if (copy)
            memcpy(copy, frame.data, frame.len);
        kept->evidence[i].frame = (struct tc_slice){.data = copy, .len = copy ? frame.len : 0};
    }
    proofs->against[node] = kept;
}

const struct tc_finding *tc_proofs_against(const struct tc_proofs *proofs, uint16_t node)
{
    return node < TC_REPLICAS_MAX ? proofs->against[node] : NULL;
}
