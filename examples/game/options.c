#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef GAME_LEVELS
#define GAME_LEVELS "levels"
#endif

static const char usage[] =
    "usage: game_loop [OPTION]...\n"
    "  --name NAME      yours; otherwise $USER\n"
    "  --port PORT      where others join by nc (8888; headless 0); 0: nowhere\n"
    "  --levels FOLDER  with the levels 1.txt, 2.txt, ...\n"
    "  --scores FILE    where the best scores are kept (headless: nowhere)\n"
    "  --budget MICROS  of a frame, for guests and keys (2000)\n"
    "  --headless N     N frames without a terminal, played by scripts; says how long polls took\n"
    "  --seed S         of the scripts (1)\n"
    "  --clients K      headless: with K guests that chatter, from another process\n";

static bool to_number(const char *text, long most, long *number)
{
    char *end;

    errno = 0;
    *number = strtol(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && *number >= 0 && *number <= most;
}

/* Takes an option that has a number. 1: done; 0: it is none of these; -1: no such number. */
static int take_number(struct options *options, const char *name, const char *value)
{
    static const struct {
        const char *name;
        long least, most;
    } known[] = {{"--port", 0, 65535},
                 {"--budget", 0, 1000000},
                 {"--headless", 1, 10000000},
                 {"--seed", 0, 0x7fffffff},
                 {"--clients", 0, 20000}};
    size_t i = 0;
    long number;

    while (i < sizeof known / sizeof *known && strcmp(name, known[i].name) != 0) {
        i++;
    }
    if (i == sizeof known / sizeof *known) {
        return 0;
    }
    if (!to_number(value, known[i].most, &number) || number < known[i].least) {
        fprintf(stderr, "game_loop: %s: a number from %ld to %ld, not \"%s\"\n", name,
                known[i].least, known[i].most, value);
        return -1;
    }
    switch (i) {
    case 0:
        options->port = (int)number;
        break;
    case 1:
        options->budget = number * 1000;
        break;
    case 2:
        options->frames = number;
        break;
    case 3:
        options->seed = (uint32_t)number;
        break;
    default:
        options->clients = (unsigned)number;
    }
    return 1;
}

static bool take_text(struct options *options, const char *name, const char *value)
{
    if (strcmp(name, "--name") == 0) {
        options->name = value;
    } else if (strcmp(name, "--levels") == 0) {
        options->levels = value;
    } else if (strcmp(name, "--scores") == 0) {
        options->scores = value;
    } else {
        return false;
    }
    return true;
}

static int take(struct options *options, const char *name, const char *value)
{
    int taken;

    if (strcmp(name, "--help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    taken = take_number(options, name, value == NULL ? "" : value);
    if (taken == 0 && value != NULL && take_text(options, name, value)) {
        taken = 1;
    }
    if (taken == 0) {
        fprintf(stderr, "game_loop: %s: no such option, or it needs a value; see --help\n", name);
    }
    return taken > 0 ? -1 : 2;
}

int options_parse(struct options *options, int argc, char **argv)
{
    const char *user = getenv("USER");

    *options = (struct options){.budget = 2000000,
                                .port = -1,
                                .seed = 1,
                                .name = user != NULL && *user != '\0' ? user : "you",
                                .levels = GAME_LEVELS};
    for (int i = 1; i < argc; i += 2) {
        int status = take(options, argv[i], i + 1 < argc ? argv[i + 1] : NULL);
        if (status >= 0) {
            return status;
        }
    }
    if (options->clients > 0 && options->frames == 0) {
        fprintf(stderr, "game_loop: --clients: only with --headless\n");
        return 2;
    }
    if (options->port < 0) {
        options->port = options->frames > 0 ? 0 : 8888;
    }
    if (options->scores == NULL && options->frames == 0) {
        options->scores = "game_loop.scores";
    }
    return -1;
}
