/* For tests of work beside the loop: gates that a thread waits at, and a resolver that answers at
 * will. Nothing here waits for time: a thread says that it has come, and goes on when it may. */
#ifndef EDDY_TESTING_THREADS_H
#define EDDY_TESTING_THREADS_H

#include "support/tasks.h"

#include <netdb.h>
#include <semaphore.h>

#include "eddy/offload.h"

/* ---- gates; static, for a worker may stand there when its test case has failed */

struct gate {
    sem_t come;
    sem_t open;
};

static inline void gate_init(struct gate *gate)
{
    sem_init(&gate->come, 0, 0);
    sem_init(&gate->open, 0, 0);
}

/* On the worker's thread. */
static inline void gate_pass(struct gate *gate)
{
    sem_post(&gate->come);
    while (sem_wait(&gate->open) != 0) {}
}

/* In the test: waits until a worker stands at the gate; lets one through. */
static inline void gate_await(struct gate *gate)
{
    while (sem_wait(&gate->come) != 0) {}
}

static inline void gate_open(struct gate *gate)
{
    sem_post(&gate->open);
}

/* ---- a resolver */

struct resolver {
    const char *answers[4]; /* numeric addresses, up to the first NULL */
    int code;               /* what it returns instead: EAI_... */
    int error;              /* and its errno, if that is EAI_SYSTEM */
    struct gate *gate;      /* that it passes before it answers; or NULL */
    int asked, freed;       /* atomic: how often it was called, and how many answers were freed */
    char host[256];         /* whom it was asked for first */
    int family;
};

extern struct resolver resolver;

/* From here on the fixture's loops ask that one, which has no answers yet. */
void resolver_install(void);

/* Does this machine's libc know localhost? Where /etc/hosts is missing, it may not. */
bool resolver_knows_localhost(void);

static inline int resolver_count(const int *counter)
{
    return __atomic_load_n(counter, __ATOMIC_SEQ_CST);
}

#endif
