/*
 * UTF-8, byte by byte.
 *
 * The first byte says how many follow. Each of those is 80 to BF, but for the second, which is bounded further where
 * otherwise a character could be written in more bytes than it takes, or be one that there is not:
 *
 *     first       follow   second     against
 *     00 to 7F    0
 *     C2 to DF    1        80 to BF   C0, C1: overlong
 *     E0          2        A0 to BF   overlong
 *     ED          2        80 to 9F   surrogates
 *     E1 to EF    2        80 to BF
 *     F0          3        90 to BF   overlong
 *     F4          3        80 to 8F   above U+10FFFF, as F5 to FF are
 *     F1 to F3    3        80 to BF
 */
#include "utf8.h"

#include <string.h>

static bool take_first(struct utf8 *at, unsigned char byte)
{
    at->wanted = byte < 0x80 ? 0 : byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
    at->least = byte == 0xe0 ? 0xa0 : byte == 0xf0 ? 0x90 : 0x80;
    at->most = byte == 0xed ? 0x9f : byte == 0xf4 ? 0x8f : 0xbf;
    if ((byte >= 0x80 && byte < 0xc2) || byte > 0xf4) {
        at->wanted = 0;
        return false;
    }
    return true;
}

bool utf8_take(struct utf8 *at, unsigned char byte)
{
    if (at->wanted == 0) {
        return take_first(at, byte);
    }
    if (byte < at->least || byte > at->most) {
        at->wanted = 0;
        return false;
    }
    at->wanted--;
    at->least = 0x80;
    at->most = 0xbf;
    return true;
}

/* U+0000 to U+001F, and U+007F to U+009F, whose bytes are C2 80 to C2 9F. */
static bool is_control(const char *character, size_t size)
{
    unsigned char first = (unsigned char)character[0];

    return size == 1 ? (first < ' ' && first != '\t') || first == 0x7f
                     : size == 2 && first == 0xc2 && (unsigned char)character[1] < 0xa0;
}

void utf8_clean(char *text, size_t size)
{
    struct utf8 at = {0};
    size_t begin = 0; /* of the character */

    for (size_t i = 0; i < size; i++) {
        bool begun = i > begin;
        if (utf8_take(&at, (unsigned char)text[i])) {
            if (!utf8_is_whole(&at)) {
                continue;
            }
            if (is_control(text + begin, i + 1 - begin)) {
                memset(text + begin, '?', i + 1 - begin);
            }
            begin = i + 1;
        } else if (begun) { /* it may be the first of the next one */
            memset(text + begin, '?', i - begin);
            begin = i--;
        } else {
            text[i] = '?';
            begin = i + 1;
        }
    }
    memset(text + begin, '?', size - begin);
}

size_t utf8_cut(const char *text, size_t size, size_t limit)
{
    if (size <= limit) {
        return size;
    }
    while (limit > 0 && ((unsigned char)text[limit] & 0xc0) == 0x80) {
        limit--;
    }
    return limit;
}
