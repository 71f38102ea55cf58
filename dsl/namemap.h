/* SPDX-License-Identifier: MIT */
/* A map from strings to numbers, in an arena: what was given a name already, and
 * where it is. Nothing is taken out again. */
#ifndef TDC_NAMEMAP_H
#define TDC_NAMEMAP_H

#include "dsl/base.h"

typedef struct NameMap {
  struct NameSlot *slots;
  size_t cap, used; /* cap is 0 or a power of two */
} NameMap;          /* {0}: empty */

/* The number of `key`, or NULL; good until the map grows. */
int *namemap_find(const NameMap *t, const char *key);
/* The same, made 0 where the key is new. The key is kept, not copied. */
int *namemap_at(Arena *a, NameMap *t, const char *key);

#endif
