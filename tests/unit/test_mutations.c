/* SPDX-License-Identifier: MIT */
/* Good files, damaged so that most still parse: names, numbers and operators
 * exchanged, now and then words and brackets. The compiler accepts or rejects each
 * without falling over, and every error has a place inside its file.
 *
 *   MUTATIONS=n (default 1500), SEED=n     what the compiler fell over is printed whole */
#include <ctype.h>
#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/sources.h"

enum { TOKENS_MAX = 20000 };

typedef enum { WORD, NUMBER, OPERATOR, OTHER } Class;
typedef struct Piece {
  const char *text;
  size_t n;
  Class class;
} Piece;
typedef struct Random {
  uint64_t state;
} Random;

static uint32_t draw(Random *r, uint32_t below) {
  r->state = r->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (uint32_t)((r->state >> 33) % below);
}

/* ---- pieces of a text ------------------------------------------------------------- */

static bool keyword(const char *s, size_t n) {
  static const char *const words[] = {"op",       "block", "model",    "loss", "metric", "sampler",
                                      "schedule", "data",  "train",    "use",  "const",  "dim",
                                      "axis",     "param", "state",    "for",  "scan",   "in",
                                      "carry",    "emit",  "minimize", "log",  "else",   "grad"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (strlen(words[i]) == n && !strncmp(words[i], s, n)) return true;
  return false;
}

static Piece next_piece(const char *s) {
  static const char *const two[] = {"==", "!=", "<=", ">=", "&&", "||", "->", ".."};
  size_t n = 1;
  if (isspace((unsigned char)*s)) {
    while (isspace((unsigned char)s[n])) n++;
    return (Piece){s, n, OTHER};
  }
  if (*s == '#' || *s == '"') {
    while (s[n] && s[n] != '\n' && (*s == '#' || s[n] != '"')) n++;
    return (Piece){s, n + (s[n] == '"'), OTHER};
  }
  if (isalpha((unsigned char)*s) || *s == '_') {
    while (isalnum((unsigned char)s[n]) || s[n] == '_') n++;
    return (Piece){s, n, keyword(s, n) ? OTHER : WORD};
  }
  if (isdigit((unsigned char)*s)) {
    while (isalnum((unsigned char)s[n]) || (s[n] == '.' && isdigit((unsigned char)s[n + 1])) ||
           (s[n] == '-' && s[n - 1] == 'e'))
      n++;
    return (Piece){s, n, NUMBER};
  }
  for (size_t i = 0; i < sizeof two / sizeof *two; i++)
    if (!strncmp(s, two[i], 2)) return (Piece){s, 2, i < 6 ? OPERATOR : OTHER};
  return (Piece){s, 1, strchr("+-*/%<>^", *s) && *s ? OPERATOR : OTHER};
}

static Piece *one_of(Random *r, Piece *p, int n, Class class) {
  int count = 0;
  for (int i = 0; i < n; i++) count += p[i].class == class;
  if (!count) return NULL;
  int k = (int)draw(r, (uint32_t)count);
  for (int i = 0; i < n; i++)
    if (p[i].class == class && k-- == 0) return &p[i];
  return NULL;
}

static Piece literal(const char *s) { return (Piece){s, strlen(s), OTHER}; }

static void damage(Random *r, Piece *p, int n) {
  static const char *const values[] = {"0",
                                       "1",
                                       "x",
                                       "b",
                                       "(x)",
                                       "inf",
                                       "gelu",
                                       "normal()",
                                       "uniform(3)",
                                       "sum[k in 3](k)",
                                       "softmax[v](v)",
                                       "x[0]",
                                       "training",
                                       "noise",
                                       "text",
                                       "extent(b)",
                                       "true",
                                       "-1"};
  static const char *const numbers[] = {
      "0", "1", "2", "3", "2.5", "2147483648", "1e30", "9223372036854775807", "64", "L"};
  static const char *const operators[] = {"+", "-", "*", "/", "%", "<", "==", "&&", "||", "^"};
  Class class = (Class)draw(r, 4);
  Piece *a = one_of(r, p, n, class), *b = one_of(r, p, n, class);
  if (!a || !b) return;
  if (class == WORD)
    *a = draw(r, 5) ? *b : literal(values[draw(r, sizeof values / sizeof *values)]);
  if (class == NUMBER) *a = literal(numbers[draw(r, sizeof numbers / sizeof *numbers)]);
  if (class == OPERATOR) *a = literal(operators[draw(r, sizeof operators / sizeof *operators)]);
  if (class != OTHER) return;
  if (isspace((unsigned char)*a->text)) return;
  Piece keep = *a; /* now and then the grammar's own words and brackets */
  *a = *b;
  *b = draw(r, 2) ? keep : literal("");
}

/* ---- one file ------------------------------------------------------------------------ */

static int lines_of(const char *s) {
  int n = 1;
  for (; *s; s++) n += *s == '\n';
  return n;
}

static bool inside(const Diags *d, const Diag *x) {
  if (x->span.line == 0) return false;
  const Source *s = diags_source_at(d, x->span.file);
  return x->span.line <= lines_of(s->text) && x->span.col >= 1;
}

/* What is being tried, for the handler of a crash. */
static const char *trying = "";

static void crashed(int number) {
  const char *said = "\n---- the file that the compiler fell over:\n";
  ssize_t ignored = write(2, said, strlen(said));
  ignored = write(2, trying, strlen(trying));
  (void)ignored;
  signal(number, SIG_DFL);
  raise(number);
}

static bool survives(const char *text, bool *accepted) {
  Arena *a = arena_new();
  Diags *d = diags_new(a);
  UnitOptions o = {.query = some_text, .check_only = true, .verify = true};
  trying = text;
  *accepted = unit_compile(a, interner_new(a), d, diags_source(d, "mutated.td", text, strlen(text)),
                           &o) != NULL;
  bool fine = *accepted || diags_errors(d) > 0;
  if (!fine) print_message("rejected without a word:\n%s\n", text);
  for (int i = 0; i < diags_count(d) && fine; i++) {
    fine = inside(d, diags_at(d, i));
    if (!fine) print_message("an error without a place: %s\n%s\n", diags_at(d, i)->message, text);
  }
  arena_free(a);
  return fine;
}

/* ---- all of them ------------------------------------------------------------------------ */

enum { FILES_MAX = 64 };

static int good_files(char *text[FILES_MAX]) {
  int n = 0;
  DIR *d = opendir("tests/models");
  assert_non_null(d);
  for (struct dirent *e; (e = readdir(d)) && n < FILES_MAX;) {
    const char *dot = strrchr(e->d_name, '.');
    if (!dot || strcmp(dot, ".td")) continue;
    StrBuf path = {0};
    sb_printf(&path, "tests/models/%s", e->d_name);
    text[n] = file_text(path.s);
    assert_non_null(text[n++]);
    sb_free(&path);
  }
  closedir(d);
  return n;
}

static int setting(const char *name, int otherwise) {
  const char *s = getenv(name);
  return s && *s ? atoi(s) : otherwise;
}

static void the_compiler_stands(void **state) {
  (void)state;
  char *text[FILES_MAX];
  int n = good_files(text), tries = setting("MUTATIONS", 1500), accepted = 0;
  assert_true(n > 0);
  Random r = {(uint64_t)setting("SEED", 1)};
  Piece *pieces = malloc(sizeof *pieces * TOKENS_MAX);
  assert_non_null(pieces);
  signal(SIGSEGV, crashed);
  signal(SIGABRT, crashed);
  signal(SIGFPE, crashed);
  for (int i = 0; i < tries; i++) {
    int count = 0;
    for (const char *s = text[draw(&r, (uint32_t)n)]; *s && count < TOKENS_MAX;
         s += pieces[count - 1].n)
      pieces[count++] = next_piece(s);
    for (int k = (int)draw(&r, 3); k >= 0; k--) damage(&r, pieces, count);
    StrBuf b = {0};
    for (int k = 0; k < count; k++) sb_write(&b, pieces[k].text, pieces[k].n);
    sb_puts(&b, "");
    bool taken;
    assert_true(survives(b.s, &taken));
    accepted += taken;
    sb_free(&b);
  }
  print_message("%d damaged files, %d of them still good\n", tries, accepted);
  free(pieces);
  for (int i = 0; i < n; i++) free(text[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(the_compiler_stands)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
