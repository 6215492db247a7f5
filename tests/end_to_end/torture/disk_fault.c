/* A disk under a real gateway that fails, and that loses its power.

   Preloaded. DISK_FAULT names a file of `struct disk` that is mapped and shared: its `fault` is 0
   for a sound disk, 1 while writes answer EIO, 2 while syncs do, 3 while reads do. DISK_FAULT_ON is
   a part of the names of the files that all this is about: an SQLite database, and its log, whose
   name ends in -wal. DISK_LOG names the file that keeps what was changed and not synced since, so
   that `power.py` can have the disk lose any part of it, as a power cut does: before each change
   the bytes that it replaces and the bytes that it brings. Once everything is synced it is empty. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum fault { WRITES = 1, SYNCS = 2, READS = 3 };
enum kind { WRITE = 1, TRUNCATE = 2, SYNCED = 3 };

struct disk {
    volatile int32_t fault;
    int32_t is_unsynced[2];    /* the database, its log */
    uint32_t unused;
    uint64_t number, last[2];  /* of the changes: in all, and of each file */
};

struct change {
    uint32_t kind, file;
    uint64_t number, at, size_before;
    uint32_t old, new;         /* bytes that follow */
};

static struct disk *disk;
static const char *about;
static int changes = -1;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void map_disk(void)
{
    const char *path = getenv("DISK_FAULT"), *log = getenv("DISK_LOG");
    int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    about = getenv("DISK_FAULT_ON");
    if (file < 0 || !log || !about)
        return;
    void *mapped = mmap(NULL, sizeof *disk, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (mapped == MAP_FAILED)
        return;
    disk = mapped;
    changes = open(log, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
}

#define RIGHT(name) static __typeof__(name) *right; if (!right) right = dlsym(RTLD_NEXT, #name)

/* 0 for the database, 1 for its log, -1 for any other file. */
static int which_name(const char *name)
{
    const char *found = disk ? strstr(name, about) : NULL;
    if (!found)
        return -1;
    found += strlen(about);
    return !*found ? 0 : !strcmp(found, "-wal") ? 1 : -1;
}

static int which(int file)
{
    char link[64], name[4096];
    if (!disk)
        return -1;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, name, sizeof name - 1);
    if (length < 0)
        return -1;
    name[length] = 0;
    return which_name(name);
}

static int strikes(int file, enum fault fault)
{
    if (!disk || disk->fault != (int32_t)fault || which(file) < 0)
        return 0;
    errno = EIO;
    return 1;
}

static ssize_t right_pread(int file, void *data, size_t size, off64_t at)
{
    RIGHT(pread64);
    return right(file, data, size, at);
}

static void keep(struct change change, const void *old, const void *new)
{
    struct iovec parts[] = {
        {&change, sizeof change}, {(void *)old, change.old}, {(void *)new, change.new}};
    size_t size = sizeof change + change.old + change.new;
    if (writev(changes, parts, 3) != (ssize_t)size)
        abort();  /* the model would not be true any more */
}

/* Before `size` bytes at `at` become `new`, or, without any, the file ends at `at`. */
static void keep_change(int file, const void *new, size_t size, off64_t at)
{
    int name = which(file);
    struct stat64 now;
    if (name < 0 || fstat64(file, &now))
        return;
    size_t asked = new ? size : (size_t)(now.st_size > at ? now.st_size - at : 0);
    void *old = malloc(asked + 1);
    ssize_t got = old ? right_pread(file, old, asked, at) : -1;
    if (got < 0)
        abort();
    pthread_mutex_lock(&turn);
    disk->is_unsynced[name] = 1;
    disk->last[name] = ++disk->number;
    struct change change = {new ? WRITE : TRUNCATE, name, disk->number, at, now.st_size,
                            got, new ? size : 0};
    keep(change, old, new);
    pthread_mutex_unlock(&turn);
    free(old);
}

/* What was changed up to the change `number` is on the disk. */
static void keep_sync(int name, uint64_t number)
{
    pthread_mutex_lock(&turn);
    if (disk->last[name] <= number)
        disk->is_unsynced[name] = 0;
    if (!disk->is_unsynced[0] && !disk->is_unsynced[1]) {
        if (ftruncate(changes, 0))
            abort();
    } else
        keep((struct change){SYNCED, name, number, 0, 0, 0, 0}, NULL, NULL);
    pthread_mutex_unlock(&turn);
}

static uint64_t number_now(void)
{
    pthread_mutex_lock(&turn);
    uint64_t number = disk->number;
    pthread_mutex_unlock(&turn);
    return number;
}

static int sync_with(int (*right)(int), int file)
{
    if (strikes(file, SYNCS))
        return -1;
    int name = which(file);
    uint64_t number = name < 0 ? 0 : number_now();
    int failed = right(file);
    if (!failed && name >= 0)
        keep_sync(name, number);
    return failed;
}

ssize_t pwrite64(int file, const void *data, size_t size, off64_t at)
{
    RIGHT(pwrite64);
    if (strikes(file, WRITES))
        return -1;
    keep_change(file, data, size, at);
    return right(file, data, size, at);
}

ssize_t pread64(int file, void *data, size_t size, off64_t at)
{
    return strikes(file, READS) ? -1 : right_pread(file, data, size, at);
}

int ftruncate64(int file, off64_t at)
{
    RIGHT(ftruncate64);
    keep_change(file, NULL, 0, at);
    return right(file, at);
}

int fdatasync(int file)
{
    RIGHT(fdatasync);
    return sync_with(right, file);
}

int fsync(int file)
{
    RIGHT(fsync);
    return sync_with(right, file);
}

/* SQLite unlinks a log only when its last connection is closed and all of it is in the database. */
int unlink(const char *path)
{
    RIGHT(unlink);
    int name = which_name(path);
    int failed = right(path);
    if (!failed && name >= 0)
        keep_sync(name, number_now());
    return failed;
}
