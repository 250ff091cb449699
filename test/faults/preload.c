/**
 * preload.c: the hooks of the fault library: file calls of a process meet the rules (rules.c) and the power journal (power.c).
 *
 * Built as a shared library and loaded by LD_PRELOAD (`preload.ts`). It knows a file by the path that it was opened by; sockets and pipes
 * pass. It sees calls through the C library only: io_uring must be off (UV_USE_IO_URING=0), and writes through a memory map are not seen.
 */
#define _GNU_SOURCE
#include "preload.h"
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FDS_MAX 65536

/** What is known of a descriptor. */
struct open_file {
  dev_t dev;
  ino_t ino;
  int is_dir;
  /** Empty: a socket, a pipe, a device. */
  char path[PATH_BYTES];
  struct power_file *power;
};

static struct real_calls calls;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct open_file *fds[FDS_MAX];

static void find_calls(void) {
#define FIND(member, name) *(void **)&calls.member = dlsym(RTLD_NEXT, name)
  FIND(open, "open64");
  FIND(openat, "openat64");
  FIND(close, "close");
  FIND(read, "read");
  FIND(readv, "readv");
  FIND(pread, "pread64");
  FIND(preadv, "preadv64");
  FIND(write, "write");
  FIND(writev, "writev");
  FIND(pwrite, "pwrite64");
  FIND(pwritev, "pwritev64");
  FIND(fsync, "fsync");
  FIND(fdatasync, "fdatasync");
  FIND(ftruncate, "ftruncate64");
  FIND(rename, "rename");
  FIND(unlink, "unlink");
  FIND(mkdir, "mkdir");
  FIND(rmdir, "rmdir");
  power_init();
}

const struct real_calls *real(void) {
  pthread_once(&once, find_calls);
  return &calls;
}

static void forget(int fd) {
  if (fd < 0 || fd >= FDS_MAX) return;
  struct open_file *known = __atomic_exchange_n(&fds[fd], NULL, __ATOMIC_ACQ_REL);
  if (known == NULL) return;
  if (known->power != NULL) power_closed(known->power);
  free(known);
}

static struct open_file *look_at(int fd, const struct stat *stat) {
  char self[64];
  struct open_file *found = calloc(1, sizeof *found);
  found->dev = stat->st_dev;
  found->ino = stat->st_ino;
  found->is_dir = S_ISDIR(stat->st_mode);
  snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
  if (!found->is_dir && !S_ISREG(stat->st_mode)) return found;
  ssize_t bytes = readlink(self, found->path, sizeof found->path - 1);
  if (bytes < 0 || strncmp(found->path, "/dev/", 5) == 0 || strncmp(found->path, "/proc/", 6) == 0) found->path[0] = 0;
  if (found->path[0] != 0) found->power = power_opened(fd, found->path);
  return found;
}

/** What a descriptor is; NULL: no file of a folder. Looked at once, and again when the descriptor was closed out of sight. */
static struct open_file *file_of(int fd) {
  int before = errno;
  struct stat stat;
  if (fd < 0 || fd >= FDS_MAX || fstat(fd, &stat) != 0) {
    errno = before;
    return NULL;
  }
  struct open_file *known = __atomic_load_n(&fds[fd], __ATOMIC_ACQUIRE);
  if (known != NULL && (known->dev != stat.st_dev || known->ino != stat.st_ino)) {
    forget(fd);
    known = NULL;
  }
  if (known == NULL) {
    struct open_file *none = NULL;
    known = look_at(fd, &stat);
    if (!__atomic_compare_exchange_n(&fds[fd], &none, known, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
      if (known->power != NULL) power_closed(known->power);
      free(known);
      known = none;
    }
  }
  errno = before;
  return known->path[0] == 0 ? NULL : known;
}

static const char *absolute(const char *path, char *room) {
  if (path[0] == '/') return path;
  char folder[PATH_BYTES / 2];
  if (getcwd(folder, sizeof folder) == NULL) return path;
  snprintf(room, PATH_BYTES, "%s/%s", folder, path);
  return room;
}

static int opened(int fd, const char *path, int is_new) {
  int before = errno;
  forget(fd);
  if (fd >= 0) {
    if (is_new) {
      power_lock();
      power_name_created(path, 'C');
      power_unlock();
    }
    file_of(fd);
  }
  errno = before;
  return fd;
}

static int open_hooked(const char *name, int flags, mode_t mode) {
  char room[PATH_BYTES];
  const char *path = absolute(name, room);
  struct verdict verdict = rules_apply("open", path);
  if (verdict.error != 0) {
    errno = verdict.error;
    return -1;
  }
  int is_new = (flags & O_CREAT) != 0 && access(path, F_OK) != 0;
  // What O_TRUNC takes away must be saved before.
  if ((flags & O_TRUNC) != 0 && !is_new) {
    int fd = real()->open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
      struct open_file *file = file_of(fd);
      if (file != NULL && file->power != NULL) {
        power_lock();
        power_save_size(file->power, 0);
        power_unlock();
      }
      forget(fd);
      real()->close(fd);
    }
  }
  return opened(real()->open(path, flags, mode), path, is_new);
}

int open64(const char *path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(list, mode_t) : 0;
  va_end(list);
  return open_hooked(path, flags, mode);
}

int open(const char *path, int flags, ...) __attribute__((alias("open64")));

int close(int fd) {
  forget(fd);
  return real()->close(fd);
}

static size_t total(const struct iovec *buffers, int count) {
  size_t bytes = 0;
  for (int at = 0; at < count; at++) bytes += buffers[at].iov_len;
  return bytes;
}

/** The buffers cut to `bytes_max`; the caller frees them. */
static struct iovec *cut(const struct iovec *buffers, int count, ssize_t bytes_max) {
  struct iovec *shorter = malloc(sizeof *shorter * (size_t)(count + 1));
  size_t left = bytes_max < 0 ? SIZE_MAX : (size_t)bytes_max;
  for (int at = 0; at < count; at++) {
    shorter[at] = buffers[at];
    if (shorter[at].iov_len > left) shorter[at].iov_len = left;
    left -= shorter[at].iov_len;
  }
  return shorter;
}

/** at: -1 for the file's own position. */
static ssize_t write_hooked(int fd, const struct iovec *buffers, int count, off_t at) {
  struct open_file *file = file_of(fd);
  if (file == NULL) return at < 0 ? real()->writev(fd, buffers, count) : real()->pwritev(fd, buffers, count, at);
  struct verdict verdict = rules_apply("write", file->path);
  if (verdict.error != 0) {
    errno = verdict.error;
    return -1;
  }
  struct iovec *shorter = cut(buffers, count, verdict.bytes_max);
  if (file->power != NULL) {
    power_lock();
    off_t from = at >= 0 ? at : (fcntl(fd, F_GETFL) & O_APPEND) != 0 ? lseek(fd, 0, SEEK_END) : lseek(fd, 0, SEEK_CUR);
    power_save(file->power, from, total(shorter, count));
  }
  ssize_t written = at < 0 ? real()->writev(fd, shorter, count) : real()->pwritev(fd, shorter, count, at);
  int error = errno;
  if (file->power != NULL) power_unlock();
  free(shorter);
  errno = error;
  return written;
}

ssize_t write(int fd, const void *from, size_t bytes) {
  if (file_of(fd) == NULL) return real()->write(fd, from, bytes);
  struct iovec buffer = {(void *)from, bytes};
  return write_hooked(fd, &buffer, 1, -1);
}

ssize_t writev(int fd, const struct iovec *buffers, int count) { return write_hooked(fd, buffers, count, -1); }
ssize_t pwritev64(int fd, const struct iovec *buffers, int count, off_t at) { return write_hooked(fd, buffers, count, at); }
ssize_t pwritev(int fd, const struct iovec *buffers, int count, off_t at) __attribute__((alias("pwritev64")));
ssize_t pwrite64(int fd, const void *from, size_t bytes, off_t at) {
  struct iovec buffer = {(void *)from, bytes};
  return write_hooked(fd, &buffer, 1, at);
}
ssize_t pwrite(int fd, const void *from, size_t bytes, off_t at) __attribute__((alias("pwrite64")));

static ssize_t read_hooked(int fd, const struct iovec *buffers, int count, off_t at) {
  struct open_file *file = file_of(fd);
  struct verdict verdict = rules_apply("read", file == NULL ? NULL : file->path);
  if (verdict.error != 0) {
    errno = verdict.error;
    return -1;
  }
  struct iovec *shorter = cut(buffers, count, verdict.bytes_max);
  ssize_t got = at < 0 ? real()->readv(fd, shorter, count) : real()->preadv(fd, shorter, count, at);
  int error = errno;
  free(shorter);
  errno = error;
  return got;
}

ssize_t read(int fd, void *to, size_t bytes) {
  if (file_of(fd) == NULL) return real()->read(fd, to, bytes);
  struct iovec buffer = {to, bytes};
  return read_hooked(fd, &buffer, 1, -1);
}

ssize_t readv(int fd, const struct iovec *buffers, int count) { return read_hooked(fd, buffers, count, -1); }
ssize_t preadv64(int fd, const struct iovec *buffers, int count, off_t at) { return read_hooked(fd, buffers, count, at); }
ssize_t preadv(int fd, const struct iovec *buffers, int count, off_t at) __attribute__((alias("preadv64")));
ssize_t pread64(int fd, void *to, size_t bytes, off_t at) {
  struct iovec buffer = {to, bytes};
  return read_hooked(fd, &buffer, 1, at);
}
ssize_t pread(int fd, void *to, size_t bytes, off_t at) __attribute__((alias("pread64")));

static int sync_hooked(int fd, int (*call)(int)) {
  struct open_file *file = file_of(fd);
  if (file == NULL) return call(fd);
  struct verdict verdict = rules_apply("sync", file->path);
  if (verdict.error != 0) {
    errno = verdict.error;
    return -1;
  }
  if (verdict.is_lie) return 0;
  off_t begun = file->power == NULL ? 0 : power_sync_begins(file->power);
  if (call(fd) != 0) return -1;
  if (file->power != NULL) power_synced(file->power, begun);
  if (file->is_dir) power_dir_synced(file->path);
  return 0;
}

int fsync(int fd) { return sync_hooked(fd, real()->fsync); }
int fdatasync(int fd) { return sync_hooked(fd, real()->fdatasync); }

int ftruncate64(int fd, off_t size) {
  struct open_file *file = file_of(fd);
  if (file == NULL) return real()->ftruncate(fd, size);
  struct verdict verdict = rules_apply("truncate", file->path);
  if (verdict.error != 0) {
    errno = verdict.error;
    return -1;
  }
  if (file->power == NULL) return real()->ftruncate(fd, size);
  power_lock();
  power_save_size(file->power, size);
  int result = real()->ftruncate(fd, size);
  int error = errno;
  power_unlock();
  errno = error;
  return result;
}
int ftruncate(int fd, off_t size) __attribute__((alias("ftruncate64")));

/** A change of a name: rules, then what must be saved, then the change. */
#define CHANGE_NAME(op, path, before, change)          \
  do {                                                 \
    struct verdict verdict = rules_apply(op, path);    \
    if (verdict.error != 0) {                          \
      errno = verdict.error;                           \
      return -1;                                       \
    }                                                  \
    power_lock();                                      \
    before;                                            \
    int result = change;                               \
    int error = errno;                                 \
    power_unlock();                                    \
    errno = error;                                     \
    return result;                                     \
  } while (0)

int rename(const char *from_name, const char *to_name) {
  char from_room[PATH_BYTES], to_room[PATH_BYTES];
  const char *from = absolute(from_name, from_room);
  const char *to = absolute(to_name, to_room);
  CHANGE_NAME("rename", to, power_before_rename(from, to), real()->rename(from, to));
}

int unlink(const char *name) {
  char room[PATH_BYTES];
  const char *path = absolute(name, room);
  CHANGE_NAME("unlink", path, power_before_unlink(path), real()->unlink(path));
}

int rmdir(const char *name) {
  char room[PATH_BYTES];
  const char *path = absolute(name, room);
  CHANGE_NAME("unlink", path, power_before_rmdir(path), real()->rmdir(path));
}

int mkdir(const char *name, mode_t mode) {
  char room[PATH_BYTES];
  const char *path = absolute(name, room);
  int is_new = access(path, F_OK) != 0;
  CHANGE_NAME("open", path, (void)0, (real()->mkdir(path, mode) == 0 ? (is_new ? power_name_created(path, 'M') : (void)0, 0) : -1));
}
