/*
 * Children that are none: what struct eddy_sys has for processes, simulated on the clock of the fixture's loop.
 *
 *     simulate_children(seed);                       // from here on the loop's table spawns these
 *     child = simulated_script(&script);             // one that is to be spawned next, by child->argv
 *     ... eddy_process_spawn with child->argv ...
 *     forget_simulated_children();                   // all that they have is given back
 *
 * A pidfd is an eventfd that is written when the child ends, and the child's ends of the pipes are held and moved
 * here, by timers; so a program of them is over in no time, and is the same each time. What no kernel would let
 * happen fails the test: a child that is reaped twice, a signal for a pid that is nobody's any more, a call that
 * would wait for ever.
 */
#ifndef EDDY_TESTING_SIMULATED_CHILDREN_H
#define EDDY_TESTING_SIMULATED_CHILDREN_H

#include "support/testing.h"

#include <sys/types.h>

#include "eddy/timer.h"

enum { MOST_SIMULATED = 256, SIMULATED_LINE = 16 };

/* What becomes of SIGTERM. */
enum simulated_term {
    TERM_ENDS,   /* the child, after term_delay */
    TERM_EXITS,  /* likewise, with its exit code */
    TERM_IGNORED /* which SIGKILL is not */
};

/* All that a child will do. Times are durations in nanoseconds. */
struct simulated_script {
    int error;                   /* of the spawn, < 0: there will be no child */
    enum eddy_spawn_stage stage; /* of that */
    int64_t life; /* it ends by itself after that at the latest, EDDY_FOREVER: never */
    int signal;   /* which ends it then; 0: it exits, with */
    int code;
    enum simulated_term term;
    int64_t term_delay;
    int64_t kill_delay; /* how long the kernel needs to end it */
    bool untouchable;   /* it has become another user's: signals are -EPERM */
    int64_t pace;       /* between its acts, > 0 */
    unsigned lines[2];  /* that it writes to its standard output and error, one an act */
    bool echoes;        /* it writes what it reads, too */
    unsigned appetite;  /* it closes its input after so many bytes */
    bool shuts; /* it closes its output when it has written its lines, long before its end */
    bool ends_when_done; /* it has written all, and read its input to the end: it exits */
    int64_t background;  /* for so long after its end a child of its own has its pipes */
};

enum simulated_state { NOT_SPAWNED, RUNS, ENDED, REAPED };

struct simulated_child {
    struct simulated_script script;
    const char *argv[3]; /* by which it is spawned */
    char number[8];
    enum simulated_state state;
    pid_t pid;
    int64_t status;     /* valid from ENDED on, as eddy_process_wait has it */
    int64_t ended;      /* when */
    bool group;         /* of its own */
    bool asked;         /* SIGTERM has come, since the test has cleared this */
    bool in_background; /* a child of its own has its pipes */
    unsigned sent[2];   /* bytes that it has written */
    unsigned got;       /* that it has read: the numbers from 0 on */

    /* Private. */
    int pidfd;   /* the parent's number of it, until it is reaped */
    int told;    /* our own of the same, written at its end; -1: none */
    int fds[3];  /* its own; -1: closed */
    bool at_end; /* it has read the end of its input */
    bool stopped;
    bool terminated; /* SIGTERM has come while it was stopped */
    int64_t acts;    /* when it acts next */
    int64_t dies;    /* when it ends, unless it is stopped, */
    int64_t dies_of; /* with that status */
    int64_t killed;  /* when SIGKILL ends it */
    int64_t closes;  /* when its pipes are closed after its end */
    unsigned echo_count;
    char echo[64]; /* read, and not written yet */
    eddy_timer timer;
};

struct simulated_children {
    struct simulated_child all[MOST_SIMULATED];
    int count;
    uint64_t state;        /* of the random numbers */
    bool no_pidfd_signals; /* the kernel is old: signals go by pid */
    bool no_group_signals; /* it is not so old */
    uint64_t trace;        /* a number that says all that has happened */
};

extern struct simulated_children simulated;

void simulate_children(uint64_t seed);
struct simulated_child *simulated_script(const struct simulated_script *script);

/* The n-th byte that a child writes to its standard output (0) or error (1), if it does not echo. */
char simulated_byte(int stream, unsigned n);

/* Notes an event with its time. */
void simulated_trace(const struct simulated_child *child, const char *what, int64_t value);

/* How many run, or have ended and are not reaped. */
int simulated_left(void);

void forget_simulated_children(void);

#endif
