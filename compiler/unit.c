/* The whole way from one source file to a unit: declarations, entries, layout of
 * the parameters, gradients, program. */
#include <string.h>

#include "compiler/backend.h"
#include "compiler/lower.h"

/* ---- parameters in two flat vectors ------------------------------------------- */

static void layout(Low *l) {
  Unit *u = l->unit;
  u->parameters = NEWN(l->arena, UnitParameter, l->params.n + 1);
  for (int i = 0; i < l->params.n; i++) {
    LParam *p = &l->params.at[i];
    int k = p->matrix ? 0 : 1;
    int64_t count = 1;
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
    for (int k = 0; k < 2; k++)
      if (e->flat[k]) e->flat[k]->shape[0] = l->flat_size[k];
    for (int j = 0; j < e->views.n; j++) e->views.at[j].node->offset = l->params.at[e->views.at[j].param].offset;
  }
}

/* The init entry: every parameter's initial value, packed into the flat vectors. */
static void finish_init(Low *l) {
  static const char *const flat[2] = {"matrix", "vector"};
  Graph *g = l->init->g;
  for (int k = 0; k < 2; k++) {
    VEC(Node *) parts = {0};
    for (int i = 0; i < l->params.n; i++)
      if ((l->params.at[i].matrix ? 0 : 1) == k) vec_push(l->arena, &parts, l->params.at[i].init);
    if (!parts.n) continue;
    Span at = l->params.at[0].span;
    Node *pack = ir_pack(g, g->top, arena_printf(l->arena, "init.%s", flat[k]), parts.at, parts.n, at);
    Update u = {ir_state(g, arena_printf(l->arena, "params.%s", flat[k]), TY_REAL, 1, &l->flat_size[k], at), pack};
    vec_push(l->arena, &g->updates, u);
    if (l->unit->train.ema > 0) {
      Update e = {ir_state(g, arena_printf(l->arena, "ema.%s", flat[k]), TY_REAL, 1, &l->flat_size[k], at), pack};
      vec_push(l->arena, &g->updates, e);
    }
  }
}

/* ---- ops that nothing uses ------------------------------------------------------- */

/* A function that no entry reached is still checked: its index names get small
 * extents that tell them apart. */
static void check_unused(Low *l) {
  static const int64_t extents[] = {7, 11, 13, 17, 19, 23, 29, 31};
  for (int i = 0; i < l->root->names.n; i++) {
    Value *v = l->root->names.at[i].value;
    if (v->kind == V_SCHEDULE) schedule_ready(l, v->schedule, v->span);
    if (v->kind != V_FN) continue;
    ADecl *d = v->fn->decl;
    bool used = d->kind != D_OP && d->kind != D_BLOCK && d->kind != D_MODEL;
    for (int k = 0; k < l->instantiated.n; k++) used = used || l->instantiated.at[k] == d;
    if (used) continue;
    Entry *e = entry_new(l, d->name);
    Context c = context_begin(l, e);
    int params = l->params.n;
    Value *args[64];
    Span spans[64];
    const char *names[64];
    const char *seen[8];
    int n = 0, nseen = 0;
    bool ok = d->formals.n <= 64;
    for (int k = 0; ok && k < d->formals.n; k++) {
      AFormal *f = &d->formals.at[k];
      spans[n] = f->span;
      names[n] = f->name;
      if (!f->is_tensor) {
        if (f->dflt) continue;
        args[n++] = v_int(l, 5, NULL);
        continue;
      }
      int64_t shape[IR_MAX_RANK];
      const char *ids[IR_MAX_RANK] = {NULL};
      int rank = 0;
      for (int j = 0; j < f->items.n && rank < IR_MAX_RANK - 2; j++) {
        const AItem *it = &f->items.at[j];
        if (it->ellipsis) {
          shape[rank] = 3;
          ids[rank++] = "_0";
          shape[rank] = 2;
          ids[rank++] = "_1";
        } else if (it->expr && it->expr->kind == A_NAME && !scope_find(v->fn->scope, it->expr->name)) {
          int q = 0;
          while (q < nseen && seen[q] != it->expr->name) q++;
          if (q == nseen && nseen < 8) seen[nseen++] = it->expr->name;
          ids[rank] = it->expr->name;
          shape[rank++] = extents[q < 8 ? q : 7];
        } else if (it->expr) {
          Scope *s = scope_new(l, v->fn->scope, true);
          for (int q = 0; q < nseen; q++) scope_set(l, s, seen[q], v_int(l, extents[q], NULL), f->span);
          if (!lower_extent(l, s, it->expr, &shape[rank++], NULL)) ok = false;
        }
      }
      int64_t bound = 5;
      if (f->id_bound && (f->id_bound->kind != A_NAME || scope_find(v->fn->scope, f->id_bound->name)))
        ok = lower_extent(l, v->fn->scope, f->id_bound, &bound, NULL) && ok;
      for (int j = 0; j < rank; j++) ids[j] = ids[j] ? intern(l->names, ids[j]) : NULL;
      if (ok) args[n++] = entry_input(l, f->name, f->id_bound ? TY_INT : TY_REAL, rank, shape, ids, 0, bound - 1, NULL, f->span);
    }
    if (ok) call_fn(l, v->fn, args, names, spans, n, d->name_span);
    l->params.n = params;
    context_end(l, &c);
  }
}

/* ---- program ------------------------------------------------------------------------ */

static bool run_backend(Low *l) {
  Unit *u = l->unit;
  BackendOptions o = backend_defaults();
  bool *const flags[] = {&o.simplify, &o.fuse_maps, &o.fuse_rows, &o.contractions, &o.fuse_epilogues, &o.in_place, &o.share_memory};
  for (int k = 0; k < (int)(sizeof flags / sizeof *flags); k++)
    if (l->options->disable >> k & 1) *flags[k] = false;
  Backend *be = backend_new(l->arena, l->d, u->name, &o);
  static const char *const flat[2] = {"matrix", "vector"};
  int state[2] = {-1, -1}, ema[2] = {-1, -1};
  for (int k = 0; k < 2; k++) {
    if (!l->flat_size[k]) continue;
    state[k] = backend_state(be, arena_printf(l->arena, "params.%s", flat[k]), TY_REAL, 1, &l->flat_size[k]);
    if (u->train.ema > 0) ema[k] = backend_state(be, arena_printf(l->arena, "ema.%s", flat[k]), TY_REAL, 1, &l->flat_size[k]);
  }
  for (int i = 0; i < l->params.n; i++) {
    const LParam *p = &l->params.at[i];
    TdTensor t = {.name = p->name, .state = state[p->matrix ? 0 : 1], .offset = p->offset, .rank = p->rank};
    memcpy(t.shape, p->shape, sizeof t.shape);
    backend_tensor(be, &t);
    if (u->train.ema <= 0) continue;
    t.name = arena_printf(l->arena, "ema:%s", p->name);
    t.state = ema[p->matrix ? 0 : 1];
    backend_tensor(be, &t);
  }
  for (int i = 0; i < u->nentries; i++)
    if (!backend_entry(be, u->entries[i].graph, u->entries[i].name)) return false;
  u->program = backend_finish(be);
  return u->program != NULL;
}

static const char *stem(Arena *a, const char *path) {
  const char *slash = strrchr(path, '/');
  const char *name = slash ? slash + 1 : path;
  const char *dot = strrchr(name, '.');
  return dot && dot > name ? arena_strndup(a, name, (size_t)(dot - name)) : name;
}

static bool check_defines(Low *l) {
  bool ok = true;
  for (int i = 0; i < l->options->ndefines; i++) {
    const char *name = l->options->defines[i].name;
    bool used = false;
    for (int k = 0; k < l->defines_used.n; k++) used = used || !strcmp(l->defines_used.at[k], name);
    if (used) continue;
    VEC(const char *) names = {0};
    for (int k = 0; k < l->root->names.n; k++)
      if (l->root->names.at[k].value->kind == V_NUM) vec_push(l->arena, &names, l->root->names.at[k].name);
    Span nowhere = {0};
    Diag *x = lower_error(l, 420, nowhere, "-D %s: the file declares no const, dim or axis of that name", name);
    const char *near = did_you_mean(name, names.at, names.n);
    if (near) diag_hint(l->d, x, "did you mean '%s'?", near);
    ok = false;
  }
  return ok;
}

static void join_sources(Low *l) {
  StrBuf b = {0};
  for (int i = 0; i < l->files.n; i++) {
    const Source *s = diags_source_at(l->d, l->files.at[i]->file);
    sb_write(&b, s->text, s->size);
  }
  for (int i = 0; i < l->options->ndefines; i++) sb_printf(&b, "\n-D %s=%s", l->options->defines[i].name, l->options->defines[i].value);
  l->unit->source_hash = arena_strndup(l->arena, b.s ? b.s : "", b.n);
  l->unit->source_size = b.n;
  sb_free(&b);
}

static bool compile(Low *l, int file) {
  Unit *u = l->unit;
  TrainSettings train = {0};
  int before = diags_errors(l->d);
  u->path = diags_source_at(l->d, file)->path;
  u->name = stem(l->arena, u->path);
  l->init = entry_new(l, "init");
  l->init->init = true;
  entry_enter(l, entry_new(l, "scratch"));
  l->param_path = l->draw_path = "";
  l->core = scope_new(l, NULL, false);
  size_t size;
  const char *core = std_source("core", &size);
  load_file(l, diags_source(l->d, "<std/core.td>", core, size), l->core);
  l->root = scope_new(l, l->core, false);
  load_file(l, file, l->root);
  /* -D and settings of the user's file only */
  AFile *f = NULL;
  for (int i = 0; i < l->files.n; i++)
    if (l->files.at[i]->file == file) f = l->files.at[i];
  if (!check_defines(l) || diags_errors(l->d) != before) return false;
  bool ok = true;
  for (int i = 0; i < f->decls.n; i++) {
    ADecl *d = f->decls.at[i];
    if (d->kind == D_PRECISION) ok = settings_precision(l, d) && ok;
    if (d->kind != D_TRAIN) continue;
    if (train.decl) { lower_error(l, 403, d->span, "a second 'train'"); ok = false; continue; }
    ok = settings_train(l, &train, d, l->root) && ok;
  }
  if (!ok) return false;
  u->entries = NEWN(l->arena, UnitEntry, 1);
  unit_add_entry(l, l->init);
  if (train.decl) ok = build_train(l, &train) && ok;
  if (!l->options->no_samplers) ok = build_samplers(l) && ok;
  ok = build_models(l) && ok;
  check_unused(l);
  if (!ok || diags_errors(l->d) != before) return false;
  layout(l);
  finish_init(l);
  domain_warnings(l);
  if (train.decl && !finish_train(l, &train)) return false;
  /* finish_train gave the training entry its step input */
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
  for (int i = 0; i < u->nentries; i++) {
    Graph *g = u->entries[i].graph;
    for (int k = 0; k < g->nodes.n; k++) g->nodes.at[k]->vjp = NULL;   /* derivatives were taken */
    ir_prune(g);
    const char *why = ir_verify(g);
    if (why) bug("entry %s: %s", u->entries[i].name, why);
  }
  if (diags_errors(l->d) != before) return false;
  return l->options->check_only || run_backend(l);
}

Unit *unit_compile(Arena *a, Interner *names, Diags *d, int file, const UnitOptions *o) {
  Low *volatile l = NEW(a, Low);
  Unit *volatile u = NEW(a, Unit);
  jmp_buf unwind;
  l->arena = a;
  l->names = names;
  l->d = d;
  l->options = o;
  l->unit = u;
  int why = setjmp(unwind);
  bool ok = false;
  if (why == 0) {
    arena_guard(a, &unwind);
    diags_guard(d, &unwind);
    ok = compile(l, file);
  }
  arena_guard(a, NULL);
  diags_guard(d, NULL);
  return ok && diags_errors(d) == 0 ? u : NULL;
}

const UnitEntry *unit_entry(const Unit *u, const char *name) {
  for (int i = 0; i < u->nentries; i++)
    if (!strcmp(u->entries[i].name, name)) return &u->entries[i];
  return NULL;
}

const UnitSampler *unit_sampler(const Unit *u, const char *name) {
  for (int i = 0; i < u->nsamplers; i++)
    if (!name || !strcmp(u->samplers[i].name, name)) return &u->samplers[i];
  return NULL;
}

int64_t unit_loop_value(const UnitSampler *s, int64_t k, int64_t n) {
  if (n <= 1) return s->lo;
  double x = (double)(s->hi - s->lo) * (double)k / (double)(n - 1);
  return s->lo + (int64_t)(x < 0 ? x - 0.5 : x + 0.5);
}
