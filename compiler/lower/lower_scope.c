/* SPDX-License-Identifier: MIT */
/* Names: scopes, imports, constants and their overrides, members of data and
 * schedules, and the errors that name what was meant. */
#include <string.h>

#include "compiler/lower/lower.h"

Scope *scope_new(Low *l, Scope *parent, bool function) {
  Scope *s = NEW(l->arena, Scope);
  s->parent = parent;
  s->function = function;
  return s;
}

Binding *scope_here(Scope *s, const char *name) {
  for (int i = s->names.n - 1; i >= 0; i--)
    if (s->names.at[i].name == name) return &s->names.at[i];
  return NULL;
}

Binding *scope_find(Scope *s, const char *name) {
  for (; s; s = s->parent) {
    Binding *b = scope_here(s, name);
    if (b) return b;
  }
  return NULL;
}

void scope_set(Low *l, Scope *s, const char *name, Value *v, Span at) {
  Binding *old = scope_here(s, name);
  if (old) {
    old->value = v;
    return;
  }
  Binding b = {.name = name, .value = v, .span = at};
  vec_push(l->arena, &s->names, b);
}

/* Errors that another choice of extents might not give. */
static bool about_extents(int code) {
  return code == 201 || code == 204 || code == 205 || code == 221 || code == 223 || code == 225;
}

/* The calls that led here. */
static void note_calls(Low *l, Diag *x) {
  int shown = 0;
  for (CallCtx *c = l->calls; c && shown < 4; c = c->parent) {
    bool again = false;
    for (CallCtx *k = l->calls; k != c; k = k->parent)
      again = again || !memcmp(&k->span, &c->span, sizeof c->span);
    if (again) continue; /* a recursion */
    if (c->span.line) {
      diag_note(l->d, x, c->span, "in this use of '%s'", c->name);
      shown++;
    } else if (l->assumed && *l->assumed && about_extents(x->code)) {
      diag_note(l->d, x, c->decl->name_span, "nothing uses '%s'; it was checked with %s", c->name,
                l->assumed);
    }
  }
}

Diag *lower_error(Low *l, int code, Span at, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  const char *text = arena_vprintf(l->arena, fmt, ap);
  va_end(ap);
  Diag *x = diag_error(l->d, code, at, "%s", text);
  l->nerrors++;
  note_calls(l, x);
  return x;
}

Diag *lower_warn(Low *l, int code, Span at, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  const char *text = arena_vprintf(l->arena, fmt, ap);
  va_end(ap);
  Diag *x = diag_warn(l->d, code, at, "%s", text);
  note_calls(l, x);
  return x;
}

const char *extent_text(Low *l, const char *id, int64_t extent) {
  return id ? arena_printf(l->arena, "%s = %lld", id, (long long)extent)
            : arena_printf(l->arena, "%lld", (long long)extent);
}

const char *shape_text(Low *l, const Value *v) {
  if (v->kind == V_NUM) return "a number";
  StrBuf b = {0};
  sb_putc(&b, '[');
  for (int k = 0; k < v->rank; k++) {
    if (k) sb_puts(&b, ", ");
    if (v->axis[k].id)
      sb_puts(&b, v->axis[k].id);
    else
      sb_printf(&b, "%lld", (long long)v->axis[k].extent);
  }
  sb_putc(&b, ']');
  const char *s = arena_strdup(l->arena, b.s);
  sb_free(&b);
  return s;
}

Value *binding_value(Low *l, Binding *b) {
  return b->value->kind == V_PARAM ? param_value(l, b->value->param) : b->value;
}

Value *lookup(Low *l, Scope *s, const char *name, Span at) {
  Binding *b = scope_find(s, name);
  if (b) return binding_value(l, b);
  if (l->names_missing) return v_poison(l);
  VEC(const char *) seen = {0};
  for (Scope *k = s; k; k = k->parent)
    for (int i = 0; i < k->names.n; i++) vec_push(l->arena, &seen, k->names.at[i].name);
  for (Frame *f = l->frame; f && !f->barrier; f = f->parent)
    for (int i = 0; i < f->vars.n; i++)
      if (f->vars.at[i].name) vec_push(l->arena, &seen, f->vars.at[i].name);
  Diag *x = lower_error(l, 301, at, "unknown name '%s'", name);
  const char *near = did_you_mean(name, seen.at, seen.n), *library = std_declaring(name);
  if (near)
    diag_hint(l->d, x, "did you mean '%s'?", near);
  else if (library)
    diag_hint(l->d, x, "it is in the library: use %s", library);
  return v_poison(l);
}

Fn *find_fn(Low *l, Scope *s, const char *name) {
  (void)l;
  Binding *b = scope_find(s, name);
  return b && b->value->kind == V_FN ? b->value->fn : NULL;
}

/* ---- members ------------------------------------------------------------------ */

Value *table_value(Low *l, Table *t) {
  Entry *e = l->entry;
  Node *n = NULL;
  for (int i = 0; i < e->ntables; i++)
    if (e->tables[i].table == t) n = e->tables[i].node;
  if (!n) {
    n = ir_const(l->g, l->g->top, t->name, t->type, t->rank, t->shape, t->data, t->span);
    if (e->ntables == e->captables) {
      int cap = e->captables ? 2 * e->captables : 8;
      e->tables = arena_grow(l->arena, e->tables, (size_t)e->captables * sizeof *e->tables,
                             (size_t)cap * sizeof *e->tables);
      e->captables = cap;
    }
    e->tables[e->ntables].table = t;
    e->tables[e->ntables++].node = n;
  }
  Value *v = v_of_node(l, n, t->id);
  v->span = t->span;
  return v;
}

/* The settings are read when they are first needed: a dim may stand before the data it is taken
 * from. */
static bool data_settled(Low *l, Data *x, Span at) {
  if (x->settling)
    lower_error(l, 410, at, "the settings of data '%s' need what is only known with them",
                x->decl->name);
  if (x->settling || x->settled) return x->settled && x->info.source;
  x->settling = true;
  if (!settings_data(l, x, x->scope)) x->info.source = NULL;
  x->settling = false;
  x->settled = true;
  return x->info.source != NULL;
}

static bool data_ready(Low *l, Data *x, Span at) {
  if (!data_settled(l, x, at)) return false;
  if (!x->asked) {
    x->asked = true;
    const char *why = "no data can be read here";
    x->ok = l->options->query && l->options->query(l->options->query_ctx, &x->info, &x->got, &why);
    if (!x->ok) lower_error(l, 401, x->info.span.line ? x->info.span : at, "%s", why);
    if (x->ok) {
      Table *t = NEW(l->arena, Table);
      t->name = arena_printf(l->arena, "%s.unigram", x->info.name);
      t->rank = 1;
      t->shape[0] = x->got.vocab;
      t->id[0] = NULL;
      t->data = (double *)x->got.unigram;
      t->span = x->info.span;
      x->unigram = t;
    }
  }
  return x->ok;
}

Value *member(Low *l, Value *base, const char *name, Span at) {
  if (base->kind == V_POISON) return base;
  if (base->kind == V_DATA) {
    static const char *const known[] = {"vocab", "unigram", "entropy"};
    if (!strcmp(name, "vocab") || !strcmp(name, "unigram") || !strcmp(name, "entropy")) {
      if (!data_ready(l, base->data, at)) return v_poison(l);
      if (!strcmp(name, "vocab")) return v_int(l, base->data->got.vocab, NULL);
      if (!strcmp(name, "entropy")) return v_real(l, base->data->got.entropy);
      return table_value(l, base->data->unigram);
    }
    Diag *x = lower_error(l, 303, at, "data '%s' has no member '%s'", base->data->info.name, name);
    const char *near = did_you_mean(name, known, 3);
    diag_hint(l->d, x, near ? "did you mean '%s'?" : "it has vocab, unigram[v] and entropy%s",
              near ? near : "");
    return v_poison(l);
  }
  if (base->kind == V_SCHEDULE) {
    Schedule *s = base->schedule;
    if (!schedule_ready(l, s, at)) return v_poison(l);
    VEC(const char *) names = {0};
    for (int i = 0; i < s->tables.n; i++) {
      if (!strcmp(s->tables.at[i]->name + strlen(s->decl->name) + 1, name))
        return table_value(l, s->tables.at[i]);
      vec_push(l->arena, &names, s->tables.at[i]->name + strlen(s->decl->name) + 1);
    }
    Diag *x = lower_error(l, 303, at, "schedule '%s' has no table '%s'", s->decl->name, name);
    const char *near = did_you_mean(name, names.at, names.n);
    if (near) diag_hint(l->d, x, "did you mean '%s'?", near);
    diag_note(l->d, x, s->decl->name_span, "'%s' is declared here", s->decl->name);
    return v_poison(l);
  }
  if (base->kind == V_TENSOR && base->given && !strcmp(name, "given")) return base->given;
  Diag *x = lower_error(
      l, 303, at,
      "only data, schedules and a sampler's text parameters have members, %s%s%s no '.%s'",
      base->what ? "'" : "", base->what ? base->what : "this", base->what ? "' has" : " has", name);
  if (base->kind == V_TENSOR && base->rank && (!strcmp(name, "shape") || !strcmp(name, "size")))
    diag_hint(l->d, x, "extent(i) is how far the index i runs");
  return v_poison(l);
}

/* ---- declarations ----------------------------------------------------------------- */

static const char *override_of(Low *l, const char *name) {
  for (int i = 0; i < l->options->ndefines; i++)
    if (!strcmp(l->options->defines[i].name, name)) {
      vec_push(l->arena, &l->defines_used, l->options->defines[i].name);
      return l->options->defines[i].value;
    }
  return NULL;
}

static bool declare(Low *l, Scope *s, const char *name, Value *v, Span at) {
  Binding *old = scope_here(s, name);
  if (old) {
    Diag *x = lower_error(l, 302, at, "'%s' is declared twice", name);
    diag_note(l->d, x, old->span, "the first one is here");
    return false;
  }
  scope_set(l, s, name, v, at);
  return true;
}

static void declare_numbers(Low *l, Scope *s, ADecl *d, bool user) {
  for (int i = 0; i < d->binds.n; i++) {
    ABind *b = &d->binds.at[i];
    const char *name = b->target.name;
    const AExpr *e = b->value;
    const char *over = user ? override_of(l, name) : NULL;
    if (over) {
      int file = diags_source(l->d, arena_printf(l->arena, "-D %s", name), over, strlen(over));
      const AExpr *parsed = ast_parse_expr(l->arena, l->names, l->d, file);
      if (!parsed) continue;
      e = parsed;
    }
    Value *v;
    if (d->kind == D_CONST) {
      double x;
      bool is_int;
      v = lower_number(l, s, e, &x, &is_int) ? (is_int ? v_int(l, (int64_t)x, NULL) : v_real(l, x))
                                             : v_poison(l);
    } else {
      int64_t x;
      const char *id;
      v = lower_extent(l, s, e, &x, &id) ? v_int(l, x, name) : v_poison(l);
    }
    v->span = b->span;
    v->what = name;
    declare(l, s, name, v, b->target.span);
  }
}

static Value *decl_value(Low *l, Scope *s, ADecl *d) {
  Value *v = NEW(l->arena, Value);
  v->span = d->name_span;
  v->what = d->name;
  if (d->kind == D_SCHEDULE) {
    v->kind = V_SCHEDULE;
    v->schedule = NEW(l->arena, Schedule);
    v->schedule->decl = d;
    v->schedule->scope = s;
    vec_push(l->arena, &l->schedules, v->schedule);
  } else if (d->kind == D_DATA) {
    v->kind = V_DATA;
    v->data = NEW(l->arena, Data);
    v->data->decl = d;
    v->data->scope = s;
  } else {
    v->kind = V_FN;
    v->fn = NEW(l->arena, Fn);
    v->fn->decl = d;
    v->fn->scope = s;
  }
  return v;
}

Scope *std_scope(Low *l, const char *name, Span at) {
  for (int i = 0; i < l->imports.n; i++)
    if (!strcmp(l->imports.at[i].path, name)) return l->imports.at[i].scope;
  size_t size;
  const char *text = std_source(name, &size);
  if (!text) {
    VEC(const char *) names = {0};
    for (int i = 0; i < std_count(); i++) vec_push(l->arena, &names, std_name(i));
    Diag *x = lower_error(l, 304, at, "there is no library '%s'", name);
    const char *near = did_you_mean(name, names.at, names.n);
    if (near)
      diag_hint(l->d, x, "did you mean '%s'?", near);
    else
      diag_hint(l->d, x, "a file of yours is imported by its path: use \"%s.td\"", name);
    return NULL;
  }
  Scope *s = scope_new(l, l->core, false);
  struct Import im = {name, s};
  vec_push(l->arena, &l->imports, im);
  int file = diags_source(l->d, arena_printf(l->arena, "<std/%s.td>", name), text, size);
  load_file(l, file, s);
  return s;
}

/* Does a line of text begin with `op NAME(` or `block NAME(`? */
static bool declares(const char *text, const char *name) {
  static const char *const words[] = {"op ", "block "};
  size_t n = strlen(name);
  for (const char *line = text; line; line = strchr(line, '\n')) {
    if (*line == '\n') line++;
    for (int i = 0; i < 2; i++) {
      size_t w = strlen(words[i]);
      if (!strncmp(line, words[i], w) && !strncmp(line + w, name, n) && line[w + n] == '(')
        return true;
    }
  }
  return false;
}

const char *std_declaring(const char *function) {
  for (int i = 0; i < std_count(); i++) {
    size_t size;
    const char *text = std_source(std_name(i), &size);
    if (text && declares(text, function)) return std_name(i);
  }
  return NULL;
}

/* A path is relative to the file that uses it. */
static const char *beside(Low *l, const char *path, int file) {
  const char *from = diags_source_at(l->d, file)->path;
  const char *slash = strrchr(from, '/');
  if (*path == '/' || !slash || *from == '<') return path;
  return arena_printf(l->arena, "%.*s%s", (int)(slash + 1 - from), from, path);
}

static Scope *path_scope(Low *l, ADecl *d) {
  const char *why = "no further file can be read here";
  size_t size;
  const char *path = beside(l, d->path, d->span.file);
  for (int i = 0; i < l->imports.n; i++)
    if (!strcmp(l->imports.at[i].path, path)) return l->imports.at[i].scope;
  const char *text =
      l->options->load ? l->options->load(l->options->load_ctx, l->arena, path, &size, &why) : NULL;
  if (!text) {
    lower_error(l, 305, d->span, "%s", why);
    return NULL;
  }
  Scope *s = scope_new(l, l->core, false);
  struct Import im = {path, s};
  vec_push(l->arena, &l->imports, im); /* before it is loaded: a cycle ends here */
  load_file(l, diags_source(l->d, path, text, size), s);
  return s;
}

static void import_names(Low *l, Scope *into, const Scope *from) {
  for (int i = 0; i < from->names.n; i++)
    if (!scope_here(into, from->names.at[i].name))
      vec_push(l->arena, &into->names, from->names.at[i]);
}

bool load_file(Low *l, int file, Scope *scope) {
  int before = diags_errors(l->d);
  AFile *f = ast_parse(l->arena, l->names, l->d, file);
  if (diags_errors(l->d) != before) { /* whatever is missing would be missed below */
    l->syntax_errors = l->names_missing = true;
    return false;
  }
  vec_push(l->arena, &l->files, f);
  bool user = l->root == scope;
  if (user) scope->parent = l->core;
  /* Imported names live in a scope around the file's own, which may redefine them. */
  Scope *imported = scope_new(l, scope->parent, false);
  scope->parent = imported;
  for (int i = 0; i < f->decls.n; i++) {
    ADecl *d = f->decls.at[i];
    if (d->kind != D_USE) continue;
    Scope *from = d->path ? path_scope(l, d) : std_scope(l, d->name, d->span);
    if (from)
      import_names(l, imported, from);
    else
      l->names_missing = true;
  }
  /* Functions first: order of declarations does not matter for them. */
  for (int i = 0; i < f->decls.n; i++) {
    ADecl *d = f->decls.at[i];
    switch (d->kind) {
    case D_OP:
    case D_BLOCK:
    case D_MODEL:
    case D_LOSS:
    case D_METRIC:
    case D_SAMPLER:
    case D_SCHEDULE:
    case D_DATA: declare(l, scope, d->name, decl_value(l, scope, d), d->name_span); break;
    case D_USE:
    case D_CONST:
    case D_DIM:
    case D_AXIS:
    case D_PARAM:
    case D_TRAIN:
    case D_PRECISION: break;
    }
  }
  for (int i = 0; i < f->decls.n; i++) find_misplaced(l, f->decls.at[i]);
  for (int i = 0; i < f->decls.n; i++) {
    ADecl *d = f->decls.at[i];
    if (d->kind == D_CONST || d->kind == D_DIM || d->kind == D_AXIS)
      declare_numbers(l, scope, d, user);
    if (d->kind == D_PARAM) lower_param_stmt(l, scope, d->stmt);
    if (d->kind == D_DATA) {
      Binding *b = scope_here(scope, d->name);
      if (b && b->value->kind == V_DATA && b->value->data->decl == d) {
        data_settled(l, b->value->data, d->name_span);
        vec_push(l->arena, &l->datas, b->value->data);
      }
    }
  }
  return diags_errors(l->d) == before;
}
