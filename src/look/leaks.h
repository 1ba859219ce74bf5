/* What is still active when its loop is freed, and where it was started. */
#ifndef EDDY_SRC_LEAKS_H
#define EDDY_SRC_LEAKS_H

#include "loop/loop_internal.h"

/* Tells the error hook of watchers, streams, servers and timers that nobody has stopped. */
void eddy_tell_leaks(eddy_loop *loop);

/* Notes where an object was started; without memory, or with `place` NULL, nothing is known. */
void eddy_places_note(eddy_loop *loop, const void *object, const char *place);
/* Where it was started, or NULL. */
const char *eddy_places_find(const eddy_loop *loop, const void *object);
void eddy_places_fini(eddy_loop *loop);

#endif
