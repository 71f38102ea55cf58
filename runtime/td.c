/* SPDX-License-Identifier: MIT */
/* The public interface: a thin layer over project, jit, session and the loops. */
#include "runtime/td.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/machine.h"
#include "runtime/project.h"
#include "runtime/store/record.h"
#include "runtime/train/sample.h"
#include "runtime/cpu/toolchain.h"
#include "runtime/train/train.h"
#include "runtime/version.h"
#include "runtime/store/weights.h"

struct Td {
  Project project;
  Machine machine;
  Session *session; /* the machine's */
  Define *defines;
  int ndefines;
  bool other_text;  /* td_open was told of a text */
  bool written;     /* parameters are the caller's */
  float **shown;    /* by entry and, of these, output: what td_output handed out */
  int *first_shown; /* by entry */
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

/* The device that was asked for; NULL: none, and without a C compiler it is the evaluator. */
static const char *device_of(const TdOptions *o) {
  const char *asked = getenv("TDC_DEVICE");
  if (o->reference) return "reference";
  if (o->device != NULL) return o->device;
  return asked != NULL && *asked != '\0' ? asked : NULL;
}

static bool open_machine(Td *td, const TdOptions *o, TdError *err) {
  const char *device = device_of(o);
  char *missing = device == NULL ? toolchain_missing() : NULL;
  if (device == NULL) device = missing != NULL ? "reference" : "cpu";
  free(missing);
  if (!machine_open(&td->machine, device, td->project.unit, o->threads, &(JitOptions){0}, err))
    return false;
  td->session = td->machine.session;
  const TdProgram *p = td->project.unit->program;
  int outputs = 0;
  td->first_shown = calloc((size_t)p->nentries + 1, sizeof *td->first_shown);
  if (td->first_shown == NULL) return td_fail_memory(err);
  for (int e = 0; e <= p->nentries; e++) {
    td->first_shown[e] = outputs;
    if (e < p->nentries) outputs += p->entries[e].noutputs;
  }
  td->shown = calloc((size_t)outputs + 1, sizeof *td->shown);
  return td->shown != NULL || td_fail_memory(err);
}

static bool open_all(Td *td, const char *path, const TdOptions *o, TdError *err) {
  if (o->act != NULL && strcmp(o->act, "f32") != 0 && strcmp(o->act, "bf16") != 0) {
    td_fail(err, TD_BAD_USAGE, "activations are f32 or bf16, not '%.100s'", o->act);
    return false;
  }
  if (o->product != NULL && td_split(o->product) < 0) {
    td_fail(err, TD_BAD_USAGE, "products are " TD_SPLIT_NAMES ", not '%.100s'", o->product);
    return false;
  }
  if (o->product != NULL && !td_split_agrees_with_bf16(td_split(o->product)) && o->act != NULL &&
      strcmp(o->act, "bf16") == 0) {
    td_fail(err, TD_BAD_USAGE, "products in %s are of f32: activations in bf16 are multiplied so",
            o->product);
    return false;
  }
  const char *device = device_of(o), *target = machine_target(device ? device : "cpu", err);
  if (target == NULL) return false;
  td->defines = calloc((size_t)o->ndefines + 1, sizeof *td->defines);
  if (td->defines == NULL) return td_fail_memory(err);
  for (int i = 0; i < o->ndefines; i++)
    td->defines[i] = (Define){o->defines[i].name, o->defines[i].value};
  td->ndefines = o->ndefines;
  ProjectOptions project = {.path = path};
  project.unit.defines = td->defines;
  project.unit.ndefines = td->ndefines;
  project.unit.act = o->act;
  project.unit.product = o->product;
  project.unit.target = target;
  td->other_text = o->data != NULL;
  project.unit.memory = o->memory <= INT64_MAX ? (int64_t)o->memory : 0;
  project.unit.threads = o->threads > 0 ? o->threads : cpu_count();
  project.search = (CorpusSearch){.override = o->data, .offline = o->offline, .quiet = true};
  if (!project_open(&td->project, &project, err)) {
    take_diagnostics(td, err);
    return false;
  }
  if (!open_machine(td, o, err)) return false;
  int init = session_entry(td->session, "init");
  if (init < 0) return true;
  if (!session_need_one(td->session, init, err)) return false;
  session_run(td->session, init, o->seed, 0);
  return session_sync(td->session, err);
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

bool td_reference(const Td *td) { return strcmp(td->machine.device, "reference") == 0; }

void td_close(Td *td) {
  if (td == NULL) return;
  for (int i = 0; td->shown != NULL && i < td->first_shown[td->project.unit->program->nentries];
       i++)
    free(td->shown[i]);
  free(td->shown);
  free(td->first_shown);
  machine_close(&td->machine);
  project_close(&td->project);
  free(td->defines);
  free(td);
}

/* ---- parameters ---------------------------------------------------------------- */

bool td_load(Td *td, const char *path, TdError *err) {
  Checkpoint *c = weights_find(NULL, path, path, td->project.unit->path, err);
  bool ok = c != NULL && weights_fit(&td->project, c, err) &&
            weights_restore(td->session, td->project.unit, c, err);
  checkpoint_close(c);
  td->written = td->written || ok;
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

/* The state that holds the parameter, or averages it (which may be absent: -1 without an
 * error), and from which element on. */
static int place_of(const Td *td, const char *name, bool average, int64_t n, int64_t *first,
                    TdError *err) {
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
      return -1;
    }
    const char *dot = strchr(p->state, '.');
    snprintf(state, sizeof state, "%s%.240s", average ? "ema" : "params", dot != NULL ? dot : "");
    int s = session_state(td->session, state);
    if (s < 0) return -1;
    if (td->project.unit->program->states[s].type != TD_F32) {
      td_fail(err, TD_BAD_USAGE, "'%s' is not kept in 32-bit floats", name);
      return -1;
    }
    *first = p->offset;
    return s;
  }
  td_fail(err, TD_BAD_USAGE, "there is no parameter '%.200s'", name);
  return -1;
}

bool td_read(const Td *td, const char *name, float *out, int64_t n, TdError *err) {
  int64_t first;
  int state = place_of(td, name, false, n, &first, err);
  return state >= 0 && session_read_state(td->session, state, first, n, out, err);
}

bool td_write(Td *td, const char *name, const float *in, int64_t n, TdError *err) {
  int64_t first, first_average;
  int state = place_of(td, name, false, n, &first, err),
      average = place_of(td, name, true, n, &first_average, err);
  if (state >= 0) session_write_state(td->session, state, first, n, in);
  if (average >= 0) session_write_state(td->session, average, first_average, n, in);
  td->written = td->written || state >= 0;
  return state >= 0 && session_sync(td->session, err);
}

/* ---- training and sampling ---------------------------------------------------------- */

/* Parameters and their averages, as bytes by state; NULL: not one of them. */
typedef struct Given {
  const TdProgram *program;
  void **states;
} Given;

static void given_free(Given *g) {
  for (int i = 0; g->states != NULL && i < g->program->nstates; i++) free(g->states[i]);
  free(g->states);
}

static bool given_take(Given *g, const Td *td, TdError *err) {
  const TdProgram *p = g->program = td->project.unit->program;
  g->states = calloc((size_t)p->nstates + 1, sizeof *g->states);
  if (g->states == NULL) return td_fail_memory(err);
  for (int i = 0; i < p->nstates; i++) {
    const TdState *s = &p->states[i];
    if (strncmp(s->name, "params.", 7) != 0 && strncmp(s->name, "ema.", 4) != 0) continue;
    g->states[i] = malloc((size_t)s->count * td_type_size(s->type) + 1);
    if (g->states[i] == NULL) return td_fail_memory(err);
    if (!session_read_state(td->session, i, 0, s->count, g->states[i], err)) return false;
  }
  return true;
}

static bool given_put(void *ctx, Session *s, TdError *err) {
  const Given *g = ctx;
  (void)err;
  for (int i = 0; i < g->program->nstates; i++)
    if (g->states[i] != NULL)
      session_write_state(s, i, 0, g->program->states[i].count, g->states[i]);
  return true;
}

bool td_train(Td *td, const TdTrainOptions *o, TdError *err) {
  Given given = {0};
  if (td->written && !given_take(&given, td, err)) {
    given_free(&given);
    return false;
  }
  RecordMachine ran = machine_record(&td->machine);
  json_t *record = record_make(&td->project, td->defines, td->ndefines, o->seed, &ran);
  if (record == NULL) {
    given_free(&given);
    return td_fail_memory(err);
  }
  TrainOptions train = {.project = &td->project,
                        .session = td->session,
                        .folder = o->folder,
                        .resume = o->resume,
                        .overwrite = o->overwrite,
                        .other_text = td->other_text,
                        .begin = td->written ? given_put : NULL,
                        .begin_ctx = &given,
                        .has_seed = !o->resume,
                        .seed = o->seed,
                        .steps = o->steps,
                        .record = record,
                        .terminal = terminal_open(stderr, COLOUR_NEVER),
                        .quiet = true,
                        .stop = o->stop};
  bool ok = train_run(&train, err);
  if (ok) td->written = false;
  given_free(&given);
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
  sample_spell(r->vocabulary, f, 0, f->window, &r->text);
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
  return session_sync(td->session, err);
}

/* Where the copy of an output is kept: each has its own, so that several can be looked at. */
static float **place_shown(const Td *td, int entry, const char *output) {
  const TdEntry *e = &td->project.unit->program->entries[entry];
  int i = 0;
  while (strcmp(e->outputs[i].name, output) != 0) i++;
  return &td->shown[td->first_shown[entry] + i];
}

const float *td_output(const Td *td, const char *model, const char *output, int *rank,
                       int64_t shape[8]) {
  int e = model_entry(td, model, NULL);
  const TdBuffer *b = e >= 0 ? session_output(td->session, e, output) : NULL;
  if (b == NULL || b->type != TD_F32) return NULL;
  float **shown = place_shown(td, e, output);
  if (*shown == NULL) *shown = malloc((size_t)b->count * sizeof **shown + 1);
  if (*shown == NULL || !session_read_output(td->session, e, output, 0, b->count, *shown, NULL))
    return NULL;
  *rank = b->rank;
  memcpy(shape, b->shape, (size_t)b->rank * sizeof *shape);
  return *shown;
}
