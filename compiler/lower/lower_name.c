/* SPDX-License-Identifier: MIT */
/* What a name stands for: values, and the members of data and schedules, which are
 * settled when they are first asked for. */
#include <ctype.h>
#include <string.h>

#include "compiler/lower/entry.h"
#include "compiler/lower/index.h"
#include "compiler/lower/lower.h"
#include "compiler/lower/scope.h"
#include "compiler/lower/tables.h"
#include "compiler/lower/value.h"

Value *binding_value(Lowering *l, Binding *b) {
  return b->value->kind == V_PARAM ? param_value(l, b->value->param) : b->value;
}

void hint_name(Lowering *l, Diag *x, const char *name, const char *const *known, int n) {
  const char *library = std_declaring(name);
  if (!diag_hint_near(l->d, x, name, known, n) && library)
    diag_hint(l->d, x, "it is in the library: use %s", library);
}

bool name_is_news(Lowering *l, const Scope *s, const char *name) {
  while (s && !s->function) s = s->parent;
  for (int i = 0; i < l->unknown.n; i++)
    if (l->unknown.at[i].name == name && l->unknown.at[i].function == s) return false;
  Unknown u = {name, s};
  vec_push(l->arena, &l->unknown, u);
  return !l->names_missing;
}

Value *lookup(Lowering *l, Scope *s, const char *name, Span at) {
  Binding *b = scope_find(s, name);
  if (b) return binding_value(l, b);
  if (!name_is_news(l, s, name)) return v_poison(l);
  VEC(const char *) seen = {0};
  for (Scope *k = s; k; k = k->parent)
    for (int i = 0; i < k->names.n; i++) vec_push(l->arena, &seen, k->names.at[i].name);
  for (Frame *f = l->frame; f && !f->barrier; f = f->parent)
    for (int i = 0; i < f->vars.n; i++)
      if (f->vars.at[i].name) vec_push(l->arena, &seen, f->vars.at[i].name);
  Diag *x = lower_error(l, 301, at, "unknown name '%s'", name);
  if (!strcmp(name, "step") || !strcmp(name, "steps"))
    diag_hint(l->d, x, "it is known in a loss, which can hand it on as an argument");
  else if (prim_find_callable(name, &(Prim){0}))
    diag_hint(l->d, x, "it is a function: %s(...)", name);
  else if (is_reducer(name))
    diag_hint(l->d, x, "it is a reducer: %s[i](x[i])", name);
  else
    hint_name(l, x, name, seen.at, seen.n);
  return v_poison(l);
}

Value *loss_step(Lowering *l, Scope *s, const char *name, Span at) {
  bool number = !strcmp(name, "step");
  while (s && !s->function) s = s->parent;
  if (!s || s != l->loss_scope || (!number && strcmp(name, "steps") != 0)) return NULL;
  if (number && l->entry->training) return entry_step(l, at);
  return v_int(l, l->unit->train.steps, NULL);
}

/* ---- members ------------------------------------------------------------------ */

static Value *table_value(Lowering *l, Table *t) {
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
bool data_settled(Lowering *l, Data *x, Span at) {
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

bool data_ready(Lowering *l, Data *x, Span at) {
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

Value *member(Lowering *l, Value *base, const char *name, Span at) {
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
    if (!diag_hint_near(l->d, x, name, known, 3))
      diag_hint(l->d, x, "it has vocab, unigram[v] and entropy");
    return v_poison(l);
  }
  if (base->kind == V_SCHEDULE) {
    DiffusionSchedule *s = base->schedule;
    if (!diffusion_ready(l, s, at)) return v_poison(l);
    VEC(const char *) names = {0};
    for (int i = 0; i < s->tables.n; i++) {
      if (!strcmp(s->tables.at[i]->name + strlen(s->decl->name) + 1, name))
        return table_value(l, s->tables.at[i]);
      vec_push(l->arena, &names, s->tables.at[i]->name + strlen(s->decl->name) + 1);
    }
    Diag *x = lower_error(l, 303, at, "schedule '%s' has no table '%s'", s->decl->name, name);
    diag_hint_near(l->d, x, name, names.at, names.n);
    diag_note(l->d, x, s->decl->name_span, "'%s' is declared here", s->decl->name);
    return v_poison(l);
  }
  if (base->kind == V_TENSOR && base->given && !strcmp(name, "given")) return base->given;
  Diag *x = lower_error(
      l, 303, at,
      "only data, schedules and a sampler's text parameters have members, %s%s%s no '.%s'",
      base->what ? "'" : "", base->what ? base->what : "this", base->what ? "' has" : " has", name);
  if (base->kind == V_TENSOR) diag_hint_idiom(l->d, x, name);
  return v_poison(l);
}

/* ---- symbols --------------------------------------------------------------------- */

/* As it is written: 'a', '\n'. */
static const char *written(Lowering *l, const char *symbol, Span at) {
  AExpr e = {.kind = A_CHARACTER, .str = symbol, .span = at};
  StrBuf b = {0};
  ast_print_expr(&e, &b);
  const char *text = arena_strndup(l->arena, b.s, b.n);
  sb_free(&b);
  return text;
}

/* The same letter, small or capital, if that is a symbol. */
static void hint_other_case(Lowering *l, Diag *x, const DataInfo *got, const char *symbol) {
  char other[2] = {symbol[0], 0};
  if (islower((unsigned char)other[0]))
    other[0] = (char)toupper((unsigned char)other[0]);
  else
    other[0] = (char)tolower((unsigned char)other[0]);
  bool letter = other[0] != symbol[0] && symbol[1] == '\0';
  if (letter && got->symbol(got->symbols, other, 1) >= 0)
    diag_hint(l->d, x, "it has '%s'", other);
  else
    diag_hint(l->d, x, "a text's symbols are the characters that occur in it, or its bytes");
}

Value *symbol_value(Lowering *l, Scope *s, const char *symbol, Span at) {
  enum { E_SYMBOL = 427 };
  Data *found = NULL;
  for (Scope *k = s; k; k = k->parent)
    for (int i = 0; i < k->names.n; i++) {
      const Value *v = k->names.at[i].value;
      if (v->kind != V_DATA || v->data == found) continue;
      if (found) {
        Diag *x = lower_error(l, E_SYMBOL, at, "%s may be a symbol of data '%s' or of data '%s'",
                              written(l, symbol, at), found->decl->name, v->data->decl->name);
        diag_hint(l->d, x, "where there are several texts, symbols have numbers alone");
        return v_poison(l);
      }
      found = v->data;
    }
  if (!found) {
    Diag *x = lower_error(l, E_SYMBOL, at, "there is no text that %s could be a symbol of",
                          written(l, symbol, at));
    diag_hint(l->d, x, "declare one: data text { source \"...\" }");
    return v_poison(l);
  }
  if (!data_ready(l, found, at)) return v_poison(l);
  const DataInfo *got = &found->got;
  int64_t id = got->symbol ? got->symbol(got->symbols, symbol, strlen(symbol)) : -1;
  if (id >= 0) return v_int(l, id, NULL);
  Diag *x = lower_error(l, E_SYMBOL, at, "%s is no symbol of data '%s'", written(l, symbol, at),
                        found->decl->name);
  if (got->symbol) hint_other_case(l, x, got, symbol);
  return v_poison(l);
}
