/* SPDX-License-Identifier: MIT */
/* tdc gradcheck: every op and block, and the loss, against central differences
 * in double precision. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/check/opcheck.h"
#include "runtime/cli/cli.h"
#include "runtime/system/json.h"

typedef struct Rows {
  Cli *c;
  Project *p;
  json_t *all;
  int wrong;
} Rows;

static const char *verdict_word(OpCheckVerdict v) {
  switch (v) {
  case OPCHECK_OK: return "ok";
  case OPCHECK_WRONG: return "FAIL";
  case OPCHECK_LEFT: return "-";
  }
  return "?";
}

/* The source line of a place, without the blanks around it. */
static const char *source_line(const Project *p, Span at, int *n) {
  const char *s = diags_source_at(p->diags, at.file)->text;
  for (int line = 1; line < at.line && s != NULL; line++) {
    s = strchr(s, '\n');
    if (s != NULL) s++;
  }
  if (s == NULL) s = "";
  s += strspn(s, " \t");
  *n = (int)strcspn(s, "\r\n");
  return s;
}

static void add_json(Rows *r, const OpCheck *k) {
  json_t *o = json_pack("{s:s, s:s, s:s?, s:o, s:i, s:i, s:I, s:I, s:o}", "name", k->name, "kind",
                        k->kind, "library", k->library, "file",
                        json_text(diags_source_at(r->p->diags, k->span.file)->path), "line",
                        k->span.line, "shapes", k->shapes, "compared", (json_int_t)k->compared,
                        "kinks", (json_int_t)k->kinks, "worst", json_finite(k->worst));
  o = json_with(o, "verdict",
                json_text(k->verdict == OPCHECK_OK      ? "ok"
                          : k->verdict == OPCHECK_WRONG ? "wrong"
                                                        : "left"));
  if (k->why != NULL) o = json_with(o, "why", json_text(k->why));
  if (k->at != NULL)
    o = json_with(o, "number",
                  json_pack("{s:s, s:o, s:o, s:s, s:s?, s:I}", "at", k->at, "derived",
                            json_finite(k->derived), "expected", json_finite(k->expected),
                            "against", k->against, "shape", k->shape, "seed", (json_int_t)k->seed));
  r->all = json_and(r->all, o);
}

static void print_row(const Rows *r, const OpCheck *k) {
  const Terminal *t = &r->c->out;
  const char *colour = terminal_style(t, k->verdict == OPCHECK_WRONG ? "\033[1;31m"
                                         : k->verdict == OPCHECK_OK  ? "\033[32m"
                                                                     : "");
  char number[32], worst[64] = "";
  if (k->at != NULL) {
    format_number(number, k->worst);
    snprintf(worst, sizeof worst, "worst %s of tolerance", number);
  }
  printf("%-6s %-20s %3d %-7s %6" PRId64 " numbers  %-29s %s%s%s", k->kind, k->name, k->shapes,
         k->shapes == 1 ? "shape" : "shapes", k->compared, worst, colour, verdict_word(k->verdict),
         *colour != '\0' ? terminal_style(t, "\033[0m") : "");
  if (k->why != NULL) printf("  %s", k->why);
  putchar('\n');
  if (k->verdict != OPCHECK_WRONG) return;
  int n;
  const char *line = source_line(r->p, k->span, &n);
  printf("       %s:%d: ", diags_source_at(r->p->diags, k->span.file)->path, k->span.line);
  terminal_print(&r->c->out, line, (size_t)n);
  putchar('\n');
  if (k->at != NULL)
    printf("       at %s: derived %.9g, by %s %.9g\n", k->at, k->derived, k->against, k->expected);
  if (k->shape != NULL && *k->shape != '\0')
    printf("       with %s (--seed %" PRIu64 " --trials 1)\n", k->shape, k->seed);
}

static void add_row(Rows *r, const OpCheck *k) {
  r->wrong += k->verdict == OPCHECK_WRONG;
  if (r->c->json)
    add_json(r, k);
  else if (!r->c->quiet || k->verdict == OPCHECK_WRONG)
    print_row(r, k);
  fflush(stdout);
}

static bool check_ops(Rows *r, const OpCheckOptions *o, bool library) {
  TrialOp *ops;
  Arena *a = r->p->arena;
  int n = trial_ops(r->p->unit, a, library, &ops);
  for (int i = 0; i < n && *r->c->stop == 0; i++) {
    OpCheck k = opcheck_op(r->p->unit, &ops[i], o, a);
    add_row(r, &k);
  }
  return *r->c->stop == 0;
}

static int check_all(Cli *c, Project *p, const OpCheckOptions *o) {
  Rows r = {c, p, json_array(), 0};
  OpCheck loss;
  bool on = check_ops(&r, o, false);
  if (on && cli_has(c, "std")) on = check_ops(&r, o, true);
  if (on && opcheck_loss(p->unit, o, p->arena, &loss)) add_row(&r, &loss);
  int done = c->json ? cli_json(c, r.all, JSON_COMPACT) : cli_done(c);
  if (!c->json) json_decref(r.all);
  if (!on) {
    TdError err = {.signal = (int)*c->stop};
    td_fail(&err, TD_STOPPED, "stopped");
    return cli_fail(c, &err);
  }
  return r.wrong > 0 ? TD_NOT_FINITE : done;
}

int cli_gradcheck(Cli *c) {
  Project p;
  int code = 0;
  int64_t trials = 20;
  OpCheckOptions o = {.elements = 20, .work = 3e8};
  UnitOptions unit = {.check_only = true,
                      .no_update = true,
                      .no_eval = true,
                      .no_samplers = true,
                      .no_models = true};
  if (!cli_seed(c, &o.seed) || !cli_int(c, "trials", 1, 1000000, &trials) ||
      !cli_int(c, "elements", 1, 1000000000, &o.elements))
    return TD_BAD_USAGE;
  o.trials = (int)trials;
  if (cli_project(c, &p, &unit, &code)) code = check_all(c, &p, &o);
  project_close(&p);
  return code;
}
