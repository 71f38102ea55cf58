/* SPDX-License-Identifier: MIT */
/* Running other programs: posix_spawn, pipes, deadlines. */
#define _GNU_SOURCE /* pipe2 */
#include "runtime/system/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/system/litter.h"

extern char **environ;

typedef struct Running {
  SpawnJob *job;
  pid_t pid;
  int fd;
  double deadline;
} Running;

/* environ with `extra` put before it: the first of two equal names is found. */
static char **spawn_environment(const char *const *extra) {
  size_t n = 0, m = 0;
  while (environ != NULL && environ[n] != NULL) n++;
  while (extra != NULL && extra[m] != NULL) m++;
  char **all = malloc((n + m + 1) * sizeof *all);
  if (all == NULL) return NULL;
  size_t at = 0;
  for (size_t i = 0; i < m; i++) all[at++] = (char *)extra[i];
  for (size_t i = 0; i < n; i++) {
    bool hidden = false;
    for (size_t k = 0; k < m; k++) {
      size_t len = (size_t)(strchr(extra[k], '=') - extra[k]) + 1;
      hidden = hidden || strncmp(environ[i], extra[k], len) == 0;
    }
    if (!hidden) all[at++] = environ[i];
  }
  all[at] = NULL;
  return all;
}

/* Nothing to read, both outputs to the pipe; a group of its own, all signals as at first. An
 * error's number, or 0. */
static int spawn_settle(posix_spawn_file_actions_t *actions, posix_spawnattr_t *attr, int out) {
  sigset_t none, defaults;
  sigemptyset(&none);
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGINT);
  sigaddset(&defaults, SIGPIPE);
  sigaddset(&defaults, SIGXFSZ);
  int why = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);
  if (why == 0) why = posix_spawn_file_actions_adddup2(actions, out, 1);
  if (why == 0) why = posix_spawn_file_actions_adddup2(actions, out, 2);
  if (why == 0) why = posix_spawnattr_setpgroup(attr, 0);
  if (why == 0) why = posix_spawnattr_setsigmask(attr, &none);
  if (why == 0) why = posix_spawnattr_setsigdefault(attr, &defaults);
  if (why == 0)
    why = posix_spawnattr_setflags(attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                             POSIX_SPAWN_SETSIGDEF);
  return why;
}

static bool spawn_start(Running *r, SpawnJob *job) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    job->error = errno;
    return false;
  }
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attr;
  if ((job->error = posix_spawn_file_actions_init(&actions)) != 0) {
    close(ends[0]);
    close(ends[1]);
    return false;
  }
  if ((job->error = posix_spawnattr_init(&attr)) != 0) {
    posix_spawn_file_actions_destroy(&actions);
    close(ends[0]);
    close(ends[1]);
    return false;
  }
  char **env = spawn_environment(job->extra_env);
  job->error = env == NULL ? ENOMEM : spawn_settle(&actions, &attr, ends[1]);
  litter_hold();
  if (job->error == 0)
    job->error =
        posix_spawnp(&r->pid, job->argv[0], &actions, &attr, (char *const *)job->argv, env);
  if (job->error == 0) litter_child(r->pid, true);
  litter_release();
  free(env);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attr);
  close(ends[1]);
  if (job->error != 0) {
    close(ends[0]);
    return false;
  }
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  r->job = job;
  r->fd = ends[0];
  r->deadline = job->timeout > 0 ? clock_seconds() + job->timeout : 0;
  job->started = true;
  return true;
}

/* Takes what the pipe holds. */
static void spawn_drain(Running *r) {
  char piece[4096];
  ssize_t n;
  while (r->fd >= 0 && (n = read(r->fd, piece, sizeof piece)) != 0) {
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return; /* EAGAIN: nothing now */
    size_t limit = r->job->limit > 0 ? r->job->limit : SPAWN_OUTPUT,
           room = limit - r->job->output.n;
    sb_write(&r->job->output, piece, (size_t)n < room ? (size_t)n : room);
  }
  if (r->fd >= 0) close(r->fd); /* end of file */
  r->fd = -1;
}

/* True when the process has ended and was taken. */
static bool spawn_reap(Running *r) {
  int status;
  pid_t got = waitpid(r->pid, &status, WNOHANG);
  if (got == 0 || (got < 0 && errno == EINTR)) return false;
  litter_child(r->pid, false);
  spawn_drain(r);
  if (r->fd >= 0) close(r->fd);
  r->fd = -1;
  r->job->code = got < 0 ? 127 : WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  kill(-r->pid, SIGKILL); /* whatever it left behind */
  return true;
}

static void spawn_kill(Running *r) {
  kill(-r->pid, SIGKILL);
  kill(r->pid, SIGKILL);
}

/* Sleep until a pipe speaks or a moment has passed: a short one where a pipe has ended, and its
 * process is about to. */
static void spawn_wait(const Running *r, int n) {
  struct pollfd fds[64];
  nfds_t m = 0;
  for (int i = 0; i < n && m < 64; i++)
    if (r[i].fd >= 0) fds[m++] = (struct pollfd){.fd = r[i].fd, .events = POLLIN};
  poll(fds, m, m == (nfds_t)n ? 20 : 1);
}

static void job_begin(SpawnJob *job) {
  job->output = (StrBuf){0};
  job->started = job->timed_out = job->cancelled = false;
  job->error = 0;
  job->code = 127;
}

/* Those that have ended are told and taken out of running[]. */
static int spawn_look(const SpawnQueue *q, Running *running, int active, bool stopping) {
  for (int i = 0; i < active;) {
    Running *r = &running[i];
    SpawnJob *job = r->job;
    spawn_drain(r);
    if (spawn_reap(r)) {
      *r = running[--active];
      q->ended(q->ctx, job);
      continue;
    }
    if (stopping) job->cancelled = true;
    if (r->deadline > 0 && clock_seconds() > r->deadline) job->timed_out = true;
    if (job->cancelled || job->timed_out) spawn_kill(r);
    i++;
  }
  return active;
}

void spawn_queue(const SpawnQueue *q, int parallel, const volatile sig_atomic_t *stop) {
  if (parallel < 1) parallel = 1;
  if (parallel > 64) parallel = 64;
  Running running[64];
  for (int active = 0;;) {
    bool stopping = stop != NULL && *stop != 0;
    SpawnJob *job = NULL;
    while (!stopping && active < parallel && (job = q->next(q->ctx)) != NULL) {
      job_begin(job);
      if (spawn_start(&running[active], job))
        active++;
      else
        q->ended(q->ctx, job);
    }
    if (active == 0) return;
    spawn_wait(running, active);
    active = spawn_look(q, running, active, stopping);
  }
}

typedef struct All {
  SpawnJob *jobs;
  int n, next;
} All;

static SpawnJob *next_of_all(void *ctx) {
  All *all = ctx;
  return all->next < all->n ? &all->jobs[all->next++] : NULL;
}

static void ended_of_all(void *ctx, SpawnJob *job) { (void)ctx, (void)job; }

bool spawn_all(SpawnJob *jobs, int n, int parallel, const volatile sig_atomic_t *stop) {
  All all = {jobs, n, 0};
  bool ok = true;
  spawn_queue(&(SpawnQueue){next_of_all, ended_of_all, &all}, parallel, stop);
  for (int i = 0; i < n; i++) {
    if (i >= all.next) job_begin(&jobs[i]);
    jobs[i].cancelled = jobs[i].cancelled || i >= all.next;
    ok = ok && jobs[i].started && jobs[i].code == 0 && !jobs[i].timed_out;
  }
  return ok;
}

char **spawn_words(const char *text, int *n) {
  size_t len = strlen(text);
  char **words = malloc((len / 2 + 2) * sizeof *words + len + 1);
  if (words == NULL) {
    errno = ENOMEM;
    return NULL;
  }
  char *to = (char *)(words + len / 2 + 2);
  *n = 0;
  for (const char *p = text; *p != '\0';) {
    if (*p == ' ' || *p == '\t' || *p == '\n') {
      p++;
      continue;
    }
    words[(*n)++] = to;
    char quote = 0;
    for (; *p != '\0' && (quote != 0 || (*p != ' ' && *p != '\t' && *p != '\n')); p++) {
      if (quote == 0 && (*p == '"' || *p == '\''))
        quote = *p;
      else if (quote != 0 && *p == quote)
        quote = 0;
      else if (*p == '\\' && quote != '\'' && p[1] != '\0')
        *to++ = *++p;
      else
        *to++ = *p;
    }
    *to++ = '\0';
    if (quote != 0) {
      free(words);
      errno = EINVAL;
      return NULL;
    }
  }
  words[*n] = NULL;
  return words;
}

static bool spawn_is_program(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

char *spawn_which(const char *name) {
  errno = ENOENT;
  if (*name == '\0') return NULL;
  if (strchr(name, '/') != NULL) {
    char *copy = strdup(name);
    if (copy == NULL) errno = ENOMEM;
    if (copy == NULL || spawn_is_program(copy)) return copy;
    free(copy);
    errno = ENOENT;
    return NULL;
  }
  const char *path = getenv("PATH");
  if (path == NULL) path = "/usr/local/bin:/usr/bin:/bin";
  char *whole = malloc(strlen(path) + strlen(name) + 3);
  if (whole == NULL) {
    errno = ENOMEM;
    return NULL;
  }
  for (const char *p = path;; p++) {
    size_t n = strcspn(p, ":");
    memcpy(whole, p, n);
    if (n == 0) whole[n++] = '.';
    whole[n] = '/';
    memcpy(whole + n + 1, name, strlen(name) + 1);
    if (spawn_is_program(whole)) return whole;
    p += strcspn(p, ":");
    if (*p == '\0') break;
  }
  free(whole);
  errno = ENOENT;
  return NULL;
}
