/* SPDX-License-Identifier: MIT */
/* dsl/LANGUAGE.md and its chapters, dsl/reference/, against the compiler: every fenced block is an
 * example that is compiled, or says `text` or nothing (forms and tables of notation, no code).
 *
 *   ```td                a whole file
 *   ```td decl           the frame's declarations, then these
 *   ```td body           statements of the op at the frame's end
 *   ... reject E0204     this error and nothing else
 *   ... warn W0903       this warning and nothing else
 *
 * The frame is the first page's own block under "The frame of the examples". Also
 * checked: that the chapter of the library is complete. */
#include <ctype.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/sources.h"

static const char *const FIRST = "dsl/LANGUAGE.md", *const CHAPTERS = "dsl/reference/*.md",
                         *const LIBRARY = "dsl/reference/library.md";

typedef struct Block {
  const char *page;
  int line; /* of its first line of code */
  char info[64];
  StrBuf text;
} Block;
typedef struct Pages {
  Arena *arena;
  glob_t chapters;
  VEC(Block) blocks;
  int frame; /* which block is the frame, or -1 */
} Pages;

/* ---- the pages ---------------------------------------------------------------------- */

static void read_page(Pages *p, const char *page) {
  char *whole = file_text(page);
  assert_non_null(whole);
  bool inside = false, frame_next = false;
  int line = 0;
  for (const char *at = whole; *at;) {
    const char *end = strchr(at, '\n');
    size_t n = end ? (size_t)(end - at) : strlen(at);
    line++;
    if (n >= 3 && !strncmp(at, "```", 3)) {
      if (!inside) {
        Block b = {.page = page, .line = line + 1};
        assert_true(n - 3 < sizeof b.info);
        memcpy(b.info, at + 3, n - 3);
        if (frame_next) p->frame = p->blocks.n;
        frame_next = false;
        vec_push(p->arena, &p->blocks, b);
      } else if (n > 3) {
        fail_msg("%s:%d: a block ends with ``` alone", page, line);
      }
      inside = !inside;
    } else if (inside) {
      StrBuf *text = &p->blocks.at[p->blocks.n - 1].text;
      sb_write(text, at, n);
      sb_putc(text, '\n');
    } else if (!strncmp(at, "### The frame of the examples", 29)) {
      frame_next = true;
    }
    at += n + (end != NULL);
  }
  assert_false(inside);
  free(whole);
}

static void read_pages(Pages *p) {
  *p = (Pages){.arena = arena_new(), .frame = -1};
  read_page(p, FIRST);
  assert_true(p->frame >= 0);
  assert_int_equal(glob(CHAPTERS, 0, NULL, &p->chapters), 0);
  for (size_t i = 0; i < p->chapters.gl_pathc; i++) read_page(p, p->chapters.gl_pathv[i]);
  for (int i = 0; i < p->blocks.n; i++) sb_puts(&p->blocks.at[i].text, "");
}

static void close_pages(Pages *p) {
  for (int i = 0; i < p->blocks.n; i++) sb_free(&p->blocks.at[i].text);
  globfree(&p->chapters);
  arena_free(p->arena);
}

/* ---- one example ------------------------------------------------------------------------ */

typedef enum { WHOLE, DECLARATIONS, BODY } Form;
typedef struct Example {
  Form form;
  int error, warning;
} Example;

/* False when the info string is none that is known: the block would not be tested. */
static bool read_info(const char *info, Example *e) {
  char word[64];
  int used = 0;
  *e = (Example){.form = WHOLE};
  for (bool first = true; sscanf(info, " %63s%n", word, &used) == 1; info += used, first = false) {
    int code = 0;
    if (first && !strcmp(word, "td")) continue;
    if (first) return false;
    if (!strcmp(word, "decl"))
      e->form = DECLARATIONS;
    else if (!strcmp(word, "body"))
      e->form = BODY;
    else if (sscanf(word, "E%4d", &code) == 1)
      e->error = code;
    else if (sscanf(word, "W%4d", &code) == 1)
      e->warning = code;
    else if (strcmp(word, "reject") && strcmp(word, "warn"))
      return false;
  }
  return !(strstr(info, "reject") && !e->error);
}

/* The frame's text with the example in its place; *before: lines above the example. */
static void assemble(const Pages *p, const Block *b, Form form, StrBuf *out, int *before) {
  const char *frame = p->blocks.at[p->frame].text.s, *end = strstr(frame, "{ done = 0 }"),
             *inputs = strstr(frame, "# the inputs");
  assert_non_null(end);
  assert_non_null(inputs);
  if (form == DECLARATIONS) sb_write(out, frame, (size_t)(inputs - frame));
  if (form == BODY) {
    sb_write(out, frame, (size_t)(end - frame));
    sb_puts(out, "{\n");
  }
  *before = 0;
  for (size_t i = 0; i < out->n; i++) *before += out->s[i] == '\n';
  sb_puts(out, b->text.s);
  if (form == BODY) sb_puts(out, "done = 0\n}\n");
}

static bool as_said(const Pages *p, const Block *b, const Example *e) {
  StrBuf text = {0}, said = {0};
  int before;
  assemble(p, b, e->form, &text, &before);
  Arena *a = arena_new();
  Diags *d = diags_new(a);
  UnitOptions o = {.query = some_text, .check_only = true, .verify = true};
  Unit *u = unit_compile(a, interner_new(a), d, diags_source(d, "example", text.s, text.n), &o);
  int wanted = e->error ? e->error : e->warning;
  bool fine = (u != NULL) == (e->error == 0) && diags_count(d) == (wanted != 0) &&
              (!wanted || diags_at(d, 0)->code == wanted);
  if (!fine) {
    diags_print(d, &said, false);
    print_message("%s:%d: ```%s: %s (its first line is line %d here)\n%s", b->page, b->line,
                  b->info, u ? "accepted" : "rejected", before + 1, said.s ? said.s : "");
  }
  sb_free(&said);
  sb_free(&text);
  arena_free(a);
  return fine;
}

static void every_block_is_what_it_says(void **state) {
  (void)state;
  Pages p;
  read_pages(&p);
  int tried = 0, wrong = 0;
  for (int i = 0; i < p.blocks.n; i++) {
    const Block *b = &p.blocks.at[i];
    Example e;
    if (!*b->info || !strcmp(b->info, "text")) continue;
    tried++;
    if (!read_info(b->info, &e)) {
      print_message("%s:%d: no test knows ```%s\n", b->page, b->line, b->info);
      wrong++;
    } else if (!as_said(&p, b, &e)) {
      wrong++;
    }
  }
  print_message("%d examples, %d blocks of notation\n", tried, p.blocks.n - tried);
  close_pages(&p);
  assert_int_equal(wrong, 0);
  assert_true(tried > 30);
}

/* ---- the library ----------------------------------------------------------------------------- */

/* `name`, in backquotes, alone or with its parameters. */
static bool listed(const char *page, const char *name, size_t n) {
  for (const char *p = page; (p = strchr(p, '`')); p++)
    if (!strncmp(p + 1, name, n) && (p[1 + n] == '`' || p[1 + n] == '(')) return true;
  return false;
}

static void the_table_of_the_library_is_complete(void **state) {
  (void)state;
  char *page = file_text(LIBRARY);
  int missing = 0;
  for (int i = 0; i < std_count(); i++) {
    size_t size;
    for (const char *at = std_source(std_name(i), &size); at && *at;
         at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL) {
      char name[64];
      if (sscanf(at, "op %63[a-z0-9_](", name) != 1 && sscanf(at, "block %63[a-z0-9_](", name) != 1)
        continue;
      if (listed(page, name, strlen(name))) continue;
      print_message("%s does not list %s of %s\n", LIBRARY, name, std_name(i));
      missing++;
    }
  }
  free(page);
  assert_int_equal(missing, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_block_is_what_it_says),
      cmocka_unit_test(the_table_of_the_library_is_complete),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
