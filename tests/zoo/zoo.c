/* The bug zoo under the strategies of the hunt: how many runs, and how many seconds of one core, until the first
 * violation. Trials in memory, nothing else; what a user gets from `turncoat hunt` are the same runs.
 *
 *   zoo [--strategy NAME]… [--bug NAME]… [--seeds N] [--seconds S] [--runs N] [--decisions N] [--first SEED]
 *   zoo --look S …         every strategy for S seconds with one seed; then the best of them, with all seeds
 *   zoo --first-find …     all strategies for a second, for eight, for all: until one has found the bug
 *   zoo --without BUG …    leaves one out
 *   zoo --performance S    the greedy search for what slows each protocol down most, over S seeds
 *   zoo --correct N        N runs of each correct protocol under each strategy: no violation
 *   zoo --rows             bug, protocol and number of replicas of each row
 *   zoo --show SEED INDEX  one run (with one --strategy and one --bug), and what was found in it */
#include "zoo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_FOUND_NOTHING 1

static uint64_t number(const char *text)
{
    return text ? strtoull(text, NULL, 0) : 0;
}

static void read_options(int argc, char **argv, struct zoo_options *o)
{
    *o = (struct zoo_options){.seeds = 5, .seconds = 60, .runs = UINT64_MAX, .decisions = 16, .first = 1};
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(name, "--any-scope") == 0 || strcmp(name, "--first-find") == 0) {
            *(name[2] == 'a' ? &o->any_scope : &o->first_find) = true;
            continue;
        }
        if (strcmp(name, "--rows") == 0) {
            o->rows = true;
            continue;
        }
        if (!value) {
            fprintf(stderr, "zoo: %s: expected a value\n", name);
            exit(64);
        }
        i++;
        if (strcmp(name, "--strategy") == 0 && o->strategy_count < ZOO_NAMES_MAX)
            o->strategies[o->strategy_count++] = value;
        else if (strcmp(name, "--bug") == 0 && o->bug_count < ZOO_NAMES_MAX)
            o->bugs[o->bug_count++] = value;
        else if (strcmp(name, "--without") == 0 && o->without_count < ZOO_NAMES_MAX)
            o->without[o->without_count++] = value;
        else if (strcmp(name, "--protocol") == 0 && o->protocol_count < ZOO_NAMES_MAX)
            o->protocols[o->protocol_count++] = value;
        else if (strcmp(name, "--seeds") == 0)
            o->seeds = number(value);
        else if (strcmp(name, "--seconds") == 0)
            o->seconds = strtod(value, NULL);
        else if (strcmp(name, "--look") == 0)
            o->look = strtod(value, NULL);
        else if (strcmp(name, "--runs") == 0)
            o->runs = number(value);
        else if (strcmp(name, "--decisions") == 0)
            o->decisions = number(value);
        else if (strcmp(name, "--first") == 0)
            o->first = number(value);
        else if (strcmp(name, "--performance") == 0) {
            o->performance = true;
            o->seeds = number(value);
        } else if (strcmp(name, "--correct") == 0)
            o->correct = number(value);
        else if (strcmp(name, "--show") == 0 && i + 1 < argc) {
            o->show = true;
            o->show_seed = number(value);
            o->show_index = number(argv[++i]);
        } else {
            fprintf(stderr, "zoo: %s: no such option\n", name);
            exit(64);
        }
    }
}

int main(int argc, char **argv)
{
    struct zoo_options options;
    read_options(argc, argv, &options);
    if (options.rows) {
        zoo_list_rows();
        return 0;
    }
    if (options.show)
        return zoo_show(&options);
    if (options.performance) {
        zoo_performance(&options);
        return 0;
    }
    if (options.correct)
        return zoo_correct(&options) ? EXIT_FOUND_NOTHING : 0;
    return zoo_table(&options) ? EXIT_FOUND_NOTHING : 0;
}
