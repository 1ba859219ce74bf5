/* pool.h: the frame pool. */
#include "support/testing.h"

#include <stdlib.h>
#include <string.h>

#include "base/pool.h"

#ifdef EDDY_POOL_POISONED
#include <sanitizer/asan_interface.h>
#endif

enum { LARGEST = 128 * 1024, OVERSIZE_CLASS = 255 };

static struct eddy_pool pool;

static int setup(void **state)
{
    int result = testing_setup(state);

    eddy_pool_init(&pool, testing_allocate, &testing.memory);
    return result;
}

static int teardown(void **state)
{
    eddy_pool_fini(&pool);
    return testing_teardown(state);
}

#define pool_case(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static void *take(size_t size)
{
    unsigned pool_class;
    void *block = eddy_pool_take(&pool, size, &pool_class);

    assert_non_null(block);
    assert_int_equal(pool_class, eddy_pool_class_of(size));
    return block;
}

static void give(void *block, size_t size)
{
    eddy_pool_give(&pool, block, eddy_pool_class_of(size));
}

/* ---- classes */

test(small_classes_go_up_by_eight_bytes)
{
    assert_int_equal(eddy_pool_class_of(1), 1);
    assert_int_equal(eddy_pool_class_of(8), 1);
    assert_int_equal(eddy_pool_class_of(9), 2);
    assert_int_equal(eddy_pool_class_of(16), 2);
    assert_int_equal(eddy_pool_class_of(505), 64);
    assert_int_equal(eddy_pool_class_of(512), 64);
}

test(the_class_of_a_constant_is_the_class_that_the_pool_finds)
{
    for (size_t size = 1; size <= EDDY_POOL_SMALL; size++) {
        assert_int_equal(EDDY_POOL_CLASS(size), eddy_pool_class_of(size));
    }
    assert_int_equal(EDDY_POOL_CLASS((size_t)EDDY_POOL_SMALL + 1), 0);
}

test(nothing_has_the_smallest_class)
{
    assert_int_equal(eddy_pool_class_of(0), 1);
    give(take(0), 0);
}

test(larger_classes_double)
{
    unsigned pool_class = 65;

    for (size_t size = 1024; size <= LARGEST; size *= 2) {
        assert_int_equal(eddy_pool_class_of(size / 2 + 1), pool_class);
        assert_int_equal(eddy_pool_class_of(size), pool_class);
        pool_class++;
    }
    assert_int_equal(pool_class, EDDY_POOL_CLASSES + EDDY_POOL_SLABS - 1);
}

test(what_is_too_large_has_no_class_of_its_own)
{
    assert_int_equal(eddy_pool_class_of(LARGEST + 1), OVERSIZE_CLASS);
    assert_int_equal(eddy_pool_class_of(SIZE_MAX), OVERSIZE_CLASS);
}

test(a_block_has_the_size_of_its_class)
{
    assert_int_equal(eddy_pool_block_size(take(1), 1), 8);
    assert_int_equal(eddy_pool_block_size(take(97), eddy_pool_class_of(97)), 104);
    assert_int_equal(eddy_pool_block_size(take(513), 65), 1024);
}

/* ---- blocks */

/* Sizes of all kinds, mixed so that every alignment is met in a chunk. */
static const size_t SIZES[] = {8,   16,  24,  1,    512,  40,     48,          72, 511,
                               513, 100, 104, 1024, 4096, 131072, LARGEST + 1, 8,  500};
enum { SIZE_COUNT = sizeof SIZES / sizeof *SIZES };

test(a_block_of_a_multiple_of_16_is_aligned_to_16)
{
    for (size_t i = 0; i < SIZE_COUNT; i++) {
        size_t rounded = (SIZES[i] + 7) / 8 * 8;
        size_t alignment = rounded % 16 == 0 || SIZES[i] > EDDY_POOL_SMALL ? 16 : 8;
        assert_int_equal((uintptr_t)take(SIZES[i]) % alignment, 0);
    }
}

/* As the malloc of a machine of 32 bits may: to 8, and no more. */
static void *allocate_at_8(void *user, void *memory, size_t old_size, size_t new_size)
{
    (void)user;
    (void)old_size;
    assert_true(memory == NULL || new_size == 0); /* a pool's chunks never grow */
    if (new_size == 0) {
        free((char *)memory - 8);
        return NULL;
    }
    memory = aligned_alloc(16, (8 + new_size + 15) / 16 * 16);
    assert_non_null(memory);
    return (char *)memory + 8;
}

test(where_malloc_aligns_to_8_a_block_is_aligned_to_16_all_the_same)
{
    struct eddy_pool at_8;
    unsigned pool_class;

    if (sizeof(void *) > 4) {
        skip(); /* there it aligns to 16 */
    }
    eddy_pool_init(&at_8, allocate_at_8, NULL);
    for (size_t i = 0; i < SIZE_COUNT; i++) {
        size_t size = (SIZES[i] + 15) / 16 * 16;
        void *block = eddy_pool_take(&at_8, size, &pool_class);
        assert_int_equal((uintptr_t)block % 16, 0);
        assert_true(eddy_pool_block_size(block, pool_class) >= size);
        memset(block, 1, size);
        if (i % 2 == 0) {
            eddy_pool_give(&at_8, block, pool_class);
        }
    }
    eddy_pool_fini(&at_8);
}

static bool holds_only(const unsigned char *block, size_t size, unsigned char value)
{
    for (size_t i = 0; i < size; i++) {
        if (block[i] != value) {
            return false;
        }
    }
    return true;
}

test(blocks_do_not_overlap)
{
    unsigned char *blocks[3 * SIZE_COUNT];

    for (size_t i = 0; i < 3 * SIZE_COUNT; i++) {
        blocks[i] = take(SIZES[i % SIZE_COUNT]);
        memset(blocks[i], (int)i, SIZES[i % SIZE_COUNT]);
    }
    for (size_t i = 0; i < 3 * SIZE_COUNT; i++) {
        assert_true(holds_only(blocks[i], SIZES[i % SIZE_COUNT], (unsigned char)i));
    }
}

test(what_was_given_back_last_is_taken_first)
{
    void *a = take(100);
    void *b = take(100);

    give(a, 100);
    give(b, 100);
    assert_ptr_equal(take(100), b);
    assert_ptr_equal(take(100), a);
}

test(a_block_serves_every_size_of_its_class)
{
    void *block = take(97);

    give(block, 97);
    assert_ptr_equal(take(104), block);
}

test(a_block_does_not_serve_another_class)
{
    void *block = take(104);

    give(block, 104);
    assert_ptr_not_equal(take(96), block);
    assert_ptr_not_equal(take(112), block);
}

test(memory_that_was_given_back_is_kept_for_the_next_frame)
{
    unsigned calls;

    for (size_t i = 0; i < SIZE_COUNT - 3; i++) {
        give(take(SIZES[i]), SIZES[i]);
    }
    calls = testing.memory.calls;
    for (size_t i = 0; i < SIZE_COUNT - 3; i++) {
        give(take(SIZES[i]), SIZES[i]);
    }
    assert_int_equal(testing.memory.calls, calls);
}

test(a_thousand_small_blocks_take_few_chunks)
{
    unsigned calls = testing.memory.calls;

    for (int i = 0; i < 1000; i++) {
        (void)take(64);
    }
    assert_true(testing.memory.calls - calls <= 5); /* 4, 8, 16, 32 and 64 KiB */
}

test(chunks_grow_only_up_to_a_limit)
{
    size_t before = testing.memory.bytes;

    for (int i = 0; i < 20000; i++) {
        (void)take(512);
    }
    assert_true(testing.memory.bytes - before <= 20000 * 512 + 300 * 1024);
}

/* ---- oversize blocks */

test(an_oversize_block_goes_back_to_the_allocator_at_once)
{
    size_t before = testing.memory.bytes;
    void *block = take(LARGEST + 1);

    assert_true(testing.memory.bytes >= before + LARGEST + 1);
    give(block, LARGEST + 1);
    assert_int_equal(testing.memory.bytes, before);
}

/* Takes and gives back `count` blocks, as many clients that come and leave do. */
static void crowd(size_t size, int count)
{
    void **blocks = calloc((size_t)count, sizeof *blocks);

    for (int i = 0; i < count; i++) {
        blocks[i] = take(size);
    }
    for (int i = 0; i < count; i++) {
        give(blocks[i], size);
    }
    free(blocks);
}

test(of_large_blocks_a_mebibyte_is_kept_and_the_rest_goes_back_to_the_allocator)
{
    size_t before = testing.memory.bytes;
    size_t kept;
    unsigned calls;

    crowd((size_t)16 * 1024, 1000);
    kept = testing.memory.bytes - before;
    assert_true(kept > (size_t)700 * 1024);
    assert_true(kept < (size_t)1100 * 1024);
    calls = testing.memory.calls;
    crowd((size_t)16 * 1024, 40);
    assert_int_equal(testing.memory.calls, calls);
    crowd((size_t)16 * 1024, 1000);
    assert_true(testing.memory.bytes - before < (size_t)1100 * 1024);
    crowd(4096, 10000); /* the room is shared by all sizes */
    assert_true(testing.memory.bytes - before < (size_t)1100 * 1024);
}

test(a_large_block_that_stays_holds_its_slab_and_no_other)
{
    enum { COUNT = 512, SIZE = 16 * 1024 };
    size_t before = testing.memory.bytes;
    void *blocks[COUNT];

    for (int i = 0; i < COUNT; i++) {
        blocks[i] = take(SIZE);
        memset(blocks[i], i, SIZE);
    }
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(*(unsigned char *)blocks[i], i % 256);
        if (i % 64 != 0) {
            give(blocks[i], SIZE);
        }
    }
    assert_true(testing.memory.bytes - before < (size_t)(8 * 256 + 1100) * 1024);
    for (int i = 0; i < COUNT; i += 64) {
        assert_int_equal(*((unsigned char *)blocks[i] + SIZE - 1), i % 256);
        give(blocks[i], SIZE);
    }
    assert_true(testing.memory.bytes - before < (size_t)1100 * 1024);
}

test(slabs_in_use_are_filled_before_another_is_made)
{
    void *first[15], *second;
    unsigned calls;

    crowd((size_t)16 * 1024, 1000); /* so that a slab has fifteen of them */
    for (int i = 0; i < 15; i++) {
        first[i] = take((size_t)16 * 1024);
    }
    second = take((size_t)16 * 1024);
    give(first[3], (size_t)16 * 1024);
    calls = testing.memory.calls;
    assert_ptr_equal(take((size_t)16 * 1024), first[3]);
    assert_int_equal(testing.memory.calls, calls);
    for (int i = 0; i < 15; i++) {
        give(first[i], (size_t)16 * 1024);
    }
    give(second, (size_t)16 * 1024);
}

test(all_of_ten_thousand_small_blocks_are_kept)
{
    size_t most;

    crowd(512, 10000);
    most = testing.memory.bytes;
    crowd(512, 10000);
    assert_int_equal(testing.memory.bytes, most);
    assert_true(most > (size_t)10000 * 512);
}

test(oversize_blocks_go_in_any_order)
{
    size_t before = testing.memory.bytes;
    void *a = take(LARGEST + 1);
    void *b = take(LARGEST + 1);
    void *c = take(LARGEST + 1);

    give(b, LARGEST + 1); /* in the middle of the pool's chunks */
    give(a, LARGEST + 1); /* the last */
    give(c, LARGEST + 1); /* the first */
    assert_int_equal(testing.memory.bytes, before);
}

test(fini_frees_everything_whatever_is_still_taken)
{
    size_t before = testing.memory.bytes;

    for (size_t i = 0; i < SIZE_COUNT; i++) {
        (void)take(SIZES[i]);
    }
    give(take(64), 64);
    eddy_pool_fini(&pool);
    assert_int_equal(testing.memory.bytes, before);
}

/* ---- no memory */

test(a_pool_without_memory_gives_no_block)
{
    unsigned pool_class;

    testing_fail_allocations_from(1);
    for (size_t i = 0; i < SIZE_COUNT; i++) {
        assert_null(eddy_pool_take(&pool, SIZES[i], &pool_class));
    }
}

test(a_pool_goes_on_when_memory_has_come_back)
{
    unsigned pool_class;

    testing_fail_allocations_from(1);
    assert_null(eddy_pool_take(&pool, 64, &pool_class));
    testing_fail_allocation(0);
    (void)take(64);
}

test(what_was_given_back_can_be_had_without_memory)
{
    void *block = take(64);

    give(block, 64);
    testing_fail_allocations_from(1);
    assert_ptr_equal(take(64), block);
}

test(when_memory_is_short_the_pool_asks_for_one_block_only)
{
    size_t before = testing.memory.bytes;

    testing_fail_allocation(1); /* the whole chunk */
    (void)take(64);
    assert_true(testing.memory.bytes - before < 256);
}

test(when_memory_is_short_a_slab_has_one_block_only)
{
    unsigned pool_class;
    size_t before;

    crowd(4096, 1000); /* so that slabs would be large */
    while (pool.empty_slabs[2] != NULL || pool.slabs[2] != NULL) {
        (void)take(4096);
    }
    before = testing.memory.bytes;
    testing_fail_allocation(1); /* the whole slab */
    (void)take(4096);
    assert_true(testing.memory.bytes - before < 4096 + 256);
    testing_fail_allocations_from(1);
    assert_null(eddy_pool_take(&pool, 4096, &pool_class));
    testing_fail_allocation(0);
}

test(a_size_that_overflows_is_no_memory)
{
    unsigned pool_class;
    unsigned calls = testing.memory.calls;

    assert_null(eddy_pool_take(&pool, SIZE_MAX, &pool_class));
    assert_null(eddy_pool_take(&pool, SIZE_MAX - 15, &pool_class));
    assert_int_equal(testing.memory.calls, calls);
}

/* ---- the allocator */

test(no_allocator_is_libc)
{
    struct eddy_pool libc;
    unsigned pool_class;
    void *array;

    eddy_pool_init(&libc, NULL, NULL);
    assert_non_null(eddy_pool_take(&libc, 64, &pool_class));
    array = eddy_pool_resize(&libc, NULL, 0, 10);
    assert_non_null(array);
    array = eddy_pool_resize(&libc, array, 10, 1000);
    assert_non_null(array);
    assert_null(eddy_pool_resize(&libc, array, 1000, 0));
    eddy_pool_fini(&libc);
}

test(resize_keeps_what_the_array_holds)
{
    char *array = eddy_pool_resize(&pool, NULL, 0, 8);

    memcpy(array, "content", 8);
    array = eddy_pool_resize(&pool, array, 8, 800);
    assert_string_equal(array, "content");
    assert_null(eddy_pool_resize(&pool, array, 800, 0));
}

test(resize_that_fails_leaves_the_array)
{
    char *array = eddy_pool_resize(&pool, NULL, 0, 8);

    memcpy(array, "content", 8);
    testing_fail_allocation(1);
    assert_null(eddy_pool_resize(&pool, array, 8, 800));
    assert_string_equal(array, "content");
    eddy_pool_resize(&pool, array, 8, 0);
}

/* ---- under AddressSanitizer */

test(address_sanitizer_sees_the_use_of_a_block_that_was_given_back)
{
#ifdef EDDY_POOL_POISONED
    char *block = take(64);

    assert_null(__asan_region_is_poisoned(block, 64));
    assert_true(__asan_address_is_poisoned(block + 64)); /* not taken yet */
    give(block, 64);
    assert_true(__asan_address_is_poisoned(block));
    assert_true(__asan_address_is_poisoned(block + 63));
    assert_ptr_equal(take(64), block);
    assert_null(__asan_region_is_poisoned(block, 64));
#else
    skip();
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        pool_case(small_classes_go_up_by_eight_bytes),
        pool_case(the_class_of_a_constant_is_the_class_that_the_pool_finds),
        pool_case(nothing_has_the_smallest_class),
        pool_case(larger_classes_double),
        pool_case(what_is_too_large_has_no_class_of_its_own),
        pool_case(a_block_has_the_size_of_its_class),
        pool_case(a_block_of_a_multiple_of_16_is_aligned_to_16),
        pool_case(where_malloc_aligns_to_8_a_block_is_aligned_to_16_all_the_same),
        pool_case(blocks_do_not_overlap),
        pool_case(what_was_given_back_last_is_taken_first),
        pool_case(a_block_serves_every_size_of_its_class),
        pool_case(a_block_does_not_serve_another_class),
        pool_case(memory_that_was_given_back_is_kept_for_the_next_frame),
        pool_case(a_thousand_small_blocks_take_few_chunks),
        pool_case(chunks_grow_only_up_to_a_limit),
        pool_case(an_oversize_block_goes_back_to_the_allocator_at_once),
        pool_case(of_large_blocks_a_mebibyte_is_kept_and_the_rest_goes_back_to_the_allocator),
        pool_case(a_large_block_that_stays_holds_its_slab_and_no_other),
        pool_case(slabs_in_use_are_filled_before_another_is_made),
        pool_case(a_large_block_that_stays_holds_its_slab_and_no_other),
        pool_case(slabs_in_use_are_filled_before_another_is_made),
        pool_case(all_of_ten_thousand_small_blocks_are_kept),
        pool_case(oversize_blocks_go_in_any_order),
        pool_case(fini_frees_everything_whatever_is_still_taken),
        pool_case(a_pool_without_memory_gives_no_block),
        pool_case(a_pool_goes_on_when_memory_has_come_back),
        pool_case(what_was_given_back_can_be_had_without_memory),
        pool_case(when_memory_is_short_the_pool_asks_for_one_block_only),
        pool_case(when_memory_is_short_a_slab_has_one_block_only),
        pool_case(a_size_that_overflows_is_no_memory),
        pool_case(no_allocator_is_libc),
        pool_case(resize_keeps_what_the_array_holds),
        pool_case(resize_that_fails_leaves_the_array),
        pool_case(address_sanitizer_sees_the_use_of_a_block_that_was_given_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
