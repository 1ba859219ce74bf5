/*
 * A frame loop in C++17, with eddy's tasks running inside of it: a conductor sends two runners off,
 * and gives up on the slower one. Runs for half a second.
 *
 * In C++ a frame is what it is in C: a plain struct. What has a constructor or a destructor (a
 * std::string, a std::vector, the guard of a mutex) stays outside of it, and the frame points there;
 * the compiler says so otherwise. An exception must not leave a coroutine: catch it inside.
 */
#include <eddy.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

namespace
{

constexpr int64_t frame_time = EDDY_SECOND / 60;

// The game: what the tasks change and the frames draw.
struct World {
    std::vector<std::string> news;
    bool over = false;
};

// A loop that is freed with its owner; what still runs in it is cancelled then.
struct FreeLoop {
    void operator()(eddy_loop *loop) const
    {
        eddy_loop_free(loop);
    }
};
using Loop = std::unique_ptr<eddy_loop, FreeLoop>;

// A task finds the world through the loop.
World &world_of(const eddy_coro *co)
{
    return *static_cast<World *>(eddy_loop_user(eddy_loop_of(co)));
}

eddy_frame(run) {
    eddy_coro co;
    const char *name; // arguments
    int64_t pace;
    int laps;
    int lap; // a local
};

void run(eddy_coro *co)
{
    eddy_begin(run);
    for (self->lap = 1; self->lap <= self->laps; self->lap++) {
        eddy_await(eddy_sleep(co, self->pace));
        world_of(co).news.push_back(std::string(self->name) + ": lap " + std::to_string(self->lap));
    }
    eddy_return(self->laps);
eddy_finally: // also when it is cancelled
    if (self->lap <= self->laps) {
        world_of(co).news.push_back(std::string(self->name) + " gives up");
    }
    eddy_end;
}

eddy_frame(conduct) {
    eddy_coro co;
    eddy_task hare;
};

void conduct(eddy_coro *co)
{
    eddy_begin(conduct);
    self->hare = eddy_spawn(co, run, .name = "hare", .pace = 60 * EDDY_MILLISECOND, .laps = 3);
    eddy_except(-ETIMEDOUT, eddy_wait_for(co, 500 * EDDY_MILLISECOND,
                                          eddy_call(co, run, .name = "tortoise",
                                                    .pace = 200 * EDDY_MILLISECOND, .laps = 3))) {
        world_of(co).news.push_back("time is up");
    }
    eddy_await(eddy_join(co, self->hare));
eddy_finally:
    world_of(co).over = true;
    eddy_end;
}

void draw(World &world)
{
    for (const std::string &line : world.news) {
        std::puts(line.c_str());
    }
    world.news.clear();
}

int64_t play(eddy_loop *loop, World &world)
{
    eddy_task conductor = eddy_loop_spawn(loop, conduct);
    int64_t next_frame = eddy_loop_now(loop);

    while (!world.over) {
        draw(world);
        next_frame += frame_time; // eddy has what is left of the frame
        for (int64_t left; (left = next_frame - eddy_loop_now(loop)) > 0;) {
            int64_t result = eddy_loop_poll_once(loop, left, frame_time / 4);
            if (result < 0) {
                return result;
            }
        }
    }
    draw(world);
    return eddy_loop_run_until(loop, conductor); // its result
}

} // namespace

int main()
{
    World world;
    eddy_loop *made = nullptr;
    eddy_loop_options options{};

    options.user = &world;
    int64_t result = eddy_loop_new(&made, &options);
    Loop loop(made);
    if (result == 0) {
        result = play(loop.get(), world);
    }
    if (result < 0) {
        std::fprintf(stderr, "embed: %s\n", eddy_strerror(result));
    }
    return eddy_exit_status(result);
}
