/* SPDX-License-Identifier: MIT */
/* Files, with every system call that can fail in one place. Writes go to a
 * temporary file in the same folder and take the final name only when they are
 * whole and on the disk, so that a crash at any moment leaves the old file or
 * the new one. A hook sees each call before it is made: that is how the tests
 * fail the k-th one. */
#ifndef TDC_IO_H
#define TDC_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/system/error.h"

typedef enum {
  IO_OPEN,
  IO_READ,
  IO_WRITE,
  IO_FSYNC,
  IO_CLOSE,
  IO_RENAME,
  IO_UNLINK,
  IO_MKDIR,
  IO_LINK
} IoCall;

/* `before` returns 0 to go on, an errno to fail with, or IO_HALF to let a write
 * take only half of its bytes. */
enum { IO_HALF = -1 };
typedef struct IoHook {
  int (*before)(void *ctx, IoCall call, const char *path);
  void *ctx;
} IoHook;

/* A file that is being written. hook may be NULL. Links are followed; a device
 * or a pipe is written in place. */
typedef struct IoFile IoFile;
IoFile *io_create(const IoHook *hook, const char *path, unsigned mode, TdError *err);
/* The same, but whatever has that name, a link too, gives way to the new file. */
IoFile *io_replace(const IoHook *hook, const char *path, unsigned mode, TdError *err);
bool io_write(IoFile *f, const void *bytes, size_t n, TdError *err);
/* fsync, rename, fsync of the folder. Frees f, whatever happens. */
bool io_commit(IoFile *f, TdError *err);
/* The same without fsync: for what can be made again and carries a checksum. */
bool io_commit_quick(IoFile *f, TdError *err);
/* Throw the temporary file away. Frees f; NULL is allowed. */
void io_abandon(IoFile *f);
/* Create, write, commit. */
bool io_write_file(const IoHook *hook, const char *path, const void *bytes, size_t n, TdError *err);

/* A file that grows line by line: not atomic, each write whole. -1 after an error. */
int io_open_append(const IoHook *hook, const char *path, TdError *err);
bool io_append(const IoHook *hook, int fd, const char *path, const void *bytes, size_t n,
               TdError *err);

/* A whole regular file in memory (malloc, with a NUL after the end that is not
 * counted). Links to regular files are followed; folders, pipes and devices
 * are refused by name; a file that shrinks meanwhile is an error. */
bool io_read_file(const IoHook *hook, const char *path, size_t limit, uint8_t **bytes, size_t *n,
                  TdError *err);
/* Open a regular file for reading; its size comes back. -1 after an error. */
int io_open_regular(const IoHook *hook, const char *path, uint64_t *size, TdError *err);
/* Read exactly n bytes at an offset. */
bool io_read_at(const IoHook *hook, int fd, const char *path, uint64_t offset, void *to, size_t n,
                TdError *err);

/* mkdir -p. `private_mode`: 0700 for the last part, else 0777 & umask. */
bool io_make_folders(const IoHook *hook, const char *path, bool private_mode, TdError *err);
bool io_remove(const IoHook *hook, const char *path, TdError *err); /* absent is fine */
/* Make `to` another name of `from`, replacing what was there. False where the
 * file system has no links. */
bool io_link(const IoHook *hook, const char *from, const char *to);
/* Remove what crashed writers left in a folder: files whose name io_create made.
 * Only for a folder that the caller has locked. */
void io_sweep(const char *folder);
bool io_exists(const char *path);

/* Take the folder's lock file, without waiting. The descriptor (kept open for
 * as long as the lock is held), or -1 with a message that says who holds it. */
int io_lock(const char *folder, TdError *err);
void io_unlock(int fd);

/* path pieces; the results are malloc'ed, NULL when memory is out */
char *io_join(const char *folder, const char *name);
char *io_dirname(const char *path);        /* "." when there is none */
const char *io_basename(const char *path); /* inside path */

#endif
