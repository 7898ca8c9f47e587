/* Configuration files: one table of keys drives reading and writing, so neither can forget one. */
#define _GNU_SOURCE
#include "config.h"

#include "../proxy/nodeset.h"
#include "protocol.h"

#include <errno.h>
#include <jansson.h>
#include <sodium.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_BYTES_MAX (1u << 20)
#define NS_PER_MS        1000000.0

/* ---- the keys ---- */

enum value_type { VALUE_TEXT, VALUE_COUNT, VALUE_MILLISECONDS, VALUE_AUTHENTICATION };

struct key_row {
    const char *name;
    enum value_type type;
    size_t offset; /* in struct tc_node_config */
    size_t size;   /* VALUE_TEXT: of the buffer */
    uint32_t max;  /* VALUE_COUNT */
};

#define AT(field)       offsetof(struct tc_node_config, field)
#define TEXT(field)     VALUE_TEXT, AT(field), sizeof((struct tc_node_config *)NULL)->field, 0
#define COUNT(field, m) VALUE_COUNT, AT(field), 0, (m)

static const struct key_row key_rows[] = {
    {"protocol", TEXT(protocol)},
    {"cluster", TEXT(cluster.id)},
    {"n", COUNT(cluster.n, TC_REPLICAS_MAX)},
    {"f", COUNT(cluster.f, TC_REPLICAS_MAX)},
    {"quorum", COUNT(cluster.quorum, TC_REPLICAS_MAX)},
    {"clients", COUNT(cluster.client_count, TC_NODES_MAX - TC_CLIENT_FIRST)},
    {"checkpoint_interval", COUNT(cluster.checkpoint_interval, 1u << 20)},
    {"window", COUNT(cluster.window, 1u << 20)},
    {"batch_max", COUNT(cluster.batch_max, 4096)},
    {"pipeline_max", COUNT(cluster.pipeline_max, 1u << 20)},
    {"view_timeout_ms", VALUE_MILLISECONDS, AT(cluster.view_timeout_ns), 0, 0},
    {"view_timeout_max_ms", VALUE_MILLISECONDS, AT(cluster.view_timeout_max_ns), 0, 0},
    {"authentication", VALUE_AUTHENTICATION, AT(cluster.request_authentication), 0, 0},
    {"listen", TEXT(listen)},
};

#define KEY_ROWS (sizeof key_rows / sizeof *key_rows)

static const char *const authentications[] = {"signature", "mac"};

/* ---- reading ---- */

struct reader {
    const char *path, *text;
    struct tc_error *err;
};

/* The line of the k-th time (from 0) that `"key"` stands in the file. jansson keeps no positions of values. */
static int line_of(const struct reader *r, const char *key, size_t k)
{
    char quoted[TC_NAME_MAX + 3];
    (void)snprintf(quoted, sizeof quoted, "\"%.64s\"", key);
    const char *at = strstr(r->text, quoted);
    while (at && k-- > 0)
        at = strstr(at + 1, quoted);
    int line = 1;
    for (const char *c = r->text; at && c < at; c++)
        line += *c == '\n';
    return line;
}

static int fail(const struct reader *r, const char *key, size_t k, const char *expected, json_t *found)
{
    char text[96] = "nothing";
    char *dumped = found ? json_dumps(found, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    if (dumped)
        (void)snprintf(text, sizeof text, "%.90s", dumped);
    free(dumped);
    return tc_error_set(r->err, TC_EUSAGE, "%s, line %d: \"%s\": expected %s, found %s", r->path, line_of(r, key, k),
                        key, expected, text);
}

static int read_text(const struct reader *r, const char *key, size_t k, json_t *value, char *out, size_t size)
{
    const char *text = json_string_value(value);
    if (!text || strlen(text) >= size) {
        char expected[64];
        (void)snprintf(expected, sizeof expected, "a string of at most %zu bytes", size - 1);
        return fail(r, key, k, expected, value);
    }
    (void)snprintf(out, size, "%s", text);
    return 0;
}

static int read_count(const struct reader *r, const char *key, size_t k, json_t *value, uint32_t max, uint32_t *out)
{
    char expected[64];
    json_int_t number = json_integer_value(value);
    (void)snprintf(expected, sizeof expected, "a whole number from 0 to %u", (unsigned)max);
    if (!json_is_integer(value) || number < 0 || number > (json_int_t)max)
        return fail(r, key, k, expected, value);
    *out = (uint32_t)number;
    return 0;
}

static int read_key(const struct reader *r, const struct key_row *row, json_t *value, struct tc_node_config *out)
{
    char *at = (char *)out + row->offset;
    double ms;
    switch (row->type) {
    case VALUE_TEXT:
        return read_text(r, row->name, 0, value, at, row->size);
    case VALUE_COUNT:
        return read_count(r, row->name, 0, value, row->max, (uint32_t *)(void *)at);
    case VALUE_MILLISECONDS:
        ms = json_number_value(value);
        if (!json_is_number(value) || !(ms >= 0 && ms <= 86400e3))
            return fail(r, row->name, 0, "milliseconds, at most a day", value);
        *(uint64_t *)(void *)at = (uint64_t)(ms * NS_PER_MS + 0.5);
        return 0;
    case VALUE_AUTHENTICATION:
        for (int i = TC_AUTH_SIGNATURE; i <= TC_AUTH_MAC; i++) {
            if (json_is_string(value) && strcmp(json_string_value(value), authentications[i]) == 0) {
                *(enum tc_authentication *)(void *)at = (enum tc_authentication)i;
                return 0;
            }
        }
        return fail(r, row->name, 0, "\"signature\" or \"mac\"", value);
    }
    return TC_EINTERNAL;
}

static int read_keys(const struct reader *r, json_t *root, struct tc_node_config *out)
{
    const char *name;
    json_t *value;
    json_object_foreach(root, name, value)
    {
        size_t i = 0;
        while (i < KEY_ROWS && strcmp(name, key_rows[i].name) != 0)
            i++;
        if (i == KEY_ROWS && strcmp(name, "nodes") != 0)
            return fail(r, name, 0, "no such key", value);
        int rc = i < KEY_ROWS ? read_key(r, &key_rows[i], value, out) : 0;
        if (rc < 0)
            return rc;
    }
    if (!out->protocol[0])
        return fail(r, "protocol", 0, "the protocol's name", json_object_get(root, "protocol"));
    return 0;
}

static bool node_exists(const struct tc_cluster *cluster, uint32_t id)
{
    return id < cluster->n || (id >= TC_CLIENT_FIRST && id - TC_CLIENT_FIRST < cluster->client_count);
}

/* The index-th entry of "nodes". */
static int read_node(const struct reader *r, size_t index, json_t *entry, struct tc_node_config *out)
{
    uint32_t id = 0;
    size_t len = 0;
    json_t *key = json_object_get(entry, "public_key"), *address = json_object_get(entry, "address");
    if (!json_is_object(entry))
        return fail(r, "nodes", 0, "a list of objects", entry);
    int rc = read_count(r, "id", index, json_object_get(entry, "id"), TC_NODES_MAX - 1, &id);
    if (rc < 0)
        return rc;
    if (!node_exists(&out->cluster, id) || tc_nodeset_has(&out->known, id))
        return fail(r, "id", index, "a replica (0 … n-1) or client (128 …) that was not listed before",
                    json_object_get(entry, "id"));
    const char *digits = json_string_value(key);
    if (!digits || sodium_hex2bin(out->public_keys[id], TC_PUBLIC_KEY_SIZE, digits, strlen(digits), NULL, &len, NULL) ||
        len != TC_PUBLIC_KEY_SIZE || strlen(digits) != 2 * TC_PUBLIC_KEY_SIZE)
        return fail(r, "public_key", index, "64 hexadecimal digits", key);
    tc_nodeset_add(&out->known, id);
    if (!address)
        return 0;
    if (id >= TC_CLIENT_FIRST)
        return fail(r, "address", 0, "no address for a client", address);
    return read_text(r, "address", 0, address, out->addresses[id], sizeof out->addresses[id]);
}

static int read_nodes(const struct reader *r, json_t *root, struct tc_node_config *out)
{
    json_t *nodes = json_object_get(root, "nodes");
    char expected[64];
    if (!json_is_array(nodes))
        return fail(r, "nodes", 0, "a list", nodes);
    for (size_t i = 0; i < json_array_size(nodes); i++) {
        int rc = read_node(r, i, json_array_get(nodes, i), out);
        if (rc < 0)
            return rc;
    }
    for (uint32_t id = 0; id < out->cluster.n; id++) {
        (void)snprintf(expected, sizeof expected, "an entry for replica %u", (unsigned)id);
        if (!tc_nodeset_has(&out->known, id))
            return fail(r, "nodes", 0, expected, NULL);
    }
    return 0;
}

static int check_cluster(const struct reader *r, json_t *root, const struct tc_cluster *c)
{
    if (c->f >= c->n)
        return fail(r, "f", 0, "fewer than n", json_object_get(root, "f"));
    if (c->quorum > c->n)
        return fail(r, "quorum", 0, "at most n", json_object_get(root, "quorum"));
    if (c->window < c->checkpoint_interval)
        return fail(r, "window", 0, "at least checkpoint_interval", json_object_get(root, "window"));
    return 0;
}

/* The whole file, NUL-terminated; freed by the caller. */
static int load_text(const char *path, char **text, struct tc_error *err)
{
    FILE *file = fopen(path, "re");
    *text = NULL;
    if (!file)
        return tc_error_set(err, errno == ENOENT ? TC_ENOT_FOUND : TC_EIO, "%s: %s", path, strerror(errno));
    char *bytes = malloc(CONFIG_BYTES_MAX + 1);
    size_t len = bytes ? fread(bytes, 1, CONFIG_BYTES_MAX + 1, file) : 0;
    bool failed = ferror(file) != 0;
    (void)fclose(file);
    if (!bytes)
        return tc_error_set(err, TC_EMEMORY, "%s: out of memory", path);
    if (failed || len > CONFIG_BYTES_MAX) {
        free(bytes);
        return tc_error_set(err, failed ? TC_EIO : TC_EUSAGE, "%s: %s", path,
                            failed ? "cannot be read" : "expected at most 1 MiB");
    }
    bytes[len] = '\0';
    *text = bytes;
    return 0;
}

int tc_node_config_parse(const char *name, const char *text, struct tc_node_config *out, struct tc_error *err)
{
    json_error_t why;
    struct reader r = {name, text, err};
    memset(out, 0, sizeof *out);
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &why);
    if (!root)
        return tc_error_set(err, TC_EUSAGE, "%s, line %d: expected JSON, found: %s", name, why.line, why.text);
    int rc = json_is_object(root) ? read_keys(&r, root, out) : fail(&r, "protocol", 0, "an object", root);
    if (rc == 0) {
        tc_cluster_defaults(&out->cluster);
        rc = check_cluster(&r, root, &out->cluster);
    }
    if (rc == 0)
        rc = read_nodes(&r, root, out);
    json_decref(root);
    return rc;
}

int tc_node_config_read(const char *path, struct tc_node_config *out, struct tc_error *err)
{
    char *text;
    int rc = load_text(path, &text, err);
    if (rc == 0)
        rc = tc_node_config_parse(path, text, out, err);
    free(text);
    return rc;
}

/* ---- writing ---- */

static json_t *milliseconds(uint64_t ns)
{
    return ns % 1000000 ? json_real((double)ns / NS_PER_MS) : json_integer((json_int_t)(ns / 1000000));
}

static json_t *write_key(const struct key_row *row, const struct tc_node_config *config)
{
    const char *at = (const char *)config + row->offset;
    switch (row->type) {
    case VALUE_TEXT:
        return json_string(at);
    case VALUE_COUNT:
        return json_integer(*(const uint32_t *)(const void *)at);
    case VALUE_MILLISECONDS:
        return milliseconds(*(const uint64_t *)(const void *)at);
    case VALUE_AUTHENTICATION:
        return json_string(authentications[*(const enum tc_authentication *)(const void *)at == TC_AUTH_MAC]);
    }
    return NULL;
}

static json_t *write_node(uint32_t id, const struct tc_node_config *config)
{
    char digits[2 * TC_PUBLIC_KEY_SIZE + 1];
    json_t *node = json_object();
    sodium_bin2hex(digits, sizeof digits, config->public_keys[id], TC_PUBLIC_KEY_SIZE);
    (void)json_object_set_new(node, "id", json_integer(id));
    (void)json_object_set_new(node, "public_key", json_string(digits));
    if (id < TC_REPLICAS_MAX && config->addresses[id][0])
        (void)json_object_set_new(node, "address", json_string(config->addresses[id]));
    return node;
}

int tc_node_config_write(const char *path, const struct tc_node_config *config, struct tc_error *err)
{
    json_t *root = json_object(), *nodes = json_array();
    for (size_t i = 0; i < KEY_ROWS; i++)
        (void)json_object_set_new(root, key_rows[i].name, write_key(&key_rows[i], config));
    for (uint32_t id = 0; id < TC_NODES_MAX; id++)
        if (tc_nodeset_has(&config->known, id))
            (void)json_array_append_new(nodes, write_node(id, config));
    (void)json_object_set_new(root, "nodes", nodes);
    char *text = root ? json_dumps(root, JSON_INDENT(2)) : NULL; /* what did not fit in memory is missing: see below */
    bool complete =
        text && json_object_size(root) == KEY_ROWS + 1 && json_array_size(nodes) == tc_nodeset_count(&config->known);
    json_decref(root);
    if (!complete) {
        free(text);
        return tc_error_set(err, TC_EMEMORY, "%s: out of memory", path);
    }
    FILE *file = fopen(path, "we");
    bool ok = file && fprintf(file, "%s\n", text) > 0;
    if (file && fclose(file) != 0)
        ok = false;
    free(text);
    return ok ? 0 : tc_error_set(err, TC_EIO, "%s: cannot write it: %s", path, strerror(errno));
}
