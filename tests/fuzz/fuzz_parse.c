/* SPDX-License-Identifier: MIT */
/* The parser against broken text. Whatever the bytes: no crash, every error
 * has a place inside the file, and an accepted file is formatted to text that
 * is accepted, says the same and stays as it is when formatted again.
 *
 *   fuzz_parse [--mutations N] [--seed S] FILE...   mutated copies of the files
 *   fuzz_parse FILE                                  with N = 0: the file itself
 *
 * Built with -DLIBFUZZER -fsanitize=fuzzer (clang) it has libFuzzer's main. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dsl/ast.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static _Noreturn void broken(const char *what, const uint8_t *data, size_t size) {
  fprintf(stderr, "fuzz_parse: %s\n--- input\n", what);
  fwrite(data, 1, size, stderr);
  fprintf(stderr, "\n---\n");
  abort();
}

static bool inside(Span s, const char *text, size_t n) {
  if (!s.line) return true;
  int line = 1, length = 0;
  for (size_t i = 0; i < n && line < s.line; i++) line += text[i] == '\n';
  if (line != s.line || s.col < 1) return false;
  const char *p = text;
  for (int at = 1; at < line; at++) p = (const char *)memchr(p, '\n', n - (size_t)(p - text)) + 1;
  for (; p < text + n && *p != '\n'; p++) length++;
  return s.col <= length + 1 && s.end_line >= s.line;
}

/* Do all diagnostics stand inside the text? They are printed too. */
static bool places_are_inside(const Diags *d, const char *text, size_t n) {
  bool fine = true;
  for (int i = 0; i < diags_count(d); i++) {
    const Diag *x = diags_at(d, i);
    bool good = x->span.line && inside(x->span, text, n);
    for (int k = 0; k < x->labels.n; k++) good = good && inside(x->labels.at[k].span, text, n);
    if (!good) fprintf(stderr, "a place outside the file: %s\n", x->message);
    fine = fine && good;
  }
  StrBuf out = {0};
  diags_print(d, &out, true);
  diags_print_json(d, &out);
  sb_free(&out);
  return fine;
}

/* Parse and format. False when a diagnostic has no place inside the text. */
static bool parse_text(const char *text, size_t n, StrBuf *formatted, StrBuf *dump,
                       bool *accepted) {
  Arena *a = arena_new();
  Diags *d = diags_new(a);
  jmp_buf unwind;
  diags_guard(d, &unwind);
  if (!setjmp(unwind)) {
    AFile *f = ast_parse(a, interner_new(a), d, diags_source(d, "fuzz.td", text, n));
    ast_print_file(f, formatted);
    ast_dump(f, dump);
  }
  *accepted = diags_errors(d) == 0;
  bool fine = places_are_inside(d, text, n);
  arena_free(a);
  return fine;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *text = malloc(size + 1);
  if (!text) return 0;
  memcpy(text, data, size);
  text[size] = 0;
  StrBuf first = {0}, second = {0}, dump = {0}, dump_again = {0};
  bool accepted, accepted_again;
  if (!parse_text(text, size, &first, &dump, &accepted))
    broken("a diagnostic's place is outside the file", data, size);
  if (accepted) {
    sb_puts(&first, "");
    parse_text(first.s, first.n, &second, &dump_again, &accepted_again);
    sb_puts(&second, "");
    if (!accepted_again) broken("the formatted text is not accepted", data, size);
    if (strcmp(dump.s, dump_again.s)) broken("formatting changed the meaning", data, size);
    if (strcmp(first.s, second.s)) {
      fprintf(stderr, "--- once\n%s--- twice\n%s", first.s, second.s);
      broken("formatting twice differs from once", data, size);
    }
  }
  sb_free(&first);
  sb_free(&second);
  sb_free(&dump);
  sb_free(&dump_again);
  free(text);
  return 0;
}

#ifndef LIBFUZZER

static uint64_t random_next(uint64_t *state) { /* splitmix64 */
  uint64_t z = *state += 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

static size_t below(uint64_t *state, size_t n) { return n ? (size_t)(random_next(state) % n) : 0; }

static bool is_word(char c) {
  return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The token-like stretch around `at`: a word, a run of blanks, or one sign. */
static void stretch(const StrBuf *b, size_t at, size_t *from, size_t *to) {
  *from = at;
  *to = at + 1;
  if (is_word(b->s[at])) {
    while (*from > 0 && is_word(b->s[*from - 1])) --*from;
    while (*to < b->n && is_word(b->s[*to])) ++*to;
  }
}

static void splice(StrBuf *b, size_t from, size_t to, const char *text, size_t n) {
  StrBuf out = {0};
  sb_write(&out, b->s, from);
  sb_write(&out, text, n);
  sb_write(&out, b->s + to, b->n - to);
  sb_free(b);
  *b = out;
}

static void mutate(StrBuf *b, uint64_t *state) {
  static const char *const TOKENS[] = {
      "(",
      ")",
      "[",
      "]",
      "{",
      "}",
      ",",
      "=",
      "~",
      "->",
      "...",
      "..",
      ":",
      ";",
      "|",
      "?",
      "\n",
      "#c\n",
      "for i in 3 ",
      "emit ",
      "carry h = 0 ",
      "grad(dy) ",
      "op f(x) -> y ",
      "0.5",
      "1e9",
      "\"s\"",
      "@save ",
      "!",
      "-",
      "^",
      "<",
      "==",
      " ",
      "\t",
      "\r\n",
      "\xC3\xA9",
      "\x80",
      "\"",
      "# tail",
      "\n\n\n",
      "nocheck",
      "else 0",
      "in",
      "log ",
      "steps ",
      "(2)",
      ".a",
      "\n  # own\n",
      "train { a (b) }\n",
      "param w ~ f()\n",
  };
  if (!b->n) return;
  size_t from, to, at = below(state, b->n);
  stretch(b, at, &from, &to);
  switch (below(state, 6)) {
  case 0: splice(b, from, to, "", 0); break;
  case 1: {
    char *copy = strndup(b->s + from, to - from);
    if (copy) splice(b, to, to, copy, to - from);
    free(copy);
    break;
  }
  case 2:
  case 3: {
    const char *token = TOKENS[below(state, sizeof TOKENS / sizeof *TOKENS)];
    splice(b, from, below(state, 2) ? to : from, token, strlen(token));
    break;
  }
  case 4: b->s[at] = (char)random_next(state); break;
  default: {
    size_t end = at + below(state, 60);
    splice(b, at, end < b->n ? end : b->n, "", 0);
  }
  }
}

static bool read_file(const char *path, StrBuf *out) {
  FILE *f = fopen(path, "rb");
  if (!f) return false;
  char block[4096];
  for (size_t n; (n = fread(block, 1, sizeof block, f)) > 0;) sb_write(out, block, n);
  fclose(f);
  return true;
}

int main(int argc, char **argv) {
  long mutations = 0, tried = 0;
  uint64_t state = 1;
  int first = 1;
  for (; first + 1 < argc && !strncmp(argv[first], "--", 2); first += 2) {
    if (!strcmp(argv[first], "--mutations"))
      mutations = strtol(argv[first + 1], NULL, 10);
    else if (!strcmp(argv[first], "--seed"))
      state = strtoull(argv[first + 1], NULL, 10);
    else {
      fprintf(stderr, "fuzz_parse: unknown option %s\n", argv[first]);
      return 2;
    }
  }
  int files = argc - first;
  for (int k = first; k < argc; k++) {
    StrBuf text = {0};
    if (!read_file(argv[k], &text)) {
      fprintf(stderr, "fuzz_parse: cannot read %s\n", argv[k]);
      return 2;
    }
    LLVMFuzzerTestOneInput((const uint8_t *)text.s, text.n);
    long share = mutations / files + (k - first < mutations % files);
    for (long i = 0; i < share; i++, tried++) {
      StrBuf copy = {0};
      sb_write(&copy, text.s, text.n);
      for (size_t edits = 1 + below(&state, 4); edits > 0; edits--) mutate(&copy, &state);
      LLVMFuzzerTestOneInput((const uint8_t *)copy.s, copy.n);
      sb_free(&copy);
    }
    sb_free(&text);
  }
  printf("%d files, %ld mutations of them\n", files, tried);
  printf("%d passed, 0 failed\n", files); /* a failure does not come this far */
  return 0;
}

#endif
