/* SPDX-License-Identifier: MIT */
/* Scalar expressions as C, for every kind of kernel. An expression is written
 * at the outermost level of the loop nest where all it needs is known: what a
 * loop does not change stands before it. A value used twice, or at a deeper
 * level than its own, gets a name; everything else is written in place.
 *
 * Both arms of a select are evaluated, so that loops vectorise; a read whose
 * index is not proved to be in bounds becomes a conditional load instead.
 * Integers are computed in 32 bits where intervals prove that they fit. */
#include "compiler/ir/linear.h"
#include "compiler/ir/walk.h"
#include "compiler/emit/emit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LONG_TEXT = 90 }; /* beyond it a value gets a line of its own */

/* ---- names ------------------------------------------------------------------ */

/* Identifiers end in _NUMBER, unique in the function, so that no user's name
 * can be a keyword, a macro or another one of ours. */
/* Of a long name the last components tell most: a.b.c.d becomes c_d if no more
 * fits into `most` characters. A gradient keeps its d. in front. */
const char *emit_stem(Arena *a, const char *name, size_t most) {
  const char *from = name;
  bool gradient = name[0] == 'd' && name[1] == '.';
  size_t room = most - (gradient ? 2 : 0);
  if (gradient) from += 2;
  while (strlen(from) > room && strchr(from, '.') != NULL) from = strchr(from, '.') + 1;
  char clean[64];
  size_t n = 0;
  for (; *from && n < room && n < sizeof clean - 1; from++) {
    char c = *from;
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                 (c >= '0' && c <= '9' && (n > 0 || gradient));
    if (plain)
      clean[n++] = c;
    else if (n > 0 && clean[n - 1] != '_')
      clean[n++] = '_';
  }
  while (n > 0 && clean[n - 1] == '_') n--;
  if (n == 0) clean[n++] = 'v';
  return arena_printf(a, "%s%.*s", gradient ? "d_" : "", (int)n, clean);
}

const char *emit_name(Emit *em, const char *stem) {
  return arena_printf(em->arena, "%s_%d", emit_stem(em->arena, stem, 24), em->next_name++);
}

const char *emit_ctype(Type t) {
  return t == TY_REAL ? "float" : t == TY_INT ? "int32_t" : "uint8_t";
}

static const char *value_ctype(Type t, bool wide) {
  return t == TY_REAL ? "float" : t == TY_INT ? (wide ? "int64_t" : "int32_t") : "_Bool";
}

const char *emit_zero(Reducer r, Type t) {
  bool real = t == TY_REAL;
  switch (r) {
  case RED_NONE:
  case RED_SUM:
  case RED_ARGMAX: return real ? "0.0f" : "0";
  case RED_PROD: return real ? "1.0f" : "1";
  case RED_MAX: return real ? "-INFINITY" : t == TY_BOOL ? "0" : "INT32_MIN";
  case RED_MIN: return real ? "INFINITY" : t == TY_BOOL ? "1" : "INT32_MAX";
  }
  return "0";
}

/* ---- levels ------------------------------------------------------------------ */

void emit_begin(Emit *em, Plan *p, Group *group) {
  memset(em, 0, sizeof *em);
  em->plan = p;
  em->g = p->g;
  em->arena = p->arena;
  em->group = group;
  for (int i = 0; i < EMIT_LEVELS; i++) emit_open(em, i);
}

void emit_open(Emit *em, int level) {
  if (level >= EMIT_LEVELS) bug("loops nested too deep in a kernel");
  em->level[level].text.n = 0;
  if (em->level[level].text.s) em->level[level].text.s[0] = 0;
  em->level[level].serial = ++em->serials;
}

void emit_end(Emit *em) {
  for (int i = 0; i < EMIT_LEVELS; i++) sb_free(&em->level[i].text);
}

static EmitMemo *memo_of(Emit *em, const Expr *e) {
  if (e->id >= em->memo_cap) {
    int cap = em->g->nexprs + em->g->nexprs / 4 + 64;
    em->memo = arena_grow(em->arena, em->memo, (size_t)em->memo_cap * sizeof *em->memo,
                          (size_t)cap * sizeof *em->memo);
    memset(em->memo + em->memo_cap, 0, (size_t)(cap - em->memo_cap) * sizeof *em->memo);
    em->memo_cap = cap;
  }
  return &em->memo[e->id];
}

static const EmitMemo *remembered(Emit *em, const Expr *e) {
  const EmitMemo *m = memo_of(em, e);
  return m->name && em->level[m->level].serial == m->serial ? m : NULL;
}

void emit_define(Emit *em, Expr *e, int level, const char *name) {
  *memo_of(em, e) = (EmitMemo){em->level[level].serial, level, name};
}

/* ---- storage ------------------------------------------------------------------ */

/* The plan says what the launch is given: a buffer that is not among it is a mistake there. */
static int argument(const Emit *em, int buffer, bool writes) {
  const Launch *l = &em->group->launch;
  for (int i = 0; i < l->args.n; i++)
    if (l->args.at[i] == buffer && (l->writes.at[i] || !writes)) return i;
  bug("'%s': buffer %d is not planned to be %s", em->group->members.at[0].node->name, buffer,
      writes ? "written" : "read");
}

const char *emit_pointer(Emit *em, Node *n, bool writes) {
  for (int i = 0; i < em->pointers.n; i++) {
    EmitPointer *at = &em->pointers.at[i];
    if (at->node == n) {
      at->writes = at->writes || writes;
      return at->name;
    }
  }
  NodeInfo *info = plan_info(em->plan, n);
  if (!info->placed) bug("'%s' (node %d) has no storage", n->name, n->id);
  EmitPointer pointer = {n, emit_name(em, n->name), writes, info->group == em->group && em->group};
  vec_push(em->arena, &em->pointers, pointer);
  return pointer.name;
}

const char *emit_buffer(Emit *em, int buffer, const char *type, bool writes) {
  return arena_printf(em->arena, "(%s%s *)call->arg[%d]", writes ? "" : "const ", type,
                      argument(em, buffer, writes));
}

const EmitLocal *emit_local(Emit *em, const Node *n) {
  for (int i = 0; i < em->locals.n; i++)
    if (em->locals.at[i].node == n) return &em->locals.at[i];
  return NULL;
}

static bool computed_here(Emit *em, const Node *n) {
  return em->group && plan_info(em->plan, n)->group == em->group;
}

static void print_scaled(StrBuf *out, int64_t coef, const char *text) {
  if (coef == 1)
    sb_puts(out, text);
  else
    sb_printf(out, "%lld * %s", (long long)coef, text);
}

/* ---- one expression ------------------------------------------------------------- */

typedef struct Cell { /* of one subexpression */
  const char *text;
  int level;
  int uses;
  bool needed, wide, used_deeper;
  bool run;       /* a draw that comes out of an array */
  bool unsafe;    /* a read that needs bounds checks at run time */
  Linear *linear; /* of a read: its flat position */
  int64_t stride[IR_MAX_RANK];
  bool checked[IR_MAX_RANK];
} Cell;

typedef struct Walk {
  Emit *em;
  ExprWalk *w;
  Cell *cell;
  int level;
} Walk;

static Cell *cell_of(Walk *k, const Expr *e) { return &k->cell[walk_slot(k->w, e)]; }

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

/* Reading the entry's step is reading the control block: no buffer. */
static bool is_step(Emit *em, const Expr *e) { return e->node == em->g->step; }

/* Strides and the flat position of a read; which indices must be checked. */
static void plan_read(Emit *em, Expr *e, Cell *cell) {
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

/* A draw whose counter is `base` + the iteration of the vector loop; *base, or NULL. */
static Expr *run_base(Emit *em, Expr *e) {
  const EmitRun *run = &em->run;
  if (run->nvars == 0 || e->kind != E_PRIM || prim_info(e->prim)->sig != SIG_DRAW) return NULL;
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
  const char *site = emit_value(em, e->args[0], run->level), *at = emit_value(em, base, run->level);
  const char *name = emit_name(em, prim_info(e->prim)->name);
  StrBuf *out = &em->level[run->level].text;
  em->uses_control = true;
  em->parts |= PRELUDE_DRAWS;
  sb_printf(out, "float %s[%s + TD_LANES] __attribute__((aligned(64)));\n", name, run->room);
  sb_printf(out, "td_%s_run(%s, ctl, %s, %s%s%s, %s);\n", prim_info(e->prim)->name, name, site, at,
            run->start ? " + " : "", run->start ? run->start : "", run->count);
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
  if (is_step(k->em, e)) return;
  for (int d = 0; d < e->nargs; d++)
    if (!c->linear || c->checked[d]) need(k, e->args[d]);
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
    if (!c->linear || c->checked[d]) level = max_int(level, cell_of(k, e->args[d])->level);
  if (c->linear)
    for (int i = 0; i < c->linear->n; i++)
      level = max_int(level, cell_of(k, c->linear->term[i].atom)->level);
  if (computed_here(k->em, e->node)) level = max_int(level, k->em->row_level);
  return level;
}

static const char *print_read(Walk *k, Expr *e, Cell *c) {
  Emit *em = k->em;
  Node *n = e->node;
  if (is_step(em, e)) {
    em->uses_control = true;
    return c->wide ? "ctl->step" : "(int32_t)ctl->step";
  }
  const EmitLocal *local = emit_local(em, n);
  const char *base = local ? local->name : emit_pointer(em, n, false);
  StrBuf b = {0};
  if (c->unsafe) {
    sb_putc(&b, '(');
    const char *sep = "";
    for (int d = 0; d < n->rank; d++) {
      if (!c->checked[d]) continue;
      sb_printf(&b, "%s(uint64_t)(int64_t)%s < %lldu", sep, cell_of(k, e->args[d])->text,
                (long long)n->shape[d]);
      sep = " && ";
    }
    sb_puts(&b, " ? ");
  }
  bool half = !local && plan_type(em->plan, n) == TD_BF16;
  sb_printf(&b, "%s%s[", half ? "td_wide(" : "", base);
  const char *sep = "";
  if (c->linear) {
    for (int i = 0; i < c->linear->n; i++) {
      const LinearTerm *t = &c->linear->term[i];
      const Cell *atom = cell_of(k, t->atom);
      int64_t coef = t->coef;
      sb_puts(&b, coef < 0 && *sep ? " - " : coef < 0 ? "-" : sep);
      const char *text = atom->text;
      if (t->atom->kind == E_VAR)
        text = em->var[t->atom->inum];
      else if (!atom->wide)
        text = arena_printf(em->arena, "(int64_t)%s", text);
      print_scaled(&b, coef < 0 ? -coef : coef, text);
      sep = " + ";
    }
    if (c->linear->constant != 0 || c->linear->n == 0)
      sb_printf(&b, "%s%lld", c->linear->constant < 0 && *sep ? " - " : sep,
                (long long)(*sep && c->linear->constant < 0 ? -c->linear->constant
                                                            : c->linear->constant));
  } else {
    for (int d = 0; d < n->rank; d++) {
      if (c->stride[d] == 0) continue;
      sb_puts(&b, sep);
      print_scaled(&b, c->stride[d],
                   arena_printf(em->arena, "(int64_t)%s", cell_of(k, e->args[d])->text));
      sep = " + ";
    }
    if (!*sep) sb_putc(&b, '0');
  }
  sb_puts(&b, half ? "])" : "]");
  if (n->type == TY_BOOL) sb_puts(&b, " != 0");
  if (c->unsafe) sb_puts(&b, n->type == TY_REAL ? " : 0.0f)" : " : 0)");
  const char *text = n->type == TY_BOOL && !c->unsafe ? arena_printf(em->arena, "(%s)", b.s)
                                                      : arena_strndup(em->arena, b.s, b.n);
  sb_free(&b);
  return text;
}

static const char *print_real(Emit *em, double x) {
  float f = (float)x;
  if (isnan(x)) return "NAN";
  if (isinf(f)) return f > 0 ? "INFINITY" : "(-INFINITY)";
  char buf[32];
  fmt_double(buf, x);
  bool point = strpbrk(buf, ".e") != NULL;
  bool negative = signbit(x);
  return arena_printf(em->arena, negative ? "(%s%sf)" : "%s%sf", buf, point ? "" : ".0");
}

static const char *print_int(Emit *em, int64_t x) {
  if (x == INT64_MIN) return "INT64_MIN";
  if (x > INT32_MAX || x < -INT32_MAX)
    return arena_printf(em->arena, "(int64_t)%lldLL", (long long)x);
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
    if (c->uses == 1 && strncmp(c->text, "td_erff(", 8) == 0) return cell_of(k, erf->args[0])->text;
  }
  return NULL;
}

/* A $-pattern of ops.def with its arguments. */
static const char *spell(Emit *em, const char *pattern, const char *suffix, const char *type,
                         const char *const *args) {
  StrBuf b = {0};
  for (const char *s = pattern; *s; s++) {
    if (*s != '$') {
      sb_putc(&b, *s);
      continue;
    }
    s++;
    if (*s == 'r')
      sb_puts(&b, suffix);
    else if (*s == 't')
      sb_puts(&b, type);
    else
      sb_puts(&b, args[*s - '0']);
  }
  const char *text = arena_strndup(em->arena, b.s, b.n);
  sb_free(&b);
  return text;
}

static const char *print_prim(Walk *k, Expr *e, Cell *c) {
  Emit *em = k->em;
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
    arg[i] = e->args[i]->type == TY_INT && wide && !a->wide
                 ? arena_printf(em->arena, "(int64_t)%s", a->text)
                 : a->text;
  }
  if (info->sig == SIG_DRAW) em->uses_control = true;
  const char *text;
  bool result_int = e->type == TY_INT, whole = ints && e->args[0]->type == TY_INT;
  int64_t lo, hi;
  if (whole && (e->prim == P_div || e->prim == P_mod) && e->args[1]->kind == E_INT &&
      e->args[1]->inum > 0 && ex_interval(em->g, e->args[0], em->extent, em->nvars, &lo, &hi) &&
      lo >= 0)
    text = arena_printf(em->arena, "(%s %c %s)", arg[0], e->prim == P_div ? '/' : '%', arg[1]);
  else if (whole && (e->prim == P_div || e->prim == P_mod || e->prim == P_min || e->prim == P_max))
    text = arena_printf(em->arena, "td_i%s(%s, %s)", info->name, arg[0], arg[1]);
  else if (e->type == TY_REAL && e->prim == P_div && exact_inverse(e->args[1]))
    text = arena_printf(em->arena, "(%s * %s)", arg[0], print_real(em, 1 / e->args[1]->num));
  else if ((text = one_plus_erf(k, e)) != NULL)
    text = arena_printf(em->arena, "td_erf1pf(%s)", text);
  else if (whole && e->prim == P_abs)
    text = arena_printf(em->arena, "td_iabs(%s)", arg[0]);
  else
    text = spell(em, info->spelling[SPELL_C], "f", "float", arg);
  if (result_int && wide && !c->wide) text = arena_printf(em->arena, "(int32_t)%s", text);
  if (result_int && c->wide && e->prim == P_int)
    text = arena_printf(em->arena, "(int64_t)%s", text);
  return text;
}

static const char *print_leaf(Walk *k, Expr *e, Cell *c) {
  Emit *em = k->em;
  switch (e->kind) {
  case E_NUM: return print_real(em, e->num);
  case E_INT: return print_int(em, e->inum);
  case E_BOOL: return e->inum ? "1" : "0";
  case E_VAR:
    return c->wide ? em->var[e->inum] : arena_printf(em->arena, "(int32_t)%s", em->var[e->inum]);
  case E_LOOPVAR: {
    int slot = plan_depth(e->loop->node->region);
    em->uses_counters |= 1u << slot;
    return arena_printf(em->arena, c->wide ? "ix%d" : "(int32_t)ix%d", slot);
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
    if (!c->needed || remembered(k->em, e)) continue;
    if (e->kind == E_READ && !is_step(k->em, e)) plan_read(k->em, e, c);
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
    const EmitMemo *m = remembered(em, e);
    if (m) {
      c->level = m->level;
      c->text = m->name;
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
  const EmitMemo *known = remembered(em, root);
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
    c->text = e->kind == E_READ ? print_read(&k, e, c)
              : c->run          ? print_run(em, e)
                                : print_prim(&k, e, c);
    if (c->used_deeper || c->uses > 1 || strlen(c->text) > LONG_TEXT) {
      const char *name = arena_printf(em->arena, "t%d", em->next_name++);
      sb_printf(&em->level[c->level].text, "const %s %s = %s;\n", value_ctype(e->type, c->wide),
                name, c->text);
      emit_define(em, e, c->level, name);
      c->text = name;
    }
  }
  const char *text = cell_of(&k, root)->text;
  walk_give(em->g, w);
  return text;
}

const char *emit_element(Emit *em, Node *n, Expr *const *args, int level, bool writes) {
  Expr *at = ex_int(em->g, 0);
  const EmitLocal *local = emit_local(em, n);
  int64_t stride[IR_MAX_RANK];
  plan_strides(em->plan, n, stride);
  for (int d = n->rank - 1; d >= 0; d--) {
    int64_t step = local ? local->stride[d] : stride[d];
    at = ex2(em->g, P_add, at, ex2(em->g, P_mul, ex_int(em->g, step), args[d]));
  }
  Linear lin;
  linear_init(&lin);
  StrBuf b = {0};
  sb_printf(&b, "%s[", local ? local->name : emit_pointer(em, n, writes));
  bool plain = linear_add(&lin, at, 1) && lin.constant >= 0;
  for (int i = 0; i < lin.n; i++)
    plain = plain && lin.term[i].atom->kind == E_VAR && lin.term[i].coef > 0;
  if (!plain) {
    const char *text = emit_value(em, at, level);
    sb_printf(&b, "%s]", text);
  } else {
    for (int i = 0; i < lin.n; i++) {
      sb_puts(&b, i ? " + " : "");
      print_scaled(&b, lin.term[i].coef, em->var[lin.term[i].atom->inum]);
    }
    if (lin.constant || lin.n == 0)
      sb_printf(&b, "%s%lld", lin.n ? " + " : "", (long long)lin.constant);
    sb_putc(&b, ']');
  }
  const char *text = arena_strndup(em->arena, b.s, b.n);
  sb_free(&b);
  return text;
}

const char *emit_store(Emit *em, const Node *n, const char *at, const char *value) {
  bool half = !emit_local(em, n) && plan_type(em->plan, n) == TD_BF16;
  return arena_printf(em->arena, half ? "%s = td_narrow(%s);\n" : "%s = %s;\n", at, value);
}

/* ---- the top of a function -------------------------------------------------------- */

static void print_place(StrBuf *out, const Place *at) {
  if (at->offset) sb_printf(out, " + %lld", (long long)at->offset);
  for (int s = 0; s < TD_MAX_LOOPS; s++)
    if (at->stride[s]) sb_printf(out, " + %lld * ix%d", (long long)at->stride[s], s);
}

void emit_prologue(Emit *em, StrBuf *out) {
  uint32_t slots = em->uses_counters;
  for (int i = 0; i < em->pointers.n; i++) {
    const Place *at = &plan_info(em->plan, em->pointers.at[i].node)->place;
    for (int s = 0; s < TD_MAX_LOOPS; s++)
      if (at->stride[s]) slots |= 1u << s;
  }
  if ((em->uses_control && !em->group->launch.control) || slots & ~em->group->launch.counters)
    bug("'%s' uses what its launch is not planned to be given",
        em->group->members.at[0].node->name);
  if (em->uses_control)
    sb_puts(out, "const TdControl control = *call->ctl, *const ctl = &control;\n");
  for (int s = 0; s < TD_MAX_LOOPS; s++)
    if (slots >> s & 1) sb_printf(out, "const int64_t ix%d = call->ix[%d];\n", s, s);
  for (int i = 0; i < em->pointers.n; i++) {
    const EmitPointer *p = &em->pointers.at[i];
    const Place *at = &plan_info(em->plan, p->node)->place;
    int arg = argument(em, at->buffer, p->writes);
    bool alone = true; /* no other pointer into the same buffer, or nobody writes it */
    for (int k = 0; k < em->pointers.n; k++)
      if (k != i && plan_info(em->plan, em->pointers.at[k].node)->place.buffer == at->buffer)
        alone = false;
    alone = alone || !em->group->launch.writes.at[arg];
    const char *type =
        plan_type(em->plan, p->node) == TD_BF16 ? "uint16_t" : emit_ctype(p->node->type);
    sb_printf(out, "%s%s *%s %s = (%s%s *)call->arg[%d]", p->writes ? "" : "const ", type,
              alone ? "restrict" : "", p->name, p->writes ? "" : "const ", type, arg);
    print_place(out, at);
    sb_puts(out, ";\n");
  }
}

static bool word_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool emit_mentions(const char *text, const char *name) {
  size_t n = strlen(name);
  for (const char *s = text; s && (s = strstr(s, name)) != NULL; s += n)
    if ((s == text || !word_char(s[-1])) && !word_char(s[n])) return true;
  return false;
}
