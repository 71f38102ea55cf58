/* SPDX-License-Identifier: MIT */
/* Watching a text come out of noise: drawn again and again in the terminal,
 * certain characters bright and doubtful ones dim; or kept, frame by frame, for
 * an HTML page with a slider. */
#ifndef TDC_VIEWER_H
#define TDC_VIEWER_H

#include "runtime/system/io.h"
#include "runtime/train/sample.h"
#include "runtime/view/terminal.h"

/* ---- in the terminal ------------------------------------------------------ */
typedef struct Viewer {
  Terminal terminal;
  const Vocabulary *vocabulary;
  int64_t row; /* of the batch */
  int lines;   /* drawn last, to go back over */
  double next; /* clock: not before, so that one can follow */
} Viewer;
Viewer viewer_new(Terminal t, const Vocabulary *v);
bool viewer_fits(const Viewer *w); /* the terminal has room for it */
void viewer_draw(Viewer *w, const SampleFrame *f);
void viewer_end(Viewer *w); /* the cursor is shown again; the last frame stays */

/* ---- as a page -------------------------------------------------------------- */
typedef struct Page Page;
/* Keeps the first `rows` rows of each frame. The title and a line beneath it
 * must be UTF-8. NULL when memory is out. */
Page *page_new(const Vocabulary *v, int64_t rows, const char *title, const char *detail);
void page_add(Page *p, const SampleFrame *f);
bool page_write(Page *p, const IoHook *hook, const char *path, TdError *err);
void page_free(Page *p);

#endif
