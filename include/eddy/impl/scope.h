/*
 * What eddy_with, eddy_for_each and their like are made of. Part of impl/coro.h, which includes it.
 */
#ifndef EDDY_IMPL_SCOPE_H
#define EDDY_IMPL_SCOPE_H

#include "eddy/impl/coro.h"

#define EDDY_FOR_EACH_(variable, name, ...)                                          \
    EDDY_OPEN_(EDDY_SCOPE_GENERATOR_, 0, name, __VA_ARGS__)                          \
    else EDDY_STAGES_(                                                               \
        eddy_scope_enter_(co), eddy_rc_ > 0,                                         \
        if (eddy_rc_ > 0) { variable = ((struct name *)co->scope->object)->value; }, \
        EDDY_STAGE_ENTER_, EDDY_LABEL_(eddy_leave_))

#define EDDY_WITH_(name, ...)                                                  \
    EDDY_OPEN_(EDDY_SCOPE_MANAGER_, EDDY_FRAME_MANAGER_, name, __VA_ARGS__)    \
    EDDY_BREAK_POINT_                                                          \
    else EDDY_STAGES_(eddy_scope_enter_(co), eddy_rc_ > 0, , EDDY_STAGE_DONE_, \
                      EDDY_LABEL_(eddy_leave_))

/*
 * Likewise around an object instead of a manager, which costs no coroutine: `enter` is the
 * operation that enters, in which co->scope->object is the object; if it fails, nothing is to be
 * left. eddy_with_lock and its like are made of this.
 *
 * There may be no memory for the scope, and then `enter` is not even tried. So an object must not hold
 * anything before that, or bring the scope's memory along, as a group does: EDDY_WITH_OPENED_.
 */
#define EDDY_WITH_OBJECT_(its_object, leave_function, enter)                                   \
    EDDY_WITH_OPENED_(eddy_scope_open_object_(co, its_object, leave_function, EDDY_POINT_(1)), \
                      enter)

#define EDDY_WITH_OPENED_(opened, enter)     \
    if (!(opened))                           \
        EDDY_RAISE_(eddy_scope_refused_(co)) \
    EDDY_BREAK_POINT_                        \
    else EDDY_STAGES_(enter, eddy_rc_ >= 0, , EDDY_STAGE_DONE_, EDDY_LABEL_(eddy_leave_))

/* `also`: 0, or -ECANCELED. The last argument is always empty. */
#define EDDY_TRY_(variable, also, ...)                                        \
    if (!eddy_try_open_(co, &(variable), also, EDDY_POINT_(1)))               \
        EDDY_RAISE_(eddy_scope_refused_(co))                                  \
    EDDY_BREAK_POINT_                                                         \
    else EDDY_STAGES_(eddy_try_enter_(co), eddy_rc_ >= 0, , EDDY_STAGE_DONE_, \
                      EDDY_LABEL_(eddy_leave_))

/* Where an exit goes on whose body was left by `break`. */
#define EDDY_BREAK_POINT_ \
    else if (0)           \
    {                     \
    case EDDY_POINT_(3):  \
        break;            \
    }

/* Opens a scope with the frame of a generator or manager in it. */
#define EDDY_OPEN_(scope_flags, frame_flags, name, ...)                                         \
    if (eddy_scope_open_(co, sizeof(struct name), EDDY_POINT_(1), scope_flags) == NULL)         \
        EDDY_RAISE_(eddy_scope_refused_(co))                                                    \
    else if (*(struct name *)co->scope->object = EDDY_FRAME_VALUE_(                             \
                 name,                                                                          \
                 EDDY_HEAD_(name, co->task, co, co->mask, 0, EDDY_FRAME_SCOPED_ | frame_flags), \
                 __VA_ARGS__),                                                                  \
             0) {                                                                               \
    }

/*
 * The stages of a scope: enter (or fetch the next value), body, exit. Each turn of the outer
 * loop is one of them; the body is the inner loop's, so that a `break` in it leaves the stage at
 * BODY and is seen. The exit is also where unwinding comes in.
 */
#define EDDY_STAGES_(enter, is_entered, entered, after_body, leave)                         \
    while (1)                                                                               \
        if (eddy_scope_(co, EDDY_POINT_(1))->stage == EDDY_STAGE_ENTER_) {                  \
            EDDY_RUN_(enter, 0)                                                             \
            if (eddy_rc_ < 0)                                                               \
                EDDY_RAISE_(eddy_rc_)                                                       \
            entered co->scope->stage = is_entered ? EDDY_STAGE_ENTERED_ : EDDY_STAGE_DONE_; \
        } else if (co->scope->stage != EDDY_STAGE_ENTERED_) {                               \
            goto leave;                                                                     \
        case EDDY_POINT_(1):                                                                \
        leave:                                                                              \
            eddy_rc_ = eddy_scope_leave_(co); /* not counted: its enter was */              \
            if (eddy_rc_ == EDDY_PENDING) {                                                 \
                EDDY_WAIT_HERE_(2)                                                          \
            }                                                                               \
            if (eddy_scope_left_(co, eddy_rc_)) {                                           \
                goto eddy_again_;                                                           \
            }                                                                               \
            break;                                                                          \
        } else                                                                              \
            for (co->scope->stage = EDDY_STAGE_BODY_;                                       \
                 eddy_scope_(co, EDDY_POINT_(1))->stage == EDDY_STAGE_BODY_;                \
                 co->scope->stage = after_body)

#endif
