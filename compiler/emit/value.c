/* SPDX-License-Identifier: MIT */
/* Scalar expressions as text, for every kind of kernel and dialect. An expression is written
 * at the outermost level of the loop nest where all it needs is known: what a
 * loop does not change stands before it. A value used twice, or at a deeper
 * level than its own, gets a name; everything else is written in place.
 *
 * Both arms of a select are evaluated, so that loops vectorise; a read whose
 * index is not proved to be in bounds becomes a conditional load instead.
 * Integers are computed in 32 bits where intervals prove that they fit. */
#include "compiler/emit/cell.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Beyond it a value gets a line of its own. A word counts as so many letters where kernels that
 * differ in names and numbers are one: how long these are must not make them two. */
enum { LONG_TEXT = 90, WORD = 6 };

static bool is_long(const Emit *em, const char *text) {
  size_t length = 0;
  bool word = false;
  if (!em->dialect->numbers) return strlen(text) > LONG_TEXT;
  for (; *text; text++) {
    const bool in_word = isalnum((unsigned char)*text) || *text == '_' || *text == '.';
    if (!numbers_mark(*text)) length += !in_word ? 1 : word ? 0 : WORD;
    word = in_word;
  }
  return length > LONG_TEXT;
}

/* ---- one expression ------------------------------------------------------------- */

static const char *value_type(const Emit *em, Type t, bool wide) {
  return wide ? em->dialect->wide : em->dialect->value[t];
}

/* As an integer of 64 bits. */
static const char *widened(const Emit *em, const char *text) {
  return arena_printf(em->arena, "(%s)%s", em->dialect->wide, text);
}

/* As an integer of 32 bits. */
static const char *shortened(const Emit *em, const char *text) {
  return arena_printf(em->arena, "(%s)%s", em->dialect->value[TY_INT], text);
}

static bool fits32(Emit *em, const Expr *e) {
  int64_t lo, hi;
  if (e->kind == E_READ || (e->kind == E_PRIM && e->prim == P_int)) {
    if (e->kind == E_READ && e->node == em->g->step)
      return e->node->lo >= INT32_MIN && e->node->hi <= INT32_MAX;
    return true;
  }
  return ex_interval(em->g, e, em->extent, em->nvars, &lo, &hi) && lo >= INT32_MIN &&
         hi <= INT32_MAX;
}

/* A draw whose counter is `base` + the iteration of the vector loop; *base, or NULL. */
static Expr *run_base(Emit *em, Expr *e) {
  const EmitRun *run = &em->run;
  if (run->nvars == 0 || !em->dialect->draw_run || e->kind != E_PRIM || !prim_draws(e->prim))
    return NULL;
  if (e->nargs > 2 && e->args[2]->kind != E_INT) return NULL; /* one for the whole run */
  Expr *counter = e->args[1], *zero[IR_MAX_VARS] = {0};
  Linear lin;
  linear_init(&lin);
  if (!linear_add(&lin, counter, 1)) return NULL;
  for (int k = 0; k < run->nvars; k++) {
    int64_t coef = 0;
    for (int i = 0; i < lin.n; i++)
      if (lin.term[i].atom->kind == E_VAR && lin.term[i].atom->inum == run->var[k])
        coef = lin.term[i].coef;
    if (coef != run->stride[k]) return NULL;
    zero[run->var[k]] = ex_int(em->g, 0);
  }
  Expr *base = ex_subst(em->g, counter, zero, IR_MAX_VARS);
  for (int i = 0; i < lin.n; i++) /* other places of the variables would still name them */
    if (lin.term[i].atom->kind != E_VAR && lin.term[i].atom->vars)
      for (int k = 0; k < run->nvars; k++)
        if (lin.term[i].atom->vars >> run->var[k] & 1) return NULL;
  for (int v = 0; v < em->nvars; v++)
    if (base->vars >> v & 1 && em->var_level[v] > run->level) return NULL;
  return base;
}

static const char *print_run(Emit *em, Expr *e) {
  const EmitRun *run = &em->run;
  Expr *base = run_base(em, e);
  const char *site = emit_given(em, e->args[0], emit_value(em, e->args[0], run->level)),
             *at = emit_value(em, base, run->level);
  const char *name = emit_name(em, prim_info(e->prim)->name);
  StrBuf *out = &em->level[run->level].text;
  em->uses_control = true;
  const char *rest =
      e->nargs > 2 ? arena_printf(em->arena, ", %s", emit_value(em, e->args[2], run->level)) : "";
  const char *first =
      arena_printf(em->arena, "%s%s%s", at, run->start ? " + " : "", run->start ? run->start : "");
  const Dialect *d = em->dialect;
  sb_puts(out, dialect_spell(d, em->arena, d->draw_array,
                             (const char *[]){name, run->room, value_type(em, e->type, false)}));
  sb_puts(out, dialect_spell(d, em->arena, d->draw_run,
                             (const char *[]){name, prim_info(e->prim)->name, site, first,
                                              run->count, rest}));
  return arena_printf(em->arena, "%s[%s]", name, run->index);
}

static void need(Walk *k, Expr *e) {
  Cell *c = cell_of(k, e);
  c->needed = true;
  c->uses++;
}

/* What the text of e is made of: its arguments; a read: the atoms of its
 * position, and the indices it checks. */
static void need_parts(Walk *k, Expr *e, Cell *c) {
  if (e->kind != E_READ) {
    for (int i = 0; i < e->nargs; i++) need(k, e->args[i]);
    return;
  }
  if (read_is_step(k->em, e)) return;
  for (int d = 0; d < e->nargs; d++)
    if (read_uses_index(c, d)) need(k, e->args[d]);
  if (c->linear)
    for (int i = 0; i < c->linear->n; i++) need(k, c->linear->term[i].atom);
}

static int max_int(int a, int b) { return a > b ? a : b; }

static int level_of_parts(Walk *k, Expr *e, Cell *c) {
  int level = 0;
  if (e->kind != E_READ) {
    for (int i = 0; i < e->nargs; i++) level = max_int(level, cell_of(k, e->args[i])->level);
    return level;
  }
  for (int d = 0; d < e->nargs; d++)
    if (read_uses_index(c, d)) level = max_int(level, cell_of(k, e->args[d])->level);
  if (c->linear)
    for (int i = 0; i < c->linear->n; i++)
      level = max_int(level, cell_of(k, c->linear->term[i].atom)->level);
  if (emit_computes(k->em, e->node)) level = max_int(level, k->em->row_level);
  return level;
}

static const char *print_real(Emit *em, double x) {
  const Dialect *d = em->dialect;
  float f = (float)x;
  if (isnan(x)) return d->nan;
  if (isinf(f)) return arena_printf(em->arena, f > 0 ? "%s" : "(-%s)", d->infinity);
  char buf[32];
  fmt_double(buf, x);
  bool point = strpbrk(buf, ".e") != NULL;
  bool negative = signbit(x);
  return arena_printf(em->arena, negative ? "(%s%s%s)" : "%s%s%s", buf, point ? "" : ".0",
                      d->suffix);
}

static const char *print_int(Emit *em, int64_t x) {
  if (x == INT64_MIN) return em->dialect->wide_least;
  if (x > INT32_MAX || x < -INT32_MAX)
    return widened(em, arena_printf(em->arena, "%lldLL", (long long)x));
  return arena_printf(em->arena, x < 0 ? "(%lld)" : "%lld", (long long)x);
}

/* Divided by a power of two is multiplied by another, exactly, and much faster. */
static bool exact_inverse(const Expr *e) {
  int exponent;
  return e->kind == E_NUM && isnormal(e->num) && fabs(frexp(e->num, &exponent)) == 0.5 &&
         abs(exponent) < 120;
}

/* 1 + erf(x), as in gelu and in normal distributions, is one function that does
 * not cancel where x < 0, and shorter: the text of x, or NULL. */
static const char *one_plus_erf(Walk *k, const Expr *e) {
  if (e->prim != P_add || e->type != TY_REAL) return NULL;
  for (int i = 0; i < 2; i++) {
    const Expr *one = e->args[i], *erf = e->args[!i];
    if (one->kind != E_NUM || one->num != 1 || erf->kind != E_PRIM || erf->prim != P_erf) continue;
    const Cell *c = cell_of(k, erf);
    if (c->uses == 1 && !c->named) return cell_of(k, erf->args[0])->text;
  }
  return NULL;
}

/* exp(-(x * x)), as the derivatives of erf and gelu have it. */
static bool is_gauss(const Expr *e) {
  if (!ex_is_prim(e, P_exp) || !ex_is_prim(e->args[0], P_neg)) return false;
  const Expr *square = e->args[0]->args[0];
  return ex_is_prim(square, P_mul) && square->args[0] == square->args[1];
}

static void look_for_gauss(Expr *e, void *ctx) {
  Emit *em = ctx;
  em->has_gauss = em->has_gauss || is_gauss(e);
}

/* Has the kernel one? Then 1 + erf(x) is made of it: they are of the same x where gelu is computed
 * beside its derivative. */
static bool has_gauss(Emit *em) {
  for (int i = 0; !em->looked_for_gauss && em->group && i < em->group->members.n; i++) {
    const Node *n = em->group->members.at[i].node;
    if (n->body) ex_visit(em->g, n->body, look_for_gauss, em);
  }
  em->looked_for_gauss = true;
  return em->has_gauss;
}

static const char *print_one_plus_erf(Emit *em, const char *x) {
  const Dialect *d = em->dialect;
  const bool beside = d->one_plus_erf_beside && has_gauss(em);
  return dialect_spell(d, em->arena, beside ? d->one_plus_erf_beside : d->one_plus_erf, &x);
}

/* The text of x, or NULL. */
static const char *gauss(Walk *k, const Expr *e) {
  if (!k->em->dialect->gauss || !is_gauss(e)) return NULL;
  const Expr *square = e->args[0]->args[0];
  const Cell *minus = cell_of(k, e->args[0]), *c = cell_of(k, square);
  if (minus->named || c->named) return NULL;
  return cell_of(k, square->args[0])->text;
}

/* An arm of a select that is not taken may leave 64 bits: there a pass put the body of
 * another node, past that node's own extents. In C that is undefined, and a compiler may
 * conclude that the condition always holds; unsigned arithmetic wraps. NULL: cannot wrap. */
static const char *print_wrapping(Emit *em, const Expr *e, const char *const *arg) {
  const char *u = em->dialect->unsigned_wide, *sign;
  int64_t lo, hi;
  if (e->type != TY_INT || ex_interval(em->g, e, em->extent, em->nvars, &lo, &hi)) return NULL;
  if (e->prim == P_neg)
    return arena_printf(em->arena, "(%s)(0 - (%s)%s)", em->dialect->wide, u, arg[0]);
  sign = e->prim == P_add ? "+" : e->prim == P_sub ? "-" : e->prim == P_mul ? "*" : NULL;
  if (!sign) return NULL;
  return arena_printf(em->arena, "(%s)((%s)%s %s (%s)%s)", em->dialect->wide, u, arg[0], sign, u,
                      arg[1]);
}

/* May the launch give argument i where it is a number? Of functions that are written out a
 * compiler knows more when it knows the number. */
static bool may_be_given(const Expr *e, int i) {
  static const bool arithmetic[PRIM_COUNT] = {
      [P_add] = true, [P_sub] = true, [P_mul] = true, [P_div] = true,    [P_min] = true,
      [P_max] = true, [P_lt] = true,  [P_le] = true,  [P_select] = true,
  };
  if (prim_draws(e->prim)) return i == 0;
  return arithmetic[e->prim] && e->args[i]->kind == E_NUM;
}

static const char *print_prim(Walk *k, Expr *e, Cell *c) {
  Emit *em = k->em;
  const Dialect *d = em->dialect;
  const PrimInfo *info = prim_info(e->prim);
  const char *arg[3] = {"", "", ""};
  bool wide = e->type == TY_INT && c->wide, ints = e->type == TY_INT;
  for (int i = 0; i < e->nargs; i++)
    if (e->args[i]->type == TY_INT) {
      ints = true;
      wide = wide || cell_of(k, e->args[i])->wide;
    }
  for (int i = 0; i < e->nargs; i++) {
    const Cell *a = cell_of(k, e->args[i]);
    arg[i] = e->args[i]->type == TY_INT && wide && !a->wide ? widened(em, a->text) : a->text;
    if (may_be_given(e, i) && !a->named) arg[i] = emit_given(em, e->args[i], arg[i]);
  }
  if (prim_draws(e->prim)) em->uses_control = true;
  const char *text;
  bool result_int = e->type == TY_INT, whole = ints && e->args[0]->type == TY_INT;
  int64_t lo, hi;
  if (whole && (e->prim == P_div || e->prim == P_mod) && e->args[1]->kind == E_INT &&
      e->args[1]->inum > 0 && ex_interval(em->g, e->args[0], em->extent, em->nvars, &lo, &hi) &&
      lo >= 0)
    text = arena_printf(em->arena, "(%s %c %s)", arg[0], e->prim == P_div ? '/' : '%', arg[1]);
  else if (whole && (e->prim == P_div || e->prim == P_mod || e->prim == P_min || e->prim == P_max))
    text = arena_printf(em->arena, "%si%s(%s, %s)", d->prefix, info->name, arg[0], arg[1]);
  else if (e->type == TY_REAL && e->prim == P_div && exact_inverse(e->args[1]))
    text = arena_printf(em->arena, "(%s * %s)", arg[0], print_real(em, 1 / e->args[1]->num));
  else if ((text = one_plus_erf(k, e)) != NULL)
    text = print_one_plus_erf(em, text);
  else if ((text = gauss(k, e)) != NULL)
    text = dialect_spell(d, em->arena, d->gauss, &text);
  else if (e->prim == P_and && !e->args[0]->reads && !e->args[1]->reads)
    text = arena_printf(em->arena, "(%s && %s)", arg[0], arg[1]); /* gcc 12 leaves loops with &, of
                                                                     two widths, as they are */
  else if (whole && e->prim == P_abs)
    text = arena_printf(em->arena, "%si%s(%s)", d->prefix, info->name, arg[0]);
  else if ((text = print_wrapping(em, e, arg)) == NULL)
    text = dialect_spell(d, em->arena, info->spelling, arg);
  if (result_int && wide && !c->wide) text = shortened(em, text);
  if (result_int && c->wide && e->prim == P_int) text = widened(em, text);
  return text;
}

static const char *print_leaf(Walk *k, Expr *e, Cell *c) {
  Emit *em = k->em;
  switch (e->kind) {
  case E_NUM: return print_real(em, e->num);
  case E_INT: return print_int(em, e->inum);
  case E_BOOL: return e->inum ? "1" : "0";
  case E_VAR: {
    const char *var = emit_var(em, (int)e->inum);
    if (c->wide) return em->short_vars ? widened(em, var) : var;
    return em->short_vars ? var : shortened(em, var);
  }
  case E_LOOPVAR: {
    int slot = plan_depth(e->loop->node->region);
    em->uses_counters |= 1u << slot;
    const char *counter = arena_printf(em->arena, "ix%d", slot);
    return c->wide ? counter : shortened(em, counter);
  }
  case E_READ:
  case E_PRIM: break;
  }
  bug("not a leaf");
}

static bool is_leaf(const Expr *e) { return e->kind != E_READ && e->kind != E_PRIM; }

static void mark_needed(Walk *k, Expr *root) {
  need(k, root);
  for (int i = k->w->n - 1; i >= 0; i--) {
    Expr *e = k->w->order[i];
    Cell *c = &k->cell[i];
    if (!c->needed || emit_remembered(k->em, e)) continue;
    if (e->kind == E_READ && !read_is_step(k->em, e)) read_plan(k->em, e, c);
    if (e->type == TY_INT) c->wide = !fits32(k->em, e);
    c->run = run_base(k->em, e) != NULL;
    if (!c->run) need_parts(k, e, c);
  }
}

static void find_levels(Walk *k, Expr *root) {
  Emit *em = k->em;
  for (int i = 0; i < k->w->n; i++) {
    Expr *e = k->w->order[i];
    Cell *c = &k->cell[i];
    if (!c->needed) continue;
    const EmitMemo *m = emit_remembered(em, e);
    if (m) {
      c->level = m->level;
      c->text = m->name;
      c->named = true;
      if (e->type == TY_INT) c->wide = !fits32(em, e);
    } else if (e->kind == E_VAR) {
      c->level = em->var_level[e->inum];
    } else if (c->run) {
      c->level = max_int(em->run.level + 1, em->var_level[em->run.var[em->run.nvars - 1]]);
    } else if (!is_leaf(e)) {
      c->level = level_of_parts(k, e, c);
    }
  }
  for (int i = k->w->n - 1; i >= 0;
       i--) { /* a part at an outer level than its user gets a name there */
    Expr *e = k->w->order[i];
    Cell *c = &k->cell[i];
    if (!c->needed || c->text || c->run) continue;
    for (int a = 0; a < e->nargs && e->kind != E_READ; a++) {
      Cell *part = cell_of(k, e->args[a]);
      part->used_deeper = part->used_deeper || part->level < c->level;
    }
    if (e->kind == E_READ) {
      for (int d = 0; d < e->nargs; d++)
        if (cell_of(k, e->args[d])->level < c->level) cell_of(k, e->args[d])->used_deeper = true;
      for (int t = 0; c->linear && t < c->linear->n; t++) {
        Cell *part = cell_of(k, c->linear->term[t].atom);
        part->used_deeper = part->used_deeper || part->level < c->level;
      }
    }
  }
  Cell *top = cell_of(k, root);
  top->used_deeper = top->used_deeper || top->level < k->level;
}

const char *emit_value(Emit *em, Expr *root, int level) {
  const EmitMemo *known = emit_remembered(em, root);
  if (known) return known->name;
  ExprWalk *w = walk_take(em->g, root);
  Walk k = {em, w, walk_values(em->g, w, sizeof(Cell)), level};
  mark_needed(&k, root);
  find_levels(&k, root);
  for (int i = 0; i < w->n; i++) {
    Expr *e = w->order[i];
    Cell *c = &k.cell[i];
    if (!c->needed || c->text) continue;
    if (is_leaf(e)) {
      c->text = print_leaf(&k, e, c);
      continue;
    }
    c->text = e->kind == E_READ ? read_print(&k, e, c)
              : c->run          ? print_run(em, e)
                                : print_prim(&k, e, c);
    if (c->used_deeper || c->uses > 1 || is_long(em, c->text)) {
      const char *name = arena_printf(em->arena, "t%d", em->next_name++);
      sb_printf(&em->level[c->level].text, "const %s %s = %s;\n", value_type(em, e->type, c->wide),
                name, c->text);
      emit_define(em, e, c->level, name);
      c->text = name;
      c->named = true;
    }
  }
  const char *text = cell_of(&k, root)->text;
  walk_give(em->g, w);
  return text;
}
