/* SPDX-License-Identifier: MIT */
/* The front end's parts that no file can show: containers, numbers as text,
 * the table of codes, limits, the JSON form, single expressions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dsl/ast.h"

typedef struct Front {
  Arena *arena;
  Interner *names;
  Diags *diags;
} Front;

static Front front_new(void) {
  Front f = {.arena = arena_new()};
  f.names = interner_new(f.arena);
  f.diags = diags_new(f.arena);
  return f;
}

static AFile *parse(Front *f, const char *text, size_t n) {
  return ast_parse(f->arena, f->names, f->diags, diags_source(f->diags, "t.td", text, n));
}

static int first_code(const Front *f) {
  return diags_count(f->diags) ? diags_at(f->diags, 0)->code : 0;
}

/* ---- containers ------------------------------------------------------------------- */

static void arena_grows_and_stays_zero(void **state) {
  (void)state;
  Arena *a = arena_new();
  VEC(int) numbers = {0};
  VEC(int64_t) others = {0};
  for (int i = 0; i < 100000; i++) {
    vec_push(a, &numbers, i);
    if (i % 3 == 0) vec_push(a, &others, -i);
  }
  for (int i = 0; i < numbers.n; i++) assert_int_equal(numbers.at[i], i);
  for (int i = 0; i < others.n; i++) assert_int_equal(others.at[i], -3 * i);
  const unsigned char *big = arena_alloc(a, 5000000);
  for (int i = 0; i < 5000000; i += 4099) assert_int_equal(big[i], 0);
  assert_int_equal((uintptr_t)arena_alloc(a, 1) % 16, 0);
  arena_free(a);
}

static void arena_unwinds(void **state) {
  (void)state;
  Arena *a = arena_new();
  jmp_buf unwind;
  arena_guard(a, &unwind);
  int caught = setjmp(unwind);
  if (!caught) arena_alloc(a, SIZE_MAX / 2);
  assert_int_equal(caught, 1);
  caught = setjmp(unwind);
  if (!caught) arena_alloc_array(a, SIZE_MAX / 2, 3);
  assert_int_equal(caught, 1);
  arena_free(a);
}

static void names_are_unique(void **state) {
  (void)state;
  Front f = front_new();
  const char *first[2000];
  for (int round = 0; round < 2; round++) {
    for (int i = 0; i < 2000; i++) {
      char name[16];
      snprintf(name, sizeof name, "n%d", i);
      const char *s = intern(f.names, name);
      if (!round) first[i] = s;
      assert_ptr_equal(s, first[i]);
      assert_string_equal(s, name);
    }
  }
  assert_ptr_equal(internn(f.names, "abcdef", 3), intern(f.names, "abc"));
  arena_free(f.arena);
}

static void doubles_read_back(void **state) {
  (void)state;
  static const struct {
    double x;
    const char *text;
  } SHORT[] = {
      {0.1, "0.1"},      {1e-5, "1e-05"}, {1.0, "1"},
      {1e300, "1e+300"}, {-2.5, "-2.5"},  {1.0 / 3, "0.3333333333333333"},
  };
  char text[32];
  for (size_t i = 0; i < sizeof SHORT / sizeof *SHORT; i++) {
    fmt_double(text, SHORT[i].x);
    assert_string_equal(text, SHORT[i].text);
  }
  uint64_t bits = 88172645463325252u;
  for (int i = 0; i < 20000; i++) {
    bits ^= bits << 13;
    bits ^= bits >> 7;
    bits ^= bits << 17;
    double x, y;
    memcpy(&x, &bits, sizeof x);
    if (x != x) continue;
    fmt_double(text, x);
    y = parse_double(text, NULL);
    assert_memory_equal(&x, &y, sizeof x);
  }
}

static void sizes_are_checked(void **state) {
  (void)state;
  int64_t out;
  assert_true(mul_fits(INT64_MAX, 1, &out) && out == INT64_MAX);
  assert_false(mul_fits(INT64_MAX / 2, 3, &out));
  assert_true(add_fits(INT64_MAX - 1, 1, &out));
  assert_false(add_fits(INT64_MAX, 1, &out));
}

/* ---- diagnostics -------------------------------------------------------------------- */

static void every_code_is_explained(void **state) {
  (void)state;
  int before = -1;
  for (int i = 0; i < diag_code_count(); i++) {
    bool warning;
    int code = diag_code_at(i, &warning);
    assert_true(2 * code + warning > before); /* ascending, none twice */
    before = 2 * code + warning;
    assert_int_equal(warning, code / 100 == 9);
    const char *text = diag_explain(code, warning);
    if (!strstr(text, "  wrong:") || !strstr(text, "  right:"))
      fail_msg("code %d has no wrong and right example", code);
    for (const char *line = text; *line;) {
      size_t n = strcspn(line, "\n");
      if (n > 100) fail_msg("code %d: a line of %zu characters: %.*s", code, n, (int)n, line);
      line += n + (line[n] == '\n');
    }
    assert_true(strlen(diag_title(code, warning)) > 5);
  }
  assert_null(diag_explain(9999, false));
  assert_null(diag_explain(107, true));
}

static void names_are_suggested(void **state) {
  (void)state;
  static const char *const NAMES[] = {"layernorm", "linear", "gelu", "width"};
  assert_string_equal(did_you_mean("layernrom", NAMES, 4), "layernorm");
  assert_string_equal(did_you_mean("wdith", NAMES, 4), "width");
  assert_string_equal(did_you_mean("liner", NAMES, 4), "linear");
  assert_null(did_you_mean("softmax", NAMES, 4));
  assert_null(did_you_mean("ge", NAMES, 4));
  assert_null(did_you_mean("", NAMES, 4));
}

static void json_is_escaped(void **state) {
  (void)state;
  Front f = front_new();
  int file = diags_source(f.diags, "a \"b\".td", "x\n", 2);
  Span at = {file, 1, 1, 1, 2};
  Diag *x = diag_error(f.diags, 204, at, "quote \" slash \\ tab \t bell \a bad \xFF end");
  diag_label(f.diags, x, at, "here");
  diag_note(f.diags, x, (Span){0}, "no place");
  diag_hint(f.diags, x, "none");
  StrBuf out = {0};
  diags_print_json(f.diags, &out);
  assert_string_equal(
      out.s, "[{\"code\":\"E0204\",\"level\":\"error\",\"file\":\"a "
             "\\\"b\\\".td\",\"line\":1,\"column\":1,"
             "\"end_line\":1,\"end_column\":2,\"message\":\"quote \\\" slash \\\\ tab \\t bell "
             "\\u0007 bad "
             "\\ufffd end\",\"labels\":[{\"file\":\"a "
             "\\\"b\\\".td\",\"line\":1,\"column\":1,\"end_line\":1,"
             "\"end_column\":2,\"text\":\"here\"}],\"notes\":[{\"file\":null,\"line\":null,"
             "\"column\":null,"
             "\"end_line\":null,\"end_column\":null,\"text\":\"no place\"}],\"hint\":\"none\"}]\n");
  sb_free(&out);
  arena_free(f.arena);
}

static void carets_and_labels(void **state) {
  (void)state;
  Front f = front_new();
  const char *text = "a = 1\n  g[b,l,d] = n[b,l,d] * w2[d,k]\n";
  int file = diags_source(f.diags, "mine.td", text, strlen(text));
  Diag *x = diag_error(f.diags, 204, (Span){file, 2, 28, 2, 29}, "two extents");
  diag_label(f.diags, x, (Span){file, 2, 28, 2, 29}, "F = 1536");
  diag_label(f.diags, x, (Span){file, 2, 20, 2, 21}, "D = 384");
  diag_note(f.diags, x, (Span){file, 1, 1, 1, 2}, "declared here");
  diag_hint(f.diags, x, "did you mean w2[f,k]?");
  diag_error(f.diags, 204, (Span){file, 2, 28, 2, 29}, "two extents"); /* the same: dropped */
  diag_warn(f.diags, 901, (Span){file, 1, 1, 1, 2}, "first by place");
  StrBuf out = {0};
  diags_print(f.diags, &out, false);
  assert_string_equal(out.s, "mine.td:1:1: warning[W0901]: first by place\n"
                             "    1 | a = 1\n"
                             "      | ^\n"
                             "mine.td:2:28: error[E0204]: two extents\n"
                             "    2 |   g[b,l,d] = n[b,l,d] * w2[d,k]\n"
                             "      |                    ^       ^\n"
                             "      |                    D = 384\n"
                             "      |                            F = 1536\n"
                             "   hint: did you mean w2[f,k]?\n"
                             "   note: mine.td:1:1: declared here\n");
  sb_free(&out);
  arena_free(f.arena);
}

static void long_lines_are_cropped(void **state) {
  (void)state;
  Front f = front_new();
  StrBuf text = {0}, out = {0};
  for (int i = 0; i < 50000; i++) sb_puts(&text, "é");
  int file = diags_source(f.diags, "t.td", text.s, text.n);
  diag_error(f.diags, 101, (Span){file, 1, 40000, 1, 40003}, "far out");
  diags_print(f.diags, &out, false);
  assert_true(out.n < 1000);
  sb_free(&text);
  sb_free(&out);
  arena_free(f.arena);
}

static void errors_are_limited(void **state) {
  (void)state;
  Front f = front_new();
  StrBuf text = {0};
  for (int i = 0; i < 100; i++) sb_puts(&text, "const a = (1 2)\n");
  jmp_buf unwind;
  diags_guard(f.diags, &unwind);
  int caught = setjmp(unwind);
  if (!caught) parse(&f, text.s, text.n);
  assert_int_equal(caught, 2);
  assert_int_equal(diags_errors(f.diags), DIAG_MAX);
  sb_free(&text);
  arena_free(f.arena);
}

/* ---- limits ----------------------------------------------------------------------------- */

/* `open` n times, then `middle`, then `close` n times: the code of the first error. */
static int nested(const char *before, const char *open, const char *middle, const char *closing,
                  int n) {
  Front f = front_new();
  StrBuf text = {0};
  sb_puts(&text, before);
  for (int i = 0; i < n; i++) sb_puts(&text, open);
  sb_puts(&text, middle);
  for (int i = 0; i < n; i++) sb_puts(&text, closing);
  AFile *file = parse(&f, text.s, text.n);
  int code = first_code(&f), count = diags_count(f.diags);
  StrBuf out = {0};
  ast_print_file(file, &out);
  assert_true(count <= 1);
  sb_free(&out);
  sb_free(&text);
  arena_free(f.arena);
  return code;
}

static void nesting_is_limited(void **state) {
  (void)state;
  assert_int_equal(nested("const a = ", "(", "1", ")", 200), 0);
  assert_int_equal(nested("const a = ", "-", "1", "", 199), 0);
  assert_int_equal(nested("op f(x) -> y ", "{ for i in 2 ", "{ y = x }", "}", 199), 0);
  for (int n = 250; n <= 25000; n *= 100) {
    assert_int_equal(nested("const a = ", "(", "1", ")", n), 109);
    assert_int_equal(nested("const a = ", "x[", "1", "]", n), 109);
    assert_int_equal(nested("const a = ", "-", "1", "", n), 109);
    assert_int_equal(nested("const a = ", "1 + ", "1", "", n), 109);
    assert_int_equal(nested("const a = ", "2^", "1", "", n), 109);
    assert_int_equal(nested("const a = ", "c ? 1 : ", "1", "", n), 109);
    assert_int_equal(nested("const a = x", "", "", "[1]", n), 109);
    assert_int_equal(nested("op f(x) -> y ", "{ for i in 2 ", "{ y = x }", "}", n), 109);
  }
}

static void large_files_are_refused(void **state) {
  (void)state;
  Front f = front_new();
  size_t n = (1 << 19) + 1;
  char *text = malloc(n);
  assert_non_null(text);
  memset(text, 'a', n);
  parse(&f, text, n);
  assert_int_equal(first_code(&f), 110);
  Front g = front_new();
  parse(&g, text, n - 1); /* one name of half a megabyte */
  assert_int_equal(first_code(&g), 107);
  StrBuf out = {0};
  diags_print(g.diags, &out, false);
  assert_true(out.n < 1000);
  sb_free(&out);
  free(text);
  arena_free(f.arena);
  arena_free(g.arena);
}

/* ---- trees --------------------------------------------------------------------------------- */

static void expressions_alone(void **state) {
  (void)state;
  static const struct {
    const char *text, *printed;
  } GOOD[] = {
      {"1 + 2*x[ i ]", "1 + 2 * x[i]"},
      {"sum[k in 0:K|k<i](a[k+1])", "sum[k in 0:K | k < i](a[k+1])"},
      {"(a)", "a"},
      {"\"text\"", "\"text\""},
      {"-x^2", "-x^2"},
  };
  static const char *const BAD[] = {"", "1 +", "a = 3", "1 2", "(", "a; b", "const a = 1", "\n"};
  for (size_t i = 0; i < sizeof GOOD / sizeof *GOOD; i++) {
    Front f = front_new();
    int file = diags_source(f.diags, "-D", GOOD[i].text, strlen(GOOD[i].text));
    AExpr *e = ast_parse_expr(f.arena, f.names, f.diags, file);
    assert_non_null(e);
    StrBuf out = {0};
    ast_print_expr(e, &out);
    assert_string_equal(out.s, GOOD[i].printed);
    sb_free(&out);
    arena_free(f.arena);
  }
  for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
    Front f = front_new();
    int file = diags_source(f.diags, "-D", BAD[i], strlen(BAD[i]));
    assert_null(ast_parse_expr(f.arena, f.names, f.diags, file));
    assert_true(diags_errors(f.diags) > 0);
    arena_free(f.arena);
  }
}

static void docs_and_places(void **state) {
  (void)state;
  Front f = front_new();
  const char *text = "\xEF\xBB\xBF# far\r\n\r\n# one\r\n#  two\r\nop f(x) -> y = x\r\nconst a = 1  "
                     "# no doc\r\nconst b = 2\r\n";
  AFile *file = parse(&f, text, strlen(text));
  assert_int_equal(diags_count(f.diags), 0);
  assert_int_equal(file->decls.n, 3);
  const ADecl *d = file->decls.at[0];
  assert_string_equal(d->doc, "one\n two");
  assert_int_equal(d->span.line, 5);
  assert_int_equal(d->name_span.col, 4);
  assert_true(d->expr_body && d->body.n == 1 && d->body.at[0]->kind == S_ASSIGN);
  assert_null(file->decls.at[1]->doc);
  assert_null(file->decls.at[2]->doc);
  assert_int_equal(file->comments.n, 4);
  assert_string_equal(file->comments.at[3].text, "# no doc");
  assert_false(file->comments.at[3].own_line);
  arena_free(f.arena);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(arena_grows_and_stays_zero),
      cmocka_unit_test(arena_unwinds),
      cmocka_unit_test(names_are_unique),
      cmocka_unit_test(doubles_read_back),
      cmocka_unit_test(sizes_are_checked),
      cmocka_unit_test(every_code_is_explained),
      cmocka_unit_test(names_are_suggested),
      cmocka_unit_test(json_is_escaped),
      cmocka_unit_test(carets_and_labels),
      cmocka_unit_test(long_lines_are_cropped),
      cmocka_unit_test(errors_are_limited),
      cmocka_unit_test(nesting_is_limited),
      cmocka_unit_test(large_files_are_refused),
      cmocka_unit_test(expressions_alone),
      cmocka_unit_test(docs_and_places),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
