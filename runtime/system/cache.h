/* SPDX-License-Identifier: MIT */
/* A private folder of files that can be made again: compiled kernels. Each
 * entry carries its key and a checksum of itself behind its bytes; what is cut,
 * changed, linked, or not ours alone is never believed, and counts as absent.
 * When no private folder can be had, a temporary one serves this process. */
#ifndef TDC_CACHE_H
#define TDC_CACHE_H

#include <signal.h>

#include "runtime/system/digest.h"
#include "runtime/system/io.h"

typedef struct Cache Cache;

/* folder: NULL for $TDC_CACHE, or "jit" in the user's cache. With `fresh`, a
 * temporary folder whatever there is. */
Cache *cache_open(const IoHook *hook, const char *folder, bool fresh, TdError *err);
void cache_close(Cache *c);
const char *cache_folder(const Cache *c);
/* Why the usual folder is not used, or NULL. */
const char *cache_complaint(const Cache *c);

/* An entry is named by 64 hexadecimal digits and an extension such as "so". */
bool cache_get(Cache *c, const char *key, const char *ext, uint8_t **bytes, size_t *n);
/* False when it cannot be stored; nothing else is wrong then. */
bool cache_put(Cache *c, const char *key, const char *ext, const void *bytes, size_t n);
void cache_drop(Cache *c, const char *key, const char *ext);
char *cache_path(const Cache *c, const char *key, const char *ext); /* malloc'ed */

/* One builder for a key at a time: waits for the others, at most `seconds`.
 * The lock, or -1 (then build without); *stop turning
 * non-zero ends the wait. */
int cache_lock(Cache *c, const char *key, double seconds, const volatile sig_atomic_t *stop);
void cache_unlock(Cache *c, const char *key, int lock);

/* A new folder for a build, and its removal with all files in it. */
char *cache_work_folder(Cache *c, TdError *err);
void cache_remove_folder(const char *folder);

/* For `tdc cache`: entries and bytes; removal of entries. */
void cache_usage(Cache *c, int64_t *entries, int64_t *bytes);
int64_t cache_clear(Cache *c);

/* $XDG_CACHE_HOME/tdc or ~/.cache/tdc, with `sub` below it; malloc'ed, or NULL
 * when there is neither variable. Nothing is created. */
char *user_cache_folder(const char *sub);

#endif
