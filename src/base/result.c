/*
 * What a result says: EDDY_PENDING, a value of 0 or more, a negated errno, or, below all of these, a
 * code of the application's. One number, so that an await has one outcome and a test one comparison.
 */
#include "eddy/result.h"

#include <string.h>

const char *eddy_strerror(int64_t result)
{
    if (result == EDDY_PENDING) {
        return "pending";
    }
    if (result >= 0) {
        return "success";
    }
    if (result <= EDDY_ERROR_USER) {
        return "application error";
    }
    return strerror((int)-result);
}

int eddy_exit_status(int64_t result)
{
    if (result < 0) {
        return 1;
    }
    return result > 255 ? 255 : (int)result;
}
