/* SPDX-License-Identifier: MIT */
/* Which of the library's algorithms a product is computed by.
 *
 * The library offers several. One that splits the inner sum over blocks is not taken: see
 * product.h. Each of the others computes the product of numbers whose result is known to the last
 * bit, and what gives another is not taken either. Those that are left are timed in a graph, with
 * operands in turn as many as leave the cache, and the fastest is pinned in the cache of compiled
 * kernels: from then on it is that one, with the same bits, whoever asks, as long as library, GPU,
 * shape, strides and alignments are these. Without a cache times would decide anew in each process,
 * so the library's first good one is taken there. */
#include <stdlib.h>
#include <string.h>

#include "runtime/cuda/product_internal.h"
#include "runtime/cuda/timer.h"
#include "runtime/version.h"

enum { CANDIDATES = 8, SETS = 8, REPEATS = 16, LINE = 256 };

/* Products that are tried, in memory of their own. */
typedef struct Trial {
  const Products *products;
  Plan *plan;
  const ProductMatrix *matrix[3]; /* x, y, d */
  size_t span[3];                 /* bytes */
  uint32_t align[3];
  CudaAddress block;
  size_t set; /* bytes of x, y and d */
  int sets;   /* in the block; 0: there was no memory */
  BlasCandidate candidates[CANDIDATES];
  int n;
  double seconds[CANDIDATES]; /* of each; below 0: it is not taken */
  TdError *err;
} Trial;

static bool driver_failed(const Trial *t, CudaResult r) {
  return gpu_fail(t->products->tools.gpu, r, "trying a product", t->err);
}

/* ---- what is asked for ---------------------------------------------------------------------- */

static BlasStatus prefer(const BlasLt *b, const Plan *p, BlasPreference preference) {
  uint64_t workspace = TD_PRODUCT_MEMORY;
  uint32_t reductions = BLAS_NO_REDUCTION;
  const struct {
    BlasPreferenceAttribute what;
    const void *value;
    size_t bytes;
  } all[] = {{BLAS_WORKSPACE, &workspace, sizeof workspace},
             {BLAS_REDUCTIONS, &reductions, sizeof reductions},
             {BLAS_ALIGNMENT_A, &p->x_align, sizeof p->x_align},
             {BLAS_ALIGNMENT_B, &p->y_align, sizeof p->y_align},
             {BLAS_ALIGNMENT_C, &p->d_align, sizeof p->d_align},
             {BLAS_ALIGNMENT_D, &p->d_align, sizeof p->d_align}};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    BlasStatus r = b->cublasLtMatmulPreferenceSetAttribute(preference, all[i].what, all[i].value,
                                                           all[i].bytes);
    if (r != BLAS_OK) return r;
  }
  return BLAS_OK;
}

/* An algorithm with no part of the inner sum in another block. */
static bool sums_in_order(const BlasLt *b, const BlasAlgorithm *a) {
  int32_t parts = 0;
  uint32_t scheme = 0;
  size_t written;
  return b->cublasLtMatmulAlgoConfigGetAttribute(a, BLAS_SPLIT, &parts, sizeof parts, &written) ==
             BLAS_OK &&
         b->cublasLtMatmulAlgoConfigGetAttribute(a, BLAS_SCHEME, &scheme, sizeof scheme,
                                                 &written) == BLAS_OK &&
         parts <= 1 && scheme == BLAS_NO_REDUCTION;
}

static bool will_do(const BlasLt *b, const BlasCandidate *c) {
  return c->state == BLAS_OK && c->workspaceSize <= TD_PRODUCT_MEMORY && sums_in_order(b, &c->algo);
}

/* Those that may be taken, in the library's order. */
static bool ask(Trial *t) {
  const BlasLt *b = &t->products->blas;
  const Plan *p = t->plan;
  BlasPreference preference;
  int found = 0;
  BlasStatus r = b->cublasLtMatmulPreferenceCreate(&preference);
  if (r != BLAS_OK) return product_failed(t->products, p, r, "has no preferences", t->err);
  r = prefer(b, p, preference);
  if (r == BLAS_OK)
    r = b->cublasLtMatmulAlgoGetHeuristic(t->products->handle, p->product, p->x, p->y, p->d, p->d,
                                          preference, CANDIDATES, t->candidates, &found);
  b->cublasLtMatmulPreferenceDestroy(preference);
  for (int i = 0; i < found && r == BLAS_OK; i++)
    if (will_do(b, &t->candidates[i])) t->candidates[t->n++] = t->candidates[i];
  return (r == BLAS_OK && t->n > 0) ||
         product_failed(t->products, p, r, "has no algorithm for this product", t->err);
}

/* ---- memory to try in ------------------------------------------------------------------------ */

static int64_t batches_of(const Trial *t) {
  return t->products->program->kernels[t->plan->kernel].product->batch;
}

/* As the library sees it, in set i. */
static ProbeMatrix probe_of(const Trial *t, int k, CudaAddress at) {
  const ProductMatrix *m = t->matrix[k];
  const TdOperand *o = m->operand;
  return (ProbeMatrix){.at = at,
                       .bytes = (int)td_type_size(o->type),
                       .batches = o->batch != 0 ? batches_of(t) : 1,
                       .rows = m->rows,
                       .columns = m->columns,
                       .batch = o->batch,
                       .row = 1,
                       .column = m->leading};
}

/* No better aligned than the real ones are. */
static void places(const Trial *t, int set, CudaAddress at[3]) {
  CudaAddress from = t->block + (size_t)set * t->set;
  for (int k = 0; k < 3; k++) {
    at[k] = from + (t->align[k] < LINE ? t->align[k] : 0);
    from += t->span[k];
  }
}

static void measure(Trial *t) {
  const Plan *p = t->plan;
  const ProductMatrix *const matrix[3] = {&p->shape.x, &p->shape.y, &p->shape.d};
  const uint32_t align[3] = {p->x_align, p->y_align, p->d_align};
  for (int k = 0; k < 3; k++) {
    t->matrix[k] = matrix[k];
    t->align[k] = align[k];
    ProbeMatrix m = probe_of(t, k, 0);
    int64_t last = (m.batches - 1) * m.batch + (m.columns - 1) * m.column + m.rows;
    size_t bytes = (size_t)last * (size_t)m.bytes + LINE;
    t->span[k] = (bytes + LINE - 1) / LINE * LINE;
    t->set += t->span[k];
  }
}

/* As many sets as leave the cache, or one, or none. */
static void find_room(Trial *t, bool timed) {
  const CudaDriver *d = &t->products->tools.gpu->driver;
  size_t want = 2 * t->products->tools.gpu->cache / t->set + 1;
  t->sets = !timed ? 1 : want < 2 ? 2 : want > SETS ? SETS : (int)want;
  while (t->sets > 0 && d->cuMemAlloc_v2(&t->block, (size_t)t->sets * t->set) != CUDA_OK)
    t->sets = t->sets > 1 ? 1 : 0;
}

/* ---- numbers whose product is known ---------------------------------------------------------- */

/* Of x, along the inner sum: `first` in its first half, `rest` after it. y is 1. */
typedef struct Numbers {
  double first, rest;
} Numbers;

static uint32_t bits_of(TdType type, double x) {
  float f = (float)x;
  uint32_t u;
  memcpy(&u, &f, sizeof u);
  return type == TD_BF16 ? (u + 0x7fff + (u >> 16 & 1)) >> 16 : u;
}

static int64_t inner(const Trial *t) {
  return t->products->program->kernels[t->plan->kernel].product->k;
}

/* The inner sum along columns, whichever way the library takes the matrix. */
static ProbeMatrix along_sum(const Trial *t, int k, CudaAddress at) {
  ProbeMatrix m = probe_of(t, k, at);
  bool columns = k == 0 ? !t->matrix[0]->transposed : t->matrix[1]->transposed;
  if (columns) return m;
  return (ProbeMatrix){m.at, m.bytes, m.batches, m.columns, m.rows, m.batch, m.column, m.row};
}

static CudaResult fill_set(const Trial *t, int set, const Numbers *n) {
  CudaAddress at[3];
  places(t, set, at);
  TdType type = t->matrix[0]->operand->type;
  ProbeMatrix x = along_sum(t, 0, at[0]), y = along_sum(t, 1, at[1]);
  CudaResult r = probe_fill(t->products->tools.probe, &x, inner(t) / 2, bits_of(type, n->first),
                            bits_of(type, n->rest));
  uint32_t one = bits_of(type, 1);
  return r == CUDA_OK ? probe_fill(t->products->tools.probe, &y, 0, one, one) : r;
}

/* The product by a candidate, in a place of poison, and whether it is the known one. */
static CudaResult try_one(Trial *t, int i, uint32_t want) {
  CudaAddress at[3];
  const CudaDriver *d = &t->products->tools.gpu->driver;
  places(t, 0, at);
  ProbeMatrix m = probe_of(t, 2, at[2]);
  CudaResult r = d->cuMemsetD8Async(at[2], 0xff, t->span[2] - LINE, t->products->tools.gpu->stream);
  if (r != CUDA_OK) return r;
  if (product_start(t->products, t->plan, &t->candidates[i].algo, 1, at) != BLAS_OK)
    t->seconds[i] = -1;
  return probe_differ(t->products->tools.probe, &m, want, i);
}

static bool try_all(Trial *t, const Numbers *n) {
  int found[CANDIDATES];
  int64_t k = inner(t);
  double sum = (double)(k / 2) * n->first + (double)(k - k / 2) * n->rest;
  uint32_t want = bits_of(t->matrix[2]->operand->type, sum);
  CudaResult r = probe_forget(t->products->tools.probe);
  if (r == CUDA_OK) r = fill_set(t, 0, n);
  for (int i = 0; i < t->n && r == CUDA_OK; i++)
    if (t->seconds[i] >= 0) r = try_one(t, i, want);
  if (r == CUDA_OK)
    r = stage_download(t->products->tools.stage, found, t->products->tools.probe->found,
                       sizeof found);
  for (int i = 0; i < t->n && r == CUDA_OK; i++)
    if (found[i] != 0) t->seconds[i] = -1;
  return r == CUDA_OK || driver_failed(t, r);
}

/* Ones, whose product is the length of the sum. Then 1 and -1, whose product is 0 or -1, so that
 * what is left out shows in bf16 too; and in f32 a number that TF32 does not have, as far as f32
 * has each sum of it. */
static bool refuse_wrong(Trial *t) {
  int64_t k = inner(t);
  bool narrow = t->matrix[0]->operand->type == TD_BF16;
  Numbers ones = {1, 1}, halves = {!narrow && k <= 4096 ? 1 + 0x1p-12 : 1, -1};
  if (k > 1 << 24) return true; /* beyond, sums of ones are not exact */
  if (!try_all(t, &ones) || !try_all(t, &halves)) return false;
  for (int i = 0; i < t->n; i++)
    if (t->seconds[i] >= 0) return true;
  return product_failed(t->products, t->plan, BLAS_OK, "computes this product wrong by all it has",
                        t->err);
}

/* ---- times ----------------------------------------------------------------------------------- */

/* A candidate that does not start is not taken. */
static void start_turns(Trial *t, int i, int turns) {
  for (int k = 0; k < turns && t->seconds[i] >= 0; k++) {
    CudaAddress at[3];
    places(t, k % t->sets, at);
    if (product_start(t->products, t->plan, &t->candidates[i].algo, 1, at) != BLAS_OK)
      t->seconds[i] = -1;
  }
}

static CudaGraphExec graph_of_turns(Trial *t, int i, int turns) {
  const CudaDriver *d = &t->products->tools.gpu->driver;
  CudaStream stream = t->products->tools.gpu->stream;
  CudaGraph graph = NULL;
  CudaGraphExec exec = NULL;
  if (d->cuStreamBeginCapture_v2(stream, CUDA_CAPTURE_THREAD) != CUDA_OK) return NULL;
  start_turns(t, i, turns);
  if (d->cuStreamEndCapture(stream, &graph) != CUDA_OK) graph = NULL;
  if (t->seconds[i] >= 0 && graph != NULL &&
      d->cuGraphInstantiateWithFlags(&exec, graph, 0) != CUDA_OK)
    exec = NULL;
  if (graph != NULL) d->cuGraphDestroy(graph);
  return exec;
}

/* Seconds that the stream takes for what is started: the graph, or the candidate once. */
static CudaResult time_of(Trial *t, CudaGraphExec graph, int i, double *seconds) {
  const CudaDriver *d = &t->products->tools.gpu->driver;
  Timer timer = {.driver = d, .stream = t->products->tools.gpu->stream};
  CudaResult r = timer_mark(&timer);
  if (r == CUDA_OK && graph != NULL) r = d->cuGraphLaunch(graph, timer.stream);
  if (r == CUDA_OK && graph == NULL) start_turns(t, i, 1);
  if (r == CUDA_OK) r = timer_mark(&timer);
  if (r == CUDA_OK) r = d->cuStreamSynchronize(timer.stream);
  if (r == CUDA_OK) r = timer_read(&timer, 1, seconds);
  timer_close(&timer);
  return r;
}

/* One alone; then as many as a thousandth of a second has room for, the second time that their
 * graph runs. */
static CudaResult time_candidate(Trial *t, int i) {
  double once = 0, all = 0;
  CudaResult r = time_of(t, NULL, i, &once);
  int turns = once > 0 && 1e-3 / once < REPEATS ? (int)(1e-3 / once) : REPEATS;
  if (r != CUDA_OK || t->seconds[i] < 0) return r;
  CudaGraphExec graph = turns > 1 ? graph_of_turns(t, i, turns) : NULL;
  for (int k = 0; k < 2 && r == CUDA_OK && graph != NULL; k++) r = time_of(t, graph, i, &all);
  if (t->seconds[i] >= 0) t->seconds[i] = graph != NULL ? all / turns : once;
  if (graph != NULL) t->products->tools.gpu->driver.cuGraphExecDestroy(graph);
  return r;
}

/* The first good one, or the fastest: by a fiftieth at least, so that it is not chance alone. */
static bool choose(Trial *t, bool timed) {
  int best = -1;
  CudaResult r = CUDA_OK;
  Numbers halves = {1, -1};
  for (int s = 0; s < t->sets && timed && r == CUDA_OK; s++) r = fill_set(t, s, &halves);
  for (int i = 0; i < t->n && timed && r == CUDA_OK; i++)
    if (t->seconds[i] >= 0) r = time_candidate(t, i);
  if (r != CUDA_OK) return driver_failed(t, r);
  for (int i = 0; i < t->n; i++)
    if (t->seconds[i] >= 0 && (best < 0 || (timed && t->seconds[i] < 0.98 * t->seconds[best])))
      best = i;
  if (best >= 0) t->plan->algorithm = t->candidates[best].algo;
  return best >= 0 || product_failed(t->products, t->plan, BLAS_OK,
                                     "starts this product by nothing that it has", t->err);
}

/* ---- pins ---------------------------------------------------------------------------------- */

static void describe_matrix(StrBuf *s, const ProductMatrix *m, uint32_t align) {
  const TdOperand *o = m->operand;
  sb_printf(s, "%d %d %lld x %lld by %lld, %lld, %u\n", (int)o->type, m->transposed,
            (long long)m->rows, (long long)m->columns, (long long)m->leading, (long long)o->batch,
            align);
}

/* What the choice depends on. */
static bool make_key(const Products *s, Plan *p, TdError *err) {
  StrBuf text = {0};
  const Gpu *g = s->tools.gpu;
  sb_printf(&text, "%s cuBLASLt %zu, %s %d.%d, %d bytes, %lld\n", TDC_VERSION, s->blas.version,
            g->name, g->major, g->minor, (int)TD_PRODUCT_MEMORY,
            (long long)s->program->kernels[p->kernel].product->batch);
  describe_matrix(&text, &p->shape.x, p->x_align);
  describe_matrix(&text, &p->shape.y, p->y_align);
  describe_matrix(&text, &p->shape.d, p->d_align);
  bool ok = text.s != NULL && digest_of(text.s, text.n, p->key);
  sb_free(&text);
  return ok || td_fail_memory(err);
}

/* The cache that pins are kept in; NULL: there is none that is there next time. */
static Cache *open_pins(const Products *s) {
  const JitOptions *o = &s->tools.compiler->options;
  Cache *c = o->no_cache ? NULL : cache_open(o->hook, o->cache, false, NULL);
  if (c == NULL || cache_complaint(c) == NULL) return c;
  cache_close(c);
  return NULL;
}

/* A pin of another product, or of an algorithm that the library does not know, is none. */
static bool pinned(const Products *s, Plan *p, Cache *pins) {
  uint8_t *bytes;
  size_t n;
  BlasCandidate c = {0};
  if (pins == NULL || !cache_get(pins, p->key, "lt", &bytes, &n)) return false;
  bool ok = n == sizeof c.algo;
  if (ok) memcpy(&c.algo, bytes, n);
  free(bytes);
  p->algorithm = c.algo;
  ok = ok && s->blas.cublasLtMatmulAlgoCheck(s->handle, p->product, p->x, p->y, p->d, p->d,
                                             &p->algorithm, &c) == BLAS_OK;
  c.algo = p->algorithm;
  return ok && will_do(&s->blas, &c);
}

static bool known(const Products *s, Plan *p) {
  for (int i = 0; i < s->nplans; i++) {
    if (strcmp(s->plans[i].key, p->key) != 0) continue;
    p->algorithm = s->plans[i].algorithm;
    return true;
  }
  return false;
}

static bool try_and_choose(Trial *t, Cache *pins) {
  bool timed = pins != NULL;
  measure(t);
  find_room(t, timed);
  if (t->sets == 0) { /* no memory: the library's first */
    t->plan->algorithm = t->candidates[0].algo;
    return true;
  }
  bool ok = probe_ready(t->products->tools.probe, t->products->tools.compiler, t->err) &&
            refuse_wrong(t) && choose(t, timed);
  const BlasAlgorithm *chosen = &t->plan->algorithm;
  if (ok && timed && !cache_put(pins, t->plan->key, "lt", chosen, sizeof *chosen))
    ok = choose(t, false);
  t->products->tools.gpu->driver.cuMemFree_v2(t->block);
  return ok;
}

bool product_choose(const Products *s, Plan *p, TdError *err) {
  Trial t = {.products = s, .plan = p, .err = err};
  if (!make_key(s, p, err)) return false;
  if (known(s, p)) return true;
  Cache *pins = open_pins(s);
  bool ok = pinned(s, p, pins) || (ask(&t) && try_and_choose(&t, pins));
  cache_close(pins);
  return ok;
}
