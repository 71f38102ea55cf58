/* SPDX-License-Identifier: MIT */
/* Reads: positions in buffers and arrays, checks of indices. */
#include "compiler/emit/cell.h"

#include <math.h>
#include <string.h>

void emit_scaled(StrBuf *out, int64_t coef, const char *text) {
  if (coef == 1)
    sb_puts(out, text);
  else
    sb_printf(out, "%lld * %s", (long long)coef, text);
}

bool read_is_step(const Emit *em, const Expr *e) { return e->node == em->g->step; }

void read_plan(Emit *em, Expr *e, Cell *cell) {
  Node *n = e->node;
  const EmitLocal *local = emit_local(em, n);
  if (local)
    memcpy(cell->stride, local->stride, sizeof cell->stride);
  else
    plan_strides(em->plan, n, cell->stride);
  Linear *lin = NEW(em->arena, Linear);
  linear_init(lin);
  bool ok = true;
  for (int d = 0; d < n->rank; d++) {
    int64_t lo, hi;
    bool proved =
        em->in_bounds || (ex_interval(em->g, e->args[d], em->extent, em->nvars, &lo, &hi) &&
                          lo >= 0 && hi < n->shape[d]);
    cell->checked[d] = !proved;
    cell->unsafe = cell->unsafe || !proved;
    ok = ok && (cell->stride[d] == 0 || linear_add(lin, e->args[d], cell->stride[d]));
  }
  cell->linear = ok ? lin : NULL;
}

bool read_uses_index(const Cell *c, int d) {
  return c->checked[d] || (!c->linear && c->stride[d] != 0);
}

bool read_fits_short(Emit *em, const Linear *s) {
  double most = fabs((double)s->constant);
  for (int i = 0; i < s->n; i++) {
    int64_t lo, hi;
    if (!ex_interval(em->g, s->term[i].atom, em->extent, em->nvars, &lo, &hi)) return false;
    most += fabs((double)s->term[i].coef) * fmax(fabs((double)lo), fabs((double)hi));
  }
  return most < 0x1p31;
}

/* The flat position as a sum of atoms. */
static void print_linear(const Walk *k, StrBuf *b, const Linear *s) {
  Emit *em = k->em;
  bool narrow = em->short_vars && read_fits_short(em, s);
  const char *sep = "";
  for (int i = 0; i < s->n; i++) {
    const LinearTerm *t = &s->term[i];
    const Cell *atom = cell_of(k, t->atom);
    sb_puts(b, t->coef < 0 && *sep ? " - " : t->coef < 0 ? "-" : sep);
    const char *text = atom->text;
    if (t->atom->kind == E_VAR && (narrow || !em->short_vars))
      text = emit_var(em, (int)t->atom->inum);
    else if (!atom->wide && !narrow)
      text = arena_printf(em->arena, "(%s)%s", em->dialect->wide, text);
    emit_scaled(b, t->coef < 0 ? -t->coef : t->coef, text);
    sep = " + ";
  }
  if (s->constant != 0 || s->n == 0)
    sb_printf(b, "%s%lld", s->constant < 0 && *sep ? " - " : sep,
              (long long)(*sep && s->constant < 0 ? -s->constant : s->constant));
}

/* The same where that sum is none, index by index. */
static void print_indices(const Walk *k, StrBuf *b, const Expr *e, const Cell *c) {
  Emit *em = k->em;
  const char *sep = "";
  for (int d = 0; d < e->nargs; d++) {
    if (c->stride[d] == 0) continue;
    sb_puts(b, sep);
    emit_scaled(b, c->stride[d],
                arena_printf(em->arena, "(%s)%s", em->dialect->wide, cell_of(k, e->args[d])->text));
    sep = " + ";
  }
  if (!*sep) sb_putc(b, '0');
}

/* 0 <= index < extent for those that are not proved, in one comparison each. */
static void print_checks(const Walk *k, StrBuf *b, const Expr *e, const Cell *c) {
  const Dialect *d = k->em->dialect;
  const char *sep = "";
  for (int i = 0; i < e->nargs; i++) {
    if (!c->checked[i]) continue;
    sb_printf(b, "%s(%s)(%s)%s < %lldu", sep, d->unsigned_wide, d->wide,
              cell_of(k, e->args[i])->text, (long long)e->node->shape[i]);
    sep = " && ";
  }
}

const char *read_print(const Walk *k, Expr *e, const Cell *c) {
  Emit *em = k->em;
  Node *n = e->node;
  if (read_is_step(em, e)) {
    em->uses_control = true;
    return c->wide ? "ctl->step"
                   : arena_printf(em->arena, "(%s)ctl->step", em->dialect->value[TY_INT]);
  }
  EmitLocal *local = emit_local(em, n);
  if (local) local->used = true;
  StrBuf b = {0};
  sb_printf(&b, "%s[", local ? local->name : emit_pointer(em, n, false));
  if (c->linear)
    print_linear(k, &b, c->linear);
  else
    print_indices(k, &b, e, c);
  sb_putc(&b, ']');
  const char *text = arena_strndup(em->arena, b.s, b.n);
  if (!local && plan_type(em->plan, n) == TD_BF16)
    text = dialect_spell(em->dialect, em->arena, em->dialect->widen, &text);
  if (n->type == TY_BOOL) text = arena_printf(em->arena, c->unsafe ? "%s != 0" : "(%s != 0)", text);
  if (c->unsafe) {
    b.n = 0;
    print_checks(k, &b, e, c);
    text = arena_printf(em->arena, "(%s ? %s : %s)", b.s, text, n->type == TY_REAL ? "0.0f" : "0");
  }
  sb_free(&b);
  return text;
}
