/*
 * Pairs of streams in memory, in the library and in a model of counts: an end's bytes are the numbers from 0 on, so
 * that one that is lost, doubled or out of its place is seen when it is read.
 *
 * Who waits to read or write goes on in a step of its own, and what it finds then is its result: nothing else happens
 * between that and the look at it. But a write that goes on may find room for only some of its bytes, and that nobody
 * is told of; so of a write that is under way the library says how many it has written, and all else the model knows.
 */
#include "simulation.h"

#include "eddy/memory.h"
#include "net/stream_internal.h"

static const unsigned capacities[PAIRS] = {1, 2, 5};

static struct end *other_of(const struct end *end)
{
    return &sim.ends[(end - sim.ends) ^ 1];
}

static unsigned capacity_of(const struct end *end)
{
    return capacities[(end - sim.ends) / 2];
}

/* All that this end has written, also of a write that is not over. */
static unsigned written(const struct end *end)
{
    return end->sent +
           (end->writer != MODEL_NOBODY ? (unsigned)eddy_stream_written(&end->stream) : 0);
}

/* Bytes that this end could read. */
static unsigned unread(const struct end *end)
{
    return written(other_of(end)) - end->came;
}

static unsigned room(const struct end *end)
{
    return capacity_of(end) - unread(other_of(end));
}

static bool nobody_reads(const struct end *end)
{
    return end->shut || other_of(end)->closed;
}

/* ---- what happens to an end */

static int64_t least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Of bytes that there are, or else the end; -EAGAIN: neither. */
static int64_t take(struct end *end, unsigned size)
{
    int64_t count = least(size, unread(end));

    if (count > 0) {
        end->came += (unsigned)count;
        other_of(end)->full = false;
        return count;
    }
    return nobody_reads(other_of(end)) ? 0 : -EAGAIN;
}

static int64_t put(struct end *end, unsigned size)
{
    int64_t count = least(size, room(end));

    if (end->full || nobody_reads(end)) {
        return end->full ? -EAGAIN : -EPIPE;
    }
    end->full = count == 0;
    end->sent += (unsigned)count;
    return count > 0 ? count : -EAGAIN;
}

/* A wait is over. What an interrupted write has written stays written. */
static void moved(struct model *model, int actor)
{
    (void)model;
    for (int i = 0; i < ENDS; i++) {
        struct end *end = &sim.ends[i];
        if (end->reader == actor) {
            end->reader = MODEL_NOBODY;
        }
        if (end->writer == actor) {
            end->sent = written(end);
            end->writer = MODEL_NOBODY;
            end->full = room(end) == 0 && !other_of(end)->closed; /* it was to try again */
        }
    }
}

/* ---- operations that wait */

void choose_bytes(struct actor *self)
{
    self->end = (int)below(ENDS);
    self->size = 1 + below(MOST_BYTES);
    for (unsigned i = 0; i < self->size; i++) {
        self->bytes[i] = (unsigned char)(written(&sim.ends[self->end]) + i);
    }
}

void begin_read_in_model(struct actor *self)
{
    struct end *end = &sim.ends[self->end];
    int64_t count;

    if (end->closed || end->reader != MODEL_NOBODY) {
        model_decide(&sim.model, self->number, end->closed ? -EBADF : -EBUSY);
        return;
    }
    count = take(end, self->size);
    if (count != -EAGAIN) {
        model_decide(&sim.model, self->number, count);
        return;
    }
    end->reader = self->number;
    model_wait(&sim.model, self->number, MODEL_READ);
}

void begin_write_in_model(struct actor *self)
{
    struct end *end = &sim.ends[self->end];

    if (end->closed || end->writer != MODEL_NOBODY) {
        model_decide(&sim.model, self->number, end->closed ? -EBADF : -EBUSY);
    } else if (!end->full && nobody_reads(end)) {
        model_decide(&sim.model, self->number, -EPIPE);
    } else if (!end->full && room(end) >= self->size) {
        model_decide(&sim.model, self->number, put(end, self->size));
    } else {
        end->full = true;
        end->writer = self->number; /* what it begins with, the library counts */
        model_wait(&sim.model, self->number, MODEL_WRITE);
    }
}

void decide_bytes(const struct actor *self)
{
    struct end *end = &sim.ends[self->end];
    int64_t result;

    if (self->operation == READ_BYTES && end->reader == self->number) {
        result = take(end, self->size);
        check(result != -EAGAIN);
        model_decide(&sim.model, self->number, result);
    } else if (self->operation == WRITE_BYTES && end->writer == self->number) {
        result = nobody_reads(end) ? -EPIPE : (int64_t)self->size;
        model_decide(&sim.model, self->number, result);
        end->full = false; /* it did not try for more than there was room for */
    }
}

static void check_numbers(const struct end *end, const unsigned char *bytes, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        check(bytes[i] == (unsigned char)(end->came - (unsigned)count + (unsigned)i));
    }
}

void check_bytes(const struct actor *self)
{
    if (self->operation == READ_BYTES) {
        check_numbers(&sim.ends[self->end], self->bytes, self->rc);
    }
}

/* ---- what never waits */

static void try_to_read(struct actor *self, struct end *end)
{
    int64_t count = eddy_try_read(&end->stream, self->bytes, self->size);

    if (end->closed || end->reader != MODEL_NOBODY) {
        check(count == (end->closed ? -EBADF : -EBUSY));
    } else {
        check(count == take(end, self->size));
        check_numbers(end, self->bytes, count);
    }
}

static void try_to_write(const struct actor *self, struct end *end)
{
    int64_t count = eddy_try_write(&end->stream, self->bytes, self->size);

    if (end->closed || end->writer != MODEL_NOBODY) {
        check(count == (end->closed ? -EBADF : -EBUSY));
    } else {
        check(count == put(end, self->size));
    }
}

static void shut_end(struct end *end)
{
    check(eddy_stream_shutdown_write(&end->stream) == (end->closed ? -EBADF : 0));
    end->shut = true;
}

static void close_end(struct end *end)
{
    if (end->reader != MODEL_NOBODY) {
        model_decide(&sim.model, end->reader, -EBADF);
    }
    if (end->writer != MODEL_NOBODY) {
        model_decide(&sim.model, end->writer, -EBADF);
    }
    eddy_stream_close(&end->stream);
    end->shut = end->closed = true;
    other_of(end)->full = false;
}

void act_on_end(struct actor *self)
{
    struct end *end = &sim.ends[self->end];

    if (self->operation == TRY_TO_READ) {
        try_to_read(self, end);
    } else if (self->operation == TRY_TO_WRITE) {
        try_to_write(self, end);
    } else if (self->operation == SHUT_END && below(12) == 0) {
        shut_end(end);
    } else if (self->operation == CLOSE_END && below(16) == 0) {
        close_end(end);
    }
}

/* ---- both sides look the same */

void check_pairs(void)
{
    for (int i = 0; i < ENDS; i++) {
        struct end *end = &sim.ends[i];
        check(eddy_stream_is_open(&end->stream) == !end->closed);
        check(unread(end) <= capacity_of(end));
        if (!other_of(end)->closed) {
            check(eddy_transport_unsent(&other_of(end)->stream) == (int)unread(end));
        }
    }
}

void check_idle_pairs(void)
{
    for (int i = 0; i < ENDS; i++) {
        const struct end *end = &sim.ends[i];
        check(end->reader == MODEL_NOBODY || (unread(end) == 0 && !other_of(end)->shut));
        check(end->writer == MODEL_NOBODY || (room(end) == 0 && !other_of(end)->closed));
    }
}

void open_pairs(void)
{
    for (int i = 0; i < ENDS; i += 2) {
        check(eddy_memory_pair(testing.loop, &sim.ends[i].stream, &sim.ends[i + 1].stream,
                               capacities[i / 2]) == 0);
    }
    for (int i = 0; i < ENDS; i++) {
        sim.ends[i].reader = sim.ends[i].writer = MODEL_NOBODY;
    }
    sim.model.moved = moved;
}

/* What is left is read to its last byte. */
void close_pairs(void)
{
    struct actor reader = {.size = MOST_BYTES};

    for (int i = 0; i < ENDS; i++) {
        struct end *end = &sim.ends[i];
        check(end->reader == MODEL_NOBODY && end->writer == MODEL_NOBODY);
        while (!end->closed && unread(end) > 0) {
            try_to_read(&reader, end);
        }
    }
    for (int i = 0; i < ENDS; i++) {
        close_end(&sim.ends[i]);
    }
}
