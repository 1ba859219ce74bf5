/* list.h: the circular list with its links inside the members. */
#include "support/testing.h"

#include "eddy/impl/list.h"

struct item {
    struct eddy_link link; /* first: a link is its item */
    const char *name;
};

static void log_items(const struct eddy_link *head)
{
    if (head->next == NULL) {
        return;
    }
    for (const struct eddy_link *link = head->next; link != head; link = link->next) {
        assert_ptr_equal(link->next->prev, link);
        testing_log("%s", ((const struct item *)(const void *)link)->name);
    }
}

test(a_zeroed_head_is_an_empty_list)
{
    struct eddy_link head = {0};

    assert_true(eddy_list_empty(&head));
    assert_null(eddy_list_first(&head));
}

test(an_initialised_head_is_an_empty_list)
{
    struct eddy_link head;

    eddy_list_init(&head);
    assert_true(eddy_list_empty(&head));
    assert_null(eddy_list_first(&head));
}

test(members_keep_the_order_in_which_they_were_appended)
{
    struct eddy_link head = {0};
    struct item a = {.name = "a"}, b = {.name = "b"}, c = {.name = "c"};

    eddy_list_append(&head, &a.link);
    eddy_list_append(&head, &b.link);
    eddy_list_append(&head, &c.link);
    assert_false(eddy_list_empty(&head));
    log_items(&head);
    testing_assert_log("a b c");
}

test(the_first_member_stays_in_the_list)
{
    struct eddy_link head = {0};
    struct item a = {.name = "a"}, b = {.name = "b"};

    eddy_list_append(&head, &a.link);
    eddy_list_append(&head, &b.link);
    assert_ptr_equal(eddy_list_first(&head), &a.link);
    assert_ptr_equal(eddy_list_first(&head), &a.link);
}

test(a_link_says_whether_it_is_in_a_list)
{
    struct eddy_link head = {0};
    struct item a = {.name = "a"};

    assert_false(eddy_link_used(&a.link));
    eddy_list_append(&head, &a.link);
    assert_true(eddy_link_used(&a.link));
    eddy_list_remove(&a.link);
    assert_false(eddy_link_used(&a.link));
}

test(a_member_leaves_without_knowing_its_list)
{
    struct eddy_link head = {0};
    struct item a = {.name = "a"}, b = {.name = "b"}, c = {.name = "c"};

    eddy_list_append(&head, &a.link);
    eddy_list_append(&head, &b.link);
    eddy_list_append(&head, &c.link);
    eddy_list_remove(&b.link);
    log_items(&head);
    testing_assert_log("a c");
    eddy_list_remove(&a.link);
    log_items(&head);
    testing_assert_log("c");
    eddy_list_remove(&c.link);
    assert_true(eddy_list_empty(&head));
}

test(a_member_that_has_left_may_come_again)
{
    struct eddy_link head = {0};
    struct item a = {.name = "a"}, b = {.name = "b"};

    eddy_list_append(&head, &a.link);
    eddy_list_append(&head, &b.link);
    eddy_list_remove(&a.link);
    eddy_list_append(&head, &a.link);
    log_items(&head);
    testing_assert_log("b a");
}

test(splice_moves_all_members_behind_those_of_the_other_list)
{
    struct eddy_link to = {0}, from = {0};
    struct item a = {.name = "a"}, b = {.name = "b"}, c = {.name = "c"}, d = {.name = "d"};

    eddy_list_append(&to, &a.link);
    eddy_list_append(&to, &b.link);
    eddy_list_append(&from, &c.link);
    eddy_list_append(&from, &d.link);
    eddy_list_splice(&to, &from);
    log_items(&to);
    testing_assert_log("a b c d");
    assert_true(eddy_list_empty(&from));
}

test(splice_into_a_zeroed_list)
{
    struct eddy_link to = {0}, from = {0};
    struct item a = {.name = "a"};

    eddy_list_append(&from, &a.link);
    eddy_list_splice(&to, &from);
    log_items(&to);
    testing_assert_log("a");
    assert_true(eddy_list_empty(&from));
}

test(splice_of_an_empty_list_changes_nothing)
{
    struct eddy_link to = {0}, zeroed = {0}, initialised;
    struct item a = {.name = "a"};

    eddy_list_init(&initialised);
    eddy_list_append(&to, &a.link);
    eddy_list_splice(&to, &zeroed);
    eddy_list_splice(&to, &initialised);
    log_items(&to);
    testing_assert_log("a");
}

test(a_list_that_was_spliced_away_may_be_filled_again)
{
    struct eddy_link to = {0}, from = {0};
    struct item a = {.name = "a"}, b = {.name = "b"};

    eddy_list_append(&from, &a.link);
    eddy_list_splice(&to, &from);
    eddy_list_append(&from, &b.link);
    log_items(&to);
    testing_assert_log("a");
    log_items(&from);
    testing_assert_log("b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_zeroed_head_is_an_empty_list),
        testing_case(an_initialised_head_is_an_empty_list),
        testing_case(members_keep_the_order_in_which_they_were_appended),
        testing_case(the_first_member_stays_in_the_list),
        testing_case(a_link_says_whether_it_is_in_a_list),
        testing_case(a_member_leaves_without_knowing_its_list),
        testing_case(a_member_that_has_left_may_come_again),
        testing_case(splice_moves_all_members_behind_those_of_the_other_list),
        testing_case(splice_into_a_zeroed_list),
        testing_case(splice_of_an_empty_list_changes_nothing),
        testing_case(a_list_that_was_spliced_away_may_be_filled_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
