/*
 * A forwarder for names, with a cache: DNS by UDP (RFC 1035).
 *
 *     dns_forwarder PORT UPSTREAM UPSTREAMS_PORT
 *
 * Listens on 127.0.0.1:PORT (0: any that is free) and prints "listening on PORT". A question that it knows the answer of is
 * answered at once, with what is left of its time; any other goes to the upstream, twice if that is silent for a second each,
 * and then is answered with SERVFAIL. Who asks what is being asked already waits for the same answer.
 *
 * The socket to the upstream is connected, so that nobody else's answers come in, and each question has an id at random; an
 * answer counts only if id and question are those that were asked. Answers that were cut off (TC) and errors of the upstream
 * are passed on and not kept. On SIGINT or SIGTERM it ends.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <eddy.h>

enum {
    HEAD = 12,           /* id, flags, four counts */
    LONGEST = 4096,      /* of a message, as EDNS has it */
    MOST_QUESTION = 300, /* a name, its type and class */
    CACHE = 1024,        /* answers that are kept */
    MOST_AT_ONCE = 1000, /* clients who wait */
    TRIES = 2
};

/* ---- messages */

struct message {
    size_t size;
    unsigned char data[LONGEST];
};

static unsigned read16(const unsigned char *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

static void write16(unsigned char *at, unsigned value)
{
    at[0] = (unsigned char)(value >> 8);
    at[1] = (unsigned char)value;
}

/* Behind a name at `at`; 0: it does not end in the message. */
static size_t skip_name(const struct message *message, size_t at)
{
    while (at < message->size) {
        unsigned length = message->data[at];
        if ((length & 0xC0) == 0xC0) { /* the rest stands elsewhere */
            return at + 2 <= message->size ? at + 2 : 0;
        }
        if ((length & 0xC0) != 0) {
            return 0;
        }
        at += 1 + length;
        if (length == 0) {
            return at <= message->size ? at : 0;
        }
    }
    return 0;
}

/* The end of the one question; 0: it has not one, or is no question or answer at all. */
static size_t question_end(const struct message *message)
{
    size_t end;

    if (message->size < HEAD || read16(message->data + 4) != 1) {
        return 0;
    }
    end = skip_name(message, HEAD);
    return end != 0 && end + 4 <= message->size && end + 4 - HEAD <= MOST_QUESTION ? end + 4 : 0;
}

/* Names are the same whatever the case. */
static bool same_question(const struct message *a, const struct message *b)
{
    size_t end = question_end(a);

    if (end == 0 || end != question_end(b)) {
        return false;
    }
    for (size_t i = HEAD; i < end; i++) {
        unsigned char x = a->data[i], y = b->data[i];
        bool letters = (x | 0x20) >= 'a' && (x | 0x20) <= 'z' && i < end - 4;
        if (x != y && !(letters && (x ^ y) == 0x20)) {
            return false;
        }
    }
    return true;
}

/* Goes through the records behind the question: takes `age` seconds from the time of each, and returns the shortest that was
 * left before; -1: they are none. */
static int64_t age_records(struct message *message, uint32_t age)
{
    size_t at = question_end(message);
    unsigned count =
        read16(message->data + 6) + read16(message->data + 8) + read16(message->data + 10);
    int64_t least = INT64_MAX;

    for (unsigned i = 0; i < count; i++) {
        unsigned char *record;
        uint32_t ttl;
        at = skip_name(message, at);
        if (at == 0 || at + 10 > message->size ||
            at + 10 + read16(message->data + at + 8) > message->size) {
            return -1;
        }
        record = message->data + at;
        at += 10 + read16(record + 8);
        if (read16(record) == 41) { /* EDNS: its field of that place is no time */
            continue;
        }
        ttl = (uint32_t)read16(record + 4) << 16 | read16(record + 6);
        least = ttl < least ? ttl : least;
        ttl = ttl > age ? ttl - age : 0;
        write16(record + 4, ttl >> 16);
        write16(record + 6, ttl & 0xffff);
    }
    return least == INT64_MAX ? 0 : least;
}

/* An answer that says that there is none. */
static void make_failure(const struct message *question, struct message *answer)
{
    answer->size = question_end(question);
    memcpy(answer->data, question->data, answer->size);
    answer->data[2] =
        (unsigned char)(0x80 |
                        (question->data[2] & 0x79)); /* an answer; what was asked to be copied is */
    answer->data[3] = 0x80 | 2;                      /* SERVFAIL */
    memset(answer->data + 6, 0, 6);
}

/* ---- the cache: by chance, a new answer takes the place of another */

struct kept {
    int64_t at, until; /* on the loop's clock; until 0: nothing is kept here */
    struct message answer;
};

static size_t place_of(const struct message *message)
{
    uint64_t hash = 14695981039346656037u;

    for (size_t i = HEAD; i < question_end(message); i++) {
        hash = (hash ^ (message->data[i] & ~0x20u)) * 1099511628211u;
    }
    return (size_t)(hash >> 32) % CACHE;
}

/* ---- the forwarder */

/* A question that is under way, and all who wait for its answer. */
struct question {
    struct question *next;
    struct message message; /* as it goes to the upstream */
    struct message answer;
    eddy_event answered;
    int users; /* tasks that have it; the last one frees it */
};

struct forwarder {
    eddy_datagram clients, upstream;
    eddy_lock sends_clients, sends_upstream; /* one sends at a time */
    struct question *questions;
    struct kept *cache;
    eddy_semaphore places;
    uint64_t asked, from_cache, failed;
};

static bool answer_from_cache(struct forwarder *forwarder, const struct message *question,
                              struct message *answer, int64_t now)
{
    const struct kept *kept = &forwarder->cache[place_of(question)];

    if (kept->until <= now || !same_question(&kept->answer, question)) {
        return false;
    }
    *answer = kept->answer;
    (void)age_records(answer, (uint32_t)((now - kept->at) / EDDY_SECOND));
    return true;
}

static void keep(struct forwarder *forwarder, const struct message *answer, int64_t now)
{
    struct kept *kept = &forwarder->cache[place_of(answer)];
    struct message aged = *answer;
    int64_t seconds = age_records(&aged, 0);
    unsigned code = answer->data[3] & 15u;
    bool cut_off = (answer->data[2] & 2) != 0;

    if (!cut_off && (code == 0 || code == 3) && seconds > 0) {
        kept->answer = *answer;
        kept->at = now;
        kept->until = now + (seconds < 86400 ? seconds : 86400) * EDDY_SECOND;
    }
}

/* The question that is under way, or a new one. NULL: no memory. */
static struct question *take_question(struct forwarder *forwarder, const struct message *message)
{
    struct question *question = forwarder->questions;

    while (question != NULL && !same_question(&question->message, message)) {
        question = question->next;
    }
    if (question == NULL) {
        uint16_t id;
        question = calloc(1, sizeof *question);
        if (question == NULL || getrandom(&id, sizeof id, 0) != (ssize_t)sizeof id) {
            free(question);
            return NULL;
        }
        question->message = *message;
        write16(question->message.data, id);
        question->next = forwarder->questions;
        forwarder->questions = question;
    }
    question->users++;
    return question;
}

static void give_question(struct forwarder *forwarder, struct question *question)
{
    struct question **link = &forwarder->questions;

    if (question == NULL || --question->users > 0) {
        return;
    }
    while (*link != question) {
        link = &(*link)->next;
    }
    *link = question->next;
    free(question);
}

/* Asks the upstream, again if it is silent. The first of those who wait does it for all. */
eddy_frame(ask) {
    eddy_coro co;
    struct forwarder *forwarder;
    struct question *question;
    int tries;
    int64_t rc;
};

static void ask(eddy_coro *co)
{
    eddy_begin(ask);
    do {
        eddy_with_lock(&self->forwarder->sends_upstream) {
            eddy_catch(self->rc, eddy_datagram_send(co, &self->forwarder->upstream,
                                                    self->question->message.data,
                                                    self->question->message.size, NULL));
        }
        if (self->rc < 0 && self->rc != -ECONNREFUSED) {
            eddy_return(self->rc);
        }
        eddy_catch(self->rc,
                   eddy_wait_for(co, EDDY_SECOND, eddy_event_wait(co, &self->question->answered)));
    } while (self->rc == -ETIMEDOUT && ++self->tries < TRIES);
    eddy_return(self->rc);
    eddy_end;
}

/* One client's question. */
eddy_frame(serve_question) {
    eddy_coro co;
    struct forwarder *forwarder;
    struct message *message; /* its own, to be freed; the answer in the end */
    struct eddy_address client;
    struct question *question;
    unsigned id;
    int64_t rc;
};

static void serve_question(eddy_coro *co)
{
    eddy_begin(serve_question);
    self->id = read16(self->message->data);
    self->forwarder->asked++;
    if (answer_from_cache(self->forwarder, self->message, self->message,
                          eddy_loop_now(eddy_loop_of(co)))) {
        self->forwarder->from_cache++;
    } else {
        self->question = take_question(self->forwarder, self->message);
        if (self->question == NULL) {
            eddy_return(-ENOMEM);
        }
        if (self->question->users == 1) {
            eddy_catch(self->rc, eddy_call(co, ask, .forwarder = self->forwarder,
                                           .question = self->question));
        } else {
            eddy_catch(self->rc, eddy_wait_for(co, (TRIES + 1) * EDDY_SECOND,
                                               eddy_event_wait(co, &self->question->answered)));
        }
        if (self->rc < 0) {
            self->forwarder->failed++;
            make_failure(&self->question->message, self->message);
        } else {
            *self->message = self->question->answer;
        }
    }
    write16(self->message->data, self->id);
    eddy_with_lock(&self->forwarder->sends_clients) {
        eddy_await(eddy_datagram_send(co, &self->forwarder->clients, self->message->data,
                                      self->message->size, &self->client));
    }
eddy_finally:
    give_question(self->forwarder, self->question);
    free(self->message);
    (void)eddy_semaphore_release(&self->forwarder->places);
    eddy_end;
}

/* Answers of the upstream, to those who wait for them. */
eddy_frame(receive_answers) {
    eddy_coro co;
    struct forwarder *forwarder;
    struct message message;
    int64_t rc;
};

static void receive_answers(eddy_coro *co)
{
    struct question *question;

    eddy_begin(receive_answers);
    while (true) {
        eddy_catch(self->rc, eddy_datagram_receive(co, &self->forwarder->upstream,
                                                   self->message.data, LONGEST, NULL));
        if (self->rc == -ECONNREFUSED) {
            continue; /* nobody is there now: the questions time out */
        }
        if (self->rc < 0) {
            eddy_return(self->rc);
        }
        self->message.size = self->rc <= LONGEST ? (size_t)self->rc : 0;
        question = self->forwarder->questions;
        while (question != NULL &&
               !(self->message.size >= HEAD && (self->message.data[2] & 0x80) != 0 &&
                 read16(question->message.data) == read16(self->message.data) &&
                 same_question(&question->message, &self->message))) {
            question = question->next;
        }
        if (question != NULL && !eddy_event_is_set(&question->answered)) {
            question->answer = self->message;
            keep(self->forwarder, &self->message, eddy_loop_now(eddy_loop_of(co)));
            eddy_event_set(&question->answered);
        }
    }
    eddy_end;
}

/* Questions of clients, each a task of the group. */
eddy_frame(receive_questions) {
    eddy_coro co;
    struct forwarder *forwarder;
    struct message *message;
    struct eddy_address client;
    eddy_group group;
    int64_t size;
};

static void receive_questions(eddy_coro *co)
{
    eddy_begin(receive_questions);
    self->group.policy = EDDY_GROUP_COLLECT; /* an answer that cannot be sent ends no others */
    eddy_with_group(&self->group) {
        while (true) {
            eddy_await(eddy_semaphore_acquire(co, &self->forwarder->places));
            self->message = malloc(sizeof *self->message);
            if (self->message == NULL) {
                eddy_return(-ENOMEM);
            }
            do { /* what is no question is dropped */
                eddy_await(self->size,
                           eddy_datagram_receive(co, &self->forwarder->clients, self->message->data,
                                                 LONGEST, &self->client));
                self->message->size = self->size <= LONGEST ? (size_t)self->size : 0;
            } while (question_end(self->message) == 0 || (self->message->data[2] & 0xF8) != 0);
            eddy_group_spawn(co, &self->group, serve_question, .forwarder = self->forwarder,
                             .message = self->message, .client = self->client);
            self->message = NULL; /* it is the task's */
        }
    }
eddy_finally:
    free(self->message);
    eddy_end;
}

/* ---- the program */

eddy_frame(program) {
    eddy_coro co;
    struct eddy_address here, upstream;
    struct forwarder forwarder;
    eddy_group group;
};

static void program(eddy_coro *co)
{
    eddy_begin(program);
    self->forwarder.cache = calloc(CACHE, sizeof *self->forwarder.cache);
    if (self->forwarder.cache == NULL) {
        eddy_return(-ENOMEM);
    }
    eddy_semaphore_init(&self->forwarder.places, MOST_AT_ONCE);
    eddy_await(eddy_datagram_open(eddy_loop_of(co), &self->forwarder.clients, AF_INET));
    eddy_await(eddy_datagram_bind(&self->forwarder.clients, &self->here));
    eddy_await(eddy_datagram_open(eddy_loop_of(co), &self->forwarder.upstream,
                                  self->upstream.storage.ss_family));
    eddy_await(eddy_datagram_connect(&self->forwarder.upstream, &self->upstream));
    eddy_await(eddy_datagram_address(&self->forwarder.clients, &self->here));
    printf("listening on %d\n", eddy_address_port(&self->here));
    fflush(stdout);
    eddy_with_group(
        &self->group) { /* until a signal cancels it (eddy_main), or one of them fails */
        eddy_group_spawn(co, &self->group, receive_answers, .forwarder = &self->forwarder);
        eddy_group_spawn(co, &self->group, receive_questions, .forwarder = &self->forwarder);
    }
eddy_finally:
    eddy_datagram_close(&self->forwarder.clients);
    eddy_datagram_close(&self->forwarder.upstream);
    free(self->forwarder.cache);
    fprintf(stderr, "%llu questions, %llu answered from the cache, %llu failed\n",
            (unsigned long long)self->forwarder.asked,
            (unsigned long long)self->forwarder.from_cache,
            (unsigned long long)self->forwarder.failed);
    eddy_end;
}

static int port(const char *text, int least)
{
    char *end;
    long value = strtol(text, &end, 10);

    return end == text || *end != '\0' || value < least || value > 65535 ? -1 : (int)value;
}

int main(int argc, char **argv)
{
    struct eddy_address here, upstream;

    if (argc != 4 || port(argv[1], 0) < 0 || port(argv[3], 1) < 0 ||
        eddy_address_parse(&here, "127.0.0.1", port(argv[1], 0)) < 0 ||
        eddy_address_parse(&upstream, argv[2], port(argv[3], 1)) < 0) {
        fputs("usage: dns_forwarder PORT UPSTREAM UPSTREAMS_PORT\n", stderr);
        return 2;
    }
    return eddy_main(program, .here = here, .upstream = upstream);
}
