/* SPDX-License-Identifier: MIT */
/* Whole models: every file of tests/models, and the nano presets of models.
 *
 *   models [--brief] [FILE.td ...]      brief: no more than without names
 *
 * For each: the gradients of its ops and of its loss against central differences,
 * every entry against the reference evaluator, training on verse, the same losses
 * with any number of threads, samplers to their end, and kernels that do not grow
 * with the number of layers. Where no suite looks at a file's kernels (model_in_depth),
 * its gradients, training and samplers on the evaluator. */
#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "compiler/check/opcheck.h"
#include "runtime/data/feed.h"
#include "runtime/train/sample.h"
#include "tests/entries.h"
#include "tests/sources.h"

enum { STEPS = 20, SEED = 5 };
static const char verse[] = "tests/models/verse.txt";
static const int thread_counts[] = {1, 2, 3, 8};

typedef struct Suite {
  int passed, failed;
  bool whole; /* files named, or release depth */
  clock_t begin;
} Suite;

/* A file under test. */
typedef struct File {
  Suite *suite;
  const char *path;
  bool nano;
  Model model; /* built, on verse */
} File;

static void verdict(File *f, const char *what, bool good) {
  clock_t now = clock();
  printf("%s %s: %s  (%.1f s)\n", good ? "passed" : "FAILED", f->path, what,
         (double)(now - f->suite->begin) / CLOCKS_PER_SEC);
  fflush(stdout);
  f->suite->begin = now;
  *(good ? &f->suite->passed : &f->suite->failed) += 1;
}

/* Small enough for the evaluator. Extents of the files themselves otherwise. */
static const Define nano_size[] = {{"B", "2"}, {"L", "32"}},
                    check_size[] = {{"B", "2"}, {"L", "8"}},
                    evaluated_size[] = {{"B", "2"}, {"L", "16"}};

static bool open_file(const File *f, Model *m, const UnitOptions *more) {
  return model_open(m, f->path, nano_size, f->nano ? 2 : 0, verse, 0, more);
}

/* ---- gradients -------------------------------------------------------------------- */

static bool report_check(const File *f, const OpCheck *k) {
  if (k->verdict != OPCHECK_WRONG) return true;
  fprintf(stderr, "%s:%d: %s %s: %s", f->path, k->span.line, k->kind, k->name,
          k->why ? k->why : "wrong");
  if (k->at)
    fprintf(stderr, "; at %s derived %.9g, by %s %.9g", k->at, k->derived, k->against, k->expected);
  fprintf(stderr, " (%s, seed %llu)\n", k->shape ? k->shape : "", (unsigned long long)k->seed);
  return false;
}

static void check_gradients(File *f) {
  Model m;
  UnitOptions more = {.check_only = true,
                      .no_update = true,
                      .no_eval = true,
                      .no_samplers = true,
                      .no_models = true};
  bool good = model_open(&m, f->path, check_size, 2, verse, 0, &more);
  if (good) {
    OpCheckOptions o = {.seed = SEED, .trials = 4, .elements = 8, .work = 4e6},
                   whole = {.seed = SEED, .elements = f->nano ? 1 : 3, .work = 3e8};
    TrialOp *ops;
    OpCheck loss;
    int n = trial_ops(m.unit, m.arena, false, &ops);
    for (int i = 0; i < n; i++) {
      OpCheck k = opcheck_op(m.unit, &ops[i], &o, m.arena);
      good = report_check(f, &k) && good;
    }
    if (!opcheck_loss(m.unit, &whole, m.arena, &loss))
      good = false;
    else if (loss.verdict == OPCHECK_LEFT) {
      fprintf(stderr, "%s: the loss was not checked: %s\n", f->path, loss.why);
      good = false;
    } else
      good = report_check(f, &loss) && good;
  }
  model_close(&m);
  verdict(f, "gradients", good);
}

/* ---- entries ---------------------------------------------------------------------- */

static void check_entries(File *f) {
  Running r;
  bool good = running_open(&r, &f->model, 2) && entries_compare(&f->model, &r, SEED) == 0;
  running_close(&r);
  verdict(f, "entries against the evaluator", good);
}

/* ---- training --------------------------------------------------------------------- */

/* From the initial weights, STEPS steps. */
static bool train(const File *f, Running *r, double *losses) {
  TdError err = {0};
  Feed feed;
  session_run(r->session, session_entry(r->session, "init"), SEED, 0);
  bool good = feed_open(&feed, r->session, f->model.unit, "train", f->model.data, &err);
  for (int step = 1; good && step <= STEPS; step++) {
    good = feed_train(&feed, SEED, step, &err);
    if (!good) break;
    session_run(r->session, feed.index, SEED, step);
    losses[step - 1] = session_scalar(r->session, feed.index, "loss");
  }
  feed_close(&feed);
  if (!good) fprintf(stderr, "%s: %s\n", f->path, err.message);
  return good;
}

static double mean(const double *x, int n) {
  double sum = 0;
  for (int i = 0; i < n; i++) sum += x[i];
  return sum / n;
}

static bool same_losses(const File *f, int threads, const double *want, const double *got) {
  for (int i = 0; i < STEPS; i++) {
    if (memcmp(&want[i], &got[i], sizeof *want) == 0) continue;
    fprintf(stderr, "%s: with %d threads the loss of step %d is %.9g, with one %.9g\n", f->path,
            threads, i + 1, got[i], want[i]);
    return false;
  }
  return true;
}

/* Steps on one batch with the same draws: gradient descent, which falls each time. */
static bool descends(const File *f, Running *r) {
  TdError err = {0};
  Feed feed;
  double loss[3] = {0};
  session_run(r->session, session_entry(r->session, "init"), SEED, 0);
  bool good = feed_open(&feed, r->session, f->model.unit, "train", f->model.data, &err);
  for (int i = 0; good && i < 3; i++) {
    good = feed_train(&feed, SEED, 1, &err);
    if (!good) break;
    session_run(r->session, feed.index, SEED, 1);
    loss[i] = session_scalar(r->session, feed.index, "loss");
  }
  feed_close(&feed);
  if (good && !(loss[1] < loss[0] && loss[2] < loss[1])) {
    fprintf(stderr, "%s: the loss of one batch goes %.9g, %.9g, %.9g\n", f->path, loss[0], loss[1],
            loss[2]);
    good = false;
  }
  return good;
}

/* Where other draws of noise each step hide in so few steps what is learned. */
static bool falls_on_one_batch(File *f, double before, double after) {
  Running r;
  bool good = running_open(&r, &f->model, 1) && descends(f, &r);
  running_close(&r);
  if (!good)
    fprintf(stderr, "%s: the loss goes from %.6g to %.6g in %d steps\n", f->path, before, after,
            STEPS);
  return good;
}

static void check_training(File *f) {
  double first[STEPS] = {0}, losses[STEPS] = {0};
  bool falls = true, same = true;
  for (size_t i = 0; i < sizeof thread_counts / sizeof *thread_counts; i++) {
    Running r;
    bool good =
        running_open(&r, &f->model, thread_counts[i]) && train(f, &r, i == 0 ? first : losses);
    running_close(&r);
    if (i == 0)
      falls = good;
    else
      same = good && same_losses(f, thread_counts[i], first, losses) && same;
  }
  double before = mean(first, 5), after = mean(first + STEPS - 5, 5);
  if (falls && !(after < before)) falls = falls_on_one_batch(f, before, after);
  verdict(f, "training lowers the loss", falls);
  verdict(f, "1, 2, 3, 8 threads: the same losses", same);
}

/* ---- samplers --------------------------------------------------------------------- */

typedef struct Seen {
  const Vocabulary *vocabulary;
  const char *given; /* what the text must hold, '_' where anything may stand; or NULL */
  int64_t frames;
  bool good;
  int32_t *keep; /* the last frame's symbols, when the caller wants them */
} Seen;

static bool look(void *ctx, const SampleFrame *frame) {
  Seen *s = ctx;
  s->frames++;
  int64_t n = frame->batch * frame->window;
  for (int64_t i = 0; i < n; i++) {
    int64_t at = i % frame->window;
    bool in = frame->ids[i] >= 0 && frame->ids[i] < s->vocabulary->size;
    if (in && s->given && at < (int64_t)strlen(s->given) && s->given[at] != '_')
      in = s->vocabulary->symbols[frame->ids[i]] == (uint32_t)(unsigned char)s->given[at];
    if (!in && s->good)
      fprintf(stderr, "row %lld, place %lld: symbol %d\n", (long long)(i / frame->window),
              (long long)at, frame->ids[i]);
    s->good = s->good && in;
  }
  if (s->keep) memcpy(s->keep, frame->ids, (size_t)n * sizeof *s->keep);
  return true;
}

static bool takes(const UnitSampler *s, const char *name) {
  for (int i = 0; i < s->nparams; i++)
    if (strcmp(s->params[i].name, name) == 0) return true;
  return false;
}

static bool sample(const File *f, Running *r, const UnitSampler *s, const TdSetting *settings,
                   int nsettings, Seen *seen) {
  TdError err = {0};
  Dataset *d = data_store_find(f->model.data, s->data);
  seen->vocabulary = &d->vocabulary;
  seen->good = true;
  SampleRequest request = {.sampler = s,
                           .vocabulary = &d->vocabulary,
                           .settings = settings,
                           .nsettings = nsettings,
                           .hole = '_',
                           .seed = SEED};
  bool good = sample_run(r->session, &request, false, look, seen, &err);
  if (!good) fprintf(stderr, "%s: sampler %s: %s\n", f->path, s->name, err.message);
  return good && seen->good && seen->frames == 1;
}

/* Towards noise: it begins with the text, and after so many looks it is at its end, whatever that
 * holds. */
typedef struct Turned {
  int64_t frames;
  bool same; /* the first frame has the text's beginning */
  const int32_t *text;
} Turned;

static bool look_turned(void *ctx, const SampleFrame *frame) {
  Turned *s = ctx;
  if (s->frames++ > 0) return frame->done == s->frames - 1;
  s->same = frame->done == 0 && memcmp(frame->ids, s->text, 4 * sizeof *s->text) == 0;
  return true;
}

static bool check_forward(const File *f, Running *r, const UnitSampler *s) {
  static const TdSetting settings[] = {{"clean", "The "}, {"steps", "3"}};
  TdError err = {0};
  Dataset *d = data_store_find(f->model.data, s->data);
  int32_t text[4];
  size_t count, offset;
  vocabulary_encode(&d->vocabulary, (const uint8_t *)"The ", 4, text, &count, &offset);
  Turned seen = {.text = text};
  SampleRequest request = {.sampler = s,
                           .vocabulary = &d->vocabulary,
                           .settings = settings,
                           .nsettings = 2,
                           .start = true,
                           .seed = SEED};
  bool good = sample_run(r->session, &request, true, look_turned, &seen, &err);
  if (!good) fprintf(stderr, "%s: sampler %s: %s\n", f->path, s->name, err.message);
  const Graph *init = unit_entry(f->model.unit, "sample.forward.init")->graph;
  bool asks = graph_leaf(init, N_STATE, "params.matrix") || graph_leaf(init, N_STATE, "ema.matrix");
  return good && seen.frames == 4 && (seen.same || asks); /* latents need not say their text */
}

/* Freely, from a beginning, around letters in the middle, at a temperature of 0, in few steps. */
static bool check_sampler(const File *f, Running *r, const UnitSampler *s) {
  if (strcmp(s->name, "forward") == 0) return check_forward(f, r, s);
  static const char *const given[] = {"", "The ", "__e__d"};
  bool good = true;
  for (int i = 0; i < (takes(s, "prompt") ? 3 : 1); i++) {
    TdSetting prompt = {"prompt", given[i]};
    Seen seen = {.given = given[i]};
    bool one = sample(f, r, s, &prompt, takes(s, "prompt"), &seen);
    if (!one) fprintf(stderr, "%s: sampler %s, prompt '%s'\n", f->path, s->name, given[i]);
    good = good && one;
  }
  static const TdSetting greedy = {"temperature", "0"};
  if (takes(s, greedy.name)) good = sample(f, r, s, &greedy, 1, &(Seen){0}) && good;
  for (int i = 0; i < s->nparams; i++) { /* nothing stays undecided */
    if (strcmp(s->params[i].name, "steps") != 0) continue;
    const double few[] = {s->params[i].lo, fmax(s->params[i].lo, 3)};
    for (int k = 0; k < 2; k++) {
      char text[32];
      snprintf(text, sizeof text, "%.0f", few[k]);
      TdSetting steps = {"steps", text};
      good = sample(f, r, s, &steps, 1, &(Seen){0}) && good;
    }
  }
  return good;
}

/* Weights anywhere in -1/2 .. 1/2: after a few steps of training a text is one symbol whatever
 * stands around it, and samplers that look at the wrong places agree. */
static bool scatter_weights(Running *r) {
  const TdProgram *p = session_program(r->session);
  uint64_t x = SEED;
  for (int i = 0; i < p->nstates; i++) {
    const TdState *st = &p->states[i];
    if (strncmp(st->name, "params.", 7) != 0 && strncmp(st->name, "ema.", 4) != 0) continue;
    if (st->type != TD_F32) return false;
    float *w = calloc((size_t)st->count, sizeof *w);
    for (int64_t k = 0; w && k < st->count; k++) {
      x = x * 6364136223846793005u + 1442695040888963407u;
      w[k] = (float)(x >> 40) * 0x1p-24f - 0.5f;
    }
    if (w) session_write_state(r->session, i, 0, st->count, w);
    free(w);
    if (!w) return false;
  }
  return true;
}

/* A sampler with a cache of the past and one without say the same. The likeliest symbols, and the
 * surest first where there is an order: nothing is drawn. */
static bool check_cache(const File *f, Running *r) {
  const UnitSampler *pair[] = {unit_sampler(f->model.unit, "cached"),
                               unit_sampler(f->model.unit, "uncached")};
  int64_t n = pair[0]->batch * pair[0]->window;
  int32_t *ids[2];
  bool good = true;
  for (int i = 0; i < 2; i++) {
    const TdSetting settings[] = {{"prompt", "The "}, {"temperature", "0"}, {"confidence", "1e9"}};
    Seen seen = {.given = "The ", .keep = ids[i] = calloc((size_t)n, sizeof(int32_t))};
    good = sample(f, r, pair[i], settings, takes(pair[i], "confidence") ? 3 : 2, &seen) && good;
  }
  for (int64_t i = 0; good && i < n; i++) {
    if (ids[0][i] == ids[1][i]) continue;
    fprintf(stderr, "%s: place %lld: %d with a cache, %d without\n", f->path, (long long)i,
            ids[0][i], ids[1][i]);
    good = false;
  }
  free(ids[0]);
  free(ids[1]);
  return good;
}

/* A text of several windows, every third symbol of which is to be found: each window of it is what
 * the sampler of one window makes of its context. The surest first, one at a time, nothing is
 * drawn. */
static bool check_long(const File *f, Running *r) {
  const UnitSampler *whole = unit_sampler(f->model.unit, "long"),
                    *part = unit_sampler(f->model.unit, "unmask");
  const int64_t n = whole->window, window = part->window, kept = window / 2;
  char *given = file_text(verse);
  int32_t *text = calloc((size_t)(whole->batch * n), sizeof *text),
          *again = calloc((size_t)(part->batch * window), sizeof *again);
  bool good = given && (int64_t)strlen(given) >= n && n >= 2 * window;
  if (!good) fprintf(stderr, "%s: the texts are too short for a test\n", f->path);
  for (int64_t i = 0; good && i < n; i++)
    if (i % 3 == 0) given[i] = '_';
  if (good) given[n] = 0;
  TdSetting settings[] = {{"prompt", given}, {"temperature", "0"}, {"confidence", "1e9"}};
  Seen seen = {.given = given, .keep = text};
  good = good && sample(f, r, whole, settings, 3, &seen);
  for (int64_t at = 0; good && at + window <= n; at += window - kept) {
    char *here = calloc(1, (size_t)window + 1);
    memcpy(here, given + at, (size_t)window);
    for (int64_t i = 0; at > 0 && i < kept; i++)
      here[i] = (char)seen.vocabulary->symbols[text[at + i]];
    settings[0].value = here;
    Seen one = {.given = here, .keep = again};
    good = sample(f, r, part, settings, 3, &one);
    for (int64_t i = 0; good && i < window; i++) {
      if (again[i] == text[at + i]) continue;
      fprintf(stderr, "%s: place %lld: %d in the long text, %d in its window\n", f->path,
              (long long)(at + i), text[at + i], again[i]);
      good = false;
    }
    free(here);
  }
  free(given);
  free(text);
  free(again);
  return good;
}

/* Samplers that are to say the same. */
static void check_pairs(File *f, Running *r, bool good) {
  const Unit *u = f->model.unit;
  good = good && scatter_weights(r);
  if (unit_sampler(u, "cached") && unit_sampler(u, "uncached"))
    verdict(f, "the cached sampler is the uncached one", good && check_cache(f, r));
  if (unit_sampler(u, "long") && unit_sampler(u, "unmask"))
    verdict(f, "a long text's windows are those of the short one", good && check_long(f, r));
}

static void check_samplers(File *f) {
  Running r;
  double losses[STEPS];
  const Unit *u = f->model.unit;
  bool good = running_open(&r, &f->model, 2) && train(f, &r, losses);
  for (int i = 0; good && i < u->nsamplers; i++)
    good = check_sampler(f, &r, &u->samplers[i]) && good;
  verdict(f, "samplers", good);
  check_pairs(f, &r, good);
  running_close(&r);
}

/* ---- depth ------------------------------------------------------------------------ */

static double kernel_text(const Model *m) {
  double n = 0;
  for (int i = 0; i < m->unit->program->nkernels; i++)
    n += (double)strlen(m->unit->program->kernels[i].source);
  return n;
}

/* The file's number of layers, or 0. */
static int layers_of(const Model *m) {
  const char *at = strstr(m->unit->source_hash, "const N = ");
  return at ? atoi(at + strlen("const N = ")) : 0;
}

static void check_depth(File *f) {
  int layers = layers_of(&f->model);
  if (layers == 0) return;
  Define defines[3] = {nano_size[0], nano_size[1]};
  int n = f->nano ? 2 : 0;
  char twice[16];
  snprintf(twice, sizeof twice, "%d", 2 * layers);
  defines[n++] = (Define){"N", twice};
  Model m;
  bool good = model_open(&m, f->path, defines, n, verse, 0, NULL);
  if (good) {
    double kernels[] = {f->model.unit->program->nkernels, m.unit->program->nkernels};
    double text[] = {kernel_text(&f->model), kernel_text(&m)};
    good = kernels[1] < 1.1 * kernels[0] && text[1] < 1.1 * text[0];
    if (!good)
      fprintf(stderr,
              "%s: %d layers are %.0f kernels and %.0f bytes, twice as many %.0f and %.0f\n",
              f->path, layers, kernels[0], text[0], kernels[1], text[1]);
  }
  model_close(&m);
  verdict(f, "twice the layers, the same kernels", good);
}

/* ---- on the evaluator -------------------------------------------------------------- */

static void check_evaluated(File *f) {
  Running r = {0};
  const Unit *u = NULL;
  bool good = model_open(&f->model, f->path, evaluated_size, 2, verse, 0, NULL) &&
              running_evaluated(&r, &f->model) && descends(f, &r);
  verdict(f, "training lowers the loss of a batch", good);
  if (good) u = f->model.unit;
  for (int i = 0; u && i < u->nsamplers; i++) good = check_sampler(f, &r, &u->samplers[i]) && good;
  verdict(f, "samplers", good);
  if (u) check_pairs(f, &r, good);
  running_close(&r);
}

/* ---- all of them ------------------------------------------------------------------ */

static void check_file(Suite *suite, const char *path) {
  File f = {.suite = suite, .path = path, .nano = strncmp(path, "models/", 7) == 0};
  check_gradients(&f);
  if (!model_in_depth(path, suite->whole)) {
    check_evaluated(&f);
    model_close(&f.model);
    return;
  }
  bool built = open_file(&f, &f.model, NULL) && model_build(&f.model);
  if (!built) verdict(&f, "compilation", false);
  if (built) {
    check_entries(&f);
    check_training(&f);
    check_samplers(&f);
    check_depth(&f);
  }
  model_close(&f.model);
}

static bool ends_with(const char *s, const char *end) {
  size_t n = strlen(s), m = strlen(end);
  return n >= m && strcmp(s + n - m, end) == 0;
}

static void check_folder(Suite *suite, const char *folder, const char *holds) {
  struct dirent **files;
  int n = scandir(folder, &files, NULL, alphasort);
  if (n < 0) {
    perror(folder);
    suite->failed++;
    return;
  }
  for (int i = 0; i < n; i++) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, files[i]->d_name);
    if (ends_with(path, ".td") && strstr(files[i]->d_name, holds)) check_file(suite, path);
    free(files[i]);
  }
  free(files);
}

int main(int argc, char **argv) {
  const char *longer = getenv("TDC_TEST_LONG");
  const bool brief = argc > 1 && strcmp(argv[1], "--brief") == 0;
  Suite suite = {.whole = argc > 1 && !brief};
  if (longer && *longer == '1') suite.whole = true;
  model_quick("models/shakespeare");
  for (int i = 1 + brief; i < argc; i++) check_file(&suite, argv[i]);
  if (argc == 1 + brief) {
    check_folder(&suite, "tests/models", "");
    check_folder(&suite, "models", "nano");
  }
  printf("%d passed, %d failed\n", suite.passed, suite.failed);
  return suite.failed > 0;
}
