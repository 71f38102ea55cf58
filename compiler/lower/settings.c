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

bool settings_data(Lowering *l, Data *x, Scope *s) {
  static const char *const keys[] = {"source", "tokens", "split", "seed"};
  ADecl *d = x->decl;
  double v;
  x->info.name = d->name;
  x->info.split = 0.9;
  x->info.td_file = diags_source_at(l->d, d->span.file)->path;
  x->info.span = d->name_span;
  for (int i = 0; i < d->settings.n; i++) {
    const AExpr *e = d->settings.at[i];
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

bool settings_train(Lowering *l, TrainSettings *t, ADecl *d, Scope *s) {
  static const char *const keys[] = {"loss", "on",     "batch", "steps",    "checkpoint",
                                     "eval", "sample", "keep",  "patience", "log",
                                     "ema",  "clip",   "adam",  "adamw",    "sgd"};
  UnitTrain *u = &l->unit->train;
  double v;
  u->keep = 3;
  u->log_every = 10;
  u->eval_batches = 8;
  t->decl = d;
  for (int i = 0; i < d->settings.n; i++) {
    const AExpr *e = d->settings.at[i];
    const char *w = word_of(e);
    if (e->kind == A_CALL) {
      if (t->optimizer) {
        lower_error(l, 412, e->span, "a second optimizer");
        return false;
      }
      t->optimizer = e;
    } else if (is_word(e, "loss") || is_word(e, "on") || is_word(e, "sample")) {
      const AExpr *n = next(l, d, &i, w, "a name");
      if (!n) return false;
      if (n->kind != A_NAME) {
        lower_error(l, 410, n->span, "'%s' needs a name after it", w);
        return false;
      }
      if (is_word(e, "on")) {
        u->data = n->name;
        continue;
      }
      Binding *b = scope_find(s, n->name);
      ADeclKind want = is_word(e, "loss") ? D_LOSS : D_SAMPLER;
      if (!b || b->value->kind != V_FN || b->value->fn->decl->kind != want) {
        VEC(const char *) names = {0};
        for (int k = 0; k < s->names.n; k++)
          if (s->names.at[k].value->kind == V_FN && s->names.at[k].value->fn->decl->kind == want)
            vec_push(l->arena, &names, s->names.at[k].name);
        Diag *x =
            lower_error(l, 413, n->span, "there is no %s '%s'", adecl_spelling(want), n->name);
        diag_hint_near(l->d, x, n->name, names.at, names.n);
        return false;
      }
      if (want == D_LOSS) {
        t->loss = b->value->fn;
        u->loss = n->name;
        continue;
      }
      u->sample = n->name;
      if (i + 1 >= d->settings.n || !is_word(d->settings.at[i + 1], "every")) {
        lower_error(l, 410, n->span, "'sample %s' needs 'every N' after it", n->name);
        return false;
      }
      i++;
      if (!number_after(l, s, d, &i, "every", 1, 1e12, true, &v)) return false;
      u->sample_every = (int64_t)v;
    } else if (is_word(e, "checkpoint") || is_word(e, "eval") || is_word(e, "log")) {
      if (i + 1 >= d->settings.n || !is_word(d->settings.at[i + 1], "every")) {
        lower_error(l, 410, e->span, "'%s' needs 'every N' after it", w);
        return false;
      }
      i++;
      if (!number_after(l, s, d, &i, "every", 1, 1e12, true, &v)) return false;
      *(is_word(e, "checkpoint") ? &u->checkpoint_every
        : is_word(e, "eval")     ? &u->eval_every
                                 : &u->log_every) = (int64_t)v;
      if (is_word(e, "eval") && i + 1 < d->settings.n &&
          is_word(d->settings.at[i + 1], "batches")) {
        i++;
        if (!number_after(l, s, d, &i, "batches", 1, 1e9, true, &v)) return false;
        u->eval_batches = (int64_t)v;
      }
    } else if (is_word(e, "batch")) {
      if (!number_after(l, s, d, &i, "batch", 1, 1e9, true, &v)) return false;
      u->batch = (int64_t)v;
    } else if (is_word(e, "steps")) {
      if (!number_after(l, s, d, &i, "steps", 1, 1e12, true, &v)) return false;
      u->steps = (int64_t)v;
    } else if (is_word(e, "keep") || is_word(e, "patience")) {
      if (!number_after(l, s, d, &i, w, 0, 1e9, true, &v)) return false;
      *(is_word(e, "keep") ? &u->keep : &u->patience) = (int64_t)v;
    } else if (is_word(e, "ema")) {
      if (!number_after(l, s, d, &i, "ema", 0, 0.9999999, false, &u->ema)) return false;
    } else if (is_word(e, "clip")) {
      t->clip = next(l, d, &i, "clip", "a number");
      if (!t->clip) return false;
    } else {
      unknown_key(l, e, "train", keys, (int)(sizeof keys / sizeof *keys));
      return false;
    }
  }
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

bool settings_precision(Lowering *l, ADecl *d) {
  static const char *const keys[] = {"param", "act", "acc"};
  for (int i = 0; i < d->settings.n; i++) {
    const AExpr *e = d->settings.at[i];
    if (!is_word(e, "param") && !is_word(e, "act") && !is_word(e, "acc")) {
      unknown_key(l, e, "precision", keys, 3);
      return false;
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
    if (act) l->unit->act = is_word(t, "bf16") ? TD_BF16 : TD_F32;
  }
  return true;
}
