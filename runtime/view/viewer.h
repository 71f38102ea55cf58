/* SPDX-License-Identifier: MIT */
/* Watching texts come out of noise: drawn again and again in the terminal, one model's or two
 * side by side; or kept, frame by frame, for an HTML page with a slider. What a sampler is
 * certain of is bright, what it doubts dim; where it says nothing of that, what has just changed
 * is marked. */
#ifndef TDC_VIEWER_H
#define TDC_VIEWER_H

#include "runtime/system/io.h"
#include "runtime/train/sample.h"
#include "runtime/view/terminal.h"

/* ---- in the terminal ------------------------------------------------------ */
enum { VIEWER_TEXTS = 64, VIEWER_PANES = 2 };

/* What is drawn of one model. */
typedef struct Pane {
  const Vocabulary *vocabulary;
  const char *name; /* below it, with evaluations and seconds; NULL: steps alone are counted */
  int32_t *before;  /* [symbols]: as they were drawn last */
  int64_t symbols;
  int tall[VIEWER_TEXTS]; /* lines that each text took at most: so many are kept for it */
  int64_t whole;          /* of the texts from the first on, how many were drawn whole last */
} Pane;

typedef struct Viewer {
  Terminal terminal;
  Pane pane[VIEWER_PANES];
  int panes;
  int64_t texts;    /* to show as far as there is room for them: rows of the batch */
  const char *note; /* a line below all; or NULL */
  double pace;      /* least seconds of a frame; 0: by the number of iterations */
  int lines;        /* drawn last, to go back over */
  double next;      /* clock: not before, so that one can follow */
} Viewer;

/* Of one pane without a name, one text of which is shown. */
Viewer viewer_new(Terminal t, const Vocabulary *v);
/* Both panes have names from now on. */
void viewer_beside(Viewer *w, const char *name, const Vocabulary *other, const char *other_name);
bool viewer_fits(const Viewer *w); /* the terminal has room for it */
void viewer_draw(Viewer *w, const SampleFrame *f);
/* Of each pane; NULL where there is nothing to see yet. */
void viewer_draw_panes(Viewer *w, const SampleFrame *const *f);
void viewer_end(Viewer *w); /* the cursor is shown again; the last frame stays */

/* ---- as a page -------------------------------------------------------------- */
typedef struct Page Page;
/* Keeps the first `rows` rows of each frame. The title and a line beneath it
 * must be UTF-8. NULL when memory is out. */
Page *page_new(const Vocabulary *v, int64_t rows, const char *title, const char *detail);
/* Of two models: each is named, and goes by the seconds of its frames. False when memory is out. */
bool page_beside(Page *p, const char *name, const char *detail, const Vocabulary *other,
                 const char *other_name, const char *other_detail);
/* The text is what it begins with; else what it ends as. */
void page_from_text(Page *p);
void page_add(Page *p, const SampleFrame *f);
void page_add_to(Page *p, int model, const SampleFrame *f); /* 0 is the first, 1 the other */
bool page_write(Page *p, const IoHook *hook, const char *path, TdError *err);
void page_free(Page *p);

#endif
