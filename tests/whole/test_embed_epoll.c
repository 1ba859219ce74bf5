/* eddy inside an epoll set of somebody else's. */
#include "support/embed_rounds.h"

#include <sys/epoll.h>
#include <unistd.h>

static int epoll;

static void foreign_open(int fd)
{
    struct epoll_event event = {.events = EPOLLIN};

    epoll = epoll_create1(EPOLL_CLOEXEC);
    assert_true(epoll >= 0);
    assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), 0);
}

static bool foreign_sleep(bool may_wait)
{
    struct epoll_event event;

    return epoll_wait(epoll, &event, 1, may_wait ? -1 : 0) == 1;
}

static void foreign_close(void)
{
    close(epoll);
}

int main(void)
{
    const struct CMUnitTest tests[] = {EMBED_CASES};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
