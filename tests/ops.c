/* SPDX-License-Identifier: MIT */
/* Every op and block there is: those of the library, of models/ (which: model_in_depth) and of
 * tests/models/. Their gradients against central differences, and what they
 * compile to, forwards and backwards, against the reference evaluator, over
 * random shapes, ties and masks.
 *
 *   ops                     all of them; TDC_TEST_LONG=1: ten times the shapes
 *   ops FILE.td [NAME]      the ops of one file ("std": of the library), or one op
 *   ops cuda [NAME]         those of the library on the emulated GPU, every load and store of
 *                           the small trials watched (tests/cuda_emu)
 *
 * The kernels of many trials make one program, so that the C compiler runs
 * seldom. It spends most of the test's time: a few shapes are compiled as the
 * runtime does, the others with less optimisation (all of them when it is long).
 * A failing trial is named by its seed. */
#define _GNU_SOURCE
#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "compiler/backend.h"
#include "compiler/check/opcheck.h"
#include "compiler/eval/eval.h"
#include "compiler/grad/grad.h"
#include "compiler/ir/draws.h"
#include "runtime/cpu/device.h"
#include "runtime/session.h"
#include "tests/emulated.h"
#include "tests/model.h"
#include "tests/quick.h"

enum { VOCABULARY = 7, BATCH = 400, SHOWN = 3, FIRST_SEED = 1000, STEP = 3 };

typedef struct Counts {
  int passed, failed;
  bool longer;
  const char *only; /* the op's name, or NULL */
  bool times;       /* say how long the compiler took */
  VEC(char *) seen; /* texts of the ops checked: models share some */
  Arena *arena;
} Counts;

/* A file that is being tested. */
typedef struct File {
  const char *path;
  Arena *arena;
  Diags *diags;
  Unit *unit;
} File;

/* ---- files --------------------------------------------------------------------------- */

/* No text is needed: seven symbols, equally likely. */
static bool answer(void *ctx, const DataDecl *decl, DataInfo *out, const char **why) {
  static const double share[VOCABULARY] = {1.0 / 7, 1.0 / 7, 1.0 / 7, 1.0 / 7,
                                           1.0 / 7, 1.0 / 7, 1.0 / 7};
  (void)ctx, (void)decl, (void)why;
  *out = (DataInfo){.vocab = VOCABULARY, .unigram = share, .entropy = log(VOCABULARY)};
  return true;
}

static char *read_text(const char *path, size_t *size) {
  FILE *f = fopen(path, "rb");
  StrBuf s = {0};
  char block[4096];
  for (size_t n; f && (n = fread(block, 1, sizeof block, f)) > 0;) sb_write(&s, block, n);
  if (f) fclose(f);
  *size = s.n;
  return s.s;
}

/* Dims of 16 and more become a sixteenth, in fours: sums over them stay cheap. */
static int shrink(const AFile *f, Arena *a, Define *out, int most) {
  int n = 0;
  for (int i = 0; i < f->decls.n; i++) {
    const ADecl *d = f->decls.at[i];
    for (int k = 0; d->kind == D_DIM && k < d->binds.n && n < most; k++) {
      const ABind *b = &d->binds.at[k];
      if (b->value->kind != A_NUM || b->value->inum < 16) continue;
      int64_t less = b->value->inum / 64 * 4;
      out[n++] =
          (Define){b->target.name, arena_printf(a, "%lld", (long long)(less < 4 ? 4 : less))};
    }
  }
  return n;
}

static bool file_open(File *f, const char *path, const char *text, size_t size) {
  *f = (File){path, arena_new(), NULL, NULL};
  f->diags = diags_new(f->arena);
  Define defines[64];
  Interner *names = interner_new(f->arena);
  Diags *unsaid = diags_new(f->arena);
  AFile *tree = ast_parse(f->arena, names, unsaid, diags_source(unsaid, path, text, size));
  UnitOptions o = {.defines = defines, .query = answer, .check_only = true, .no_update = true};
  o.ndefines = shrink(tree, f->arena, defines, 64);
  f->unit = unit_compile(f->arena, names, f->diags, diags_source(f->diags, path, text, size), &o);
  if (f->unit) return true;
  StrBuf s = {0};
  diags_print(f->diags, &s, false);
  printf("%s\n", s.s ? s.s : "?");
  sb_free(&s);
  return false;
}

/* The lines of the op's declaration. */
static char *text_of(const File *f, const TrialOp *op, Arena *a) {
  const char *s = diags_source_at(f->diags, op->span.file)->text, *end;
  int line = 1;
  for (; line < op->decl->span.line; line++) s = strchr(s, '\n') + 1;
  for (end = s; line <= op->decl->span.end_line && *end; line++)
    end += strcspn(end, "\n") + (strchr(end, '\n') != NULL);
  return arena_strndup(a, s, (size_t)(end - s));
}

/* Is it asked for, and new? */
static bool wanted(const File *f, const TrialOp *op, Counts *n) {
  char *text = text_of(f, op, n->arena);
  for (int i = 0; i < n->seen.n; i++)
    if (!strcmp(n->seen.at[i], text)) return false;
  vec_push(n->arena, &n->seen, text);
  return !n->only || !strcmp(n->only, op->name);
}

/* ---- gradients ------------------------------------------------------------------------- */

static void count(Counts *n, bool ok) {
  if (ok)
    n->passed++;
  else
    n->failed++;
}

static void check_gradient(File *f, const OpCheck *c, Counts *n) {
  count(n, c->verdict != OPCHECK_WRONG);
  if (c->verdict != OPCHECK_WRONG) return;
  printf("%s:%d: %s %s: %s\n", f->path, c->span.line, c->kind, c->name, c->why);
  if (c->at)
    printf("  %s: derived %.9g, by %s %.9g; %s; seed %llu\n", c->at, c->derived, c->against,
           c->expected, c->shape ? c->shape : "", (unsigned long long)c->seed);
}

static void check_gradients(File *f, const TrialOp *ops, int nops, Counts *n) {
  OpCheckOptions o = {.trials = n->longer ? 1000 : 100, .work = n->longer ? 2e8 : 2e7};
  for (int i = 0; i < nops; i++) {
    OpCheck c = opcheck_op(f->unit, &ops[i], &o, f->arena);
    check_gradient(f, &c, n);
  }
  OpCheck loss;
  if (!n->only && opcheck_loss(f->unit, &o, f->arena, &loss)) check_gradient(f, &loss, n);
}

/* ---- compiled --------------------------------------------------------------------------- */

typedef struct Run {
  int op;
  uint64_t seed;
  bool backwards;
  int entry;
} Run;

static Node *weighted_sum(Arena *a, Graph *g, Node *out, uint64_t seed) {
  int64_t n = ir_count(out);
  double *weight = NEWN(a, double, n + 1);
  for (int64_t i = 0; i < n; i++)
    weight[i] = (double)(float)(2 * draw_uniform(seed, 1, draw_site("ops"), (uint64_t)i) - 1);
  Node *w = ir_const(g, g->top, "weight", TY_REAL, out->rank, out->shape, weight, out->span);
  Expr *body = ex2(g, P_mul, ir_read_all(g, out), ir_read_all(g, w));
  return ir_comp(g, g->top, "sum", out->span, 0, out->rank, out->shape,
                 out->rank ? RED_SUM : RED_NONE, NULL, body);
}

/* Outputs for d (weighted sum of the real results) / d input, for every real input. */
static bool differentiate(Arena *a, Graph *g, uint64_t seed) {
  Node *wrt[64], *adjoint[64], *loss = NULL;
  int n = 0;
  for (int i = 0; i < g->top->nodes.n && n < 64; i++) {
    Node *x = g->top->nodes.at[i];
    if ((x->kind == N_INPUT || x->kind == N_STATE) && x->type == TY_REAL) wrt[n++] = x;
  }
  for (int i = 0; i < g->outputs.n; i++) {
    Node *o = g->outputs.at[i].node;
    if (o->type != TY_REAL) continue;
    Node *sum = weighted_sum(a, g, o, seed + (uint64_t)i);
    Expr *both =
        loss ? ex2(g, P_add, ir_read_all(g, loss), ir_read_all(g, sum)) : ir_read_all(g, sum);
    loss = ir_comp(g, g->top, "loss", o->span, 0, 0, NULL, RED_NONE, NULL, both);
  }
  if (!loss || n == 0 || !grad_reverse(g, diags_new(a), loss, wrt, n, adjoint)) return false;
  for (int k = 0; k < n; k++) {
    Output o = {arena_printf(a, "d.%s", wrt[k]->name), adjoint[k]};
    if (adjoint[k]) vec_push(a, &g->outputs, o);
  }
  return true;
}

/* The trial of a run, in `a`: half of them small, half with extents up to 40. */
static bool run_graph(File *f, const TrialOp *op, Run *r, Arena *a, Trial *t) {
  bool large = r->seed % 2 == 1;
  TrialOptions o = {.seed = r->seed, .largest = large ? 40 : 5, .space = large ? 12000 : 4000};
  if (!trial_graph(f->unit, op, &o, a, t) || trial_work(t->graph) > 4000000) return false;
  if (r->backwards) r->backwards = differentiate(a, t->graph, r->seed);
  Graph *g = t->graph;
  for (int i = 0; i < g->nodes.n; i++) g->nodes.at[i]->vjp = NULL;
  ir_prune(g);
  for (int i = 0; i < g->top->nodes.n; i++) {
    Node *s = g->top->nodes.at[i];
    if (s->kind == N_STATE)
      s->name = arena_printf(a, "%s.%llu.%s", op->name, (unsigned long long)r->seed, s->name);
  }
  return true;
}

/* `noise`: what single precision may add to a value of this tensor. */
static bool same(double want, double got, double noise) {
  if (isnan(want) || isnan(got)) return isnan(want) && isnan(got);
  if (isinf(want) || isinf(got))
    return want == got || (fabs(want) > 3e38 && fabs(got) > 3e38 && (want > 0) == (got > 0));
  return fabs(want - got) <= 3e-4 * fmax(1, fabs(want)) + noise;
}

/* The graph's values when every real input is off by its rounding to single
 * precision: how well the trial is conditioned. NULL where ties would break. */
static Eval *perturbed(const Trial *t, TrialValues kind) {
  if (kind == VALUES_TIES) return NULL;
  Eval *ev = eval_new(t->graph, t->seed, STEP);
  for (int i = 0; i < t->graph->top->nodes.n; i++) {
    Node *n = t->graph->top->nodes.at[i];
    if (n->kind != N_INPUT && n->kind != N_STATE) continue;
    double *x = eval_bind(ev, n);
    trial_fill(n, t->seed, kind, x, ir_count(n));
    for (int64_t k = 0; n->type == TY_REAL && k < ir_count(n); k++)
      x[k] *= 1 + 0x1p-23 * (2 * draw_uniform(t->seed, 2, draw_site(n->name), (uint64_t)k) - 1);
  }
  if (!eval_run(ev)) return ev;
  eval_free(ev);
  return NULL;
}

static double noise_of(Eval *ev, Eval *off, Node *n) {
  double moved = 0, largest = 0;
  const double *x = eval_value(ev, n), *y = off ? eval_value(off, n) : x;
  for (int64_t i = 0; i < ir_count(n); i++) {
    if (!isfinite(x[i]) || !isfinite(y[i])) continue;
    moved = fmax(moved, fabs(x[i] - y[i]));
    largest = fmax(largest, fabs(x[i]));
  }
  return 8 * moved + 3e-6 * largest;
}

static double loaded(const TdBuffer *b, const void *data, int64_t i) {
  if (b->type == TD_F32) return ((const float *)data)[i];
  if (b->type == TD_I32) return ((const int32_t *)data)[i];
  return ((const uint8_t *)data)[i];
}

/* The same values into both. */
static bool fill(Session *s, int entry, Eval *ev, Node *n, uint64_t seed, TrialValues kind) {
  int64_t size = ir_count(n);
  double *x = eval_bind(ev, n);
  trial_fill(n, seed, kind, x, size);
  int state = n->kind == N_STATE ? session_state(s, n->name) : -1;
  float *reals = calloc((size_t)size + 1, sizeof *reals);
  int32_t *ints = calloc((size_t)size + 1, sizeof *ints);
  uint8_t *bools = calloc((size_t)size + 1, 1);
  for (int64_t i = 0; i < size; i++) {
    reals[i] = (float)x[i];
    ints[i] = n->type == TY_INT ? (int32_t)x[i] : 0;
    bools[i] = x[i] != 0;
  }
  TdError err = {0};
  bool ok = true;
  if (state >= 0)
    session_write_state(s, state, 0, size, reals);
  else if (n->kind == N_INPUT && session_input(s, entry, n->name))
    ok = n->type == TY_REAL  ? session_set_reals(s, entry, n->name, reals, size, &err)
         : n->type == TY_INT ? session_set_ints(s, entry, n->name, ints, size, &err)
                             : session_set_bools(s, entry, n->name, bools, size, &err);
  if (!ok) printf("%s: %s\n", n->name, err.message);
  free(reals);
  free(ints);
  free(bools);
  return ok;
}

static int compare(Session *s, const Run *r, const TrialOp *op, const Trial *t, Eval *ev, Eval *off,
                   const Output *o, int shown) {
  const TdBuffer *b = session_output(s, r->entry, o->name);
  int wrong = 0;
  TdError err = {0};
  if (!b || b->count != ir_count(o->node)) return 1;
  void *data = malloc((size_t)b->count * td_type_size(b->type) + 1);
  if (!data || !session_read_output(s, r->entry, o->name, 0, b->count, data, &err))
    bug("%s: %s", o->name, err.message);
  const double *want = eval_value(ev, o->node);
  double noise = o->node->type == TY_REAL ? noise_of(ev, off, o->node) : 0;
  for (int64_t i = 0; i < b->count; i++) {
    double got = loaded(b, data, i);
    if (same(want[i], got, noise)) continue;
    if (wrong++ == 0 && shown < SHOWN)
      printf("  %s: %s[%lld] is %.9g compiled and %.9g evaluated; %s; seed %llu%s\n", op->name,
             o->name, (long long)i, got, want[i], t->shapes, (unsigned long long)r->seed,
             r->backwards ? ", backwards" : "");
  }
  free(data);
  return wrong;
}

/* Run one trial both ways; the number of values that differ. */
static int run_both(File *f, Session *s, const TrialOp *op, Run r, int shown) {
  Arena *a = arena_new();
  Trial t;
  int wrong = 0;
  if (!run_graph(f, op, &r, a, &t))
    bug("%s: seed %llu gave a graph before", op->name, (unsigned long long)r.seed);
  Eval *ev = eval_new(t.graph, r.seed, STEP), *off = perturbed(&t, trial_values(r.seed));
  for (int i = 0; i < t.graph->top->nodes.n; i++) {
    Node *n = t.graph->top->nodes.at[i];
    if (n->kind == N_INPUT || n->kind == N_STATE)
      wrong += !fill(s, r.entry, ev, n, r.seed, trial_values(r.seed));
  }
  const char *why = eval_run(ev);
  if (why) {
    printf("  %s: %s; seed %llu\n", op->name, why, (unsigned long long)r.seed);
    wrong++;
  } else {
    session_run(s, r.entry, r.seed, STEP);
    for (int i = 0; i < t.graph->outputs.n; i++)
      wrong += compare(s, &r, op, &t, ev, off, &t.graph->outputs.at[i], shown + wrong);
  }
  if (off) eval_free(off);
  eval_free(ev);
  arena_free(a);
  return wrong;
}

typedef struct Batch {
  File *file;
  const TrialOp *ops;
  int *wrong, *tried; /* by op */
  bool times, cuda;
  Arena *arena;
  Backend *backend;
  Run run[BATCH];
  int n;
} Batch;

static void batch_begin(Batch *b) {
  b->arena = arena_new();
  b->backend = backend_new(b->arena, b->file->diags, "ops", NULL);
  if (b->cuda) backend_for(b->backend, backend_target("cuda"));
  b->n = 0;
}

static void batch_add(Batch *b, int op, uint64_t seed) {
  Run r = {.op = op, .seed = seed, .backwards = seed % 3 != 0, .entry = b->n};
  Arena *a = arena_new();
  Trial t;
  if (run_graph(b->file, &b->ops[op], &r, a, &t)) {
    char name[32]; /* as parts of one sampler, trials share translation units */
    snprintf(name, sizeof name, "sample.trial.%d", b->n);
    if (backend_entry(b->backend, t.graph, name)) b->run[b->n++] = r;
  }
  arena_free(a);
}

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* A session of the program on the batch's device. */
static Session *batch_session(Batch *b, const TdProgram *p, Pool **pool, Jit **jit) {
  TdError err = {0};
  JitOptions options = {.cache = getenv("TDC_CACHE") ? NULL : "build/tests/jit"};
  if (b->cuda) return emulated_session(p);
  *pool = pool_new(2, &err);
  *jit = *pool ? jit_build(p, &options, &err) : NULL;
  Session *s = *jit ? session_new(p, cpu_device(p, *jit, *pool, &err), &err) : NULL;
  if (s && session_need(s, (const char *const[]){".", NULL}, &err)) return s;
  printf("%s: %s\n", b->file->path, err.message);
  session_free(s);
  return NULL;
}

static void batch_run(Batch *b) {
  TdProgram *p = backend_finish(b->backend);
  double start = seconds();
  Pool *pool = NULL;
  Jit *jit = NULL;
  Session *s = batch_session(b, p, &pool, &jit);
  if (b->times) printf("%d trials, %d kernels, %.1f s\n", b->n, p->nkernels, seconds() - start);
  for (int i = 0; i < b->n; i++) {
    int op = b->run[i].op;
    b->tried[op]++;
    b->wrong[op] += s ? run_both(b->file, s, &b->ops[op], b->run[i], b->wrong[op]) : 1;
  }
  session_free(s);
  jit_close(jit);
  pool_free(pool);
  arena_free(b->arena);
}

/* Trials first, first + by, .. before `end` of each op. */
static void run_all(Batch *b, int nops, int first, int end, int by) {
  batch_begin(b);
  for (int i = 0; i < nops; i++)
    for (int k = first; k < end; k += by) {
      if (b->n == BATCH) {
        batch_run(b);
        batch_begin(b);
      }
      batch_add(b, i, FIRST_SEED + (uint64_t)k);
    }
  batch_run(b);
}

/* The same, each one, compiled with further flags. */
static void run_trials(Batch *b, int nops, int first, int end, const char *flags) {
  if (*flags)
    setenv("TDC_CFLAGS", flags, 1);
  else
    unsetenv("TDC_CFLAGS");
  run_all(b, nops, first, end, 1);
}

static void count_trials(const Batch *b, int nops, Counts *n) {
  for (int i = 0; i < nops; i++) {
    if (!b->tried[i]) continue;
    count(n, b->wrong[i] == 0);
    if (b->wrong[i])
      printf("%s:%d: %s %s: %d values differ\n", b->file->path, b->ops[i].span.line, b->ops[i].kind,
             b->ops[i].name, b->wrong[i]);
  }
}

static void check_compiled(File *f, const TrialOp *ops, int nops, int shapes, Counts *n) {
  Batch *b = calloc(1, sizeof *b);
  *b = (Batch){.file = f, .ops = ops, .times = n->times};
  b->wrong = calloc((size_t)nops + 1, sizeof(int));
  b->tried = calloc((size_t)nops + 1, sizeof(int));
  int plain = n->longer ? 10 * shapes : (shapes + 24) / 25;
  run_trials(b, nops, 0, plain, "");
  if (shapes > plain) run_trials(b, nops, plain, shapes, QUICK_FLAGS);
  count_trials(b, nops, n);
  free(b->wrong);
  free(b->tried);
  free(b);
}

/* On the emulated GPU: small trials with every load and store watched, large ones without. What
 * is watched is decided when a process opens the device. */
static void check_emulated(File *f, const TrialOp *ops, int nops, Counts *n) {
  int shapes = n->longer ? 60 : 8, status = 0;
  Batch *b = calloc(1, sizeof *b);
  *b = (Batch){.file = f, .ops = ops, .times = n->times, .cuda = true};
  size_t bytes = 2 * ((size_t)nops + 1) * sizeof(int);
  b->wrong = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (b->wrong == MAP_FAILED) bug("no memory for %d ops", nops);
  b->tried = b->wrong + nops + 1;
  for (int large = 0; large < 2; large++) {
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
      emulate(!large);
      run_all(b, nops, large, shapes, 2);
      fflush(NULL);
      _exit(0);
    }
    bool ended = child > 0 && waitpid(child, &status, 0) == child && status == 0;
    count(n, ended);
    if (!ended) printf("the process of the %s trials ended badly\n", large ? "large" : "small");
  }
  for (int i = 0; i < nops; i++) {
    count(n, b->tried[i] > 0);
    if (b->tried[i] == 0) printf("%s: no trial suits it\n", ops[i].name);
  }
  count_trials(b, nops, n);
  munmap(b->wrong, bytes);
  free(b);
}

/* ---- all ------------------------------------------------------------------------------------ */

static void check_ops(File *f, bool library, Counts *n) {
  TrialOp *ops;
  int found = trial_ops(f->unit, f->arena, library, &ops), nops = 0;
  for (int i = 0; i < found; i++)
    if (wanted(f, &ops[i], n)) ops[nops++] = ops[i];
  check_gradients(f, ops, nops, n);
  if (nops) check_compiled(f, ops, nops, library ? 30 : 10, n);
}

/* What a file uses that is nothing but another one with other numbers: the same ops, whose own
 * sizes `shrink` knows. NULL where it is more than that. */
static char *only_uses(const char *path, const char *text, size_t size) {
  Arena *a = arena_new();
  Diags *unsaid = diags_new(a);
  AFile *tree = ast_parse(a, interner_new(a), unsaid, diags_source(unsaid, path, text, size));
  StrBuf used = {0};
  const ADecl *use = NULL;
  int others = 0;
  for (int i = 0; i < tree->decls.n; i++) {
    const ADecl *d = tree->decls.at[i];
    if (d->kind == D_USE && d->path && !use)
      use = d;
    else
      others += d->kind != D_TRAIN; /* has no ops */
  }
  if (use && others == 0) {
    const char *slash = strrchr(path, '/');
    sb_write(&used, path, slash ? (size_t)(slash - path) + 1 : 0);
    sb_puts(&used, use->path);
  }
  arena_free(a);
  return used.s;
}

static void check_file(const char *path, Counts *n) {
  size_t size;
  char *text = read_text(path, &size), *used = text ? only_uses(path, text, size) : NULL;
  File f;
  if (used) {
    check_file(used, n);
    free(used);
    free(text);
    return;
  }
  if (text && file_open(&f, path, text, size)) {
    check_ops(&f, false, n);
  } else {
    n->failed++;
    if (!text) printf("%s: cannot be read\n", path);
  }
  if (text) arena_free(f.arena);
  free(text);
}

static void check_folder(const char *folder, Counts *n) {
  struct dirent **entries;
  int found = scandir(folder, &entries, NULL, alphasort);
  for (int i = 0; i < found; i++) {
    size_t length = strlen(entries[i]->d_name);
    StrBuf path = {0};
    sb_printf(&path, "%s/%s", folder, entries[i]->d_name);
    bool td = length > 3 && !strcmp(entries[i]->d_name + length - 3, ".td");
    if (td && model_in_depth(path.s, n->longer)) check_file(path.s, n);
    sb_free(&path);
    free(entries[i]);
  }
  if (found >= 0) free(entries);
}

static void check_library(bool emulated, Counts *n) {
  static const char text[] = "use nn\n";
  File f;
  TrialOp *ops;
  if (!file_open(&f, "the library", text, sizeof text - 1)) {
    n->failed++;
  } else if (!emulated) {
    check_ops(&f, true, n);
  } else {
    int found = trial_ops(f.unit, f.arena, true, &ops), nops = 0;
    for (int i = 0; i < found; i++)
      if (wanted(&f, &ops[i], n)) ops[nops++] = ops[i];
    check_emulated(&f, ops, nops, n);
  }
  arena_free(f.arena);
}

/* Does the check find what is wrong, and nothing else? Names say the verdict. */
static void check_the_check(Counts *n) {
  static const char text[] =
      "op ok_clause(x[...]) -> y[...] = x[...]^2 grad(dy) { dx[...] = 2 * dy[...] * x[...] }\n"
      "op wrong_clause(x[b]) -> y[b] = x[b]^3 grad(dy) { dx[b] = 2.9 * dy[b] * x[b]^2 }\n"
      "op wrong_last(x[b]) -> y[b] = x[b] grad(dy) { dx[b] = b == extent(b) - 1 && b > 3 ? 0 : "
      "dy[b] }\n"
      "op wrong_straight(x[...]) -> y[...] = round(x[...]) grad(dy) { dx[...] = dy[...] }\n"
      "op left_straight(x[...]) -> y[...] = round(x[...]) grad(dy) { dx[...] = dy[...] } nocheck\n"
      "op ok_inside(x[b]) -> y[b] { y[b] = left_straight(x)[b] * x[b] }\n"
      "op left_integer(x[b,n]) -> y[b] { y[b] = argmax[n](x[b,n]) }\n"
      "op left_floor(x[b]) -> y[b] = floor(x[b]) * x[b]\n"
      "op ok_max(x[b,n]) -> y[b] { y[b] = max[n](x[b,n]) }\n"
      "op ok_zeros(x[b,n]) -> y[b] { y[b] = prod[n](x[b,n]) }\n"
      "op ok_domain(x[b]) -> y[b] = x[b] > 0 ? log(x[b]) * sqrt(x[b]) : 0\n"
      "op ok_sorted(x[n]) -> y[n] {\n"
      "  r[i in n] = sum[j](x[j] < x[i] || (x[j] == x[i] && j < i) ? 1 : 0)\n"
      "  y[i in n] = sum[j](r[j] == i ? x[j] : 0)\n"
      "}\n"
      "op ok_mask(x[b,l], keep[b,l]) -> y[b] { y[b] = sum[l | keep[b,l]](x[b,l]) }\n"
      "op ok_recurrent(x[b,t], u[k,k], w[k]) -> y[b,t,k] {\n"
      "  zero[b,k] = 0 * x[b,0] * w[k]\n"
      "  scan t carry h[b,k] = zero[b,k] { h[b,k] = tanh(sum[m](h[b,m] * u[m,k]) + x[b,t] * w[k]) "
      "} emit y[b,t,k] = h[b,k]\n"
      "}\n";
  File f;
  OpCheckOptions o = {.trials = 60};
  TrialOp *ops;
  if (!file_open(&f, "checked", text, sizeof text - 1)) n->failed++;
  int nops = f.unit ? trial_ops(f.unit, f.arena, false, &ops) : 0;
  for (int i = 0; i < nops; i++) {
    OpCheck c = opcheck_op(f.unit, &ops[i], &o, f.arena);
    const char *verdict = (const char *[]){"ok", "wrong", "left"}[c.verdict];
    bool right = !strncmp(verdict, c.name, strlen(verdict));
    if (!right) printf("%s is %s: %s\n", c.name, verdict, c.why ? c.why : "");
    count(n, right);
  }
  arena_free(f.arena);
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  const char *longer = getenv("TDC_TEST_LONG");
  Counts n = {.longer = longer && *longer == '1',
              .only = argc > 2 ? argv[2] : NULL,
              .times = argc > 1,
              .arena = arena_new()};
  if (argc > 1 && !strcmp(argv[1], "check")) {
    check_the_check(&n);
  } else if (argc > 1 && !strcmp(argv[1], "std")) {
    check_library(false, &n);
  } else if (argc > 1 && !strcmp(argv[1], "cuda")) {
    check_library(true, &n);
  } else if (argc > 1) {
    check_file(argv[1], &n);
  } else {
    check_the_check(&n);
    check_library(false, &n);
    check_folder("models", &n);
    check_folder("tests/models", &n);
  }
  arena_free(n.arena);
  printf("%d passed, %d failed\n", n.passed, n.failed);
  return n.failed > 0;
}
