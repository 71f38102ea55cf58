/* SPDX-License-Identifier: MIT */
/* What the writers of row kernels share: an item's value at a point, reductions and searches
 * as statements, what a long sum's blocks come to, and the store of a value that is read
 * outside of its nest. */
#include "compiler/cpu/rows_write.h"
#include "compiler/ir/linear.h"

/* ---- pieces of text --------------------------------------------------------------------- */

StrBuf *rows_text(Rows *r, int level) { return &r->em.level[level].text; }

const char *rows_decimal(const Rows *r, int64_t x) {
  return arena_printf(r->em.arena, "%lld", (long long)x);
}

const char *rows_acc_type(const Item *it) { return dialect_c.value[it->node->type]; }

/* into = into (reducer) value */
void rows_combine(Rows *r, StrBuf *out, const Item *it, const char *into, const char *value) {
  switch (it->node->reducer) {
  case RED_SUM: sb_printf(out, "%s += %s;\n", into, value); return;
  case RED_PROD: sb_printf(out, "%s *= %s;\n", into, value); return;
  case RED_MAX:
  case RED_MIN: {
    bool max = it->node->reducer == RED_MAX;
    if (it->node->type == TY_REAL) {
      sb_printf(out, "%s = td_%s%s(%s, %s);\n", into, max ? "max" : "min", dialect_c.suffix, into,
                value);
      return;
    }
    const char *name = emit_name(&r->em, "x");
    sb_printf(out, "const %s %s = %s;\n", rows_acc_type(it), name, value);
    sb_printf(out, "%s = %s %s %s ? %s : %s;\n", into, name, max ? ">" : "<", into, name, into);
    return;
  }
  case RED_NONE:
  case RED_ARGMAX: break;
  }
  bug("'%s' cannot be combined", it->node->name);
}

/* The item's value at one point, its guard applied. */
const char *rows_value(Rows *r, Item *it, int level) {
  const char *value = emit_value(&r->em, it->body, level);
  if (!it->guard) return value;
  const char *guard = emit_value(&r->em, it->guard, level);
  return arena_printf(r->em.arena, "(%s ? %s : %s)", guard, value,
                      emit_zero(&r->em, it->node->reducer, it->node->type));
}

/* What puts the lanes of a vector loop's maximum together may lose a NaN, so whether
 * there was one is reduced beside it: cheaper than a combination of lanes that asks. */
static bool watches_nan(const Item *it) {
  return it->node->type == TY_REAL &&
         (it->node->reducer == RED_MAX || it->node->reducer == RED_MIN);
}
void rows_begin_watch(Rows *r, StrBuf *out, Item *it) {
  if (!watches_nan(it)) return;
  it->nan = emit_name(&r->em, "is_nan");
  sb_printf(out, "int32_t %s = 0;\n", it->nan);
}
void rows_end_watch(StrBuf *out, const Item *it, const char *into) {
  if (it->nan) sb_printf(out, "if (%s) %s = %s;\n", it->nan, into, dialect_c.nan);
}

/* In omp's clause; NULL when the accumulator must stay serial. */
static const char *omp_operator(const Item *it) {
  switch (it->node->reducer) {
  case RED_SUM: return "+";
  case RED_PROD: return "*";
  case RED_MAX: return it->node->type == TY_BOOL ? "|" : "max";
  case RED_MIN: return it->node->type == TY_BOOL ? "&" : "min";
  case RED_NONE:
  case RED_ARGMAX: break;
  }
  return NULL;
}

/* into = into (reducer) value in a vector loop, and its part of the loop's clause. */
void rows_reduce(Rows *r, StrBuf *out, StrBuf *clause, const Item *it, const char *into,
                 const char *value) {
  if (r->lane && rows_has_sums(it)) {
    rows_combine(r, out, it, into, value);
    return;
  }
  sb_printf(clause, " reduction(%s:%s)", omp_operator(it), into);
  if (!it->nan) {
    rows_combine(r, out, it, into, value);
    return;
  }
  const char *name = emit_name(&r->em, "x"), *order = it->node->reducer == RED_MAX ? ">" : "<";
  sb_printf(clause, " reduction(|:%s)", it->nan);
  sb_printf(out, "const %s %s = %s;\n", rows_acc_type(it), name, value);
  sb_printf(out, "%s = %s %s %s ? %s : %s;\n", into, name, order, into, name, into);
  sb_printf(out, "%s |= %s != %s;\n", it->nan, name, name);
}

/* The flat position over the reduced loops. */
static const char *flat_position(Rows *r, const Item *it, int first_var) {
  StrBuf b = {0};
  int64_t stride = 1;
  for (int i = it->nloops - 1; i >= it->nout; i--) {
    sb_printf(&b, "%s%lld * %s", b.n ? " + " : "", (long long)stride, r->em.var[first_var + i]);
    stride *= it->extent[i];
  }
  const char *text = arena_strndup(r->em.arena, b.s, b.n);
  sb_free(&b);
  return text;
}

void rows_argmax(Rows *r, Item *it, int level) {
  Emit *em = &r->em;
  const char *value = emit_value(em, it->body, level);
  const char *guard = it->guard ? emit_value(em, it->guard, level) : NULL;
  sb_printf(rows_text(r, level), "if (%s%s(%s > %s || %s < 0)) {\n", guard ? guard : "",
            guard ? " && " : "", value, it->sum, it->value);
  sb_printf(rows_text(r, level), "if (%s > %s) %s = %s;\n", value, it->sum, it->sum, value);
  sb_printf(rows_text(r, level), "%s = (int32_t)(%s);\n}\n", it->value,
            flat_position(r, it, r->plan->nrows));
}

/* ---- long sums ----------------------------------------------------------------------------- */

static int64_t times(int64_t a, int64_t b) {
  int64_t product;
  return mul_fits(a, b, &product) ? product : INT64_MAX;
}

/* Do this item's reduced loops, run `rows` times, add more than a block? */
bool rows_is_long(const Item *it, int64_t rows, int64_t block) {
  int64_t terms = rows;
  for (int i = it->nout; i < it->nloops; i++) terms = times(terms, it->extent[i]);
  return it->node->reducer == RED_SUM && it->node->type == TY_REAL && terms > block;
}

/* What the blocks of it->total add up to, declared in `out`. */
void rows_begin_total(Rows *r, StrBuf *out, Item *it) {
  it->total = emit_name(&r->em, "total");
  sb_printf(out, "double %s = 0.0;\n", it->total);
}

/* Is its innermost loop, whole, one of runs? */
static bool goes_by_runs(const Item *it) {
  const int last = it->nloops - 1;
  return last >= 0 && it->extent[last] > 0 && it->extent[last] % CPU_RUN == 0 && !it->cut[last] &&
         !it->banded;
}

void rows_begin_runs(Rows *r) {
  r->run = emit_name(&r->em, "run");
  r->lane = emit_name(&r->em, "lane");
}

bool rows_has_sums(const Item *it) {
  return it->node->reducer == RED_SUM && it->node->type == TY_REAL && it->nloops > it->nout &&
         goes_by_runs(it);
}

void rows_begin_sums(Rows *r, StrBuf *out, Item *it) {
  it->sums = emit_name(&r->em, "sums");
  sb_printf(out, "float %s[TD_RUN] __attribute__((aligned(64))) = {0};\n", it->sums);
}

const char *rows_sum_at(const Rows *r, const Item *it) {
  return arena_printf(r->em.arena, "%s[%s]", it->sums, r->lane);
}

/* One block's sum: a variable that `begin` declares and `end` adds to the total. */
const char *rows_put_part(Rows *r, StrBuf *begin, StrBuf *end, Item *it) {
  if (r->lane && rows_has_sums(it)) {
    rows_begin_sums(r, begin, it);
    sb_printf(end, "%s += td_sum_of(%s);\n", it->total, it->sums);
    return rows_sum_at(r, it);
  }
  const char *part = emit_name(&r->em, "part");
  sb_printf(begin, "%s %s = 0;\n", rows_acc_type(it), part);
  sb_printf(end, "%s += %s;\n", it->total, part);
  return part;
}

/* ---- stores ----------------------------------------------------------------------------- */

/* A value that other nests read but that stays in the kernel: an array over its
 * loops, on the stack while it is small. It has room for a vector: of fewer elements, GCC 12 at -O3
 * takes a masked read of a whole vector for one of something else, and drops what was stored. */
void rows_declare(Rows *r, Item *it) {
  enum { VECTOR = 64 };                     /* bytes, the widest there are */
  if (emit_local(&r->em, it->node)) return; /* a chain keeps it */
  EmitLocal local = {.node = it->node, .name = emit_name(&r->em, it->node->name)};
  item_array_strides(it, r->plan->given_rows, local.stride);
  const char *type = emit_ctype(&r->em, it->node->type);
  size_t bytes = item_array_bytes(it);
  size_t room = bytes < VECTOR ? VECTOR : bytes;
  int64_t count = (int64_t)(room / td_type_size(plan_storage(it->node->type)));
  if (bytes <= r->p->target->rows.local_bytes) {
    sb_printf(&r->locals, "%s %s[%lld] __attribute__((aligned(64))) = {0};\n", type, local.name,
              (long long)count);
  } else {
    sb_printf(&r->locals, "%s *restrict %s = (%s *)(call->scratch + %zu);\n", type, local.name,
              type, r->scratch);
    r->scratch += (bytes + 63) / 64 * 64;
  }
  vec_push(r->em.arena, &r->em.locals, local);
}

/* Is its value needed outside of its nest: in memory, by another nest, by a chain? */
bool rows_is_kept(Rows *r, const Item *it) {
  return it->member->stored || it->array || emit_local(&r->em, it->node);
}

/* Numbers in bf16 that a flat map stores side by side wait as floats until their
 * block ends: a loop that also makes numbers of another size takes twice as many
 * at once as there are registers for. */
static bool store_later(Rows *r, const Item *it, const char *value) {
  Emit *em = &r->em;
  if (!r->plan->flat || !it->member->stored || plan_type(r->p, it->node) != TD_BF16) return false;
  if (emit_position(em, it->node, it->element) != ex_var(em->g, 0)) return false;
  const char *row = em->var[0], *to = emit_pointer(em, it->node, true);
  const char *later = emit_name(em, "later");
  sb_printf(rows_text(r, BLOCK), "float %s[TD_BLOCK] __attribute__((aligned(64)));\n", later);
  sb_printf(rows_text(r, ROW), "%s[%s - block] = %s;\n", later, row, value);
  sb_printf(&r->block_end, "td_narrow_run(%s + block, %s, block_end - block);\n", to, later);
  return true;
}

/* Does an element lie where this read of another node finds its own? */
static bool is_same_place(Rows *r, const Item *it, const Expr *read) {
  Emit *em = &r->em;
  const Place *to = &plan_info(r->p, it->node)->place, *from = &plan_info(r->p, read->node)->place;
  if (emit_local(em, it->node) || emit_local(em, read->node) || to->buffer != from->buffer ||
      plan_type(r->p, it->node) != plan_type(r->p, read->node))
    return false;
  Linear apart;
  linear_init(&apart);
  if (!linear_add(&apart, emit_position(em, it->node, it->element), 1) ||
      !linear_add(&apart, emit_position(em, read->node, read->args), -1))
    return false;
  int64_t by_slot[TD_MAX_LOOPS];
  for (int s = 0; s < TD_MAX_LOOPS; s++) by_slot[s] = to->stride[s] - from->stride[s];
  for (int i = 0; i < apart.n; i++) {
    const Expr *atom = apart.term[i].atom;
    if (atom->kind != E_LOOPVAR) return false;
    by_slot[plan_depth(atom->loop->node->region)] += apart.term[i].coef;
  }
  for (int s = 0; s < TD_MAX_LOOPS; s++)
    if (by_slot[s]) return false;
  return apart.constant + to->offset - from->offset == 0;
}

/* Is an element the one that lies there already, unless a condition holds that is the same for a
 * whole vector loop? Of a cache that a turn writes one row of, all others stay as they are.
 *     k[s, e] = s == at ? new[e] : k[s, e] */
static bool keeps_others(Rows *r, const Item *it) {
  const Expr *e = it->body;
  return it->form == FORM_MAP && it->nloops > 0 && !it->guard && it->member->stored &&
         ex_is_prim(e, P_select) && e->args[2]->kind == E_READ &&
         !(e->args[0]->vars & expr_var_bit(r->plan->nrows + it->nloops - 1)) &&
         is_same_place(r, it, e->args[2]);
}

/* Of few runs, as a head's, a loop takes as long as its numbers one by one. */
enum { RUNS_STORED = 4 };

bool rows_stores_runs(Rows *r, const Item *it) {
  if (it->form != FORM_MAP || !goes_by_runs(it) || !it->member->stored) return false;
  if (it->extent[it->nloops - 1] < RUNS_STORED * CPU_RUN) return false;
  if (it->member->accumulates || plan_type(r->p, it->node) != TD_BF16) return false;
  if (keeps_others(r, it)) return false;
  if (emit_local(&r->em, it->node)) return false;
  Affine at;
  return ex_affine(r->em.g, emit_position(&r->em, it->node, it->element), &at) &&
         at.coef[r->plan->nrows + it->nloops - 1] == 1;
}

static bool store_run(Rows *r, const Item *it, int level, const char *value) {
  Emit *em = &r->em;
  if (!r->lane || level < NEST || !rows_stores_runs(r, it)) return false;
  const int v = r->plan->nrows + it->nloops - 1;
  Expr *first[IR_MAX_VARS] = {0};
  first[v] = ex_int(em->g, 0);
  Expr *from = ex_subst(em->g, emit_position(em, it->node, it->element), first, v + 1);
  const char *at = emit_value(em, from, level > NEST ? level - 1 : ROW);
  const char *to = emit_pointer(em, it->node, true), *later = emit_name(em, "later");
  sb_printf(&r->run_begin, "float %s[TD_RUN] __attribute__((aligned(64)));\n", later);
  sb_printf(rows_text(r, level), "%s[%s] = %s;\n", later, r->lane, value);
  sb_printf(&r->run_end, "td_narrow_run(%s + %s + %s, %s, TD_RUN);\n", to, at, r->run, later);
  return true;
}

void rows_store(Rows *r, Item *it, int level, const char *value) {
  if (!rows_is_kept(r, it)) return;
  if (!it->member->stored) rows_declare(r, it);
  if (store_run(r, it, level, value)) return;
  const char *at = emit_element(&r->em, it->node, it->element, level, true);
  if (level == ROW && store_later(r, it, value)) return;
  if (keeps_others(r, it))
    sb_printf(rows_text(r, level), "if (%s) ", emit_value(&r->em, it->body->args[0], level));
  sb_puts(rows_text(r, level), emit_store(&r->em, it->node, at, value));
}
