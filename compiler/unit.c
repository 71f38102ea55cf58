/* SPDX-License-Identifier: MIT */
/* The whole way from one source file to a unit: declarations, entries, layout of
 * the parameters, gradients, program. */
#define _GNU_SOURCE /* pthread_getattr_np */
#include <pthread.h>
#include <string.h>

#include "compiler/backend.h"
#include "compiler/budget.h"
#include "compiler/check/trial_call.h"
#include "compiler/emit/emit.h"
#include "compiler/ir/verify.h"
#include "compiler/lower/domain.h"
#include "compiler/lower/entry.h"
#include "compiler/lower/file.h"
#include "compiler/lower/lower.h"
#include "compiler/lower/scope.h"
#include "compiler/lower/tables.h"
#include "compiler/lower/value.h"
#include "dsl/namemap.h"

/* What a compilation may take: some ten times what the largest model here does. Beyond it a
 * file is not text that somebody wrote. */
enum { COMPILE_MB = 208 };

/* ---- parameters in two flat vectors ------------------------------------------- */

/* All parameters of that kind are left out: there is no such state. */
static void forget_flat(Region *top, const Node *flat) {
  int n = 0;
  for (int i = 0; i < top->nodes.n; i++) {
    Node *x = top->nodes.at[i];
    if (x != flat && !(x->kind == N_VIEW && x->base == flat)) top->nodes.at[n++] = x;
  }
  top->nodes.n = n;
}

static void layout(Lowering *l) {
  Unit *u = l->unit;
  left_out_parameters(l);
  u->parameters = NEWN(l->arena, UnitParameter, l->params.n + 1);
  for (int i = 0; i < l->params.n; i++) {
    Parameter *p = &l->params.at[i];
    int k = p->matrix ? 0 : 1;
    int64_t count = 1;
    if (p->left_out) continue;
    for (int j = 0; j < p->rank; j++) count *= p->shape[j];
    p->offset = l->flat_size[k];
    l->flat_size[k] += count;
    u->nweights += count;
    UnitParameter *q = &u->parameters[u->nparameters++];
    q->name = p->name;
    q->state = k ? "params.vector" : "params.matrix";
    q->offset = p->offset;
    q->rank = p->rank;
    q->span = p->span;
    memcpy(q->shape, p->shape, sizeof q->shape);
  }
  for (int i = 0; i < l->entries.n; i++) {
    Entry *e = l->entries.at[i];
    for (int k = 0; k < 2; k++) {
      if (e->flat[k] && !l->flat_size[k]) forget_flat(e->g->top, e->flat[k]);
      if (e->flat[k]) e->flat[k]->shape[0] = l->flat_size[k];
    }
    for (int j = 0; j < e->views.n; j++)
      e->views.at[j].node->offset = l->params.at[e->views.at[j].param].offset;
  }
}

/* The init entry: every parameter's initial value, packed into the flat vectors. */
static void finish_init(Lowering *l) {
  static const char *const flat[2] = {"matrix", "vector"};
  Graph *g = l->init->g;
  for (int k = 0; k < 2; k++) {
    VEC(Node *) parts = {0};
    for (int i = 0; i < l->params.n; i++)
      if (!l->params.at[i].left_out && (l->params.at[i].matrix ? 0 : 1) == k)
        vec_push(l->arena, &parts, l->params.at[i].init);
    if (!parts.n) continue;
    Span at = l->params.at[0].span;
    Node *pack =
        ir_pack(g, g->top, arena_printf(l->arena, "init.%s", flat[k]), parts.at, parts.n, at);
    Update u = {
        ir_state(g, arena_printf(l->arena, "params.%s", flat[k]), TY_REAL, 1, &l->flat_size[k], at),
        pack};
    vec_push(l->arena, &g->updates, u);
    if (l->unit->train.ema > 0) {
      Update e = {
          ir_state(g, arena_printf(l->arena, "ema.%s", flat[k]), TY_REAL, 1, &l->flat_size[k], at),
          pack};
      vec_push(l->arena, &g->updates, e);
    }
  }
}

/* ---- ops that nothing uses ------------------------------------------------------- */

static bool attempt_unused(Lowering *l, Fn *fn, int attempt, Diags *d) {
  Lowering saved = *l;
  int before = diags_errors(d);
  l->d = d;
  bool ok = trial_call(l, fn, false, attempt, NULL)->kind != V_POISON && diags_errors(d) == before;
  saved.instantiated.at = l->instantiated.at; /* what it calls is used now */
  saved.instantiated.n = l->instantiated.n;
  saved.instantiated.cap = l->instantiated.cap;
  saved.exhausted = l->exhausted;
  *l = saved;
  return ok;
}

/* A function that no entry reached is still checked, with extents that tell its
 * index names apart. Errors are those of the first choice when none is accepted. */
static void check_unused(Lowering *l) {
  for (int i = 0; i < l->root->names.n; i++) {
    Value *v = l->root->names.at[i].value;
    if (v->kind == V_SCHEDULE) diffusion_ready(l, v->schedule, v->span);
    if (v->kind != V_FN) continue;
    ADecl *d = v->fn->decl;
    bool used = d->kind != D_OP && d->kind != D_BLOCK && d->kind != D_MODEL;
    for (int k = 0; k < l->instantiated.n; k++) used = used || l->instantiated.at[k] == d;
    if (used) continue;
    int attempt = 0, n = trial_attempts(d);
    while (attempt < n && !l->exhausted && !attempt_unused(l, v->fn, attempt, diags_new(l->arena)))
      attempt++;
    attempt_unused(l, v->fn, attempt < n ? attempt : 0, l->d);
    if (l->exhausted) return; /* what calls it is no better */
  }
}

/* ---- program ------------------------------------------------------------------------ */

/* With what all entries share. */
static Backend *begin_with(Lowering *l, const BackendOptions *o);

static Backend *begin_backend(Lowering *l, const char *target) {
  BackendOptions o = backend_defaults();
  bool *const flags[] = {&o.simplify,       &o.fuse_maps, &o.fuse_rows, &o.contractions,
                         &o.fuse_epilogues, &o.chains,    &o.in_place,  &o.share_memory,
                         &o.keep_values,    &o.loops};
  for (int k = 0; k < (int)(sizeof flags / sizeof *flags); k++)
    if (l->options->disable >> k & 1) *flags[k] = false;
  Backend *be = begin_with(l, &o);
  if (target) backend_for(be, backend_target(target));
  return be;
}

static Backend *begin_with(Lowering *l, const BackendOptions *o) {
  Unit *u = l->unit;
  Backend *be = backend_new(l->arena, l->d, u->name, o);
  if (l->options->act) u->act = strcmp(l->options->act, "bf16") == 0 ? TD_BF16 : TD_F32;
  if (l->options->product) u->split = td_split(l->options->product);
  if (u->act != TD_F32) u->split = TD_SPLIT_FMA;
  backend_activations(be, u->act);
  backend_split(be, u->split);
  static const char *const flat[2] = {"matrix", "vector"};
  int state[2] = {-1, -1}, ema[2] = {-1, -1};
  for (int k = 0; k < 2; k++) {
    if (!l->flat_size[k]) continue;
    state[k] = backend_state(be, arena_printf(l->arena, "params.%s", flat[k]), TY_REAL, 1,
                             &l->flat_size[k]);
    if (u->train.ema > 0)
      ema[k] = backend_state(be, arena_printf(l->arena, "ema.%s", flat[k]), TY_REAL, 1,
                             &l->flat_size[k]);
  }
  for (int i = 0; i < l->params.n; i++) {
    const Parameter *p = &l->params.at[i];
    if (p->left_out) continue;
    TdTensor t = {
        .name = p->name, .state = state[p->matrix ? 0 : 1], .offset = p->offset, .rank = p->rank};
    memcpy(t.shape, p->shape, sizeof t.shape);
    backend_tensor(be, &t);
    if (u->train.ema <= 0) continue;
    t.name = arena_printf(l->arena, "ema:%s", p->name);
    t.state = ema[p->matrix ? 0 : 1];
    backend_tensor(be, &t);
  }
  return be;
}

static Backend *begin_asked(void *ctx) {
  Lowering *l = ctx;
  return begin_backend(l, l->options->target);
}

/* How many values each entry computes again, so that the program fits. */
static bool meet_budget(Lowering *l, int *level) {
  const Unit *u = l->unit;
  Budget b = {.arena = l->arena,
              .bytes = l->options->memory,
              .text = l->options->no_text ? 0 : unit_text_bytes(u),
              .threads = u->threads,
              .entries = u->entries,
              .nentries = u->nentries,
              .begin = begin_asked,
              .ctx = l};
  Shortage s;
  if (b.bytes <= 0) return true;
  arena_limit(l->arena, 0); /* it compiles many times over */
  if (budget_meet(&b, level, &s)) return true;
  Diag *x = lower_error(l, 421, u->train.span, "the program needs --memory %s at least, not %s: %s",
                        budget_text(l->arena, s.least), budget_text(l->arena, b.bytes),
                        budget_explain(l->arena, &s));
  diag_hint(l->d, x, "a smaller batch takes less");
  return false;
}

static TdProgram *make_program(Lowering *l, Backend *be) {
  const Unit *u = l->unit;
  for (int i = 0; i < u->nentries; i++) {
    backend_recompute(be, u->entries[i].recompute);
    backend_repeated(be, u->entries[i].repeated);
    if (!backend_entry(be, u->entries[i].graph, u->entries[i].name)) return NULL;
  }
  return backend_finish(be);
}

static bool run_backend(Lowering *l) {
  Unit *u = l->unit;
  int *level = NEWN(l->arena, int, u->nentries + 1);
  u->memory = l->options->memory;
  u->threads = l->options->threads > 0 ? l->options->threads : 1;
  if (!meet_budget(l, level)) return false;
  for (int i = 0; i < u->nentries; i++) u->entries[i].recompute = level[i];
  Backend *be = begin_asked(l);
  if (l->options->dump_pass) backend_dump(be, l->options->dump_pass, l->options->dump);
  u->program = make_program(l, be);
  return u->program != NULL;
}

TdProgram *unit_program_for(const Unit *u, const char *target) {
  Lowering *l = u->lowering;
  jmp_buf unwind;
  TdProgram *volatile p = NULL;
  if (setjmp(unwind) == 0) {
    arena_guard(l->arena, &unwind);
    diags_guard(l->d, &unwind);
    p = make_program(l, begin_backend(l, target));
  }
  arena_guard(l->arena, NULL);
  diags_guard(l->d, NULL);
  return p;
}

const char *unit_name(const char *path, size_t *n) {
  const char *slash = strrchr(path, '/');
  const char *name = slash ? slash + 1 : path;
  const char *dot = strrchr(name, '.');
  *n = dot && dot > name ? (size_t)(dot - name) : strlen(name);
  if (strspn(name, ".") < *n) return name;
  *n = 1; /* "..td": no folder may be called "." */
  return "m";
}

static const char *stem(Arena *a, const char *path) {
  size_t n;
  const char *name = unit_name(path, &n);
  return arena_strndup(a, name, n);
}

/* What -D says, of the user's file. */
static Overrides *defined(Lowering *l) {
  Overrides *o = NEW(l->arena, Overrides);
  for (int i = 0; i < l->options->ndefines; i++) {
    Override *v = NEW(l->arena, Override);
    *v = (Override){.name = l->options->defines[i].name, .text = l->options->defines[i].value};
    vec_push(l->arena, &o->own, v);
  }
  return o;
}

static void join_sources(Lowering *l) {
  StrBuf b = {0};
  for (int i = 0; i < l->files.n; i++) {
    const Source *s = diags_source_at(l->d, l->files.at[i]->file);
    sb_write(&b, s->text, s->size);
  }
  for (int i = 0; i < l->options->ndefines; i++)
    sb_printf(&b, "\n-D %s=%s", l->options->defines[i].name, l->options->defines[i].value);
  l->unit->source_hash = arena_strndup(l->arena, b.s ? b.s : "", b.n);
  l->unit->source_size = b.n;
  sb_free(&b);
}

/* The file's declarations, those of the library around them, and -D. After a wrong
 * declaration the rest is still checked (*ok); after a syntax error too much may be missing. */
static bool declare(Lowering *l, int file, Roots *roots, bool *ok) {
  size_t size;
  const char *core = std_source("core", &size);
  Overrides *defines = defined(l);
  l->core = scope_new(l, NULL, false);
  declare_file(l, diags_source(l->d, "<std/core.td>", core, size), l->core, NULL, &(Roots){0});
  l->root = scope_new(l, l->core, false);
  *ok = declare_file(l, file, l->root, defines, roots);
  return !l->syntax_errors && overrides_used(l, defines, l->root, "the file");
}

static bool read_settings(Lowering *l, const Roots *roots, TrainSettings *train) {
  bool ok = !roots->precision || settings_precision(l, roots->precision);
  return (!roots->train || settings_train(l, train, roots->train, roots->scope)) && ok;
}

/* What the runtime is told of entries and data. */
static void describe(Lowering *l) {
  Unit *u = l->unit;
  for (int i = 0; i < u->nentries; i++) {
    u->entries[i].inputs = l->entries.at[i]->inputs.at;
    u->entries[i].ninputs = l->entries.at[i]->inputs.n;
  }
  u->data = NEWN(l->arena, DataDecl, l->datas.n + 1);
  u->data_info = NEWN(l->arena, DataInfo, l->datas.n + 1);
  for (int i = 0; i < l->datas.n; i++) {
    u->data[i] = l->datas.at[i]->info;
    u->data_info[i] = l->datas.at[i]->got;
  }
  u->ndata = l->datas.n;
  join_sources(l);
}

static void finish_graphs(Lowering *l) {
  const Unit *u = l->unit;
  for (int i = 0; i < u->nentries; i++) {
    Graph *g = u->entries[i].graph;
    if (l->options->no_update)
      ir_prune(g);
    else
      ir_drop_derivatives(g);
    const char *why = ir_verify(g);
    if (why) bug("entry %s: %s", u->entries[i].name, why);
  }
}

static bool compile(Lowering *l, int file) {
  Unit *u = l->unit;
  TrainSettings train = {0};
  int before = diags_errors(l->d);
  bool ok;
  u->path = diags_source_at(l->d, file)->path;
  u->name = stem(l->arena, u->path);
  l->init = entry_new(l, "init");
  l->init->init = true;
  entry_enter(l, entry_new(l, "scratch"));
  l->param_path = l->draw_path = "";
  Roots roots = {0};
  if (!declare(l, file, &roots, &ok)) return false;
  ok = read_settings(l, &roots, &train) && ok;
  u->entries = NEWN(l->arena, UnitEntry, 1);
  entry_add(l, l->init);
  if (train.decl && train.loss) ok = build_objective(l, &train) && ok;
  if (!l->options->no_samplers) ok = build_samplers(l) && ok;
  ok = build_models(l) && ok;
  check_unused(l);
  if (!ok || diags_errors(l->d) != before) return false;
  layout(l);
  finish_init(l);
  domain_warnings(l);
  if (train.decl && !l->options->no_update && !finish_objective(l, &train)) return false;
  describe(l);
  finish_graphs(l);
  unread_parameters(l);
  if (diags_errors(l->d) != before) return false;
  return l->options->check_only || run_backend(l);
}

/* The lowest address of this thread's stack, and what the last calls need. */
static uintptr_t stack_end(void) {
  enum { LAST_CALLS = 64 << 10, UNKNOWN = 128 << 10 };
  uintptr_t here = (uintptr_t)__builtin_frame_address(0);
  void *lowest;
  size_t size;
  pthread_attr_t attr;
  if (pthread_getattr_np(pthread_self(), &attr)) return here - UNKNOWN;
  bool known = !pthread_attr_getstack(&attr, &lowest, &size);
  pthread_attr_destroy(&attr);
  return known ? (uintptr_t)lowest + LAST_CALLS : here - UNKNOWN;
}

/* Where it was, as far as it came. */
static Span last_place(const Lowering *l) {
  for (int i = l->g ? l->g->nodes.n - 1 : -1; i >= 0; i--)
    if (l->g->nodes.at[i]->span.line > 0) return l->g->nodes.at[i]->span;
  return l->unit->train.span;
}

/* Memory goes into what is written out statement by statement, never into extents. */
static void say_too_large(Lowering *l) {
  int most = 0;
  const char *entry = "it";
  for (int i = 0; i < l->entries.n; i++) {
    const Entry *e = l->entries.at[i];
    if (e->g->nodes.n <= most) continue;
    most = e->g->nodes.n;
    entry = arena_printf(l->arena, "'%s'", e->name);
  }
  Diag *x = diag_error(l->d, 425, last_place(l),
                       "the program takes more than %d MB to compile: %s has come to %d values, "
                       "%d parameter%s declared",
                       COMPILE_MB, entry, most, l->params.n, l->params.n == 1 ? " is" : "s are");
  diag_hint(l->d, x,
            "what repeats is one body in a loop, 'for i in N { ... }', whose parameters are "
            "stacked; a list of them is one parameter with an axis more");
}

/* Is the file compiled as it stands, and all of it? */
static bool says_all(const UnitOptions *o) {
  return !o->no_train && !o->no_eval && !o->no_samplers && !o->no_models && !o->only_sampler &&
         o->ndefines == 0;
}

Unit *unit_compile(Arena *a, Interner *names, Diags *d, int file, const UnitOptions *o) {
  Lowering *volatile l = NEW(a, Lowering);
  Unit *volatile u = NEW(a, Unit);
  u->split = TD_SPLIT_F32;
  jmp_buf unwind;
  l->arena = a;
  l->names = names;
  l->d = d;
  UnitOptions *options = NEW(a, UnitOptions); /* trials read them later */
  *options = *o;
  l->options = options;
  l->unit = u;
  l->stack_end = stack_end();
  l->param_index = NEW(a, NameMap);
  l->sources = d;
  int why = setjmp(unwind);
  bool ok = false;
  if (why == 0) {
    arena_guard(a, &unwind);
    diags_guard(d, &unwind);
    arena_limit(a, (size_t)COMPILE_MB << 20);
    ok = compile(l, file);
    settle_expected(l, file, ok && says_all(o));
  } else if (why == ARENA_FULL) {
    arena_limit(a, 0);
    l->d = d; /* a trial may have had its own */
    say_too_large(l);
  }
  arena_limit(a, 0);
  arena_guard(a, NULL);
  diags_guard(d, NULL);
  u->lowering = l;
  return ok && diags_errors(d) == 0 ? u : NULL;
}

void unit_place(const Unit *u, const Node *n, TdStep *place) {
  emit_place(u->lowering->arena, u->lowering->d, n, place);
}

TdProgram *unit_plain(const Unit *u, const char *entry, const char *target) {
  Lowering *l = u->lowering;
  const UnitEntry *e = unit_entry(u, entry);
  jmp_buf unwind;
  TdProgram *volatile program = NULL;
  if (!e) return NULL;
  if (setjmp(unwind) == 0) {
    arena_guard(l->arena, &unwind);
    const BackendOptions o = {.contractions = true, .share_memory = true, .keep_values = true};
    Backend *be = begin_with(l, &o);
    backend_for(be, backend_target(target));
    if (backend_entry(be, e->graph, e->name)) program = backend_finish(be);
  }
  arena_guard(l->arena, NULL);
  return program;
}

const UnitEntry *unit_entry(const Unit *u, const char *name) {
  for (int i = 0; i < u->nentries; i++)
    if (!strcmp(u->entries[i].name, name)) return &u->entries[i];
  return NULL;
}

int64_t unit_text_bytes(const Unit *u) {
  int64_t sum = 0;
  for (int i = 0; i < u->ndata; i++) sum += u->data_info[i].bytes;
  for (int i = 0; i < u->nentries; i++) {
    int64_t most = 0; /* the windows of an entry go through room for the largest of its inputs */
    for (int k = 0; k < u->entries[i].ninputs; k++) {
      const UnitInput *in = &u->entries[i].inputs[k];
      int64_t n = (int64_t)sizeof(int32_t);
      for (int j = 0; j < in->rank; j++) n *= in->shape[j];
      if (in->data && n > most) most = n;
    }
    sum += most;
  }
  return sum;
}

const UnitMetric *unit_metric(const Unit *u, const char *name) {
  for (int i = 0; i < u->nmetrics; i++)
    if (!strcmp(u->metrics[i].name, name)) return &u->metrics[i];
  return NULL;
}

const UnitSampler *unit_sampler(const Unit *u, const char *name) {
  for (int i = 0; i < u->nsamplers; i++)
    if (!name || !strcmp(u->samplers[i].name, name)) return &u->samplers[i];
  return NULL;
}

int64_t unit_loop_value(const UnitSampler *s, int64_t k, int64_t n) {
  int64_t point = k + s->without_first, last = n + s->without_first + s->without_last - 1;
  if (point > last) return s->lo <= s->hi ? s->hi + 1 : s->hi - 1;
  if (last <= 0) return s->lo;
  double x = (double)(s->hi - s->lo) * (double)point / (double)last;
  return s->lo + (int64_t)(x < 0 ? x - 0.5 : x + 0.5);
}
