/* SPDX-License-Identifier: MIT */
/* tdc noise: a text turned to noise, step by step, by the file's own process: a sampler that
 * begins with a text. What is begun with is held-out text, or what the user gives. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cli/sample.h"
#include "runtime/system/json.h"
#include "runtime/view/film.h"

enum { TOLD = 8 }; /* pieces that the process is cut into where its text is printed */

static const char how_to_write[] =
    "  sampler forward(clean = \"\") {\n"
    "    state x[b in B, l] = clean[l]\n"
    "    for t in 0 .. T-1 { x[b,l] = ... }    one step of the noise, as the loss makes it\n"
    "    emit x[b,l]\n"
    "  }";

typedef struct Noise {
  Cli *c;
  const Project *p;
  SampleRequest r;
  TdSetting *settings;
  int32_t *held;    /* [window] the text, where it is held-out text; */
  int64_t number;   /* the window that it is */
  int64_t rows;     /* that are shown: the first so many of the batch, */
  int64_t symbols;  /* and so many of each: the text may be shorter than a window */
  int64_t *at, nat; /* the steps that are shown; NULL: all */
  Viewer *viewer;
  Page *page;
  Film *film;
  StrBuf title;
  int32_t *ids; /* [rows, symbols] */
  float *sure;
  StrBuf out;
  json_t *steps;
} Noise;

/* ---- what is shown ----------------------------------------------------------------------- */

static bool asked_for(const Noise *z, int64_t done) {
  bool found = z->at == NULL;
  for (int64_t i = 0; i < z->nat; i++) found = found || z->at[i] == done;
  return found;
}

static bool told(const Noise *z, int64_t done, int64_t count) {
  bool found = z->at != NULL;
  for (int64_t k = 0; k <= TOLD; k++)
    found = found || done == k * (count / TOLD) + k * (count % TOLD) / TOLD;
  return found;
}

/* The symbols that the text has. */
static SampleFrame cut(const Noise *z, const SampleFrame *f) {
  SampleFrame g = *f;
  g.batch = z->rows;
  g.window = z->symbols;
  g.ids = z->ids;
  if (f->confidence != NULL) g.confidence = z->sure;
  for (int64_t row = 0; row < z->rows; row++) {
    int64_t from = row * f->window, to = row * z->symbols;
    memcpy(z->ids + to, f->ids + from, (size_t)z->symbols * sizeof *z->ids);
    if (f->confidence != NULL)
      memcpy(z->sure + to, f->confidence + from, (size_t)z->symbols * sizeof *z->sure);
  }
  return g;
}

static void tell(Noise *z, const SampleFrame *f) {
  json_t *texts = json_array();
  if (z->out.n > 0) sb_putc(&z->out, '\n');
  sb_printf(&z->out, "step %" PRId64 " of %" PRId64 "\n", f->done, f->count);
  for (int64_t row = 0; row < f->batch; row++) {
    StrBuf s = {0};
    sample_spell(z->r.vocabulary, f, row * f->window, f->window, &s);
    const char *text = s.s != NULL ? s.s : "";
    texts = json_and(texts, json_text_of(text, s.n));
    if (row > 0) sb_puts(&z->out, "--------\n");
    sb_write(&z->out, text, s.n);
    if (s.n == 0 || text[s.n - 1] != '\n') sb_putc(&z->out, '\n');
    sb_free(&s);
  }
  z->steps =
      json_and(z->steps, json_pack("{s:I, s:o}", "step", (json_int_t)f->done, "texts", texts));
}

static bool take_frame(void *ctx, const SampleFrame *f) {
  Noise *z = ctx;
  if (!asked_for(z, f->done)) return true;
  SampleFrame g = cut(z, f);
  if (z->viewer != NULL) viewer_draw(z->viewer, &g);
  if (z->page != NULL) page_add(z->page, &g);
  if (z->film != NULL) film_add(z->film, &g);
  if (told(z, f->done, f->count)) tell(z, &g);
  return true;
}

/* ---- what it begins with ------------------------------------------------------------------- */

/* A window of what nobody trained on. */
static bool held_out(Noise *z, const Dataset *d, const char *param, int *code) {
  const UnitSampler *u = z->r.sampler;
  int64_t count = d != NULL ? dataset_valid_count(d, u->window) : 0;
  if (count == 0) {
    *code = cli_usage(z->c, "%s%s has no %" PRId64 " symbols that are held out: --text TEXT",
                      d != NULL ? "data " : "sampler ", d != NULL ? d->name : u->name, u->window);
    return false;
  }
  *code = TD_BAD_USAGE;
  if (!cli_int(z->c, "window", 0, count - 1, &z->number)) return false;
  z->held = malloc((size_t)u->window * sizeof *z->held + 1);
  if (z->held == NULL) {
    TdError err = {0};
    td_fail_memory(&err);
    *code = cli_fail(z->c, &err);
    return false;
  }
  dataset_valid_window(d, z->number, u->window, z->held);
  z->r.fed = param;
  z->r.symbols = z->held;
  z->r.nsymbols = u->window;
  return true;
}

/* --text, the parameter's own flag, or held-out text; and how much of a window it is. */
static bool begin_with(Noise *z, const Dataset *d, int *code) {
  const UnitSampler *u = z->r.sampler;
  const char *param = NULL, *text = cli_text(z->c, "text", NULL);
  TdError err = {0};
  *code = TD_BAD_USAGE;
  for (int i = 0; i < u->nparams && param == NULL; i++)
    if (u->params[i].kind == PARAM_TEXT) param = u->params[i].name;
  if (param == NULL)
    return cli_usage(z->c, "sampler %s takes no text, so it has none to turn to noise", u->name),
           false;
  Side own = {.request = z->r, .settings = z->settings};
  if (!side_flags(&own, z->c)) return false;
  z->r = own.request;
  if (text != NULL && strcmp(param, "text") != 0) {
    if (cli_has(z->c, param))
      return cli_usage(z->c, "--%s and --text give the same text: one of them, please", param),
             false;
    z->settings[z->r.nsettings++] = (TdSetting){param, text};
    z->r.filled = param;
    z->r.flag = "text";
  }
  if (text == NULL && !cli_has(z->c, param) && !held_out(z, d, param, code)) return false;
  uint8_t *mask = malloc((size_t)u->window + 1);
  bool ok = mask != NULL ? sample_given(&z->r, u->window, mask, &err) : td_fail_memory(&err);
  for (int64_t i = 0; ok && i < u->window; i++)
    if (mask[i] != 0) z->symbols = i + 1;
  free(mask);
  if (!ok) return *code = cli_fail(z->c, &err), false;
  return z->symbols > 0 || (cli_usage(z->c, "an empty text has nothing to lose"), false);
}

/* --at N,N,...: numbers of steps. */
static bool chosen_steps(Noise *z, int64_t steps) {
  const char *text = cli_text(z->c, "at", NULL), *end;
  if (text == NULL) return true;
  z->at = calloc(strlen(text) + 1, sizeof *z->at);
  if (z->at == NULL) out_of_memory(NULL);
  for (const char *s = text;; s = end + 1) {
    double x = parse_double(s, &end);
    bool good = end > s && (*end == ',' || *end == '\0') && x >= 0 && x <= (double)steps;
    if (!good || x != (double)(int64_t)x)
      return cli_usage(z->c,
                       "--at takes steps from 0 to %" PRId64 ", as in 0,%" PRId64 ", not '%.100s'",
                       steps, steps, text),
             false;
    z->at[z->nat++] = (int64_t)x;
    if (*end == '\0') return true;
  }
}

/* ---- all of it ------------------------------------------------------------------------------ */

/* The numbers themselves, "params.matrix", or their average, "ema.matrix"? */
static bool holds_parameters(const Unit *u, const char *state) {
  for (int i = 0; i < u->nparameters; i++) {
    const char *own = u->parameters[i].state;
    bool average = strncmp(state, "ema.", 4) == 0 && strcmp(state + 4, strchr(own, '.') + 1) == 0;
    if (average || strcmp(state, own) == 0) return true;
  }
  return false;
}

/* Does it ask a network? Noise of most kinds needs no weights. */
static bool reads_parameters(const Unit *u, const char *prefix) {
  for (int i = 0; i < u->nentries; i++) {
    const Graph *g = u->entries[i].graph;
    if (strncmp(u->entries[i].name, prefix, strlen(prefix)) != 0) continue;
    for (int k = 0; k < g->nodes.n; k++)
      if (g->nodes.at[k]->kind == N_STATE && holds_parameters(u, g->nodes.at[k]->name)) return true;
  }
  return false;
}

static bool noise_open(Noise *z, TdError *err) {
  size_t n = (size_t)(z->rows * z->symbols);
  StrBuf detail = {0};
  z->ids = malloc(n * sizeof *z->ids + 1);
  z->sure = malloc(n * sizeof *z->sure + 1);
  sb_printf(&detail, "sampler %s, seed %" PRIu64, z->r.sampler->name, z->r.seed);
  if (z->held != NULL) sb_printf(&detail, ", window %" PRId64 " of held-out text", z->number);
  sb_printf(&z->title, "%s, %s, seed %" PRIu64, z->p->unit->name, z->r.sampler->name, z->r.seed);
  if (cli_has(z->c, "html"))
    z->page = page_new(z->r.vocabulary, z->rows, z->p->unit->name, detail.s);
  if (z->page != NULL) page_from_text(z->page);
  if (cli_has(z->c, "gif"))
    z->film = film_new(&(FilmOptions){.vocabulary = z->r.vocabulary,
                                      .title = z->title.s,
                                      .rows = z->rows,
                                      .all = z->at != NULL,
                                      .from_text = true});
  sb_free(&detail);
  bool ok = z->ids != NULL && z->sure != NULL && (z->page != NULL || !cli_has(z->c, "html")) &&
            (z->film != NULL || !cli_has(z->c, "gif"));
  return ok || td_fail_memory(err);
}

static bool put_results(Noise *z, bool watched, TdError *err) {
  Cli *c = z->c;
  const char *to = cli_text(c, "output", NULL);
  if (z->page != NULL && !page_write(z->page, NULL, cli_text(c, "html", NULL), err)) return false;
  if (z->film != NULL && !film_write(z->film, NULL, cli_text(c, "gif", NULL), err)) return false;
  if (c->json) {
    char *json = json_write(z->steps, JSON_COMPACT | (c->out.tty ? JSON_ENSURE_ASCII : 0));
    z->steps = NULL;
    if (json == NULL) return td_fail_memory(err);
    sb_free(&z->out);
    sb_printf(&z->out, "%s\n", json);
    free(json);
  }
  const char *text = z->out.s != NULL ? z->out.s : "";
  if (to != NULL) return io_write_file(NULL, to, text, z->out.n, err);
  if (!watched) terminal_print(&c->out, text, z->out.n);
  return true;
}

/* A machine for the sampler, with weights if it asks a network. */
static bool start(Noise *z, Machine *m, Checkpoint **w, int *code) {
  char prefix[256];
  snprintf(prefix, sizeof prefix, "sample.%.200s.", z->r.sampler->name);
  if (!reads_parameters(z->p->unit, prefix))
    return cli_machine(z->c, m, z->p->unit, (const char *const[]){prefix, NULL}, code);
  return cli_weights_find(z->c, z->p, w, code) &&
         cli_start(z->c, z->p, m, prefix, *w, z->r.seed, code);
}

static int run(Noise *z, Machine *m, const Dataset *d) {
  TdError err = {0};
  int code = TD_BAD_USAGE;
  int64_t steps;
  Checkpoint *w = NULL;
  Viewer viewer = viewer_new(z->c->out, z->r.vocabulary);
  bool asked = cli_has(z->c, "watch"), watch = asked && z->c->out.live && viewer_fits(&viewer);
  if (asked && !watch && !z->c->quiet)
    fprintf(stderr, "tdc: --watch needs a terminal%s; here is the text alone\n",
            z->c->out.live ? " with more room" : "");
  if (!begin_with(z, d, &code)) return code;
  if (!sample_check(&z->r, &steps, &err)) return cli_fail(z->c, &err);
  if (!chosen_steps(z, steps)) return TD_BAD_USAGE;
  if (!noise_open(z, &err)) return cli_fail(z->c, &err);
  if (start(z, m, &w, &code)) {
    if (watch) z->viewer = &viewer;
    bool ok = sample_run(m->session, &z->r, true, take_frame, z, &err);
    viewer_end(&viewer);
    ok = ok && put_results(z, watch, &err);
    code = ok ? cli_done(z->c) : cli_fail(z->c, &err);
  }
  checkpoint_close(w);
  return code;
}

static int noise_with(Cli *c, Project *p, Machine *m, const UnitSampler *u, uint64_t seed,
                      int64_t count) {
  const Dataset *d = data_store_find(p->data, u->data);
  if (count > u->batch)
    return cli_usage(c, "sampler %s has %" PRId64 " rows: --count takes no more", u->name,
                     u->batch);
  Noise z = {.c = c, .p = p, .rows = count, .steps = json_array()};
  z.settings = calloc((size_t)c->ngiven + 2, sizeof *z.settings);
  if (z.settings == NULL) out_of_memory(NULL);
  z.r = (SampleRequest){.sampler = u,
                        .vocabulary = d != NULL ? &d->vocabulary : NULL,
                        .settings = z.settings,
                        .start = true,
                        .seed = seed,
                        .stop = c->stop};
  int code = run(&z, m, d);
  page_free(z.page);
  film_free(z.film);
  json_decref(z.steps);
  sb_free(&z.out);
  sb_free(&z.title);
  free(z.ids);
  free(z.sure);
  free(z.at);
  free(z.held);
  free(z.settings);
  return code;
}

int cli_noise(Cli *c) {
  Project p;
  Machine m = {0};
  int code = 0;
  uint64_t seed;
  int64_t count;
  const char *name = cli_text(c, "sampler", "forward");
  if (cli_project_sampler(c, &p, name, &seed, &count, &code)) {
    const UnitSampler *u = unit_sampler(p.unit, name);
    if (u != NULL)
      code = noise_with(c, &p, &m, u, seed, count);
    else
      code = cli_usage(c,
                       "%s does not say how its text turns to noise: it has no sampler '%.100s'. "
                       "One is written so:\n%s",
                       p.unit->path, name, how_to_write);
  }
  machine_close(&m);
  project_close(&p);
  return code;
}
