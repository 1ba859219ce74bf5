/* eddy as a guest of a main loop that cannot sleep on an fd: a thread waits for eddy, and tells the
 * main loop, by whatever that has for it, when there is something to do. The main loop here is a
 * queue of events, as a window system has it. Runs for two seconds. */
#include <eddy.h>
#include <pthread.h>
#include <stdio.h>

/* ---- the main loop: somebody else's */

enum event { NO_EVENT, EDDY_IS_DUE };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static enum event queue = NO_EVENT;

static void push_event(enum event event)
{
    pthread_mutex_lock(&lock);
    queue = event;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static enum event next_event(void)
{
    enum event event;

    pthread_mutex_lock(&lock);
    while (queue == NO_EVENT) {
        pthread_cond_wait(&changed, &lock);
    }
    event = queue;
    queue = NO_EVENT;
    pthread_mutex_unlock(&lock);
    return event;
}

/* ---- the thread that waits */

static struct {
    eddy_loop *loop;
    bool may_wait; /* set by the main loop, cleared by the thread; under the lock, as `quit` */
    bool quit;
} guest;

static void *wait_for_eddy(void *argument)
{
    pthread_mutex_lock(&lock);
    for (;;) {
        while (!guest.may_wait && !guest.quit) {
            pthread_cond_wait(&changed, &lock);
        }
        if (guest.quit) {
            break;
        }
        guest.may_wait = false;
        pthread_mutex_unlock(&lock);
        (void)eddy_loop_wait(guest.loop); /* the poll that follows returns its error, too */
        push_event(EDDY_IS_DUE);
        pthread_mutex_lock(&lock);
    }
    pthread_mutex_unlock(&lock);
    return argument;
}

/* ---- the two together */

eddy_frame(blinks) {
    eddy_coro co;
    int i;
};

static void blinks(eddy_coro *co)
{
    eddy_begin(blinks);
    for (self->i = 0; self->i < 4; self->i++) {
        eddy_await(eddy_sleep(co, EDDY_SECOND / 2));
        printf("blink\n");
    }
    eddy_end;
}

static void let_wait(bool quit)
{
    pthread_mutex_lock(&lock);
    guest.may_wait = !quit;
    guest.quit = quit;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static int64_t main_loop(eddy_task task)
{
    int64_t result = 0;

    while (result >= 0 && !eddy_task_done(task)) {
        result = eddy_loop_prepare(guest.loop, EDDY_FOREVER);
        if (result == 0) {
            let_wait(false);
            if (next_event() == EDDY_IS_DUE) {
                result = eddy_loop_poll_once(guest.loop, 0, 5 * EDDY_MILLISECOND);
            }
        }
    }
    return result < 0 ? result : 0;
}

int main(void)
{
    pthread_t thread = 0;
    eddy_task task;
    int64_t result = eddy_loop_new(&guest.loop, NULL);

    if (result == 0) {
        result = -pthread_create(&thread, NULL, wait_for_eddy, NULL);
    }
    if (result == 0) {
        task = eddy_loop_spawn(guest.loop, blinks);
        result = main_loop(task);
        let_wait(true);
        pthread_join(thread, NULL);
        eddy_detach(task);
    }
    eddy_loop_free(guest.loop);
    return eddy_exit_status(result);
}
