/* SPDX-License-Identifier: MIT */
/* See run_ir.h. */
#include "tests/run_ir.h"

#include <string.h>

#include "compiler/ir/text.h"
#include "compiler/ir/verify.h"
#include "compiler/backend.h"
#include "compiler/passes/pipeline.h"

typedef bool TakeWord(const char *path, const char *word, void *ctx);

/* Each word after the mark at the beginning of a line, in turn. */
static bool each_word(const char *path, const char *text, size_t n, const char *mark,
                      Interner *names, TakeWord *take, void *ctx) {
  const char *end = text + n;
  size_t length = strlen(mark);
  for (const char *line = text; line < end;) {
    const char *stop = memchr(line, '\n', (size_t)(end - line));
    if (!stop) stop = end;
    bool marked = (size_t)(stop - line) >= length && memcmp(line, mark, length) == 0;
    for (const char *at = line + length; marked && at < stop;) {
      while (at < stop && (*at == ' ' || *at == ',')) at++;
      const char *from = at;
      while (at < stop && *at != ' ' && *at != ',') at++;
      if (at > from && !take(path, internn(names, from, (size_t)(at - from)), ctx)) return false;
    }
    line = stop + (stop < end);
  }
  return true;
}

/* A graph and what it is for: the CPU, or what `# target: NAME` says. */
typedef struct Subject {
  Graph *g;
  const Target *target;
} Subject;

static bool take_target(const char *path, const char *name, void *ctx) {
  Subject *s = ctx;
  s->target = backend_target(name);
  if (!s->target) printf("%s: there is no target '%s'\n", path, name);
  return s->target != NULL;
}

static bool run_pass(const char *path, const char *name, void *ctx) {
  const Subject *s = ctx;
  const PassOptions every = pass_options(s->target);
  if (strcmp(name, "none") == 0 || pipeline_run_one(s->g, &every, name)) return true;
  printf("%s: there is no pass '%s'\n", path, name);
  return false;
}

static bool run_passes(const char *path, const char *text, size_t n, Subject *s) {
  s->target = backend_target("cpu");
  return each_word(path, text, n, "# target:", s->g->names, take_target, s) &&
         each_word(path, text, n, "# pass:", s->g->names, run_pass, s);
}

static bool reads_back(const char *path, Arena *a, Interner *names, const StrBuf *text) {
  Diags *d = diags_new(a);
  StrBuf again = {0}, errors = {0};
  Graph *g = ir_parse(a, names, d, diags_source(d, "(printed)", text->s, text->n));
  if (g) {
    ir_print(g, &again);
  } else {
    diags_print(d, &errors, false);
    printf("%s: the printed graph is not read:\n%s", path, errors.s ? errors.s : "");
  }
  bool same = g && strcmp(again.s, text->s) == 0;
  if (g && !same) printf("%s: printed twice it differs:\n%s---\n%s", path, text->s, again.s);
  sb_free(&again);
  sb_free(&errors);
  return same;
}

bool run_ir_text(const char *path, const char *text, size_t n, StrBuf *out) {
  Arena *a = arena_new();
  Interner *names = interner_new(a);
  Diags *d = diags_new(a);
  bool fine = true;
  Graph *g = ir_parse(a, names, d, diags_source(d, path, text, n));
  Subject s = {.g = g};
  if (!g) {
    diags_print(d, out, false);
  } else if (run_passes(path, text, n, &s)) {
    const char *broken = ir_verify(g);
    if (broken) printf("%s: the result breaks an invariant: %s\n", path, broken);
    ir_print(g, out);
    fine = !broken && reads_back(path, a, names, out);
  } else {
    fine = false;
  }
  arena_free(a);
  return fine;
}

typedef struct PlanWords {
  BackendOptions options;
  bool narrow, repeated;
  int split;
} PlanWords;

static bool take_plan_word(const char *path, const char *word, void *ctx) {
  PlanWords *w = ctx;
  static const char product[] = "product_"; /* bf16 alone is activations' type */
  const bool named = strncmp(word, product, sizeof product - 1) == 0;
  const int split = td_split(named ? word + sizeof product - 1 : word);
  if (split >= 0 && (named || split != TD_SPLIT_BF16)) {
    w->split = split;
    return true;
  }
  bool *is = strcmp(word, "bf16") == 0       ? &w->narrow
             : strcmp(word, "repeated") == 0 ? &w->repeated
                                             : NULL;
  if (is)
    *is = true;
  else
    printf("%s: a plan is bf16, repeated or product_ and " TD_SPLIT_NAMES ", not '%s'\n", path,
           word);
  return is != NULL;
}

static bool switch_off(const char *path, const char *word, void *ctx) {
  PlanWords *w = ctx;
  bool known = backend_without(&w->options, word);
  if (!known) printf("%s: the compiler has no option '%s'\n", path, word);
  return known;
}

bool run_plan_text(const char *path, const char *text, size_t n, StrBuf *out) {
  Arena *a = arena_new();
  Interner *names = interner_new(a);
  Diags *d = diags_new(a);
  PlanWords w = {.options = backend_defaults(), .split = TD_SPLIT_F32};
  StrBuf errors = {0};
  Graph *g = ir_parse(a, names, d, diags_source(d, path, text, n));
  Subject s = {.g = g};
  if (!g) {
    diags_print(d, &errors, false);
    printf("%s: the graph is not read:\n%s", path, errors.s ? errors.s : "");
  }
  bool fine = g && run_passes(path, text, n, &s) &&
              each_word(path, text, n, "# plan:", names, take_plan_word, &w) &&
              each_word(path, text, n, "# without:", names, switch_off, &w);
  if (fine) {
    Backend *be = backend_new(a, d, g->name, &w.options);
    backend_for(be, s.target);
    if (w.narrow) backend_activations(be, TD_BF16);
    backend_split(be, w.split);
    backend_repeated(be, w.repeated);
    backend_plan(be, g, out);
  }
  sb_free(&errors);
  arena_free(a);
  return fine;
}
