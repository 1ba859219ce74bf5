/* Names, as those see them that take one in place of an address. */
#ifndef EDDY_SRC_RESOLVE_INTERNAL_H
#define EDDY_SRC_RESOLVE_INTERNAL_H

#include "eddy/address.h"

enum {
    LONGEST_NAME = 253, /* of DNS (RFC 1035, 2.3.4) without the dot at its end */
    MOST_ADDRESSES = 16 /* of a name, that connect and serve try */
};

/* A copy of a name, which the caller's need not outlive. */
struct eddy_name {
    char text[LONGEST_NAME + 1];
};

/* Checks that it can be a name, and copies it; -EINVAL. */
int eddy_name_copy(struct eddy_name *name, const char *host);

#endif
