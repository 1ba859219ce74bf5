/* What the scenarios of streams and of readers share. */
#ifndef EDDY_TESTING_ENDS_H
#define EDDY_TESTING_ENDS_H

#include "eddy/stream.h"

/* Two pairs of sockets; all four ends are streams: what goes into one of 0 and 1 comes out of the
 * other, as it is with 2 and 3. Little fits in between. */
extern eddy_stream ends[4];

void ends_open(void);
void ends_close(void);

#endif
