/* SPDX-License-Identifier: MIT */
/* The on-disk cache of compiled kernels. See cache.h. */
#include "runtime/system/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "runtime/system/litter.h"

static const char magic[] = "tdc-jit\n"; /* 8 bytes, then the key, then the checksum */
enum { MAGIC = 8, TRAILER = MAGIC + 64 + DIGEST_BYTES, ENTRY_LIMIT = 1 << 30 };

struct Cache {
  const IoHook *hook;
  char *folder;
  int fd; /* of the folder: entries are opened relative to it */
  bool temporary;
  char complaint[512];
};

/* ---- the folder ----------------------------------------------------------------- */

/* Could somebody else put another folder in the place of one on the way to it? In folders
 * with the sticky bit (/tmp) nobody moves what is another's. */
static const char *parents_wrong(const char *folder) {
  char *at = realpath(folder, NULL);
  const char *wrong = at == NULL ? strerror(errno) : NULL;
  while (wrong == NULL && strcmp(at, "/") != 0) {
    char *up = io_dirname(at);
    free(at);
    at = up;
    struct stat st;
    if (at == NULL || stat(at, &st) != 0)
      wrong = strerror(errno);
    else if (st.st_uid != geteuid() && st.st_uid != 0)
      wrong = "a folder on the way to it belongs to somebody else";
    else if ((st.st_mode & 022) != 0 && (st.st_mode & S_ISVTX) == 0)
      wrong = "others may write into a folder on the way to it";
  }
  free(at);
  return wrong;
}

/* Ours, a real folder, and nobody else may write there. */
static bool folder_adopt(Cache *c, const char *folder) {
  TdError err = {0};
  if (!io_make_folders(c->hook, folder, true, &err)) {
    snprintf(c->complaint, sizeof c->complaint, "%.500s", err.message);
    return false;
  }
  struct stat st;
  const char *wrong = NULL;
  int fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0)
    wrong = errno == ELOOP || errno == ENOTDIR ? "it is a link" : strerror(errno);
  else if (fstat(fd, &st) != 0)
    wrong = strerror(errno);
  else if (st.st_uid != geteuid())
    wrong = "it belongs to somebody else";
  else if (st.st_mode & 022)
    wrong = "others may write there";
  else if (faccessat(fd, ".", W_OK, AT_EACCESS) != 0)
    wrong = "it is read-only";
  else
    wrong = parents_wrong(folder);
  if (wrong != NULL) {
    snprintf(c->complaint, sizeof c->complaint, "the cache %.300s is not used: %s", folder, wrong);
    if (fd >= 0) close(fd);
    return false;
  }
  c->fd = fd;
  c->folder = strdup(folder);
  return c->folder != NULL;
}

/* A folder of this run alone, which goes with it. */
static bool make_noted(char *pattern) {
  litter_hold();
  bool made = mkdtemp(pattern) != NULL;
  int why = errno;
  if (made) litter_folder(pattern, true);
  litter_release();
  errno = why;
  return made;
}

static bool folder_temporary_in(Cache *c, const char *base, TdError *err) {
  char *folder = io_join(base, "tdc-XXXXXX");
  if (folder == NULL) return td_fail_memory(err);
  if (!make_noted(folder) || (c->fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
    td_fail_errno(err, TD_IO_FAILED, errno, "cannot make a folder like %s", folder);
    free(folder);
    return false;
  }
  c->folder = folder;
  c->temporary = true;
  return true;
}

static bool folder_temporary(Cache *c, TdError *err) {
  const char *base = getenv("TMPDIR");
  bool ok = base != NULL && base[0] == '/' && folder_temporary_in(c, base, err);
  return ok || folder_temporary_in(c, P_tmpdir, err);
}

/* Work folders whose process is gone. */
static void folder_sweep(Cache *c) {
  DIR *d = opendir(c->folder);
  if (d == NULL) return;
  for (struct dirent *e; (e = readdir(d)) != NULL;) {
    long pid = 0;
    if (sscanf(e->d_name, "build-%ld-", &pid) != 1 || pid < 1) continue;
    if (kill((pid_t)pid, 0) == 0 || errno != ESRCH) continue;
    char *path = io_join(c->folder, e->d_name);
    if (path != NULL) cache_remove_folder(path);
    free(path);
  }
  closedir(d);
}

char *user_cache_folder(const char *sub) {
  const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
  StrBuf s = {0};
  if (cache != NULL && cache[0] == '/')
    sb_printf(&s, "%s/tdc", cache);
  else if (home != NULL && home[0] == '/')
    sb_printf(&s, "%s/.cache/tdc", home);
  else
    return NULL;
  if (sub != NULL) sb_printf(&s, "/%s", sub);
  return s.s;
}

/* The folder's name as a compiler takes it for a path, not for a flag. */
static char *folder_word(const char *name) {
  return name[0] == '-' ? io_join(".", name) : strdup(name);
}

Cache *cache_open(const IoHook *hook, const char *folder, bool fresh, TdError *err) {
  Cache *c = calloc(1, sizeof *c);
  if (c == NULL) {
    td_fail_memory(err);
    return NULL;
  }
  c->hook = hook;
  c->fd = -1;
  const char *named = folder != NULL ? folder : getenv("TDC_CACHE");
  char *usual = named != NULL && *named != '\0' ? folder_word(named) : user_cache_folder("jit");
  if (usual == NULL)
    snprintf(c->complaint, sizeof c->complaint, "neither HOME nor XDG_CACHE_HOME is set");
  bool ok = !fresh && usual != NULL && folder_adopt(c, usual);
  free(usual);
  if (ok) folder_sweep(c);
  if (ok || folder_temporary(c, err)) return c;
  cache_close(c);
  return NULL;
}

void cache_close(Cache *c) {
  if (c == NULL) return;
  if (c->fd >= 0) close(c->fd);
  if (c->temporary) cache_remove_folder(c->folder);
  free(c->folder);
  free(c);
}

const char *cache_folder(const Cache *c) { return c->folder; }
const char *cache_complaint(const Cache *c) {
  return c->complaint[0] != '\0' ? c->complaint : NULL;
}

/* ---- entries ---------------------------------------------------------------------- */

static void entry_name(char out[96], const char *key, const char *ext) {
  snprintf(out, 96, "%.64s.%.16s", key, ext);
}

char *cache_path(const Cache *c, const char *key, const char *ext) {
  char name[96];
  entry_name(name, key, ext);
  return io_join(c->folder, name);
}

/* Over the bytes, the key and the extension. */
static bool entry_checksum(const void *bytes, size_t n, const char *key, const char *ext,
                           uint8_t out[DIGEST_BYTES]) {
  Digest *d = digest_new();
  if (d == NULL) return false;
  digest_add_string(d, key);
  digest_add_string(d, ext);
  digest_add(d, bytes, n);
  return digest_end(d, out);
}

/* The bytes of an entry that is a plain file of ours; malloc'ed. */
static uint8_t *entry_load(Cache *c, const char *name, size_t *n) {
  struct stat st;
  TdError ignored;
  int fd = openat(c->fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return NULL;
  uint8_t *bytes = NULL;
  if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
      (st.st_mode & 022) == 0 && st.st_size >= TRAILER && st.st_size <= ENTRY_LIMIT &&
      (bytes = malloc((size_t)st.st_size)) != NULL) {
    *n = (size_t)st.st_size;
    if (!io_read_at(c->hook, fd, name, 0, bytes, *n, &ignored)) {
      free(bytes);
      bytes = NULL;
    }
  }
  close(fd);
  return bytes;
}

bool cache_get(Cache *c, const char *key, const char *ext, uint8_t **bytes, size_t *n) {
  char name[96];
  size_t size = 0;
  entry_name(name, key, ext);
  uint8_t *all = entry_load(c, name, &size), sum[DIGEST_BYTES];
  if (all == NULL) return false;
  const uint8_t *trailer = all + size - TRAILER;
  if (memcmp(trailer, magic, MAGIC) == 0 && memcmp(trailer + MAGIC, key, 64) == 0 &&
      entry_checksum(all, size - TRAILER, key, ext, sum) &&
      memcmp(trailer + MAGIC + 64, sum, DIGEST_BYTES) == 0) {
    *bytes = all;
    *n = size - TRAILER;
    return true;
  }
  free(all);
  unlinkat(c->fd, name, 0); /* damaged: it will be made anew */
  return false;
}

bool cache_put(Cache *c, const char *key, const char *ext, const void *bytes, size_t n) {
  TdError ignored;
  uint8_t trailer[TRAILER];
  memcpy(trailer, magic, MAGIC);
  memcpy(trailer + MAGIC, key, 64);
  if (!entry_checksum(bytes, n, key, ext, trailer + MAGIC + 64)) return false;
  char *path = cache_path(c, key, ext);
  IoFile *f = path != NULL ? io_replace(c->hook, path, 0600, &ignored) : NULL;
  free(path);
  if (f == NULL) return false;
  if (io_write(f, bytes, n, &ignored) && io_write(f, trailer, sizeof trailer, &ignored))
    return io_commit_quick(f, &ignored);
  io_abandon(f);
  return false;
}

void cache_drop(Cache *c, const char *key, const char *ext) {
  char name[96];
  entry_name(name, key, ext);
  unlinkat(c->fd, name, 0);
}

/* ---- one builder at a time ---------------------------------------------------------- */

int cache_lock(Cache *c, const char *key, double limit, const volatile sig_atomic_t *stop) {
  char name[96];
  entry_name(name, key, "lock");
  int fd = openat(c->fd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return -1;
  for (double waited = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; waited += 0.05) {
    if ((errno != EWOULDBLOCK && errno != EINTR) || waited >= limit ||
        (stop != NULL && *stop != 0)) {
      close(fd);
      return -1;
    }
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
  }
  return fd;
}

void cache_unlock(Cache *c, const char *key, int lock) {
  if (lock < 0) return;
  cache_drop(c, key, "lock");
  close(lock);
}

/* ---- work folders -------------------------------------------------------------------- */

char *cache_work_folder(Cache *c, TdError *err) {
  char name[64];
  snprintf(name, sizeof name, "build-%ld-XXXXXX", (long)getpid());
  char *folder = io_join(c->folder, name);
  if (folder == NULL) {
    td_fail_memory(err);
    return NULL;
  }
  if (make_noted(folder)) return folder;
  td_fail_errno(err, TD_IO_FAILED, errno, "cannot make a folder in %s", c->folder);
  free(folder);
  return NULL;
}

void cache_remove_folder(const char *folder) {
  int fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
  if (d == NULL) {
    if (fd >= 0) close(fd);
    return;
  }
  for (struct dirent *e; (e = readdir(d)) != NULL;) {
    if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
    if (unlinkat(fd, e->d_name, 0) == 0 || (errno != EISDIR && errno != EPERM)) continue;
    char *below = io_join(folder, e->d_name);
    if (below != NULL) cache_remove_folder(below);
    free(below);
  }
  closedir(d);
  if (rmdir(folder) == 0) litter_folder(folder, false);
}

/* ---- housekeeping ---------------------------------------------------------------------- */

/* Is it the name of an entry (64 digits, a dot, an extension)? */
static bool is_entry(const char *name) {
  return strspn(name, "0123456789abcdef") == 64 && name[64] == '.';
}

void cache_usage(Cache *c, int64_t *entries, int64_t *bytes) {
  *entries = *bytes = 0;
  DIR *d = opendir(c->folder);
  if (d == NULL) return;
  for (struct dirent *e; (e = readdir(d)) != NULL;) {
    struct stat st;
    if (!is_entry(e->d_name) || fstatat(c->fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) continue;
    (*entries)++;
    *bytes += st.st_size;
  }
  closedir(d);
}

int64_t cache_clear(Cache *c) {
  int64_t removed = 0;
  DIR *d = opendir(c->folder);
  if (d == NULL) return 0;
  for (struct dirent *e; (e = readdir(d)) != NULL;)
    if (is_entry(e->d_name) && unlinkat(c->fd, e->d_name, 0) == 0) removed++;
  closedir(d);
  return removed;
}
