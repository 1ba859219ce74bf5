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
