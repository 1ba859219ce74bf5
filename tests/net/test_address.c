/* address.h: reading addresses, and what they have. */
#include "support/testing.h"

#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "net/address.h"

static struct eddy_address address;

static const struct sockaddr_un *un(void)
{
    return (const struct sockaddr_un *)(const void *)&address.storage;
}

static void assert_formatted(const char *expected)
{
    char text[128];

    assert_true(eddy_address_format(&address, text, sizeof text));
    assert_string_equal(text, expected);
}

test(numbers_are_addresses_with_their_ports)
{
    assert_int_equal(eddy_address_parse(&address, "127.0.0.1", 80), 0);
    assert_int_equal(address.storage.ss_family, AF_INET);
    assert_int_equal(eddy_address_port(&address), 80);
    assert_int_equal(eddy_address_parse(&address, "::1", 65535), 0);
    assert_int_equal(address.storage.ss_family, AF_INET6);
    assert_int_equal(eddy_address_port(&address), 65535);
}

test(what_is_no_number_or_no_port_is_none)
{
    assert_int_equal(eddy_address_parse(&address, "localhost", 80), -EINVAL);
    assert_int_equal(eddy_address_parse(&address, "127.0.0.1", -1), -EINVAL);
    assert_int_equal(eddy_address_parse(&address, "127.0.0.1", 65536), -EINVAL);
}

test(a_path_is_a_unix_address_without_a_port)
{
    assert_int_equal(eddy_address_unix(&address, "/run/socket"), 0);
    assert_int_equal(address.storage.ss_family, AF_UNIX);
    assert_string_equal(un()->sun_path, "/run/socket");
    assert_int_equal(address.size, offsetof(struct sockaddr_un, sun_path) + sizeof "/run/socket");
    assert_string_equal(eddy_address_path(&address), "/run/socket");
    assert_int_equal(eddy_address_port(&address), -EINVAL);
    assert_formatted("unix:/run/socket");
}

test(a_name_behind_an_at_sign_is_abstract_and_no_path)
{
    assert_int_equal(eddy_address_unix(&address, "@name"), 0);
    assert_memory_equal(un()->sun_path, "\0name", 5);
    assert_int_equal(address.size, offsetof(struct sockaddr_un, sun_path) + 5);
    assert_null(eddy_address_path(&address));
    assert_int_equal(eddy_address_port(&address), -EINVAL);
    assert_formatted("unix:@name");
    assert_int_equal(eddy_address_unix(&address, "./@name"), 0);
    assert_string_equal(eddy_address_path(&address), "./@name");
}

test(a_path_or_name_has_1_to_107_bytes)
{
    char text[110];

    memset(text, 'x', sizeof text);
    text[107] = '\0';
    assert_int_equal(eddy_address_unix(&address, text), 0);
    assert_string_equal(eddy_address_path(&address), text);
    text[107] = 'x';
    text[108] = '\0';
    assert_int_equal(eddy_address_unix(&address, text), -ENAMETOOLONG);
    text[0] = '@';
    assert_int_equal(eddy_address_unix(&address, text), 0);
    assert_int_equal(address.size, sizeof(struct sockaddr_un));
    text[108] = 'x';
    text[109] = '\0';
    assert_int_equal(eddy_address_unix(&address, text), -ENAMETOOLONG);
    assert_int_equal(eddy_address_unix(&address, ""), -EINVAL);
    assert_int_equal(eddy_address_unix(&address, "@"), -EINVAL);
}

test(a_socket_without_a_name_has_no_path_and_an_address_of_nothing_no_port)
{
    memset(&address, 0, sizeof address);
    assert_int_equal(eddy_address_port(&address), -EINVAL);
    assert_null(eddy_address_path(&address));
    address.storage.ss_family = AF_UNIX;
    address.size = sizeof(sa_family_t);
    memset((char *)&address.storage + sizeof(sa_family_t), 'x', 10);
    assert_null(eddy_address_path(&address));
    assert_formatted("unix");
}

test(a_link_local_address_has_the_scope_of_its_interface)
{
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)&address.storage;
    char text[64];

    assert_int_equal(eddy_address_parse(&address, "fe80::1%lo", 80), 0);
    assert_int_equal(in6->sin6_scope_id, if_nametoindex("lo"));
    assert_true(eddy_address_format(&address, text, sizeof text));
    assert_string_equal(text, "[fe80::1%lo]:80");
    assert_int_equal(eddy_address_parse(&address, "fe80::1%4294967295", 80), 0);
    assert_true(eddy_address_format(&address, text, sizeof text));
    assert_string_equal(text, "[fe80::1%4294967295]:80");
    assert_int_equal(eddy_address_parse(&address, "fe80::1%", 80), -EINVAL);
    assert_int_equal(eddy_address_parse(&address, "fe80::1%0", 80), -EINVAL);
    assert_int_equal(eddy_address_parse(&address, "fe80::1%nosuch", 80), -EINVAL);
    assert_int_equal(eddy_address_parse(&address, "fe80::1%4294967296", 80), -EINVAL);
    assert_int_equal(eddy_address_parse(&address, "::1%lo", 80), -EINVAL);
    assert_int_equal(eddy_address_parse(&address, "127.0.0.1%lo", 80), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(numbers_are_addresses_with_their_ports),
        testing_case(what_is_no_number_or_no_port_is_none),
        testing_case(a_link_local_address_has_the_scope_of_its_interface),
        testing_case(a_path_is_a_unix_address_without_a_port),
        testing_case(a_name_behind_an_at_sign_is_abstract_and_no_path),
        testing_case(a_path_or_name_has_1_to_107_bytes),
        testing_case(a_socket_without_a_name_has_no_path_and_an_address_of_nothing_no_port),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
