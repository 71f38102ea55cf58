/* SPDX-License-Identifier: MIT */
/* Values combined by one thread, and by a team of threads: statements around the
 * reductions of prelude.h. */
#include "compiler/cuda/cuda.h"

void cuda_combine(Emit *em, StrBuf *out, const Node *n, const char *into, const char *value) {
  switch (n->reducer) {
  case RED_SUM: sb_printf(out, "%s += %s;\n", into, value); return;
  case RED_PROD: sb_printf(out, "%s *= %s;\n", into, value); return;
  case RED_MAX:
  case RED_MIN: {
    bool max = n->reducer == RED_MAX;
    if (n->type == TY_REAL)
      sb_printf(out, "%s = td_%s%s(%s, %s);\n", into, max ? "max" : "min", em->dialect->suffix,
                into, value);
    else
      sb_printf(out, "%s = td_%s_int(%s, %s);\n", into, max ? "max" : "min", into, value);
    return;
  }
  case RED_NONE:
  case RED_ARGMAX: break;
  }
  bug("'%s' cannot be combined", n->name);
}

void cuda_open_value(Emit *em, StrBuf *out, const CudaRows *c, const Item *it, const char *into) {
  sb_printf(out, "%s %s = %s;\n", em->dialect->value[it->node->type], into,
            emit_zero(em, it->node->reducer, it->node->type));
  if (cuda_is_long(c, it)) sb_printf(out, "float %s_over = 0.0f;\n", into);
}

void cuda_combine_value(Emit *em, StrBuf *out, const CudaRows *c, const Item *it, const char *into,
                        const char *value) {
  if (cuda_is_long(c, it))
    sb_printf(out, "td_add_long(&%s, &%s_over, %s);\n", into, into, value);
  else
    cuda_combine(em, out, it->node, into, value);
}

/* "td_warp" or "td_block", and what stands behind a reduction's values */
static const char *across(const CudaRows *c) { return c->team == CUDA_WARP ? "warp" : "block"; }
static void print_room(const CudaRows *c, StrBuf *out) {
  if (c->team > CUDA_WARP) sb_printf(out, ", room, %d", c->team / CUDA_WARP);
}

void cuda_combine_team(const CudaRows *c, StrBuf *out, const Node *n, const char *into) {
  if (c->team == 1) return;
  const char *name = n->reducer == RED_SUM    ? "sum"
                     : n->reducer == RED_PROD ? "prod"
                     : n->reducer == RED_MAX  ? "max"
                                              : "min";
  const char *type = n->type == TY_REAL ? "" : "_int";
  sb_printf(out, "%s = td_%s_%s%s(%s", into, across(c), name, type, into);
  print_room(c, out);
  sb_puts(out, n->type == TY_BOOL ? ") != 0;\n" : ");\n");
}

void cuda_open_argmax(StrBuf *out, const Item *it) {
  bool real = it->body->type == TY_REAL;
  sb_printf(out, "int %s = -1;\n", it->value);
  sb_printf(out, "%s %s = %s;\n", real ? "float" : "long long", it->sum,
            real ? "-TD_INFF" : dialect_cuda.wide_least);
}

/* The first value counts whatever it is, later ones only if they are larger. */
void cuda_argmax(StrBuf *out, const Item *it, const char *guard, const char *value,
                 const char *place) {
  sb_printf(out, "if (%s%s(%s > %s || %s < 0)) {\n", guard ? guard : "", guard ? " && " : "", value,
            it->sum, it->value);
  sb_printf(out, "if (%s > %s) %s = %s;\n", value, it->sum, it->sum, value);
  sb_printf(out, "%s = (int)(%s);\n}\n", it->value, place);
}

void cuda_close_argmax(const CudaRows *c, StrBuf *out, const Item *it, bool shared) {
  if (shared && c->team > 1) {
    sb_printf(out, "%s = td_%s_argmax%s(%s, %s", it->value, across(c),
              it->body->type == TY_REAL ? "" : "_wide", it->sum, it->value);
    print_room(c, out);
    sb_puts(out, ");\n");
  }
  sb_printf(out, "if (%s < 0) %s = 0;\n", it->value, it->value);
}
