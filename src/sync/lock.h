/* What a condition needs of its lock. */
#ifndef EDDY_SRC_LOCK_H
#define EDDY_SRC_LOCK_H

#include "eddy/lock.h"

bool eddy_lock_held_by(const eddy_lock *lock, struct eddy_task_record *waiter);

/* Hands the lock to the first in line, or frees it. */
void eddy_lock_hand_over(eddy_lock *lock);

/* Gives a task that waits for something else the lock back. True: it has it, and still waits.
 * False: it now waits in line for it, deaf to cancels, and that wait will return `outcome`. */
bool eddy_lock_give_back(eddy_lock *lock, struct eddy_task_record *task, int64_t outcome);

#endif
