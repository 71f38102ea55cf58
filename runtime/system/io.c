/* SPDX-License-Identifier: MIT */
/* Files: atomic writes, guarded reads, locks. See io.h. */
#include "runtime/system/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char temp_mark[] = ".part-";

struct IoFile {
  const IoHook *hook;
  char *path, *temp; /* temp NULL: written in place */
  int fd;
};

/* What the hook answers: 0, an errno, or IO_HALF. */
static int io_ask(const IoHook *hook, IoCall call, const char *path) {
  return hook != NULL && hook->before != NULL ? hook->before(hook->ctx, call, path) : 0;
}

/* ---- paths --------------------------------------------------------------- */

char *io_join(const char *folder, const char *name) {
  size_t a = strlen(folder), b = strlen(name);
  char *s = malloc(a + b + 2);
  if (s == NULL) return NULL;
  memcpy(s, folder, a);
  if (a > 0 && folder[a - 1] != '/') s[a++] = '/';
  memcpy(s + a, name, b + 1);
  return s;
}

const char *io_basename(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash != NULL ? slash + 1 : path;
}

char *io_dirname(const char *path) {
  const char *slash = strrchr(path, '/');
  if (slash == NULL) return strdup(".");
  size_t n = slash == path ? 1 : (size_t)(slash - path);
  char *s = malloc(n + 1);
  if (s == NULL) return NULL;
  memcpy(s, path, n);
  s[n] = '\0';
  return s;
}

bool io_exists(const char *path) {
  struct stat st;
  return stat(path, &st) == 0;
}

/* ---- atomic writes -------------------------------------------------------- */

/* Twelve letters nobody else picks at the same time. */
static void io_random_name(char out[13]) {
  uint8_t bits[12];
  if (getrandom(bits, sizeof bits, GRND_NONBLOCK) != (ssize_t)sizeof bits) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t x = (uint64_t)now.tv_nsec ^ ((uint64_t)now.tv_sec << 30) ^ ((uint64_t)getpid() << 40);
    for (size_t i = 0; i < sizeof bits; i++) {
      x = x * 6364136223846793005u + 1442695040888963407u;
      bits[i] = (uint8_t)(x >> 56);
    }
  }
  for (size_t i = 0; i < sizeof bits; i++)
    out[i] = "abcdefghijklmnopqrstuvwxyz012345"[bits[i] & 31];
  out[12] = '\0';
}

/* ".NAME.part-xxxxxxxxxxxx" beside path */
static char *io_temp_path(const char *path) {
  char random[13];
  io_random_name(random);
  char *folder = io_dirname(path);
  if (folder == NULL) return NULL;
  size_t n = strlen(path) + sizeof temp_mark + sizeof random + 2;
  char *name = malloc(n);
  char *temp = NULL;
  if (name != NULL) {
    snprintf(name, n, ".%s%s%s", io_basename(path), temp_mark, random);
    temp = io_join(folder, name);
  }
  free(name);
  free(folder);
  return temp;
}

static const char *io_target(const IoFile *f) { return f->temp != NULL ? f->temp : f->path; }

static void io_file_free(IoFile *f) {
  free(f->path);
  free(f->temp);
  free(f);
}

/* Where the bytes go in the end: a link is followed, and a device or a pipe is
 * written in place, since a rename would put a file where it stood. False when
 * memory is out. */
static bool io_settle(IoFile *f, const char *path, bool strict) {
  struct stat st;
  bool link = !strict && lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
  f->path = link ? realpath(path, NULL) : NULL;
  if (f->path == NULL) f->path = strdup(path);
  if (f->path == NULL) return false;
  if (!strict && stat(f->path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
    return true;
  f->temp = io_temp_path(f->path);
  return f->temp != NULL;
}

/* What is replaced keeps who may read and write it, from before the first byte on; its owner
 * too where we may give files away. */
static void io_keep_mode(const IoFile *f) {
  struct stat was, is;
  if (stat(f->path, &was) != 0 || fstat(f->fd, &is) != 0) return;
  bool given = (was.st_uid == is.st_uid && was.st_gid == is.st_gid) ||
               fchown(f->fd, was.st_uid, was.st_gid) == 0 ||
               fchown(f->fd, (uid_t)-1, was.st_gid) == 0;
  /* what the old group might do is not for another one */
  if (fchmod(f->fd, was.st_mode & (given ? 0777 : 0707)) != 0) { /* then it is as a new file is */
  }
}

static IoFile *io_begin(const IoHook *hook, const char *path, unsigned mode, bool strict,
                        TdError *err) {
  IoFile *f = calloc(1, sizeof *f);
  if (f == NULL) {
    td_fail_memory(err);
    return NULL;
  }
  f->hook = hook;
  f->fd = -1;
  if (!io_settle(f, path, strict)) {
    io_file_free(f);
    td_fail_memory(err);
    return NULL;
  }
  int wrong;
  int how = f->temp != NULL ? O_CREAT | O_EXCL | O_NOFOLLOW : O_NOCTTY;
  do {
    wrong = io_ask(hook, IO_OPEN, io_target(f));
    if (wrong == 0) {
      f->fd = open(io_target(f), O_WRONLY | O_CLOEXEC | how, (mode_t)mode);
      wrong = f->fd < 0 ? errno : 0;
    }
  } while (wrong == EINTR);
  if (wrong != 0) {
    td_fail_errno(err, TD_IO_FAILED, wrong, "cannot write %s", path);
    io_file_free(f);
    return NULL;
  }
  if (!strict && f->temp != NULL) io_keep_mode(f);
  return f;
}

IoFile *io_create(const IoHook *hook, const char *path, unsigned mode, TdError *err) {
  return io_begin(hook, path, mode, false, err);
}

IoFile *io_replace(const IoHook *hook, const char *path, unsigned mode, TdError *err) {
  return io_begin(hook, path, mode, true, err);
}

/* All of the bytes, however often the system takes only some. 0 or an errno. */
static int io_write_all(const IoHook *hook, int fd, const char *path, const char *p, size_t n) {
  while (n > 0) {
    size_t want = n < ((size_t)1 << 30) ? n : (size_t)1 << 30;
    int wrong = io_ask(hook, IO_WRITE, path);
    if (wrong == IO_HALF) {
      want = (want + 1) / 2;
      wrong = 0;
    }
    ssize_t got = -1;
    if (wrong == 0) {
      got = write(fd, p, want);
      wrong = got < 0 ? errno : 0;
    }
    if (wrong == EINTR) continue;
    if (wrong == 0 && got == 0) wrong = ENOSPC;
    if (wrong != 0) return wrong;
    p += got;
    n -= (size_t)got;
  }
  return 0;
}

bool io_write(IoFile *f, const void *bytes, size_t n, TdError *err) {
  int wrong = io_write_all(f->hook, f->fd, io_target(f), bytes, n);
  return wrong == 0 || td_fail_errno(err, TD_IO_FAILED, wrong, "cannot write %s", f->path);
}

int io_open_append(const IoHook *hook, const char *path, TdError *err) {
  int wrong = io_ask(hook, IO_OPEN, path);
  int fd = wrong == 0 ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666) : -1;
  if (fd < 0) td_fail_errno(err, TD_IO_FAILED, wrong != 0 ? wrong : errno, "cannot write %s", path);
  return fd;
}

bool io_append(const IoHook *hook, int fd, const char *path, const void *bytes, size_t n,
               TdError *err) {
  int wrong = io_write_all(hook, fd, path, bytes, n);
  return wrong == 0 || td_fail_errno(err, TD_IO_FAILED, wrong, "cannot write %s", path);
}

static int io_fsync_fd(const IoHook *hook, int fd, const char *path) {
  int wrong;
  do {
    wrong = io_ask(hook, IO_FSYNC, path);
    if (wrong == 0 && fsync(fd) != 0) wrong = errno;
  } while (wrong == EINTR);
  return wrong;
}

/* The rename itself must reach the disk too. Some file systems cannot fsync a
 * folder (EINVAL): nothing more can be done there. */
static int io_fsync_folder(const IoHook *hook, const char *path) {
  char *folder = io_dirname(path);
  if (folder == NULL) return ENOMEM;
  int wrong = io_ask(hook, IO_OPEN, folder);
  int fd = -1;
  if (wrong == 0) {
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    wrong = fd < 0 ? errno : 0;
  }
  if (wrong == EINTR || wrong == EACCES) wrong = 0;
  if (fd >= 0) {
    wrong = io_fsync_fd(hook, fd, folder);
    if (wrong == EINVAL || wrong == EROFS || wrong == EBADF) wrong = 0;
    close(fd);
  }
  free(folder);
  return wrong;
}

static bool io_finish(IoFile *f, bool durable, TdError *err) {
  int wrong = durable && f->temp != NULL ? io_fsync_fd(f->hook, f->fd, f->temp) : 0;
  if (wrong == EINVAL || wrong == EROFS) wrong = 0; /* not a disk: /proc, pipes */
  int ask = io_ask(f->hook, IO_CLOSE, io_target(f));
  int closed = close(f->fd) == 0 ? 0 : errno;
  f->fd = -1;
  if (wrong == 0) wrong = ask != 0 ? ask : closed;
  if (wrong == EINTR) wrong = 0; /* the descriptor is gone all the same */
  if (wrong == 0 && f->temp == NULL) {
    io_file_free(f);
    return true;
  }
  if (wrong == 0) {
    do {
      wrong = io_ask(f->hook, IO_RENAME, f->path);
      if (wrong == 0 && rename(f->temp, f->path) != 0) wrong = errno;
    } while (wrong == EINTR);
    if (wrong == 0) {
      wrong = durable ? io_fsync_folder(f->hook, f->path) : 0;
      if (wrong != 0)
        td_fail_errno(err, TD_IO_FAILED, wrong, "cannot secure %s on the disk", f->path);
      io_file_free(f);
      return wrong == 0;
    }
  }
  td_fail_errno(err, TD_IO_FAILED, wrong, "cannot write %s", f->path);
  if (f->temp != NULL) unlink(f->temp);
  io_file_free(f);
  return false;
}

bool io_commit(IoFile *f, TdError *err) { return io_finish(f, true, err); }
bool io_commit_quick(IoFile *f, TdError *err) { return io_finish(f, false, err); }

void io_abandon(IoFile *f) {
  if (f == NULL) return;
  if (f->fd >= 0) close(f->fd);
  if (f->temp != NULL) unlink(f->temp);
  io_file_free(f);
}

bool io_write_file(const IoHook *hook, const char *path, const void *bytes, size_t n,
                   TdError *err) {
  IoFile *f = io_create(hook, path, 0666, err);
  if (f == NULL) return false;
  if (!io_write(f, bytes, n, err)) {
    io_abandon(f);
    return false;
  }
  return io_commit(f, err);
}

/* ---- reads ----------------------------------------------------------------- */

static const char *io_kind(mode_t mode) {
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  if (S_ISCHR(mode) || S_ISBLK(mode)) return "a device";
  return "not a regular file";
}

int io_open_regular(const IoHook *hook, const char *path, uint64_t *size, TdError *err) {
  int fd = -1, wrong;
  do {
    wrong = io_ask(hook, IO_OPEN, path);
    if (wrong == 0) {
      fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); /* a pipe must not block us */
      wrong = fd < 0 ? errno : 0;
    }
  } while (wrong == EINTR);
  if (wrong != 0) {
    td_fail_errno(err, TD_IO_FAILED, wrong, "cannot read %s", path);
    return -1;
  }
  struct stat st;
  if (fstat(fd, &st) != 0) {
    td_fail_errno(err, TD_IO_FAILED, errno, "cannot read %s", path);
  } else if (!S_ISREG(st.st_mode)) {
    td_fail(err, TD_IO_FAILED, "cannot read %s: it is %s, not a regular file", path,
            io_kind(st.st_mode));
  } else {
    *size = (uint64_t)st.st_size;
    return fd;
  }
  close(fd);
  return -1;
}

bool io_read_at(const IoHook *hook, int fd, const char *path, uint64_t offset, void *to, size_t n,
                TdError *err) {
  char *p = to;
  while (n > 0) {
    size_t want = n < ((size_t)1 << 30) ? n : (size_t)1 << 30;
    int wrong = io_ask(hook, IO_READ, path);
    if (wrong == IO_HALF) {
      want = (want + 1) / 2;
      wrong = 0;
    }
    ssize_t got = -1;
    if (wrong == 0) {
      got = pread(fd, p, want, (off_t)offset);
      wrong = got < 0 ? errno : 0;
    }
    if (wrong == EINTR) continue;
    if (wrong != 0) return td_fail_errno(err, TD_IO_FAILED, wrong, "cannot read %s", path);
    if (got == 0) return td_fail(err, TD_IO_FAILED, "%s became shorter while it was read", path);
    p += got;
    offset += (uint64_t)got;
    n -= (size_t)got;
  }
  return true;
}

bool io_read_file(const IoHook *hook, const char *path, size_t limit, uint8_t **bytes, size_t *n,
                  TdError *err) {
  uint64_t size = 0;
  *bytes = NULL;
  *n = 0;
  int fd = io_open_regular(hook, path, &size, err);
  if (fd < 0) return false;
  bool ok = false;
  uint8_t *p = NULL;
  if (size > limit) {
    td_fail(err, TD_IO_FAILED,
            "cannot read %s: %llu bytes, more than the %llu that are allowed here", path,
            (unsigned long long)size, (unsigned long long)limit);
  } else if ((p = malloc((size_t)size + 1)) == NULL) {
    td_fail_memory(err);
  } else {
    ok = io_read_at(hook, fd, path, 0, p, (size_t)size, err);
  }
  close(fd);
  if (!ok) {
    free(p);
    return false;
  }
  p[size] = 0;
  *bytes = p;
  *n = (size_t)size;
  return true;
}

/* ---- folders ---------------------------------------------------------------- */

static int io_mkdir(const IoHook *hook, const char *path, mode_t mode) {
  int wrong = io_ask(hook, IO_MKDIR, path);
  if (wrong == 0 && mkdir(path, mode) != 0) wrong = errno;
  return wrong == EEXIST || wrong == EISDIR ? 0 : wrong;
}

bool io_make_folders(const IoHook *hook, const char *path, bool private_mode, TdError *err) {
  char *s = strdup(path);
  if (s == NULL) return td_fail_memory(err);
  size_t n = strlen(s);
  while (n > 1 && s[n - 1] == '/') s[--n] = '\0';
  int wrong = n > 0 ? 0 : ENOENT;
  for (char *p = s + 1; wrong == 0 && *p != '\0'; p++) {
    if (*p != '/') continue;
    *p = '\0';
    if (!io_exists(s)) wrong = io_mkdir(hook, s, private_mode ? 0700 : 0777);
    *p = '/';
    if (wrong != 0) break;
  }
  if (wrong == 0) wrong = io_mkdir(hook, s, private_mode ? 0700 : 0777);
  struct stat st;
  if (wrong == 0 && (stat(s, &st) != 0 || !S_ISDIR(st.st_mode))) wrong = ENOTDIR;
  free(s);
  return wrong == 0 || td_fail_errno(err, TD_IO_FAILED, wrong, "cannot make the folder %s", path);
}

bool io_remove(const IoHook *hook, const char *path, TdError *err) {
  int wrong = io_ask(hook, IO_UNLINK, path);
  if (wrong == 0 && unlink(path) != 0) wrong = errno;
  if (wrong == 0 || wrong == ENOENT) return true;
  return td_fail_errno(err, TD_IO_FAILED, wrong, "cannot remove %s", path);
}

bool io_link(const IoHook *hook, const char *from, const char *to) {
  char *temp = io_temp_path(to);
  if (temp == NULL) return false;
  bool linked = io_ask(hook, IO_LINK, temp) == 0 && link(from, temp) == 0;
  bool ok = linked && io_ask(hook, IO_RENAME, to) == 0 && rename(temp, to) == 0;
  if (linked) unlink(temp); /* rename leaves both names when they already are one file */
  free(temp);
  return ok && io_fsync_folder(hook, to) == 0;
}

void io_sweep(const char *folder) {
  DIR *d = opendir(folder);
  if (d == NULL) return;
  for (struct dirent *e; (e = readdir(d)) != NULL;) {
    const char *mark = e->d_name[0] == '.' ? strstr(e->d_name, temp_mark) : NULL;
    if (mark != NULL && strlen(mark) == sizeof temp_mark - 1 + 12) unlinkat(dirfd(d), e->d_name, 0);
  }
  closedir(d);
}

/* ---- locks ------------------------------------------------------------------- */

int io_lock(const char *folder, TdError *err) {
  char *path = io_join(folder, "lock");
  if (path == NULL) {
    td_fail_memory(err);
    return -1;
  }
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (fd < 0) {
    td_fail_errno(err, TD_IO_FAILED, errno, "cannot lock %s", folder);
  } else if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    char who[32] = "";
    ssize_t n = pread(fd, who, sizeof who - 1, 0);
    who[n > 0 ? n : 0] = '\0';
    who[strcspn(who, "\n")] = '\0';
    td_fail(err, TD_IO_FAILED, "%s is in use by another run%s%s", folder,
            who[0] ? ", process " : "", who);
    close(fd);
    fd = -1;
  } else {
    char who[32];
    int n = snprintf(who, sizeof who, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, who, (size_t)n, 0) != n) { /* only a courtesy */
    }
  }
  free(path);
  return fd;
}

void io_unlock(int fd) {
  if (fd >= 0) close(fd);
}
