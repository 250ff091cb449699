/**
 * power.c: remembers what a power cut would take back, so that a SIGKILL can be made into one.
 *
 * Writes go through to the file at once, so every read, also through a memory map, sees them; before each write what stood there is
 * saved in a journal, and a sync that succeeded empties the journal. After the process was killed, `power-cut.ts` takes back from the journals what it
 * likes of what was not synced. Changes of names are journaled until their folder is synced.
 *   PRELOAD_POWER_DIR    folder of the journals, on the file system of the data, outside of it
 *   PRELOAD_POWER_PATHS  parts of paths that are followed, separated by `:`
 * Invariants:
 *   P1  the journal has the old bytes before the file has the new ones; so a kill at any instruction can be taken back
 *   P2  a sync empties the journal of what was written before the sync began, and only after the system said that it worked
 *   P3  a journal belongs to an inode, which a hard link keeps: a rename does not confuse it, and another process goes on with it
 */
#define _GNU_SOURCE
#include "preload.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAMES_BYTES_MAX (4 << 20)

struct power_file {
  struct power_file *next;
  dev_t dev;
  ino_t ino;
  int users;
  /** The file by its hard link, to read what stands there. */
  int link;
  int journal;
  off_t journal_bytes;
};
/** One record of a journal: what stood at `at`, when the file had `size` bytes. `saved` bytes follow. */
struct record {
  uint64_t at, bytes, size, saved;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct power_file *files;
static const char *dir;
static unsigned kept;

static void must(int ok, const char *what) {
  if (ok) return;
  char text[256];
  int bytes = snprintf(text, sizeof text, "power journal: %s: %s\n", what, strerror(errno));
  if (real()->write(2, text, (size_t)bytes) < 0) _exit(99);
  _exit(99);
}

static void write_all(int fd, const void *from, size_t bytes, off_t at) {
  const char *next = from;
  while (bytes > 0) {
    ssize_t written = real()->pwrite(fd, next, bytes, at);
    must(written > 0, "write");
    next += written;
    at += written;
    bytes -= (size_t)written;
  }
}

void power_init(void) { dir = getenv("PRELOAD_POWER_DIR"); }
void power_lock(void) { pthread_mutex_lock(&mutex); }
void power_unlock(void) { pthread_mutex_unlock(&mutex); }

static int follows(const char *path) {
  const char *paths = getenv("PRELOAD_POWER_PATHS");
  if (dir == NULL || paths == NULL || path == NULL || strncmp(path, dir, strlen(dir)) == 0) return 0;
  for (const char *at = paths; *at != 0;) {
    size_t bytes = strcspn(at, ":");
    if (bytes > 0 && memmem(path, strlen(path), at, bytes) != NULL) return 1;
    at += bytes + (at[bytes] == ':');
  }
  return 0;
}

static void name_of(const struct power_file *file, const char *end, char *name) {
  snprintf(name, PATH_BYTES, "%s/%lu-%lu.%s", dir, (unsigned long)file->dev, (unsigned long)file->ino, end);
}

struct power_file *power_opened(int fd, const char *path) {
  struct stat stat;
  if (!follows(path) || fstat(fd, &stat) != 0 || !S_ISREG(stat.st_mode)) return NULL;
  power_lock();
  struct power_file *file = files;
  while (file != NULL && (file->dev != stat.st_dev || file->ino != stat.st_ino)) file = file->next;
  if (file == NULL) {
    char link_name[PATH_BYTES], journal_name[PATH_BYTES], self[64];
    file = calloc(1, sizeof *file);
    file->dev = stat.st_dev;
    file->ino = stat.st_ino;
    name_of(file, "file", link_name);
    name_of(file, "undo", journal_name);
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    int linked = linkat(AT_FDCWD, self, AT_FDCWD, link_name, AT_SYMLINK_FOLLOW);
    must(linked == 0 || errno == EEXIST, link_name);
    file->link = real()->open(link_name, O_RDONLY | O_CLOEXEC);
    must(file->link >= 0, link_name);
    file->journal = real()->open(journal_name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    must(file->journal >= 0, journal_name);
    file->journal_bytes = lseek(file->journal, 0, SEEK_END);
    file->next = files;
    files = file;
  }
  file->users++;
  power_unlock();
  return file;
}

void power_closed(struct power_file *file) {
  power_lock();
  if (--file->users == 0 && file->journal_bytes == 0) {
    char name[PATH_BYTES];
    struct power_file **at = &files;
    while (*at != file) at = &(*at)->next;
    *at = file->next;
    real()->close(file->link);
    real()->close(file->journal);
    name_of(file, "undo", name);
    real()->unlink(name);
    name_of(file, "file", name);
    real()->unlink(name);
    free(file);
  }
  power_unlock();
}

static void save(struct power_file *file, off_t at, size_t bytes, off_t size) {
  size_t saved = at >= size ? 0 : (size_t)(size - at) < bytes ? (size_t)(size - at) : bytes;
  char *record = malloc(sizeof(struct record) + saved);
  struct record head = {(uint64_t)at, bytes, (uint64_t)size, saved};
  memcpy(record, &head, sizeof head);
  for (size_t done = 0; done < saved;) {
    ssize_t got = real()->pread(file->link, record + sizeof head + done, saved - done, at + (off_t)done);
    must(got > 0, "read");
    done += (size_t)got;
  }
  write_all(file->journal, record, sizeof head + saved, file->journal_bytes);
  file->journal_bytes += (off_t)(sizeof head + saved);
  free(record);
}

static off_t size_of(const struct power_file *file) {
  struct stat stat;
  must(fstat(file->link, &stat) == 0, "stat");
  return stat.st_size;
}

void power_save(struct power_file *file, off_t at, size_t bytes) { save(file, at, bytes, size_of(file)); }

void power_save_size(struct power_file *file, off_t size) {
  off_t now = size_of(file);
  if (size < now) save(file, size, (size_t)(now - size), now);
  else save(file, now, (size_t)(size - now), now);
}

off_t power_sync_begins(struct power_file *file) {
  power_lock();
  off_t begun = file->journal_bytes;
  power_unlock();
  return begun;
}

void power_synced(struct power_file *file, off_t begun) {
  power_lock();
  // Another sync may have emptied it meanwhile: then what is there is younger than this one.
  if (begun > 0 && begun <= file->journal_bytes) {
    size_t left = (size_t)(file->journal_bytes - begun);
    char *rest = malloc(left + 1);
    must(real()->pread(file->journal, rest, left, begun) == (ssize_t)left, "read a journal");
    // Between the two a kill leaves less to take back than there could be, never more than what was not synced.
    must(real()->ftruncate(file->journal, 0) == 0, "empty a journal");
    write_all(file->journal, rest, left, 0);
    file->journal_bytes = (off_t)left;
    free(rest);
  }
  power_unlock();
}

static void add_name(const char *line) {
  char name[PATH_BYTES];
  snprintf(name, sizeof name, "%s/names", dir);
  int fd = real()->open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  must(fd >= 0 && real()->write(fd, line, strlen(line)) == (ssize_t)strlen(line), "note a name");
  real()->close(fd);
}

/** Keeps a file that its name is about to leave; `-` when there is none. */
static void keep(const char *path, char *name) {
  do snprintf(name, PATH_BYTES, "%s/kept-%d-%u", dir, getpid(), kept++);
  while (access(name, F_OK) == 0);
  if (link(path, name) != 0) strcpy(name, "-");
}

void power_name_created(const char *path, char kind) {
  char line[3 * PATH_BYTES];
  if (!follows(path)) return;
  snprintf(line, sizeof line, "%c\t%s\t-\t-\n", kind, path);
  add_name(line);
}

void power_before_unlink(const char *path) {
  char line[3 * PATH_BYTES], name[PATH_BYTES];
  if (!follows(path)) return;
  keep(path, name);
  if (strcmp(name, "-") == 0) return;
  snprintf(line, sizeof line, "U\t%s\t-\t%s\n", path, name);
  add_name(line);
}

void power_before_rename(const char *from, const char *to) {
  char line[3 * PATH_BYTES], name[PATH_BYTES];
  if ((!follows(from) && !follows(to)) || access(from, F_OK) != 0) return;
  keep(to, name);
  snprintf(line, sizeof line, "R\t%s\t%s\t%s\n", from, to, name);
  add_name(line);
}

void power_before_rmdir(const char *path) {
  if (access(path, F_OK) == 0) power_name_created(path, 'D');
}

static int lies_in(const char *path, const char *folder) {
  size_t bytes = strlen(folder);
  return strncmp(path, folder, bytes) == 0 && path[bytes] == '/' && strchr(path + bytes + 1, '/') == NULL;
}

/** Forgets the changes of names in `folder`, which is durable now. */
void power_dir_synced(const char *folder) {
  char names[PATH_BYTES], next[PATH_BYTES];
  if (dir == NULL) return;
  power_lock();
  snprintf(names, sizeof names, "%s/names", dir);
  snprintf(next, sizeof next, "%s/names.next", dir);
  FILE *from = fopen(names, "r");
  if (from != NULL) {
    FILE *to = fopen(next, "w");
    must(to != NULL, next);
    char line[3 * PATH_BYTES], path[PATH_BYTES], other[PATH_BYTES], saved[PATH_BYTES];
    while (fgets(line, sizeof line, from) != NULL) {
      char kind = 0;
      if (sscanf(line, "%c\t%1023[^\t]\t%1023[^\t]\t%1023[^\n]", &kind, path, other, saved) != 4) continue;
      size_t bytes = strlen(folder);
      // What was inside a folder that is gone is gone with it.
      int below_a_gone = strncmp(path, folder, bytes) == 0 && path[bytes] == '/' && kind == 'U' && strchr(path + bytes + 1, '/') != NULL;
      if (below_a_gone) {
        char parent[PATH_BYTES];
        snprintf(parent, sizeof parent, "%s", path);
        *strrchr(parent, '/') = 0;
        below_a_gone = access(parent, F_OK) != 0;
      }
      if (!lies_in(path, folder) && !below_a_gone) fputs(line, to);
      else if (strcmp(saved, "-") != 0) real()->unlink(saved);
    }
    fclose(from);
    must(fclose(to) == 0 && real()->rename(next, names) == 0, "note names");
  }
  power_unlock();
}
