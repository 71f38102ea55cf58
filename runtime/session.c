/* SPDX-License-Identifier: MIT */
/* Binding a program to memory and running its entries. */
#include "runtime/session.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/cpu/block.h"
#include "runtime/store/checkpoint.h"
#include "runtime/session_internal.h"

/* ---- memory ------------------------------------------------------------------- */

static size_t state_bytes(const TdProgram *p, int state) {
  return (size_t)p->states[state].count * td_type_size(p->states[state].type);
}

static size_t buffer_bytes(const TdBuffer *b) { return (size_t)b->count * td_type_size(b->type); }

static size_t arena_bytes(const TdProgram *p) {
  size_t most = 0;
  for (int e = 0; e < p->nentries; e++)
    if (p->entries[e].arena_bytes > most) most = p->entries[e].arena_bytes;
  return most;
}

static size_t scratch_bytes(const TdProgram *p) {
  size_t most = 0;
  for (int k = 0; k < p->nkernels; k++)
    if (p->kernels[k].launch.cpu.scratch > most) most = p->kernels[k].launch.cpu.scratch;
  return most;
}

static bool memory_fits(const TdProgram *p, int threads, TdError *err) {
  size_t need;
  if (!td_program_memory(p, threads, &need))
    return td_fail(err, TD_BAD_FILE, "the program needs more memory than can be counted");
  double have = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
  if (have > 0 && (double)need > have)
    return td_fail(
        err, TD_IO_FAILED,
        "the program needs %.1f GB of memory, this machine has %.1f GB; a smaller batch?",
        (double)need / 1e9, have / 1e9);
  return true;
}

/* ---- binding -------------------------------------------------------------------- */

static bool bind_buffers(Session *s, Bound *b, TdError *err) {
  const TdEntry *e = b->entry;
  for (int i = 0; i < e->nbuffers; i++) {
    const TdBuffer *x = &e->buffers[i];
    size_t bytes = buffer_bytes(x);
    switch (x->kind) {
    case TD_TEMP:
      if (x->offset > e->arena_bytes || bytes > e->arena_bytes - x->offset)
        bug("%s: buffer %s lies outside the arena", e->name, x->name);
      b->at[i] = s->arena + x->offset;
      break;
    case TD_STATE:
      if (x->state < 0 || x->state >= s->program->nstates)
        bug("%s: buffer %s has no state", e->name, x->name);
      b->at[i] = s->states[x->state] + x->offset;
      break;
    case TD_INPUT:
    case TD_CONST:
    case TD_KEPT:
      b->at[i] = block_new(bytes);
      if (b->at[i] == NULL) return td_fail_memory(err);
      if (x->kind == TD_CONST && bytes > 0) memcpy(b->at[i], x->data, bytes);
      break;
    }
  }
  return true;
}

static void bind_steps(Bound *b) {
  const TdEntry *e = b->entry;
  int open[TD_MAX_LOOPS], depth = 0, at = 0;
  for (int i = 0; i < e->nsteps; i++) {
    const TdStep *step = &e->steps[i];
    b->first_arg[i] = at;
    switch (step->kind) {
    case TD_LAUNCH:
      for (int k = 0; k < step->nargs; k++) b->args[at++] = b->at[step->args[k]];
      break;
    case TD_LOOP:
      if (depth == TD_MAX_LOOPS || step->slot < 0 || step->slot >= TD_MAX_LOOPS)
        bug("%s: loops too deep", e->name);
      open[depth++] = i;
      break;
    case TD_END:
      if (depth == 0) bug("%s: a loop ends that did not begin", e->name);
      b->match[i] = open[--depth];
      b->match[open[depth]] = i;
      break;
    }
  }
  if (depth != 0) bug("%s: a loop does not end", e->name);
}

static bool bind_entry(Session *s, int index, TdError *err) {
  Bound *b = &s->bound[index];
  const TdEntry *e = b->entry = &s->program->entries[index];
  size_t args = 0;
  for (int i = 0; i < e->nsteps; i++)
    if (e->steps[i].kind == TD_LAUNCH) args += (size_t)e->steps[i].nargs;
  b->at = calloc((size_t)e->nbuffers + 1, sizeof *b->at);
  b->args = calloc(args + 1, sizeof *b->args);
  b->first_arg = calloc((size_t)e->nsteps + 1, sizeof *b->first_arg);
  b->match = calloc((size_t)e->nsteps + 1, sizeof *b->match);
  if (b->at == NULL || b->args == NULL || b->first_arg == NULL || b->match == NULL)
    return td_fail_memory(err);
  if (!bind_buffers(s, b, err)) return false;
  bind_steps(b);
  return true;
}

static bool session_fill(Session *s, TdError *err) {
  const TdProgram *p = s->program;
  for (int i = 0; i < p->nstates; i++)
    if ((s->states[i] = block_new(state_bytes(p, i))) == NULL) return td_fail_memory(err);
  if ((s->arena = block_new(arena_bytes(p))) == NULL) return td_fail_memory(err);
  for (int t = 0; t < pool_threads(s->pool); t++)
    if ((s->scratch[t] = block_new(scratch_bytes(p))) == NULL) return td_fail_memory(err);
  for (int e = 0; e < p->nentries; e++)
    if (!bind_entry(s, e, err)) return false;
  return true;
}

Session *session_new(const TdProgram *p, Jit *jit, Pool *pool, TdError *err) {
  if (!memory_fits(p, pool_threads(pool), err)) return NULL;
  Session *s = calloc(1, sizeof *s);
  if (s == NULL) {
    td_fail_memory(err);
    return NULL;
  }
  s->program = p;
  s->jit = jit;
  s->pool = pool;
  s->states = calloc((size_t)p->nstates + 1, sizeof *s->states);
  s->bound = calloc((size_t)p->nentries + 1, sizeof *s->bound);
  s->scratch = calloc((size_t)pool_threads(pool) + 1, sizeof *s->scratch);
  bool ok = (s->states != NULL && s->bound != NULL && s->scratch != NULL) || td_fail_memory(err);
  if (ok && session_fill(s, err)) return s;
  session_free(s);
  return NULL;
}

void session_free(Session *s) {
  if (s == NULL) return;
  reference_free(s->reference);
  for (int e = 0; s->bound != NULL && e < s->program->nentries; e++) {
    Bound *b = &s->bound[e];
    for (int i = 0; b->at != NULL && i < b->entry->nbuffers; i++) {
      const TdBuffer *x = &b->entry->buffers[i];
      if (x->kind != TD_TEMP && x->kind != TD_STATE) block_free(b->at[i], buffer_bytes(x));
    }
    free(b->at);
    free(b->args);
    free(b->first_arg);
    free(b->match);
  }
  for (int i = 0; s->states != NULL && i < s->program->nstates; i++)
    block_free(s->states[i], state_bytes(s->program, i));
  for (int t = 0; s->scratch != NULL && t < pool_threads(s->pool); t++)
    block_free(s->scratch[t], scratch_bytes(s->program));
  free(s->states);
  free(s->scratch);
  free(s->bound);
  block_free(s->arena, arena_bytes(s->program));
  free(s);
}

const TdProgram *session_program(const Session *s) { return s->program; }

int session_entry(const Session *s, const char *name) {
  for (int e = 0; e < s->program->nentries; e++)
    if (strcmp(s->program->entries[e].name, name) == 0) return e;
  return -1;
}

/* ---- kernels ---------------------------------------------------------------------------- */

static bool means(const char *name, const TdEntry *e) {
  size_t n = strlen(name);
  return n > 0 && name[n - 1] == '.' ? strncmp(name, e->name, n) == 0 : strcmp(name, e->name) == 0;
}

bool session_need(Session *s, const char *const *names, TdError *err) {
  if (s->reference != NULL) return true;
  int *entries = calloc((size_t)s->program->nentries + 1, sizeof *entries), n = 0;
  if (entries == NULL) return td_fail_memory(err);
  for (int e = 0; e < s->program->nentries; e++) {
    bool wanted = false;
    for (int i = 0; names[i] != NULL; i++)
      wanted = wanted || means(names[i], &s->program->entries[e]);
    if (wanted) entries[n++] = e;
  }
  bool ok = jit_need(s->jit, entries, n, err);
  free(entries);
  return ok;
}

bool session_need_one(Session *s, int entry, TdError *err) {
  return s->reference != NULL || jit_need(s->jit, &entry, 1, err);
}

/* ---- inputs and outputs -------------------------------------------------------------- */

static int find_input(const Session *s, int entry, const char *name) {
  const TdEntry *e = &s->program->entries[entry];
  for (int i = 0; i < e->nbuffers; i++)
    if (e->buffers[i].kind == TD_INPUT && strcmp(e->buffers[i].name, name) == 0) return i;
  return -1;
}

const TdBuffer *session_input(const Session *s, int entry, const char *name) {
  int i = find_input(s, entry, name);
  return i < 0 ? NULL : &s->program->entries[entry].buffers[i];
}

/* The input's storage when it takes n values of that kind. */
static char *input_storage(Session *s, int entry, const char *name, int64_t n, const TdBuffer **b,
                           TdError *err) {
  int i = find_input(s, entry, name);
  const char *where = s->program->entries[entry].name;
  if (i < 0) {
    td_fail(err, TD_BAD_USAGE, "%s has no input '%s'", where, name);
    return NULL;
  }
  *b = &s->program->entries[entry].buffers[i];
  if ((*b)->count != n) {
    td_fail(err, TD_BAD_USAGE, "%s: '%s' takes %" PRId64 " values, not %" PRId64, where, name,
            (*b)->count, n);
    return NULL;
  }
  return s->bound[entry].at[i];
}

bool session_set_ints(Session *s, int entry, const char *name, const int32_t *x, int64_t n,
                      TdError *err) {
  const TdBuffer *b;
  char *to = input_storage(s, entry, name, n, &b, err);
  if (to == NULL) return false;
  if (b->type != TD_I32) return td_fail(err, TD_BAD_USAGE, "'%s' does not take integers", name);
  for (int64_t i = 0; i < n; i++)
    if (x[i] < b->lo || x[i] > b->hi)
      return td_fail(err, TD_BAD_USAGE,
                     "'%s'[%" PRId64 "] is %" PRId32 ", outside %" PRId64 " .. %" PRId64, name, i,
                     x[i], b->lo, b->hi);
  memcpy(to, x, (size_t)n * sizeof *x);
  return true;
}

bool session_set_reals(Session *s, int entry, const char *name, const float *x, int64_t n,
                       TdError *err) {
  const TdBuffer *b;
  char *to = input_storage(s, entry, name, n, &b, err);
  if (to == NULL) return false;
  return st_convert(checkpoint_type(b->type), to, ST_F32, x, (size_t)n) ||
         td_fail(err, TD_BAD_USAGE, "'%s' does not take real numbers", name);
}

bool session_set_bools(Session *s, int entry, const char *name, const uint8_t *x, int64_t n,
                       TdError *err) {
  const TdBuffer *b;
  char *to = input_storage(s, entry, name, n, &b, err);
  if (to == NULL) return false;
  if (b->type != TD_U8) return td_fail(err, TD_BAD_USAGE, "'%s' does not take truth values", name);
  for (int64_t i = 0; i < n; i++) to[i] = x[i] != 0;
  return true;
}

bool session_set_number(Session *s, int entry, const char *name, double x, TdError *err) {
  const TdBuffer *b = session_input(s, entry, name);
  if (b == NULL || b->type != TD_I32)
    return session_set_reals(s, entry, name, &(float){(float)x}, 1, err);
  if (!(x >= (double)b->lo && x <= (double)b->hi) || x != floor(x))
    return td_fail(err, TD_BAD_USAGE, "'%s' is %g, not a whole number in %" PRId64 " .. %" PRId64,
                   name, x, b->lo, b->hi);
  return session_set_ints(s, entry, name, &(int32_t){(int32_t)x}, 1, err);
}

static int find_output(const Session *s, int entry, const char *name) {
  const TdEntry *e = &s->program->entries[entry];
  for (int i = 0; i < e->noutputs; i++)
    if (strcmp(e->outputs[i].name, name) == 0) return e->outputs[i].buffer;
  return -1;
}

const TdBuffer *session_output(const Session *s, int entry, const char *name) {
  int i = find_output(s, entry, name);
  return i < 0 ? NULL : &s->program->entries[entry].buffers[i];
}

const void *session_output_data(const Session *s, int entry, const char *name) {
  int i = find_output(s, entry, name);
  return i < 0 ? NULL : s->bound[entry].at[i];
}

double session_scalar(const Session *s, int entry, const char *name) {
  const TdBuffer *b = session_output(s, entry, name);
  const void *p = session_output_data(s, entry, name);
  if (b == NULL || b->count < 1) return (double)NAN;
  switch (b->type) {
  case TD_F32: return (double)*(const float *)p;
  case TD_F64: return *(const double *)p;
  case TD_BF16: return (double)f32_from_bf16(*(const uint16_t *)p);
  case TD_F16: return (double)f32_from_f16(*(const uint16_t *)p);
  case TD_I32: return *(const int32_t *)p;
  case TD_U8: return *(const uint8_t *)p;
  }
  return (double)NAN;
}

int session_state(const Session *s, const char *name) {
  for (int i = 0; i < s->program->nstates; i++)
    if (strcmp(s->program->states[i].name, name) == 0) return i;
  return -1;
}

void *session_state_data(const Session *s, int state) { return s->states[state]; }
void *const *session_states(const Session *s) { return (void *const *)s->states; }

void session_clear(Session *s) {
  for (int i = 0; i < s->program->nstates; i++)
    block_clear(s->states[i], state_bytes(s->program, i));
}

/* ---- running -------------------------------------------------------------------------- */

typedef struct Launch {
  KernelFunction *function;
  TdCall call;
  char **scratch;
} Launch;

static void launch_pieces(void *ctx, int worker, int64_t begin, int64_t end) {
  const Launch *l = ctx;
  TdCall call = l->call;
  call.scratch = l->scratch[worker];
  l->function(&call, begin, end);
}

void session_run_hooked(Session *s, int entry, uint64_t seed, int64_t step_number, bool again,
                        StepHook *hook, void *ctx) {
  const Bound *b = &s->bound[entry];
  const TdEntry *e = b->entry;
  TdControl control = {.seed = seed, .step = step_number};
  int64_t ix[TD_MAX_LOOPS] = {0};
  if (!jit_has(s->jit, entry)) bug("%s: its kernels were never compiled", e->name);
  for (int i = 0; i < e->nsteps; i++) {
    const TdStep *step = &e->steps[i];
    if (again && step->once) {
      if (step->kind == TD_LOOP) i = b->match[i];
      continue;
    }
    switch (step->kind) {
    case TD_LAUNCH: {
      Launch l = {jit_kernel(s->jit, step->kernel),
                  {b->args + b->first_arg[i], ix, NULL, &control, ++s->launches},
                  s->scratch};
      if (hook != NULL) hook(ctx, s, b, i, true);
      pool_run(s->pool, launch_pieces, &l, s->program->kernels[step->kernel].launch.cpu.pieces);
      if (hook != NULL) hook(ctx, s, b, i, false);
      break;
    }
    case TD_LOOP:
      if (step->count < 1)
        i = b->match[i];
      else
        ix[step->slot] = step->reverse ? step->count - 1 : 0;
      break;
    case TD_END: {
      const TdStep *loop = &e->steps[b->match[i]];
      ix[loop->slot] += loop->reverse ? -1 : 1;
      if (ix[loop->slot] >= 0 && ix[loop->slot] < loop->count) i = b->match[i];
      break;
    }
    }
  }
}

void session_run(Session *s, int entry, uint64_t seed, int64_t step) {
  if (s->reference != NULL)
    reference_run(s->reference, s, entry, seed, step);
  else
    session_run_hooked(s, entry, seed, step, false, NULL, NULL);
}

void session_run_again(Session *s, int entry, uint64_t seed, int64_t step) {
  if (s->reference != NULL)
    reference_run(s->reference, s, entry, seed, step);
  else
    session_run_hooked(s, entry, seed, step, true, NULL, NULL);
}
