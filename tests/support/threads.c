#include "threads.h"

#include <stdlib.h>

struct resolver resolver;

static struct addrinfo *numeric(const char *text)
{
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
    struct addrinfo *info = NULL;

    if (getaddrinfo(text, NULL, &hints, &info) != 0) {
        abort();
    }
    return info;
}

static int answer(const struct eddy_sys *sys, const char *host, const struct addrinfo *hints,
                  struct addrinfo **results, int *error)
{
    struct addrinfo **end = results;

    (void)sys;
    if (__atomic_add_fetch(&resolver.asked, 1, __ATOMIC_SEQ_CST) == 1) {
        snprintf(resolver.host, sizeof resolver.host, "%s", host);
        resolver.family = hints->ai_family;
    }
    if (resolver.gate != NULL) {
        gate_pass(resolver.gate);
    }
    *results = NULL;
    *error = resolver.error;
    if (resolver.code != 0) {
        return resolver.code;
    }
    for (int i = 0; i < 4 && resolver.answers[i] != NULL; i++) {
        *end = numeric(resolver.answers[i]);
        end = &(*end)->ai_next;
    }
    return 0;
}

static void take_back(const struct eddy_sys *sys, struct addrinfo *results)
{
    (void)sys;
    __atomic_add_fetch(&resolver.freed, 1, __ATOMIC_SEQ_CST);
    while (results != NULL) {
        struct addrinfo *next = results->ai_next;
        results->ai_next = NULL;
        freeaddrinfo(results);
        results = next;
    }
}

void resolver_install(void)
{
    memset(&resolver, 0, sizeof resolver);
    testing.sys.table.getaddrinfo = answer;
    testing.sys.table.freeaddrinfo = take_back;
}

bool resolver_knows_localhost(void)
{
    const struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    struct addrinfo *info = NULL;
    bool knows = getaddrinfo("localhost", NULL, &hints, &info) == 0;

    if (knows) {
        freeaddrinfo(info);
    }
    return knows;
}
