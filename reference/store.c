#include "store.h"
#include "../proxy/cursor.h"
#include "fields_alloc.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS_FIRST 256u
#define ENTRY_COST    8u
#define CLIENT_PAGE   32u /* clients in a piece of the table */
#define CLIENT_PAGES  (TC_NODES_MAX / CLIENT_PAGE)

/* "TCPBFT01", after the first protocol that had this store. Every state's digest covers it, and the draws of a seed are
 * keyed by such digests: another tag would make another run of every seed that was ever noted down. */
#define SNAPSHOT_TAG UINT64_C(0x5443504246543031)

struct sum {
    uint64_t lanes[TC_VALUE_SIZE / 8];
};

struct entry {
    struct entry *next;
    uint64_t hash;
    struct sum sum;
    uint32_t key_len, value_len;
    uint8_t bytes[]; /* key, then value */
};

struct client {
    uint64_t timestamp;
    uint8_t *result;
    uint32_t result_len;
    struct sum sum;
};

struct tc_store {
    struct entry **buckets;
    uint32_t bucket_count, count;
    size_t bytes;
    struct sum total;
    struct client *clients[CLIENT_PAGES]; /* NULL: none of these has been heard of */
};

struct tc_store *tc_store_new(void)
{
    struct tc_store *store = calloc(1, sizeof *store);
    if (!store)
        return NULL;
    store->bucket_count = BUCKETS_FIRST;
    store->buckets = calloc(store->bucket_count, sizeof(struct entry *));
    if (!store->buckets) {
        free(store);
        return NULL;
    }
    return store;
}

static void page_free(struct client *page)
{
    for (size_t i = 0; page && i < CLIENT_PAGE; i++)
        free(page[i].result);
    free(page);
}

/* NULL: never heard of. */
static const struct client *client_at(const struct tc_store *store, uint32_t number)
{
    const struct client *page = number < TC_NODES_MAX ? store->clients[number / CLIENT_PAGE] : NULL;
    return page && page[number % CLIENT_PAGE].timestamp > 0 ? &page[number % CLIENT_PAGE] : NULL;
}

void tc_store_free(struct tc_store *store)
{
    if (!store)
        return;
    for (uint32_t i = 0; i < store->bucket_count; i++) {
        for (struct entry *entry = store->buckets[i]; entry;) {
            struct entry *next = entry->next;
            free(entry);
            entry = next;
        }
    }
    for (size_t i = 0; i < CLIENT_PAGES; i++)
        page_free(store->clients[i]);
    free(store->buckets);
    free(store);
}

static uint64_t key_hash(struct tc_slice key)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < key.len; i++)
        hash = (hash ^ key.data[i]) * UINT64_C(0x100000001b3);
    return hash ^ (hash >> 29);
}

static void sum_add(struct sum *into, const struct sum *other)
{
    for (size_t i = 0; i < TC_VALUE_SIZE / 8; i++)
        into->lanes[i] += other->lanes[i];
}

static void sum_remove(struct sum *from, const struct sum *other)
{
    for (size_t i = 0; i < TC_VALUE_SIZE / 8; i++)
        from->lanes[i] -= other->lanes[i];
}

/* The hash of one entry as integers, the same on machines of either byte order. */
static struct sum sum_of(const struct tc_slice *parts, size_t count)
{
    uint8_t digest[TC_VALUE_SIZE];
    struct sum sum = {{0}};
    tc_digest_parts(parts, count, digest);
    for (size_t i = 0; i < TC_VALUE_SIZE; i++)
        sum.lanes[i / 8] |= (uint64_t)digest[i] << (8 * (i % 8));
    return sum;
}

static struct entry **find(const struct tc_store *store, struct tc_slice key, uint64_t hash)
{
    struct entry **at = &store->buckets[hash & (store->bucket_count - 1)];
    while (*at && !((*at)->hash == hash && (*at)->key_len == key.len && memcmp((*at)->bytes, key.data, key.len) == 0))
        at = &(*at)->next;
    return at;
}

/* Doubling keeps chains short; without memory they merely grow longer. */
static void grow(struct tc_store *store)
{
    uint32_t count = store->bucket_count * 2;
    struct entry **buckets = calloc(count, sizeof(struct entry *));
    if (!buckets)
        return;
    for (uint32_t i = 0; i < store->bucket_count; i++) {
        for (struct entry *entry = store->buckets[i]; entry;) {
            struct entry *next = entry->next;
            entry->next = buckets[entry->hash & (count - 1)];
            buckets[entry->hash & (count - 1)] = entry;
            entry = next;
        }
    }
    free(store->buckets);
    store->buckets = buckets;
    store->bucket_count = count;
}

static void unlink_entry(struct tc_store *store, struct entry **at)
{
    struct entry *entry = *at;
    *at = entry->next;
    store->bytes -= entry->key_len + entry->value_len + ENTRY_COST;
    store->count--;
    sum_remove(&store->total, &entry->sum);
    free(entry);
}

static struct tc_slice entry_value(const struct entry *entry)
{
    return (struct tc_slice){entry->bytes + entry->key_len, entry->value_len};
}

/* 1 stored, 0 the store is full, TC_EMEMORY. */
static int put(struct tc_store *store, struct tc_slice key, struct tc_slice value)
{
    uint64_t hash = key_hash(key);
    struct entry **at = find(store, key, hash);
    size_t freed = *at ? (*at)->key_len + (*at)->value_len + ENTRY_COST : 0;
    if (store->bytes - freed + key.len + value.len + ENTRY_COST > TC_STORE_BYTES_MAX)
        return 0;
    struct entry *entry = malloc(sizeof *entry + key.len + value.len);
    if (!entry)
        return TC_EMEMORY;
    entry->hash = hash;
    entry->key_len = (uint32_t)key.len;
    entry->value_len = (uint32_t)value.len;
    memcpy(entry->bytes, key.data, key.len);
    if (value.len > 0)
        memcpy(entry->bytes + key.len, value.data, value.len);
    const struct tc_slice parts[3] = {{(const uint8_t *)"k", 1}, key, value};
    entry->sum = sum_of(parts, 3);
    if (*at)
        unlink_entry(store, at);
    entry->next = *at;
    *at = entry;
    store->bytes += key.len + value.len + ENTRY_COST;
    store->count++;
    sum_add(&store->total, &entry->sum);
    if (store->count > store->bucket_count)
        grow(store);
    return 1;
}

static bool slice_equal(struct tc_slice a, struct tc_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static bool well_formed(const Wire__Operation *operation)
{
    return operation->key.len > 0 && operation->key.len <= TC_WIRE_KEY_MAX &&
           operation->value.len <= TC_WIRE_OPERAND_MAX && operation->expected.len <= TC_WIRE_OPERAND_MAX;
}

static int store_value(struct tc_store *store, const Wire__Operation *operation, Wire__Result *result)
{
    int rc = put(store, tc_wire_slice(operation->key), tc_wire_slice(operation->value));
    result->found = rc == 1;
    return rc < 0 ? rc : 0;
}

static int apply(struct tc_store *store, const Wire__Operation *operation, Wire__Result *result)
{
    struct tc_slice key = tc_wire_slice(operation->key);
    struct entry **at = find(store, key, key_hash(key));
    switch (operation->code) {
    case WIRE__OPERATION__CODE__GET:
        result->found = *at != NULL;
        if (*at)
            result->value = tc_wire_binary(entry_value(*at));
        return 0;
    case WIRE__OPERATION__CODE__PUT:
        return store_value(store, operation, result);
    case WIRE__OPERATION__CODE__DELETE:
        result->found = *at != NULL;
        if (*at)
            unlink_entry(store, at);
        return 0;
    case WIRE__OPERATION__CODE__COMPARE_AND_SWAP:
        if (!*at)
            return 0;
        if (slice_equal(entry_value(*at), tc_wire_slice(operation->expected)))
            return store_value(store, operation, result);
        result->value = tc_wire_binary(entry_value(*at));
        return 0;
    default:
        return 0;
    }
}

static struct sum client_sum(uint32_t client, uint64_t timestamp, struct tc_slice result)
{
    uint8_t head[12];
    struct tc_writer writer = tc_writer_into(head, sizeof head);
    tc_writer_u32(&writer, client);
    tc_writer_u64(&writer, timestamp);
    const struct tc_slice parts[3] = {{(const uint8_t *)"c", 1}, {head, sizeof head}, result};
    return sum_of(parts, 3);
}

static int set_client(struct tc_store *store, uint32_t number, uint64_t timestamp, struct tc_slice result)
{
    struct client **page = &store->clients[number / CLIENT_PAGE];
    if (!*page)
        *page = calloc(CLIENT_PAGE, sizeof **page);
    uint8_t *copy = *page ? malloc(result.len + 1) : NULL; /* an empty result is a result too */
    if (!copy)
        return TC_EMEMORY;
    struct client *client = &(*page)[number % CLIENT_PAGE];
    if (result.len > 0)
        memcpy(copy, result.data, result.len);
    if (client->timestamp > 0)
        sum_remove(&store->total, &client->sum);
    free(client->result);
    client->timestamp = timestamp;
    client->result = copy;
    client->result_len = (uint32_t)result.len;
    client->sum = client_sum(number, timestamp, result);
    sum_add(&store->total, &client->sum);
    return 0;
}

int tc_store_execute(struct tc_store *store, uint32_t client, uint64_t timestamp, struct tc_slice bytes,
                     struct tc_arena *arena, bool *fresh)
{
    *fresh = false;
    if (client >= TC_NODES_MAX)
        return TC_EUSAGE;
    if (timestamp <= tc_store_last(store, client))
        return 0;
    Wire__Result result = WIRE__RESULT__INIT;
    ProtobufCMessage *base = NULL;
    int rc = tc_fields_unpack(&wire__operation__descriptor, bytes, arena, &base);
    if (rc == TC_ELIMIT)
        return TC_EMEMORY;
    if (rc == 0 && well_formed((const Wire__Operation *)base))
        rc = apply(store, (const Wire__Operation *)base, &result);
    if (rc == TC_EMEMORY)
        return rc;
    struct tc_slice packed;
    if (tc_fields_pack(&result.base, arena, &packed) != 0)
        return TC_EMEMORY;
    *fresh = true;
    return set_client(store, client, timestamp, packed);
}

void tc_store_take_clients(struct tc_store *store, struct tc_store *from)
{
    const struct client *client;
    for (uint32_t i = 0; i < TC_NODES_MAX; i++) {
        if ((client = client_at(store, i)))
            sum_remove(&store->total, &client->sum);
        if ((client = client_at(from, i))) {
            sum_add(&store->total, &client->sum);
            sum_remove(&from->total, &client->sum);
        }
    }
    for (size_t i = 0; i < CLIENT_PAGES; i++) {
        page_free(store->clients[i]);
        store->clients[i] = from->clients[i];
        from->clients[i] = NULL;
    }
}

uint64_t tc_store_last(const struct tc_store *store, uint32_t client)
{
    const struct client *known = client_at(store, client);
    return known ? known->timestamp : 0;
}

struct tc_slice tc_store_reply(const struct tc_store *store, uint32_t client)
{
    const struct client *known = client_at(store, client);
    return known ? (struct tc_slice){known->result, known->result_len} : (struct tc_slice){NULL, 0};
}

void tc_store_digest(const struct tc_store *store, uint8_t digest[static TC_VALUE_SIZE])
{
    for (size_t i = 0; i < TC_VALUE_SIZE; i++)
        digest[i] = (uint8_t)(store->total.lanes[i / 8] >> (8 * (i % 8)));
}

static int compare_keys(const void *left, const void *right)
{
    const struct entry *a = *(const struct entry *const *)left, *b = *(const struct entry *const *)right;
    size_t common = a->key_len < b->key_len ? a->key_len : b->key_len;
    int order = memcmp(a->bytes, b->bytes, common);
    return order != 0 ? order : (a->key_len > b->key_len) - (a->key_len < b->key_len);
}

static size_t saved_size(const struct tc_store *store)
{
    size_t size = 8 + 8 + 4 + store->bytes + 4;
    for (uint32_t i = 0; i < TC_NODES_MAX; i++) {
        const struct client *client = client_at(store, i);
        size += client ? 2 + 8 + 4 + client->result_len : 0;
    }
    return size;
}

static void save_clients(const struct tc_store *store, struct tc_writer *writer)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < TC_NODES_MAX; i++)
        count += client_at(store, i) != NULL;
    tc_writer_u32(writer, count);
    for (uint32_t i = 0; i < TC_NODES_MAX; i++) {
        const struct client *client = client_at(store, i);
        if (!client)
            continue;
        tc_writer_u16(writer, (uint16_t)i);
        tc_writer_u64(writer, client->timestamp);
        tc_writer_u32(writer, client->result_len);
        tc_writer_slice(writer, (struct tc_slice){client->result, client->result_len});
    }
}

int tc_store_save(const struct tc_store *store, uint64_t sequence, uint8_t **bytes, size_t *len)
{
    size_t size = saved_size(store), found = 0;
    uint8_t *out = malloc(size);
    const struct entry **sorted = malloc((store->count + 1) * sizeof *sorted);
    if (!out || !sorted) {
        free(out);
        free(sorted);
        return TC_EMEMORY;
    }
    for (uint32_t i = 0; i < store->bucket_count; i++)
        for (const struct entry *entry = store->buckets[i]; entry; entry = entry->next)
            sorted[found++] = entry;
    qsort(sorted, found, sizeof *sorted, compare_keys);
    struct tc_writer writer = tc_writer_into(out, size);
    tc_writer_u64(&writer, SNAPSHOT_TAG);
    tc_writer_u64(&writer, sequence);
    tc_writer_u32(&writer, store->count);
    for (size_t i = 0; i < found; i++) {
        tc_writer_u32(&writer, sorted[i]->key_len);
        tc_writer_u32(&writer, sorted[i]->value_len);
        tc_writer_slice(&writer, (struct tc_slice){sorted[i]->bytes, sorted[i]->key_len + sorted[i]->value_len});
    }
    save_clients(store, &writer);
    free(sorted);
    *bytes = out;
    *len = tc_writer_bytes(&writer).len;
    return 0;
}

static bool key_follows(struct tc_slice previous, struct tc_slice key)
{
    size_t common = previous.len < key.len ? previous.len : key.len;
    int order = common > 0 ? memcmp(previous.data, key.data, common) : 0;
    return order < 0 || (order == 0 && previous.len < key.len);
}

/* Only what save writes is accepted, so that one state has one digest. */
static int load_entries(struct tc_store *store, struct tc_cursor *cursor)
{
    struct tc_slice previous = {NULL, 0};
    uint32_t count = tc_cursor_u32(cursor);
    for (uint32_t i = 0; i < count && tc_cursor_ok(cursor); i++) {
        uint32_t key_len = tc_cursor_u32(cursor), value_len = tc_cursor_u32(cursor);
        struct tc_slice key = tc_cursor_bytes(cursor, key_len), value = tc_cursor_bytes(cursor, value_len);
        if (!tc_cursor_ok(cursor) || key.len == 0 || key.len > TC_WIRE_KEY_MAX || value.len > TC_WIRE_OPERAND_MAX ||
            !key_follows(previous, key))
            return TC_EMALFORMED;
        int rc = put(store, key, value);
        if (rc != 1)
            return rc < 0 ? rc : TC_EMALFORMED;
        previous = key;
    }
    return tc_cursor_ok(cursor) ? 0 : TC_EMALFORMED;
}

static int load_clients(struct tc_store *store, struct tc_cursor *cursor)
{
    uint32_t count = tc_cursor_u32(cursor), next = 0;
    for (uint32_t i = 0; i < count && tc_cursor_ok(cursor); i++) {
        uint32_t number = tc_cursor_u16(cursor);
        uint64_t timestamp = tc_cursor_u64(cursor);
        struct tc_slice result = tc_cursor_bytes(cursor, tc_cursor_u32(cursor));
        if (!tc_cursor_ok(cursor) || number < next || number >= TC_NODES_MAX || timestamp == 0)
            return TC_EMALFORMED;
        int rc = set_client(store, number, timestamp, result);
        if (rc != 0)
            return rc;
        next = number + 1;
    }
    return tc_cursor_done(cursor) ? 0 : TC_EMALFORMED;
}

int tc_store_load(struct tc_slice bytes, uint64_t *sequence, struct tc_store **out)
{
    struct tc_cursor cursor = tc_cursor_over(bytes);
    struct tc_store *store = tc_store_new();
    if (!store)
        return TC_EMEMORY;
    uint64_t tag = tc_cursor_u64(&cursor);
    *sequence = tc_cursor_u64(&cursor);
    int rc = tag == SNAPSHOT_TAG ? load_entries(store, &cursor) : TC_EMALFORMED;
    if (rc == 0)
        rc = load_clients(store, &cursor);
    if (rc != 0) {
        tc_store_free(store);
        return rc;
    }
    *out = store;
    return 0;
}
