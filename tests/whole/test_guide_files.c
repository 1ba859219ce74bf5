/* What docs/guide.md quotes of files that change; see test_guide.c. */
#include "support/tasks.h"

#include <eddy.h>
#include <stdlib.h>
#include <unistd.h>

static eddy_event loaded;

static void load(const char *text, size_t size)
{
    testing_log("loaded: %.*s", (int)size, text);
    eddy_event_set(&loaded);
}

/* Loads the configuration, and again whenever there is another. */
eddy_frame(keeps_loaded) {
    eddy_coro co;
    const char *directory, *name, *path; /* of the configuration */
    eddy_file_watch watch;
    struct eddy_file_event event;
    char text[256];
    size_t size;
};

static void keeps_loaded(eddy_coro *co)
{
    eddy_begin(keeps_loaded);
    eddy_await(eddy_file_watch_open(co, &self->watch));
    eddy_await(eddy_file_watch_add(co, &self->watch, self->directory,
                                   EDDY_FILE_WRITTEN | EDDY_FILE_MOVED_TO));
    for (;;) {
        eddy_await(self->size, eddy_file_read_into(co, self->path, self->text, sizeof self->text));
        load(self->text, self->size);
        do {
            eddy_await(eddy_file_watch_next(co, &self->watch, &self->event));
            if ((self->event.what & EDDY_FILE_UNWATCHED) != 0) {
                eddy_fail(co, -ENOENT, "%s is not there any more", self->directory);
            }
        } while ((self->event.what & EDDY_FILE_OVERFLOW) == 0 &&
                 strcmp(self->event.name, self->name) != 0);
    }
eddy_finally:
    eddy_file_watch_close(&self->watch);
    eddy_end;
}

eddy_frame(edits) {
    eddy_coro co;
    const char *path, *other;
};

static void edits(eddy_coro *co)
{
    eddy_begin(edits);
    eddy_await(eddy_event_wait(co, &loaded));
    eddy_event_clear(&loaded);
    eddy_await(eddy_file_write(co, self->path, "two", 3, EDDY_FILE_IN_PLACE));
    eddy_await(eddy_event_wait(co, &loaded));
    eddy_event_clear(&loaded);
    eddy_await(eddy_file_write(co, self->other, "another file", 12, 0));
    eddy_await(eddy_file_write(co, self->path, "three", 5, 0)); /* by a rename */
    eddy_await(eddy_event_wait(co, &loaded));
    eddy_await(eddy_path_unlink(co, self->path));
    eddy_await(eddy_path_unlink(co, self->other));
    eddy_end;
}

test(a_configuration_is_loaded_again_when_it_changes)
{
    char directory[] = "/tmp/eddy_guide_XXXXXX";
    char path[64], other[64];
    FILE *file;
    eddy_task keeper;

    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/app.conf", directory);
    snprintf(other, sizeof other, "%s/other", directory);
    file = fopen(path, "we");
    assert_non_null(file);
    fputs("one", file);
    fclose(file);
    eddy_event_init(&loaded);
    keeper = start(keeps_loaded, .directory = directory, .name = "app.conf", .path = path);
    assert_int_equal(run(edits, .path = path, .other = other), 0);
    testing_assert_log("loaded: one loaded: two loaded: three");
    assert_int_equal(rmdir(directory), 0);
    assert_int_equal(finish(keeper), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_configuration_is_loaded_again_when_it_changes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
