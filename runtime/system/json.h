/* SPDX-License-Identifier: MIT */
/* JSON that is built piece by piece. libjansson answers a failed allocation with a result
 * that is easily dropped, and what is then written lacks a piece. Here a piece that is
 * missing makes NULL of the whole, so that one look at the end sees it:
 *   json_t *o = json_with(json_object(), "steps", json_integer(n));
 *   ...
 *   if (o == NULL) return td_fail_memory(err);
 * Every function takes what it is given, values and wholes alike. */
#ifndef TDC_JSON_H
#define TDC_JSON_H

#include <jansson.h>
#include <stdbool.h>

/* The object with one key more (or another value of it). */
json_t *json_with(json_t *object, const char *key, json_t *value);
/* The list with one element more. */
json_t *json_and(json_t *list, json_t *value);
/* A text; bytes that are no UTF-8 (of a file's name, say) become U+FFFD. */
json_t *json_text(const char *s);
json_t *json_text_of(const char *s, size_t n);
/* A number; null when it is none. */
json_t *json_finite(double x);
/* JSON of n bytes; NULL when it is none, with a word why, or when memory is out, with
 * *memory. (libjansson itself may call that a mistake of the text.) */
json_t *json_read(const char *text, size_t n, size_t flags, json_error_t *why, bool *memory);
/* Its text, malloc'ed; NULL when memory is out, or o NULL. json_spell only looks at it.
 * (json_dumps passes over a key that memory does not suffice for.) */
char *json_spell(const json_t *o, size_t flags);
char *json_write(json_t *o, size_t flags);

#endif
