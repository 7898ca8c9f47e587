/* Reading a table of a scenario or cluster file into C, with file, line, expected and found for every mistake. The
 * first mistake stays; later reads do nothing. Everything here runs inside a protected call. */
#ifndef TC_SCENARIO_READ_H
#define TC_SCENARIO_READ_H

#include "api.h"
#include "lua_internal.h"
#include "scenario.h"

struct tc_reader {
    lua_State *L;
    const struct tc_source *source; /* of the table being read */
    uint32_t line;                  /* where that table was declared */
    int code;                       /* 0, or the first mistake */
    struct tc_error *err;
};

/* Notes a mistake about the key that `path` leads to. `found` is a stack index, 0 for none. */
void tc_read_mistake(struct tc_reader *r, const char *path, const char *expected, int found);

/* Notes a mistake in a sentence of its own. */
void tc_read_fail(struct tc_reader *r, const char *path, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Every key of the table must be among `known`; `what` names the table ("a scenario"). */
void tc_read_keys(struct tc_reader *r, int table, const char *path, const char *what, const char *const *known,
                  size_t count);

/* The same, known being the names of a scope of api.def. */
void tc_read_api_keys(struct tc_reader *r, int table, const char *path, const char *what, enum tc_api_scope scope);

/* Each reads `key` of the table at `table` (absolute index) if it is there and returns whether it was. `path` is the
 * way to the table ("" at the top), for messages. */
bool tc_read_string(struct tc_reader *r, int table, const char *path, const char *key, char *to, size_t size);
bool tc_read_integer(struct tc_reader *r, int table, const char *path, const char *key, uint64_t min, uint64_t max,
                     uint64_t *to);
bool tc_read_number(struct tc_reader *r, int table, const char *path, const char *key, double min, double max,
                    double *to);
bool tc_read_seconds(struct tc_reader *r, int table, const char *path, const char *key, double min, double max,
                     uint64_t *to_ns);
bool tc_read_choice(struct tc_reader *r, int table, const char *path, const char *key, const char *const *words,
                    size_t count, int *to);

/* Pushes the table under `key` and returns true; nothing is pushed otherwise. */
bool tc_read_table(struct tc_reader *r, int table, const char *path, const char *key, const char *expected);

/* scenario_cluster.c: fills the spec with defaults; reads the declared cluster or reference table at `table`. */
void tc_scenario_cluster_defaults(struct tc_cluster_spec *spec, struct tc_load *load);
void tc_cluster_read(struct tc_reader *r, int table, struct tc_cluster_spec *spec, struct tc_load *load);
void tc_load_read(struct tc_reader *r, int table, const char *path, struct tc_load *load);
void tc_cluster_check_protocol(struct tc_reader *r, const char *path, const char *name);

/* scenario_models.c: network, disk and clocks of the scenario at `table`, for the simulation. The replicas
 * and clients of `cluster` may be named. */
void tc_models_read(struct tc_reader *r, int table, const struct tc_cluster *cluster, struct tc_world_spec *world);

/* scenario_sweep.c: the scenario's sweep, if there is one. */
void tc_sweep_read(struct tc_reader *r, int table, struct tc_sweep_spec *sweep);

#endif
