/*
 * The journal: a file to which each command that changed the store is appended, as RESP, so that it is read at the start by
 * the parser that reads clients.
 *
 * Commands are appended to a buffer in memory. A coroutine has a worker's thread write it and sync it to the disk, at most
 * once a second; meanwhile the other buffer is filled. So after a crash of the machine a second of changes may be missing,
 * and after one of the program what was not written yet; a program that is ended by a signal writes all.
 *
 * If the end of the file is half a command (the machine went down in the midst), that half is cut off, and told.
 */
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- appending */

static bool reserve(struct journal *journal, size_t more)
{
    size_t room = journal->room > 0 ? journal->room : 4096;
    char *bytes;

    while (room - journal->size < more) {
        room *= 2;
    }
    if (room == journal->room) {
        return true;
    }
    bytes = realloc(journal->bytes, room);
    if (bytes == NULL) {
        return false;
    }
    journal->bytes = bytes;
    journal->room = room;
    return true;
}

void journal_append_words(struct server *server, int count, const struct bytes *words)
{
    struct journal *journal = &server->journal;
    size_t more = 32;

    if (journal->fd < 0 || server->replaying) {
        return;
    }
    for (int i = 0; i < count; i++) {
        more += words[i].size + 32;
    }
    if (!reserve(journal, more)) {
        fputs("redis_server: no memory for the journal: a change is missing in it\n", stderr);
        return;
    }
    journal->size += (size_t)sprintf(journal->bytes + journal->size, "*%d\r\n", count);
    for (int i = 0; i < count; i++) {
        journal->size += (size_t)sprintf(journal->bytes + journal->size, "$%zu\r\n", words[i].size);
        memcpy(journal->bytes + journal->size, words[i].data, words[i].size);
        memcpy(journal->bytes + journal->size + words[i].size, "\r\n", 2);
        journal->size += words[i].size + 2;
    }
    eddy_event_set(&journal->dirty);
}

void journal_append(struct server *server, const struct command *command)
{
    journal_append_words(server, command->count, command->arguments);
}

/* ---- writing */

/* On a worker's thread. What was written before an error is not written again. */
static int64_t write_buffer(eddy_job *job, void *argument)
{
    struct journal *journal = argument;
    size_t written = 0;

    (void)job;
    while (written < journal->writing_size) {
        ssize_t count =
            write(journal->fd, journal->writing + written, journal->writing_size - written);
        if (count < 0 && errno != EINTR) {
            int error = errno;
            journal->writing_size -= written;
            memmove(journal->writing, journal->writing + written, journal->writing_size);
            return -error;
        }
        written += count > 0 ? (size_t)count : 0;
    }
    journal->writing_size = 0;
    return fdatasync(journal->fd) < 0 ? -errno : 0;
}

static void swap_buffers(struct journal *journal)
{
    char *bytes = journal->writing;
    size_t room = journal->writing_room;

    journal->writing = journal->bytes;
    journal->writing_size = journal->size;
    journal->writing_room = journal->room;
    journal->bytes = bytes;
    journal->size = 0;
    journal->room = room;
}

/* Writes what there is, once. An error is told when it is a new one; what could not be written is tried again. */
eddy_frame(write_once) {
    eddy_coro co;
    struct server *server;
    int64_t rc;
};

static void write_once(eddy_coro *co)
{
    eddy_begin(write_once);
    if (self->server->journal.writing_size == 0) {
        swap_buffers(&self->server->journal);
    }
    eddy_catch(self->rc, eddy_offload(co, write_buffer, &self->server->journal));
    if (self->rc < 0 && self->rc != self->server->journal.error) {
        fprintf(stderr, "redis_server: writing the journal: %s\n", eddy_strerror(self->rc));
    }
    self->server->journal.error = (int)self->rc;
    eddy_return(self->rc);
    eddy_end;
}

void journal_writes(eddy_coro *co)
{
    eddy_begin(journal_writes);
    while (true) {
        eddy_await(eddy_event_wait(co, &self->server->journal.dirty));
        eddy_event_clear(&self->server->journal.dirty);
        eddy_catch(self->rc, eddy_call(co, write_once, .server = self->server));
        if (self->rc < 0 || self->server->journal.size > 0) {
            eddy_event_set(&self->server->journal.dirty);
        }
        eddy_await(eddy_sleep(co, EDDY_SECOND));
    }
eddy_finally:
    self->rc = 0;
    while (self->rc == 0 && self->server->journal.writing_size + self->server->journal.size > 0) {
        eddy_catch(self->rc, eddy_call(co, write_once, .server = self->server));
    }
    close(self->server->journal.fd);
    free(self->server->journal.bytes);
    free(self->server->journal.writing);
    self->server->journal = (struct journal){.fd = -1};
    eddy_end;
}

/* ---- reading */

/* Runs the commands of a file that is mapped or read; how many bytes of it are whole commands. */
static size_t replay(struct server *server, char *bytes, size_t size)
{
    static struct command command;
    struct client nobody = {.server = server, .reply = {.error = -EBADF}}; /* puts nothing */
    size_t at = 0;
    size_t wanted;
    int64_t taken;

    if (size == 0) {
        return 0; /* there is no file, or nothing in it */
    }
    server->replaying = true;
    while ((taken = resp_parse(bytes + at, size - at, &command, &wanted)) > 0) {
        if (command.count > 0) {
            command_run(&nobody, &command);
        }
        at += (size_t)taken;
    }
    server->replaying = false;
    server->commands = 0;
    return at;
}

eddy_frame(open_journal) {
    eddy_coro co;
    struct server *server;
    const char *path;
    struct eddy_file_data data;
    size_t whole;
    int64_t rc;
};

static void open_journal(eddy_coro *co)
{
    eddy_begin(open_journal);
    eddy_catch(self->rc, eddy_file_read(co, self->path, &self->data, (size_t)1 << 30));
    if (self->rc < 0 && self->rc != -ENOENT) {
        eddy_fail(co, self->rc, "%s", self->path);
    }
    self->whole = replay(self->server, self->data.bytes, self->data.size);
    self->server->journal.fd = open(self->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (self->server->journal.fd < 0) {
        eddy_fail(co, -errno, "%s", self->path);
    }
    if (self->whole < self->data.size) {
        fprintf(stderr,
                "redis_server: %s: the last %zu bytes are no whole command, and are cut off\n",
                self->path, self->data.size - self->whole);
        if (ftruncate(self->server->journal.fd, (off_t)self->whole) < 0) {
            eddy_fail(co, -errno, "%s", self->path);
        }
    }
eddy_finally:
    eddy_file_free(eddy_loop_of(co), &self->data);
    eddy_end;
}

int64_t journal_open(eddy_coro *co, struct server *server, const char *path)
{
    return eddy_call(co, open_journal, .server = server, .path = path);
}
