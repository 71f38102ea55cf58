/* SPDX-License-Identifier: MIT */
/* tdc sample: text from a sampler: to stdout, live in the terminal, as a page. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cli/sample.h"
#include "runtime/system/json.h"

/* The page names the program, and beneath it the sampler and what was asked of it. */
static Page *page_begin(const Side *s, int64_t count) {
  StrBuf detail = {0};
  const char *name = s->p->unit->name;
  sb_printf(&detail, "sampler %s, seed %" PRIu64, s->detail, s->request.seed);
  sample_detail(s, &detail);
  Page *page = page_new(s->request.vocabulary, count, name, detail.s);
  sb_free(&detail);
  return page;
}

typedef struct Live {
  Side *side;
  Viewer *viewer; /* or NULL */
  Page *page;     /* or NULL */
} Live;

static bool live_frame(void *ctx, const SampleFrame *f) {
  Live *t = ctx;
  if (t->viewer != NULL) viewer_draw(t->viewer, f);
  if (t->page != NULL) page_add(t->page, f);
  if (t->side->film != NULL) film_add(t->side->film, f);
  if (f->done == f->count) side_take(t->side, f);
  return true;
}

/* The first run is shown as it goes, the others are not. */
static bool sample_all(Live *t, TdError *err) {
  Side *s = t->side;
  if ((t->viewer != NULL || t->page != NULL || s->film != NULL) &&
      !sample_run(s->m->session, &s->request, true, live_frame, t, err))
    return false;
  if (t->viewer != NULL) viewer_end(t->viewer);
  return side_rest(s, err);
}

static int sample_alone(Cli *c, Side *s, int64_t count) {
  TdError err = {0};
  Viewer viewer = viewer_new(c->out, s->request.vocabulary);
  Live t = {.side = s};
  const char *html = cli_text(c, "html", NULL), *gif = cli_text(c, "gif", NULL);
  char name[256];
  int code = TD_BAD_USAGE;
  Checkpoint *w = NULL;
  viewer.texts = count;
  if (sample_watches(c, &viewer)) t.viewer = &viewer;
  bool ok = side_ready(s, &err);
  if (ok && html != NULL && (t.page = page_begin(s, count)) == NULL) ok = td_fail_memory(&err);
  if (ok && gif != NULL) ok = side_film(s, NULL, count, &err);
  snprintf(name, sizeof name, "sample.%.200s.", s->request.sampler->name);
  if (!ok || (cli_weights_find(c, s->p, &w, &code) &&
              cli_start(c, s->p, s->m, name, w, s->request.seed, &code))) {
    size_t n;
    ok = ok && sample_all(&t, &err);
    viewer_end(&viewer);
    if (ok && t.page != NULL) ok = page_write(t.page, NULL, html, &err);
    if (ok && gif != NULL) ok = film_write(s->film, NULL, gif, &err);
    const char *text = side_unseen(s, t.viewer != NULL ? viewer.pane[0].whole : 0, &n);
    json_t *json = s->texts;
    if (ok && c->json) s->texts = NULL;
    ok = ok && sample_put(c, json, text, n, &err);
    code = ok ? cli_done(c) : cli_fail(c, &err);
  }
  checkpoint_close(w);
  page_free(t.page);
  return code;
}

static int sample_with(Cli *c, Project *p, Machine *m, const UnitSampler *u, uint64_t seed,
                       int64_t count) {
  Side s;
  TdError err = {0};
  int code = TD_BAD_USAGE;
  if (!side_open(&s, c, p, m, u, seed, count)) {
    td_fail_memory(&err);
    code = cli_fail(c, &err);
  } else if (side_flags(&s, c)) {
    code = cli_has(c, "beside") ? beside_sample(c, &s, seed, count) : sample_alone(c, &s, count);
  }
  side_free(&s);
  return code;
}

int cli_sample(Cli *c) {
  Project p;
  Machine m = {0};
  int code = 0;
  uint64_t seed;
  int64_t count;
  const char *name = cli_text(c, "sampler", NULL);
  if (cli_project_sampler(c, &p, name, &seed, &count, &code)) {
    const UnitSampler *s = sample_choose(c, p.unit, p.unit->path, name, &code);
    if (s != NULL) code = sample_with(c, &p, &m, s, seed, count);
  }
  machine_close(&m);
  project_close(&p);
  return code;
}

int cli_sample_parameters(Cli *c) {
  Project p;
  int code = 0;
  UnitOptions o = {.check_only = true, .no_train = true, .no_eval = true, .no_models = true};
  c->quiet = true;
  if (cli_project(c, &p, &o, &code)) {
    for (int i = 0; i < p.unit->nsamplers; i++) {
      const UnitSampler *s = &p.unit->samplers[i];
      bool noise = strcmp(s->name, cli_text(c, "sampler", "forward")) == 0;
      if (c->command->bit == CLI_NOISE && !noise) continue;
      printf("\nParameters of sampler %s:\n", s->name);
      for (int k = 0; k < s->nparams; k++) {
        char value[32];
        const UnitParam *q = &s->params[k];
        format_number(value, q->dflt);
        if (q->kind == PARAM_TEXT) {
          printf("  --%s TEXT%*s default \"", q->name, (int)(20 - strlen(q->name) % 20), "");
          terminal_print(&c->out, q->text, strlen(q->text));
          printf("\"\n");
        } else
          printf("  --%s %s%*s default %s%s%s\n", q->name, q->kind == PARAM_INT ? "N   " : "X   ",
                 (int)(20 - strlen(q->name) % 20), "", value, q->range != NULL ? ", in " : "",
                 q->range != NULL ? q->range : "");
      }
    }
    code = cli_done(c);
  }
  project_close(&p);
  return code;
}
