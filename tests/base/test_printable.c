/* printable.h: what is told of names and paths is one line, which no terminal obeys. */
#include "support/testing.h"

#include <stdio.h>
#include <string.h>

#include "base/printable.h"

static const char *printable(const char *text)
{
    static char copy[256];

    snprintf(copy, sizeof copy, "%s", text);
    eddy_make_printable(copy);
    return copy;
}

test(text_stays_as_it_is)
{
    static const char *const texts[] = {
        "",
        "plain ~ text",
        "\xC3\xB6 \xE2\x82\xAC \xF0\x9F\x90\x8D",   /* an o with dots, a euro, a snake */
        "\xC2\xA0\xDF\xBF\xE0\xA0\x80\xEF\xBF\xBD", /* the ends of what two and three bytes hold */
        "\xED\x9F\xBF\xEE\x80\x80\xF0\x90\x80\x80\xF4\x8F\xBF\xBF",
    };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_string_equal(printable(texts[i]), texts[i]);
    }
}

test(no_control_character_is_left_as_a_byte_or_in_utf_8)
{
    char text[3] = "";

    for (unsigned c = 1; c < 0xA0; c++) {
        bool harmless = c >= ' ' && c < 0x7F;
        text[0] = (char)c;
        text[1] = '\0';
        assert_string_equal(printable(text), harmless ? text : "?");
        text[0] = (char)(0xC0 | c >> 6);
        text[1] = (char)(0x80 | (c & 0x3F));
        /* What is longer than it should be is two bytes, and neither is a character. */
        assert_string_equal(printable(text), c < 0x80 ? "??" : "?");
    }
}

test(nothing_ends_a_line_or_turns_its_direction)
{
    assert_string_equal(printable("a\r\nb\v\f"), "a??b??");
    assert_string_equal(printable("a\xE2\x80\xA8g\xE2\x80\xA9g"), "a?g?g");
    assert_string_equal(printable("\xE2\x80\xAA\xE2\x80\xAB\xE2\x80\xAC\xE2\x80\xAD\xE2\x80\xAE"),
                        "?????");
    assert_string_equal(printable("\xE2\x81\xA6\xE2\x81\xA7\xE2\x81\xA8\xE2\x81\xA9"), "????");
    assert_string_equal(printable("\xE2\x80\x8E\xE2\x80\x8F\xD8\x9C"), "???");
    assert_string_equal(printable("\xE2\x80\xA7 \xE2\x80\xAF"), "\xE2\x80\xA7 \xE2\x80\xAF");
}

test(what_is_no_utf_8_is_shown_byte_by_byte)
{
    static const struct {
        const char *text;
        const char *shown;
    } texts[] = {
        {"a\xC3", "a?"},              /* cut off */
        {"a\xE2\x82", "a??"},         /* likewise */
        {"a\xF0\x9F\x90z", "a???z"},  /* likewise, in the middle */
        {"\xE9t\xE9", "?t?"},         /* Latin-1 */
        {"\xE0\x82\x9B", "???"},      /* longer than it should be: 0x9b */
        {"\xF0\x80\x82\x9B", "????"}, /* and longer */
        {"\xED\xA0\x80", "???"},      /* half of a pair */
        {"\xF4\x90\x80\x80", "????"}, /* behind the last */
        {"\xF5\x80\x80\x80\xFF", "?????"},
        {"\xC3\xC3\xB6", "?\xC3\xB6"},
    };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_string_equal(printable(texts[i].text), texts[i].shown);
    }
}

test(a_text_is_cut_between_two_characters)
{
    assert_int_equal(eddy_whole_characters("", 4), 0);
    assert_int_equal(eddy_whole_characters("abc", 4), 3);
    assert_int_equal(eddy_whole_characters("abcd", 4), 4);
    assert_int_equal(eddy_whole_characters("abcde", 4), 4);
    assert_int_equal(eddy_whole_characters("abc\xC3\xB6", 4), 3);
    assert_int_equal(eddy_whole_characters("ab\xC3\xB6", 4), 4);
    assert_int_equal(eddy_whole_characters("a\xF0\x9F\x90\x8D", 4), 1);
    assert_int_equal(eddy_whole_characters("\x80\x80\x80\x80\x80\x80", 4), 4); /* no character */
    assert_int_equal(eddy_whole_characters("\xF0\x9F\x90\x8D", 3), 3);         /* too little room */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(text_stays_as_it_is),
        testing_case(no_control_character_is_left_as_a_byte_or_in_utf_8),
        testing_case(nothing_ends_a_line_or_turns_its_direction),
        testing_case(what_is_no_utf_8_is_shown_byte_by_byte),
        testing_case(a_text_is_cut_between_two_characters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
