/* SPDX-License-Identifier: MIT */
/* Tokens of the textual IR. A newline ends a statement, except inside ( ) and
 * [ ]; `#` begins a comment. */
#include "compiler/ir/read.h"

#include <string.h>

_Noreturn void read_fail(Reader *r, int code, Span at, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  char *message = arena_vprintf(r->arena, fmt, ap);
  va_end(ap);
  diag_error(r->d, code, at, "%s", message);
  longjmp(r->failed, 1);
}

static Span span_here(const Reader *r, int length) {
  const ReadLexer *x = &r->lex;
  return (Span){r->file, x->line, x->col, x->line, x->col + length};
}

static bool digit(char c) { return c >= '0' && c <= '9'; }
static bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

static char ahead(const ReadLexer *x, int k) { return x->end - x->at > k ? x->at[k] : '\0'; }

static void skip_blanks(Reader *r) {
  ReadLexer *x = &r->lex;
  while (x->at < x->end) {
    char c = *x->at;
    if (c == '#') {
      while (x->at < x->end && *x->at != '\n') x->at++;
    } else if (c == '\n' && x->depth > 0) {
      x->at++;
      x->line++;
      x->col = 1;
    } else if (c == ' ' || c == '\t' || c == '\r') {
      x->at++;
      x->col++;
    } else {
      return;
    }
  }
}

static void take(Reader *r, ReadToken *t, int length) {
  t->span = span_here(r, length);
  r->lex.at += length;
  r->lex.col += length;
}

/* Digits as a number; saturates with `large` set. */
static uint64_t digits(const char *s, int n, bool *large) {
  uint64_t x = 0;
  for (int i = 0; i < n; i++) {
    uint64_t d = (uint64_t)(s[i] - '0');
    if (x > (UINT64_MAX - d) / 10) {
      *large = true;
      return UINT64_MAX;
    }
    x = 10 * x + d;
  }
  return x;
}

static int run_of_digits(const ReadLexer *x, int from) {
  int n = from;
  while (digit(ahead(x, n))) n++;
  return n;
}

static void lex_number(Reader *r, ReadToken *t) {
  ReadLexer *x = &r->lex;
  int n = run_of_digits(x, 0);
  bool real = false;
  if (ahead(x, n) == '.' && digit(ahead(x, n + 1))) {
    real = true;
    n = run_of_digits(x, n + 1);
  }
  if (ahead(x, n) == 'e' || ahead(x, n) == 'E') {
    int sign = ahead(x, n + 1) == '+' || ahead(x, n + 1) == '-';
    if (digit(ahead(x, n + 1 + sign))) {
      real = true;
      n = run_of_digits(x, n + 1 + sign);
    }
  }
  if (letter(ahead(x, n)))
    read_fail(r, E_TEXT_SYNTAX, span_here(r, n + 1), "a letter directly after a number");
  t->kind = real ? T_REAL : T_INT;
  if (real) {
    const char *end;
    char *copy = arena_strndup(r->arena, x->at, (size_t)n);
    t->real = parse_double(copy, &end);
  } else {
    t->whole = digits(x->at, n, &t->large);
  }
  take(r, t, n);
}

static int hex(char c) {
  if (digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

/* `any text`, with \xHH for a backquote, a backslash and what is no ASCII */
static int lex_quoted(Reader *r, ReadToken *t) {
  ReadLexer *x = &r->lex;
  int n = 1;
  StrBuf text = {0};
  for (;;) {
    char c = ahead(x, n);
    int hi = -1, lo = -1;
    if (c == '`') break;
    if (c == '\\') {
      hi = hex(ahead(x, n + 2));
      lo = hex(ahead(x, n + 3));
    }
    if (c == '\0' || c == '\n' ||
        (c == '\\' && (ahead(x, n + 1) != 'x' || hi < 0 || lo < 0 || hi + lo == 0))) {
      sb_free(&text);
      read_fail(r, E_TEXT_SYNTAX, span_here(r, n),
                "a quoted name that does not end or has a bad escape");
    }
    sb_putc(&text, c == '\\' ? (char)(hi * 16 + lo) : c);
    n += c == '\\' ? 4 : 1;
  }
  t->text = internn(r->names, text.s ? text.s : "", text.n);
  sb_free(&text);
  t->quoted = true;
  return n + 1;
}

static void lex_name(Reader *r, ReadToken *t) {
  ReadLexer *x = &r->lex;
  t->kind = T_NAME;
  t->ordinal = 1;
  int n = 0;
  if (*x->at == '`') {
    n = lex_quoted(r, t);
  } else {
    while (letter(ahead(x, n)) || digit(ahead(x, n)) || ahead(x, n) == '.') n++;
    t->text = internn(r->names, x->at, (size_t)n);
  }
  if (ahead(x, n) == '\'') {
    int end = run_of_digits(x, n + 1);
    bool large = false;
    uint64_t ordinal = digits(x->at + n + 1, end - n - 1, &large);
    if (large || ordinal < 2 || ordinal > INT32_MAX)
      read_fail(r, E_TEXT_SYNTAX, span_here(r, end),
                "after a name, ' is followed by a number from 2");
    t->ordinal = (int)ordinal;
    n = end;
  }
  take(r, t, n);
}

static void lex_punct(Reader *r, ReadToken *t) {
  static const char *const marks[] = {"->", "<=", "==", "!=", "..", "<", "+", "-",
                                      "*",  "/",  "(",  ")",  "[",  "]", "{", "}",
                                      ",",  ":",  ";",  "=",  "?",  "|", "@"};
  ReadLexer *x = &r->lex;
  for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
    size_t n = strlen(marks[i]);
    if ((size_t)(x->end - x->at) < n || memcmp(x->at, marks[i], n) != 0) continue;
    t->kind = T_PUNCT;
    t->text = marks[i];
    take(r, t, (int)n);
    if (*t->text == '(' || *t->text == '[') x->depth++;
    if ((*t->text == ')' || *t->text == ']') && x->depth > 0) x->depth--;
    return;
  }
  read_fail(r, E_TEXT_SYNTAX, span_here(r, 1), "unexpected character (byte %d)",
            (unsigned char)*x->at);
}

static ReadToken lex(Reader *r) {
  ReadToken t = {.kind = T_END};
  skip_blanks(r);
  ReadLexer *x = &r->lex;
  if (x->at == x->end) {
    t.span = span_here(r, 0);
    return t;
  }
  char c = *x->at;
  if (c == '\n') {
    t.kind = T_NEWLINE;
    t.span = span_here(r, 1);
    x->at++;
    x->line++;
    x->col = 1;
  } else if (digit(c)) {
    lex_number(r, &t);
  } else if (letter(c) || c == '`') {
    lex_name(r, &t);
  } else if (c == '$') {
    int n = run_of_digits(x, 1);
    t.kind = T_LET;
    t.whole = digits(x->at + 1, n - 1, &t.large);
    take(r, &t, n);
  } else {
    lex_punct(r, &t);
  }
  return t;
}

void read_next(Reader *r) { r->tok = lex(r); }

ReadToken read_peek(Reader *r) {
  ReadLexer saved = r->lex;
  ReadToken t = lex(r);
  r->lex = saved;
  return t;
}

bool read_is(const Reader *r, const char *punct) {
  return r->tok.kind == T_PUNCT && strcmp(r->tok.text, punct) == 0;
}

bool read_is_word(const Reader *r, const char *word) {
  return r->tok.kind == T_NAME && !r->tok.quoted && r->tok.ordinal == 1 &&
         strcmp(r->tok.text, word) == 0;
}

bool read_accept(Reader *r, const char *punct) {
  if (!read_is(r, punct)) return false;
  read_next(r);
  return true;
}

bool read_accept_word(Reader *r, const char *word) {
  if (!read_is_word(r, word)) return false;
  read_next(r);
  return true;
}

void read_expect(Reader *r, const char *punct) {
  if (!read_accept(r, punct)) read_fail(r, E_TEXT_SYNTAX, r->tok.span, "expected '%s'", punct);
}

void read_expect_word(Reader *r, const char *word) {
  if (!read_accept_word(r, word)) read_fail(r, E_TEXT_SYNTAX, r->tok.span, "expected '%s'", word);
}

void read_skip_newlines(Reader *r) {
  while (r->tok.kind == T_NEWLINE) read_next(r);
}

int64_t read_whole(Reader *r) {
  if (r->tok.kind != T_INT) read_fail(r, E_TEXT_SYNTAX, r->tok.span, "expected a whole number");
  if (r->tok.large || r->tok.whole > INT64_MAX)
    read_fail(r, E_TEXT_LIMIT, r->tok.span, "the number is above 2^63 - 1");
  int64_t x = (int64_t)r->tok.whole;
  read_next(r);
  return x;
}

int64_t read_integer(Reader *r) {
  if (!read_accept(r, "-")) return read_whole(r);
  if (r->tok.kind == T_INT && !r->tok.large && r->tok.whole == (uint64_t)INT64_MAX + 1) {
    read_next(r);
    return INT64_MIN;
  }
  return -read_whole(r);
}
