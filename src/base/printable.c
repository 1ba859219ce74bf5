/*
 * Text that may be shown: names are the user's, paths and addresses the peer's, and what is told of
 * them goes to terminals and into logs.
 *
 * A terminal obeys more than the control characters of ASCII: those from 0x80 to 0x9f too (0x9b alone is
 * what ESC [ is), as bytes by themselves or written in UTF-8, also in longer forms than there should
 * be, which some decoders take. Other characters end a line, or turn the direction of what stands
 * around them. So what is left as it is, is text in valid UTF-8 without those; all else is a '?'
 * each.
 */
#include "base/printable.h"

#include <stdint.h>
#include <string.h>

/* How many bytes a character that begins so has; 0: none begins so. */
static size_t length_by_first(unsigned char first)
{
    return first < 0x80   ? 1
           : first < 0xC2 ? 0
           : first < 0xE0 ? 2
           : first < 0xF0 ? 3
           : first < 0xF5 ? 4
                          : 0;
}

/* The length of the character that the text begins with, and which it is; 0: it is no UTF-8. */
static size_t decode(const char *text, uint32_t *character)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *bytes = (const unsigned char *)text;
    size_t length = length_by_first(bytes[0]);

    *character = length <= 1 ? bytes[0] : bytes[0] & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++) { /* stops at the end of the text, too */
        if ((bytes[i] & 0xC0) != 0x80) {
            return 0;
        }
        *character = *character << 6 | (bytes[i] & 0x3Fu);
    }
    return length > 0 && (*character < least[length] || *character > 0x10FFFF ||
                          (*character >= 0xD800 && *character <= 0xDFFF))
               ? 0
               : length;
}

static bool is_obeyed(uint32_t character)
{
    return character < 0x20 || (character >= 0x7F && character <= 0x9F) || character == 0x061C ||
           character == 0x200E || character == 0x200F ||   /* directions */
           (character >= 0x2028 && character <= 0x202E) || /* ends of lines; directions */
           (character >= 0x2066 && character <= 0x2069);
}

void eddy_make_printable(char *text)
{
    char *to = text;

    while (*text != '\0') {
        uint32_t character;
        size_t length = decode(text, &character);
        if (length == 0 || is_obeyed(character)) {
            *to++ = '?';
            text += length > 0 ? length : 1;
        } else {
            memmove(to, text, length);
            to += length;
            text += length;
        }
    }
    *to = '\0';
}

size_t eddy_whole_characters(const char *text, size_t most)
{
    size_t length = strnlen(text, most);
    size_t whole = length;

    if (text[length] == '\0') {
        return length;
    }
    /* Nothing that is longer than a character is one, and may be cut anywhere. */
    while (whole > 0 && length - whole < 4 && ((unsigned char)text[whole] & 0xC0) == 0x80) {
        whole--;
    }
    return whole > 0 && ((unsigned char)text[whole] & 0xC0) != 0x80 ? whole : length;
}
