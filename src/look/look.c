/* The table by which the floors below reach what looks at a program. It is a file of its own, and the
 * only one that names the others of this floor: a static library is linked by object file, so who
 * defines eddy_look_ elsewhere links none of them that it does not call itself. */
#include "loop/look.h"

#include "eddy/look.h"
#include "look/describe.h"
#include "look/leaks.h"
#include "look/snapshot.h"

static const struct eddy_look look = {
    .describe_fd = eddy_describe_fd,
    .note_place = eddy_places_note,
    .place_of = eddy_places_find,
    .forget_places = eddy_places_fini,
    .tell_leaks = eddy_tell_leaks,
    .each_in_circles = eddy_each_in_circles,
    .with_lines = eddy_snapshot_with_lines,
    .position_in_line = eddy_snapshot_position,
    .dump = eddy_loop_dump,
};

const struct eddy_look *const eddy_look_ = &look;
