/* SPDX-License-Identifier: MIT */
/* tdc sample: text from a sampler: to stdout, live in the terminal, as a page. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cli/cli.h"
#include "runtime/train/texts.h"
#include "runtime/system/json.h"
#include "runtime/view/film.h"
#include "runtime/view/viewer.h"

typedef struct Take {
  const Vocabulary *vocabulary;
  Viewer *viewer;
  Page *page;
  Film *film;
  int64_t left; /* samples still wanted */
  json_t *texts;
  StrBuf out;
  bool any;
  size_t watched; /* bytes of `out` that --watch has shown: the first sample */
} Take;

static void take_row(Take *t, const SampleFrame *f, int64_t row) {
  StrBuf s = {0};
  sample_spell(t->vocabulary, f, row * f->window, f->window, &s);
  const char *text = s.s != NULL ? s.s : "";
  t->texts = json_and(t->texts, json_text_of(text, s.n));
  if (t->any) sb_puts(&t->out, "\n--------\n");
  sb_write(&t->out, text, s.n);
  if (s.n == 0 || text[s.n - 1] != '\n') sb_putc(&t->out, '\n');
  if (!t->any) t->watched = t->out.n;
  t->any = true;
  sb_free(&s);
}

static bool take_frame(void *ctx, const SampleFrame *f) {
  Take *t = ctx;
  if (t->viewer != NULL) viewer_draw(t->viewer, f);
  if (t->page != NULL && !t->any) page_add(t->page, f); /* the first batch */
  if (t->film != NULL && !t->any) film_add(t->film, f);
  if (f->done < f->count) return true;
  for (int64_t row = 0; row < f->batch && t->left > 0; row++, t->left--) take_row(t, f, row);
  return true;
}

/* Flags that are none of the command's own, and --infill, which gives the first text. */
static bool gather(Cli *c, const UnitSampler *u, SampleRequest *r, TdSetting *out) {
  const char *names[128], *text_param = NULL;
  int *n = &r->nsettings;
  int known = 0;
  for (int i = 0; i < u->nparams; i++) {
    if (u->params[i].kind == PARAM_TEXT && text_param == NULL) text_param = u->params[i].name;
    if (known < 128) names[known++] = u->params[i].name;
  }
  int own = known;
  if (text_param != NULL && cli_has(c, text_param) && cli_has(c, "infill"))
    return cli_usage(c, "--%s and --infill give the same text: one of them, please", text_param),
           false;
  for (const Flag *f = cli_flags; f->name != NULL && known < 128; f++)
    if (f->of & c->command->bit) names[known++] = f->name;
  for (int i = 0; i < c->ngiven; i++) {
    const char *name = c->given[i].name;
    bool is_param = false, is_flag = false;
    for (int k = 0; k < known; k++)
      if (strcmp(names[k], name) == 0) *(k < own ? &is_param : &is_flag) = true;
    if (strcmp(name, "infill") == 0) {
      if (text_param == NULL)
        return cli_usage(c, "sampler %s takes no text, so nothing can be filled in", u->name),
               false;
      const char *h = cli_text(c, "hole", "_");
      if (h[0] == '\0' || h[1] != '\0') return cli_usage(c, "--hole takes one character"), false;
      r->hole = h[0];
      r->filled = text_param;
      out[(*n)++] = (TdSetting){text_param, c->given[i].value};
    } else if (is_param && c->given[i].value == NULL) {
      return cli_usage(c, "--%s takes a value", name), false;
    } else if (is_param) {
      out[(*n)++] = (TdSetting){name, c->given[i].value};
    } else if (!is_flag) {
      const char *near = did_you_mean(name, names, known);
      cli_usage(c, "sampler %s has no parameter --%.100s%s%s%s", u->name, name,
                near != NULL ? "; did you mean --" : "", near != NULL ? near : "",
                near != NULL ? "?" : "");
      return false;
    }
  }
  return true;
}

static bool sample_all(Cli *c, Session *s, SampleRequest *r, Take *t, bool each, TdError *err) {
  for (int64_t batch = 0; t->left > 0; batch++) {
    SampleRequest one = *r;
    one.seed = texts_seed(r->seed, batch);
    int64_t before = t->left;
    if (!sample_run(s, &one, each && batch == 0, take_frame, t, err)) return false;
    if (t->left == before)
      return td_fail(err, TD_BAD_FILE, "sampler %s emits nothing", r->sampler->name);
    if (t->viewer != NULL) {
      viewer_end(t->viewer);
      t->viewer = NULL; /* the first batch is shown live */
    }
  }
  (void)c;
  return true;
}

/* The texts, or a JSON array of them, to stdout or where -o says. */
static bool put_result(const Cli *c, Take *t, bool watched, TdError *err) {
  const char *to = cli_text(c, "output", NULL);
  if (c->json) {
    char *json = json_write(t->texts, JSON_COMPACT | (c->out.tty ? JSON_ENSURE_ASCII : 0));
    t->texts = NULL;
    if (json == NULL) return td_fail_memory(err);
    sb_free(&t->out);
    sb_printf(&t->out, "%s\n", json);
    free(json);
  }
  const char *text = t->out.s != NULL ? t->out.s : "";
  if (to != NULL) return io_write_file(NULL, to, text, t->out.n, err);
  size_t seen = watched ? t->watched : 0;
  terminal_print(&c->out, text + seen, t->out.n - seen);
  return true;
}

/* The page names the program, and beneath it the sampler and what was asked of it. */
static Page *page_begin(const Project *p, const SampleRequest *r, int64_t count) {
  StrBuf s = {0};
  sb_printf(&s, "sampler %s, seed %" PRIu64, r->sampler->name, r->seed);
  for (int i = 0; i < r->nsettings; i++) {
    bool text = false;
    for (int k = 0; k < r->sampler->nparams; k++)
      text = text || (r->sampler->params[k].kind == PARAM_TEXT &&
                      strcmp(r->sampler->params[k].name, r->settings[i].name) == 0);
    sb_printf(&s, text ? ", %s \u201c%s\u201d" : ", %s %s", r->settings[i].name,
              r->settings[i].value);
  }
  Page *page = page_new(r->vocabulary, count, p->unit->name, s.s);
  sb_free(&s);
  return page;
}

/* The same names above the picture, in which what the user gave is marked. */
static Film *film_begin(const Project *p, const SampleRequest *r, int64_t count, StrBuf *title,
                        uint8_t **given, TdError *err) {
  int64_t window = r->sampler->window;
  sb_printf(title, "%s, sampler %s, seed %" PRIu64, p->unit->name, r->sampler->name, r->seed);
  *given = malloc((size_t)window + 1);
  if (*given == NULL) return td_fail_memory(err), NULL;
  if (!sample_given(r, window, *given, err)) return NULL;
  Film *f = film_new(&(FilmOptions){.vocabulary = r->vocabulary,
                                    .title = title->s,
                                    .rows = count,
                                    .given = *given,
                                    .ngiven = window});
  if (f == NULL) td_fail_memory(err);
  return f;
}

static int sample_with(Cli *c, Project *p, Machine *m, const UnitSampler *u, uint64_t seed,
                       int64_t count) {
  TdError err = {0};
  TdSetting *settings = calloc((size_t)c->ngiven + 1, sizeof *settings);
  const Dataset *d = data_store_find(p->data, u->data);
  SampleRequest r = {.sampler = u,
                     .vocabulary = d != NULL ? &d->vocabulary : NULL,
                     .settings = settings,
                     .seed = seed,
                     .stop = c->stop};
  Take t = {.vocabulary = r.vocabulary, .left = count, .texts = json_array()};
  Viewer viewer = viewer_new(c->out, r.vocabulary);
  const char *html = cli_text(c, "html", NULL), *gif = cli_text(c, "gif", NULL);
  StrBuf title = {0};
  uint8_t *given = NULL;
  int code = TD_BAD_USAGE;
  int64_t steps;
  Checkpoint *w = NULL;
  bool watch = cli_has(c, "watch") && c->out.live && viewer_fits(&viewer);
  if (cli_has(c, "watch") && !watch && !c->quiet)
    fprintf(stderr, "tdc: --watch needs a terminal%s; here is the result alone\n",
            c->out.live ? " with more room" : "");
  if (settings != NULL && gather(c, u, &r, settings)) {
    if (watch) t.viewer = &viewer;
    if (html != NULL && (t.page = page_begin(p, &r, count)) == NULL) {
      td_fail_memory(&err);
      code = cli_fail(c, &err);
      goto done;
    }
    bool ok = sample_check(&r, &steps, &err);
    if (ok && gif != NULL) ok = (t.film = film_begin(p, &r, count, &title, &given, &err)) != NULL;
    char name[256];
    snprintf(name, sizeof name, "sample.%.200s.", u->name);
    if (ok && !(cli_weights_find(c, p, &w, &code) && cli_start(c, p, m, name, w, seed, &code)))
      goto done;
    ok = ok && sample_all(c, m->session, &r, &t, watch || html != NULL || gif != NULL, &err);
    viewer_end(&viewer);
    if (ok && t.page != NULL) ok = page_write(t.page, NULL, html, &err);
    if (ok && t.film != NULL) ok = film_write(t.film, NULL, gif, &err);
    if (ok) ok = put_result(c, &t, watch, &err);
    code = ok ? cli_done(c) : cli_fail(c, &err);
  }
done:
  checkpoint_close(w);
  page_free(t.page);
  film_free(t.film);
  free(given);
  sb_free(&title);
  json_decref(t.texts);
  sb_free(&t.out);
  free(settings);
  return code;
}

/* Only the sampler asked for was compiled: which ones there are needs another look. */
static int no_sampler(Cli *c, const char *path, const char *name) {
  Project p;
  int code = 0, n = 0;
  const char *names[64];
  UnitOptions o = {.check_only = true, .no_train = true, .no_eval = true, .no_models = true};
  StrBuf all = {0};
  c->quiet = true; /* the warnings have been read */
  if (cli_project(c, &p, &o, &code)) {
    for (int i = 0; i < p.unit->nsamplers && n < 64; i++) {
      names[n++] = p.unit->samplers[i].name;
      sb_printf(&all, "%s %s", i > 0 ? "," : "; it has", names[i]);
    }
    const char *near = did_you_mean(name, names, n);
    if (near != NULL)
      code = cli_usage(c, "%s has no sampler '%.100s'; did you mean %s?", path, name, near);
    else
      code = cli_usage(c, "%s has no sampler '%.100s'%s", path, name, all.s != NULL ? all.s : "");
  }
  sb_free(&all);
  project_close(&p);
  return code;
}

int cli_sample(Cli *c) {
  Project p;
  Machine m = {0};
  int code = 0;
  uint64_t seed = 0;
  int64_t count = 1;
  UnitOptions o = {.no_train = true,
                   .no_eval = true,
                   .no_models = true,
                   .only_sampler = cli_text(c, "sampler", NULL)};
  if (!cli_seed(c, &seed) || !cli_int(c, "count", 1, 1000000, &count)) return TD_BAD_USAGE;
  if (cli_project_rows(c, &p, &o, count, &code)) {
    const UnitSampler *s = unit_sampler(p.unit, o.only_sampler);
    if (s != NULL)
      code = sample_with(c, &p, &m, s, seed, count);
    else if (o.only_sampler != NULL)
      code = no_sampler(c, p.unit->path, o.only_sampler);
    else
      code = cli_usage(c, "%s has no sampler", p.unit->path);
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
