/* SPDX-License-Identifier: MIT */
/* The settings blocks: data {...}, train {...}, precision {...}. Each is a row of
 * primaries; a table says which keys there are and what follows them. */
#include <string.h>

#include "compiler/lower/entry.h"
#include "compiler/lower/lower.h"
#include "compiler/lower/scope.h"
#include "compiler/lower/tables.h"
#include "compiler/lower/value.h"

static bool is_word(const AExpr *e, const char *w) {
  return e->kind == A_NAME && !strcmp(e->name, w);
}

static const char *word_of(const AExpr *e) {
  return e->kind == A_NAME                           ? e->name
         : e->kind == A_CALL && e->a->kind == A_NAME ? e->a->name
                                                     : NULL;
}

static void unknown_key(Lowering *l, const AExpr *e, const char *where, const char *const *keys,
                        int n) {
  const char *w = word_of(e);
  if (!w) {
    lower_error(l, 409, e->span, "'%s' expects a setting here, a word such as '%s'", where,
                keys[0]);
    return;
  }
  Diag *x = lower_error(l, 409, e->span, "'%s' has no setting '%s'", where, w);
  diag_hint_near(l->d, x, w, keys, n);
}

/* The keys that were read in one block. */
typedef struct Keys {
  VEC(const AExpr *) at;
} Keys;

/* Is it the first `what`? Else what the first one said would be dropped. */
static bool first_of(Lowering *l, Keys *keys, const AExpr *e, const char *what) {
  for (int i = 0; i < keys->at.n; i++) {
    const AExpr *first = keys->at.at[i];
    if (first->kind != e->kind || (e->kind == A_NAME && strcmp(first->name, e->name) != 0))
      continue;
    Diag *x = lower_error(l, 403, e->span, "a second %s", what);
    diag_note(l->d, x, first->span, "the first is here");
    return false;
  }
  vec_push(l->arena, &keys->at, e);
  return true;
}

static bool first_word(Lowering *l, Keys *keys, const AExpr *e) {
  return e->kind != A_NAME || first_of(l, keys, e, arena_printf(l->arena, "'%s'", e->name));
}

static const AExpr *next(Lowering *l, ADecl *d, int *i, const char *key, const char *what) {
  if (*i + 1 < d->settings.n) return d->settings.at[++*i];
  lower_error(l, 410, d->settings.at[*i]->span, "'%s' needs %s after it", key, what);
  return NULL;
}

static bool number_after(Lowering *l, Scope *s, ADecl *d, int *i, const char *key, double min,
                         double max, bool whole, double *out) {
  const AExpr *e = next(l, d, i, key, "a number");
  double x;
  bool is_int;
  if (!e || !lower_number(l, s, e, &x, &is_int)) return false;
  if (x < min || x > max || (whole && !is_int)) {
    lower_error(l, 411, e->span, "'%s' must be %s between %g and %g, this is %g", key,
                whole ? "a whole number" : "a number", min, max, x);
    return false;
  }
  *out = x;
  return true;
}

/* ---- data -------------------------------------------------------------------------------- */

bool settings_data(Lowering *l, Data *x, Scope *s) {
  static const char *const keys[] = {"source", "tokens", "split", "seed"};
  ADecl *d = x->decl;
  Keys read = {0};
  double v;
  x->info.name = d->name;
  x->info.split = 0.9;
  x->info.td_file = diags_source_at(l->d, d->span.file)->path;
  x->info.span = d->name_span;
  for (int i = 0; i < d->settings.n; i++) {
    const AExpr *e = d->settings.at[i];
    if (!first_word(l, &read, e)) return false;
    if (is_word(e, "source")) {
      const AExpr *src = next(l, d, &i, "source", "a path or the name of a corpus, in quotes");
      if (!src) return false;
      if (src->kind != A_STR) {
        lower_error(l, 410, src->span, "'source' needs a path or the name of a corpus, in quotes");
        return false;
      }
      x->info.source = src->str;
    } else if (is_word(e, "tokens")) {
      static const char *const kinds[] = {"chars", "bytes", "ascii"};
      const AExpr *t = next(l, d, &i, "tokens", "chars, bytes or ascii");
      if (!t) return false;
      if (is_word(t, "chars"))
        x->info.tokens = TOKENS_CHARS;
      else if (is_word(t, "bytes"))
        x->info.tokens = TOKENS_BYTES;
      else if (is_word(t, "ascii"))
        x->info.tokens = TOKENS_ASCII;
      else {
        Diag *y = lower_error(l, 410, t->span, "tokens are chars, bytes or ascii");
        if (word_of(t)) diag_hint_near(l->d, y, word_of(t), kinds, 3);
        return false;
      }
    } else if (is_word(e, "split")) {
      if (!number_after(l, s, d, &i, "split", 0.01, 0.99, false, &x->info.split)) return false;
    } else if (is_word(e, "seed")) {
      if (!number_after(l, s, d, &i, "seed", 0, 9e15, true, &v)) return false;
      x->info.seed = (uint64_t)v;
    } else {
      unknown_key(l, e, "data", keys, 4);
      return false;
    }
  }
  if (!x->info.source) {
    Diag *y = lower_error(l, 410, d->name_span, "data '%s' names no source", d->name);
    diag_hint(l->d, y, "source \"tiny_shakespeare\", or a path");
    return false;
  }
  return true;
}

/* ---- train ------------------------------------------------------------------------------- */

/* The settings of `train` as they are read. */
typedef struct TrainReader {
  Lowering *l;
  Scope *s;
  TrainSettings *t;
  int i; /* the setting being read */
  Keys read;
} TrainReader;

static bool train_count(TrainReader *r, const char *key, double min, double max, int64_t *out) {
  double v;
  if (!number_after(r->l, r->s, r->t->decl, &r->i, key, min, max, true, &v)) return false;
  *out = (int64_t)v;
  return true;
}

static bool word_follows(const TrainReader *r, const char *w) {
  const ADecl *d = r->t->decl;
  return r->i + 1 < d->settings.n && is_word(d->settings.at[r->i + 1], w);
}

/* `every N` after what stands at `at`. */
static bool train_every(TrainReader *r, Span at, const char *after, int64_t *out) {
  if (!word_follows(r, "every")) {
    lower_error(r->l, 410, at, "'%s' needs 'every N' after it", after);
    return false;
  }
  r->i++;
  return train_count(r, "every", 1, 1e12, out);
}

/* The loss or sampler that n names, or NULL after an error. */
static Fn *train_function(TrainReader *r, const AExpr *n, ADeclKind want) {
  Lowering *l = r->l;
  const Scope *s = r->s;
  Binding *b = scope_find(r->s, n->name);
  if (b && b->value->kind == V_FN && b->value->fn->decl->kind == want) return b->value->fn;
  VEC(const char *) names = {0};
  for (int k = 0; k < s->names.n; k++)
    if (s->names.at[k].value->kind == V_FN && s->names.at[k].value->fn->decl->kind == want)
      vec_push(l->arena, &names, s->names.at[k].name);
  Diag *x = lower_error(l, 413, n->span, "there is no %s '%s'", adecl_spelling(want), n->name);
  diag_hint_near(l->d, x, n->name, names.at, names.n);
  return NULL;
}

/* loss NAME, on NAME, sample NAME every N */
static bool train_named(TrainReader *r, const AExpr *e) {
  Lowering *l = r->l;
  UnitTrain *u = &l->unit->train;
  const AExpr *n = next(l, r->t->decl, &r->i, e->name, "a name");
  if (!n) return false;
  if (n->kind != A_NAME) {
    lower_error(l, 410, n->span, "'%s' needs a name after it", e->name);
    return false;
  }
  if (is_word(e, "on")) {
    u->data = n->name;
    return true;
  }
  if (is_word(e, "loss")) {
    r->t->loss = train_function(r, n, D_LOSS);
    u->loss = n->name;
    return r->t->loss != NULL;
  }
  if (!train_function(r, n, D_SAMPLER)) return false;
  u->sample = n->name;
  return train_every(r, n->span, arena_printf(l->arena, "sample %s", n->name), &u->sample_every);
}

/* checkpoint every N, log every N, eval every N [batches N] */
static bool train_repeated(TrainReader *r, const AExpr *e) {
  UnitTrain *u = &r->l->unit->train;
  bool eval = is_word(e, "eval");
  int64_t *every = eval                       ? &u->eval_every
                   : is_word(e, "checkpoint") ? &u->checkpoint_every
                                              : &u->log_every;
  if (!train_every(r, e->span, e->name, every)) return false;
  if (!eval || !word_follows(r, "batches")) return true;
  r->i++;
  return train_count(r, "batches", 1, 1e9, &u->eval_batches);
}

static bool train_setting(TrainReader *r, const AExpr *e) {
  static const char *const keys[] = {"loss", "on",     "batch", "steps",    "checkpoint",
                                     "eval", "sample", "keep",  "patience", "log",
                                     "ema",  "clip",   "adam",  "adamw",    "sgd"};
  Lowering *l = r->l;
  ADecl *d = r->t->decl;
  UnitTrain *u = &l->unit->train;
  if (e->kind == A_CALL) {
    r->t->optimizer = e;
    return first_of(l, &r->read, e, "optimizer");
  }
  if (!first_word(l, &r->read, e)) return false;
  if (is_word(e, "loss") || is_word(e, "on") || is_word(e, "sample")) return train_named(r, e);
  if (is_word(e, "checkpoint") || is_word(e, "eval") || is_word(e, "log"))
    return train_repeated(r, e);
  if (is_word(e, "batch")) return train_count(r, "batch", 1, 1e9, &u->batch);
  if (is_word(e, "steps")) return train_count(r, "steps", 1, 1e12, &u->steps);
  if (is_word(e, "keep")) return train_count(r, "keep", 0, 1e9, &u->keep);
  if (is_word(e, "patience")) return train_count(r, "patience", 0, 1e9, &u->patience);
  if (is_word(e, "ema"))
    return number_after(l, r->s, d, &r->i, "ema", 0, 0.9999999, false, &u->ema);
  if (is_word(e, "clip")) return (r->t->clip = next(l, d, &r->i, "clip", "a number")) != NULL;
  unknown_key(l, e, "train", keys, (int)(sizeof keys / sizeof *keys));
  return false;
}

bool settings_train(Lowering *l, TrainSettings *t, ADecl *d, Scope *s) {
  UnitTrain *u = &l->unit->train;
  u->keep = 3;
  u->log_every = 10;
  u->eval_batches = 8;
  t->decl = d;
  t->scope = s;
  TrainReader r = {.l = l, .s = s, .t = t};
  for (; r.i < d->settings.n; r.i++)
    if (!train_setting(&r, d->settings.at[r.i])) return false;
  if (!t->loss || !t->optimizer || !u->steps) {
    Diag *x = lower_error(l, 410, d->span, "'train' does not say %s%s%s%s%s",
                          !t->loss ? "which loss to minimise" : "",
                          !t->loss && (!t->optimizer || !u->steps) ? ", " : "",
                          !t->optimizer ? "which optimizer to use" : "",
                          !t->optimizer && !u->steps ? ", " : "",
                          !u->steps ? "how many steps to take" : "");
    diag_hint(l->d, x, "train { loss NAME  adam(lr = 1e-4)  steps 1000 }");
    return false;
  }
  u->optimizer = t->optimizer->a->kind == A_NAME ? t->optimizer->a->name : "";
  return true;
}

/* ---- precision --------------------------------------------------------------------------- */

/* After `product`: how two factors in f32 are multiplied. */
static bool product_of(Lowering *l, const AExpr *t) {
  static const char *const kinds[] = {"f32", "fma", "split6", "split3", "bf16"};
  const char *w = word_of(t);
  int split = w ? td_split(w) : -1;
  if (split >= 0) {
    l->unit->split = split;
    return true;
  }
  Diag *x = lower_error(l, 414, t->span,
                        "products are not made as '%s'; 'product' is " TD_SPLIT_NAMES, w ? w : "?");
  if (w) diag_hint_near(l->d, x, w, kinds, (int)(sizeof kinds / sizeof *kinds));
  return false;
}

/* `product` is of f32: where activations are bf16, by the file or by a flag, they are multiplied
 * in bf16. */
static bool precision_agrees(Lowering *l, const AExpr *act, const AExpr *product) {
  const UnitOptions *o = l->options;
  const bool asked = o->product && !td_split_agrees_with_bf16(td_split(o->product));
  if (!act || l->unit->act != TD_BF16 || o->act ||
      !(asked || (product && !td_split_agrees_with_bf16(l->unit->split))))
    return true;
  Diag *x =
      lower_error(l, 414, act->span, "activations in bf16 are multiplied in bf16, not as '%s'",
                  asked ? o->product : product->name);
  diag_hint(l->d, x, asked ? "--act f32, or no --product" : "act f32, or no 'product'");
  return false;
}

bool settings_precision(Lowering *l, ADecl *d) {
  static const char *const keys[] = {"param", "act", "acc", "product"};
  Keys read = {0};
  const AExpr *of_act = NULL, *of_product = NULL;
  for (int i = 0; i < d->settings.n; i++) {
    const AExpr *e = d->settings.at[i];
    const bool product = is_word(e, "product");
    if (!product && !is_word(e, "param") && !is_word(e, "act") && !is_word(e, "acc")) {
      unknown_key(l, e, "precision", keys, 4);
      return false;
    }
    if (!first_word(l, &read, e)) return false;
    if (product) {
      of_product = next(l, d, &i, e->name, TD_SPLIT_NAMES);
      if (!of_product || !product_of(l, of_product)) return false;
      continue;
    }
    const AExpr *t = next(l, d, &i, e->name, "a storage type");
    if (!t) return false;
    bool act = is_word(e, "act");
    if (!is_word(t, "f32") && !(act && is_word(t, "bf16"))) {
      Diag *x = lower_error(l, 414, t->span, "'%s' is not stored as '%s'; %s", e->name,
                            word_of(t) ? word_of(t) : "?",
                            act ? "activations are f32 or bf16" : "parameters and sums are f32");
      diag_hint(l->d, x, act ? "%s f32 or %s bf16" : "%s f32", e->name, e->name);
      return false;
    }
    if (!act) continue;
    l->unit->act = is_word(t, "bf16") ? TD_BF16 : TD_F32;
    of_act = t;
  }
  return precision_agrees(l, of_act, of_product);
}
