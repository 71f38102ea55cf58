/* SPDX-License-Identifier: MIT */
/* The declarations of a file, with what it imports and what -D overrides. */
#include <string.h>

#include "compiler/lower/lower.h"
#include "compiler/lower/scope.h"
#include "compiler/lower/tables.h"
#include "compiler/lower/value.h"

struct Import {
  const char *path; /* or the library's name */
  Scope *scope;
};

static const char *override_of(Lowering *l, const char *name) {
  for (int i = 0; i < l->options->ndefines; i++)
    if (!strcmp(l->options->defines[i].name, name)) {
      vec_push(l->arena, &l->defines_used, l->options->defines[i].name);
      return l->options->defines[i].value;
    }
  return NULL;
}

static bool declare(Lowering *l, Scope *s, const char *name, Value *v, Span at) {
  Binding *old = scope_here(s, name);
  if (old) {
    Diag *x = lower_error(l, 302, at, "'%s' is declared twice", name);
    diag_note(l->d, x, old->span, "the first one is here");
    return false;
  }
  scope_set(l, s, name, v, at);
  return true;
}

static void declare_numbers(Lowering *l, Scope *s, ADecl *d, bool user) {
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
    OwnNumber own = {d->kind, name, e, over != NULL};
    if (user) vec_push(l->arena, &l->numbers, own);
    Value *v;
    if (d->kind == D_CONST) {
      const Value *x = lower_constant(l, s, e);
      v = !x ? v_poison(l) : x->is_int ? v_int(l, x->inum, NULL) : v_real(l, x->num);
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

static Value *decl_value(Lowering *l, Scope *s, ADecl *d) {
  Value *v = NEW(l->arena, Value);
  v->span = d->name_span;
  v->what = d->name;
  if (d->kind == D_SCHEDULE) {
    v->kind = V_SCHEDULE;
    v->schedule = NEW(l->arena, DiffusionSchedule);
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

Scope *std_scope(Lowering *l, const char *name, Span at) {
  for (int i = 0; i < l->imports.n; i++)
    if (!strcmp(l->imports.at[i].path, name)) return l->imports.at[i].scope;
  size_t size;
  const char *text = std_source(name, &size);
  if (!text) {
    VEC(const char *) names = {0};
    for (int i = 0; i < std_count(); i++) vec_push(l->arena, &names, std_name(i));
    Diag *x = lower_error(l, 304, at, "there is no library '%s'", name);
    if (!diag_hint_near(l->d, x, name, names.at, names.n))
      diag_hint(l->d, x, "a file of yours is imported by its path: use \"%s.td\"", name);
    return NULL;
  }
  Scope *s = scope_new(l, l->core, false);
  struct Import im = {name, s};
  vec_push(l->arena, &l->imports, im);
  int file = diags_source(l->d, arena_printf(l->arena, "<std/%s.td>", name), text, size);
  declare_file(l, file, s);
  return s;
}

/* A path is relative to the file that uses it. */
static const char *beside(Lowering *l, const char *path, int file) {
  const char *from = diags_source_at(l->d, file)->path;
  const char *slash = strrchr(from, '/');
  if (*path == '/' || !slash || *from == '<') return path;
  return arena_printf(l->arena, "%.*s%s", (int)(slash + 1 - from), from, path);
}

static Scope *path_scope(Lowering *l, ADecl *d) {
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
  declare_file(l, diags_source(l->d, path, text, size), s);
  return s;
}

static void import_names(Lowering *l, Scope *into, const Scope *from) {
  for (int i = 0; i < from->names.n; i++)
    if (!scope_here(into, from->names.at[i].name))
      vec_push(l->arena, &into->names, from->names.at[i]);
}

bool declare_file(Lowering *l, int file, Scope *scope) {
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
  check_expected(l, f);
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
