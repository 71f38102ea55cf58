/* SPDX-License-Identifier: MIT */
/* Arena, string buffer, interner, checked sizes and locale-free number text:
 * the containers that base.h promises. Arena memory is zero from the moment a
 * chunk is made and is never handed out twice, so growing in place is safe. */
#include "dsl/base.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- arena --------------------------------------------------------------- */

typedef struct Chunk {
  struct Chunk *next;
  size_t size, used; /* bytes after the header */
} Chunk;

enum { ALIGNMENT = 16, FIRST_CHUNK = 16 * 1024, LARGEST_CHUNK = 4 * 1024 * 1024 };
static const size_t HEADER = (sizeof(Chunk) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;

struct Arena {
  Chunk *chunks; /* the newest is allocated from */
  size_t next_size;
  bool limited;
  size_t room; /* of a limited one */
  jmp_buf *unwind;
};

_Noreturn void out_of_memory(const Arena *a) {
  if (a && a->unwind) longjmp(*a->unwind, 1);
  fputs("tdc: out of memory\n", stderr);
  _Exit(4); /* the exit code of files, folders and memory */
}

static Chunk *chunk_new(Arena *a, size_t size) {
  if (size > SIZE_MAX - HEADER) out_of_memory(a);
  if (a->limited && a->unwind && size > a->room) longjmp(*a->unwind, ARENA_FULL);
  Chunk *c = calloc(1, HEADER + size);
  if (!c) out_of_memory(a);
  a->room -= a->limited ? size : 0;
  c->size = size;
  return c;
}

Arena *arena_try_new(void) {
  Arena *a = calloc(1, sizeof *a);
  if (a) a->next_size = FIRST_CHUNK;
  return a;
}

Arena *arena_new(void) {
  Arena *a = arena_try_new();
  if (!a) out_of_memory(NULL);
  return a;
}

void arena_free(Arena *a) {
  if (!a) return;
  for (Chunk *c = a->chunks; c;) {
    Chunk *next = c->next;
    free(c);
    c = next;
  }
  free(a);
}

void arena_guard(Arena *a, jmp_buf *unwind) { a->unwind = unwind; }

void arena_limit(Arena *a, size_t bytes) {
  a->limited = bytes > 0;
  a->room = bytes;
}

static char *chunk_bytes(Chunk *c) { return (char *)c + HEADER; }

void *arena_alloc(Arena *a, size_t bytes) {
  if (bytes > SIZE_MAX - ALIGNMENT) out_of_memory(a);
  size_t need = (bytes ? bytes : 1) + (ALIGNMENT - 1);
  need -= need % ALIGNMENT;
  Chunk *c = a->chunks;
  if (!c || c->size - c->used < need) {
    bool own = need > a->next_size / 4; /* a large block gets a chunk of its own */
    Chunk *fresh = chunk_new(a, own ? need : a->next_size);
    if (own && c) { /* keep filling the current chunk */
      fresh->next = c->next;
      c->next = fresh;
      fresh->used = need;
      return chunk_bytes(fresh);
    }
    fresh->next = c;
    a->chunks = c = fresh;
    if (a->next_size < LARGEST_CHUNK) a->next_size *= 2;
  }
  void *p = chunk_bytes(c) + c->used;
  c->used += need;
  return p;
}

void *arena_alloc_array(Arena *a, size_t size, size_t n) {
  size_t bytes;
  if (__builtin_mul_overflow(size, n, &bytes)) out_of_memory(a);
  return arena_alloc(a, bytes);
}

void *arena_grow(Arena *a, void *old, size_t old_bytes, size_t new_bytes) {
  if (new_bytes <= old_bytes && old) return old;
  Chunk *c = a->chunks;
  if (old && c) {
    size_t had = old_bytes + (ALIGNMENT - 1), want = new_bytes;
    had -= had % ALIGNMENT;
    char *end = chunk_bytes(c) + c->used;
    bool last = had && (char *)old + had == end && (char *)old >= chunk_bytes(c);
    if (last && want <= SIZE_MAX - ALIGNMENT) {
      want += ALIGNMENT - 1;
      want -= want % ALIGNMENT;
      if (want - had <= c->size - c->used) {
        c->used += want - had;
        return old;
      }
    }
  }
  void *p = arena_alloc(a, new_bytes);
  if (old && old_bytes) memcpy(p, old, old_bytes);
  return p;
}

char *arena_strndup(Arena *a, const char *s, size_t n) {
  if (n == SIZE_MAX) out_of_memory(a);
  char *copy = arena_alloc(a, n + 1);
  if (n) memcpy(copy, s, n);
  return copy;
}

char *arena_strdup(Arena *a, const char *s) { return arena_strndup(a, s, strlen(s)); }

char *arena_vprintf(Arena *a, const char *fmt, va_list ap) {
  va_list again;
  va_copy(again, ap);
  int n = vsnprintf(NULL, 0, fmt, ap);
  if (n < 0) bug("a format that cannot be printed: %s", fmt);
  char *text = arena_alloc(a, (size_t)n + 1);
  vsnprintf(text, (size_t)n + 1, fmt, again);
  va_end(again);
  return text;
}

char *arena_printf(Arena *a, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  char *text = arena_vprintf(a, fmt, ap);
  va_end(ap);
  return text;
}

/* ---- string buffer --------------------------------------------------------- */

static void sb_reserve(StrBuf *b, size_t more) {
  if (more >= SIZE_MAX - b->n) out_of_memory(NULL);
  size_t need = b->n + more + 1;
  if (need <= b->cap) return;
  size_t cap = b->cap ? b->cap : 64;
  while (cap < need) cap = cap > SIZE_MAX / 2 ? need : 2 * cap;
  char *s = realloc(b->s, cap);
  if (!s) out_of_memory(NULL);
  b->s = s;
  b->cap = cap;
}

void sb_write(StrBuf *b, const char *s, size_t n) {
  sb_reserve(b, n);
  if (n) memcpy(b->s + b->n, s, n);
  b->n += n;
  b->s[b->n] = 0;
}

void sb_putc(StrBuf *b, char c) { sb_write(b, &c, 1); }
void sb_puts(StrBuf *b, const char *s) { sb_write(b, s, strlen(s)); }

void sb_vprintf(StrBuf *b, const char *fmt, va_list ap) {
  va_list again;
  va_copy(again, ap);
  int n = vsnprintf(NULL, 0, fmt, ap);
  if (n < 0) bug("a format that cannot be printed: %s", fmt);
  sb_reserve(b, (size_t)n);
  vsnprintf(b->s + b->n, (size_t)n + 1, fmt, again);
  b->n += (size_t)n;
  va_end(again);
}

void sb_printf(StrBuf *b, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  sb_vprintf(b, fmt, ap);
  va_end(ap);
}

void sb_escaped(StrBuf *b, const char *text) {
  for (const char *c = text != NULL ? text : ""; *c != '\0'; c++) switch (*c) {
    case '<': sb_puts(b, "&lt;"); break;
    case '>': sb_puts(b, "&gt;"); break;
    case '&': sb_puts(b, "&amp;"); break;
    case '"': sb_puts(b, "&quot;"); break;
    default:
      if ((unsigned char)*c >= 32 || *c == '\n' || *c == '\t')
        sb_putc(b, *c);
      else
        sb_puts(b, "\xef\xbf\xbd");
    }
}

void sb_free(StrBuf *b) {
  free(b->s);
  *b = (StrBuf){0};
}

/* ---- interner: open addressing, doubled at three quarters full --------------- */

typedef struct Slot {
  const char *s;
  size_t n;
  uint64_t hash;
} Slot;
struct Interner {
  Arena *arena;
  Slot *slots;
  size_t cap, used;
};

Interner *interner_new(Arena *a) {
  Interner *in = NEW(a, Interner);
  in->arena = a;
  in->cap = 256;
  in->slots = NEWN(a, Slot, in->cap);
  return in;
}

static uint64_t hash_bytes(const char *s, size_t n) { /* FNV-1a */
  uint64_t h = 14695981039346656037u;
  for (size_t i = 0; i < n; i++) h = (h ^ (unsigned char)s[i]) * 1099511628211u;
  return h;
}

static Slot *find_slot(Slot *slots, size_t cap, uint64_t hash, const char *s, size_t n) {
  size_t i = hash & (cap - 1);
  while (slots[i].s && !(slots[i].hash == hash && slots[i].n == n && !memcmp(slots[i].s, s, n)))
    i = (i + 1) & (cap - 1);
  return &slots[i];
}

const char *internn(Interner *in, const char *s, size_t n) {
  uint64_t hash = hash_bytes(s, n);
  Slot *slot = find_slot(in->slots, in->cap, hash, s, n);
  if (slot->s) return slot->s;
  if (4 * (in->used + 1) > 3 * in->cap) {
    size_t cap = 2 * in->cap;
    Slot *slots = NEWN(in->arena, Slot, cap);
    for (size_t i = 0; i < in->cap; i++) {
      const Slot *old = &in->slots[i];
      if (old->s) *find_slot(slots, cap, old->hash, old->s, old->n) = *old;
    }
    in->slots = slots;
    in->cap = cap;
    slot = find_slot(slots, cap, hash, s, n);
  }
  const char *copy = arena_strndup(in->arena, s, n);
  *slot = (Slot){copy, n, hash};
  in->used++;
  return copy;
}

const char *intern(Interner *in, const char *s) { return internn(in, s, strlen(s)); }

/* ---- sizes ------------------------------------------------------------------- */

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

int64_t max_of(int64_t a, int64_t b) { return a > b ? a : b; }

int64_t min_of(int64_t a, int64_t b) { return a < b ? a : b; }

int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

bool mul_fits(int64_t a, int64_t b, int64_t *out) { return !__builtin_mul_overflow(a, b, out); }
bool add_fits(int64_t a, int64_t b, int64_t *out) { return !__builtin_add_overflow(a, b, out); }

/* ---- time -------------------------------------------------------------------- */

static double seconds_of(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double clock_seconds(void) { return seconds_of(CLOCK_MONOTONIC); }
double cpu_seconds(void) { return seconds_of(CLOCK_PROCESS_CPUTIME_ID); }

/* ---- numbers as text ----------------------------------------------------------- */

/* The C library's own "C" locale object: cheap to ask for, nothing to keep. */
static locale_t c_locale(void) {
  locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
  if (c == (locale_t)0) bug("the C locale is missing");
  return c;
}

void fmt_double(char buf[32], double x) {
  if (isnan(x)) {
    snprintf(buf, 32, "nan");
    return;
  }
  if (isinf(x)) {
    snprintf(buf, 32, x > 0 ? "inf" : "-inf");
    return;
  }
  locale_t c = c_locale(), before = uselocale(c);
  for (int digits = 1; digits <= 17; digits++) {
    snprintf(buf, 32, "%.*g", digits, x);
    if (strtod(buf, NULL) == x) break;
  }
  uselocale(before);
  freelocale(c);
}

double parse_double(const char *s, const char **end) {
  locale_t c = c_locale(), before = uselocale(c);
  char *stop;
  double x = strtod(s, &stop);
  uselocale(before);
  freelocale(c);
  if (end) *end = stop;
  return x;
}

/* ---- our own mistakes ------------------------------------------------------------ */

_Noreturn void bug_at(const char *file, int line, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  fprintf(stderr, "tdc: internal error at %s:%d: ", file, line);
  vfprintf(stderr, fmt, ap);
  fputc('\n', stderr);
  va_end(ap);
  abort();
}
