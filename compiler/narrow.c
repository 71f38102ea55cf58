/* Which temporaries are kept in bf16, where `precision { act bf16 }` asks for it.
 *
 * Products round their factors to bf16 anyway, so a value that only products
 * read loses nothing by being stored so. What a product yields is stored so too,
 * as in the usual mixed precision: queries, scores, hidden layers. Everything
 * else stays f32: carried values (a residual stream, a recurrent state), sums
 * over rows and scatters, whatever goes into a state or a pack (parameters'
 * gradients), outputs, and what only other kernels read (statistics, losses).
 *
 *   needs      groups and places (plan_group, plan_place)
 *   guarantees the type and size of every temporary buffer are final */
#include "compiler/plan.h"

enum { FEWEST = 1 << 14 };               /* elements: less is not worth a conversion */

typedef struct Use {
  bool wide;                             /* something needs all of the fraction */
  bool by_product;                       /* a contraction reads it, */
  bool by_others;                        /* or another kernel does */
  bool from_product;                     /* it is what a contraction sums, */
  bool from_others;                      /* or something else */
} Use;

typedef struct Narrowing {
  Plan *p;
  Use  *use;                             /* by buffer */
  Node *reader;
} Narrowing;

static bool is_product(const Group *g) { return g && g->kind == GROUP_CONTRACTION; }

/* Does what n computes end in a state, a pack or an output? */
static bool is_kept(Narrowing *x, const Node *n) {
  const NodeInfo *info = plan_info(x->p, n);
  return info->placed && info->place.buffer >= 0 && x->use[info->place.buffer].wide;
}

static void note_value(Narrowing *x, Node *n) {
  NodeInfo *info = plan_info(x->p, n);
  if (!info->placed || info->place.buffer < 0) return;
  Use *u = &x->use[info->place.buffer];
  if (n->kind == N_STACK) return;
  if (n->kind != N_COMP || n->type != TY_REAL) u->wide = true;
  const Group *g = info->group;
  if (is_product(g) && g->members.at[0].node == n) u->from_product = true;
  else u->from_others = true;
  for (int i = 0; g && i < g->members.n; i++)
    if (g->members.at[i].node == n && g->members.at[i].accumulates) u->wide = true;
}

static void note_read(Node *n, void *ctx) {
  Narrowing *x = ctx;
  NodeInfo *info = plan_info(x->p, n);
  const Group *g = plan_info(x->p, x->reader)->group;
  if (!info->placed || info->place.buffer < 0 || (g && info->group == g)) return;
  Use *u = &x->use[info->place.buffer];
  if (is_product(g)) {
    u->by_product = true;
  } else {
    u->by_others = true;
    if (is_kept(x, x->reader)) u->wide = true;
  }
}

static void walk(Narrowing *x, Region *r, void (*f)(Narrowing *x, Node *n)) {
  for (int i = 0; i < r->nodes.n; i++) {
    Node *n = r->nodes.at[i];
    if (n->kind == N_LOOP) walk(x, n->loop->body, f);
    else f(x, n);
  }
}

static void note_reads(Narrowing *x, Node *n) {
  x->reader = n;
  if (n->kind == N_COMP || n->kind == N_SCATTER) ir_each_read(x->p->g, n, note_read, x);
}

void plan_narrow(Plan *p) {
  if (p->be->act != TD_BF16) return;
  Narrowing x = {.p = p, .use = NEWN(p->arena, Use, p->buffers.n + 1)};
  for (int i = 0; i < p->g->outputs.n; i++) {
    int b = plan_info(p, p->g->outputs.at[i].node)->place.buffer;
    if (b >= 0) x.use[b].wide = true;
  }
  walk(&x, p->g->top, note_value);
  walk(&x, p->g->top, note_reads);
  for (int b = 0; b < p->buffers.n; b++) {
    TdBuffer *td = &p->buffers.at[b].td;
    const Use *u = &x.use[b];
    bool narrow = u->by_product && !u->by_others ? true : u->from_product && !u->from_others;
    if (td->kind != TD_TEMP || td->type != TD_F32 || td->count < FEWEST || u->wide || !narrow) continue;
    td->type = TD_BF16;
    td->bytes = (size_t)td->count * td_type_size(TD_BF16);
  }
}

TdType plan_type(Plan *p, const Node *n) {
  const NodeInfo *info = plan_info(p, n);
  return info->placed && info->place.buffer >= 0 ? p->buffers.at[info->place.buffer].td.type : plan_storage(n->type);
}
