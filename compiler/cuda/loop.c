/* SPDX-License-Identifier: MIT */
/* Loops that are one kernel (plan/loop_kernel.c): a block for each slice of the rows brings
 * near what all iterations read alike, then runs the groups of the body one after another,
 * iteration by iteration. What a group leaves in memory, near or far, the next one finds behind
 * the barrier between them; no block reads what another one writes.
 *
 *     near: weights into shared memory; a barrier
 *     for each iteration
 *       group: the slice's rows (rows.c); a barrier
 *       ...                                                                         */
#include "compiler/cuda/cuda.h"

/* Their names and how they lie: behind one another. */
static EmitLocal *name_near(Plan *p, const LoopKernel *k) {
  EmitLocal *near = NEWN(p->arena, EmitLocal, k->near.n + 1);
  for (int i = 0; i < k->near.n; i++) {
    near[i].node = k->near.at[i].node;
    near[i].name = arena_printf(p->arena, "near%d", i);
    loop_near_strides(&k->near.at[i], near[i].stride);
  }
  return near;
}

/* Element i of what lies near, where it comes from: behind the fixed axes, row by row. */
static const char *source_of(Emit *em, const LoopNear *x) {
  Node *n = x->node;
  int64_t stride[IR_MAX_RANK], width = n->shape[n->rank - 1], pitch = plan_pitch(em->plan, n);
  Expr *from = ex_int(em->g, 0);
  plan_strides(em->plan, n, stride);
  for (int d = 0; d < x->fixed; d++)
    from = ex2(em->g, P_add, from, ex2(em->g, P_mul, ex_int(em->g, stride[d]), x->at[d]));
  const char *at =
      ex_is_zero(from) ? "" : arena_printf(em->arena, "%s + ", emit_value(em, from, 0));
  const char *pointer = emit_pointer(em, n, false);
  const char *text = pitch == width
                         ? arena_printf(em->arena, "%s[%si]", pointer, at)
                         : arena_printf(em->arena, "%s[%si / %lld * %lld + i %% %lld]", pointer, at,
                                        (long long)width, (long long)pitch, (long long)width);
  bool half = plan_type(em->plan, n) == TD_BF16;
  return half ? dialect_spell(em->dialect, em->arena, em->dialect->widen, &text) : text;
}

static void print_near(Emit *em, const LoopKernel *k, const EmitLocal *near, int threads,
                       StrBuf *out) {
  size_t at = 0;
  for (int i = 0; i < k->near.n; i++) {
    const LoopNear *x = &k->near.at[i];
    long long width = (long long)x->node->shape[x->node->rank - 1], count = 1;
    for (int d = x->fixed; d < x->node->rank; d++) count *= (long long)x->node->shape[d];
    sb_printf(out, "float *const %s = (float *)(td_shared_memory() + %zu);\n", near[i].name, at);
    sb_printf(out, "for (int i = td_thread(); i < %lld; i += %d)\n%s", count, threads,
              near[i].name);
    if (x->pitch == width)
      sb_printf(out, "[i] = %s;\n", source_of(em, x));
    else
      sb_printf(out, "[i / %lld * %lld + i %% %lld] = %s;\n", width, (long long)x->pitch, width,
                source_of(em, x));
    at += x->bytes;
  }
  if (k->near.n > 0) sb_puts(out, "td_barrier();\n");
}

static void print_slice(const LoopKernel *k, StrBuf *out) {
  sb_puts(out, "const long long slice_begin = td_block()");
  if (k->slice > 1) sb_printf(out, " * %lld", (long long)k->slice);
  sb_printf(out, ";\nconst long long slice_end = ");
  if (k->slice > 1 && k->rows % k->slice)
    sb_printf(out, "slice_begin + %lld < %lld ? slice_begin + %lld : %lld;\n", (long long)k->slice,
              (long long)k->rows, (long long)k->slice, (long long)k->rows);
  else
    sb_printf(out, "slice_begin + %lld;\n", (long long)k->slice);
}

static void print_iterations(const Group *g, StrBuf *out) {
  const Loop *l = g->loop;
  int slot = plan_depth(g->region);
  if (l->reverse)
    sb_printf(out, "for (long long ix%d = %lld; ix%d >= 0; ix%d--) {\n", slot,
              (long long)(l->count - 1), slot, slot);
  else
    sb_printf(out, "for (long long ix%d = 0; ix%d < %lld; ix%d++) {\n", slot, slot,
              (long long)l->count, slot);
}

void cuda_emit_loop(Plan *p, Group *g, TdKernel *k, const char **note) {
  const LoopKernel *loop = g->kernel;
  CudaWithin within = {.loop = g, .cut = cuda_loop(g)};
  Emit em;
  StrBuf out = {0}, near = {0};
  within.near = name_near(p, loop);
  emit_begin(&em, p, g);
  print_near(&em, loop, within.near, within.cut.threads, &near);
  sb_puts(&out, "{\n");
  emit_prologue(&em, &out);
  if (em.level[0].text.n) sb_puts(&out, em.level[0].text.s);
  if (near.n) sb_puts(&out, near.s);
  print_slice(loop, &out);
  print_iterations(g, &out);
  for (int i = 0; i < loop->body.n; i++) {
    sb_puts(&out, cuda_rows_text(p, loop->body.at[i], &within));
    sb_puts(&out, "td_barrier();\n");
  }
  sb_puts(&out, "}\n}\n");
  k->source = arena_strndup(p->arena, out.s, out.n);
  *note = arena_printf(p->arena, "%lld iterations, a block for %lld of %lld rows",
                       (long long)g->loop->count, (long long)loop->slice, (long long)loop->rows);
  sb_free(&near);
  sb_free(&out);
  emit_end(&em);
}
