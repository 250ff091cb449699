/**
 * rules.c: the rules of the control file, read again whenever that file was replaced.
 *
 * A line is `id op skip count action value path`: the call `op` (open, read, write, sync, truncate, rename, unlink or any) on a path that contains
 * `path` (`*`: on each) passes `skip` times, then is hit `count` times (0: always). Actions: `error` with that errno, `delay` and
 * `hang` before the call (value: milliseconds; until the rule is gone), `short` (at most that many bytes), `kill` (this process,
 * before the call), `lie` (a sync does nothing and says that it did). Each hit is a line `pid id op path` in the file `<control>.hits`.
 */
#define _GNU_SOURCE
#include "preload.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define RULES_MAX 32
#define COUNTERS_MAX 1024
#define HANG_LOOK_MS 20

struct rule {
  char id[32], op[12], action[12], path[256];
  long skip, count, value;
};
/** Calls that a rule has seen; kept when the control file changes. */
struct counter {
  char id[32];
  long seen;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct rule rules[RULES_MAX];
static int rule_count;
static struct counter counters[COUNTERS_MAX];
static int counter_count;
static struct stat known;

static void sleep_ms(long ms) {
  struct timespec left = {ms / 1000, (ms % 1000) * 1000000L};
  while (nanosleep(&left, &left) != 0 && errno == EINTR)
    ;
}

static void parse(char *text) {
  char *rest = NULL;
  rule_count = 0;
  for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
    struct rule *rule = &rules[rule_count];
    int fields = sscanf(line, "%31s %11s %ld %ld %11s %ld %255[^\n]", rule->id, rule->op, &rule->skip, &rule->count,
                        rule->action, &rule->value, rule->path);
    if (fields == 7 && rule_count < RULES_MAX - 1) rule_count++;
  }
}

static void refresh(void) {
  const char *control = getenv("PRELOAD_CONTROL");
  struct stat now;
  if (control == NULL || stat(control, &now) != 0) {
    rule_count = 0;
    memset(&known, 0, sizeof known);
    return;
  }
  if (now.st_ino == known.st_ino && now.st_mtim.tv_nsec == known.st_mtim.tv_nsec && now.st_size == known.st_size) return;
  char text[RULES_MAX * 400];
  int fd = real()->open(control, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  ssize_t bytes = real()->read(fd, text, sizeof text - 1);
  real()->close(fd);
  if (bytes < 0) return;
  text[bytes] = 0;
  known = now;
  parse(text);
}

static long *seen_by(const char *id) {
  for (int at = 0; at < counter_count; at++)
    if (strcmp(counters[at].id, id) == 0) return &counters[at].seen;
  if (counter_count == COUNTERS_MAX) abort();
  snprintf(counters[counter_count].id, sizeof counters[0].id, "%s", id);
  return &counters[counter_count++].seen;
}

static void note_hit(const struct rule *rule, const char *op, const char *path) {
  char name[PATH_BYTES], line[PATH_BYTES + 64];
  snprintf(name, sizeof name, "%s.hits", getenv("PRELOAD_CONTROL"));
  int bytes = snprintf(line, sizeof line, "%d %s %s %s\n", getpid(), rule->id, op, path);
  int fd = real()->open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) return;
  if (real()->write(fd, line, (size_t)bytes) < 0) abort();
  real()->close(fd);
}

/** Takes the first rule that hits this call; under the mutex. */
static int take(const char *op, const char *path, struct rule *taken) {
  refresh();
  for (int at = 0; at < rule_count; at++) {
    struct rule *rule = &rules[at];
    if (strcmp(rule->op, "any") != 0 && strcmp(rule->op, op) != 0) continue;
    if (strcmp(rule->path, "*") != 0 && strstr(path, rule->path) == NULL) continue;
    long *seen = seen_by(rule->id);
    long number = (*seen)++;
    if (number < rule->skip || (rule->count > 0 && number >= rule->skip + rule->count)) continue;
    note_hit(rule, op, path);
    *taken = *rule;
    return 1;
  }
  return 0;
}

static int still_there(const char *id) {
  int found = 0;
  pthread_mutex_lock(&mutex);
  refresh();
  for (int at = 0; at < rule_count; at++) found |= strcmp(rules[at].id, id) == 0;
  pthread_mutex_unlock(&mutex);
  return found;
}

struct verdict rules_apply(const char *op, const char *path) {
  struct verdict verdict = {0, 0, -1};
  struct rule rule;
  if (path == NULL || getenv("PRELOAD_CONTROL") == NULL) return verdict;
  pthread_mutex_lock(&mutex);
  int hit = take(op, path, &rule);
  pthread_mutex_unlock(&mutex);
  if (!hit) return verdict;
  if (strcmp(rule.action, "error") == 0) verdict.error = (int)rule.value;
  if (strcmp(rule.action, "lie") == 0) verdict.is_lie = 1;
  if (strcmp(rule.action, "short") == 0) verdict.bytes_max = rule.value;
  if (strcmp(rule.action, "delay") == 0) sleep_ms(rule.value);
  if (strcmp(rule.action, "kill") == 0) raise(SIGKILL);
  if (strcmp(rule.action, "hang") == 0)
    while (still_there(rule.id)) sleep_ms(HANG_LOOK_MS);
  return verdict;
}
