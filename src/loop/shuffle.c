/*
 * A random order of what is ready, to find what relies on the order without meaning to.
 *
 * Tasks, watchers and timers are dealt at random; callbacks are dealt together, for their order among
 * themselves is promised. The same seed gives the same order, so that what was found is found again. It
 * takes no memory, and a time in proportion to the list: four passes over sixteen piles tell 65536
 * places apart.
 */
#include "loop/loop_internal.h"

enum { PILES = 16, PASSES = 4 };

/* Xorshift64*: never comes back to 0, which would turn it off. */
static unsigned random_pile(eddy_loop *loop)
{
    loop->shuffle ^= loop->shuffle >> 12;
    loop->shuffle ^= loop->shuffle << 25;
    loop->shuffle ^= loop->shuffle >> 27;
    return (unsigned)(loop->shuffle * 0x2545F4914F6CDD1Du >> 60);
}

/* Deals the list out on piles at random and gathers them, as one does with cards: after a few
 * passes any order is about as likely as any other. What lies on one pile keeps its order, so
 * callbacks are always dealt together. */
static void deal_and_gather(eddy_loop *loop)
{
    struct eddy_link piles[PILES];
    struct eddy_link *link;
    unsigned of_callbacks = random_pile(loop);

    for (unsigned i = 0; i < PILES; i++) {
        eddy_list_init(&piles[i]);
    }
    while ((link = eddy_list_first(&loop->ready)) != NULL) {
        bool is_callback = ((struct eddy_ready *)(void *)link)->kind == EDDY_READY_CALLBACK;
        eddy_list_remove(link);
        eddy_list_append(&piles[is_callback ? of_callbacks : random_pile(loop)], link);
    }
    for (unsigned i = 0; i < PILES; i++) {
        eddy_list_splice(&loop->ready, &piles[i]);
    }
}

void eddy_loop_shuffle(eddy_loop *loop)
{
    for (int i = 0; i < PASSES; i++) {
        deal_and_gather(loop);
    }
}
