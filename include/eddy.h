/* eddy: asyncio for C. This header includes all others; docs/guide.md is where to begin. */
#ifndef EDDY_H
#define EDDY_H

#include "eddy/address.h"
#include "eddy/callback.h"
#include "eddy/clock.h"
#include "eddy/coro.h"
#include "eddy/deadline.h"
#include "eddy/error.h"
#include "eddy/event.h"
#include "eddy/file.h"
#include "eddy/foreign.h"
#include "eddy/gather.h"
#include "eddy/group.h"
#include "eddy/io.h"
#include "eddy/lock.h"
#include "eddy/look.h"
#include "eddy/loop.h"
#include "eddy/offload.h"
#include "eddy/process.h"
#include "eddy/queue.h"
#include "eddy/reader.h"
#include "eddy/result.h"
#include "eddy/server.h"
#include "eddy/signal.h"
#include "eddy/stream.h"
#include "eddy/sys.h"
#include "eddy/task.h"
#include "eddy/timer.h"
#include "eddy/version.h"
#include "eddy/wait.h"

#endif
