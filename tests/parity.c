/* SPDX-License-Identifier: MIT */
/* Models against PyTorch: losses of the first training steps, every parameter's
 * gradient and how far the optimizer moved it, from the values in
 * tests/parity/values (see the README there). The evaluator must agree to
 * rounding, compiled code to single precision.
 *
 *   parity [NAME ...]           all, or the named ones
 *
 * Compiled is what model_in_depth says; with names or TDC_TEST_LONG=1, every model.
 *
 * Both sides start from the same numbers without exchanging any: weights, tokens
 * and draws are functions of (seed, name, position). */
#include <dirent.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/eval/eval.h"
#include "compiler/ir/draws.h"
#include "tests/model.h"

typedef struct Tolerance {
  double loss, gradient, moved;
} Tolerance;
/* Adam divides by the gradient's own size: where that is nothing but rounding, so
 * is the move, hence the wider bounds of the last column. */
static const Tolerance exact = {1e-11, 1e-9, 1e-7}, single = {1e-5, 1e-4, 1e-2};
/* Factors with 8 bits, and hence what they make of it: a loss of many terms is far
 * better than one of them. Moves are signs of gradients, so they are not compared. */
static const Tolerance narrow = {1e-3, 3e-2, 0};

typedef struct Parity {
  const char *name;
  json_t *values;
  Model model;
  uint64_t seed;
  double scale;
  int wrong;
} Parity;

/* One side of the comparison: training steps over flat states. */
typedef struct Side {
  const char *name;
  const Tolerance *tolerance;
  double *before[2], *now[2],
      *moment[2];         /* params.matrix, params.vector; the optimizer's first moment */
  double loss, grad_norm; /* of the last step; grad_norm NaN without clipping */
} Side;

static const char *const flat_name[2] = {"matrix", "vector"};

static void differs(Parity *p, const Side *side, const char *what, const char *tensor, double got,
                    double want) {
  if (p->wrong++ < 12)
    fprintf(stderr, "%s: %s: %s of %s is %.17g, PyTorch has %.17g\n", p->name, side->name, what,
            tensor, got, want);
}

/* ---- the common start ------------------------------------------------------------- */

static int64_t parameter_count(const UnitParameter *q) {
  int64_t n = 1;
  for (int i = 0; i < q->rank; i++) n *= q->shape[i];
  return n;
}

static int flat_of(const UnitParameter *q) { return strcmp(q->state, "params.vector") == 0; }

static int64_t flat_count(const Unit *u, int k) {
  int64_t n = 0;
  for (int i = 0; i < u->nparameters; i++)
    if (flat_of(&u->parameters[i]) == k) n += parameter_count(&u->parameters[i]);
  return n;
}

static void start_weights(const Parity *p, const UnitParameter *q, double *to) {
  char place[512];
  snprintf(place, sizeof place, "parity:%s", q->name);
  const uint32_t site = draw_site(place);
  const char *last = strrchr(q->name, '.');
  const double middle = last && strcmp(last, ".gain") == 0 ? 1 : 0;
  for (int64_t i = 0, n = parameter_count(q); i < n; i++)
    to[i] = middle + (draw_uniform(p->seed, 0, site, (uint64_t)i) - 0.5) * p->scale;
}

static void side_start(const Parity *p, Side *s) {
  const Unit *u = p->model.unit;
  for (int k = 0; k < 2; k++) {
    int64_t n = flat_count(u, k);
    s->before[k] = NEWN(p->model.arena, double, n + 1);
    s->now[k] = NEWN(p->model.arena, double, n + 1);
    s->moment[k] = NEWN(p->model.arena, double, n + 1);
  }
  for (int i = 0; i < u->nparameters; i++) {
    const UnitParameter *q = &u->parameters[i];
    start_weights(p, q, s->before[flat_of(q)] + q->offset);
  }
}

static int32_t token(const Parity *p, int64_t step, int64_t i) {
  double u = draw_uniform(p->seed, (uint64_t)step, draw_site("parity:x"), (uint64_t)i);
  double vocab = (double)p->model.unit->data_info[0].vocab;
  return (int32_t)fmin(floor(u * vocab), vocab - 1);
}

static const char *state_name(const Parity *p, const char *of, int k) {
  return arena_printf(p->model.arena, "%s.%s", of, flat_name[k]);
}

static const char *moment_of(const Parity *p) {
  return arena_printf(p->model.arena, "%s.m", p->model.unit->train.optimizer);
}

/* What of the gradient the first moment holds after one step. */
static double moment_share(const Parity *p) {
  return strcmp(p->model.unit->train.optimizer, "sgd") == 0 ? 1 : 1 - 0.9;
}

/* ---- one training step, on either side -------------------------------------------- */

static const UnitInput *tokens_input(const UnitEntry *e) {
  for (int i = 0; i < e->ninputs; i++)
    if (e->inputs[i].data) return &e->inputs[i];
  bug("%s reads no data", e->name);
}

static void copy_out(Eval *ev, const Graph *g, const char *name, double *to) {
  Node *n = graph_leaf(g, N_STATE, name);
  if (n) memcpy(to, eval_bind(ev, n), (size_t)ir_count(n) * sizeof *to);
}

static bool evaluator_step(Parity *p, Side *s, Eval *ev, int64_t step) {
  const UnitEntry *e = unit_entry(p->model.unit, "train");
  Node *x = graph_leaf(e->graph, N_INPUT, tokens_input(e)->name),
       *norm = graph_output(e->graph, "grad_norm");
  for (int64_t i = 0; i < ir_count(x); i++) eval_bind(ev, x)[i] = token(p, step, i);
  eval_set_step(ev, step);
  const char *why = eval_run(ev);
  if (why) {
    fprintf(stderr, "%s: evaluator: %s\n", p->name, why);
    p->wrong++;
    return false;
  }
  s->loss = *eval_value(ev, graph_output(e->graph, "loss"));
  s->grad_norm = norm ? *eval_value(ev, norm) : (double)NAN;
  for (int k = 0; k < 2; k++) {
    copy_out(ev, e->graph, state_name(p, "params", k), s->now[k]);
    copy_out(ev, e->graph, state_name(p, moment_of(p), k), s->moment[k]);
  }
  return true;
}

static void copy_state(const Running *r, const char *name, double *to, const double *from) {
  int i = session_state(r->session, name);
  if (i < 0) return;
  const TdState *s = &session_program(r->session)->states[i];
  void *data = state_of(r->session, i);
  for (int64_t k = 0; k < s->count; k++) {
    if (from)
      ((float *)data)[k] = (float)from[k];
    else
      to[k] = typed_value(data, s->type, k);
  }
  if (from) session_write_state(r->session, i, 0, s->count, data);
  free(data);
}

static bool compiled_step(Parity *p, Side *s, Running *r, int64_t step) {
  const UnitInput *in = tokens_input(unit_entry(p->model.unit, "train"));
  int entry = session_entry(r->session, "train");
  int64_t n = in->shape[0] * in->shape[1];
  int32_t *x = NEWN(p->model.arena, int32_t, n);
  for (int64_t i = 0; i < n; i++) x[i] = token(p, step, i);
  TdError err = {0};
  if (!session_set_ints(r->session, entry, in->name, x, n, &err)) {
    fprintf(stderr, "%s: %s\n", p->name, err.message);
    p->wrong++;
    return false;
  }
  session_run(r->session, entry, p->seed, step);
  s->loss = session_scalar(r->session, entry, "loss");
  s->grad_norm = session_scalar(r->session, entry, "grad_norm");
  for (int k = 0; k < 2; k++) {
    copy_state(r, state_name(p, "params", k), s->now[k], NULL);
    copy_state(r, state_name(p, moment_of(p), k), s->moment[k], NULL);
  }
  return true;
}

/* ---- comparing -------------------------------------------------------------------- */

static double number(const json_t *object, const char *key) {
  return json_number_value(json_object_get(object, key));
}

static double at(const json_t *array, size_t i) {
  return json_number_value(json_array_get(array, i));
}

/* The tensor x[0 .. n) against the summary of PyTorch's. */
static void compare_tensor(Parity *p, const Side *s, const char *what, const char *name,
                           const double *x, int64_t n, const json_t *want, double tolerance) {
  double square = 0, sum = 0, norm = number(want, "norm"),
         spread = tolerance * norm * sqrt((double)n) + 1e-300;
  const json_t *signs = json_object_get(want, "signed"), *places = json_object_get(want, "at");
  const json_t *values = json_object_get(want, "value");
  double *sum_signed = NEWN(p->model.arena, double, json_array_size(signs) + 1);
  char place[512];
  snprintf(place, sizeof place, "parity:sign:%s", name);
  const uint32_t site = draw_site(place);
  for (int64_t i = 0; i < n; i++) {
    square += x[i] * x[i];
    sum += x[i];
    for (size_t k = 0; k < json_array_size(signs); k++)
      sum_signed[k] += draw_uniform(p->seed, k, site, (uint64_t)i) < 0.5 ? -x[i] : x[i];
  }
  const char *label = arena_printf(p->model.arena, "the norm of the %s", what);
  if (!(fabs(sqrt(square) - norm) <= tolerance * norm))
    differs(p, s, label, name, sqrt(square), norm);
  label = arena_printf(p->model.arena, "the sum of the %s", what);
  if (!(fabs(sum - number(want, "sum")) <= spread))
    differs(p, s, label, name, sum, number(want, "sum"));
  for (size_t k = 0; k < json_array_size(signs); k++) {
    label = arena_printf(p->model.arena, "the signed sum of the %s", what);
    if (!(fabs(sum_signed[k] - at(signs, k)) <= spread))
      differs(p, s, label, name, sum_signed[k], at(signs, k));
  }
  double apart = 0;
  for (size_t k = 0; k < json_array_size(places); k++) {
    double d = x[json_integer_value(json_array_get(places, k))] - at(values, k);
    apart += d * d;
  }
  label = arena_printf(p->model.arena, "the distance at %zu places of the %s",
                       json_array_size(places), what);
  if (!(sqrt(apart) <= tolerance * norm)) differs(p, s, label, name, sqrt(apart), 0);
}

static void compare_tensors(Parity *p, const Side *s, bool gradient) {
  const Unit *u = p->model.unit;
  double scale = 1;
  if (gradient)
    scale = 1 / moment_share(p) / (isnan(s->grad_norm) ? 1 : fmin(1, 1 / (s->grad_norm + 1e-6)));
  for (int i = 0; i < u->nparameters; i++) {
    const UnitParameter *q = &u->parameters[i];
    const json_t *want = json_object_get(json_object_get(p->values, "tensors"), q->name);
    int64_t n = parameter_count(q);
    int k = flat_of(q);
    double *x = malloc((size_t)n * sizeof *x);
    for (int64_t j = 0; j < n; j++)
      x[j] = gradient ? scale * s->moment[k][q->offset + j]
                      : s->now[k][q->offset + j] - s->before[k][q->offset + j];
    compare_tensor(p, s, gradient ? "gradient" : "move", q->name, x, n,
                   json_object_get(want, gradient ? "gradient" : "moved"),
                   gradient ? s->tolerance->gradient : s->tolerance->moved);
    free(x);
  }
}

static bool same_parameters(Parity *p) {
  const Unit *u = p->model.unit;
  const json_t *tensors = json_object_get(p->values, "tensors");
  bool same = (size_t)u->nparameters == json_object_size(tensors);
  if (!same)
    fprintf(stderr, "%s: %d parameters, PyTorch has %zu\n", p->name, u->nparameters,
            json_object_size(tensors));
  for (int i = 0; i < u->nparameters; i++) {
    const UnitParameter *q = &u->parameters[i];
    const json_t *shape = json_object_get(json_object_get(tensors, q->name), "shape");
    bool good = shape && json_array_size(shape) == (size_t)q->rank;
    for (int k = 0; good && k < q->rank; k++)
      good = json_integer_value(json_array_get(shape, (size_t)k)) == q->shape[k];
    if (!good)
      fprintf(stderr, "%s: %s: PyTorch has no parameter of that name and shape\n", p->name,
              q->name);
    same = same && good;
  }
  p->wrong += !same;
  return same;
}

static void run_side(Parity *p, Side *s, Eval *ev, Running *r) {
  const json_t *losses = json_object_get(p->values, "loss");
  bool going = true;
  for (size_t i = 0; going && i < json_array_size(losses); i++) {
    int64_t step = (int64_t)i + 1;
    going = ev ? evaluator_step(p, s, ev, step) : compiled_step(p, s, r, step);
    if (!going) return;
    double want = at(losses, i);
    char label[32];
    snprintf(label, sizeof label, "step %zu", i + 1);
    /* errors of one step feed the next */
    double tolerance = s->tolerance->loss * pow(10, (double)i);
    if (!(fabs(s->loss - want) <= tolerance * fabs(want)))
      differs(p, s, "the loss", label, s->loss, want);
    if (i == 0) compare_tensors(p, s, true);
  }
  if (s->tolerance->moved > 0) compare_tensors(p, s, false);
}

/* The compiled program, of whatever storage, on so many threads. */
static void run_threads(Parity *p, Side *s, int threads) {
  Running r;
  side_start(p, s);
  if ((p->model.jit || model_build(&p->model)) && running_open(&r, &p->model, threads)) {
    for (int k = 0; k < 2; k++) copy_state(&r, state_name(p, "params", k), NULL, s->before[k]);
    run_side(p, s, NULL, &r);
    running_close(&r);
  } else {
    p->wrong++;
  }
}

/* Three threads come to the same bits as one. */
static void run_compiled(Parity *p, const char *name, const Tolerance *tolerance) {
  Side one = {.name = name, .tolerance = tolerance}, three = one;
  run_threads(p, &one, 1);
  run_threads(p, &three, 3);
  for (int k = 0; k < 2; k++) {
    size_t bytes = (size_t)flat_count(p->model.unit, k) * sizeof(double);
    if (bytes > 0 && memcmp(one.now[k], three.now[k], bytes) != 0)
      differs(p, &three, "with three threads a number", flat_name[k], three.loss, one.loss);
  }
}

static void run_exact(Parity *p) {
  Graph *g = unit_entry(p->model.unit, "train")->graph;
  Side a = {.name = "evaluator", .tolerance = &exact};
  side_start(p, &a);
  Eval *ev = eval_new(g, p->seed, 1);
  for (int k = 0; k < 2; k++) {
    Node *n = graph_leaf(g, N_STATE, state_name(p, "params", k));
    if (n) memcpy(eval_bind(ev, n), a.before[k], (size_t)ir_count(n) * sizeof(double));
  }
  run_side(p, &a, ev, NULL);
  eval_free(ev);
}

static bool run_case(const char *path, const char *name, bool whole) {
  json_error_t why;
  Parity p = {.name = name, .values = json_load_file(path, 0, &why)};
  if (!p.values) {
    fprintf(stderr, "%s:%d: %s\n", path, why.line, why.text);
    return false;
  }
  Define defines[16];
  int n = 0;
  const char *key;
  json_t *value;
  json_object_foreach(json_object_get(p.values, "define"), key, value) {
    if (n < 16) defines[n++] = (Define){key, json_string_value(value)};
  }
  p.seed = (uint64_t)json_integer_value(json_object_get(p.values, "seed"));
  p.scale = number(p.values, "scale");
  const char *file = json_string_value(json_object_get(p.values, "file"));
  const char *text = json_string_value(json_object_get(p.values, "text"));
  if (!model_open(&p.model, file, defines, n, text, 0, NULL)) {
    p.wrong++;
  } else if (same_parameters(&p)) {
    run_exact(&p);
    if (model_in_depth(file, whole)) run_compiled(&p, "compiled", &single);
  }
  model_close(&p.model);
  if (model_in_depth(file, whole)) {
    if (!model_open(&p.model, file, defines, n, text, 0, &(UnitOptions){.act = "bf16"}))
      p.wrong++;
    else
      run_compiled(&p, "in bf16", &narrow);
    model_close(&p.model);
  }
  json_decref(p.values);
  printf("%s %s\n", p.wrong ? "FAILED" : "passed", name);
  fflush(stdout);
  return p.wrong == 0;
}

static int is_values(const struct dirent *e) {
  size_t n = strlen(e->d_name);
  return n > 5 && strcmp(e->d_name + n - 5, ".json") == 0;
}

int main(int argc, char **argv) {
  const char *longer = getenv("TDC_TEST_LONG");
  const bool whole = argc > 1 || (longer && *longer == '1');
  static const char folder[] = "tests/parity/values";
  model_quick(NULL);
  struct dirent **files;
  int count = scandir(folder, &files, is_values, alphasort), passed = 0, failed = 0;
  if (count < 0) perror(folder);
  for (int i = 0; i < count; i++) {
    char path[512], name[256];
    snprintf(path, sizeof path, "%s/%s", folder, files[i]->d_name);
    snprintf(name, sizeof name, "%.*s", (int)(strlen(files[i]->d_name) - 5), files[i]->d_name);
    bool wanted = argc == 1;
    for (int k = 1; k < argc; k++) wanted = wanted || strcmp(argv[k], name) == 0;
    if (wanted) *(run_case(path, name, whole) ? &passed : &failed) += 1;
    free(files[i]);
  }
  if (count >= 0) free(files);
  if (passed + failed == 0) failed++;
  printf("%d passed, %d failed\n", passed, failed);
  return failed > 0;
}
