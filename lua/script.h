/* The script engine: loads an attack file, runs its handlers in a deterministic and bounded Lua 5.4, and
 * presents it to the engine as a `struct tc_handler`. Only this folder sees <lua.h>. */
#ifndef TC_SCRIPT_H
#define TC_SCRIPT_H

#include "../injectors/ledger.h"
#include "../injectors/plan.h"
#include "../reference/protocol.h"

#define TC_SCRIPT_ARGS_MAX  32
#define TC_SCRIPT_KINDS_ALL ((1u << TC_KIND_COUNT) - 1)

enum tc_expect { TC_EXPECT_UNSET = -1, TC_EXPECT_NO = 0, TC_EXPECT_YES = 1 };

struct tc_script_arg {
    char name[TC_NAME_MAX];
    char value[128]; /* the default, as text */
    char help[256];
    bool has_min, has_max; /* a number outside of them is refused when the script is loaded */
    double min, max;
};

/* What the attack says of itself. Owned by the script. */
struct tc_script_info {
    char name[TC_NAME_MAX];
    char path[512];
    char summary[512];
    char source[256];         /* paper or report it comes from, may be "" */
    char verdict_sample[512]; /* a sample verdict line, may be "" */
    char tags[8][32];
    uint32_t tag_count;
    uint32_t kinds; /* bit set of enum tc_kind */
    struct tc_script_arg args[TC_SCRIPT_ARGS_MAX];
    uint32_t arg_count;
    enum tc_expect expect_safety, expect_liveness, expect_evidence;
    char protocol[TC_NAME_MAX]; /* of a scenario: its cluster's; "" of an attack */
    bool needs_keys;            /* it signs: traitors' secret keys must be at hand */
};

struct tc_script_config {
    const char *path;    /* file to load */
    const char *lua_dir; /* where prelude.lua and the library are */
    const struct tc_protocol *protocol;
    struct tc_protocol_env env;
    struct tc_ledger *ledger;
    uint64_t seed;
    const char *const *args; /* "name=value" */
    size_t arg_count;
    uint64_t steps_max; /* instructions a call; 0 = 10 million */
    size_t memory_max;  /* bytes; 0 = 64 MiB */
};

struct tc_script;

/* Loads and checks a file. TC_EUSAGE (unknown argument, missing field: file, line, what was expected), TC_ESCRIPT (it
 * does not load or run), TC_ENOT_FOUND, TC_EMEMORY. */
int tc_script_load(const struct tc_script_config *config, struct tc_script **out, struct tc_error *err);
/* Safe on NULL. The handler must no longer be used. */
void tc_script_free(struct tc_script *script);

/* What the file says of itself, and its arguments as they were given. Borrowed, valid as long as the script. */
const struct tc_script_info *tc_script_info(const struct tc_script *script);

/* Ends the call in hand, and every later one, with an error: for a thread that sees it hold up the run. The only
 * function of these that another thread may call. */
void tc_script_halt(struct tc_script *script);

/* The handler to give to the engine; valid as long as the script. */
const struct tc_handler *tc_script_handler(struct tc_script *script);

/* The file that a name means: NAME itself if it is a path that exists, else lua_dir/attacks/NAME.lua (kind "attacks")
 * or lua_dir/scenarios/NAME.lua. TC_ENOT_FOUND with the nearest names as a hint. */
int tc_script_find(const char *lua_dir, const char *kind, const char *name, char path[static 512],
                   struct tc_error *err);

#endif
