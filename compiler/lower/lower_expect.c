/* SPDX-License-Identifier: MIT */
/* Warnings that the author of a file knows of and has answered: `expect W0901 "reason"` before
 * a statement or a declaration. They are not shown. One that does not come is a warning itself,
 * so that an answer does not outlive its question. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/lower/lower.h"

enum { W_NOT_COME = 908 };

/* W0901 is 901; 0: no warning has that name. */
static int warning_of(const char *code) {
  int digits = 0;
  while (digits < 4 && isdigit((unsigned char)code[1 + digits])) digits++;
  if (code[0] != 'W' || digits != 4 || code[5] != '\0') return 0;
  int number = atoi(code + 1);
  return diag_title(number, true) ? number : 0;
}

typedef void Visit(Lowering *l, const AExpect *e, Span where, bool whole);

static void visit_all(Lowering *l, const AExpects *list, Span where, bool whole, Visit *visit) {
  for (int i = 0; i < list->n; i++) visit(l, &list->at[i], where, whole);
}

static void in_body(Lowering *l, const AStmts *body, bool whole, Visit *visit) {
  for (int i = 0; i < body->n; i++) {
    const AStmt *st = body->at[i];
    in_body(l, &st->body, whole, visit); /* the nearest one takes a warning */
    visit_all(l, &st->expects, st->span, whole, visit);
  }
}

static void in_file(Lowering *l, const AFile *f, bool whole, Visit *visit) {
  for (int i = 0; i < f->decls.n; i++) {
    const ADecl *d = f->decls.at[i];
    in_body(l, &d->body, whole, visit);
    in_body(l, &d->grad.body, whole, visit);
    visit_all(l, &d->expects, d->span, whole, visit);
  }
}

static void check(Lowering *l, const AExpect *e, Span where, bool whole) {
  (void)where, (void)whole;
  if (warning_of(e->code)) return;
  Diag *x = lower_error(l, 426, e->code_span, "'%.40s' is no warning", e->code);
  if (e->code[0] == 'E')
    diag_hint(l->d, x, "an error is to be mended; warnings are W0901 and so on");
  else
    diag_hint(l->d, x, "`tdc explain` lists them: W0901 and so on");
}

static void settle(Lowering *l, const AExpect *e, Span where, bool whole) {
  int code = warning_of(e->code);
  if (!code || diags_withdraw(l->d, code, where) > 0 || !whole) return;
  Diag *x = lower_warn(l, W_NOT_COME, e->span, "%s is expected, and does not come", e->code);
  diag_hint(l->d, x, "nothing here needs that answer any more: the line can go");
}

void check_expected(Lowering *l, const AFile *f) { in_file(l, f, false, check); }

void settle_expected(Lowering *l, int file, bool whole) {
  for (int i = 0; i < l->files.n; i++) {
    const AFile *f = l->files.at[i];
    in_file(l, f, whole && f->file == file, settle);
  }
}
