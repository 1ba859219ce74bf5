/*
 * Boxes: one of each thing that tasks wait for, and the count of what it must have. One is the world's,
 * the others stand in frames, where the frame, what it calls and the tasks that it owns use them; so that
 * nobody waits for anything in a frame that ends.
 */
#include "driver.h"

enum { UNKNOWN, PUTTING, ACCEPTED, TAKEN };

static int by_number(const void *a, const void *b)
{
    return ((const struct item *)a)->number % 3 - ((const struct item *)b)->number % 3;
}

void box_open(struct box *box)
{
    unsigned kind = below(3);

    memset(box, 0, sizeof *box);
    eddy_cond_init(&box->cond, &box->lock);
    eddy_semaphore_init_bounded(&box->semaphore, PERMITS);
    eddy_barrier_init(&box->barrier, PARTIES);
    /* Without memory there is none; see has_queue in on_boxes.c. */
    if (eddy_queue_init(world.loop, &box->queue, struct item, .capacity = one_in(3) ? 0 : CAPACITY,
                        .kind = (enum eddy_queue_kind)kind,
                        .compare = kind == EDDY_QUEUE_PRIORITY ? by_number : NULL) < 0) {
        require(world.faults);
    }
    require(eddy_memory_pair(world.loop, &box->ends[0], &box->ends[1], BYTES) == 0 || world.faults);
}

/* What was written and not read is still there. */
static void close_ends(struct box *box, bool clean)
{
    char text[BYTES];

    for (int i = 0; i < 2; i++) {
        int64_t count = eddy_stream_is_open(&box->ends[i])
                            ? eddy_try_read(&box->ends[i], text, sizeof text)
                            : -EBADF;
        box->came[i] += count > 0 ? (unsigned)count : 0;
        if (clean && count != -EBADF && box->came[i] != box->sent[1 - i]) {
            driver_fail("%u bytes were written, and %u came out", box->sent[1 - i], box->came[i]);
        }
    }
    eddy_stream_close(&box->ends[0]);
    eddy_stream_close(&box->ends[1]);
}

/* The box's end; `clean` if nobody can be using it any more. */
void box_close(struct box *box, bool clean)
{
    struct item item;

    close_ends(box, clean);
    while (box->queue.loop != NULL && eddy_queue_try_get(&box->queue, &item) == 0) {
        item_taken(box, &item);
    }
    if (clean && box->put != box->taken && !box->dropped) {
        driver_fail("%d items were put, and %d came out", box->put, box->taken);
    }
    if (clean && box->queue.loop != NULL && !box->dropped &&
        box->queue.unfinished != (uint64_t)(box->put - box->done)) {
        driver_fail("%d items of %d are done, and not yet %llu", box->done, box->put,
                    (unsigned long long)box->queue.unfinished);
    }
    eddy_queue_fini(&box->queue);
    if (!clean) {
        return;
    }
    require(box->holder == NULL && eddy_lock_fini(&box->lock) == 0);
    require(eddy_cond_fini(&box->cond) == 0);
    if (box->out != 0 || box->semaphore.permits != PERMITS) {
        driver_fail("%u permits are out, %u are left of %d", box->out, box->semaphore.permits,
                    PERMITS);
    }
    require(eddy_semaphore_fini(&box->semaphore) == 0);
    require(eddy_event_fini(&box->event) == 0);
    require(eddy_future_fini(&box->future) == 0);
    require(eddy_barrier_fini(&box->barrier) == 0);
}

struct box *box_of(struct node *node, int reach)
{
    return reach == 0                         ? &world.box
           : reach == 1 || node->home == NULL ? &node->box
                                              : &node->home->box;
}

/* ---- the lock */

void gets_lock(struct box *box, const struct tracked *tracked)
{
    if (box->holder != NULL) {
        driver_fail("task %d is inside with task %d", tracked->index, box->holder->index);
    }
    box->holder = tracked;
}

void gives_lock(struct box *box, const struct tracked *tracked)
{
    require(box->holder == tracked);
    box->holder = NULL;
}

/* What a frame still holds goes to others. */
void let_go(eddy_coro *co, struct node *node)
{
    for (int reach = 0; reach < 3; reach++) {
        struct box *box = box_of(node, reach);
        if (node->holds[reach].lock) {
            gives_lock(box, node->me);
            require(eddy_lock_release(co, &box->lock) == 0);
            node->holds[reach].lock = false;
        }
        for (; node->holds[reach].permits > 0; node->holds[reach].permits--) {
            box->out--;
            require(eddy_semaphore_release(&box->semaphore) == 0);
        }
    }
}

/* ---- completion wins */

/* What tasks wait for in that way has come: from now on no cancel may take it from them. */
void woken(const struct box *box, int64_t (*begin)(eddy_coro *co, struct node *node))
{
    for (int i = 0; i < world.task_count; i++) {
        struct tracked *tracked = &world.tasks[i];
        struct node *node = tracked->node;
        if (node != NULL && node->begun && node->operation->begin == begin &&
            box_of(node, node->reach) == box && tracked->cancel == NO && !tracked->entangled &&
            !world.ending && tracked->deadline > world.clock.now) {
            tracked->must_succeed = true;
        }
    }
}

/* ---- items */

bool new_item(struct item *item)
{
    if (world.item_count == ITEMS) {
        return false;
    }
    item->number = world.item_count++;
    item->check = ~item->number;
    world.items[item->number] = PUTTING;
    return true;
}

void item_put(struct box *box, const struct item *item, int64_t rc)
{
    signed char *state = &world.items[item->number];

    if (rc == 0) {
        box->put++;
        *state = *state == TAKEN ? TAKEN : ACCEPTED;
    } else if (*state == TAKEN) {
        driver_fail("item %d was taken, and its put has failed", item->number);
    } else {
        *state = UNKNOWN;
    }
}

void item_taken(struct box *box, const struct item *item)
{
    require(item->number >= 0 && item->number < world.item_count && item->check == ~item->number);
    if (world.items[item->number] == TAKEN || world.items[item->number] == UNKNOWN) {
        driver_fail("item %d came out, and was %s", item->number,
                    world.items[item->number] == TAKEN ? "taken before" : "never put");
    }
    world.items[item->number] = TAKEN;
    box->taken++;
}
