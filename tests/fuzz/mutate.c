/* SPDX-License-Identifier: MIT */
/* Edits of texts: see fuzz.h. */
#include <stdlib.h>
#include <string.h>

#include "compiler/backend.h"
#include "tests/fuzz/fuzz.h"

static bool is_word(char c) {
  return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* The token-like stretch around `at`: a word, or one sign. */
static void stretch(const StrBuf *b, size_t at, size_t *from, size_t *to) {
  *from = at;
  *to = at + 1;
  if (!is_word(b->s[at])) return;
  while (*from > 0 && is_word(b->s[*from - 1])) --*from;
  while (*to < b->n && is_word(b->s[*to])) ++*to;
}

static void line_at(const StrBuf *b, size_t at, size_t *from, size_t *to) {
  for (*from = at; *from > 0 && b->s[*from - 1] != '\n';) --*from;
  for (*to = at; *to < b->n && b->s[*to] != '\n';) ++*to;
  if (*to < b->n) ++*to;
}

/* From a bracket near a place to the one that closes it; false: there is none. */
static bool group(Random *r, const StrBuf *b, char open, size_t *from, size_t *to) {
  static const char opens[] = "([{", closes[] = ")]}";
  size_t start = below(r, b->n), depth = 0;
  for (size_t k = 0; k < b->n; k++) {
    *from = (start + k) % b->n;
    const char *which = strchr(opens, b->s[*from]);
    if (!which || !*which || (open && open != *which)) continue;
    for (*to = *from; *to < b->n; ++*to) {
      depth += b->s[*to] == *which;
      if (b->s[*to] == closes[which - opens] && --depth == 0) return ++*to, true;
    }
    return false;
  }
  return false;
}

void text_splice(StrBuf *b, size_t from, size_t to, const char *text, size_t n) {
  StrBuf out = {0};
  sb_write(&out, b->s, from);
  sb_write(&out, text, n);
  sb_write(&out, b->s + to, b->n - to);
  sb_free(b);
  *b = out;
}

typedef enum { ANY, NUMBER, WORD, SIGN } Kind;

static Kind kind_at(const StrBuf *b, size_t at) {
  if (!is_word(b->s[at])) return b->s[at] == ' ' || b->s[at] == '\n' ? ANY : SIGN;
  while (at > 0 && is_word(b->s[at - 1])) at--;
  return is_digit(b->s[at]) ? NUMBER : WORD;
}

/* A place in b where a token of that kind stands, if one is found soon. */
static size_t place(Random *r, const StrBuf *b, Kind kind) {
  size_t at = below(r, b->n);
  for (int k = 0; k < 40; k++, at = below(r, b->n)) {
    Kind here = kind_at(b, at);
    if (kind == ANY ? here != ANY : here == kind) break;
  }
  return at;
}

/* Mostly one that is accepted as it is. */
static const StrBuf *choose(Random *r, const Seeds *seeds) {
  size_t i = below(r, (size_t)seeds->n);
  bool any = below(r, 8) == 0;
  for (int k = 0; k < 100 && !any && !seeds->accepted[i]; k++) i = below(r, (size_t)seeds->n);
  return &seeds->at[i];
}

static void replace_number(Random *r, StrBuf *b, size_t from, size_t to) {
  static const char *const edges[] = {"0",
                                      "1",
                                      "2",
                                      "3",
                                      "7",
                                      "8",
                                      "16",
                                      "17",
                                      "64",
                                      "255",
                                      "65536",
                                      "-1",
                                      "2147483647",
                                      "2147483648",
                                      "4294967296",
                                      "9007199254740993",
                                      "9223372036854775807",
                                      "9223372036854775808",
                                      "-9223372036854775808",
                                      "18446744073709551616",
                                      "0.5",
                                      "1e-45",
                                      "1e39",
                                      "1e308",
                                      "1e999",
                                      "-0.0",
                                      "1e"};
  const char *s = edges[below(r, sizeof edges / sizeof *edges)];
  text_splice(b, from, to, s, strlen(s));
}

static void edit(Random *r, StrBuf *b, const Seeds *seeds, const char *const *words,
                 size_t nwords) {
  if (!b->n) return;
  size_t from, to, other, end;
  bool number = below(r, 4) == 0;
  size_t at = place(r, b, number ? NUMBER : ANY);
  stretch(b, at, &from, &to);
  const StrBuf *seed = choose(r, seeds);
  Kind kind = below(r, 4) ? kind_at(b, at) : ANY; /* of what is put in its place */
  switch (number ? 0 : 1 + below(r, 15)) {
  case 0: replace_number(r, b, from, to); break;
  case 1: text_splice(b, from, to, "", 0); break;
  case 2: { /* twice */
    StrBuf copy = {0};
    sb_write(&copy, b->s + from, to - from);
    text_splice(b, to, to, copy.s, copy.n);
    sb_free(&copy);
    break;
  }
  case 3:
  case 4:
  case 5: { /* another token of the same text */
    stretch(b, place(r, b, kind), &other, &end);
    StrBuf copy = {0};
    sb_write(&copy, b->s + other, end - other);
    text_splice(b, from, below(r, 8) ? to : from, copy.s, copy.n);
    sb_free(&copy);
    break;
  }
  case 6: { /* two tokens change places */
    stretch(b, place(r, b, kind), &other, &end);
    if (other < to) break;
    StrBuf first = {0}, second = {0};
    sb_write(&first, b->s + from, to - from);
    sb_write(&second, b->s + other, end - other);
    text_splice(b, other, end, first.s, first.n);
    text_splice(b, from, to, second.s, second.n);
    sb_free(&first);
    sb_free(&second);
    break;
  }
  case 7:
  case 8: { /* a word of the language */
    const char *word = words[below(r, nwords)];
    text_splice(b, from, below(r, 2) ? to : from, word, strlen(word));
    break;
  }
  case 9: { /* a token of another text */
    if (!seed->n) break;
    stretch(seed, place(r, seed, kind), &other, &end);
    text_splice(b, from, below(r, 2) ? to : from, seed->s + other, end - other);
    break;
  }
  case 10: { /* a line of another text, or of the same one */
    if (!seed->n) break;
    line_at(seed, below(r, seed->n), &other, &end);
    line_at(b, at, &from, &to);
    text_splice(b, from, from, seed->s + other, end - other);
    break;
  }
  case 11:
  case 12:
  case 13: { /* what stands in brackets, of another text or of the same one */
    const StrBuf *source = below(r, 2) ? seed : b;
    if (!source->n || !group(r, b, 0, &from, &to)) break;
    if (!group(r, source, b->s[from], &other, &end)) break;
    StrBuf copy = {0};
    sb_write(&copy, source->s + other, end - other);
    text_splice(b, from, to, copy.s, copy.n);
    sb_free(&copy);
    break;
  }
  case 14:
    line_at(b, at, &from, &to);
    text_splice(b, from, to, "", 0);
    break;
  default:
    if (below(r, 2))
      b->s[at] = (char)random_next(r);
    else {
      end = at + below(r, 60);
      text_splice(b, at, end < b->n ? end : b->n, "", 0);
    }
  }
}

void mutate_text(Random *r, const Seeds *seeds, const char *const *words, size_t nwords,
                 StrBuf *out) {
  const StrBuf *seed = choose(r, seeds);
  StrBuf text = {0};
  sb_write(&text, seed->s, seed->n);
  for (size_t edits = below(r, 2) ? 1 : 1 + below(r, 4); edits > 0; edits--)
    edit(r, &text, seeds, words, nwords);
  sb_write(out, text.s, text.n);
  sb_free(&text);
}

void mutate_options(Random *r, StrBuf *out) {
  static const char *const besides[] = {"bf16", "repeated"};
  sb_puts(out, "#:");
  for (int k = 0; backend_option(k); k++)
    if (below(r, 4) == 0) sb_printf(out, " %s", backend_option(k));
  for (int k = 0; k < 2; k++)
    if (below(r, 2)) sb_printf(out, " %s", besides[k]);
  sb_putc(out, '\n');
}

bool mutate_asked(const char *text, const char *name) {
  if (strncmp(text, "#:", 2)) return false;
  size_t n = strcspn(text, "\n"), m = strlen(name);
  for (size_t i = 2; i + m <= n; i++)
    if (!strncmp(text + i, name, m)) return true;
  return false;
}
