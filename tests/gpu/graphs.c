/* SPDX-License-Identifier: MIT */
/* Graphs on the GPU against the evaluator, in double precision. Each is about one trap, and has
 * to hold what the trap needs: a product that the library computes, rows in bf16 that are no
 * multiple of anything. Each runs four times, of which the second is captured and the others
 * replay it, with another seed and step each time, and poison where it has to write. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/backend.h"
#include "compiler/eval/eval.h"
#include "compiler/ir/draws.h"
#include "compiler/ir/text.h"
#include "compiler/ir/verify.h"
#include "tests/gpu/check.h"

enum { RUNS = 4 };

/* What must be in the program, or the check is about nothing. */
typedef enum Need {
  ANYTHING,
  LIBRARY,      /* a product of cuBLASLt */
  UNALIGNED,    /* one with a matrix that begins at no multiple of 16 bytes */
  OWN_PRODUCT,  /* a product that kernels sum */
  COUNTERS,     /* a kernel that is given a loop's counter */
  NARROW_ROWS,  /* rows of 65 numbers in bf16, with gaps */
  BATCH,        /* one of the library for each of three layers */
  SHARED,       /* one of the library with the same operand for a batch */
  COPY,         /* a kernel, no map, that reads a state's copy in bf16, */
  LIBRARY_COPY, /* one of the library, */
  FOLLOWING,    /* and the copy is changed with the state */
  CHAIN,        /* a chain of products, */
  CHAIN_COPIES  /* one that copies operands two steps ahead */
} Need;

typedef struct Case {
  const char *name, *text;
  Need need;
  TdType act;
  bool whole;    /* inputs and states are small whole numbers; else normal */
  double within; /* of each number, as a share of it and of the mean size; 0: exact */
  double more;   /* added to each number of the input x */
  bool repeated; /* compiled and run as a sampler's step is, again and again */
} Case;

/* whole numbers up to 4, in bf16 and in f32 exact, as are sums of 4,096 of their products */
#define PRODUCTS(m, n, k, x, at)                                       \
  "state p: real[20000]\nview w: real[" #n ", " #k "] = p + " #at "\n" \
  "input x: real[" #m ", " #k "]\n"                                    \
  "y[i:" #m ", j:" #n "] = sum[k:" #k "](" x " * w[j, k])\noutput y = y\n"

/* The sum is of all of a state, which is changed; products read it in bf16. */
#define CHANGING                                                                      \
  "state p: real[20000]\nview w: real[2, 96, 96] = p + 1000\ninput x: real[64, 96]\n" \
  "h[i:64, j:96] = sum[k:96](x[i, k] * w[0, k, j])\n"                                 \
  "m[i:64, j:96] = max(min(0.25 * h[i, j] + 1.0, 3.0), -3.0)\n"                       \
  "y[i:64, j:96] = sum[k:96](m[i, k] * w[1, k, j])\n"                                 \
  "s[] = sum[i:20000](p[i])\nu[i:20000] = 1.0 - p[i]\nupdate p = u\n"                 \
  "output y = y\noutput s = s\n"

/* With 2^-12 more, which TF32 rounds away, sums of 64 products are still exact in f32. */
#define FINE 0.000244140625

/* What a softmax and its gradient are to kernels, of whole numbers: a chain with q and k */
#define CHAINED                                                                                \
  "s[b:4, i:132, j:132] = sum[e:16](q[b, i, e] * k[b, j, e])\n"                                \
  "m[b:4, i:132] = max[j:132](s[b, i, j])\n"                                                   \
  "p[b:4, i:132, j:132] = (s[b, i, j] < m[b, i] ? 0.5 : 4.0) * (0.0 < s[b, i, j] ? 1.0 : 2.0)" \
  "\nz[b:4, i:132] = sum[j:132](p[b, i, j])\n"                                                 \
  "t[b:4, i:132, j:132] = z[b, i] < 100.0 ? p[b, i, j] : 2.0 * p[b, i, j]\n"                   \
  "y[b:4, i:132, e:16] = sum[j:132](t[b, i, j] * k[b, j, e])\n"                                \
  "d[b:4, j:132, e:16] = sum[i:132](t[b, i, j] * q[b, i, e])\n"                                \
  "g[b:4, j:132, e:16] = sum[i:132](p[b, i, j] * q[b, i, e])\n"                                \
  "output y = y\noutput d = d\noutput g = g\n"

static const Case cases[] = {
    {"alignment_of_4_bytes", PRODUCTS(64, 96, 64, "x[i, k]", 3), .need = UNALIGNED, .whole = true},
    {"alignment_of_8_bytes", PRODUCTS(64, 96, 64, "x[i, k]", 2), .need = UNALIGNED, .whole = true},
    {"alignment_of_rows", PRODUCTS(64, 97, 65, "x[i, k]", 1), .need = UNALIGNED, .whole = true},
    {"alignment_in_bf16", PRODUCTS(64, 96, 64, "x[i, k]", 1), .act = TD_BF16, .whole = true},
    {"odd_rows_in_bf16", PRODUCTS(64, 97, 65, "x[i, k]", 1), .act = TD_BF16, .whole = true},
    {"rows_of_65_in_bf16",
     "input x: real[200, 65]\ninput w: real[65, 64]\n"
     "h[i:200, j:65] = sum[k:8](x[i, k] * w[j, k])\n"
     "m[i:200] = max[v:65](h[i, v])\ng[i:200, j:65] = h[i, j] - m[i]\n"
     "y[i:200, j:64] = sum[k:65](min(max(g[i, k], -3.0), 3.0) * w[k, j])\noutput y = y\n",
     .need = NARROW_ROWS, .act = TD_BF16, .whole = true},
    {"odd_offsets",
     "state p: real[9000]\nview a: real[7, 257] = p + 1\nview b: real[7, 255] = p + 3002\n"
     "y[i:7, j:255] = a[i, j + 1] - 2.0 * b[i, 254 - j]\nz[j:255] = sum[i:7](a[i, j + 2])\n"
     "output y = y\noutput z = z\n",
     .whole = true},
    {"tf32_in_products_of_the_library", PRODUCTS(64, 96, 64, "x[i, k]", 0), .need = LIBRARY,
     .whole = true, .more = FINE},
    {"tf32_in_own_products",
     "input x: real[64, 64]\ninput w: real[64, 64]\n"
     "y[i:64, j:64] = sum[k:64 | k <= i](x[i, k] * w[j, k])\noutput y = y\n",
     .need = OWN_PRODUCT, .whole = true, .more = FINE},
    {"counters_in_a_graph",
     "input x: real[300]\nstate s: real[300]\n"
     "loop l:5 reverse {\n  carry c: real[i:300] = x\n"
     "  m[] = max[i:300](c[i])\n"
     "  n[i:300] = c[i] * 0.5 + real(@l) + s[i] - m[]\n  next c = n\n  emit 0 = n\n}\n"
     "final r: real[i:300] = c\nstack st: real[l:5, i:300] = l emit 0\n"
     "output r = r\noutput st = st\n",
     .need = COUNTERS, .whole = true},
    {"seed_and_step_in_a_graph", "y[i:131072] = uniform(7, i)\noutput y = y\n", .whole = true},
    {"normal_draws", "y[i:131072] = normal(7, i)\noutput y = y\n", .whole = true, .within = 2e-6},
    {"minus_infinity_through_exp",
     "input x: real[40, 65]\ns[i:40, j:65] = j <= i ? x[i, j] : -inf\n"
     "m[i:40] = max[j:65](s[i, j])\ne[i:40, j:65] = exp(s[i, j] - m[i])\n"
     "z[i:40] = sum[j:65](e[i, j])\ny[i:40, j:65] = e[i, j] / z[i]\noutput y = y\n",
     .within = 2e-6},
    {"nan_through_reductions",
     "x[b:6, d:400] = b == 1 and d == 133 ? nan : real(40 * b + d - 20)\n"
     "m[b:6] = max[d:400](x[b, d])\ns[d:400] = sum[b:6](x[b, d])\n"
     "c[b:6, d:400] = max(-1.0, min(x[b, d], 1.0))\noutput m = m\noutput s = s\noutput c = c\n",
     .whole = true},
    {"functions_of_a_number",
     "input x: real[4096]\na[i:4096] = exp(4.0 * x[i])\nb[i:4096] = log(abs(x[i]) + 1e-3)\n"
     "c[i:4096] = tanh(x[i])\nd[i:4096] = sigmoid(4.0 * x[i])\ne[i:4096] = erf(x[i])\n"
     "f[i:4096] = sin(8.0 * x[i])\ng[i:4096] = cos(8.0 * x[i])\nh[i:4096] = atan(x[i])\n"
     "k[i:4096] = log1p(abs(x[i]))\nl[i:4096] = expm1(x[i])\nm[i:4096] = sqrt(abs(x[i]))\n"
     "n[i:4096] = rsqrt(abs(x[i]) + 1e-3)\noutput a = a\noutput b = b\noutput c = c\n"
     "output d = d\noutput e = e\noutput f = f\noutput g = g\noutput h = h\noutput k = k\n"
     "output l = l\noutput m = m\noutput n = n\n",
     .within = 2e-6},
    {"long_sums",
     "input x: real[70000, 5]\ny[j:5] = sum[i:70000](0.125 * x[i, j] + 1.01)\n"
     "z[] = sum[i:70000, j:5](0.125 * x[i, j] + 1.01)\noutput y = y\noutput z = z\n",
     .whole = true, .within = 2e-6},
    {"sums_of_a_scatter",
     "input t: real[3000]\nn[i:3000] in 0 .. 36 = mod(i * i, 37)\nx[i:3000, d:8] = t[i] * real(d)\n"
     "scatter y: real[v:37, d:8] over [i:3000, e:8] at [n[i], e] add x[i, e]\noutput y = y\n",
     .whole = true},
    {"an_update_that_reads_its_neighbours",
     "state s: real[777]\nr[i:777] = s[mod(i + 1, 777)] - 0.5 * s[i]\nupdate s = r\n",
     .whole = true},
    {"gradients_of_all_layers_at_once", /* e: three operations, so no operand computes it */
     "input x: real[64, 48]\nloop i:3 {\n  carry h: real[64, 48] = x\n"
     "  n[l:64, k:48] = max(min(h[l, k] + real(@i), 4.0), -4.0)\n  next h = n\n  emit 0 = n\n}\n"
     "stack N: real[3, 64, 48] = i emit 0\nloop j:3 reverse {\n  carry d: real[64, 48] = x\n"
     "  e[l:64, k:48] = max(min(1.0 - d[l, k] - real(@j), 3.0), -3.0)\n"
     "  w[a:48, b:48] = sum[l:64](N[@j, l, a] * e[l, b])\n  next d = e\n  emit 0 = w\n}\n"
     "stack W: real[3, 48, 48] = j emit 0\nfinal last: real[64, 48] = d\n"
     "output W = W\noutput last = last\n",
     .need = BATCH, .whole = true},
    {"products_that_share_an_operand",
     "state p: real[20000]\nview v: real[96, 64] = p + 6208\nview w: real[96, 64] = p + 64\n"
     "input x: real[64, 96]\nq[i:64, j:64] = sum[k:96](x[i, k] * v[k, j])\n"
     "r[i:64, j:64] = sum[k:96](x[i, k] * w[k, j])\n"
     "y[i:64, j:64] = sum[k:64](max(min(q[i, k], 2.0), -2.0) * max(min(r[j, k], 3.0), -3.0))\n"
     "s[i:64] = max[k:64](q[i, k])\nt[i:64] = max[k:64](r[i, k])\n"
     "output y = y\noutput s = s\noutput t = t\n",
     .need = SHARED, .whole = true},
    {"bf16_weights_after_loading",
     "state w: real[96, 96]\ninput x: real[64, 96]\n"
     "y[i:64, j:96] = sum[k:96](x[i, k] * w[j, k])\noutput y = y\n",
     .need = COPY, .act = TD_BF16, .whole = true, .repeated = true},
    {"bf16_weights_in_a_loop", /* of independent rows: one kernel */
     "state p: real[20000]\nview w: real[2, 96, 96] = p + 64\ninput x: real[32, 96]\n"
     "loop l:2 {\n  carry h: real[32, 96] = x\n"
     "  n[i:32, j:96] = sum[k:96](h[i, k] * w[@l, k, j])\n"
     "  m[i:32, j:96] = max(min(n[i, j], 3.0), -3.0)\n  next h = m\n}\n"
     "final r: real[32, 96] = h\noutput r = r\n",
     .need = COPY, .act = TD_BF16, .whole = true, .repeated = true},
    {"bf16_weights_that_a_repeated_step_changes", CHANGING, .need = LIBRARY_COPY, .act = TD_BF16,
     .whole = true, .repeated = true},
    {"bf16_weights_that_a_step_changes", CHANGING, .need = FOLLOWING, .act = TD_BF16,
     .whole = true},
    {"a_chain_in_f32", "input q: real[4, 132, 16]\ninput k: real[4, 132, 16]\n" CHAINED,
     .need = CHAIN, .whole = true},
    {"a_chain_in_bf16",
     "input q: real[4, 132, 16]\ninput a: real[4, 132, 40]\ninput c: real[40, 16]\n"
     "k[b:4, j:132, e:16] = sum[v:40]((0.0 < a[b, j, v] ? 1.0 : 0.0) * (0.0 < c[v, e] ? 1.0 : "
     "-1.0))\n" CHAINED,
     .need = CHAIN_COPIES, .act = TD_BF16, .whole = true},
};
enum { CASES = sizeof cases / sizeof *cases };

/* ---- does it hold what it is about? -------------------------------------------------- */

static bool unaligned(const TdEntry *e, const TdStep *s, const TdOperand *o) {
  const TdBuffer *b = &e->buffers[s->args[o->arg]];
  size_t at = (b->kind == TD_TEMP || b->kind == TD_STATE ? b->offset : 0) +
              (size_t)o->offset * td_type_size(o->type);
  return at % 16 != 0;
}

static bool reads_copy(const TdProgram *p, const TdEntry *e, const TdStep *s) {
  for (int i = 0; i < s->nargs; i++) {
    const TdBuffer *b = &e->buffers[s->args[i]];
    for (int k = 0; k < p->nstates && b->kind != TD_STATE && b->type == TD_BF16; k++) {
      size_t n = strlen(p->states[k].name);
      if (strncmp(p->states[k].name, b->name, n) == 0 && strcmp(b->name + n, ".bf16") == 0)
        return true;
    }
  }
  return false;
}

static bool step_has(const TdProgram *p, const TdEntry *e, const TdStep *s, Need need) {
  if (s->kind != TD_LAUNCH) return false;
  const TdKernel *k = &p->kernels[s->kernel];
  bool library = k->kind == TD_PRODUCT, product = strcmp(k->klass, "contraction") == 0;
  if (need == LIBRARY) return library;
  if (need == BATCH) return library && k->product->batch == 3;
  if (need == SHARED)
    return library && k->product->batch == 2 &&
           (k->product->a.batch == 0) != (k->product->b.batch == 0);
  if (need == CHAIN || need == CHAIN_COPIES)
    return strcmp(k->klass, "chain") == 0 && (need == CHAIN || strstr(k->source, "td_copy_async"));
  if (need == COPY) return strcmp(k->klass, "map") != 0 && reads_copy(p, e, s);
  if (need == LIBRARY_COPY || need == FOLLOWING)
    return library && reads_copy(p, e, s) && e->follows == (need == FOLLOWING);
  if (need == OWN_PRODUCT) return !library && product;
  if (need == COUNTERS) return k->counters != 0;
  return need == UNALIGNED && library &&
         (unaligned(e, s, &k->product->a) || unaligned(e, s, &k->product->b));
}

static bool has(const TdProgram *p, Need need) {
  const TdEntry *e = &p->entries[0];
  bool found = need == ANYTHING;
  for (int i = 0; i < e->nsteps; i++) found = found || step_has(p, e, &e->steps[i], need);
  for (int i = 0; i < e->nbuffers && need == NARROW_ROWS; i++) {
    const TdBuffer *b = &e->buffers[i];
    found = found || (b->kind == TD_TEMP && b->type == TD_BF16 && b->rank == 2 &&
                      b->shape[1] == 65 && b->pitch > 65);
  }
  return found;
}

/* ---- numbers on both sides -------------------------------------------------------------- */

static float number(const Case *c, const char *name, int64_t i, int run) {
  uint32_t site = draw_site(name);
  double more = strcmp(name, "x") == 0 ? c->more : 0;
  if (!c->whole) return (float)(draw_normal(1, run, site, (uint64_t)i) + more);
  return (float)((int)(draw_uniform(1, run, site, (uint64_t)i) * 9) - 4 + more);
}

/* Inputs are new in each run. States are at first, and when the last run begins. */
static bool give(const Case *c, Session *s, Eval *ev, Node *n, int run) {
  TdError err = {0};
  int64_t count = ir_count(n);
  float *x = calloc((size_t)count + 1, sizeof *x);
  double *to = eval_bind(ev, n);
  bool ok = x != NULL, loaded = run == 0 || run == RUNS - 1;
  int state = n->kind == N_STATE ? session_state(s, n->name) : -1;
  for (int64_t i = 0; ok && i < count; i++) x[i] = number(c, n->name, i, run);
  if (ok && n->kind == N_INPUT)
    ok = session_set_reals(s, 0, n->name, x, count, &err);
  else if (ok && loaded)
    session_write_state(s, state, 0, count, x);
  else if (ok)
    ok = session_read_state(s, state, 0, count, x, &err);
  for (int64_t i = 0; ok && i < count; i++) to[i] = (double)x[i];
  free(x);
  return ok || check_wrong("%s: %s", n->name, err.message);
}

static bool same(const Case *c, const char *what, int run, const float *got, const double *want,
                 int64_t count) {
  double size = 0;
  for (int64_t i = 0; i < count; i++) size += isfinite(want[i]) ? fabs(want[i]) : 0;
  size /= (double)(count > 0 ? count : 1);
  for (int64_t i = 0; i < count; i++) {
    double x = (double)got[i], apart = fabs(x - want[i]);
    bool good = isnan(want[i]) ? isnan(x)
                               : x == want[i] || apart <= c->within * fabs(want[i]) ||
                                     (want[i] != 0 && apart <= c->within * size);
    if (!good)
      return check_wrong("run %d: %s[%lld] is %.9g, by the evaluator %.9g", run + 1, what,
                         (long long)i, x, want[i]);
  }
  return true;
}

static bool compare(const Case *c, Session *s, Graph *g, Eval *ev, int run) {
  bool ok = true;
  TdError err = {0};
  for (int i = 0; ok && i < g->outputs.n + g->updates.n; i++) {
    bool output = i < g->outputs.n;
    Node *n = output ? g->outputs.at[i].node : g->updates.at[i - g->outputs.n].state;
    const char *name = output ? g->outputs.at[i].name : n->name;
    float *got = calloc((size_t)ir_count(n) + 1, sizeof *got);
    if (got == NULL) return check_wrong("no memory");
    ok = output ? session_read_output(s, 0, name, 0, ir_count(n), got, &err)
                : session_read_state(s, session_state(s, name), 0, ir_count(n), got, &err);
    if (!ok) check_wrong("%s", err.message);
    ok = ok && same(c, name, run, got, output ? eval_value(ev, n) : eval_bind(ev, n), ir_count(n));
    free(got);
  }
  return ok;
}

/* What is kept from run to run is made anew when weights were written, and only then. */
static bool run_once(const Case *c, Session *s, Graph *g, int run) {
  uint64_t seed = 40 + (uint64_t)run;
  Eval *ev = eval_new(g, seed, run * run);
  bool ok = true;
  for (int i = 0; ok && i < g->top->nodes.n; i++) {
    Node *n = g->top->nodes.at[i];
    if (n->kind == N_INPUT || n->kind == N_STATE) ok = give(c, s, ev, n, run);
  }
  const char *why = ok ? eval_run(ev) : NULL;
  if (why != NULL) ok = check_wrong("the evaluator: %s", why);
  if (ok) session_run(s, 0, seed, run * run);
  ok = ok && compare(c, s, g, ev, run);
  eval_free(ev);
  return ok;
}

static bool run_all(const Case *c, Graph *g, const TdProgram *p) {
  TdError err = {0};
  Session *s = check_session(p, &err);
  bool ok = s != NULL && session_need(s, (const char *const[]){".", NULL}, &err);
  if (!ok) check_wrong("%s", err.message);
  for (int run = 0; ok && run < RUNS; run++) ok = run_once(c, s, g, run);
  session_free(s);
  return ok;
}

static bool holds(const Case *c, Arena *arena) {
  Diags *d = diags_new(arena);
  const char *text = arena_printf(arena, "graph it\n%s", c->text);
  Graph *g = ir_parse(arena, interner_new(arena), d, diags_source(d, c->name, text, strlen(text)));
  if (g == NULL) return check_wrong("%s", diags_count(d) ? diags_at(d, 0)->message : "no graph");
  const char *why = ir_verify(g);
  if (why != NULL) return check_wrong("%s", why);
  Backend *be = backend_new(arena, d, "check", NULL);
  backend_for(be, backend_target("cuda"));
  backend_activations(be, c->act);
  backend_repeated(be, c->repeated);
  if (!backend_entry(be, g, "main")) return check_wrong("it does not compile");
  const TdProgram *p = backend_finish(be);
  return (has(p, c->need) || check_wrong("the program has nothing that this check is about")) &&
         run_all(c, g, p);
}

void check_graphs(Suite *s) {
  for (int i = 0; i < CASES; i++) {
    Arena *arena = arena_new();
    check_verdict(s, cases[i].name, holds(&cases[i], arena));
    arena_free(arena);
  }
}
