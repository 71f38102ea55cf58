/* SPDX-License-Identifier: MIT */
/* JSON of which no piece is lost. */
#include "runtime/system/json.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/system/utf8.h"

json_t *json_with(json_t *object, const char *key, json_t *value) {
  if (object != NULL && value != NULL && json_object_set_new(object, key, value) == 0)
    return object;
  if (object == NULL) json_decref(value); /* else it was taken */
  json_decref(object);
  return NULL;
}

json_t *json_and(json_t *list, json_t *value) {
  if (list != NULL && value != NULL && json_array_append_new(list, value) == 0) return list;
  if (list == NULL) json_decref(value);
  json_decref(list);
  return NULL;
}

json_t *json_text_of(const char *s, size_t n) {
  StrBuf mended = {0};
  utf8_mend(&mended, s, n);
  json_t *text = json_stringn(mended.s != NULL ? mended.s : "", mended.n);
  sb_free(&mended);
  return text;
}

json_t *json_text(const char *s) { return json_text_of(s, strlen(s)); }

json_t *json_finite(double x) { return isfinite(x) ? json_real(x) : json_null(); }

json_t *json_read(const char *text, size_t n, size_t flags, json_error_t *why, bool *memory) {
  errno = 0;
  json_t *o = json_loadb(text, n, flags, why);
  *memory = o == NULL && (errno == ENOMEM || why->text[0] == '\0' ||
                          json_error_code(why) == json_error_out_of_memory);
  return o;
}

typedef struct Text {
  char *s;
  size_t n, cap;
  bool failed;
} Text;

static int text_add(const char *s, size_t n, void *ctx) {
  Text *t = ctx;
  if (!t->failed && t->cap - t->n <= n) {
    size_t cap = 2 * (t->n + n) + 64;
    char *more = realloc(t->s, cap);
    t->failed = more == NULL;
    if (more != NULL) t->s = more;
    if (more != NULL) t->cap = cap;
  }
  if (t->failed) return -1;
  memcpy(t->s + t->n, s, n);
  t->n += n;
  t->s[t->n] = '\0';
  return 0;
}

char *json_spell(const json_t *o, size_t flags) {
  Text t = {0};
  if (o != NULL && json_dump_callback(o, text_add, &t, flags) == 0 && !t.failed) return t.s;
  free(t.s);
  return NULL;
}

char *json_write(json_t *o, size_t flags) {
  char *text = json_spell(o, flags);
  json_decref(o);
  return text;
}
