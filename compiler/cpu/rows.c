/* SPDX-License-Identifier: MIT */
/* Row kernels: for each point of the row space, the members' values one after
 * another. Maps, row reductions, sums over rows and small products all have
 * this form:
 *
 *     for each piece                 accumulators
 *       for each row                 values of the row
 *         nest: loops over the       values of a point
 *           members' other variables
 *
 * Neighbouring members that run over the same loops, and read each other only
 * at the same point, share one nest. The innermost loop is `omp simd`.
 *
 * Long sums are cut into blocks: a block is summed in single precision, and what blocks
 * come to in double, so that the rounding errors of a sum are those of a block. */
#include "compiler/cpu/cpu.h"

#include <string.h>

enum { TOP, PIECE, BLOCK, ROW, NEST };

typedef struct Rows {
  Emit em;
  Plan *p;
  Group *g;
  RowPlan *plan;
  int64_t per_piece, pieces;
  StrBuf locals; /* declarations of arrays, before the pieces */
  size_t scratch;
  char *row_clause;            /* flat: reductions of the row loop */
  StrBuf block_end;            /* flat: statements after a block's rows */
  StrBuf piece_end;            /* statements after a piece's rows */
  StrBuf part_begin, part_end; /* around each block of the vector loop that is being written */
  const char *from[IR_MAX_VARS], *to[IR_MAX_VARS]; /* C: the ends of the open loops, by variable */
} Rows;

/* ---- pieces of text --------------------------------------------------------------------- */

static StrBuf *text_at(Rows *r, int level) { return &r->em.level[level].text; }

static const char *decimal(const Rows *r, int64_t x) {
  return arena_printf(r->em.arena, "%lld", (long long)x);
}

static const char *acc_type(const Item *it) { return dialect_c.value[it->node->type]; }

/* into = into (reducer) value */
static void print_combine(Rows *r, StrBuf *out, const Item *it, const char *into,
                          const char *value) {
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
    sb_printf(out, "const %s %s = %s;\n", acc_type(it), name, value);
    sb_printf(out, "%s = %s %s %s ? %s : %s;\n", into, name, max ? ">" : "<", into, name, into);
    return;
  }
  case RED_NONE:
  case RED_ARGMAX: break;
  }
  bug("'%s' cannot be combined", it->node->name);
}

/* The item's value at one point, its guard applied. */
static const char *guarded_value(Rows *r, Item *it, int level) {
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
static void begin_watch(Rows *r, StrBuf *out, Item *it) {
  if (!watches_nan(it)) return;
  it->nan = emit_name(&r->em, "is_nan");
  sb_printf(out, "int32_t %s = 0;\n", it->nan);
}
static void end_watch(StrBuf *out, const Item *it, const char *into) {
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
static void print_reduction(Rows *r, StrBuf *out, StrBuf *clause, const Item *it, const char *into,
                            const char *value) {
  sb_printf(clause, " reduction(%s:%s)", omp_operator(it), into);
  if (!it->nan) {
    print_combine(r, out, it, into, value);
    return;
  }
  const char *name = emit_name(&r->em, "x"), *order = it->node->reducer == RED_MAX ? ">" : "<";
  sb_printf(clause, " reduction(|:%s)", it->nan);
  sb_printf(out, "const %s %s = %s;\n", acc_type(it), name, value);
  sb_printf(out, "%s = %s %s %s ? %s : %s;\n", into, name, order, into, name, into);
  sb_printf(out, "%s |= %s != %s;\n", it->nan, name, name);
}

/* ---- long sums ----------------------------------------------------------------------------- */

static int64_t times(int64_t a, int64_t b) {
  int64_t product;
  return mul_fits(a, b, &product) ? product : INT64_MAX;
}

/* Do this item's reduced loops, run `rows` times, add more than a block? */
static bool is_long(const Item *it, int64_t rows, int64_t block) {
  int64_t terms = rows;
  for (int i = it->nout; i < it->nloops; i++) terms = times(terms, it->extent[i]);
  return it->node->reducer == RED_SUM && it->node->type == TY_REAL && terms > block;
}

/* What the blocks of it->total add up to, declared in `out`. */
static void begin_total(Rows *r, StrBuf *out, Item *it) {
  it->total = emit_name(&r->em, "total");
  sb_printf(out, "double %s = 0.0;\n", it->total);
}

/* One block's sum: a variable that `begin` declares and `end` adds to the total. */
static const char *put_part(Rows *r, StrBuf *begin, StrBuf *end, const Item *it) {
  const char *part = emit_name(&r->em, "part");
  sb_printf(begin, "%s %s = 0;\n", acc_type(it), part);
  sb_printf(end, "%s += %s;\n", it->total, part);
  return part;
}

/* Does its loop run over less than its extent? */
static bool is_cut(const Rows *r, int var) {
  return r->from[var][0] != '0' || strcmp(r->to[var], decimal(r, r->em.extent[var])) != 0;
}

/* The ends of a loop over a window, at the level around it. */
static void put_ends(Rows *r, int var, const Band *b, int level) {
  Emit *em = &r->em;
  const char *lo = b->lo ? emit_value(em, b->lo, level) : "0";
  const char *hi = b->hi ? emit_value(em, b->hi, level) : decimal(r, em->extent[var]);
  r->from[var] = emit_name(em, "from");
  r->to[var] = emit_name(em, "to");
  sb_printf(text_at(r, level), "const int64_t %s = %s, %s = %s > %s ? %s : %s;\n", r->from[var], lo,
            r->to[var], hi, r->from[var], hi, r->from[var]);
}

static void open_loops(Rows *r, const Item *it, int first_var) {
  Emit *em = &r->em;
  em->nvars = first_var + it->nloops;
  for (int i = 0; i < it->nloops; i++) {
    const int v = first_var + i;
    em->var[v] = emit_name(em, it->axis[i]);
    em->extent[v] = it->extent[i];
    em->var_level[v] = NEST + i;
    r->from[v] = it->banded ? CPU_BAND_FROM : "0";
    r->to[v] = it->banded ? CPU_BAND_TO : decimal(r, it->extent[i]);
    emit_open(em, NEST + i);
    if (it->cut[i]) put_ends(r, v, it->cut[i], i > 0 ? NEST + i - 1 : ROW);
  }
  int last = it->nloops - 1, v = first_var + last;
  if (last < 0 || it->extent[last] > r->p->target->rows.vector_most) return;
  em->run = (EmitRun){.nvars = 1,
                      .var = {v},
                      .stride = {1},
                      .level = NEST + last - 1,
                      .count = r->to[v],
                      .index = em->var[v],
                      .room = decimal(r, it->extent[last])};
  if (!is_cut(r, v)) return;
  em->run.start = r->from[v];
  em->run.count = arena_printf(em->arena, "%s - %s", r->to[v], r->from[v]);
  em->run.index = arena_printf(em->arena, "%s - %s", em->var[v], r->from[v]);
}

static void print_for(Rows *r, StrBuf *out, int var, bool simd, const char *clause) {
  const Emit *em = &r->em;
  emit_for(em, out, em->var[var], r->from[var], r->to[var], simd ? clause : NULL);
}

/* A loop over blocks of a variable's iterations, from *first to *end. */
static void open_block(Rows *r, StrBuf *out, int var, int64_t block, const char **first,
                       const char **end) {
  Emit *em = &r->em;
  const long long extent = em->extent[var], size = block;
  const char *to = r->to[var];
  *first = emit_name(em, "first");
  *end = emit_name(em, "end");
  sb_printf(out, "for (int64_t %s = %s; %s < %s; %s += %lld) {\n", *first, r->from[var], *first, to,
            *first, size);
  sb_printf(out, "const int64_t %s = ", *end);
  if (is_cut(r, var) || extent % size)
    sb_printf(out, "%s + %lld > %s ? %s : ", *first, size, to, to);
  sb_printf(out, "%s + %lld;\n", *first, size);
}

/* The loop over the last variable, its text inside, with what stands around its blocks. */
static void print_innermost(Rows *r, StrBuf *out, int var, int level, const char *clause) {
  Emit *em = &r->em;
  const StrBuf *body = text_at(r, level);
  const long long extent = em->extent[var];
  const bool blocks = r->part_begin.n && extent > CPU_IN_LANES;
  const char *from = r->from[var], *to = r->to[var];
  if (blocks) open_block(r, out, var, CPU_IN_LANES, &from, &to);
  if (r->part_begin.n) sb_write(out, r->part_begin.s, r->part_begin.n);
  emit_for(em, out, em->var[var], from, to, clause);
  if (body->n) sb_write(out, body->s, body->n);
  sb_puts(out, "}\n");
  if (r->part_end.n) sb_write(out, r->part_end.s, r->part_end.n);
  if (blocks) sb_puts(out, "}\n");
  sb_free(&r->part_begin);
  sb_free(&r->part_end);
}

/* Put the open loops' texts together, innermost first, onto the row's text. */
static void close_loops(Rows *r, int nloops, bool simd, const char *clause) {
  int first_var = r->em.nvars - nloops;
  StrBuf inner = {0};
  for (int i = nloops - 1; i >= 0; i--) {
    StrBuf outer = {0};
    if (simd && i == nloops - 1) {
      print_innermost(r, &outer, first_var + i, NEST + i, clause);
    } else {
      print_for(r, &outer, first_var + i, false, clause);
      StrBuf *own = text_at(r, NEST + i);
      if (own->n) sb_write(&outer, own->s, own->n);
      if (inner.n) sb_write(&outer, inner.s, inner.n);
      sb_puts(&outer, "}\n");
    }
    sb_free(&inner);
    inner = outer;
  }
  if (inner.n) sb_write(text_at(r, ROW), inner.s, inner.n);
  sb_free(&inner);
  r->em.nvars = r->plan->nrows;
  r->em.run.nvars = 0;
}

/* A value that other nests read but that stays in the kernel: an array over its
 * loops, on the stack while it is small. It has room for a vector: of fewer elements, GCC 12 at -O3
 * takes a masked read of a whole vector for one of something else, and drops what was stored. */
static void declare_array(Rows *r, Item *it) {
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
static bool is_kept(Rows *r, const Item *it) {
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
  sb_printf(text_at(r, BLOCK), "float %s[TD_BLOCK] __attribute__((aligned(64)));\n", later);
  sb_printf(text_at(r, ROW), "%s[%s - block] = %s;\n", later, row, value);
  sb_printf(&r->block_end, "td_narrow_run(%s + block, %s, block_end - block);\n", to, later);
  return true;
}

static void store(Rows *r, Item *it, int level, const char *value) {
  if (!is_kept(r, it)) return;
  if (!it->member->stored) declare_array(r, it);
  const char *at = emit_element(&r->em, it->node, it->element, level, true);
  if (level == ROW && store_later(r, it, value)) return;
  sb_puts(text_at(r, level), emit_store(&r->em, it->node, at, value));
}

/* ---- nests ---------------------------------------------------------------------------------- */

static void begin_reduction(Rows *r, Item *it) {
  Emit *em = &r->em;
  it->value = emit_name(em, it->node->name);
  if (is_long(it, 1, CPU_IN_LANES)) {
    begin_total(r, text_at(r, ROW), it);
    return;
  }
  bool argmax = it->node->reducer == RED_ARGMAX;
  sb_printf(text_at(r, ROW), "%s %s = %s;\n", acc_type(it), it->value,
            argmax ? "-1" : emit_zero(&r->em, it->node->reducer, it->node->type));
  if (argmax) {
    it->sum = emit_name(em, "best");
    sb_printf(text_at(r, ROW), "%s %s = %s;\n", it->body->type == TY_REAL ? "float" : "int64_t",
              it->sum, it->body->type == TY_REAL ? "-INFINITY" : "INT64_MIN");
  }
  begin_watch(r, text_at(r, ROW), it);
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

static void print_argmax(Rows *r, Item *it, int level) {
  Emit *em = &r->em;
  const char *value = emit_value(em, it->body, level);
  const char *guard = it->guard ? emit_value(em, it->guard, level) : NULL;
  sb_printf(text_at(r, level), "if (%s%s(%s > %s || %s < 0)) {\n", guard ? guard : "",
            guard ? " && " : "", value, it->sum, it->value);
  sb_printf(text_at(r, level), "if (%s > %s) %s = %s;\n", value, it->sum, it->sum, value);
  sb_printf(text_at(r, level), "%s = (int32_t)(%s);\n}\n", it->value,
            flat_position(r, it, r->plan->nrows));
}

/* A sum over rows in a variable that a vector loop adds to. */
static bool accumulates_in_lanes(const Rows *r, const Item *it) {
  return it->member->accumulates && it->nout == 0 && (it->nloops > 0 || r->plan->flat);
}

/* One nest over the loops that items first .. last share; every item is a map,
 * a reduction over all loops, or a sum over rows with one slot a point. */
static void emit_shared_nest(Rows *r, Item *first, Item *last) {
  Emit *em = &r->em;
  int nrows = r->plan->nrows, n = first->nloops, level = n ? NEST + n - 1 : ROW;
  bool simd = n > 0;
  StrBuf clause = {0};
  open_loops(r, first, nrows);
  for (Item *it = first; it <= last; it++) {
    bool reduces = it->form == FORM_REDUCE && n > 0;
    if (reduces && !it->member->accumulates) begin_reduction(r, it);
    if (item_searches(it)) {
      simd = false;
      print_argmax(r, it, level);
    } else if (it->member->accumulates) {
      const char *value = guarded_value(r, it, level);
      const char *into = it->sum;
      if (it->nout > 0) {
        StrBuf at = {0};
        int64_t stride = 1;
        for (int i = it->nout - 1; i >= 0; i--) {
          sb_printf(&at, "%s%lld * %s", at.n ? " + " : "", (long long)stride, em->var[nrows + i]);
          stride *= it->extent[i];
        }
        into = arena_printf(em->arena, "%s[%s]", it->sum, at.s);
        sb_free(&at);
      }
      if (accumulates_in_lanes(r, it) && it->total)
        into = n > 0 ? put_part(r, &r->part_begin, &r->part_end, it)
                     : put_part(r, text_at(r, BLOCK), &r->block_end, it);
      else if (it->nout == 0 && it->total)
        into = it->total;
      if (accumulates_in_lanes(r, it))
        print_reduction(r, text_at(r, level), &clause, it, into, value);
      else
        print_combine(r, text_at(r, level), it, into, value);
    } else if (reduces) {
      const char *value = guarded_value(r, it, level);
      const char *into = it->total ? put_part(r, &r->part_begin, &r->part_end, it) : it->value;
      print_reduction(r, text_at(r, level), &clause, it, into, value);
    } else {
      const char *value = guarded_value(r, it, level);
      it->value = emit_name(em, it->node->name);
      sb_printf(text_at(r, level), "const %s %s = %s;\n", acc_type(it), it->value, value);
      store(r, it, level, it->value);
      emit_define(em, it->self, level, it->value);
    }
  }
  if (n)
    close_loops(r, n, simd, clause.n ? clause.s : "");
  else if (clause.n)
    r->row_clause = arena_printf(em->arena, "%s%s", r->row_clause ? r->row_clause : "", clause.s);
  for (Item *it = first; it <= last && n > 0; it++)
    if (it->form == FORM_REDUCE && !it->member->accumulates) {
      if (item_searches(it))
        sb_printf(text_at(r, ROW), "if (%s < 0) %s = 0;\n", it->value, it->value);
      if (it->total)
        sb_printf(text_at(r, ROW), "const float %s = (float)%s;\n", it->value, it->total);
      end_watch(text_at(r, ROW), it, it->value);
      store(r, it, ROW, it->value);
      emit_define(em, it->self, ROW, it->value);
    }
  sb_free(&clause);
}

/* How many reads of e would not be contiguous if v were the innermost loop. */
typedef struct Contiguity {
  Graph *g;
  int var;
  int bad;
} Contiguity;

static void count_strided(Expr *e, void *ctx) {
  Contiguity *c = ctx;
  if (e->kind != E_READ) return;
  int64_t stride = 1, coef = 0;
  for (int d = e->node->rank - 1; d >= 0; d--) {
    Affine a;
    if (!(e->args[d]->vars >> c->var & 1)) {
      /* constant along v */
    } else if (ex_affine(c->g, e->args[d], &a)) {
      coef += a.coef[c->var] * stride;
    } else {
      coef = 1 << 20;
    }
    stride *= e->node->shape[d];
  }
  if (coef != 0 && coef != 1) c->bad++;
}

static int strided_reads(Graph *g, Expr *e, int var) {
  Contiguity c = {g, var, 0};
  ex_visit(g, e, count_strided, &c);
  return c.bad;
}

/* Do windows of reduced loops follow from the last output's loop? Then it must stand around. */
static bool cut_by_output(const Rows *r, const Item *it) {
  uint32_t var = expr_var_bit(r->plan->nrows + it->nout - 1);
  bool any = false;
  for (int k = it->nout; k < it->nloops; k++)
    if (it->cut[k])
      any = any || (it->cut[k]->lo && it->cut[k]->lo->vars & var) ||
            (it->cut[k]->hi && it->cut[k]->hi->vars & var);
  return any;
}

/* A sum over a window of so small a share is faster term by term than all of it in vectors. */
enum { VECTOR_TERMS = 12 };

static bool vector_over_output(Rows *r, const Item *it) {
  if (it->node->reducer == RED_ARGMAX || it->nout == 0) return false;
  int out = r->plan->nrows + it->nout - 1, red = r->plan->nrows + it->nloops - 1;
  if (it->extent[it->nout - 1] > r->p->target->rows.vector_most) return false;
  int by_out = strided_reads(r->p->g, it->body, out),
      by_red = strided_reads(r->p->g, it->body, red);
  if (cut_by_output(r, it) && it->share * VECTOR_TERMS < 1) return false;
  if (by_out != by_red) return by_out < by_red;
  return it->extent[it->nout - 1] >= it->extent[it->nloops - 1];
}

/* for outputs { sum = 0; for reduced { sum += } store } */
static void emit_sum_inside(Rows *r, Item *it) {
  Emit *em = &r->em;
  int nrows = r->plan->nrows, out_level = NEST + it->nout - 1, level = NEST + it->nloops - 1;
  open_loops(r, it, nrows);
  it->value = emit_name(em, it->node->name);
  StrBuf head = {0};
  bool argmax = it->node->reducer == RED_ARGMAX, total = is_long(it, 1, CPU_IN_LANES);
  if (total)
    begin_total(r, &head, it);
  else
    sb_printf(&head, "%s %s = %s;\n", acc_type(it), it->value,
              argmax ? "-1" : emit_zero(&r->em, it->node->reducer, it->node->type));
  StrBuf clause = {0};
  begin_watch(r, &head, it);
  if (argmax) {
    it->sum = emit_name(em, "best");
    sb_printf(&head, "%s %s = %s;\n", it->body->type == TY_REAL ? "float" : "int64_t", it->sum,
              it->body->type == TY_REAL ? "-INFINITY" : "INT64_MIN");
    print_argmax(r, it, level);
  } else {
    const char *value = guarded_value(r, it, level);
    const char *into = total ? put_part(r, &r->part_begin, &r->part_end, it) : it->value;
    print_reduction(r, text_at(r, level), &clause, it, into, value);
  }
  /* the reduced loops, put together below the outputs' */
  StrBuf inner = {0};
  for (int i = it->nloops - 1; i >= it->nout; i--) {
    StrBuf outer = {0};
    if (clause.n && i == it->nloops - 1) {
      print_innermost(r, &outer, nrows + i, NEST + i, clause.s);
    } else {
      print_for(r, &outer, nrows + i, false, NULL);
      StrBuf *own = text_at(r, NEST + i);
      if (own->n) sb_write(&outer, own->s, own->n);
      if (inner.n) sb_write(&outer, inner.s, inner.n);
      sb_puts(&outer, "}\n");
    }
    sb_free(&inner);
    inner = outer;
  }
  sb_write(&head, inner.s, inner.n);
  StrBuf *out = text_at(r, out_level);
  sb_write(out, head.s, head.n);
  if (argmax) sb_printf(out, "if (%s < 0) %s = 0;\n", it->value, it->value);
  if (total) sb_printf(out, "const float %s = (float)%s;\n", it->value, it->total);
  end_watch(out, it, it->value);
  if (it->member->accumulates) {
    const char *at = it->sum;
    StrBuf index = {0};
    int64_t stride = 1;
    for (int i = it->nout - 1; i >= 0; i--) {
      sb_printf(&index, "%s%lld * %s", index.n ? " + " : "", (long long)stride, em->var[nrows + i]);
      stride *= it->extent[i];
    }
    print_combine(r, out, it, arena_printf(em->arena, "%s[%s]", at, index.s), it->value);
    sb_free(&index);
  } else {
    store(r, it, out_level, it->value);
  }
  em->nvars = nrows + it->nout;
  close_loops(r, it->nout, false, "");
  sb_free(&clause);
  sb_free(&head);
  sb_free(&inner);
}

/* Which of an outside sum's loops is cut so that a block has some CPU_IN_ORDER terms, and into
 * how many iterations: the loops behind it have fewer terms than that together. */
static int blocked_loop(const Item *turned, int64_t *block) {
  int i = turned->nloops - 2;
  int64_t inner = 1;
  for (; i > turned->nout - 1 && inner * turned->extent[i] <= CPU_IN_ORDER; i--)
    inner *= turned->extent[i];
  *block = inner < CPU_IN_ORDER ? CPU_IN_ORDER / inner : 1;
  return i;
}

/* The windows of reduced loops, in the variables of the loops as they stand; those that the last
 * output gives are left out, as its loop is inside. */
static void turn_cuts(Rows *r, const Item *it, Item *turned, Expr *const *map) {
  const int n = r->plan->nrows + it->nloops;
  for (int k = it->nout - 1; k < it->nloops; k++) turned->cut[k] = NULL;
  for (int k = it->nout; k < it->nloops && !cut_by_output(r, it); k++) {
    if (!it->cut[k]) continue;
    Band *b = NEW(r->em.arena, Band);
    b->lo = it->cut[k]->lo ? ex_subst(r->p->g, it->cut[k]->lo, map, n) : NULL;
    b->hi = it->cut[k]->hi ? ex_subst(r->p->g, it->cut[k]->hi, map, n) : NULL;
    turned->cut[k - 1] = b;
  }
}

/* for outputs but the last { array = 0; for reduced { for last: array += } store } */
static void emit_sum_outside(Rows *r, Item *it) {
  Emit *em = &r->em;
  int nrows = r->plan->nrows, nout = it->nout, nred = it->nloops - nout;
  /* loops in the order: outputs but the last, reduced, the last output */
  Item turned = *it;
  Expr *map[IR_MAX_VARS] = {0};
  int last = nrows + nout - 1;
  for (int i = 0; i < nred; i++) {
    turned.extent[nout - 1 + i] = it->extent[nout + i];
    turned.axis[nout - 1 + i] = it->axis[nout + i];
    map[nrows + nout + i] = ex_var(r->p->g, last + i);
  }
  turned.extent[it->nloops - 1] = it->extent[nout - 1];
  turned.axis[it->nloops - 1] = it->axis[nout - 1];
  map[last] = ex_var(r->p->g, last + nred);
  turn_cuts(r, it, &turned, map);
  turned.body = ex_subst(r->p->g, it->body, map, last + nred + 1);
  turned.guard = it->guard ? ex_subst(r->p->g, it->guard, map, last + nred + 1) : NULL;
  for (int d = 0; d < it->node->rank && it->self;
       d++) /* partial sums have no element of their own */
    turned.element[d] = ex_subst(r->p->g, it->element[d], map, last + nred + 1);

  int head_level = nout > 1 ? NEST + nout - 2 : ROW, level = NEST + it->nloops - 1;
  open_loops(r, &turned, nrows);
  const char *array = emit_name(em, it->node->name), *v = em->var[last + nred];
  const bool total = is_long(it, 1, CPU_IN_ORDER);
  long long width = (long long)it->extent[nout - 1];
  const char *value = guarded_value(r, &turned, level);
  print_combine(r, text_at(r, level), it, arena_printf(em->arena, "%s[%s]", array, v), value);
  int64_t block = CPU_IN_ORDER;
  const int blocked = total ? blocked_loop(&turned, &block) : -1;
  StrBuf *out = text_at(r, head_level);
  sb_printf(out, "%s %s[%lld] __attribute__((aligned(64)));\n", acc_type(it), array, width);
  const char *sum = array;
  if (total) {
    sum = emit_name(em, "total");
    sb_printf(out, "double %s[%lld] __attribute__((aligned(64)));\n", sum, width);
  }
  sb_printf(out, "for (int64_t %s = 0; %s < %lld; %s++) %s[%s] = %s;\n", v, v, width, v, sum, v,
            emit_zero(&r->em, it->node->reducer, it->node->type));
  StrBuf inner = {0};
  for (int i = it->nloops - 1; i >= nout - 1; i--) {
    StrBuf outer = {0};
    if (i == blocked) {
      const char *first, *end;
      open_block(r, &outer, nrows + i, block, &first, &end);
      sb_printf(&outer, "for (int64_t %s = 0; %s < %lld; %s++) %s[%s] = 0;\n", v, v, width, v,
                array, v);
      emit_for(em, &outer, em->var[nrows + i], first, end, NULL);
    } else {
      print_for(r, &outer, nrows + i, i == it->nloops - 1, "");
    }
    StrBuf *own = text_at(r, NEST + i);
    if (own->n) sb_write(&outer, own->s, own->n);
    if (inner.n) sb_write(&outer, inner.s, inner.n);
    sb_puts(&outer, "}\n");
    if (i == blocked)
      sb_printf(&outer, "for (int64_t %s = 0; %s < %lld; %s++) %s[%s] += %s[%s];\n}\n", v, v, width,
                v, sum, v, array, v);
    sb_free(&inner);
    inner = outer;
  }
  sb_write(out, inner.s, inner.n);
  const char *result = arena_printf(em->arena, "%s%s[%s]", total ? "(float)" : "", sum, v);
  emit_open(em, level);
  const char *at;
  if (it->member->accumulates) {
    StrBuf index = {0};
    sb_puts(&index, v);
    int64_t stride = width;
    for (int i = nout - 2; i >= 0; i--) {
      sb_printf(&index, " + %lld * %s", (long long)stride, em->var[nrows + i]);
      stride *= it->extent[i];
    }
    at = arena_printf(em->arena, "%s[%s]", it->sum, index.s);
    print_combine(r, text_at(r, level), it, at, result);
    sb_free(&index);
  } else if (is_kept(r, it)) {
    if (!it->member->stored) declare_array(r, it);
    at = emit_element(em, it->node, turned.element, level, true);
    sb_puts(text_at(r, level), emit_store(em, it->node, at, result));
  }
  print_for(r, out, last + nred, true, "");
  sb_write(out, text_at(r, level)->s, text_at(r, level)->n);
  sb_puts(out, "}\n");
  em->nvars = nrows + nout - 1;
  if (nout > 1)
    close_loops(r, nout - 1, false, "");
  else
    em->nvars = nrows;
  sb_free(&inner);
}

static void emit_items(Rows *r) {
  for (int i = 0; i < r->plan->nitems;) {
    Item *it = &r->plan->items[i];
    int last = i;
    while (last + 1 < r->plan->nitems && r->plan->items[last + 1].nest == it->nest) last++;
    if (it->form != FORM_MIXED)
      emit_shared_nest(r, it, &r->plan->items[last]);
    else if (vector_over_output(r, it))
      emit_sum_outside(r, it);
    else
      emit_sum_inside(r, it);
    i = last + 1;
  }
}

/* ---- pieces ----------------------------------------------------------------------- */

/* The elements of a long sum over rows: a block of rows is summed where the piece's result
 * will be, and added up in scratch memory. Gives the text where a block begins. */
static StrBuf *begin_totals(Rows *r, Item *it, long long count) {
  it->totals = emit_name(&r->em, "totals");
  sb_printf(&r->locals, "double *restrict %s = (double *)(call->scratch + %zu);\n", it->totals,
            r->scratch);
  r->scratch += ((size_t)count * sizeof(double) + 63) / 64 * 64;
  sb_printf(text_at(r, PIECE), "for (int64_t i = 0; i < %lld; i++) %s[i] = 0.0;\n", count,
            it->totals);
  sb_printf(&r->block_end, "for (int64_t i = 0; i < %lld; i++) %s[i] += %s[i];\n", count,
            it->totals, it->sum);
  sb_printf(&r->piece_end, "for (int64_t i = 0; i < %lld; i++) %s[i] = (float)%s[i];\n", count,
            it->sum, it->totals);
  return text_at(r, BLOCK);
}

/* Accumulators of sums over rows: a piece's partial results, cleared before its
 * rows. Scalars are kept in a variable and stored after them. */
static void open_accumulators(Rows *r) {
  Emit *em = &r->em;
  for (int i = 0; i < r->plan->nitems; i++) {
    Item *it = &r->plan->items[i];
    if (!it->member->accumulates) continue;
    int64_t count = ir_count(it->node) / it->node->shape[0];
    const char *zero = emit_zero(&r->em, it->node->reducer, it->node->type);
    const char *base = emit_pointer(em, it->node, true);
    it->sum = emit_name(em, it->node->name);
    if (it->nout == 0 && is_long(it, r->per_piece, CPU_IN_LANES)) {
      begin_total(r, text_at(r, PIECE), it);
      sb_printf(&r->piece_end, "%s[piece] = (float)%s;\n", base, it->total);
    } else if (it->nout == 0) {
      sb_printf(text_at(r, PIECE), "%s %s = %s;\n", acc_type(it), it->sum, zero);
      if (accumulates_in_lanes(r, it)) begin_watch(r, text_at(r, PIECE), it);
      end_watch(&r->piece_end, it, it->sum);
      sb_printf(&r->piece_end, "%s[piece] = %s;\n", base, it->sum);
    } else {
      sb_printf(text_at(r, PIECE), "%s *%s = %s + piece * %lld;\n",
                emit_ctype(&r->em, it->node->type), it->sum, base, (long long)count);
      StrBuf *begin = text_at(r, PIECE);
      if (cpu_totals(it, r->per_piece)) begin = begin_totals(r, it, (long long)count);
      sb_printf(begin, "for (int64_t i = 0; i < %lld; i++) %s[i] = %s;\n", (long long)count,
                it->sum, zero);
    }
  }
}

static void print_row_loop(Rows *r, StrBuf *out) {
  Emit *em = &r->em;
  const RowPlan *plan = r->plan;
  StrBuf *body = text_at(r, ROW);
  if (!body->n) return;
  if (plan->nrows == 0) {
    sb_write(out, body->s, body->n);
    return;
  }
  const char *row = plan->nrows == 1 ? em->var[0] : "row";
  if (r->per_piece == 1 && !text_at(r, BLOCK)->n) {
    sb_printf(out, "{\nconst int64_t %s = piece;\n", row);
  } else {
    const char *end = arena_printf(em->arena, "%lld", (long long)plan->rows);
    if (r->pieces > 1) {
      end = "row_end";
      sb_printf(out, "%sint64_t row_end = (piece + 1) * %lld;\n",
                plan->rows % r->per_piece ? "" : "const ", (long long)r->per_piece);
      if (plan->rows % r->per_piece)
        sb_printf(out, "if (row_end > %lld) row_end = %lld;\n", (long long)plan->rows,
                  (long long)plan->rows);
    }
    const char *begin =
        r->pieces > 1 ? arena_printf(em->arena, "piece * %lld", (long long)r->per_piece) : "0";
    StrBuf *block = text_at(r, BLOCK);
    if (block->n) {
      const char *size = plan->flat ? "TD_BLOCK" : arena_printf(em->arena, "%d", CPU_IN_ORDER);
      sb_printf(out, "for (int64_t block = %s; block < %s; block += %s) {\n", begin, end, size);
      sb_printf(out, "const int64_t block_end = block + %s < %s ? block + %s : %s;\n", size, end,
                size, end);
      sb_write(out, block->s, block->n);
      begin = "block";
      end = "block_end";
    }
    const char *clauses = r->row_clause ? r->row_clause : "";
    emit_for(em, out, row, begin, end, plan->flat ? clauses : NULL);
  }
  int64_t stride = 1;
  for (int k = plan->nrows - 1; k >= 0 && plan->nrows > 1; k--) {
    if (em->used_vars >> k & 1) {
      sb_printf(out, "const int64_t %s = row", em->var[k]);
      if (stride > 1) sb_printf(out, " / %lld", (long long)stride);
      if (k > 0) sb_printf(out, " %% %lld", (long long)plan->row_extent[k]);
      sb_puts(out, ";\n");
    }
    stride *= plan->row_extent[k];
  }
  sb_write(out, body->s, body->n);
  sb_puts(out, "}\n");
  if (!text_at(r, BLOCK)->n) return;
  if (r->block_end.n) sb_write(out, r->block_end.s, r->block_end.n);
  sb_puts(out, "}\n");
}

static void finish(Rows *r, TdKernel *k) {
  StrBuf out = {0}, inner = {0};
  print_row_loop(r, &inner);
  sb_puts(&out, "{\n");
  emit_prologue(&r->em, &out);
  if (text_at(r, TOP)->n) sb_write(&out, text_at(r, TOP)->s, text_at(r, TOP)->n);
  if (r->locals.n) sb_write(&out, r->locals.s, r->locals.n);
  sb_puts(&out, "for (int64_t piece = begin; piece < end; piece++) {\n");
  if (text_at(r, PIECE)->n) sb_write(&out, text_at(r, PIECE)->s, text_at(r, PIECE)->n);
  sb_write(&out, inner.s, inner.n);
  if (r->piece_end.n) sb_write(&out, r->piece_end.s, r->piece_end.n);
  sb_puts(&out, "}\n}\n");
  k->source = arena_strndup(r->em.arena, out.s, out.n);
  if (r->scratch > r->g->launch.shape.cpu.scratch)
    bug("%s takes more scratch memory than planned", r->g->members.at[0].node->name);
  sb_free(&out);
  sb_free(&inner);
  sb_free(&r->piece_end);
  sb_free(&r->block_end);
  sb_free(&r->locals);
}

const char *emit_row_text(Emit *em, Plan *p, Group *g, RowPlan *rows, StrBuf *locals,
                          size_t *scratch, EmitAfter *after, const void *ctx) {
  Rows r = {.em = *em, .p = p, .g = g, .plan = rows, .locals = *locals, .scratch = *scratch};
  r.em.nvars = rows->nrows;
  r.em.in_bounds = rows->in_bounds;
  r.em.row_level = ROW;
  for (int v = 0; v < rows->nrows; v++) {
    r.em.extent[v] = rows->row_extent[v];
    r.em.var_level[v] = ROW;
  }
  emit_open(&r.em, ROW);
  emit_items(&r);
  if (after) sb_puts(text_at(&r, ROW), after(&r.em, ROW, ctx));
  *em = r.em;
  *locals = r.locals;
  *scratch = r.scratch;
  const StrBuf *text = &em->level[ROW].text;
  return text->n ? arena_strndup(em->arena, text->s, text->n) : "";
}

void emit_rows(Plan *p, Group *g, TdKernel *k) {
  Rows r = {.p = p, .g = g, .plan = g->rows};
  Emit *em = &r.em;
  emit_begin(em, p, g);
  em->row_level = ROW;
  em->in_bounds = r.plan->in_bounds;
  em->nvars = r.plan->nrows;
  for (int v = 0; v < r.plan->nrows; v++) {
    em->var[v] = emit_name(em, r.plan->row_axis[v]);
    em->extent[v] = r.plan->row_extent[v];
    em->var_level[v] = ROW;
  }
  r.per_piece = cpu_rows_per_piece(p, g);
  r.pieces = g->launch.shape.cpu.pieces;
  if (r.plan->flat)
    em->run = (EmitRun){.nvars = 1,
                        .var = {0},
                        .stride = {1},
                        .level = BLOCK,
                        .start = "block",
                        .count = "block_end - block",
                        .index = arena_printf(em->arena, "%s - block", em->var[0]),
                        .room = "TD_BLOCK"};
  open_accumulators(&r);
  emit_items(&r);
  finish(&r, k);
  emit_end(em);
}
