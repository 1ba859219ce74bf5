/* What the command line says. */
#ifndef GAME_OPTIONS_H
#define GAME_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct options {
    int64_t frames; /* of a game without a terminal; 0: with one */
    int64_t budget; /* of the outside world's part of a frame, in nanoseconds */
    unsigned clients;
    int port; /* 0: none */
    uint32_t seed;
    const char *name, *levels, *scores;
};

/* Fills it in. -1: go on; else the status to exit with, and it has said why. */
int options_parse(struct options *options, int argc, char **argv);

#endif
