/* SPDX-License-Identifier: MIT */
/* The few containers everything stands on: arena, string buffer, interned
 * names, growable arrays, checked sizes. One arena a compilation, freed at
 * once; nothing here is global. Out of memory unwinds to the boundary that
 * `arena_guard` set, so that no caller tests a pointer. */
#ifndef TDC_BASE_H
#define TDC_BASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#if defined __GNUC__
#define TD_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define TD_PRINTF(fmt, args)
#endif

/* -- base.c: arena ------------------------------------------------------ */
typedef struct Arena Arena;
Arena *arena_new(void);     /* never NULL */
Arena *arena_try_new(void); /* NULL when memory is out */
/* What the arena does when memory is out: unwinds where somebody waits for that, else
 * ends the process with a message. NULL: no arena. */
_Noreturn void out_of_memory(const Arena *a);
void arena_free(Arena *a);
void *arena_alloc(Arena *a, size_t bytes); /* zeroed, 16-byte aligned */
void *arena_grow(Arena *a, void *old, size_t old_bytes, size_t new_bytes);
char *arena_strndup(Arena *a, const char *s, size_t n);
char *arena_strdup(Arena *a, const char *s);
char *arena_printf(Arena *a, const char *fmt, ...) TD_PRINTF(2, 3);
char *arena_vprintf(Arena *a, const char *fmt, va_list ap);
/* Where control goes when memory is out: longjmp(*unwind, 1). Without one, and
 * for string buffers, the process ends with a message and exit code 4. */
void arena_guard(Arena *a, jmp_buf *unwind);
/* From now on the arena may take so many bytes of memory more; 0: any. Beyond, control goes
 * where it goes when memory is out, with ARENA_FULL instead of 1. */
void arena_limit(Arena *a, size_t bytes);
enum { ARENA_FULL = 3 }; /* 2 is a number of errors: diag.h */

#define NEW(arena, T) ((T *)arena_alloc((arena), sizeof(T)))
#define NEWN(arena, T, n) ((T *)arena_alloc_array((arena), sizeof(T), (size_t)(n)))
void *arena_alloc_array(Arena *a, size_t size, size_t n); /* checked product */

/* -- base.c: growable arrays in an arena --------------------------------- */
#define VEC(T)  \
  struct {      \
    T *at;      \
    int n, cap; \
  }
#define vec_push(arena, v, x)                                                    \
  do {                                                                           \
    if ((v)->n == (v)->cap) {                                                    \
      int cap_ = (v)->cap ? 2 * (v)->cap : 8;                                    \
      (v)->at = arena_grow((arena), (v)->at, (size_t)(v)->cap * sizeof *(v)->at, \
                           (size_t)cap_ * sizeof *(v)->at);                      \
      (v)->cap = cap_;                                                           \
    }                                                                            \
    (v)->at[(v)->n++] = (x);                                                     \
  } while (0)

/* -- base.c: string buffer on the heap ----------------------------------- */
typedef struct StrBuf {
  char *s;
  size_t n, cap;
} StrBuf; /* s is NUL-terminated once non-NULL */
void sb_putc(StrBuf *b, char c);
void sb_puts(StrBuf *b, const char *s);
void sb_write(StrBuf *b, const char *s, size_t n);
void sb_printf(StrBuf *b, const char *fmt, ...) TD_PRINTF(2, 3);
void sb_vprintf(StrBuf *b, const char *fmt, va_list ap);
/* Of XML and HTML, where none of its characters acts; NULL is nothing. What cannot be shown is
 * U+FFFD. */
void sb_escaped(StrBuf *b, const char *text);
void sb_free(StrBuf *b);

/* -- base.c: interned names: equal strings are equal pointers ------------- */
typedef struct Interner Interner;
Interner *interner_new(Arena *a);
const char *intern(Interner *in, const char *s);
const char *internn(Interner *in, const char *s, size_t n);

/* -- base.c: sizes ------------------------------------------------------- */
bool mul_fits(int64_t a, int64_t b, int64_t *out); /* false on overflow; a, b >= 0 */
bool add_fits(int64_t a, int64_t b, int64_t *out);
int64_t floor_div(int64_t a, int64_t b); /* b != 0 */
int64_t ceil_div(int64_t a, int64_t b);  /* a >= 0, b > 0 */
int64_t max_of(int64_t a, int64_t b);
int64_t min_of(int64_t a, int64_t b);
int64_t round_up(int64_t a, int64_t b); /* to a multiple of b; a >= 0, b > 0 */

/* -- base.c: time, and numbers as text ------------------------------------- */
double clock_seconds(void); /* of a clock that only goes on */
double cpu_seconds(void);   /* that all threads of this process have computed */
/* Number formatting that reads back bit-exactly and never depends on the locale:
 * the shortest decimal of a double ("0.1", "1e-05", "inf"). */
void fmt_double(char buf[32], double x);
double parse_double(const char *s, const char **end); /* locale-independent */

/* Ours, not the user's: prints the place and aborts. */
#define bug(...) bug_at(__FILE__, __LINE__, __VA_ARGS__)
_Noreturn void bug_at(const char *file, int line, const char *fmt, ...) TD_PRINTF(3, 4);

#endif
