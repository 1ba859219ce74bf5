/*
 * A doubly linked circular list with its links inside the members. The head is a link too, and
 * is a valid empty list when zeroed. A member leaves in O(1) without knowing which list it is
 * in, which is what makes "stop anything, anywhere" cheap.
 *
 * The ends of a head that lies in another struct are reached through a pointer to the head, as the
 * functions here do, and never by naming the owner first. Where both meet in nested loops, gcc 12 takes them
 * for one field (-ftree-loop-im) and forgets on the way that the members point to it, too: it
 * then reads the field once for all rounds, while members leave.
 */
#ifndef EDDY_IMPL_LIST_H
#define EDDY_IMPL_LIST_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct eddy_link {
    struct eddy_link *next; /* NULL: in no list (a member) or never used (a head) */
    struct eddy_link *prev;
};

static inline bool eddy_list_empty(const struct eddy_link *head)
{
    return head->next == NULL || head->next == head;
}

static inline bool eddy_link_used(const struct eddy_link *member)
{
    return member->next != NULL;
}

static inline void eddy_list_init(struct eddy_link *head)
{
    head->next = head;
    head->prev = head;
}

static inline void eddy_list_append(struct eddy_link *head, struct eddy_link *member)
{
    if (head->next == NULL) {
        eddy_list_init(head);
    }
    member->next = head;
    member->prev = head->prev;
    head->prev->next = member;
    head->prev = member;
}

static inline void eddy_list_remove(struct eddy_link *member)
{
    member->next->prev = member->prev;
    member->prev->next = member->next;
    member->next = NULL;
    member->prev = NULL;
}

/* The first or the last member, or the head itself; of a head that was used. */
static inline struct eddy_link *eddy_list_front(const struct eddy_link *head)
{
    return head->next;
}

static inline struct eddy_link *eddy_list_back(const struct eddy_link *head)
{
    return head->prev;
}

/* The first member, or NULL; it stays in the list. */
static inline struct eddy_link *eddy_list_first(const struct eddy_link *head)
{
    return eddy_list_empty(head) ? NULL : head->next;
}

/* Moves all members of `from` behind those of `to`; `from` is empty afterwards. */
static inline void eddy_list_splice(struct eddy_link *to, struct eddy_link *from)
{
    if (eddy_list_empty(from)) {
        return;
    }
    if (to->next == NULL) {
        eddy_list_init(to);
    }
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    eddy_list_init(from);
}

#ifdef __cplusplus
}
#endif

#endif
