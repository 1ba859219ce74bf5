/*
 * cat: copies standard input to standard output, be they pipes, terminals, files or sockets.
 *
 *     cat
 *
 * Neither of them is changed for the programs that share them, and nothing is left to put right if this
 * one is killed. Who reads no more is no error worth a word, as for any program in a pipeline.
 */
#include <eddy.h>
#include <stdio.h>

eddy_frame(cat) {
    eddy_coro co;
    eddy_stream in, out;
    int64_t rc;
};

static void cat(eddy_coro *co)
{
    eddy_begin(cat);
    eddy_await(eddy_stream_open(eddy_loop_of(co), &self->in, 0));
    eddy_await(eddy_stream_open(eddy_loop_of(co), &self->out, 1));
    eddy_catch(self->rc, eddy_copy(co, &self->in, &self->out, NULL));
    if (self->rc == -EPIPE) {
        eddy_return(1);
    }
    eddy_return(self->rc);
eddy_finally:
    eddy_stream_close(&self->in);
    eddy_stream_close(&self->out);
    eddy_end;
}

int main(void)
{
    return eddy_exit_status(eddy_run(cat));
}
