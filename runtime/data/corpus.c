/* SPDX-License-Identifier: MIT */
/* Finding a text: names of known corpora, paths, the download. */
#include "runtime/data/corpus.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/system/cache.h"
#include "runtime/system/digest.h"
#include "runtime/system/spawn.h"

enum { TEXT_LIMIT = 2000000000 }; /* token numbers fit 32 bits */

static const Corpus corpora[] = {
    {"tiny_shakespeare", "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
     1115394,
     "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
     NULL},
    {"king_james", NULL, 0, NULL,
     "the Debian package bible-kjv brings it: apt-get install bible-kjv"},
};

const Corpus *corpus_at(int i) {
  return i >= 0 && i < (int)(sizeof corpora / sizeof corpora[0]) ? &corpora[i] : NULL;
}

const Corpus *corpus_known(const char *name) {
  for (int i = 0; corpus_at(i) != NULL; i++)
    if (strcmp(corpora[i].name, name) == 0) return &corpora[i];
  return NULL;
}

void text_free(Text *t) {
  free(t->path);
  free(t->bytes);
  *t = (Text){0};
}

/* Read one file into t, which is empty. */
static bool text_read(const CorpusSearch *s, const char *path, Text *t, TdError *err) {
  if (!io_read_file(s->hook, path, TEXT_LIMIT, &t->bytes, &t->n, err)) return false;
  t->path = strdup(path);
  if (t->path == NULL || !digest_of(t->bytes, t->n, t->sha256)) {
    text_free(t);
    return td_fail_memory(err);
  }
  if (t->n > 0) return true;
  text_free(t);
  return td_fail(err, TD_IO_FAILED, "%s is empty: there is nothing to read", path);
}

/* ---- where a named corpus may lie ---------------------------------------------- */

typedef struct Places {
  char *at[8];
  int n;
} Places;

static void places_add(Places *p, char *folder, const char *below, const char *name) {
  if (folder == NULL) return;
  StrBuf s = {0};
  sb_printf(&s, "%s%s/%s.txt", folder, below, name);
  if (p->n < (int)(sizeof p->at / sizeof p->at[0]) && s.s != NULL)
    p->at[p->n++] = s.s;
  else
    sb_free(&s);
  free(folder);
}

static Places places_of(const char *name, const char *td_file) {
  Places p = {.n = 0};
  const char *data = getenv("TDC_DATA");
  if (data != NULL && *data != '\0') places_add(&p, strdup(data), "", name);
  places_add(&p, strdup("."), "./shared/data", name);
  if (td_file != NULL) {
    places_add(&p, io_dirname(td_file), "/../shared/data", name);
    places_add(&p, io_dirname(td_file), "/../../shared/data", name);
  }
  places_add(&p, user_cache_folder("data"), "", name);
  return p;
}

static void places_free(Places *p) {
  for (int i = 0; i < p->n; i++) free(p->at[i]);
}

/* ---- other ways ------------------------------------------------------------------ */

/* Fetches the corpus into `to`, by way of a file beside it that takes the name
 * only when its bytes are right. */
static bool corpus_download(const CorpusSearch *s, const Corpus *c, const char *to, TdError *err) {
  char *folder = io_dirname(to);
  StrBuf part = {0};
  bool ok = folder != NULL && io_make_folders(s->hook, folder, true, err);
  free(folder);
  if (!ok) return false;
  sb_printf(&part, "%s.%ld.download", to, (long)getpid());
  const char *argv[] = {"curl",         "--fail",         "--location", "--silent",
                        "--show-error", "--proto",        "=https",     "--connect-timeout",
                        "10",           "--max-filesize", "100000000",  "--output",
                        part.s,         c->url,           NULL};
  SpawnJob job = {.argv = argv, .timeout = 300};
  if (!s->quiet)
    fprintf(stderr, "tdc: downloading %s (%zu bytes) from %s\n", c->name, c->bytes, c->url);
  ok = spawn_all(&job, 1, 1, NULL);
  if (!ok) {
    if (job.output.s != NULL) job.output.s[strcspn(job.output.s, "\n")] = '\0';
    td_fail(err, TD_IO_FAILED, "the download failed (%s)",
            !job.started           ? "curl is not installed"
            : job.output.s != NULL ? job.output.s
                                   : "no answer");
  }
  Text t = {0};
  if (ok) ok = text_read(s, part.s, &t, err);
  if (ok && strcmp(t.sha256, c->sha256) != 0)
    ok = td_fail(err, TD_DAMAGED, "what %s sent is not %s: its SHA-256 is %s", c->url, c->name,
                 t.sha256);
  if (ok && rename(part.s, to) != 0)
    ok = td_fail_errno(err, TD_IO_FAILED, errno, "cannot write %s", to);
  unlink(part.s);
  text_free(&t);
  sb_free(&part);
  sb_free(&job.output);
  return ok;
}

/* King James's Bible as the program `bible` prints it, kept in the cache. */
static bool corpus_king_james(const CorpusSearch *s, const char *to, TdError *err) {
  static const char *const argv[] = {"bible", "-l80", "gen1:1-rev22:21", NULL};
  SpawnJob job = {.argv = argv, .timeout = 60, .limit = 16 << 20};
  bool ok = spawn_all(&job, 1, 1, NULL) && job.output.n > 1000000;
  if (!ok)
    td_fail(err, TD_IO_FAILED, "the program 'bible' is not installed or does not print the text");
  char *folder = ok ? io_dirname(to) : NULL;
  ok = ok && folder != NULL && io_make_folders(s->hook, folder, true, err) &&
       io_write_file(s->hook, to, job.output.s, job.output.n, err);
  free(folder);
  sb_free(&job.output);
  return ok;
}

static void explain_absence(const Corpus *c, const Places *p, const TdError *last, TdError *err) {
  StrBuf m = {0};
  sb_printf(&m, "the corpus '%s' is not here.", c->name);
  if (last->status != TD_OK) sb_printf(&m, " Last try: %s.", last->message);
  sb_puts(&m, " Looked for it at");
  for (int i = 0; i < p->n; i++) sb_printf(&m, "%s %s", i > 0 ? "," : "", p->at[i]);
  sb_puts(&m, ".");
  const char *to = p->n > 0 ? p->at[p->n - 1] : "";
  if (c->url != NULL)
    sb_printf(&m, "\nGet it with:\n  curl -L --create-dirs -o '%s' %s", to, c->url);
  if (c->hint != NULL) sb_printf(&m, "\n%s", c->hint);
  sb_puts(&m, "\nOr read another text: --data PATH");
  td_fail(err, TD_IO_FAILED, "%s", m.s != NULL ? m.s : "out of memory");
  sb_free(&m);
}

static bool corpus_load(const CorpusSearch *s, const Corpus *c, const char *td_file, Text *out,
                        TdError *err) {
  Places p = places_of(c->name, td_file);
  TdError last = {0};
  bool found = false;
  for (int i = 0; i < p.n && !found; i++) {
    if (!io_exists(p.at[i])) continue;
    found = text_read(s, p.at[i], out, &last);
    if (found && c->sha256 != NULL && strcmp(out->sha256, c->sha256) != 0) {
      td_fail(&last, TD_DAMAGED, "%s is not the %s that was asked for: its SHA-256 is %s, not %s",
              p.at[i], c->name, out->sha256, c->sha256);
      text_free(out);
      found = false;
    }
  }
  char *cached = user_cache_folder("data");
  const char *offline = getenv("TDC_OFFLINE");
  bool may = !s->offline && !s->look_only &&
             (offline == NULL || *offline == '\0' || strcmp(offline, "0") == 0);
  if (!found && cached != NULL && may && c->url != NULL)
    found = corpus_download(s, c, p.at[p.n - 1], &last) && text_read(s, p.at[p.n - 1], out, &last);
  if (!found && cached != NULL && !s->look_only && strcmp(c->name, "king_james") == 0)
    found = corpus_king_james(s, p.at[p.n - 1], &last) && text_read(s, p.at[p.n - 1], out, &last);
  if (!found) explain_absence(c, &p, &last, err);
  if (!found && last.status == TD_DAMAGED && err != NULL) err->status = TD_DAMAGED;
  free(cached);
  places_free(&p);
  return found;
}

/* ---- by path ------------------------------------------------------------------------ */

static bool file_load(const CorpusSearch *s, const char *source, const char *td_file, Text *out,
                      TdError *err) {
  if (source[0] != '/' && td_file != NULL) {
    char *folder = io_dirname(td_file);
    char *beside = folder != NULL ? io_join(folder, source) : NULL;
    free(folder);
    if (beside == NULL) return td_fail_memory(err);
    bool there = io_exists(beside), ok = there && text_read(s, beside, out, err);
    free(beside);
    if (there) return ok;
  }
  return text_read(s, source, out, err);
}

bool text_load(const CorpusSearch *s, const char *source, const char *td_file, Text *out,
               TdError *err) {
  *out = (Text){0};
  if (s->override != NULL) return text_read(s, s->override, out, err);
  if (*source == '\0') return td_fail(err, TD_BAD_FILE, "the data has no source");
  const Corpus *c = corpus_known(source);
  if (c != NULL) return corpus_load(s, c, td_file, out, err);
  if (strpbrk(source, "/.") != NULL) return file_load(s, source, td_file, out, err);
  StrBuf m = {0};
  for (int i = 0; corpus_at(i) != NULL; i++)
    sb_printf(&m, "%s %s", i > 0 ? "," : "", corpora[i].name);
  td_fail(err, TD_BAD_FILE,
          "there is no corpus named '%.200s'; known are%s; a file needs a '/' or a '.' in its path",
          source, m.s);
  sb_free(&m);
  return false;
}
