/**
 * preload.h: what the parts of the fault library share: the calls of the C library behind the hooks, rules, the power journal.
 */
#ifndef VARVE_PRELOAD_H
#define VARVE_PRELOAD_H

#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

#define PATH_BYTES 1024

/** The calls of the C library that the hooks stand before. */
struct real_calls {
  int (*open)(const char *, int, ...);
  int (*openat)(int, const char *, int, ...);
  int (*close)(int);
  ssize_t (*read)(int, void *, size_t);
  ssize_t (*readv)(int, const struct iovec *, int);
  ssize_t (*pread)(int, void *, size_t, off_t);
  ssize_t (*preadv)(int, const struct iovec *, int, off_t);
  ssize_t (*write)(int, const void *, size_t);
  ssize_t (*writev)(int, const struct iovec *, int);
  ssize_t (*pwrite)(int, const void *, size_t, off_t);
  ssize_t (*pwritev)(int, const struct iovec *, int, off_t);
  int (*fsync)(int);
  int (*fdatasync)(int);
  int (*ftruncate)(int, off_t);
  int (*rename)(const char *, const char *);
  int (*unlink)(const char *);
  int (*mkdir)(const char *, mode_t);
  int (*rmdir)(const char *);
};
const struct real_calls *real(void);

/** What a rule does to one call. `bytes_max`: a shorter transfer; -1: as asked. */
struct verdict {
  int error;
  /** A sync says that it worked, and does nothing. */
  int is_lie;
  ssize_t bytes_max;
};
/** Applies the rules of the control file to a call: sleeps, hangs or kills here and now; what is left is for the hook to do. */
struct verdict rules_apply(const char *op, const char *path);

/** Power journal: what a power cut would take back. All but `power_init` do nothing for paths outside the chosen ones. */
struct power_file;
void power_init(void);
struct power_file *power_opened(int fd, const char *path);
void power_closed(struct power_file *file);
void power_lock(void);
void power_unlock(void);
/** Saves what the bytes at `at` are now. Under the lock, before the write. */
void power_save(struct power_file *file, off_t at, size_t bytes);
/** Saves what a change of the size would take away. Under the lock, before it. */
void power_save_size(struct power_file *file, off_t size);
off_t power_sync_begins(struct power_file *file);
void power_synced(struct power_file *file, off_t begun);
void power_dir_synced(const char *dir);
/** A name is about to change; returns nonzero when it is followed. Under the lock. `keep` takes the name of a saved link. */
void power_name_created(const char *path, char kind);
void power_before_unlink(const char *path);
void power_before_rename(const char *from, const char *to);
void power_before_rmdir(const char *path);

#endif
