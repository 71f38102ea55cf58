/* SPDX-License-Identifier: MIT */
/* The public interface: a thin layer over project, jit, session and the loops. */
#include "runtime/td.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/project.h"
#include "runtime/store/record.h"
#include "runtime/reference.h"
#include "runtime/train/sample.h"
#include "runtime/session.h"
#include "runtime/cpu/toolchain.h"
#include "runtime/train/train.h"
#include "runtime/version.h"
#include "runtime/store/weights.h"

struct Td {
  Project project;
  Pool *pool;
  Jit *jit;
  Session *session;
  Define *defines;
  int ndefines;
};

const char *td_version(void) { return TDC_VERSION; }

/* The diagnostics become the message. */
static void take_diagnostics(const Td *td, TdError *err) {
  StrBuf s = {0};
  if (td->project.diags == NULL || diags_errors(td->project.diags) == 0) return;
  diags_print(td->project.diags, &s, false);
  if (s.s != NULL) td_fail(err, err->status, "%s", s.s);
  sb_free(&s);
}

static Session *open_session(Td *td, bool reference, TdError *err) {
  const Unit *u = td->project.unit;
  char *missing = reference ? NULL : toolchain_missing();
  bool kernels = !reference && missing == NULL;
  free(missing);
  if (!kernels) return reference_session(u, td->pool, err);
  td->jit = jit_open(u->program, &(JitOptions){0}, err);
  return td->jit != NULL ? session_new(u->program, td->jit, td->pool, err) : NULL;
}

static bool open_all(Td *td, const char *path, const TdOptions *o, TdError *err) {
  if (o->act != NULL && strcmp(o->act, "f32") != 0 && strcmp(o->act, "bf16") != 0) {
    td_fail(err, TD_BAD_USAGE, "activations are f32 or bf16, not '%.100s'", o->act);
    return false;
  }
  td->defines = calloc((size_t)o->ndefines + 1, sizeof *td->defines);
  if (td->defines == NULL) return td_fail_memory(err);
  for (int i = 0; i < o->ndefines; i++)
    td->defines[i] = (Define){o->defines[i].name, o->defines[i].value};
  td->ndefines = o->ndefines;
  ProjectOptions project = {.path = path};
  project.unit.defines = td->defines;
  project.unit.ndefines = td->ndefines;
  project.unit.act = o->act;
  project.unit.memory = o->memory <= INT64_MAX ? (int64_t)o->memory : 0;
  project.unit.threads = o->threads > 0 ? o->threads : cpu_count();
  project.search = (CorpusSearch){.override = o->data, .offline = o->offline, .quiet = true};
  if (!project_open(&td->project, &project, err)) {
    take_diagnostics(td, err);
    return false;
  }
  td->pool = pool_new(o->threads, err);
  td->session = td->pool != NULL ? open_session(td, o->reference, err) : NULL;
  if (td->session == NULL) return false;
  int init = session_entry(td->session, "init");
  if (init < 0) return true;
  if (!session_need_one(td->session, init, err)) return false;
  session_run(td->session, init, o->seed, 0);
  return true;
}

Td *td_open(const char *path, const TdOptions *options, TdError *err) {
  static const TdOptions usual = {0};
  Td *td = calloc(1, sizeof *td);
  if (td == NULL) {
    td_fail_memory(err);
    return NULL;
  }
  if (open_all(td, path, options != NULL ? options : &usual, err)) return td;
  td_close(td);
  return NULL;
}

bool td_reference(const Td *td) { return td->jit == NULL; }

void td_close(Td *td) {
  if (td == NULL) return;
  session_free(td->session);
  jit_close(td->jit);
  pool_free(td->pool);
  project_close(&td->project);
  free(td->defines);
  free(td);
}

/* ---- parameters ---------------------------------------------------------------- */

bool td_load(Td *td, const char *path, TdError *err) {
  Checkpoint *c = weights_find(NULL, path, path, td->project.unit->path, err);
  bool ok = c != NULL && weights_restore(td->session, td->project.unit, c, err);
  checkpoint_close(c);
  return ok;
}

bool td_export(Td *td, const char *path, TdError *err) {
  CheckpointInfo info = {.program = td->project.unit->name};
  return weights_export(NULL, path, td->session, td->project.unit, &info, err);
}

int td_parameter_count(const Td *td) { return td->project.unit->nparameters; }

const char *td_parameter(const Td *td, int i, int *rank, int64_t shape[8]) {
  if (i < 0 || i >= td->project.unit->nparameters) return NULL;
  const UnitParameter *p = &td->project.unit->parameters[i];
  *rank = p->rank;
  memcpy(shape, p->shape, (size_t)p->rank * sizeof *shape);
  return p->name;
}

/* The parameter's place in its state, or in the state that averages it (which
 * may be absent: NULL without an error). */
static float *place_of(const Td *td, const char *name, bool average, int64_t n, TdError *err) {
  const Unit *u = td->project.unit;
  for (int i = 0; i < u->nparameters; i++) {
    const UnitParameter *p = &u->parameters[i];
    int64_t count = 1;
    char state[256];
    if (strcmp(p->name, name) != 0) continue;
    for (int k = 0; k < p->rank; k++) count *= p->shape[k];
    if (count != n) {
      td_fail(err, TD_BAD_USAGE, "'%s' has %lld numbers, not %lld", name, (long long)count,
              (long long)n);
      return NULL;
    }
    const char *dot = strchr(p->state, '.');
    snprintf(state, sizeof state, "%s%.240s", average ? "ema" : "params", dot != NULL ? dot : "");
    int s = session_state(td->session, state);
    if (s < 0) return NULL;
    if (td->project.unit->program->states[s].type != TD_F32) {
      td_fail(err, TD_BAD_USAGE, "'%s' is not kept in 32-bit floats", name);
      return NULL;
    }
    return (float *)session_state_data(td->session, s) + p->offset;
  }
  td_fail(err, TD_BAD_USAGE, "there is no parameter '%.200s'", name);
  return NULL;
}

bool td_read(const Td *td, const char *name, float *out, int64_t n, TdError *err) {
  const float *from = place_of(td, name, false, n, err);
  if (from != NULL) memcpy(out, from, (size_t)n * sizeof *out);
  return from != NULL;
}

bool td_write(Td *td, const char *name, const float *in, int64_t n, TdError *err) {
  float *to = place_of(td, name, false, n, err), *average = place_of(td, name, true, n, err);
  if (to != NULL) memcpy(to, in, (size_t)n * sizeof *in);
  if (average != NULL) memcpy(average, in, (size_t)n * sizeof *in);
  return to != NULL;
}

/* ---- training and sampling ---------------------------------------------------------- */

bool td_train(Td *td, const TdTrainOptions *o, TdError *err) {
  json_t *record = record_make(&td->project, td->defines, td->ndefines, o->seed, td->jit,
                               pool_threads(td->pool));
  if (record == NULL) return td_fail_memory(err);
  TrainOptions train = {.project = &td->project,
                        .session = td->session,
                        .folder = o->folder,
                        .resume = o->resume,
                        .overwrite = o->overwrite,
                        .has_seed = !o->resume,
                        .seed = o->seed,
                        .steps = o->steps,
                        .record = record,
                        .terminal = terminal_open(stderr, COLOUR_NEVER),
                        .quiet = true,
                        .stop = o->stop};
  bool ok = train_run(&train, err);
  json_decref(record);
  return ok;
}

typedef struct FirstRow {
  const Vocabulary *vocabulary;
  StrBuf text;
} FirstRow;

static bool take_first_row(void *ctx, const SampleFrame *f) {
  FirstRow *r = ctx;
  sb_puts(&r->text, "");
  sample_spell(r->vocabulary, f->ids, f->window, &r->text);
  return true;
}

bool td_sample(Td *td, const char *sampler, const TdSetting *settings, int nsettings, uint64_t seed,
               char **text, TdError *err) {
  *text = NULL;
  const UnitSampler *u = unit_sampler(td->project.unit, sampler);
  if (u == NULL)
    return td_fail(err, TD_BAD_USAGE, "there is no sampler '%.200s'",
                   sampler != NULL ? sampler : "");
  const Dataset *d = data_store_find(td->project.data, u->data);
  FirstRow row = {.vocabulary = d != NULL ? &d->vocabulary : NULL};
  SampleRequest r = {.sampler = u,
                     .vocabulary = row.vocabulary,
                     .settings = settings,
                     .nsettings = nsettings,
                     .seed = seed};
  bool ok = sample_run(td->session, &r, false, take_first_row, &row, err);
  if (ok && row.text.s == NULL) ok = td_fail_memory(err);
  if (ok)
    *text = row.text.s;
  else
    sb_free(&row.text);
  return ok;
}

/* ---- models --------------------------------------------------------------------------- */

static int model_entry(const Td *td, const char *model, TdError *err) {
  char name[256];
  snprintf(name, sizeof name, "model.%.240s", model);
  int e = session_entry(td->session, name);
  if (e < 0 && err != NULL) td_fail(err, TD_BAD_USAGE, "there is no model '%.200s'", model);
  return e;
}

bool td_set_reals(Td *td, const char *model, const char *input, const float *x, int64_t n,
                  TdError *err) {
  int e = model_entry(td, model, err);
  return e >= 0 && session_set_reals(td->session, e, input, x, n, err);
}

bool td_set_ints(Td *td, const char *model, const char *input, const int32_t *x, int64_t n,
                 TdError *err) {
  int e = model_entry(td, model, err);
  return e >= 0 && session_set_ints(td->session, e, input, x, n, err);
}

bool td_run(Td *td, const char *model, uint64_t seed, TdError *err) {
  int e = model_entry(td, model, err);
  if (e < 0 || !session_need_one(td->session, e, err)) return false;
  session_run(td->session, e, seed, 1);
  return true;
}

const float *td_output(const Td *td, const char *model, const char *output, int *rank,
                       int64_t shape[8]) {
  int e = model_entry(td, model, NULL);
  const TdBuffer *b = e >= 0 ? session_output(td->session, e, output) : NULL;
  if (b == NULL || b->type != TD_F32) return NULL;
  *rank = b->rank;
  memcpy(shape, b->shape, (size_t)b->rank * sizeof *shape);
  return session_output_data(td->session, e, output);
}
