/* SPDX-License-Identifier: MIT */
/* A table from strings to numbers, in an arena: what was given a name already, and
 * where it is. Nothing is taken out again. */
#ifndef TDC_TABLE_H
#define TDC_TABLE_H

#include "dsl/base.h"

typedef struct Table {
  struct TableSlot *slots;
  size_t cap, used; /* cap is 0 or a power of two */
} Table;              /* {0}: empty */

/* The number of `key`, or NULL; good until the table grows. */
int *table_find(const Table *t, const char *key);
/* The same, made 0 where the key is new. The key is kept, not copied. */
int *table_at(Arena *a, Table *t, const char *key);

#endif
