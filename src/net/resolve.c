/*
 * Names, by getaddrinfo(3) on a thread of the workers: it blocks, reads files, and may ask by whatever
 * means the system is set up for, so that no other way gives the same answers. (For one without
 * threads see c-ares.)
 *
 *     the query is        who may touch it                          a cancel
 *     waiting for a turn  the loop                                  takes it out: nothing was asked
 *     being asked         the worker, and of it only `found`        leaves it to the worker: nobody waits
 *     answered            the loop: copies, and frees `found`       is too late, the answer is the result
 *
 * So the query has a copy of the name, and the worker never sees the caller's array: it is filled on the
 * loop's thread, when somebody still waits for it. getaddrinfo cannot be stopped; a query that was given
 * up holds its thread until it returns, and no more than four are asked at a time
 * (eddy_resolve_workers), so that a dead name
 * server cannot take the threads from other work.
 *
 * What libc would take for an address although it is none (ends_in_a_number) is refused before: "1.2.3"
 * is a mistake of somebody's and no host.
 */
#include "eddy/address.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "net/resolve_internal.h"
#include "work/workers.h"

/* A question for getaddrinfo(3). */
struct query {
    eddy_job job; /* first */
    const struct eddy_sys *sys;
    struct addrinfo *found;         /* by the worker; NULL: nothing */
    struct eddy_address *addresses; /* where the answer goes; not if nobody waits any more */
    int most;
    int port;
    int family;
    struct eddy_name name;
};

/* ---- names */

/* "127.1", "0x7f.0.0.1" and the like: libc takes them for addresses. */
static bool ends_in_a_number(const char *host)
{
    const char *dot = strrchr(host, '.');
    const char *last = dot != NULL ? dot + 1 : host;

    if (last[0] == '0' && (last[1] == 'x' || last[1] == 'X')) {
        return strspn(last + 2, "0123456789abcdefABCDEF") == strlen(last + 2);
    }
    return strspn(last, "0123456789") == strlen(last) && *last != '\0';
}

int eddy_name_copy(struct eddy_name *name, const char *host)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    size_t length = strnlen(host, sizeof name->text);

    if (length == 0 || length >= sizeof name->text || strspn(host, letters) != length ||
        ends_in_a_number(host)) {
        return -EINVAL;
    }
    memset(name, 0, sizeof *name);
    memcpy(name->text, host, length);
    return 0;
}

/* ---- asking, on a worker's thread */

static int to_errno(int code, int system_error)
{
    switch (code) {
    case 0:
        return 0;
    case EAI_NONAME:
#ifdef EAI_NODATA
    case EAI_NODATA:
#endif
#ifdef EAI_ADDRFAMILY
    case EAI_ADDRFAMILY:
#endif
        return -ENOENT;
    case EAI_AGAIN:
        return -EAGAIN;
    case EAI_FAIL:
        return -EIO;
    case EAI_FAMILY:
        return -EAFNOSUPPORT;
    case EAI_MEMORY:
        return -ENOMEM;
    case EAI_SYSTEM:
        return system_error > 0 ? -system_error : -EIO;
    default:
        return -EINVAL;
    }
}

static int64_t ask(eddy_job *job)
{
    struct query *query = (struct query *)(void *)job;
    const struct eddy_sys *sys = query->sys;
    struct addrinfo hints = {.ai_family = query->family, .ai_socktype = SOCK_STREAM};
    int error = 0;
    int code;

    if (sys->getaddrinfo != NULL) {
        code = sys->getaddrinfo(sys, query->name.text, &hints, &query->found, &error);
    } else {
        code = getaddrinfo(query->name.text, NULL, &hints, &query->found);
        error = errno;
    }
    if (code != 0) {
        query->found = NULL;
    }
    return to_errno(code, error);
}

/* ---- the answer, on the loop's thread */

static void set_port(struct eddy_address *address, int port)
{
    if (address->storage.ss_family == AF_INET6) {
        ((struct sockaddr_in6 *)(void *)&address->storage)->sin6_port = htons((uint16_t)port);
    } else {
        ((struct sockaddr_in *)(void *)&address->storage)->sin_port = htons((uint16_t)port);
    }
}

static int64_t copy_addresses(const struct query *query)
{
    int count = 0;

    for (const struct addrinfo *info = query->found; info != NULL && count < query->most;
         info = info->ai_next) {
        struct eddy_address *address = &query->addresses[count];
        if (info->ai_family == AF_INET || info->ai_family == AF_INET6) {
            memset(address, 0, sizeof *address);
            memcpy(&address->storage, info->ai_addr, info->ai_addrlen);
            address->size = info->ai_addrlen;
            set_port(address, query->port);
            count++;
        }
    }
    return count > 0 ? count : -ENOENT;
}

static int64_t answer(eddy_job *job)
{
    struct query *query = (struct query *)(void *)job;
    int64_t result = job->result;

    if (result == 0 && job->task != NULL) {
        result = copy_addresses(query);
    }
    if (query->found == NULL) {
        return result;
    }
    if (query->sys->getaddrinfo != NULL) {
        query->sys->freeaddrinfo(query->sys, query->found);
    } else {
        freeaddrinfo(query->found);
    }
    return result;
}

static const struct eddy_job_kind queries = {
    .size = sizeof(struct query),
    .workers = 4,
    .work = ask,
    .finish = answer,
};

int eddy_resolve_workers(eddy_loop *loop, unsigned count)
{
    return eddy_workers_limit(loop, &queries, count);
}

/* ---- the operation */

static int abort_query(struct eddy_task_record *task)
{
    eddy_job *job = task->in.object;

    if (!eddy_job_withdraw(job)) {
        eddy_job_abandon(job);
    }
    return 1;
}

static void describe(const struct eddy_task_record *task, char *text, size_t size)
{
    const struct query *query = task->in.object;

    snprintf(text, size, "%s", query->name.text);
}

static const struct eddy_wait_kind resolve_kind = {
    .name = "resolve",
    .abort = abort_query,
    .describe = describe,
};

static int64_t start_query(eddy_coro *co, const struct eddy_name *name, int port, int family,
                           struct eddy_address *addresses, int most)
{
    struct query *query = (struct query *)(void *)eddy_job_new(co, &queries);
    int result;

    if (query == NULL) {
        return -ENOMEM;
    }
    query->sys = eddy_task_loop(co->task)->sys;
    query->addresses = addresses;
    query->most = most;
    query->port = port;
    query->family = family;
    query->name = *name;
    result = eddy_job_start(&query->job);
    return result < 0 ? result : eddy_park(co, &resolve_kind, query, NULL);
}

int64_t eddy_resolve(eddy_coro *co, const char *host, int port, int family,
                     struct eddy_address *addresses, int most)
{
    struct eddy_name name;
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    if (most < 1 || port < 0 || port > 65535 ||
        (family != AF_UNSPEC && family != AF_INET && family != AF_INET6)) {
        return -EINVAL;
    }
    if (eddy_address_parse(&addresses[0], host, port) == 0) {
        return family == AF_UNSPEC || family == addresses[0].storage.ss_family
                   ? eddy_complete(co, 1)
                   : -ENOENT;
    }
    result = eddy_name_copy(&name, host);
    if (result < 0) {
        return result;
    }
    eddy_check_pointer(co, addresses);
    return start_query(co, &name, port, family, addresses, most);
}
