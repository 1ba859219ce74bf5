/*
 * Signals as callbacks.
 *
 * A signal is delivered in the middle of the events of the kernel, where no code of the user's runs. So a
 * watcher notes which have come, one bit each, and stands in the ready list as a deferred callback does:
 *
 *     came                     its callback    a signal that comes
 *     0                        is stopped      sets its bit, and starts it
 *     some bits                is started      sets its bit
 *     some bits, it runs       is started      likewise: the callback is started again before the user's
 *                              again if more   function is called, which may stop or free the watcher
 *
 * What comes twice before the function has run is one, for which a counter each would make the struct five
 * times its size: whoever counts real-time signals waits for them (eddy_signal_wait).
 */
#include "loop/look.h"
#include "os/signal_internal.h"

const char eddy_signal_own[] = "the library";

static void run_watcher(eddy_callback *callback)
{
    eddy_signal *signal = callback->user;
    int number = __builtin_ctzll(signal->came) + 1;

    signal->came &= signal->came - 1;
    if (signal->came != 0) { /* for each a callback of its own: this one may stop or free it */
        eddy_callback_start(signal->loop, callback, run_watcher);
    }
    signal->function(signal, number);
}

/* Whether there is one that wants it. No code of the user's runs here, in the middle of the events. */
bool eddy_signals_tell_watchers(struct eddy_signals *signals, int number)
{
    struct eddy_link *head = &signals->watchers;
    bool any = false;

    for (struct eddy_link *link = eddy_list_first(head); link != NULL && link != head;
         link = eddy_list_front(link)) {
        eddy_signal *signal = (eddy_signal *)(void *)link;
        if ((signal->set & EDDY_SIGNAL(number)) != 0) {
            signal->came |= EDDY_SIGNAL(number);
            eddy_callback_start(signal->loop, &signal->callback, run_watcher);
            any = true;
        }
    }
    return any;
}

void eddy_signals_forget_watchers(struct eddy_signals *signals)
{
    struct eddy_link *head = &signals->watchers;

    for (struct eddy_link *link = eddy_list_first(head); link != NULL && link != head;
         link = eddy_list_front(link)) {
        eddy_signal *signal = (eddy_signal *)(void *)link;
        signal->came = 0;
        eddy_callback_stop(&signal->callback);
    }
}

void eddy_signals_stop_watchers(eddy_loop *loop, struct eddy_signals *signals)
{
    struct eddy_link *link;

    while ((link = eddy_list_first(&signals->watchers)) != NULL) {
        eddy_signal *signal = (eddy_signal *)(void *)link;
        if (eddy_loop_reports_leaks(loop) && signal->place != eddy_signal_own) {
            char names[EDDY_SIGNALS_TEXT];
            eddy_signals_describe(signal->set, names, sizeof names);
            eddy_loop_report(
                loop, (eddy_task){0}, -EBUSY, "leak: a signal watcher is still started on %s%s%s%s",
                names, signal->place != NULL ? " (started at " : "",
                signal->place != NULL ? signal->place : "", signal->place != NULL ? ")" : "");
        }
        eddy_signal_stop(signal);
    }
}

/* ---- starting and stopping */

int eddy_signal_start_(eddy_loop *loop, eddy_signal *signal, uint64_t set, eddy_signal_fn *function,
                       const char *place)
{
    struct eddy_signals *signals;
    int result = signal->loop == NULL && function != NULL ? eddy_signal_watch(loop, set) : -EINVAL;

    if (result < 0) {
        return result;
    }
    signals = eddy_signals_of(loop);
    signal->loop = loop;
    signal->function = function;
    signal->set = set;
    signal->came = 0;
    signal->place = place;
    signal->callback.user = signal;
    eddy_list_append(&signals->watchers, &signal->link);
    loop->references += place != eddy_signal_own;
    for (int number; (number = eddy_signals_take_kept(signals, set)) != 0;) {
        eddy_signals_deliver(signals, number);
    }
    return 0;
}

int(eddy_signal_start)(eddy_loop *loop, eddy_signal *signal, uint64_t set, eddy_signal_fn *function)
{
    return eddy_signal_start_(loop, signal, set, function, NULL);
}

void eddy_signal_stop(eddy_signal *signal)
{
    if (signal->loop == NULL) {
        return;
    }
    eddy_loop_here(signal->loop, __func__);
    signal->loop->references -= signal->place != eddy_signal_own;
    eddy_list_remove(&signal->link);
    eddy_callback_stop(&signal->callback);
    signal->loop = NULL;
}
