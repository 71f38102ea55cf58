/* SPDX-License-Identifier: MIT */
/* Denoising as one HTML file that needs no network: the frames as JSON within
 * page.html, which draws them. */
#include <stdlib.h>
#include <string.h>

#include "runtime/system/json.h"
#include "runtime/view/viewer.h"

enum { MODELS = 2 };

typedef struct Run {
  const Vocabulary *vocabulary;
  json_t *root, *frames;
  json_t *seconds; /* of each frame, beside another model's; or NULL */
} Run;

struct Page {
  int64_t rows;
  json_t *root;
  Run run[MODELS];
  int runs;
};

/* runtime/view/page.html; the frames stand where it says @FRAMES@ */
const char *page_html_text(void);
static const char page_place[] = "@FRAMES@";

static bool run_new(Run *r, const Vocabulary *v) {
  *r = (Run){.vocabulary = v, .root = json_object(), .frames = json_array()};
  return r->root != NULL && r->frames != NULL;
}

static bool set_text(json_t *object, const char *key, const char *text) {
  return json_object_set_new(object, key, json_text(text)) == 0;
}

Page *page_new(const Vocabulary *v, int64_t rows, const char *title, const char *detail) {
  Page *p = calloc(1, sizeof *p);
  if (p == NULL) return NULL;
  p->rows = rows;
  p->root = json_object();
  p->runs = 1;
  if (run_new(&p->run[0], v) && p->root != NULL && set_text(p->root, "title", title) &&
      set_text(p->root, "detail", detail))
    return p;
  page_free(p);
  return NULL;
}

bool page_beside(Page *p, const char *name, const char *detail, const Vocabulary *other,
                 const char *other_name, const char *other_detail) {
  p->runs = 2;
  bool ok = run_new(&p->run[1], other);
  for (int i = 0; i < 2 && ok; i++) {
    Run *r = &p->run[i];
    r->seconds = json_array();
    ok = r->seconds != NULL && set_text(r->root, "name", i == 0 ? name : other_name) &&
         set_text(r->root, "detail", i == 0 ? detail : other_detail);
  }
  return ok;
}

void page_free(Page *p) {
  if (p == NULL) return;
  json_decref(p->root);
  for (int i = 0; i < p->runs; i++) {
    json_decref(p->run[i].root);
    json_decref(p->run[i].frames);
    json_decref(p->run[i].seconds);
  }
  free(p);
}

void page_from_text(Page *p) { p->root = json_with(p->root, "noise", json_true()); }

/* One character for each symbol, whatever the tokenizer: what is not text is
 * shown as U+FFFD. */
static json_t *page_text(const Run *p, const SampleFrame *f, int64_t row) {
  StrBuf s = {0};
  for (int64_t i = 0; i < f->window; i++) {
    StrBuf one = {0};
    sample_spell(p->vocabulary, f, row * f->window + i, 1, &one);
    bool plain = one.n > 0 && (one.n > 1 || (unsigned char)one.s[0] < 128) &&
                 ((unsigned char)one.s[0] >= 32 || one.s[0] == '\n' || one.s[0] == '\t');
    if (plain && p->vocabulary != NULL)
      sb_write(&s, one.s, one.n);
    else if (plain)
      sb_printf(&s, "%s ", one.s);
    else
      sb_puts(&s, "\xef\xbf\xbd");
    sb_free(&one);
  }
  json_t *text = json_text_of(s.s != NULL ? s.s : "", s.n);
  sb_free(&s);
  return text;
}

static json_t *page_sure(const float *c, int64_t n) {
  StrBuf s = {0};
  for (int64_t i = 0; i < n; i++)
    sb_putc(&s, (char)('0' + (c[i] >= 1 ? 9 : c[i] > 0 ? (int)(c[i] * 9.0f + 0.5f) : 0)));
  json_t *text = json_text_of(s.s != NULL ? s.s : "", s.n);
  sb_free(&s);
  return text;
}

void page_add_to(Page *p, int model, const SampleFrame *f) {
  Run *run = &p->run[model];
  json_t *rows = json_array();
  for (int64_t r = 0; r < f->batch && r < p->rows; r++) {
    json_t *row = json_object();
    row = json_with(row, "text", page_text(run, f, r));
    if (f->confidence != NULL && run->vocabulary != NULL)
      row = json_with(row, "sure", page_sure(f->confidence + r * f->window, f->window));
    rows = json_and(rows, row);
  }
  run->frames =
      json_and(run->frames, json_pack("{s:I, s:o}", "done", (json_int_t)f->done, "rows", rows));
  if (run->seconds != NULL)
    run->seconds = json_and(run->seconds, json_integer((json_int_t)(1e6 * f->seconds)));
  run->root = json_with(run->root, "steps", json_integer(f->count));
  if (run->seconds != NULL)
    run->root = json_with(run->root, "evaluations", json_integer(f->in_all));
}

void page_add(Page *p, const SampleFrame *f) { page_add_to(p, 0, f); }

bool page_write(Page *p, const IoHook *hook, const char *path, TdError *err) {
  json_t *runs = json_array();
  for (int i = 0; i < p->runs; i++) {
    Run *r = &p->run[i];
    if (r->seconds != NULL) r->root = json_with(r->root, "microseconds", r->seconds);
    runs = json_and(runs, json_with(r->root, "frames", r->frames));
    r->root = r->frames = r->seconds = NULL;
  }
  json_t *whole = json_with(p->root, "runs", runs);
  p->root = NULL;
  char *json = json_write(whole, JSON_COMPACT | JSON_ENSURE_ASCII);
  if (json == NULL) return td_fail_memory(err);
  StrBuf s = {0};
  const char *html = page_html_text(), *place = strstr(html, page_place);
  if (place == NULL) bug("the page has no place for its frames");
  sb_write(&s, html, (size_t)(place - html));
  for (const char *c = json; *c != '\0'; c++) { /* nothing may end the script element early */
    if (*c == '<')
      sb_puts(&s, "\\u003c");
    else
      sb_putc(&s, *c);
  }
  sb_puts(&s, place + sizeof page_place - 1);
  free(json);
  bool ok = s.s != NULL ? io_write_file(hook, path, s.s, s.n, err) : td_fail_memory(err);
  sb_free(&s);
  return ok;
}
