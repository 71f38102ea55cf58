/* SPDX-License-Identifier: MIT */
/* Open addressing, doubled at three quarters full; see namemap.h. */
#include "dsl/namemap.h"

#include <string.h>

typedef struct NameSlot {
  const char *key; /* NULL: free */
  uint64_t hash;
  int value;
} Slot;

static uint64_t hash_of(const char *s) { /* FNV-1a */
  uint64_t h = 14695981039346656037u;
  for (; *s; s++) h = (h ^ (unsigned char)*s) * 1099511628211u;
  return h;
}

static Slot *slot_of(Slot *slots, size_t cap, uint64_t hash, const char *key) {
  size_t i = hash & (cap - 1);
  while (slots[i].key && (slots[i].hash != hash || strcmp(slots[i].key, key) != 0))
    i = (i + 1) & (cap - 1);
  return &slots[i];
}

static void grow(Arena *a, NameMap *t) {
  size_t cap = t->cap ? 2 * t->cap : 64;
  Slot *slots = NEWN(a, Slot, cap);
  for (size_t i = 0; i < t->cap; i++)
    if (t->slots[i].key) *slot_of(slots, cap, t->slots[i].hash, t->slots[i].key) = t->slots[i];
  t->slots = slots;
  t->cap = cap;
}

int *namemap_find(const NameMap *t, const char *key) {
  if (t->cap == 0) return NULL;
  Slot *s = slot_of(t->slots, t->cap, hash_of(key), key);
  return s->key ? &s->value : NULL;
}

int *namemap_at(Arena *a, NameMap *t, const char *key) {
  int *known = namemap_find(t, key);
  if (known) return known;
  if (4 * (t->used + 1) > 3 * t->cap) grow(a, t);
  uint64_t hash = hash_of(key);
  Slot *s = slot_of(t->slots, t->cap, hash, key);
  *s = (Slot){key, hash, 0};
  t->used++;
  return &s->value;
}
