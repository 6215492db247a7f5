/* A disk that fails: reads, writes or syncs of one database answer EIO while a flag says so.

   Preloaded into a gateway. DISK_FAULT names a file of one int that is mapped and shared: 0 for a
   sound disk, 1 writes fail, 2 syncs fail, 3 reads fail. DISK_FAULT_ON is a part of the names of
   the files that it is about. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

enum { WRITES = 1, SYNCS = 2, READS = 3 };

static volatile int *flag;

__attribute__((constructor)) static void map_flag(void)
{
    const char *path = getenv("DISK_FAULT");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0)
        return;
    void *mapped = mmap(NULL, sizeof(int), PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (mapped != MAP_FAILED)
        flag = mapped;
}

static int strikes(int file, int what)
{
    char link[64], name[4096];
    const char *about = getenv("DISK_FAULT_ON");
    if (!flag || *flag != what || !about)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, name, sizeof name - 1);
    if (length < 0)
        return 0;
    name[length] = 0;
    if (!strstr(name, about))
        return 0;
    errno = EIO;
    return 1;
}

#define RIGHT(name) static __typeof__(name) *right; if (!right) right = dlsym(RTLD_NEXT, #name)

ssize_t pwrite64(int file, const void *data, size_t size, off64_t at)
{
    RIGHT(pwrite64);
    return strikes(file, WRITES) ? -1 : right(file, data, size, at);
}

ssize_t pread64(int file, void *data, size_t size, off64_t at)
{
    RIGHT(pread64);
    return strikes(file, READS) ? -1 : right(file, data, size, at);
}

int fdatasync(int file)
{
    RIGHT(fdatasync);
    return strikes(file, SYNCS) ? -1 : right(file);
}

int fsync(int file)
{
    RIGHT(fsync);
    return strikes(file, SYNCS) ? -1 : right(file);
}
