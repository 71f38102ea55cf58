/* SPDX-License-Identifier: MIT */
/* The declarations of a file: its names, its numbers, and what it trains. */
#include "compiler/lower/lower.h"
#include "compiler/lower/file.h"
#include "compiler/lower/scope.h"
#include "compiler/lower/tables.h"
#include "compiler/lower/value.h"

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

static void declare_numbers(Lowering *l, Scope *s, ADecl *d, const Overrides *over) {
  for (int i = 0; i < d->binds.n; i++) {
    ABind *b = &d->binds.at[i];
    const char *name = b->target.name;
    Override *given = over ? override_of(over, name) : NULL;
    const AExpr *e = given ? override_value(l, given) : b->value;
    if (!e) { /* said where it was given */
      declare(l, s, name, v_poison(l), b->target.span);
      continue;
    }
    if (over && override_reaches(over, name)) {
      OwnNumber own = {d->kind, name, e, given && !given->value};
      vec_push(l->arena, &l->numbers, own);
    }
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

/* The second of what a file has once. */
static void said_again(Lowering *l, const ADecl *d, const ADecl *first) {
  diag_note(l->d, lower_error(l, 403, d->span, "a second '%s'", adecl_spelling(d->kind)),
            first->span, "the first is here");
}

/* What the file itself says of training. */
static void own_roots(Lowering *l, const AFile *f, Scope *scope, Roots *out) {
  for (int i = 0; i < f->decls.n; i++) {
    ADecl *d = f->decls.at[i];
    ADecl **slot = d->kind == D_TRAIN       ? &out->train
                   : d->kind == D_PRECISION ? &out->precision
                                            : NULL;
    if (!slot) continue;
    if (*slot) {
      said_again(l, d, *slot);
      continue;
    }
    *slot = d;
    if (d->kind == D_TRAIN) out->scope = scope;
  }
}

static bool has_loss(const AFile *f) {
  for (int i = 0; i < f->decls.n; i++)
    if (f->decls.at[i]->kind == D_LOSS) return true;
  return false;
}

/* The names of what the file uses, into the scope around it. */
static void use_all(Lowering *l, const AFile *f, Scope *around, Overrides *over, Taken *taken) {
  for (int i = 0; i < f->decls.n; i++) {
    ADecl *d = f->decls.at[i];
    if (d->kind != D_USE) continue;
    Used u = {.at = d};
    if (!d->path)
      u.scope = std_used(l, d);
    else if (!path_used(l, d, over, &u))
      u.scope = NULL;
    if (!u.scope) {
      l->names_missing = true;
      continue;
    }
    import_names(l, around, u.scope);
    if (d->path) vec_push(l->arena, taken, u);
  }
}

bool declare_file(Lowering *l, int file, Scope *scope, Overrides *over, Roots *roots) {
  int before = diags_errors(l->d);
  AFile *f = ast_parse(l->arena, l->names, l->d, file);
  if (diags_errors(l->d) != before) { /* whatever is missing would be missed below */
    l->syntax_errors = l->names_missing = true;
    return false;
  }
  vec_push(l->arena, &l->files, f);
  if (over) over->file = f;
  /* Imported names live in a scope around the file's own, which may redefine them. */
  Scope *imported = scope_new(l, scope->parent, false);
  scope->parent = imported;
  Taken taken = {0};
  use_all(l, f, imported, over, &taken);
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
      declare_numbers(l, scope, d, over);
    if (d->kind == D_PARAM) lower_param_stmt(l, scope, d->stmt);
    if (d->kind == D_DATA) {
      Binding *b = scope_here(scope, d->name);
      if (b && b->value->kind == V_DATA && b->value->data->decl == d) {
        data_settled(l, b->value->data, d->name_span);
        vec_push(l->arena, &l->datas, b->value->data);
      }
    }
  }
  own_roots(l, f, scope, roots);
  if (!has_loss(f)) take_roots(l, scope, &taken, roots);
  return diags_errors(l->d) == before;
}
