#include "json.h"

#include "../proxy/names.h"
#include "../proxy/nodeset.h"
#include "buf.h"
#include "out.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *bytes_text(const char *text, size_t len)
{
    struct tc_buf clean = {0};
    tc_buf_escape_bytes(&clean, TC_ESCAPE_UTF8, text, len);
    json_t *string = clean.failed ? NULL : json_stringn(tc_buf_get(&clean), clean.len);
    tc_buf_free(&clean);
    return string;
}

json_t *tc_json_text(const char *text)
{
    return bytes_text(text ? text : "", text ? strlen(text) : 0);
}

json_t *tc_json_time(uint64_t time_ns)
{
    return time_ns > INT64_MAX ? json_null() : json_integer((json_int_t)time_ns);
}

json_t *tc_json_nodes(const struct tc_nodeset *set)
{
    json_t *list = json_array();
    for (uint32_t node = 0; node < TC_NODES_MAX; node++)
        if (tc_nodeset_has(set, node))
            json_array_append_new(list, json_integer(node));
    return list;
}

json_t *tc_json_count(uint64_t value)
{
    return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

void tc_json_set(json_t *object, const char *name, json_t *value)
{
    json_object_set_new(object, name, value ? value : json_null());
}

const char *tc_json_string(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

int64_t tc_json_integer(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

uint64_t tc_json_ns(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    json_int_t number = json_integer_value(value);
    return !json_is_integer(value) || number < 0 ? TC_NEVER_NS : (uint64_t)number;
}

double tc_json_number(const json_t *object, const char *name)
{
    return json_number_value(json_object_get(object, name));
}

bool tc_json_true(const json_t *object, const char *name)
{
    return json_is_true(json_object_get(object, name));
}

bool tc_json_has(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return value && !json_is_null(value);
}

const char *tc_json_node_list(const json_t *nodes, char *buffer, size_t size)
{
    struct tc_buf list = {0};
    size_t count = json_array_size(nodes);
    for (size_t i = 0; i < count; i++) {
        char name[8];
        json_int_t node = json_integer_value(json_array_get(nodes, i));
        tc_node_name(node < 0 || node >= TC_NODES_MAX ? TC_NODE_NONE : (uint32_t)node, name);
        if (i == 0)
            tc_buf_add(&list, node >= TC_CLIENT_FIRST ? "client " : count > 1 ? "replicas " : "replica ");
        else
            tc_buf_add(&list, i + 1 == count ? " and " : ", ");
        tc_buf_add(&list, name);
    }
    snprintf(buffer, size, "%s", count ? tc_buf_get(&list) : "nobody");
    tc_buf_free(&list);
    return buffer;
}

void tc_json_threshold_value(const json_t *threshold, struct tc_buf *out)
{
    const char *metric = tc_json_string(threshold, "metric");
    const char *condition = tc_json_string(threshold, "condition");
    /* How many there were is a count whatever was measured. */
    bool time = (strstr(metric, "latency") || strstr(metric, "time")) && strncmp(condition, "count", 5) != 0;
    if (tc_json_has(threshold, "value"))
        tc_buf_value(out, tc_json_number(threshold, "value"), time ? "ns" : "");
    else
        tc_buf_add(out, "no samples");
}

static size_t replicas_of(const json_t *nodes)
{
    const json_t *node;
    size_t i, count = 0;
    json_array_foreach(nodes, i, node) count += json_integer_value(node) < TC_CLIENT_FIRST;
    return count;
}

/* What the judge measured blame by (tc_protocol_bearable); of a run without it, what the cluster asked for. */
static long long bearable(const json_t *cluster)
{
    return tc_json_integer(cluster, tc_json_has(cluster, "faults_borne") ? "faults_borne" : "faults_max");
}

void tc_json_blame(const json_t *result, struct tc_buf *out)
{
    const json_t *first = json_object_get(result, "first");
    bool liveness = strcmp(tc_json_string(first, "property"), "liveness") == 0;
    const json_t *nodes = json_object_get(first, liveness ? "faulty_for_liveness" : "signed_for");
    size_t count = replicas_of(json_is_array(nodes) ? nodes : json_object_get(result, "traitors"));
    const json_t *cluster = json_object_get(result, "cluster");
    tc_buf_format(out, "%zu %s%s of %lld allowed", count, liveness ? "faulty replica" : "traitor",
                  count == 1 ? "" : "s", bearable(cluster));
}

bool tc_json_beyond(const json_t *result)
{
    return strcmp(tc_json_string(result, "verdict"), "expected") == 0 && tc_json_integer(result, "exit") == 1;
}

static int save_as(const char *dir, const char *name, const json_t *value, size_t flags, struct tc_error *err)
{
    struct tc_buf text = {0};
    char *dump = value ? json_dumps(value, flags | JSON_PRESERVE_ORDER) : NULL;
    if (!dump)
        return tc_error_set(err, TC_EMEMORY, "%s/%s: no memory for it", dir, name);
    tc_buf_add(&text, dump);
    tc_buf_add(&text, "\n");
    free(dump);
    const int rc = tc_out_file(dir, name, &text, err);
    tc_buf_free(&text);
    return rc;
}

int tc_json_save(const char *dir, const char *name, const json_t *value, struct tc_error *err)
{
    char fresh[128], from[700], to[700];
    snprintf(fresh, sizeof fresh, "%s.new", name);
    snprintf(from, sizeof from, "%s/%s", dir, fresh);
    snprintf(to, sizeof to, "%s/%s", dir, name);
    int rc = save_as(dir, fresh, value, JSON_INDENT(2), err);
    if (rc == TC_EIO) /* what is for eyes may be too large for the disk's rest */
        rc = save_as(dir, fresh, value, JSON_COMPACT, err);
    if (rc == 0 && rename(from, to) < 0)
        rc = tc_error_set(err, TC_EIO, "%s: %s", to, strerror(errno));
    return rc;
}

json_t *tc_json_load(const char *dir, const char *name, size_t bytes_max, struct tc_error *err)
{
    struct tc_buf text = {0};
    json_error_t where = {0};
    const int rc = tc_out_read(dir, name, bytes_max, &text, err);
    json_t *value = rc == 0 ? json_loadb(tc_buf_get(&text), text.len, JSON_REJECT_DUPLICATES, &where) : NULL;
    tc_buf_free(&text);
    if (rc < 0 || json_is_object(value))
        return value;
    tc_error_set(err, TC_EMALFORMED, "%s/%s: line %d: expected a JSON object: %s", dir, name, value ? 1 : where.line,
                 value ? "found something else" : where.text);
    json_decref(value);
    return NULL;
}
