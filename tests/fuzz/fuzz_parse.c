/* SPDX-License-Identifier: MIT */
/* The parser against broken text. Whatever the bytes: every error has a place inside the file,
 * and an accepted file is formatted to text that is accepted, says the same and stays as it is
 * when formatted again. */
#include <setjmp.h>
#include <string.h>

#include "dsl/ast.h"
#include "tests/fuzz/fuzz.h"

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
  sb_puts(formatted, "");
  sb_puts(dump, "");
  *accepted = diags_errors(d) == 0;
  bool fine = fuzz_places(d);
  arena_free(a);
  return fine;
}

static Verdict run(const char *text, size_t n, bool whole) {
  (void)whole;
  StrBuf first = {0}, second = {0}, dump = {0}, dump_again = {0};
  bool accepted, accepted_again, fine = parse_text(text, n, &first, &dump, &accepted);
  if (fine && accepted) {
    fine = parse_text(first.s, first.n, &second, &dump_again, &accepted_again);
    if (fine && !accepted_again) fine = fuzz_broken("the formatted text is not accepted", NULL);
    if (fine && strcmp(dump.s, dump_again.s))
      fine = fuzz_broken("formatting changed the meaning", NULL);
    if (fine && strcmp(first.s, second.s)) {
      fprintf(stderr, "--- once\n%s--- twice\n%s", first.s, second.s);
      fine = fuzz_broken("formatting twice differs from once", NULL);
    }
  }
  sb_free(&first);
  sb_free(&second);
  sb_free(&dump);
  sb_free(&dump_again);
  return !fine ? BROKEN : accepted ? ACCEPTED : REJECTED;
}

static void make(Random *r, const Seeds *seeds, StrBuf *out) {
  static const char *const words[] = {
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
      "exact",
      "bound",
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
  mutate_text(r, seeds, words, sizeof words / sizeof *words, out);
}

const Fuzzer fuzzer = {"parse", ".td", make, run, false};
