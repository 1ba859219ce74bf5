/*
 * Values that belong to a task and go on to the tasks that it spawns, as asyncio's context variables do.
 *
 *     static const char request_key;                       // its address is the key
 *
 *     eddy_await(give(co, eddy_value_set(co, &request_key, self->request)));
 *     ...
 *     log_line(eddy_value_get(co, &request_key), "...");   // in whatever it calls or spawns
 *
 * For what everybody needs and nobody should have to hand on: a request's number for the log, who is logged in.
 * What a function works with is its argument.
 */
#ifndef EDDY_VALUE_H
#define EDDY_VALUE_H

#include "eddy/coro.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Sets the value of the task that runs the coroutine, for all its coroutines and for the tasks that it spawns from
 * now on; those that are there already, and who has spawned it, see no change. `key` is an address that nobody
 * else uses, as of a static variable of yours; `value` is the caller's and must stay for as long as a task that has
 * it may ask. Set to NULL it is as if it had never been set. Never suspends. 0; -ENOMEM: it is as before.
 *
 * A task inherits what who runs has when it spawns: a coroutine of an eddy_select, and a task of a group, as any
 * other. What is spawned outside of tasks, in a callback, has none; so have the handlers of a server's
 * clients. Without memory to inherit a spawn fails. */
EDDY_API int eddy_value_set(eddy_coro *co, const void *key, void *value);

/* The value of the key in the task that runs the coroutine; NULL: it has none. Takes as long as the task has
 * keys. Never suspends. */
EDDY_API void *eddy_value_get(const eddy_coro *co, const void *key);

#ifdef __cplusplus
}
#endif

#endif
