#include "names.h"

#include <stdio.h>
#include <string.h>

static const char *const kinds[TC_KIND_COUNT] = {
    "other", "request", "propose", "vote", "certificate", "new_view", "view_change", "checkpoint", "reply", "sync",
};
static const char *const phases[TC_PHASE_COUNT] = {"", "prepare", "precommit", "commit", "decide", "prevote"};
static const char *const verbs[TC_VERB_COUNT] = {
    "forward", "drop", "delay", "duplicate", "reorder", "replace", "hold", "send",      "release", "partition",
    "sever",   "heal", "pause", "resume",    "kill",    "restart", "wipe", "handshake", "stop",
};
static const char *const observations[TC_OBS_COUNT] = {
    "message", "executed",  "view",    "stable",    "requested", "replied",  "complaint",
    "node_up", "node_exit", "link_up", "link_down", "spliced",   "overflow", "phase",
    "faults",  "note",      "halted",  "broken",    "accused",   "member",
};
static const char *const run_phases[TC_RUN_PHASE_COUNT] = {"before", "during", "after", "ended"};
static const char *const origins[] = {"executed", "replayed", "transferred", "tentative"};

static const char *name_of(const char *const *words, size_t count, size_t index)
{
    return index < count && words[index] ? words[index] : "?";
}

static int parse(const char *const *words, size_t count, const char *word)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(words[i], word) == 0)
            return (int)i;
    return -1;
}

const char *tc_kind_name(enum tc_kind kind)
{
    return name_of(kinds, TC_KIND_COUNT, (size_t)kind);
}

const char *tc_phase_name(enum tc_phase phase)
{
    return name_of(phases, TC_PHASE_COUNT, (size_t)phase);
}

const char *tc_verb_name(enum tc_verb verb)
{
    return name_of(verbs, TC_VERB_COUNT, (size_t)verb);
}

const char *tc_observation_name(enum tc_observation_kind kind)
{
    return name_of(observations, TC_OBS_COUNT, (size_t)kind);
}

const char *tc_run_phase_name(enum tc_run_phase phase)
{
    return name_of(run_phases, TC_RUN_PHASE_COUNT, (size_t)phase);
}

const char *tc_execution_origin_name(enum tc_execution_origin origin)
{
    return name_of(origins, sizeof origins / sizeof *origins, (size_t)origin);
}

int tc_kind_parse(const char *word)
{
    return parse(kinds, TC_KIND_COUNT, word);
}

int tc_phase_parse(const char *word)
{
    return parse(phases, TC_PHASE_COUNT, word);
}

const char *tc_node_name(uint32_t node, char buffer[static 8])
{
    if (node >= TC_NODES_MAX)
        snprintf(buffer, 8, "-");
    else if (node >= TC_CLIENT_FIRST)
        snprintf(buffer, 8, "c%u", (unsigned)(node - TC_CLIENT_FIRST) & 0xffu);
    else
        snprintf(buffer, 8, "%u", (unsigned)node & 0xffu);
    return buffer;
}

const char *tc_value_text(const struct tc_value *value, size_t digest_bytes, char buffer[static 65])
{
    static const char digits[] = "0123456789abcdef";
    if (value->state != TC_VALUE_BYTES) {
        memcpy(buffer, value->state == TC_VALUE_NIL ? "nil" : "", value->state == TC_VALUE_NIL ? 4 : 1);
        return buffer;
    }
    if (digest_bytes > TC_VALUE_SIZE)
        digest_bytes = TC_VALUE_SIZE;
    for (size_t i = 0; i < digest_bytes; i++) {
        buffer[2 * i] = digits[value->bytes[i] >> 4];
        buffer[2 * i + 1] = digits[value->bytes[i] & 15u];
    }
    buffer[2 * digest_bytes] = 0;
    return buffer;
}
