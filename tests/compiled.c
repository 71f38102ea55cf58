/* SPDX-License-Identifier: MIT */
/* Programs run without the runtime. See compiled.h. */
#define _GNU_SOURCE
#include "compiler/eval/eval.h"
#include "tests/compiled.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct Compiled {
  const TdProgram *p;
  const Library *library;
  int program;  /* of the library */
  Library *own; /* or NULL */
  char **state;
  char ***buffer; /* [entry][buffer] */
  char **arena;   /* [entry] */
  char *scratch;
  double *seconds; /* by kernel, while profiling */
  int64_t *launches;
};

static size_t type_size(TdType t) {
  return t == TD_F32 || t == TD_I32 ? 4 : t == TD_U8 ? 1 : t == TD_F64 ? 8 : 2;
}

static void *zeroed(size_t bytes) {
  size_t n = (bytes + 127) / 64 * 64;
  void *m = aligned_alloc(64, n);
  if (!m) abort();
  memset(m, 0, n);
  return m;
}

static void bind_buffers(Compiled *c) {
  const TdProgram *p = c->p;
  size_t scratch = 64;
  c->state = zeroed((size_t)(p->nstates + 1) * sizeof *c->state);
  for (int i = 0; i < p->nstates; i++)
    c->state[i] = zeroed((size_t)p->states[i].count * type_size(p->states[i].type));
  c->arena = zeroed((size_t)p->nentries * sizeof *c->arena);
  c->buffer = zeroed((size_t)p->nentries * sizeof *c->buffer);
  for (int e = 0; e < p->nentries; e++) {
    const TdEntry *entry = &p->entries[e];
    c->arena[e] = zeroed(entry->arena_bytes);
    memset(c->arena[e], 0x7e, entry->arena_bytes); /* large numbers: reading them shows */
    c->buffer[e] = zeroed((size_t)(entry->nbuffers + 1) * sizeof *c->buffer[e]);
    for (int i = 0; i < entry->nbuffers; i++) {
      const TdBuffer *b = &entry->buffers[i];
      switch (b->kind) {
      case TD_TEMP: c->buffer[e][i] = c->arena[e] + b->offset; break;
      case TD_STATE: c->buffer[e][i] = c->state[b->state] + b->offset; break;
      case TD_KEPT:
      case TD_INPUT: c->buffer[e][i] = zeroed(b->bytes); break;
      case TD_CONST: c->buffer[e][i] = (char *)b->data; break;
      }
    }
  }
  for (int i = 0; i < p->nkernels; i++)
    if (p->kernels[i].launch.cpu.scratch > scratch) scratch = p->kernels[i].launch.cpu.scratch;
  c->scratch = zeroed(scratch);
}

Compiled *compiled_of(const Library *l, int program) {
  Compiled *c = zeroed(sizeof *c);
  c->p = library_program(l, program);
  c->library = l;
  c->program = program;
  bind_buffers(c);
  return c;
}

Compiled *compiled_new(const TdProgram *p, const char *const *flags) {
  Library *l = library_new(&p, 1, flags);
  if (!l) return NULL;
  Compiled *c = compiled_of(l, 0);
  c->own = l;
  return c;
}

void compiled_free(Compiled *c) {
  if (!c) return;
  const TdProgram *p = c->p;
  for (int e = 0; e < p->nentries; e++) {
    for (int i = 0; i < p->entries[e].nbuffers; i++)
      if (p->entries[e].buffers[i].kind == TD_INPUT || p->entries[e].buffers[i].kind == TD_KEPT)
        free(c->buffer[e][i]);
    free(c->buffer[e]);
    free(c->arena[e]);
  }
  for (int i = 0; i < p->nstates; i++) free(c->state[i]);
  free(c->state);
  free(c->arena);
  free(c->buffer);
  free(c->scratch);
  library_free(c->own);
  free(c);
}

void *compiled_state(Compiled *c, int state) { return c->state[state]; }

static int input_buffer(const TdEntry *e, const char *name) {
  for (int i = 0; i < e->nbuffers; i++)
    if (e->buffers[i].kind == TD_INPUT && strcmp(e->buffers[i].name, name) == 0) return i;
  return -1;
}

void *compiled_input(Compiled *c, int entry, const char *name) {
  int i = input_buffer(&c->p->entries[entry], name);
  return i < 0 ? NULL : c->buffer[entry][i];
}

/* An element of a library product's matrix. */
static void *element(const TdOperand *o, char *const *arg, const int64_t *ix, int64_t at) {
  at += o->offset;
  for (int k = 0; k < TD_MAX_LOOPS; k++) at += o->by_slot[k] * ix[k];
  return arg[o->arg] + at * (int64_t)td_type_size(o->type);
}

/* What a library is asked for, by the definition; f32 only. */
static void multiply(const TdProduct *x, char *const *arg, const int64_t *ix) {
  if (x->a.type != TD_F32 || x->b.type != TD_F32 || x->c.type != TD_F32)
    bug("products of this type are not computed here");
  for (int64_t b = 0; b < x->batch; b++)
    for (int64_t m = 0; m < x->m; m++)
      for (int64_t n = 0; n < x->n; n++) {
        double sum = 0;
        for (int64_t k = 0; k < x->k; k++) {
          const float *l = element(&x->a, arg, ix, b * x->a.batch + m * x->a.row + k * x->a.column);
          const float *r = element(&x->b, arg, ix, b * x->b.batch + n * x->b.row + k * x->b.column);
          sum += (double)*l * (double)*r;
        }
        *(float *)element(&x->c, arg, ix, b * x->c.batch + m * x->c.row + n * x->c.column) =
            (float)(x->alpha * sum);
      }
}

static void launch(Compiled *c, int entry, const TdStep *s, const int64_t *ix,
                   const TdControl *control, int64_t chunk) {
  char *arg[256];
  for (int i = 0; i < s->nargs; i++)
    arg[i] = c->buffer[entry][s->args[i]] + (s->begins != NULL ? s->begins[i] : 0);
  TdCall call = {arg, ix, c->scratch, control, 0};
  if (c->p->kernels[s->kernel].kind == TD_PRODUCT) {
    multiply(c->p->kernels[s->kernel].product, arg, ix);
    return;
  }
  Kernel *kernel = library_kernel(c->library, c->program, s->kernel);
  int64_t pieces = c->p->kernels[s->kernel].launch.cpu.pieces;
  for (int64_t at = (pieces - 1) / chunk * chunk; at >= 0; at -= chunk)
    kernel(&call, at, at + chunk < pieces ? at + chunk : pieces);
}

static double thread_seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Steps from `at` to the end of the bracket; returns the step after it. */
static int run_steps(Compiled *c, int entry, int at, int64_t *ix, const TdControl *control,
                     int64_t chunk) {
  const TdEntry *e = &c->p->entries[entry];
  while (at < e->nsteps && e->steps[at].kind != TD_END) {
    const TdStep *s = &e->steps[at];
    if (s->kind == TD_LAUNCH) {
      double start = c->seconds ? thread_seconds() : 0;
      launch(c, entry, s, ix, control, chunk);
      if (c->seconds) {
        c->seconds[s->kernel] += thread_seconds() - start;
        c->launches[s->kernel]++;
      }
      at++;
    } else {
      int end = at + 1, depth = 1;
      for (; depth > 0; end++)
        depth += e->steps[end].kind == TD_LOOP ? 1 : e->steps[end].kind == TD_END ? -1 : 0;
      for (int64_t i = 0; i < s->count; i++) {
        ix[s->slot] = s->reverse ? s->count - 1 - i : i;
        run_steps(c, entry, at + 1, ix, control, chunk);
      }
      at = end;
    }
  }
  return at;
}

void compiled_run(Compiled *c, int entry, TdControl control, int64_t chunk) {
  int64_t ix[TD_MAX_LOOPS] = {0};
  run_steps(c, entry, 0, ix, &control, chunk < 1 ? 1 : chunk);
}

static int compare_seconds(const void *a, const void *b, void *ctx) {
  const double *s = ctx;
  double x = s[*(const int *)a], y = s[*(const int *)b];
  return x < y ? 1 : x > y ? -1 : 0;
}

void compiled_profile(Compiled *c, int entry, TdControl control, int runs) {
  const TdProgram *p = c->p;
  compiled_run(c, entry, control, INT64_MAX / 2);
  double *seconds = zeroed((size_t)p->nkernels * sizeof *seconds);
  c->launches = zeroed((size_t)p->nkernels * sizeof *c->launches);
  c->seconds = seconds;
  double start = thread_seconds();
  for (int i = 0; i < runs; i++) compiled_run(c, entry, control, INT64_MAX / 2);
  double total = (thread_seconds() - start) / runs;
  c->seconds = NULL;
  int *order = zeroed((size_t)p->nkernels * sizeof *order);
  for (int i = 0; i < p->nkernels; i++) order[i] = i;
  qsort_r(order, (size_t)p->nkernels, sizeof *order, compare_seconds, seconds);
  printf("%s: %.2f ms, %.1f GFLOP/s\n", p->entries[entry].name, 1e3 * total,
         1e-9 * p->entries[entry].flops / total);
  for (int i = 0; i < p->nkernels; i++) {
    const TdKernel *k = &p->kernels[order[i]];
    double s = seconds[order[i]] / runs, n = (double)c->launches[order[i]] / runs;
    if (c->launches[order[i]] == 0) continue;
    printf("%8.3f ms %5.1f%% x%-3.0f %8.2f GFLOP/s %7.2f GB/s  %-28s %s\n", 1e3 * s,
           100 * s / total, n, 1e-9 * n * k->flops / s, 1e-9 * n * k->bytes / s, k->name, k->where);
  }
  free(order);
  free(seconds);
  free(c->launches);
}

const void *compiled_output(Compiled *c, int entry, const char *name, TdType *type,
                            int64_t *count) {
  const TdEntry *e = &c->p->entries[entry];
  for (int i = 0; i < e->noutputs; i++)
    if (strcmp(e->outputs[i].name, name) == 0) {
      int b = e->outputs[i].buffer;
      *type = e->buffers[b].type;
      *count = e->buffers[b].count;
      return c->buffer[entry][b];
    }
  return NULL;
}

/* ---- against the evaluator ----------------------------------------------------------- */

static uint64_t next_random(uint64_t *s) {
  *s ^= *s << 13;
  *s ^= *s >> 7;
  *s ^= *s << 17;
  return *s;
}

TdControl compared_control(uint64_t seed) { return (TdControl){seed * 0x9E3779B97F4A7C15u + 1, 3}; }

double compared_value(const Node *n, uint64_t *s) {
  uint64_t r = next_random(s) >> 11;
  if (n->type == TY_REAL) return (double)((int64_t)(r % 129) - 64) / 64;
  if (n->type == TY_BOOL) return (double)(r & 1);
  int64_t lo = n->lo < -1000 ? -1000 : n->lo, hi = n->hi > 1000 ? 1000 : n->hi;
  return (double)(lo + (int64_t)(r % (uint64_t)(hi - lo + 1)));
}

void compared_store(void *to, Type t, int64_t i, double x) {
  if (t == TY_REAL)
    ((float *)to)[i] = (float)x;
  else if (t == TY_INT)
    ((int32_t *)to)[i] = (int32_t)x;
  else
    ((uint8_t *)to)[i] = x != 0;
}

static double load_as(const void *from, TdType t, int64_t i) {
  if (t == TD_F32) return ((const float *)from)[i];
  if (t == TD_I32) return ((const int32_t *)from)[i];
  return ((const uint8_t *)from)[i];
}

static bool close_enough(double a, double b, double tolerance) {
  if (isnan(a) || isnan(b)) return isnan(a) && isnan(b);
  if (isinf(a) || isinf(b))
    return a == b || (fabs(a) > 3e38 && fabs(b) > 3e38 && (a > 0) == (b > 0));
  double scale = fabs(a) > fabs(b) ? fabs(a) : fabs(b);
  return fabs(a - b) <= tolerance * (scale > 1 ? scale : 1);
}

int compared(const char *what, const double *want, const void *got, TdType type, int64_t count,
             double tolerance) {
  int wrong = 0;
  for (int64_t i = 0; i < count; i++) {
    double x = load_as(got, type, i);
    if (close_enough(want[i], x, tolerance)) continue;
    if (wrong++ < 4)
      fprintf(stderr, "%s[%lld]: %.9g, but the graph means %.9g\n", what, (long long)i, x, want[i]);
  }
  return wrong;
}

static int find_state(const TdProgram *p, const char *name) {
  for (int i = 0; i < p->nstates; i++)
    if (strcmp(p->states[i].name, name) == 0) return i;
  return -1;
}

int compiled_compare(Compiled *c, int entry, Graph *g, uint64_t seed, double tolerance,
                     int rounds) {
  TdControl control = compared_control(seed);
  Eval *ev = eval_new(g, control.seed, control.step);
  uint64_t random = control.seed | 1;
  int wrong = 0;
  for (int i = 0; i < g->top->nodes.n; i++) {
    Node *n = g->top->nodes.at[i];
    if (n->kind != N_INPUT && n->kind != N_STATE) continue;
    double *x = eval_bind(ev, n);
    if (n == g->step) {
      x[0] = (double)control.step;
      continue;
    }
    int state = n->kind == N_STATE ? find_state(c->p, n->name) : -1;
    void *to = state >= 0           ? c->state[state]
               : n->kind == N_INPUT ? compiled_input(c, entry, n->name)
                                    : NULL;
    for (int64_t k = 0; k < ir_count(n); k++) {
      x[k] = compared_value(n, &random);
      if (to) compared_store(to, n->type, k, x[k]);
    }
  }
  for (int round = 0; round < rounds && wrong == 0; round++) {
    const char *why = eval_run(ev);
    if (why) {
      fprintf(stderr, "evaluator: %s\n", why);
      wrong++;
      break;
    }
    compiled_run(c, entry, control, 1 + (int64_t)(seed % 3));
    for (int i = 0; i < g->outputs.n; i++) {
      TdType type;
      int64_t count;
      const void *got = compiled_output(c, entry, g->outputs.at[i].name, &type, &count);
      if (!got || count != ir_count(g->outputs.at[i].node))
        wrong++;
      else
        wrong += compared(g->outputs.at[i].name, eval_value(ev, g->outputs.at[i].node), got, type,
                          count, tolerance);
    }
    for (int i = 0; i < g->updates.n; i++) {
      Node *s = g->updates.at[i].state;
      int k = find_state(c->p, s->name);
      wrong += compared(s->name, eval_bind(ev, s), c->state[k], c->p->states[k].type,
                        c->p->states[k].count, tolerance);
    }
  }
  eval_free(ev);
  return wrong;
}
