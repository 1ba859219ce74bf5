/*
 * An echo of datagrams, on 127.0.0.1: `udp_echo [PORT]`, and talk to it with `nc -u 127.0.0.1 8888`.
 *
 * As many as have come are received with one call and sent back with another. A datagram that is longer
 * than the room for it is told by its length, and sent back as far as it came. Who has gone fails
 * nobody: the socket is not connected.
 */
#include <eddy.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST = 32, ROOM = 2048 };

#define ENDING (EDDY_SIGNAL(SIGINT) | EDDY_SIGNAL(SIGTERM))

static int port = 8888;

eddy_frame(echo) {
    eddy_coro co;
    eddy_datagram socket;
    struct eddy_address address;
    struct eddy_packet packets[MOST];
    struct eddy_address from[MOST];
    char room[MOST][ROOM];
    int count;
};

static void echo(eddy_coro *co)
{
    eddy_begin(echo);
    eddy_await(eddy_address_parse(&self->address, "127.0.0.1", port));
    eddy_await(eddy_datagram_open(eddy_loop_of(co), &self->socket, AF_INET));
    eddy_await(eddy_datagram_bind(&self->socket, &self->address));
    eddy_await(eddy_datagram_address(&self->socket, &self->address));
    printf("listening on 127.0.0.1:%d\n", eddy_address_port(&self->address));
    fflush(stdout);
    for (;;) {
        for (int i = 0; i < MOST; i++) {
            self->packets[i] = (struct eddy_packet){self->room[i], ROOM, 0, &self->from[i]};
        }
        eddy_await(self->count, eddy_datagram_receive_many(co, &self->socket, self->packets, MOST));
        for (int i = 0; i < self->count; i++) {
            size_t length = self->packets[i].length;
            self->packets[i].size = length < ROOM ? length : ROOM;
        }
        eddy_await(eddy_datagram_send_many(co, &self->socket, self->packets, self->count));
    }
eddy_finally:
    eddy_datagram_close(&self->socket);
    eddy_end;
}

eddy_frame_of(serve, eddy_task task, int64_t rc);

static void serve(eddy_coro *co)
{
    eddy_begin(serve);
    eddy_await(eddy_signal_watch(eddy_loop_of(co), ENDING));
    self->task = eddy_spawn(co, echo);
    eddy_await(eddy_signal_wait(co, ENDING));
    eddy_cancel(self->task);
    eddy_catch(self->rc, eddy_join(co, self->task));
    eddy_return(self->rc == -ECANCELED ? 0 : self->rc);
    eddy_end;
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        port = atoi(argv[1]);
    }
    return eddy_main(serve);
}
