/* The lab's event loop, its replicas and their disks. */
#include "cluster_internal.h"

void *lab_alloc(size_t size)
{
    void *made = calloc(1, size > 0 ? size : 1);
    if (!made)
        abort();
    return made;
}

struct blob *lab_blob(struct tc_slice bytes)
{
    struct blob *blob = lab_alloc(sizeof *blob + bytes.len);
    blob->references = 1;
    blob->len = bytes.len;
    if (bytes.len > 0)
        memcpy(blob->data, bytes.data, bytes.len);
    return blob;
}

void lab_blob_drop(struct blob *blob)
{
    if (blob && --blob->references == 0)
        free(blob);
}

uint64_t lab_random(const struct tc_lab *lab, uint64_t a, uint64_t b, uint64_t c)
{
    return tc_random_mix(tc_random_mix(tc_random_mix(lab->options.seed, a), b), c);
}

/* ---- heap on (time, order) ---- */

static bool before(const struct lab_event *a, const struct lab_event *b)
{
    return a->time_ns != b->time_ns ? a->time_ns < b->time_ns : a->order < b->order;
}

void lab_push(struct tc_lab *lab, struct lab_event event)
{
    if (lab->heap_count == lab->heap_room) {
        lab->heap_room = lab->heap_room ? lab->heap_room * 2 : 1024;
        lab->heap = realloc(lab->heap, lab->heap_room * sizeof *lab->heap);
        if (!lab->heap)
            abort();
    }
    event.order = lab->order++;
    size_t at = lab->heap_count++;
    while (at > 0 && before(&event, &lab->heap[(at - 1) / 2])) {
        lab->heap[at] = lab->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    lab->heap[at] = event;
}

bool lab_pop(struct tc_lab *lab, struct lab_event *event)
{
    if (lab->heap_count == 0)
        return false;
    *event = lab->heap[0];
    struct lab_event last = lab->heap[--lab->heap_count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= lab->heap_count)
            break;
        if (child + 1 < lab->heap_count && before(&lab->heap[child + 1], &lab->heap[child]))
            child++;
        if (!before(&lab->heap[child], &last))
            break;
        lab->heap[at] = lab->heap[child];
        at = child;
    }
    if (lab->heap_count > 0)
        lab->heap[at] = last;
    return true;
}

/* ---- turns: a step's outputs wait for the disk ---- */

static void free_turn(struct turn *turn)
{
    for (uint32_t i = 0; i < turn->record_count; i++)
        lab_blob_drop(turn->records[i]);
    for (uint32_t i = 0; i < turn->send_count; i++)
        lab_blob_drop(turn->sends[i].frame);
    for (uint32_t i = 0; i < turn->observation_count; i++) {
        free((void *)(uintptr_t)turn->observations[i].text);
        if (turn->observations[i].kind == TC_OBS_EXECUTED)
            free((void *)(uintptr_t)turn->observations[i].executed.operations);
    }
    free(turn->records);
    free(turn->sends);
    free(turn->observations);
    free(turn);
}

static void copy_observation(struct tc_observation *into, const struct tc_observation *from)
{
    *into = *from;
    into->text = strdup(from->text ? from->text : "");
    if (from->kind != TC_OBS_EXECUTED)
        return;
    size_t size = from->executed.operation_count * sizeof(struct tc_operation);
    struct tc_operation *operations = lab_alloc(size);
    if (size > 0)
        memcpy(operations, from->executed.operations, size);
    into->executed.operations = operations;
}

static struct turn *make_turn(const struct tc_outputs *outputs)
{
    struct turn *turn = lab_alloc(sizeof *turn);
    turn->records = lab_alloc(2 * outputs->count * sizeof(struct blob *));
    turn->sends = lab_alloc(outputs->count * sizeof *turn->sends);
    turn->observations = lab_alloc(outputs->count * sizeof *turn->observations);
    const uint8_t *shared = NULL;
    for (size_t i = 0; i < outputs->count; i++) {
        const struct tc_output *output = &outputs->items[i];
        if (output->kind == TC_OUT_PERSIST || output->kind == TC_OUT_SNAPSHOT) {
            if (output->kind == TC_OUT_SNAPSHOT)
                turn->records[turn->record_count++] = NULL;
            turn->records[turn->record_count++] = lab_blob(output->bytes);
        } else if (output->kind == TC_OUT_SEND) {
            struct blob *frame;
            if (shared == output->bytes.data) {
                frame = turn->sends[turn->send_count - 1].frame;
                frame->references++;
            } else {
                frame = lab_blob(output->bytes);
            }
            shared = output->bytes.data;
            turn->sends[turn->send_count].to = output->to;
            turn->sends[turn->send_count++].frame = frame;
        } else {
            copy_observation(&turn->observations[turn->observation_count++], &output->observation);
        }
    }
    return turn;
}

static void clear_disk(struct lab_node *node)
{
    for (uint32_t i = 0; i < node->disk_count; i++)
        lab_blob_drop(node->disk[i]);
    node->disk_count = 0;
}

/* The first `count` entries of the turn's records reach the disk. */
static void write_records(struct lab_node *node, const struct turn *turn, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!turn->records[i]) {
            if (i + 1 < count)
                clear_disk(node);
            continue;
        }
        if (node->disk_count == node->disk_room) {
            node->disk_room = node->disk_room ? node->disk_room * 2 : 64;
            node->disk = realloc(node->disk, node->disk_room * sizeof *node->disk);
            if (!node->disk)
                abort();
        }
        turn->records[i]->references++;
        node->disk[node->disk_count++] = turn->records[i];
    }
}

static void observe(struct tc_lab *lab, uint16_t number, const struct tc_observation *observation)
{
    lab_judge_observed(lab, number, observation);
    if (lab->options.watch.observed)
        lab->options.watch.observed(lab->options.watch.self, number, observation);
}

static void release(struct tc_lab *lab, uint16_t number)
{
    struct lab_node *node = &lab->nodes[number];
    struct turn *turn = node->turns;
    node->turns = turn->next;
    if (!node->turns)
        node->turns_end = &node->turns;
    write_records(node, turn, turn->record_count);
    for (uint32_t i = 0; i < turn->observation_count; i++)
        observe(lab, number, &turn->observations[i]);
    for (uint32_t i = 0; i < turn->send_count; i++) {
        struct blob *frame = turn->sends[i].frame;
        lab_judge_said(lab, number, (struct tc_slice){frame->data, frame->len});
        if (lab->options.watch.said)
            lab->options.watch.said(lab->options.watch.self, number, turn->sends[i].to,
                                    (struct tc_slice){frame->data, frame->len});
        lab_say(lab, number, turn->sends[i].to, frame);
    }
    free_turn(turn);
}

static void step_node(struct tc_lab *lab, uint16_t number, const struct tc_replica_event *event)
{
    struct lab_node *node = &lab->nodes[number];
    struct tc_outputs outputs;
    int rc = lab->class->step(node->replica, event, &outputs);
    if (rc != 0) {
        tc_lab_fail(lab, "replica %u: step %d failed: %s", (unsigned)number, (int)event->kind, tc_error_text(rc));
        return;
    }
    uint64_t deadline = lab->class->deadline_ns(node->replica);
    if (deadline != TC_NEVER_NS && deadline < node->timer_ns) {
        node->timer_ns = deadline > lab->now_ns ? deadline : lab->now_ns + 1;
        lab_push(lab,
                 (struct lab_event){
                     .time_ns = node->timer_ns, .kind = LAB_TIMER, .to = number, .incarnation = node->incarnation});
    }
    if (outputs.count == 0)
        return;
    struct turn *turn = make_turn(&outputs);
    uint64_t at = node->release_ns > lab->now_ns ? node->release_ns : lab->now_ns;
    if (turn->record_count > 0 && lab->options.sync_ns_max > 0)
        at += tc_random_below(lab_random(lab, 1, number, lab->order), lab->options.sync_ns_max) + 1;
    lab->records += turn->record_count;
    node->release_ns = at;
    *node->turns_end = turn;
    node->turns_end = &turn->next;
    lab_push(lab,
             (struct lab_event){.time_ns = at, .kind = LAB_RELEASE, .to = number, .incarnation = node->incarnation});
}

/* ---- life of a replica ---- */

static void boot(struct tc_lab *lab, uint16_t number)
{
    struct lab_node *node = &lab->nodes[number];
    struct tc_replica_config config = {.id = number, .env = lab->env, .bugs = lab->options.bugs};
    struct tc_error err = {0};
    node->replica = lab->class->create(&config, &err);
    if (!node->replica) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    node->up = true;
    node->incarnation++;
    node->turns = NULL;
    node->turns_end = &node->turns;
    node->release_ns = 0;
    node->timer_ns = TC_NEVER_NS;
    for (uint32_t i = 0; i < node->disk_count; i++)
        step_node(lab, number,
                  &(struct tc_replica_event){.kind = TC_REPLICA_RECORD,
                                             .now_ns = lab->now_ns,
                                             .bytes = {node->disk[i]->data, node->disk[i]->len}});
    step_node(lab, number, &(struct tc_replica_event){.kind = TC_REPLICA_START, .now_ns = lab->now_ns});
}

static void link_up(struct tc_lab *lab, uint16_t node, uint16_t peer)
{
    uint64_t delay = tc_random_below(lab_random(lab, 2, lab->order, node), 2000000);
    lab_push(lab, (struct lab_event){.time_ns = lab->now_ns + delay,
                                     .kind = LAB_LINK,
                                     .from = peer,
                                     .to = node,
                                     .incarnation = lab->nodes[node].incarnation});
}

struct tc_lab *tc_lab_new(const struct tc_lab_options *options)
{
    struct tc_lab *lab = lab_alloc(sizeof *lab);
    lab->options = *options;
    lab->keys = tc_keyring_new(options->scheme);
    for (uint32_t i = 0; i < options->cluster.n + options->cluster.client_count; i++) {
        uint8_t seed[TC_SECRET_SEED_SIZE];
        uint32_t node = i < options->cluster.n ? i : TC_CLIENT_FIRST + i - options->cluster.n;
        tc_keyring_derive_seed(7, node, seed);
        tc_keyring_add_secret(lab->keys, node, seed);
    }
    lab->env = (struct tc_protocol_env){.cluster = &lab->options.cluster, .keys = lab->keys};
    lab->class = tc_replica_find(options->protocol ? options->protocol : "pbft");
    tc_arena_init(&lab->arena, 64u << 20);
    for (uint16_t i = 0; i < options->cluster.n; i++) {
        lab->nodes[i].active = true;
        boot(lab, i);
    }
    return lab;
}

static void stop(struct tc_lab *lab, struct lab_node *node)
{
    while (node->turns) {
        struct turn *turn = node->turns;
        node->turns = turn->next;
        free_turn(turn);
    }
    if (node->up)
        lab->class->destroy(node->replica);
    node->replica = NULL;
    node->up = false;
}

void tc_lab_free(struct tc_lab *lab)
{
    for (size_t i = 0; i < lab->options.cluster.n; i++) {
        stop(lab, &lab->nodes[i]);
        clear_disk(&lab->nodes[i]);
        free(lab->nodes[i].disk);
    }
    for (size_t i = 0; i < lab->options.cluster.client_count; i++)
        lab_blob_drop(lab->clients[i].request);
    for (size_t i = 0; i < lab->heap_count; i++)
        lab_blob_drop(lab->heap[i].frame);
    free(lab->heap);
    free(lab->facts);
    tc_keyring_free(lab->keys);
    tc_arena_free(&lab->arena);
    free(lab);
}

/* Of the turns that wait for the disk a part was written: whole turns, and of the next one some records. None of their
 * outputs leaves. */
void tc_lab_crash(struct tc_lab *lab, uint16_t number)
{
    struct lab_node *node = &lab->nodes[number];
    if (!node->up)
        return;
    uint32_t total = 0, kept;
    for (const struct turn *turn = node->turns; turn; turn = turn->next)
        total += turn->record_count;
    kept = (uint32_t)tc_random_below(lab_random(lab, 3, lab->order, number), total + 1);
    for (const struct turn *turn = node->turns; turn && kept > 0; turn = turn->next) {
        uint32_t count = turn->record_count < kept ? turn->record_count : kept;
        write_records(node, turn, count);
        kept -= count;
    }
    stop(lab, node);
}

void tc_lab_restart(struct tc_lab *lab, uint16_t number, bool wiped)
{
    struct lab_node *node = &lab->nodes[number];
    if (node->up)
        return;
    if (wiped) {
        clear_disk(node);
        node->executed = 0;
    }
    uint64_t executed_before = node->executed;
    node->executed = 0;
    node->stable = 0;
    boot(lab, number);
    while (node->turns) /* its first words are about what it remembers: hear them before the rest goes on */
        release(lab, number);
    lab_judge_restarted(lab, number, executed_before);
    for (uint16_t i = 0; i < lab->options.cluster.n; i++) {
        if (i == number || !lab->nodes[i].up)
            continue;
        if (!lab->blocked[i][number])
            link_up(lab, i, number);
        if (!lab->blocked[number][i])
            link_up(lab, number, i);
    }
}

void tc_lab_heal(struct tc_lab *lab)
{
    for (uint16_t i = 0; i < TC_NODES_MAX; i++) {
        for (uint16_t j = 0; j < TC_NODES_MAX; j++) {
            if (!lab->blocked[i][j])
                continue;
            lab->blocked[i][j] = false;
            if (i < lab->options.cluster.n && j < lab->options.cluster.n && lab->nodes[i].up && lab->nodes[j].up)
                link_up(lab, i, j);
        }
    }
}

/* ---- loop ---- */

static void deliver(struct tc_lab *lab, const struct lab_event *event)
{
    struct tc_slice bytes = {event->frame->data, event->frame->len};
    if (lab->blocked[event->from][event->to])
        return;
    if (event->to >= TC_CLIENT_FIRST) {
        lab_client_hear(lab, event->to, bytes);
        return;
    }
    if (!lab->nodes[event->to].up)
        return;
    if (lab->options.watch.heard)
        lab->options.watch.heard(lab->options.watch.self, event->from, event->to, bytes);
    /* exactly sized memory: a read past the frame's end is caught */
    uint8_t *copy = lab_alloc(bytes.len);
    memcpy(copy, bytes.data, bytes.len);
    step_node(lab, event->to,
              &(struct tc_replica_event){
                  .kind = TC_REPLICA_FRAME, .now_ns = lab->now_ns, .peer = event->from, .bytes = {copy, bytes.len}});
    free(copy);
}

static void handle(struct tc_lab *lab, const struct lab_event *event)
{
    struct lab_node *node = event->to < TC_REPLICAS_MAX ? &lab->nodes[event->to] : NULL;
    bool current = node && node->up && node->incarnation == event->incarnation;
    switch (event->kind) {
    case LAB_DELIVER:
        deliver(lab, event);
        break;
    case LAB_RELEASE:
        if (current && node->turns)
            release(lab, event->to);
        break;
    case LAB_TIMER:
        if (!current || event->time_ns != node->timer_ns)
            break;
        node->timer_ns = TC_NEVER_NS;
        /* stepped also when the deadline moved on: an early timer must do no harm */
        step_node(lab, event->to, &(struct tc_replica_event){.kind = TC_REPLICA_TIMER, .now_ns = lab->now_ns});
        break;
    case LAB_LINK:
        if (current && !lab->blocked[event->to][event->from])
            step_node(lab, event->to,
                      &(struct tc_replica_event){.kind = TC_REPLICA_LINK, .now_ns = lab->now_ns, .peer = event->from});
        break;
    case LAB_RETRY:
        lab_client_retry(lab, event->to, event->incarnation);
        break;
    }
}

void tc_lab_run(struct tc_lab *lab, uint64_t until_ns)
{
    struct lab_event event;
    while (!lab->failure[0] && lab->heap_count > 0 && lab->heap[0].time_ns <= until_ns) {
        lab_pop(lab, &event);
        lab->now_ns = event.time_ns;
        handle(lab, &event);
        lab_blob_drop(event.frame);
    }
    if (!lab->failure[0] && lab->now_ns < until_ns)
        lab->now_ns = until_ns;
}
