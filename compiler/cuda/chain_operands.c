/* SPDX-License-Identifier: MIT */
/* Elements of a chain's operands: plain reads of memory, values that lie in shared memory, and
 * those of a batch that are no plain reads, which are computed where they are staged. */
#include "compiler/cuda/chain.h"

void chain_line(StrBuf *out, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  sb_vprintf(out, fmt, ap);
  va_end(ap);
  sb_putc(out, '\n');
}

const char *chain_take(ChainWriter *w, StrBuf *b) {
  const char *text = b->n ? arena_strndup(w->em.arena, b->s, b->n) : "";
  sb_free(b);
  return text;
}

const ChainBlock *chain_block_of(const ChainWriter *w, const Node *n) {
  const ChainBlock *b = chain_block(&w->shape->blocks, n);
  if (!b) bug("'%s' has no place in its chain", n->name);
  return b;
}

const char *chain_block_name(const ChainWriter *w, const Node *n) {
  return arena_printf(w->em.arena, "block_%d", (int)(chain_block_of(w, n) - w->shape->blocks.at));
}

/* ---- plain reads ------------------------------------------------------------------------ */

static int64_t most_of(int64_t stride, int64_t count) {
  return (stride < 0 ? -stride : stride) * (count - 1);
}

/* A pointer to the batch's matrix, declared once a piece. */
static const char *matrix(ChainWriter *w, const ChainOperand *o) {
  Emit *em = &w->em;
  const char *name = emit_name(em, o->node->name), *from = emit_pointer(em, o->node, false);
  bool half = plan_type(w->p, o->node) == TD_BF16;
  em->in_bounds = false;
  sb_printf(&w->pointers, "const %s *const %s = %s", half ? em->dialect->half : "float", name,
            from);
  if (o->base->kind != E_INT || o->base->inum != 0)
    sb_printf(&w->pointers, " + (long long)(%s)", emit_value(em, o->base, 0));
  for (int k = 0; k < w->c->nbatch; k++)
    if (o->batch_stride[k])
      sb_printf(&w->pointers, " + %lldll * %s", (long long)o->batch_stride[k], emit_var(em, k));
  sb_puts(&w->pointers, ";\n");
  return name;
}

static void print_step(StrBuf *out, const char *sep, const char *var, int64_t stride, bool wide) {
  if (stride == 1)
    sb_printf(out, "%s%s", sep, var);
  else
    sb_printf(out, "%s%s%s * %lld", sep, wide ? "(long long)" : "", var, (long long)stride);
}

const char *chain_address(ChainWriter *w, const ChainProduct *q, int which) {
  const ChainOperand *o = &q->operand[which];
  bool rows_outer = which == 0 && q->role == CHAIN_IN,
       rows_inner = which == 1 && q->role == CHAIN_COLUMN;
  int64_t outer = rows_outer ? w->c->rows : q->role == CHAIN_IN ? q->s : q->e;
  int64_t k = rows_inner ? w->c->rows : q->role == CHAIN_IN ? q->k : q->s;
  bool wide = most_of(o->outer_stride, outer) + most_of(o->k_stride, k) >= CUDA_SHORT;
  StrBuf b = {0};
  sb_printf(&b, "%s[", matrix(w, o));
  print_step(&b, "", rows_outer ? "(row0 + outer)" : "outer", o->outer_stride, wide);
  print_step(&b, " + ", rows_inner ? "(row0 + k)" : "k", o->k_stride, wide);
  sb_putc(&b, ']');
  return chain_take(w, &b);
}

static ChainElement plain_element(ChainWriter *w, const ChainProduct *q, int which) {
  const ChainOperand *o = &q->operand[which];
  const char *text = chain_address(w, q, which);
  if (plan_type(w->p, o->node) == TD_BF16)
    text = dialect_spell(w->em.dialect, w->em.arena, w->em.dialect->widen, &text);
  return (ChainElement){"", text, o->k_stride == 1 || o->outer_stride != 1};
}

/* ---- in shared memory ------------------------------------------------------------------- */

/* [row][column]: X of IN and ROW has the rows outside, X and Y of COLUMN inside. */
static ChainElement block_element(ChainWriter *w, const ChainProduct *q, const Node *n) {
  const char *name = chain_block_name(w, n);
  long long width = (long long)chain_block_of(w, n)->width;
  const char *at = q->role == CHAIN_COLUMN
                       ? arena_printf(w->em.arena, "%s[k * %lld + outer]", name, width)
                       : arena_printf(w->em.arena, "%s[outer * %lld + k]", name, width);
  return (ChainElement){"", at, q->role != CHAIN_COLUMN};
}

/* ---- computed --------------------------------------------------------------------------- */

static void split(ChainWriter *w, StrBuf *out, const Node *n, int from, int to, const char *flat) {
  int64_t stride = 1;
  for (int d = to - 1; d >= from; d--) {
    if (w->em.used_vars >> d & 1) {
      sb_printf(out, "const %s %s = %s", emit_var_type(&w->em), w->em.var[d], flat);
      if (stride > 1) sb_printf(out, " / %lld", (long long)stride);
      if (d > from) sb_printf(out, " %% %lld", (long long)n->extent[d]);
      sb_puts(out, ";\n");
    }
    stride *= n->extent[d];
  }
}

/* Y of a batch: its variables are the batch's, those of its outer index, those of k. */
static ChainElement fresh_element(ChainWriter *w, const ChainProduct *q, Node *n) {
  Emit *em = &w->em;
  const int nbatch = w->c->nbatch, kfrom = nbatch + (q->role == CHAIN_IN ? q->ns : q->ne);
  const uint32_t own = ~0u << nbatch, used = em->used_vars;
  const char *var[IR_MAX_VARS];
  for (int d = nbatch; d < n->nvars; d++) {
    var[d] = em->var[d];
    em->var[d] = emit_name(em, n->axis[d] ? n->axis[d] : "i");
    em->extent[d] = n->extent[d];
    em->var_level[d] = CHAIN_LEVEL;
  }
  em->nvars = n->nvars;
  em->in_bounds = false;
  em->used_vars &= ~own;
  emit_open(em, CHAIN_LEVEL);
  const char *value = emit_value(em, n->body, CHAIN_LEVEL);
  StrBuf out = {0};
  split(w, &out, n, nbatch, kfrom, "outer");
  split(w, &out, n, kfrom, n->nvars, "k");
  if (em->level[CHAIN_LEVEL].text.n) sb_puts(&out, em->level[CHAIN_LEVEL].text.s);
  for (int d = nbatch; d < n->nvars; d++) em->var[d] = var[d];
  em->used_vars = (em->used_vars & ~own) | used;
  return (ChainElement){chain_take(w, &out), value, true};
}

ChainElement chain_element(ChainWriter *w, const ChainProduct *q, int which) {
  const ChainOperand *o = &q->operand[which];
  if (o->plain) return plain_element(w, q, which);
  if (member_of(w->g, o->node)->program == CHAIN_FRESH) return fresh_element(w, q, o->node);
  return block_element(w, q, o->node);
}
