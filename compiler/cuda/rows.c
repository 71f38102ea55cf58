/* SPDX-License-Identifier: MIT */
/* Kernels of rows: a piece of rows is a team's, one thread, a warp or a block, whose
 * threads share the points of each nest of loops inside a row.
 *
 *     the team's piece                    accumulators
 *       for each row                      values of the row: every thread has them
 *         nest: points lane, lane + team  values of a point: one thread's
 *         sums of all lanes; a barrier
 *       values of the row are stored by lane 0, when all have read what stood there
 *
 * What a nest hands to a later one lies in shared memory, or where it is stored.
 * Flat rows are points themselves, a thread's each. Sums over rows alone are taken the
 * other way around: for each point its rows. */
#include "compiler/cuda/cuda.h"

enum { TOP, PIECE, ROW, NEST };

typedef struct Rows {
  Emit em;
  Plan *p;
  Group *g;
  RowPlan *plan;
  CudaRows cut;
  const CudaWithin *within; /* a part of a kernel; NULL: one of its own */
  StrBuf arrays;            /* declarations */
  size_t shared;            /* of a team, so far */
  StrBuf late;              /* stores of a row's values */
  StrBuf after;             /* statements after a piece's rows */
  bool open;                /* other threads of the team may still be in the nest before */
  bool closes;              /* other warps' sums are read behind a piece's rows */
} Rows;

static StrBuf *text_at(Rows *r, int level) { return &r->em.level[level].text; }

static const char *type_of(const Node *n) { return dialect_cuda.value[n->type]; }

static const char *take(Rows *r, StrBuf *b) {
  const char *text = b->n ? arena_strndup(r->em.arena, b->s, b->n) : "";
  sb_free(b);
  return text;
}

/* What one thread wrote or read before, another one may touch after. */
static void print_barrier(const Rows *r, StrBuf *out) {
  if (r->cut.team == CUDA_WARP) sb_puts(out, "td_warp_barrier();\n");
  if (r->cut.team > CUDA_WARP) sb_puts(out, "td_barrier();\n");
}

/* Has every thread of the team left the nest when one has? A block's reductions end with a
 * barrier (prelude.h), behind which no thread reads or writes what the nest does: the loops stand
 * before it, and values of a row are stored late. Those of a warp are shuffles, which order
 * nothing in memory; a mixed item stores its sums one after another behind their reductions. */
static bool is_closed(const Rows *r, const Item *first, const Item *last) {
  if (r->cut.team <= CUDA_WARP || r->plan->flat || first->form == FORM_MIXED) return false;
  for (const Item *it = first; it <= last; it++)
    if (it->form == FORM_REDUCE && it->nloops > 0 && !it->member->accumulates) return true;
  return false;
}

static const char *guarded_value(Rows *r, const Item *it, int level) {
  const char *value = emit_value(&r->em, it->body, level);
  if (!it->guard) return value;
  const char *guard = emit_value(&r->em, it->guard, level);
  return arena_printf(r->em.arena, "(%s ? %s : %s)", guard, value,
                      emit_zero(&r->em, it->node->reducer, it->node->type));
}

/* ---- loops of a nest ---------------------------------------------------------------------- */

/* Variables for the item's loops, each with a level of its own. */
static void open_loops(Rows *r, const Item *it) {
  Emit *em = &r->em;
  int first = r->plan->nrows;
  em->nvars = first + it->nloops;
  for (int i = 0; i < it->nloops; i++) {
    em->var[first + i] = emit_name(em, it->axis[i]);
    em->extent[first + i] = it->extent[i];
    em->var_level[first + i] = NEST + i;
    emit_open(em, NEST + i);
  }
}

/* Loops from .. to - 1 around the text inside, one in another: each thread all of them. */
static const char *serial_loops(Rows *r, int from, int to, const char *inside) {
  for (int i = to - 1; i >= from; i--) {
    StrBuf out = {0};
    int v = r->plan->nrows + i;
    emit_for(&r->em, &out, r->em.var[v], "0",
             arena_printf(r->em.arena, "%lld", (long long)r->em.extent[v]), NULL);
    if (text_at(r, NEST + i)->n) sb_puts(&out, text_at(r, NEST + i)->s);
    sb_puts(&out, inside);
    sb_puts(&out, "}\n");
    inside = take(r, &out);
  }
  return inside;
}

/* Does each thread of a warp that takes turns have as many points, in numbers that are known? Then
 * the loop is one that compilers write out, and memory has many requests at a time. */
static bool is_even(const Rows *r, int64_t points) {
  return r->cut.turns && points % r->cut.team == 0;
}

/* The same loops as one over their points, of which a thread has each team-th. */
static const char *shared_loops(Rows *r, int from, int to, const char *inside) {
  Emit *em = &r->em;
  if (r->cut.team == 1 || from == to) return serial_loops(r, from, to, inside);
  StrBuf out = {0};
  int64_t points = 1;
  for (int i = from; i < to; i++) points *= em->extent[r->plan->nrows + i];
  bool one = to == from + 1;
  const char *at = one ? em->var[r->plan->nrows + from] : emit_name(em, "point");
  if (is_even(r, points)) {
    const char *turn = emit_name(em, "turn");
    sb_printf(&out, "for (int %s = 0; %s < %lld; %s++) {\n", turn, turn,
              (long long)(points / r->cut.team), turn);
    sb_printf(&out, "const %s %s = lane + %d * %s;\n", emit_var_type(em), at, r->cut.team, turn);
  } else {
    sb_printf(&out, "for (%s %s = lane; %s < %lld; %s += %d) {\n", emit_var_type(em), at, at,
              (long long)points, at, r->cut.team);
  }
  for (int i = from; i < to && !one; i++) {
    int v = r->plan->nrows + i;
    int64_t stride = 1;
    for (int k = i + 1; k < to; k++) stride *= em->extent[r->plan->nrows + k];
    if (!(em->used_vars >> v & 1)) continue;
    sb_printf(&out, "const %s %s = %s", emit_var_type(em), em->var[v], at);
    if (stride > 1) sb_printf(&out, " / %lld", (long long)stride);
    if (i > from) sb_printf(&out, " %% %lld", (long long)em->extent[v]);
    sb_puts(&out, ";\n");
  }
  for (int i = from; i < to; i++)
    if (text_at(r, NEST + i)->n) sb_puts(&out, text_at(r, NEST + i)->s);
  sb_puts(&out, inside);
  sb_puts(&out, "}\n");
  return take(r, &out);
}

static void close_nest(Rows *r, const char *text) {
  sb_puts(text_at(r, ROW), text);
  r->em.nvars = r->plan->nrows;
}

/* ---- where values go ---------------------------------------------------------------------- */

/* The flat position over loops from .. to - 1. */
static const char *flat_position(Rows *r, const Item *it, int from, int to) {
  StrBuf b = {0};
  int64_t stride = 1;
  for (int i = to - 1; i >= from; i--) {
    sb_printf(&b, "%s%lld * %s", b.n ? " + " : "", (long long)stride,
              emit_var(&r->em, r->plan->nrows + i));
    stride *= it->extent[i];
  }
  return b.n ? take(r, &b) : "0";
}

static void declare_array(Rows *r, Item *it) {
  EmitLocal local = {.node = it->node, .name = emit_name(&r->em, it->node->name)};
  item_array_strides(it, r->plan->given_rows, local.stride);
  const char *type = emit_ctype(&r->em, it->node->type);
  sb_printf(&r->arrays, "%s *const %s = (%s *)(memory + %zu);\n", type, local.name, type,
            r->shared);
  r->shared += cuda_array_bytes(it);
  vec_push(r->em.arena, &r->em.locals, local);
}

/* A value of a row waits until all threads are through with it: one of them stores it. */
static void store(Rows *r, Item *it, int level, bool shared) {
  Emit *em = &r->em;
  const EmitLocal *local = emit_local(em, it->node);
  if (!it->member->stored && !it->array && !local) return;
  if (!it->member->stored && !local) declare_array(r, it);
  const char *at = emit_element(em, it->node, it->element, level, true);
  const char *statement = emit_store(em, it->node, at, it->value);
  if (level == ROW && !r->plan->flat) {
    sb_puts(&r->late, statement);
  } else {
    if (shared) sb_puts(text_at(r, level), "if (lane == 0)\n");
    sb_puts(text_at(r, level), statement);
  }
}

/* ---- nests ---------------------------------------------------------------------------------- */

/* Each thread's part of a sum over rows: threads add to elements of their own, or each to
 * a variable of its own, which are added up behind the rows. */
static void accumulate(Rows *r, Item *it, int level, const char *value) {
  const char *into = it->sum;
  if (it->nout > 0)
    into = arena_printf(r->em.arena, "%s[%s]", it->sum, flat_position(r, it, 0, it->nout));
  if (it->nout == 0 && it->form != FORM_MIXED)
    cuda_combine_value(&r->em, text_at(r, level), &r->cut, it, into, value);
  else
    cuda_combine(&r->em, text_at(r, level), it->node, into, value);
}

/* One nest over the loops that items first .. last share; every item is a map, a
 * reduction over all loops, or a sum over rows with one slot a point. */
static void emit_shared_nest(Rows *r, Item *first, Item *last) {
  Emit *em = &r->em;
  int n = first->nloops, level = n ? NEST + n - 1 : ROW;
  bool argmax = item_searches(first);
  StrBuf head = {0};
  open_loops(r, first);
  for (Item *it = first; it <= last; it++) {
    bool reduces = it->form == FORM_REDUCE && n > 0 && !it->member->accumulates;
    if (argmax) {
      it->value = emit_name(em, it->node->name);
      it->sum = emit_name(em, "best");
      cuda_open_argmax(&head, it);
      const char *value = emit_value(em, it->body, level);
      const char *guard = it->guard ? emit_value(em, it->guard, level) : NULL;
      cuda_argmax(text_at(r, level), it, guard, value, flat_position(r, it, it->nout, it->nloops));
      continue;
    }
    const char *value = guarded_value(r, it, level);
    if (it->member->accumulates) {
      accumulate(r, it, level, value);
      continue;
    }
    it->value = emit_name(em, it->node->name);
    if (reduces) {
      cuda_open_value(em, &head, &r->cut, it, it->value);
      cuda_combine_value(em, text_at(r, level), &r->cut, it, it->value, value);
    } else {
      sb_printf(text_at(r, level), "const %s %s = %s;\n", type_of(it->node), it->value, value);
      store(r, it, level, false);
      emit_define(em, it->self, level, it->value);
    }
  }
  if (n > 0) {
    const char *loops = shared_loops(r, 0, n, "");
    sb_puts(&head, loops);
    close_nest(r, take(r, &head));
  }
  for (Item *it = first; it <= last && n > 0; it++) {
    if (it->form != FORM_REDUCE || it->member->accumulates) continue;
    if (argmax)
      cuda_close_argmax(&r->cut, text_at(r, ROW), it, true);
    else
      cuda_combine_team(&r->cut, text_at(r, ROW), it->node, it->value);
    store(r, it, ROW, false);
    emit_define(em, it->self, ROW, it->value);
  }
}

/* for outputs { sum = 0; for reduced { sum += } store }: the outputs are shared by the
 * team, or the terms of each. */
static void emit_mixed(Rows *r, Item *it) {
  Emit *em = &r->em;
  bool shared = cuda_shares_sum(&r->cut, it), argmax = item_searches(it);
  int level = NEST + it->nloops - 1, out_level = NEST + it->nout - 1;
  StrBuf text = {0};
  open_loops(r, it);
  it->value = emit_name(em, it->node->name);
  if (argmax) {
    it->sum = emit_name(em, "best");
    cuda_open_argmax(&text, it);
    const char *value = emit_value(em, it->body, level);
    const char *guard = it->guard ? emit_value(em, it->guard, level) : NULL;
    cuda_argmax(text_at(r, level), it, guard, value, flat_position(r, it, it->nout, it->nloops));
  } else {
    cuda_open_value(em, &text, &r->cut, it, it->value);
    cuda_combine_value(em, text_at(r, level), &r->cut, it, it->value, guarded_value(r, it, level));
  }
  sb_puts(&text, shared ? shared_loops(r, it->nout, it->nloops, "")
                        : serial_loops(r, it->nout, it->nloops, ""));
  if (argmax)
    cuda_close_argmax(&r->cut, &text, it, shared);
  else if (shared)
    cuda_combine_team(&r->cut, &text, it->node, it->value);
  sb_puts(text_at(r, out_level), take(r, &text));
  if (it->member->accumulates) {
    if (shared) sb_puts(text_at(r, out_level), "if (lane == 0) {\n");
    accumulate(r, it, out_level, it->value);
    if (shared) sb_puts(text_at(r, out_level), "}\n");
  } else {
    store(r, it, out_level, shared);
  }
  close_nest(r, shared ? serial_loops(r, 0, it->nout, "") : shared_loops(r, 0, it->nout, ""));
}

static void emit_items(Rows *r) {
  for (int i = 0; i < r->plan->nitems;) {
    int last = i;
    while (last + 1 < r->plan->nitems && r->plan->items[last + 1].nest == r->plan->items[i].nest)
      last++;
    if (r->open) print_barrier(r, text_at(r, ROW));
    r->open = !is_closed(r, &r->plan->items[i], &r->plan->items[last]);
    if (r->plan->items[i].form == FORM_MIXED)
      emit_mixed(r, &r->plan->items[i]);
    else
      emit_shared_nest(r, &r->plan->items[i], &r->plan->items[last]);
    i = last + 1;
  }
}

/* ---- pieces ------------------------------------------------------------------------------- */

/* What the warps have summed near, added in their order. */
static void add_turns(Rows *r, const Item *it, const char *base, long long count) {
  const CudaRows *c = &r->cut;
  const char *type = emit_ctype(&r->em, it->node->type), *all = emit_name(&r->em, "all");
  size_t each = c->arrays / td_type_size(plan_storage(it->node->type));
  sb_printf(&r->after, "const %s *const %s = (const %s *)(td_shared_memory() + %zu);\n", type, all,
            type, c->room + r->shared);
  sb_printf(&r->after, "for (int i = td_thread(); i < %lld; i += %d) {\n%s sum = %s[i];\n", count,
            c->teams * c->team, dialect_cuda.value[it->node->type], all);
  sb_printf(&r->after, "#pragma unroll\nfor (int k = 1; k < %d; k++) ", c->teams);
  cuda_combine(&r->em, &r->after, it->node, "sum",
               arena_printf(r->em.arena, "%s[k * %zu + i]", all, each));
  sb_printf(&r->after, "%s[(long long)piece * %lld + i] = sum;\n}\n", base, count);
}

/* Sums with an element for each point: near, or where they are stored. */
static void open_sums(Rows *r, Item *it, const char *base, const char *zero) {
  StrBuf *out = text_at(r, PIECE);
  const char *type = emit_ctype(&r->em, it->node->type);
  long long count = (long long)(ir_count(it->node) / it->node->shape[0]);
  if (r->cut.near) {
    sb_printf(&r->arrays, "%s *const %s = (%s *)(memory + %zu);\n", type, it->sum, type, r->shared);
    if (r->cut.turns) {
      add_turns(r, it, base, count);
    } else {
      sb_printf(&r->after, "for (int i = lane; i < %lld; i += %d) ", count, r->cut.team);
      sb_printf(&r->after, "%s[(long long)piece * %lld + i] = %s[i];\n", base, count, it->sum);
    }
    r->shared += cuda_sum_bytes(it);
  } else {
    sb_printf(out, "%s *const %s = %s + (long long)piece * %lld;\n", type, it->sum, base, count);
  }
  sb_printf(out, "for (int i = lane; i < %lld; i += %d) %s[i] = %s;\n", count, r->cut.team, it->sum,
            zero);
}

/* Partial results of sums over rows: in variables, or where they are stored, element i
 * by the thread that adds to it. */
static void open_accumulators(Rows *r) {
  Emit *em = &r->em;
  StrBuf *out = text_at(r, PIECE);
  bool cleared = false;
  CudaRows all = r->cut;
  if (all.turns) all.team *= all.teams;
  for (int i = 0; i < r->plan->nitems; i++) {
    Item *it = &r->plan->items[i];
    if (!it->member->accumulates) continue;
    const char *zero = emit_zero(em, it->node->reducer, it->node->type);
    const char *base = emit_pointer(em, it->node, true);
    it->sum = emit_name(em, it->node->name);
    if (it->nout == 0) {
      cuda_open_value(em, out, &r->cut, it, it->sum);
      if (it->nloops > 0 || r->cut.spread) cuda_combine_team(&all, &r->after, it->node, it->sum);
      sb_printf(&r->after, "if (%s == 0) %s[piece] = %s;\n", r->cut.turns ? "td_thread()" : "lane",
                base, it->sum);
    } else {
      open_sums(r, it, base, zero);
      cleared = true;
    }
  }
  if (cleared) print_barrier(r, out);
  r->closes = cleared && r->cut.turns;
}

/* Row variables from the number of the row. */
static void print_row_variables(Rows *r, StrBuf *out) {
  const RowPlan *plan = r->plan;
  int64_t stride = 1;
  for (int k = plan->nrows - 1; k >= 0 && plan->nrows > 1; k--) {
    if (r->em.used_vars >> k & 1) {
      sb_printf(out, "const %s %s = row", emit_var_type(&r->em), r->em.var[k]);
      if (stride > 1) sb_printf(out, " / %lld", (long long)stride);
      if (k > 0) sb_printf(out, " %% %lld", (long long)plan->row_extent[k]);
      sb_puts(out, ";\n");
    }
    stride *= plan->row_extent[k];
  }
}

/* The loop over the rows of the piece, or its only row. */
static void print_row_loop(Rows *r, StrBuf *out) {
  const RowPlan *plan = r->plan;
  const char *row = plan->nrows == 1 ? r->em.var[0] : "row", *type = emit_var_type(&r->em);
  long long rows = (long long)plan->rows, per = (long long)r->cut.per_piece;
  bool many = r->cut.spread || per > 1;
  if (many) {
    sb_printf(out, "const %s row_end = (piece + 1) * %lld%s;\n", type, per,
              rows % per ? arena_printf(r->em.arena, " < %lld ? (piece + 1) * %lld : %lld", rows,
                                        per, rows)
                         : "");
    const char *first = r->cut.spread ? " + lane"
                        : r->cut.turns
                            ? arena_printf(r->em.arena, " + td_thread() / %d", r->cut.team)
                            : "";
    sb_printf(out, "for (%s %s = piece * %lld%s; %s < row_end; %s += %d) {\n", type, row, per,
              first, row, row,
              r->cut.spread  ? r->cut.team
              : r->cut.turns ? r->cut.teams
                             : 1);
  } else if (plan->nrows > 0) {
    sb_printf(out, "{\nconst %s %s = piece;\n", type, row);
  } else {
    sb_puts(out, "{\n");
  }
  print_row_variables(r, out);
}

static void print_rows(Rows *r, StrBuf *out) {
  print_row_loop(r, out);
  if (text_at(r, ROW)->n) sb_puts(out, text_at(r, ROW)->s);
  if (r->late.n) {
    if (r->open) print_barrier(r, out);
    if (r->cut.team > 1) sb_puts(out, "if (lane == 0) {\n");
    sb_puts(out, r->late.s);
    if (r->cut.team > 1) sb_puts(out, "}\n");
  }
  if (r->cut.per_piece > 1 && !r->cut.spread && !r->late.n && r->open) print_barrier(r, out);
  sb_puts(out, "}\n");
}

/* The other way around: for each point of the only nest its rows, with sums in variables. */
static void print_columns(Rows *r, StrBuf *out) {
  Emit *em = &r->em;
  RowPlan *plan = r->plan;
  int n = plan->items[0].nloops, level = NEST + n - 1;
  StrBuf before = {0}, rows = {0}, after = {0};
  open_loops(r, &plan->items[0]);
  for (int i = 0; i < plan->nitems; i++) {
    Item *it = &plan->items[i];
    const char *value = guarded_value(r, it, level);
    it->value = it->sum = emit_name(em, it->node->name);
    if (it->member->accumulates) {
      cuda_open_value(em, &before, &r->cut, it, it->sum);
      cuda_combine_value(em, text_at(r, level), &r->cut, it, it->sum, value);
      sb_printf(&after, "%s[(long long)piece * %lld + %s] = %s;\n",
                emit_pointer(em, it->node, true),
                (long long)(ir_count(it->node) / it->node->shape[0]),
                flat_position(r, it, 0, it->nout), it->sum);
    } else {
      sb_printf(text_at(r, level), "const %s %s = %s;\n", type_of(it->node), it->value, value);
      store(r, it, level, false);
      emit_define(em, it->self, level, it->value);
    }
  }
  print_row_loop(r, &rows);
  for (int at = ROW; at <= level; at++) {
    if (text_at(r, at)->n) sb_puts(&rows, text_at(r, at)->s);
    text_at(r, at)->n = 0;
    if (text_at(r, at)->s) text_at(r, at)->s[0] = '\0';
  }
  sb_printf(&before, "%s}\n%s", rows.s, after.n ? after.s : "");
  sb_puts(out, shared_loops(r, 0, n, before.s));
  sb_free(&before);
  sb_free(&rows);
  sb_free(&after);
}

/* What is added to a block's first piece: the number of the team. */
static const char *team_number(const Rows *r) {
  const CudaRows *c = &r->cut;
  if (c->turns) return "";
  if (c->team == 1) return " + td_thread()";
  return c->teams == 1 ? "" : arena_printf(r->em.arena, " + td_thread() / %d", c->team);
}

/* Which thread of its team, which part of shared memory. */
static void print_team(const Rows *r, StrBuf *out) {
  const CudaRows *c = &r->cut;
  size_t from = r->within ? r->within->loop->kernel->near_bytes : 0;
  if (c->team > 1 && c->teams == 1)
    sb_puts(out, "const int lane = td_thread();\n");
  else if (c->team > 1)
    sb_printf(out, "const int lane = td_thread() %% %d;\n", c->team);
  if (c->room > 0) sb_puts(out, "unsigned char *const room = td_shared_memory()");
  if (c->room > 0 && from > 0) sb_printf(out, " + %zu", from);
  if (c->room > 0) sb_puts(out, ";\n");
  if (!r->arrays.n) return;
  sb_printf(out, "unsigned char *const memory = td_shared_memory() + %zu", from + c->room);
  if (c->teams > 1) sb_printf(out, " + td_thread() / %d * %zu", c->team, c->arrays);
  sb_printf(out, ";\n%s", r->arrays.s);
}

static void print_piece(const Rows *r, StrBuf *out) {
  const CudaRows *c = &r->cut;
  sb_printf(out, "const %s piece = (%s)td_block()", emit_var_type(&r->em), emit_var_type(&r->em));
  if (c->teams > 1 && !c->turns) sb_printf(out, " * %d", c->teams);
  sb_printf(out, "%s;\n", team_number(r));
  if (c->pieces % c->teams && !c->turns)
    sb_printf(out, "if (piece >= %lld) return;\n", (long long)c->pieces);
}

/* The slice's pieces, by as many teams as there are. */
static void print_pieces(const Rows *r, const char *inner, StrBuf *out) {
  const CudaRows *c = &r->cut;
  const char *type = emit_var_type(&r->em);
  long long each = (long long)(r->plan->rows / r->within->loop->kernel->rows);
  sb_printf(
      out, "for (%s piece = (%s)(slice_begin * %lld)%s; piece < slice_end * %lld; piece += %d) {\n",
      type, type, each, team_number(r), each, c->teams);
  sb_puts(out, inner);
  /* the next piece writes where lanes may still read this one's values */
  if (c->pieces > c->teams) print_barrier(r, out);
  sb_puts(out, "}\n");
}

static const char *finish(Rows *r) {
  StrBuf out = {0}, inner = {0};
  if (r->cut.columns)
    print_columns(r, &inner);
  else
    print_rows(r, &inner);
  sb_puts(&out, "{\n");
  emit_prologue(&r->em, &out);
  if (!r->within) print_piece(r, &out);
  print_team(r, &out);
  for (int level = TOP; level <= PIECE; level++)
    if (text_at(r, level)->n) sb_puts(&out, text_at(r, level)->s);
  if (r->within)
    print_pieces(r, inner.s, &out);
  else
    sb_puts(&out, inner.s);
  if (r->closes) sb_puts(&out, "td_barrier();\n");
  if (r->after.n) sb_puts(&out, r->after.s);
  sb_puts(&out, "}\n");
  if (r->shared > r->cut.arrays)
    bug("'%s' takes more shared memory than planned", r->plan->items[0].node->name);
  sb_free(&inner);
  sb_free(&r->arrays);
  sb_free(&r->late);
  sb_free(&r->after);
  return take(r, &out);
}

static void begin(Rows *r) {
  Emit *em = &r->em;
  emit_begin(em, r->p, r->g);
  em->row_level = ROW;
  em->in_bounds = r->plan->in_bounds;
  em->short_vars = cuda_short(&r->cut, r->plan);
  em->nvars = r->plan->nrows;
  for (int v = 0; v < r->plan->nrows; v++) {
    em->var[v] = emit_name(em, r->plan->row_axis[v]);
    em->extent[v] = r->plan->row_extent[v];
    em->var_level[v] = ROW;
  }
}

const char *cuda_rows_text(Plan *p, Group *g, const CudaWithin *within) {
  const LoopKernel *k = within->loop->kernel;
  Rows r = {.p = p, .g = g, .plan = g->rows, .within = within};
  r.cut = cuda_rows_within(k, within->cut.threads, g);
  begin(&r);
  r.em.launch = &within->loop->launch;
  for (int i = 0; i < k->near.n; i++) vec_push(p->arena, &r.em.locals, within->near[i]);
  emit_items(&r);
  const char *text = finish(&r);
  emit_end(&r.em);
  return text;
}

void cuda_emit_rows(Plan *p, Group *g, TdKernel *k, const char **note) {
  Rows r = {.p = p, .g = g, .plan = g->rows, .cut = cuda_rows(p, g)};
  Emit *em = &r.em;
  begin(&r);
  if (!r.cut.columns) {
    open_accumulators(&r);
    emit_items(&r);
  }
  *note = r.cut.columns                              ? "a thread for each point, rows in turn"
          : r.cut.turns                              ? "a block each, whose warps take rows in turn"
          : r.cut.spread || r.cut.team == CUDA_BLOCK ? "a block each"
          : r.cut.team > 1                           ? "a warp each"
                                                     : NULL;
  k->source = finish(&r);
  emit_end(em);
}

const char *cuda_row_text(Emit *em, Plan *p, Group *g, RowPlan *rows, const CudaRows *cut,
                          size_t *own) {
  Rows r = {.em = *em, .p = p, .g = g, .plan = rows, .cut = *cut};
  r.em.in_bounds = rows->in_bounds;
  r.em.nvars = rows->nrows;
  r.em.row_level = ROW;
  emit_open(&r.em, ROW);
  emit_items(&r);
  StrBuf out = {0};
  if (r.arrays.n) sb_puts(&out, r.arrays.s);
  if (text_at(&r, ROW)->n) sb_puts(&out, text_at(&r, ROW)->s);
  if (r.late.n || r.shared > 0) print_barrier(&r, &out); /* the next row has the same arrays */
  if (r.late.n) sb_printf(&out, "if (lane == 0) {\n%s}\n", r.late.s);
  *em = r.em;
  *own = r.shared;
  sb_free(&r.arrays);
  sb_free(&r.late);
  const char *text = out.n ? arena_strndup(em->arena, out.s, out.n) : "";
  sb_free(&out);
  return text;
}
