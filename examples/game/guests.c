/*
 * Guests: players, and those who look on, by TCP; `nc 127.0.0.1 PORT` is enough. Each is a
 * coroutine, a loop around eddy_read_line, in the loop of the outside world: it is served while the
 * game is paused. What a guest is sent he takes at once or is thrown out, so nobody waits for him.
 */
#include "players.h"

#include <stdio.h>
#include <string.h>

enum { MOST_LINE = 256, TOLD_PER_FRAME = 16 };

static const char help[] = "name NAME, left, right, up, down, stop, say TEXT, look, help, quit\n";

eddy_frame(guest) {
    eddy_coro co;
    struct house *house;   /* argument */
    eddy_stream *stream;   /* set by eddy_serve, which also closes it in the end */
    struct eddy_link link; /* in the house's list */
    struct thief *thief;   /* NULL: looks on, for there was no seat */
    bool knows;            /* that there is no seat: once is enough */
    char name[MOST_NAME + 1];
    eddy_reader in;
    int64_t length;
    bool too_long; /* a line that is, and has not come to its end */
    char buffer[MOST_LINE];
};

static struct guest *guest_of(struct eddy_link *link)
{
    return (struct guest *)(void *)((char *)link - offsetof(struct guest, link));
}

static void tell(struct guest *guest, const char *text, size_t size)
{
    if (eddy_try_write(guest->stream, text, size) != (int64_t)size) {
        eddy_cancel(eddy_task_self(&guest->co));
    }
}

static void reply(struct guest *guest, const char *text)
{
    tell(guest, text, strlen(text));
}

/* ---- what guests say to each other */

static void say(struct house *house, const struct guest *guest, const char *text)
{
    char line[NEWS_SIZE];
    int length;

    game_say(house->game, "%s: %s", guest->name, text);
    length =
        snprintf(line, sizeof line, "%s: %.*s\n", guest->name, NEWS_SIZE - MOST_NAME - 5, text);
    if (house->said_size + (size_t)length < sizeof house->said) { /* else it is too much at once */
        memcpy(house->said + house->said_size, line, (size_t)length);
        house->said_size += (size_t)length;
        eddy_event_set(&house->news);
    }
}

/* Tells a few guests; then a frame passes, so that no frame pays for all. */
static void tell_some(struct house *house, const char *text, size_t size)
{
    for (int i = 0; i < TOLD_PER_FRAME && house->told != &house->guests; i++) {
        struct guest *guest = guest_of(house->told);
        house->told = house->told->next;
        tell(guest, text, size);
    }
}

eddy_frame(crier) {
    eddy_coro co;
    struct house *house; /* argument */
    size_t size;
    char text[sizeof((struct house *)0)->said];
};

static void crier(eddy_coro *co)
{
    eddy_begin(crier);
    for (;;) {
        eddy_await(eddy_event_wait(co, &self->house->news));
        eddy_event_clear(&self->house->news);
        self->size = self->house->said_size;
        memcpy(self->text, self->house->said, self->size);
        self->house->said_size = 0;
        self->house->told = self->house->guests.next;
        while (self->house->told != &self->house->guests) {
            tell_some(self->house, self->text, self->size);
            eddy_await(eddy_sleep(co, STEP));
        }
    }
    eddy_end;
}

/* ---- what a guest can do */

/* The arena as text: for him who has no picture. */
static void look(struct guest *guest)
{
    const struct game *game = guest->house->game;
    const struct arena *arena = &game->arena;
    char text[MOST_HEIGHT * (MOST_WIDTH + 1)];
    size_t size = 0;

    for (int y = 0; y < arena->height; y++) {
        memcpy(text + size, arena->tile[y], (size_t)arena->width);
        for (int i = 0; i < arena->guards; i++) {
            if (game->guard[i].walker.to.y == y) {
                text[size + (size_t)game->guard[i].walker.to.x] = 'G';
            }
        }
        for (int i = 0; i < MOST_THIEVES; i++) {
            const struct thief *thief = &game->thief[i];
            if (thief_plays(thief) && thief->walker.to.y == y) {
                text[size + (size_t)thief->walker.to.x] =
                    thief == guest->thief ? '@' : thief->name[0];
            }
        }
        size += (size_t)arena->width;
        text[size++] = '\n';
    }
    tell(guest, text, size);
}

static void sit_down(struct guest *self)
{
    if (self->thief == NULL) {
        self->thief = thief_seat(self->house->game, self->name);
        if (self->thief != NULL) {
            self->thief->stream = self->stream;
            self->thief->task = eddy_task_self(&self->co);
        }
    }
}

static void rename_guest(struct guest *self, const char *name)
{
    if (*name == '\0' || *name == ' ') {
        reply(self, "A name, please: name NAME\n");
        return;
    }
    game_say(self->house->game, "%s is now %s", self->name, name);
    copy_text(self->name, sizeof self->name, name, MOST_NAME);
    if (self->thief != NULL) {
        memcpy(self->thief->name, self->name, sizeof self->name);
    }
}

static void go(struct guest *self, enum direction direction)
{
    sit_down(self); /* somebody may have left */
    if (self->thief != NULL) {
        self->thief->wish = direction;
    } else if (!self->knows) {
        self->knows = true;
        reply(self, "All seats are taken: you look on.\n");
    }
}

/* Does what a line says. False: to leave. */
static bool obey(struct guest *self, const char *line)
{
    static const char *const ways[] = {"stop", "up", "down", "left", "right"};

    for (enum direction way = STAY; way <= RIGHT; way++) {
        if (strcmp(line, ways[way]) == 0) {
            go(self, way);
            return true;
        }
    }
    if (strncmp(line, "name ", 5) == 0) {
        rename_guest(self, line + 5);
    } else if (strncmp(line, "say ", 4) == 0) {
        say(self->house, self, line + 4);
    } else if (strcmp(line, "look") == 0) {
        look(self);
    } else if (strcmp(line, "quit") != 0) {
        reply(self, help);
    }
    return strcmp(line, "quit") != 0;
}

static void come_in(struct guest *self)
{
    snprintf(self->name, sizeof self->name, "guest%u", ++self->house->count % 100000);
    eddy_list_append(&self->house->guests, &self->link);
    sit_down(self);
    reply(self, self->thief != NULL ? "You are a thief. " : "All seats are taken: you look on. ");
    reply(self, help);
}

static void leave(struct guest *self)
{
    if (self->house->told == &self->link) {
        self->house->told = self->link.next; /* the crier was about to tell him */
    }
    eddy_list_remove(&self->link);
    if (self->thief != NULL) {
        self->thief->seated = false;
        self->thief->stream = NULL;
    }
}

static void guest(eddy_coro *co)
{
    char line[MOST_LINE];

    eddy_begin(guest);
    eddy_reader_init(&self->in, self->stream, self->buffer, sizeof self->buffer);
    come_in(self);
    for (;;) {
        eddy_catch(self->length, eddy_read_line(co, &self->in, sizeof self->buffer));
        if (self->length == -EMSGSIZE) { /* drop what there is of it, and then its end */
            eddy_reader_skip(&self->in, sizeof self->buffer);
            self->too_long = true;
            continue;
        }
        if (self->length <= 0) {
            eddy_return(self->length); /* the end of the file, or an error */
        }
        self->length = (int64_t)eddy_line_strip(self->in.line, (size_t)self->length);
        copy_text(line, sizeof line, self->in.line, (size_t)self->length);
        if (self->too_long) {
            self->too_long = false;
            reply(self, "Too long.\n");
        } else if (!obey(self, line)) {
            eddy_return(0);
        }
    }
eddy_finally:
    if (eddy_link_used(&self->link)) {
        leave(self);
    }
    eddy_end;
}

void open_house(eddy_coro *co)
{
    eddy_begin(open_house);
    eddy_list_init(&self->house->guests);
    self->house->told = &self->house->guests;
    eddy_await(
        eddy_serve(co, &self->house->server, "127.0.0.1", self->port, guest, .house = self->house));
    self->house->port = eddy_server_port(&self->house->server);
    self->crier = eddy_spawn(co, crier, .house = self->house);
    eddy_detach(self->crier);
    eddy_await(eddy_server_wait_closed(co, &self->house->server)); /* until it is cancelled */
eddy_finally:
    eddy_cancel(self->crier);
    eddy_server_close(&self->house->server);
    eddy_await(eddy_server_wait_closed(co, &self->house->server));
    eddy_end;
}
