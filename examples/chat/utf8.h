/* UTF-8 (RFC 3629), byte by byte: nothing overlong, no surrogates, nothing above U+10FFFF. */
#ifndef CHAT_UTF8_H
#define CHAT_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Where in a character a text is, between two pieces of it. Zeroed: at its begin. Private. */
struct utf8 {
    unsigned char wanted;      /* so many bytes of the character are to come */
    unsigned char least, most; /* what the next of them may be; valid while some are wanted */
};

/* Takes the next byte. False: with it the text is no UTF-8; the next one is taken as a character's first. */
bool utf8_take(struct utf8 *at, unsigned char byte);

/* Whether the text may end here. */
static inline bool utf8_is_whole(const struct utf8 *at)
{
    return at->wanted == 0;
}

/* Makes a text fit for every terminal and browser, in place: each byte that belongs to no character, or to a control
 * character other than the tab, becomes a '?'. */
void utf8_clean(char *text, size_t size);

/* The most bytes of a clean text, at most `limit`, that end with a character. */
size_t utf8_cut(const char *text, size_t size, size_t limit);

#endif
