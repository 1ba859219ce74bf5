/* Every word that opens a block around an object, wherever memory runs out in it: what was filled or opened
 * before the block is closed or waited for, and nothing is held that was not held before. */
#include "support/tasks.h"

#include <fcntl.h>

#include "eddy/buffer.h"
#include "eddy/file.h"
#include "eddy/group.h"
#include "eddy/lock.h"
#include "eddy/memory.h"
#include "eddy/path.h"
#include "eddy/reader.h"
#include "eddy/writer.h"

enum word {
    LOCK,
    COND,
    SEMAPHORE,
    TIMEOUT,
    BUFFER,
    READER,
    WRITER,
    STREAM,
    OPEN_FILE,
    CORK,
    TRY,
    FULL_GROUP,
    DIRECTORY, /* its block of names is larger than what is lent below */
    WORDS
};

/* What the blocks are around: none of it lies in the frame that ends. */
static struct {
    eddy_lock lock;
    eddy_cond cond;
    eddy_semaphore semaphore;
    eddy_buffer buffer;
    eddy_reader reader;
    eddy_writer writer;
    eddy_file file;
    eddy_stream streams[2]; /* open */
    eddy_dir directory;
    eddy_stream pair[2]; /* to be opened */
    eddy_group group;    /* has two tasks */
    int ended;           /* of those */
} things;

eddy_frame(member) {
    eddy_coro co;
};

static void member(eddy_coro *co)
{
    eddy_begin(member);
    eddy_await(eddy_sleep(co, EDDY_SECOND));
eddy_finally:
    eddy_await(eddy_pause(co)); /* a cleanup that takes a turn */
    things.ended++;
    eddy_end;
}

/* From here on the pool has so many bytes, and gets no more until testing_fail_allocation(0). */
static void leave_memory(size_t bytes)
{
    static char lent[8192] __attribute__((aligned(16)));
    struct eddy_pool *pool = (struct eddy_pool *)(void *)testing.loop; /* a loop begins with it */

    assert_true(bytes <= sizeof lent);
    use_up_memory();
    pool->fresh = lent;
    pool->fresh_end = lent + bytes;
}

eddy_frame(uses) {
    eddy_coro co;
    enum word word;
    bool entered;
    size_t left;
    int64_t rc;
};

static void prepare(eddy_coro *co)
{
    memset(&things, 0, sizeof things);
    eddy_lock_init(&things.lock);
    eddy_cond_init(&things.cond, &things.lock);
    eddy_semaphore_init_bounded(&things.semaphore, 1);
    assert_int_equal(eddy_memory_pair(eddy_loop_of(co), &things.streams[0], &things.streams[1], 64),
                     0);
    (void)eddy_group_spawn(co, &things.group, member);
    (void)eddy_group_spawn(co, &things.group, member);
}

static void close_streams(void)
{
    for (int i = 0; i < 2; i++) {
        eddy_stream_close(&things.streams[i]);
        eddy_stream_close(&things.pair[i]);
    }
}

/* Nothing is held that was not held before the block; of the group nothing is left. */
static void check(enum word word)
{
    assert_null(eddy_lock_holder(&things.lock).record);
    assert_int_equal(things.semaphore.permits, 1);
    assert_null(things.buffer.data);
    assert_int_equal(things.reader.size, 0);
    assert_false(eddy_writer_is_open(&things.writer));
    assert_null(things.file.loop);
    assert_null(things.directory.block);
    assert_false(eddy_stream_is_open(&things.pair[0]));
    if (word == FULL_GROUP) {
        assert_int_equal(eddy_group_count(&things.group), 0);
        assert_int_equal(things.ended, 2);
    }
}

static void uses(eddy_coro *co)
{
    eddy_begin(uses);
    prepare(co);
    eddy_await(eddy_pause(co));
    leave_memory(self->left);
    if (self->word == LOCK) {
        eddy_with_lock(&things.lock)
            self->entered = true;
    } else if (self->word == COND) {
        eddy_with_cond(&things.cond)
            self->entered = true;
    } else if (self->word == SEMAPHORE) {
        eddy_with_semaphore(&things.semaphore)
            self->entered = true;
    } else if (self->word == TIMEOUT) {
        eddy_with_timeout(EDDY_SECOND)
            self->entered = true;
    } else if (self->word == BUFFER) {
        eddy_with_buffer(&things.buffer, 256)
            self->entered = true;
    } else if (self->word == READER) {
        eddy_with_reader(&things.reader, &things.streams[0], 256)
            self->entered = true;
    } else if (self->word == WRITER) {
        eddy_with_writer(&things.writer, &things.streams[0], NULL)
            self->entered = true;
    } else if (self->word == STREAM) {
        eddy_with_stream(&things.pair[0],
                         eddy_memory_pair(eddy_loop_of(co), &things.pair[0], &things.pair[1], 16)) {
            self->entered = true;
        }
    } else if (self->word == OPEN_FILE) {
        eddy_with_file(&things.file, "/proc/self/stat", O_RDONLY, 0)
            self->entered = true;
    } else if (self->word == DIRECTORY) {
        eddy_with_dir(&things.directory, "/proc/self")
            self->entered = true;
    } else if (self->word == CORK) {
        eddy_with_cork(&things.streams[0])
            self->entered = true;
    } else if (self->word == TRY) {
        eddy_try(self->rc)
            self->entered = true;
    } else {
        eddy_with_group(&things.group)
            self->entered = true;
    }
eddy_finally:
    testing_fail_allocation(0);
    check(self->word);
    eddy_group_cancel(&things.group);
    eddy_catch(self->rc, eddy_group_wait(co, &things.group));
    close_streams();
    testing_log(self->entered ? "entered" : "refused");
    eddy_end;
}

/* The result of the word's block with so much memory; whether it was entered is in the log. */
static int64_t uses_with(enum word word, size_t left)
{
    int64_t result;

    testing_reopen();
    result = run(uses, .word = word, .left = left);
    testing_free(); /* nothing is left of it, and nothing more to be told */
    assert_int_equal(eddy_loop_new(&testing.loop, &testing.options), 0);
    return result;
}

test(without_memory_no_block_runs_and_what_was_filled_before_is_closed)
{
    testing.options.flags |= EDDY_LOOP_REPORT_LEAKS;
    for (enum word word = LOCK; word < WORDS; word++) {
        assert_int_equal(uses_with(word, 0), -ENOMEM);
        testing_assert_log("refused");
    }
}

test(wherever_memory_runs_out_in_a_block_nothing_is_left_of_it)
{
    testing.options.flags |= EDDY_LOOP_REPORT_LEAKS;
    for (enum word word = LOCK; word < DIRECTORY; word++) {
        size_t left = 8;
        while (uses_with(word, left) == -ENOMEM) {
            testing_assert_log("refused");
            left += 8;
        }
        testing_assert_log("entered");
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        testing_case(without_memory_no_block_runs_and_what_was_filled_before_is_closed),
        testing_case(wherever_memory_runs_out_in_a_block_nothing_is_left_of_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
