/* SPDX-License-Identifier: MIT */
/* See litter.h. Tables of fixed size, each slot an atomic: a handler may find it at any time. */
#define _GNU_SOURCE /* O_DIRECTORY, syscall */
#include "runtime/system/litter.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CHILDREN = 128, FOLDERS = 8, PATH_BYTES = 512 };

static _Atomic int children[CHILDREN]; /* 0: free */

typedef struct Folder {
  _Atomic int state; /* of path: 0 free, 1 being written, 2 there */
  char path[PATH_BYTES];
} Folder;
static Folder folders[FOLDERS];

/* ---- notes --------------------------------------------------------------------------- */

static _Thread_local sigset_t before;

void litter_hold(void) {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
}

void litter_release(void) { pthread_sigmask(SIG_SETMASK, &before, NULL); }

void litter_child(pid_t child, bool lives) {
  for (int i = 0; i < CHILDREN; i++) {
    int expected = lives ? 0 : (int)child;
    if (atomic_compare_exchange_strong(&children[i], &expected, lives ? (int)child : 0)) return;
  }
}

void litter_folder(const char *path, bool there) {
  size_t n = strlen(path);
  if (n >= PATH_BYTES) return;
  for (int i = 0; i < FOLDERS; i++) {
    Folder *f = &folders[i];
    if (!there && atomic_load(&f->state) == 2 && strcmp(f->path, path) == 0) {
      atomic_store(&f->state, 0);
      return;
    }
    int expected = 0;
    if (!there || !atomic_compare_exchange_strong(&f->state, &expected, 1)) continue;
    memcpy(f->path, path, n + 1);
    atomic_store(&f->state, 2);
    return;
  }
}

/* ---- within a handler ------------------------------------------------------------------ */

/* As the kernel lays out a folder's entries: readdir may allocate. */
typedef struct Entry {
  uint64_t inode;
  int64_t offset;
  unsigned short length;
  unsigned char type;
  char name[];
} Entry;

static void empty_folder(int fd) {
  _Alignas(Entry) char room[4096];
  long n;
  while ((n = syscall(SYS_getdents64, fd, room, sizeof room)) > 0)
    for (long at = 0; at < n;) {
      const Entry *e = (const Entry *)(room + at);
      if (strcmp(e->name, ".") != 0 && strcmp(e->name, "..") != 0) unlinkat(fd, e->name, 0);
      at += e->length;
    }
}

static bool remove_folder(const char *path) {
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return true;
  empty_folder(fd);
  close(fd);
  return rmdir(path) == 0 || errno == ENOENT;
}

/* A few times over: one may lie in another, and what was killed may still make a file or two. */
static void remove_folders(void) {
  const struct timespec moment = {0, 5000000};
  bool left = true;
  for (int tries = 0; left && tries < 100; tries++) {
    if (tries > 2) nanosleep(&moment, NULL);
    left = false;
    for (int i = 0; i < FOLDERS; i++)
      if (atomic_load(&folders[i].state) == 2) left = !remove_folder(folders[i].path) || left;
  }
}

void litter_take_away(void) {
  int why = errno;
  for (int i = 0; i < CHILDREN; i++) {
    pid_t child = atomic_load(&children[i]);
    if (child <= 0) continue;
    kill(-child, SIGKILL);
    kill(child, SIGKILL);
  }
  for (int i = 0; i < CHILDREN; i++)
    if (atomic_load(&children[i]) > 0) waitpid(atomic_load(&children[i]), NULL, 0);
  remove_folders();
  errno = why;
}
