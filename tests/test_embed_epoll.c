/* eddy inside an epoll set of somebody else's. */
#include "support/embed.h"

#include <sys/epoll.h>
#include <unistd.h>

static int epoll;
static bool called_soon;
static bool quit;

static void foreign_open(int fd)
{
    struct epoll_event event = {.events = EPOLLIN};

    epoll = epoll_create1(EPOLL_CLOEXEC);
    assert_true(epoll >= 0);
    assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), 0);
    quit = false;
}

static void foreign_call_soon(void)
{
    called_soon = true;
}

static void foreign_quit(void)
{
    quit = true;
}

static void foreign_run(void)
{
    struct epoll_event event;

    while (!quit) {
        if (epoll_wait(epoll, &event, 1, called_soon ? 0 : -1) == 1) {
            embed_poll();
        }
        if (called_soon) {
            called_soon = false;
            embed_called();
        }
    }
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
