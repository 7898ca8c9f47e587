/* What the files of lua/ share. The only headers that include <lua.h> are here; nobody outside includes this one.
 *
 * A *sandbox* is one Lua state with a memory cap and a budget of steps; a script is a sandbox plus an attack; scenario
 * and cluster files are read in a sandbox that is closed again.
 *
 * Lua reports errors by longjmp: a C function that runs inside Lua owns no memory but the sandbox's own (userdata, the
 * plan's arena, the pools of the script). */
#ifndef TC_LUA_INTERNAL_H
#define TC_LUA_INTERNAL_H

#include "../proxy/nodeset.h"
#include "script.h"
#include <lauxlib.h>
#include <lua.h>
#include <stdatomic.h>

#define TC_STEPS_DEFAULT  UINT64_C(10000000)
#define TC_MEMORY_DEFAULT ((size_t)64 << 20)
#define TC_SOURCE_MAX     ((size_t)1 << 20) /* bytes of a script file */
#define TC_BORROWED_POOL  64   /* handles for borrowed messages, taken in turn: a kept one is noticed, not aliased */
#define TC_DECODED_MAX    512  /* owned messages that one call may look into */
#define TC_STATE_RING     4096 /* integer keys in c.state; the oldest leaves */
#define TC_STATE_NAMES    4096 /* other keys in c.state; one more is an error */
#define TC_TIMERS_MAX     1024 /* pending c:after */
#define TC_HEARD_MAX      4096 /* messages remembered for c:heard */
#define TC_HEARD_BYTES    ((size_t)16 << 20)

/* Fixed places on the Lua stack of every sandbox. */
enum { TC_AT_TRACEBACK = 1, TC_AT_ENV, TC_AT_BASE = TC_AT_ENV };

/* ---- source.c: the text of a file, its words, its lines ---- */

struct tc_token {
    uint32_t start, len, line;
    char type; /* 'n' name, 's' string, 'd' number, or the character of an operator */
};

struct tc_source {
    char path[512];
    char chunk[128]; /* what error messages call it: the last two parts of the path */
    char *text;
    size_t len;
    struct tc_token *tokens;
    size_t token_count;
};

/* Reads and scans a file. TC_ENOT_FOUND, TC_EUSAGE (not a file that may be read), TC_EIO, TC_EMEMORY, TC_ELIMIT (too
 * large), TC_ESCRIPT (bytecode, or the operator ^, whose last bits differ between processors). Free with tc_source_free
 * in every case. */
int tc_source_read(const char *path, struct tc_source *source, struct tc_error *err);
int tc_source_scan(struct tc_source *source, struct tc_error *err); /* as above, for text already there */
void tc_source_free(struct tc_source *source);

/* Does the name occur as a word (outside strings and comments)? */
bool tc_source_uses(const struct tc_source *source, const char *name);

/* Line of the key that `path` (names joined by '.') leads to: "cluster.n" is the first `n =` after the first
 * `cluster =` (or `["cluster"] =`), "id#3" the third. The line of the deepest part found, at least `line`. */
uint32_t tc_source_line(const struct tc_source *source, const char *path, uint32_t line);

/* ---- sandbox.c ---- */

struct tc_sandbox {
    lua_State *L;
    size_t memory_used, memory_max;
    uint64_t steps_max;
    int64_t steps_left;
    bool calling;             /* protected: the memory cap holds. What we do outside is small, and must not fail */
    char refused_at[160];     /* "file:line" that asked for memory beyond the cap, last */
    bool exhausted;           /* sticky until the next call is armed: no pcall can swallow it */
    _Atomic bool halted;      /* by another thread, for good */
    struct tc_script *script; /* NULL: no protocol, no run (scenario files, help) */
    const struct tc_source *source;
    uint32_t declared_line; /* line of the attack, scenario, cluster or reference call */
    char declared_name[TC_NAME_MAX];
    char declared_kind[16]; /* "attack", "scenario", "cluster", "reference" */
};

/* Makes the state with everything that scripts may use. TC_EMEMORY, TC_ESCRIPT (prelude.lua). */
int tc_sandbox_open(struct tc_sandbox *box, uint64_t steps_max, size_t memory_max, const char *lua_dir,
                    struct tc_error *err);
void tc_sandbox_close(struct tc_sandbox *box);

static inline struct tc_sandbox *tc_sandbox_of(lua_State *L)
{
    return *(struct tc_sandbox **)lua_getextraspace(L);
}

/* Gives the next call its full budget. */
void tc_sandbox_arm(struct tc_sandbox *box);

/* Spends steps; raises when there are none left. */
void tc_sandbox_charge(lua_State *L, uint64_t steps);

/* Calls what lies on the stack, protected and with a traceback. On an error the stack is cut to where the function was
 * and `err` says script, line and message: TC_ESCRIPT, TC_ELIMIT (budget or memory). */
int tc_sandbox_call(struct tc_sandbox *box, int arguments, int results, struct tc_error *err);

/* Runs a C function in protected mode with `argument` as light userdata at 1. Errors as tc_sandbox_call. */
int tc_sandbox_protect(struct tc_sandbox *box, lua_CFunction function, void *argument, struct tc_error *err);

/* Loads and runs source; its one result is left on the stack. The budget is armed. */
int tc_sandbox_run(struct tc_sandbox *box, const struct tc_source *source, struct tc_error *err);

/* Raises "expected …, found …" for argument `arg`, which may be an index of the stack for what is in a list. */
int tc_lua_expected(lua_State *L, int arg, const char *expected);

/* "a string", "the number 3", …: what stands at an index, for error messages. Pushes the text and returns it. */
const char *tc_lua_found(lua_State *L, int index);

/* Registers `functions` in the table on top, each with the upvalue count 0. */
void tc_lua_register(lua_State *L, const luaL_Reg *functions);

/* sandbox_base.c, list.c, pattern_api.c: fill the environment (table on top). */
void tc_base_open(lua_State *L);
void tc_string_open(lua_State *L);
void tc_list_open(lua_State *L);    /* table library on top */
void tc_pattern_open(lua_State *L); /* string library on top */
void tc_declare_open(lua_State *L); /* attack, scenario, cluster, reference, load */

/* Text of any value without an address. Pushes and returns it. */
const char *tc_lua_text(lua_State *L, int index);

/* Pushes the keys of the table at `index` in order as an array; returns their number. Raises on a key without order. */
size_t tc_lua_keys(lua_State *L, int index);

/* Declared kind of the table at index ("attack" …), or NULL. */
const char *tc_declared_kind(lua_State *L, int index);

/* The file it was declared in and the line; NULL if it was not. */
const struct tc_source *tc_declared_source(lua_State *L, int index, uint32_t *line);

/* ---- pattern.c ---- */

#define TC_CAPTURES_MAX     32
#define TC_CAPTURE_POSITION (-2)

struct tc_match {
    lua_State *L;
    const char *text, *text_end, *pattern_end;
    int captures;
    uint32_t depth, spent;
    struct {
        const char *start;
        ptrdiff_t len; /* -1: open; TC_CAPTURE_POSITION */
    } capture[TC_CAPTURES_MAX];
};

/* Where the match of `pattern` at `at` ends, or NULL. Counts steps; raises on a malformed pattern. */
const char *tc_pattern_match(struct tc_match *match, const char *at, const char *pattern);

/* ---- script.c ---- */

/* An owned message that the present call looks into: decoded in an arena of its own. */
struct tc_decoded {
    struct tc_arena arena;
    struct tc_message message; /* its fields may have been changed, its neutral parts are those before */
    struct tc_message neutral; /* decoded again after a change */
    bool changed;              /* fields were changed: neutral parts are read from `neutral` */
    bool dirty;                /* … since the frame was made */
    bool fresh;                /* `neutral` is the frame's */
};

/* A name of a message's field where Lua keeps it, for api_message.c. */
struct tc_lua_name {
    const void *name; /* compared by address, never read; NULL: none */
    int field;
};

#define TC_NAMES_KNOWN 64

struct tc_heard {
    struct tc_message neutral; /* neutral fields only: no pointers but type */
    struct tc_statement first;
    uint8_t *frame;
    size_t frame_len;
};

/* Methods a script may define; the bit for the engine is that of the enum. */
struct tc_script {
    struct tc_sandbox box;
    struct tc_source source;
    struct tc_script_info info;
    struct tc_handler handler;
    const struct tc_protocol *protocol;
    struct tc_protocol_env env;
    struct tc_ledger *ledger;
    uint64_t seed, seed_rule; /* seed_rule: seed and the attack's name */
    char lua_dir[512];

    /* places on the Lua stack */
    int at_handler[TC_CALL_END + 1]; /* 0: none */
    int at_attack, at_context, at_args, at_borrowed, at_timers, at_live, at_traitors;

    /* during a call */
    const struct tc_call *call;
    struct tc_plan *plan;
    uint32_t generation; /* of the call: handles of another one are dead */
    uint32_t borrowed_next;
    struct tc_nodeset traitors;

    struct tc_lua_message *borrowed[TC_BORROWED_POOL]; /* the handles at at_borrowed and after it, which never move */
    struct tc_lua_name names[TC_NAMES_KNOWN];

    struct tc_decoded *decoded[TC_DECODED_MAX]; /* kept over calls, reset after each */
    uint32_t decoded_count;

    uint64_t token_next;
    uint32_t timer_count;

    struct tc_heard *heard; /* ring; NULL if the script never says `heard` */
    uint32_t heard_next, heard_count;
    size_t heard_bytes;

    uint64_t state_at;
    uint32_t state_names;
    bool state_full_noted;
};

static inline struct tc_script *tc_script_of(lua_State *L)
{
    return tc_sandbox_of(L)->script;
}

/* The script, in a call with a plan; raises outside of a run. */
struct tc_script *tc_script_running(lua_State *L);

/* script_load.c: reads the attack table at `index` into script->info and finds its handlers. */
int tc_script_check(struct tc_script *script, struct tc_error *err);
int tc_script_set_args(struct tc_script *script, const char *const *args, size_t count, struct tc_error *err);

/* script_call.c */
int tc_script_call(void *self, const struct tc_call *call, struct tc_plan *plan, struct tc_error *err);

/* ---- api_*.c: each makes its metatables (nothing left on the stack) ---- */

void tc_api_message_open(lua_State *L);
void tc_api_fields_open(lua_State *L);
void tc_api_verdict_open(lua_State *L);
void tc_api_context_open(lua_State *L);
void tc_api_state_open(lua_State *L);
void tc_api_owned_methods(lua_State *L); /* adds to the method table on top */
void tc_api_build_methods(lua_State *L);
void tc_api_cluster_methods(lua_State *L);
void tc_api_act_methods(lua_State *L);
void tc_api_heard_methods(lua_State *L);

#define TC_META_MESSAGE "tc.message"
#define TC_META_FIELDS  "tc.fields"
#define TC_META_LIST    "tc.list"
#define TC_META_VERDICT "tc.verdict"
#define TC_META_CONTEXT "tc.context"
#define TC_META_NIL     "tc.NIL"

/* A message as Lua sees it. */
struct tc_lua_message {
    const struct tc_message *message; /* valid in `generation` */
    struct tc_decoded *decoded;       /* owned: valid in `generation` */
    uint32_t generation;
    uint32_t statement; /* which statement it is a view of; 0 = the message itself */
    bool owned;         /* uservalue 1 is its frame, a string */
    uint16_t from, to;
    uint32_t conn, occurrence;
};

/* The handle at `arg`, its message (decoded if it was not); raises if it is none or dead. */
struct tc_lua_message *tc_lua_message_check(lua_State *L, int arg);
const struct tc_message *tc_lua_message_get(lua_State *L, int arg, struct tc_lua_message **handle);
const struct tc_message *tc_lua_message_neutral(lua_State *L, int arg, struct tc_lua_message **handle);

/* Pushes one of the borrowed handles for `message`; a fresh owned handle around a decoded state of this call. */
void tc_lua_push_borrowed(struct tc_script *script, const struct tc_message *message);
void tc_lua_push_owned(lua_State *L, struct tc_decoded *decoded, const struct tc_message *like);
void tc_lua_push_frame(lua_State *L, struct tc_slice frame, uint16_t from, uint16_t to); /* owned, from bytes */

/* A decoded state for this call, its arena sized for a message of `bytes`. Raises when there are too many. */
struct tc_decoded *tc_decoded_new(lua_State *L, size_t bytes);

/* After the call: frames of owned messages made or changed in it are kept, their decoded form goes. */
int tc_decoded_flush(struct tc_script *script, struct tc_error *err);

/* The frame of the message at `arg`, encoded anew if it was changed. Lives until the call ends. */
struct tc_slice tc_lua_frame(lua_State *L, int arg);

/* api_fields.c: pushes a handle on fields; `decoded` NULL: read only. */
void tc_lua_push_fields(lua_State *L, struct tc_fields fields, struct tc_decoded *decoded);
/* Sets field `name` of `fields` from the Lua value at `value`. Raises. */
void tc_lua_set_field(lua_State *L, struct tc_fields fields, struct tc_decoded *decoded, const char *name, size_t index,
                      int value);

/* The same for a field as a whole: a repeated one takes a table { value, … }, empty or not, in place of its elements.
 */
void tc_lua_set_whole(lua_State *L, struct tc_fields fields, struct tc_decoded *decoded, const char *name, int value);

/* What m.slot is: for proposals and votes the same for all that are about one decision (view and sequence), whatever
 * their type; otherwise the statement's own conflict key. 0: none. */
uint64_t tc_lua_slot(const struct tc_statement *s);

/* Pushes a value: NIL, lower-case hex. */
void tc_lua_push_value(lua_State *L, const struct tc_value *value);

/* api_verdict.c: fills plan->verdict from the value at `index`; raises what is no verdict. */
void tc_verdict_take(lua_State *L, int index);

/* Node id at `arg` (number); raises if it is none of the cluster's replicas or clients. */
uint16_t tc_lua_node(lua_State *L, int arg);
/* A set from a number, an array of ids, or a table with ids as keys that are true. */
void tc_lua_nodeset(lua_State *L, int arg, struct tc_nodeset *set);
void tc_lua_push_nodes(lua_State *L, const struct tc_nodeset *set);

/* Seconds at `arg` as nanoseconds: rounded to the nearest, half away from zero. Raises unless 0 … 86,400. */
uint64_t tc_lua_seconds(lua_State *L, int arg);

/* Mixes the key values from `first` to `last` into h. */
uint64_t tc_lua_mix(lua_State *L, uint64_t h, int first, int last);

/* Copies text into the plan's arena. Raises if it does not fit. */
const char *tc_plan_text(lua_State *L, const char *text);
struct tc_slice tc_plan_copy(lua_State *L, struct tc_slice bytes);
struct tc_op *tc_plan_op(lua_State *L, enum tc_verb verb);
void tc_plan_note(lua_State *L, const char *text);

/* api_act.c: pushes what c:after registered under the token (and forgets it); its type, LUA_TNIL if unknown. */
int tc_timer_take(lua_State *L, uint64_t token);

/* api_state.c */
void tc_lua_push_state(lua_State *L);

/* api_heard.c */
void tc_heard_add(struct tc_script *script, const struct tc_message *message);
void tc_heard_free(struct tc_script *script);

/* ---- library.c ---- */

/* Of `count` words the one nearest to `word` by edit distance, or NULL if none is near. */
const char *tc_lua_nearest(const char *word, const char *const *words, size_t count);

#endif
