/* Text that a terminal does not obey. */
#ifndef EDDY_SRC_PRINTABLE_H
#define EDDY_SRC_PRINTABLE_H

#include <stdbool.h>
#include <stddef.h>

/* Names are the user's, addresses the peer's: whatever is in them, the text stays one line, and no
 * terminal obeys it. What is valid UTF-8 stays readable. The text never grows. */
void eddy_make_printable(char *text);

/* How many bytes of the text, `most` at most, end with a whole character. At least 1 if there are
 * any. */
size_t eddy_whole_characters(const char *text, size_t most);

#endif
