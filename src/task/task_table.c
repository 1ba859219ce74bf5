/*
 * Where the records of tasks lie: in pages, which are never freed before the loop, so that a handle
 * can always be looked at.
 *
 *     region    next, pages, used | ... alignment ... | page | page | ...      from the allocator
 *     page      loop | record | record | ...                                   aligned to its size
 *
 * A record finds its loop by cutting its own address off (eddy_task_loop), which saves a pointer in
 * each. `used` records of a region have been handed out at least once, and only these are ever visited,
 * so that a fresh region costs no page of memory before it is needed. Regions double.
 *
 * A task's number is its generation. A record that is freed keeps it until it is another task's,
 * and goes behind all other free ones: so a stale handle is told for as long as can be.
 */
#include <string.h>

#include "task/task_internal.h"

enum { MOST_PAGES = 1024 }; /* of a region: they double up to this size */

static size_t region_size(uint32_t pages)
{
    /* One page more, for alignment and what stands in front. */
    return (size_t)(pages + 1) * EDDY_TASK_PAGE_;
}

/* The first address behind the region's head that is aligned. */
static struct eddy_task_page *first_page(struct eddy_task_region *region)
{
    uintptr_t behind = (uintptr_t)(region + 1);

    return (struct eddy_task_page *)((behind + EDDY_TASK_PAGE_ - 1) & ~(EDDY_TASK_PAGE_ - 1));
}

/* The pages follow each other at EDDY_TASK_PAGE_, which may be a little more than their size. */
static struct eddy_task_record *record_at(struct eddy_task_region *region, uint32_t index)
{
    char *pages = (char *)first_page(region);
    struct eddy_task_page *page =
        (struct eddy_task_page *)(void *)(pages + index / RECORDS_A_PAGE * EDDY_TASK_PAGE_);

    return &page->records[index % RECORDS_A_PAGE];
}

/* For guards, which find words in a frame that look like a pointer to a record: by arithmetic alone. */
bool eddy_task_record_at(const eddy_loop *loop, uintptr_t address)
{
    struct eddy_task_region *region = loop->tasks->regions;

    for (; region != NULL; region = region->next) {
        uintptr_t pages = (uintptr_t)first_page(region);
        if (address - pages < region->pages * EDDY_TASK_PAGE_) {
            uintptr_t in_page = (address - pages) % EDDY_TASK_PAGE_;
            uintptr_t first = offsetof(struct eddy_task_page, records);
            return in_page >= first && (in_page - first) % sizeof(struct eddy_task_record) == 0 &&
                   (in_page - first) / sizeof(struct eddy_task_record) < RECORDS_A_PAGE;
        }
    }
    return false;
}

int eddy_task_table_make(eddy_loop *loop, const struct eddy_loop_task_class *task_class)
{
    struct eddy_task_table *table;

    if (loop->tasks != NULL) {
        return 0;
    }
    table = eddy_pool_resize(&loop->pool, NULL, 0, sizeof *table);
    if (table == NULL) {
        return -ENOMEM;
    }
    memset(table, 0, sizeof *table);
    loop->tasks = table;
    loop->task_class = task_class;
    return 0;
}

void eddy_task_table_free(eddy_loop *loop)
{
    struct eddy_task_region *region = loop->tasks->regions;

    while (region != NULL) {
        struct eddy_task_region *next = region->next;
        eddy_pool_resize(&loop->pool, region, region_size(region->pages), 0);
        region = next;
    }
    eddy_pool_resize(&loop->pool, loop->tasks, sizeof *loop->tasks, 0);
    loop->tasks = NULL;
    loop->task_class = NULL;
}

static struct eddy_task_region *add_region(eddy_loop *loop)
{
    struct eddy_task_region *newest = loop->tasks->regions;
    uint32_t pages = newest == NULL               ? 1
                     : newest->pages < MOST_PAGES ? newest->pages * 2
                                                  : MOST_PAGES;
    struct eddy_task_region *region = eddy_pool_resize(&loop->pool, NULL, 0, region_size(pages));

    if (region != NULL) {
        region->next = newest;
        region->pages = pages;
        region->used = 0;
        loop->tasks->regions = region;
    }
    return region;
}

/* One that was never used; NULL: no memory. */
static struct eddy_task_record *fresh_record(eddy_loop *loop)
{
    struct eddy_task_region *region = loop->tasks->regions;
    struct eddy_task_record *task;

    if (region == NULL || region->used == region->pages * RECORDS_A_PAGE) {
        region = add_region(loop);
        if (region == NULL) {
            return NULL;
        }
    }
    task = record_at(region, region->used++);
    *(eddy_loop **)((uintptr_t)task & ~(EDDY_TASK_PAGE_ - 1)) = loop;
    return task;
}

struct eddy_task_record *eddy_task_record_new(eddy_loop *loop)
{
    struct eddy_task_table *table = loop->tasks;
    struct eddy_link *link = eddy_list_first(&table->free);
    struct eddy_task_record *task;

    if (link != NULL) {
        eddy_list_remove(link);
        task = (struct eddy_task_record *)(void *)link;
    } else {
        task = fresh_record(loop);
    }
    if (task != NULL) {
        memset(task, 0, sizeof *task);
        table->spawned += table->spawned == UINT32_MAX ? 2 : 1; /* 0 is no task's number */
        task->timed.ready.generation = table->spawned;
    }
    return task;
}

void eddy_task_record_free(struct eddy_task_record *task)
{
    task->owner = NULL;
    task->timed.ready.bits = 0;
    task->timed.ready.state = EDDY_TASK_FREE_;
    eddy_list_append(&eddy_task_loop(task)->tasks->free, &task->timed.ready.link);
}

static void each(eddy_loop *loop, bool branches,
                 void (*visit)(struct eddy_task_record *task, void *context), void *context)
{
    for (struct eddy_task_region *region = loop->tasks->regions; region != NULL;
         region = region->next) {
        for (uint32_t i = 0; i < region->used; i++) {
            struct eddy_task_record *task = record_at(region, i);
            if (task->timed.ready.state != EDDY_TASK_FREE_ && (branches || !eddy_is_branch(task))) {
                visit(task, context);
            }
        }
    }
}

void eddy_task_each(eddy_loop *loop, void (*visit)(struct eddy_task_record *task, void *context),
                    void *context)
{
    each(loop, false, visit, context);
}

void eddy_task_record_each(eddy_loop *loop,
                           void (*visit)(struct eddy_task_record *task, void *context),
                           void *context)
{
    each(loop, true, visit, context);
}
