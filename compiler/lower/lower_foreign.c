/* SPDX-License-Identifier: MIT */
/* Calls in the manner of other languages: sum(x, dim=-1), x.sum(1), nn.Linear(x, 8). None means
 * anything here; the hint says the same with indices, for the tensor at hand. */
#include <ctype.h>
#include <string.h>

#include "compiler/lower/lower.h"
#include "compiler/lower/scope.h"
#include "compiler/lower/value.h"

enum { E_ARGUMENTS = 310, E_NO_FUNCTION = 312 };

static bool is_axis_word(const char *name) {
  return name && (!strcmp(name, "dim") || !strcmp(name, "axis"));
}

/* A whole number as it is written, -1 too. */
static bool written_integer(const AExpr *e, int64_t *out) {
  bool negative = e->kind == A_UNARY && e->op == OP_NEG;
  if (negative) e = e->a;
  if (e->kind != A_NUM || !e->is_int) return false;
  *out = negative ? -e->inum : e->inum;
  return true;
}

/* The axis that the call numbers, of `rank`; -1: none. */
static int numbered_axis(const AExpr *call, int first, int rank) {
  for (int i = first; i < call->args.n; i++) {
    int64_t k;
    if (i > first && !is_axis_word(call->args.at[i].name)) continue;
    if (!written_integer(call->args.at[i].value, &k)) continue;
    if (k < 0) k += rank;
    if (k >= 0 && k < rank) return (int)k;
  }
  return -1;
}

/* Index names for the axes of a tensor: a dim's in lower case where that is free. */
static void letters(Lowering *l, Scope *s, const Value *v, const char **out) {
  static const char *const others[IR_MAX_RANK] = {"i", "j", "k", "m", "n", "p", "q", "r"};
  for (int k = 0; k < v->rank; k++) {
    const char *id = v->axis[k].id;
    out[k] = others[k];
    if (!id) continue;
    char *low = arena_strdup(l->arena, id);
    for (char *c = low; *c; c++) *c = (char)tolower((unsigned char)*c);
    const char *name = intern(l->names, low);
    const Binding *b = scope_find(s, name);
    bool taken = b && !b->pattern;
    for (int i = 0; i < k; i++) taken = taken || !strcmp(out[i], name);
    if (!taken) out[k] = name;
  }
}

static void put_indices(StrBuf *b, const char *const *names, int n, int without) {
  bool any = false;
  for (int k = 0; k < n; k++) {
    if (k == without) continue;
    sb_printf(b, "%s%s", any ? "," : "[", names[k]);
    any = true;
  }
  if (any) sb_putc(b, ']');
}

void hint_reducer(Lowering *l, Scope *s, Diag *x, const char *reducer, const AExpr *call) {
  bool method = call->a->kind == A_MEMBER;
  const AExpr *of = method ? call->a->a : call->args.n ? call->args.at[0].value : NULL;
  const Binding *b = of && of->kind == A_NAME ? scope_find(s, of->name) : NULL;
  const Value *v = b ? b->value : NULL;
  if (!v || v->kind != V_TENSOR || v->rank == 0) return;
  bool keeps = !strcmp(reducer, "softmax");
  bool one = keeps || !strncmp(reducer, "arg", 3) || !strcmp(reducer, "categorical") ||
             !strcmp(reducer, "logsumexp");
  int axis = numbered_axis(call, method ? 0 : 1, v->rank);
  if (axis < 0 && one) axis = v->rank - 1;
  const char *names[IR_MAX_RANK];
  letters(l, s, v, names);
  StrBuf t = {0};
  sb_puts(&t, "y");
  if (axis >= 0) put_indices(&t, names, v->rank, keeps ? -1 : axis);
  sb_printf(&t, " = %s", reducer);
  put_indices(&t, axis < 0 ? names : names + axis, axis < 0 ? v->rank : 1, -1);
  sb_printf(&t, "(%s", of->name);
  put_indices(&t, names, v->rank, -1);
  diag_hint(l->d, x, "axes have names, not numbers: %s)", t.s);
  sb_free(&t);
}

bool arguments_unnamed(Lowering *l, Scope *s, const AExpr *call) {
  for (int i = 0; i < call->args.n; i++) {
    const AArg *a = &call->args.at[i];
    if (!a->name) continue;
    const char *name = call->a->name;
    Diag *x = lower_error(l, E_ARGUMENTS, a->span, "the arguments of '%s' have no names", name);
    diag_hint(l->d, x, "they stand in order, without names");
    if (is_reducer(name) && is_axis_word(a->name)) hint_reducer(l, s, x, name, call);
    return false;
  }
  return true;
}

Value *call_of_member(Lowering *l, Scope *s, const AExpr *call) {
  Diag *x = lower_error(l, E_NO_FUNCTION, call->a->span, "only a name can be called");
  const char *name = call->a->kind == A_MEMBER ? call->a->name : NULL;
  if (!name || diag_hint_idiom(l->d, x, name)) return v_poison(l);
  if (find_fn(l, s, name) || prim_find_callable(name, &(Prim){0}))
    diag_hint(l->d, x, "'%s' is a function: %s(...)", name, name);
  if (is_reducer(name)) hint_reducer(l, s, x, name, call);
  return v_poison(l);
}
