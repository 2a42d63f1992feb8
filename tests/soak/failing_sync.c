/* Preloaded into a program: one sync of some file fails, and syncs nothing.
 *
 * FAILING_SYNC is how the names of these files end, FAILING_SYNC_NUMBER which of their syncs it is, from 1 on. Those
 * after it succeed, as they do on Linux, where an error is told once: whoever tried again would believe that all is well.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fails(int file)
{
    static atomic_int syncs;
    const char *ending = getenv("FAILING_SYNC"), *number = getenv("FAILING_SYNC_NUMBER");
    char link[32], name[PATH_MAX];
    ssize_t length;

    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    length = readlink(link, name, sizeof name);
    if (!ending || !number || length < (ssize_t)strlen(ending))
        return 0;
    if (memcmp(name + length - strlen(ending), ending, strlen(ending)) != 0)
        return 0;
    return atomic_fetch_add(&syncs, 1) + 1 == atoi(number);
}

static int sync_by(const char *name, int file)
{
    int (*sync)(int);

    *(void **)&sync = dlsym(RTLD_NEXT, name);
    if (!fails(file))
        return sync(file);
    errno = EIO;
    return -1;
}

int fsync(int file)
{
    return sync_by("fsync", file);
}

int fdatasync(int file)
{
    return sync_by("fdatasync", file);
}
