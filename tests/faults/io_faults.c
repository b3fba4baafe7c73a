/* Makes the N-th write, pwrite, fsync or rename of a process fail, once or from then on. Loaded by LD_PRELOAD; the
   environment of the process says what to do: IO_FAULT_OP, IO_FAULT_AT, IO_FAULT_STICKY, IO_FAULT_ERRNO, and
   IO_FAULT_PROOF, a file that is made when it happened. Only regular files count, stdout and stderr do not. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static long calls = 0;

static int fails(const char *operation) {
    const char *wanted = getenv("IO_FAULT_OP");
    if (!wanted || strcmp(wanted, operation)) return 0;
    const char *at = getenv("IO_FAULT_AT"), *proof = getenv("IO_FAULT_PROOF"), *number = getenv("IO_FAULT_ERRNO");
    long now = __sync_add_and_fetch(&calls, 1), then = at ? atol(at) : 1;
    if (now < then || (now > then && !getenv("IO_FAULT_STICKY"))) return 0;
    if (proof) {
        int made = open(proof, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (made >= 0) close(made);
    }
    errno = number ? atoi(number) : EIO;
    return 1;
}

static int counts(int descriptor) {
    struct stat found;
    int before = errno, regular = descriptor > 2 && fstat(descriptor, &found) == 0 && S_ISREG(found.st_mode);
    errno = before;
    return regular;
}

#define REAL(type, name, ...)                                   \
    static type (*real)(__VA_ARGS__);                           \
    if (!real) real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

ssize_t write(int descriptor, const void *data, size_t size) {
    REAL(ssize_t, "write", int, const void *, size_t);
    return counts(descriptor) && fails("write") ? -1 : real(descriptor, data, size);
}

ssize_t pwrite(int descriptor, const void *data, size_t size, off_t where) {
    REAL(ssize_t, "pwrite", int, const void *, size_t, off_t);
    return counts(descriptor) && fails("pwrite") ? -1 : real(descriptor, data, size, where);
}

ssize_t pwrite64(int descriptor, const void *data, size_t size, off64_t where) {
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
    return counts(descriptor) && fails("pwrite") ? -1 : real(descriptor, data, size, where);
}

int fsync(int descriptor) {
    REAL(int, "fsync", int);
    return fails("fsync") ? -1 : real(descriptor);
}

int fdatasync(int descriptor) {
    REAL(int, "fdatasync", int);
    return fails("fsync") ? -1 : real(descriptor);
}

int rename(const char *from, const char *to) {
    REAL(int, "rename", const char *, const char *);
    return fails("rename") ? -1 : real(from, to);
}
