/*
 * Looks up many names at once, by c-ares on an eddy loop.
 *
 *     cares_lookup [-s SERVER[:PORT]] NAME...
 *
 * Prints a line for each name, in the order in which the answers come: the name and its addresses, or why there are
 * none. Exits 0 if all have some; 1 if not.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "on_cares.h"

enum { MOST = 8 };

eddy_frame(look_up) {
    eddy_coro co;
    struct on_cares *cares;
    const char *name;
    int *failures;
    struct eddy_address addresses[MOST];
    int64_t count;
};

static void look_up(eddy_coro *co)
{
    eddy_begin(look_up);
    eddy_catch(self->count, eddy_wait_for(co, 10 * EDDY_SECOND,
                                          on_cares_resolve(co, self->cares, self->name, 0,
                                                           AF_UNSPEC, self->addresses, MOST)));
    if (self->count < 0) {
        printf("%s: %s\n", self->name, eddy_strerror(self->count));
        ++*self->failures;
        eddy_return(0);
    }
    printf("%s", self->name);
    for (int i = 0; i < (int)self->count; i++) {
        char text[EDDY_ADDRESS_TEXT];
        (void)eddy_address_format(&self->addresses[i], text, sizeof text);
        printf(" %s", text);
    }
    putchar('\n');
    eddy_end;
}

eddy_frame(program) {
    eddy_coro co;
    const char *servers;
    char **names;
    int count, i, failures;
    struct on_cares cares;
    eddy_group group;
};

static void program(eddy_coro *co)
{
    eddy_begin(program);
    eddy_await(on_cares_init(&self->cares, eddy_loop_of(co), self->servers));
    eddy_with_group(&self->group) {
        for (self->i = 0; self->i < self->count; self->i++) {
            eddy_group_spawn(co, &self->group, look_up, .cares = &self->cares,
                             .name = self->names[self->i], .failures = &self->failures);
        }
    }
    eddy_return(self->failures);
eddy_finally:
    on_cares_fini(&self->cares);
    eddy_end;
}

int main(int argc, char **argv)
{
    bool server = argc > 1 && strcmp(argv[1], "-s") == 0;
    int first = server ? 3 : 1;

    if (argc <= first) {
        fputs("usage: cares_lookup [-s SERVER[:PORT]] NAME...\n", stderr);
        return 2;
    }
    return eddy_run(program, .servers = server ? argv[2] : NULL, .names = argv + first,
                    .count = argc - first) != 0;
}
