/* SPDX-License-Identifier: MIT */
/* A text that comes out of noise, or goes into it, as an animated picture: the frames are kept
 * as numbers, laid out once the last is known, and drawn with letters of pixels. */
#ifndef TDC_FILM_H
#define TDC_FILM_H

#include "runtime/system/io.h"
#include "runtime/train/sample.h"

/* A line of pixels' letters is so many symbols wide. */
enum { FILM_COLUMNS = 64, FILM_COLUMNS_BESIDE = 40 };

typedef struct FilmOptions {
  const Vocabulary *vocabulary; /* NULL: numbers are shown */
  const char *title;            /* UTF-8: a line above */
  int64_t rows;                 /* the first so many of the batch, as far as a picture is tall */
  const uint8_t *given;         /* [window] the symbols that were given are marked; or NULL */
  int64_t ngiven;               /* there are so many of them; the rest is not */
  bool all;                     /* every frame is kept, of long runs too */
  bool from_text; /* the first frame is the text, whose lines the picture has; else the last */
} FilmOptions;

typedef struct Film Film;
/* What the options point to must stay. NULL when memory is out. */
Film *film_new(const FilmOptions *o);
/* Of a long run only as many frames are kept as somebody would watch. */
void film_add(Film *f, const SampleFrame *frame);
/* The picture as a GIF. */
bool film_write(Film *f, const IoHook *hook, const char *path, TdError *err);
/* Two in one picture, beside each other: at every moment both have had as many seconds. */
bool film_write_beside(Film *left, Film *right, const IoHook *hook, const char *path, TdError *err);
void film_free(Film *f); /* NULL is allowed */

#endif
