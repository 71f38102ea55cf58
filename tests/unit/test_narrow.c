/* SPDX-License-Identifier: MIT */
/* What `precision { act bf16 }`, `product split6` and `product bf16` change in a program, what they
 * must not. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/model.h"

static const Define small[] = {{"B", "8"}, {"N", "2"}};

static void open_model(Model *m, const char *path, const char *act, const char *product) {
  UnitOptions o = {.act = act, .product = product, .no_samplers = true, .no_models = true};
  if (!model_open(m, path, small, 2, NULL, 65, &o)) fail_msg("it does not compile");
}

static void open_flagship(Model *m, const char *act, const char *product) {
  open_model(m, "models/shakespeare.td", act, product);
}

static const TdEntry *entry_of(const Model *m, const char *name) {
  const TdProgram *p = m->unit->program;
  for (int i = 0; i < p->nentries; i++)
    if (strcmp(p->entries[i].name, name) == 0) return &p->entries[i];
  fail_msg("no entry '%s'", name);
  return NULL;
}

static bool ends_with(const char *name, const char *end) {
  size_t n = strlen(name), k = strlen(end);
  return n >= k && strcmp(name + n - k, end) == 0;
}

/* The type of the training step's temporaries of that name: all alike. */
static TdType stored_as(const TdEntry *e, const char *name) {
  int found = -1;
  for (int i = 0; i < e->nbuffers; i++) {
    const TdBuffer *b = &e->buffers[i];
    if (b->kind != TD_TEMP || !ends_with(b->name, name) || b->count < 100000) continue;
    if (found >= 0 && found != (int)b->type) fail_msg("'%s' is stored in two ways", name);
    found = (int)b->type;
  }
  if (found < 0) fail_msg("nothing large is called '%s'", name);
  return (TdType)found;
}

static void activations_take_half_the_room(void **state) {
  (void)state;
  Model wide, narrow;
  open_flagship(&wide, "f32", NULL);
  open_flagship(&narrow, "bf16", NULL);
  const TdEntry *f = entry_of(&wide, "train"), *h = entry_of(&narrow, "train");
  assert_true(h->arena_bytes < f->arena_bytes * 4 / 5);
  static const char *const halved[] = {"denoise.layer.q", "denoise.layer.k", "denoise.layer.v",
                                       "denoise.layer.mlp.linear.y", "denoise.layer.mlp.h"};
  for (size_t i = 0; i < sizeof halved / sizeof *halved; i++) {
    assert_int_equal(stored_as(f, halved[i]), TD_F32);
    assert_int_equal(stored_as(h, halved[i]), TD_BF16);
  }
  assert_int_equal(stored_as(h, "denoise.layer.g"), TD_F32); /* the residual stream */
  model_close(&wide);
  model_close(&narrow);
}

/* The embedding of eight times: its weights are read where they lie, its rows are not rounded. */
static bool of_few_rows(const TdKernel *k) { return strstr(k->source, "TdFewRows") != NULL; }

static void what_lasts_stays_f32(void **state) {
  (void)state;
  Model m;
  open_flagship(&m, "bf16", NULL);
  const TdProgram *p = m.unit->program;
  int products = 0;
  for (int i = 0; i < p->nstates; i++) assert_int_not_equal(p->states[i].type, TD_BF16);
  for (int i = 0; i < p->nentries; i++) {
    const TdEntry *e = &p->entries[i];
    for (int k = 0; k < e->noutputs; k++)
      assert_int_not_equal(e->buffers[e->outputs[k].buffer].type, TD_BF16);
    for (int k = 0; k < e->nbuffers; k++)
      if (e->buffers[k].kind != TD_TEMP) assert_int_not_equal(e->buffers[k].type, TD_BF16);
  }
  for (int i = 0; i < p->nkernels; i++) {
    if (strcmp(p->kernels[i].klass, "contraction") != 0 || of_few_rows(&p->kernels[i])) continue;
    products++;
    assert_non_null(strstr(p->kernels[i].source, "td_narrow_row("));
  }
  assert_true(products > 10);
  model_close(&m);
}

/* Loops that make bf16 store floats; 1 + erf of gelu is one function. */
static void rows_are_narrowed_whole(void **state) {
  (void)state;
  Model m;
  open_flagship(&m, "bf16", NULL);
  const TdProgram *p = m.unit->program;
  int products = 0, gelus = 0;
  for (int i = 0; i < p->nkernels; i++) {
    const TdKernel *k = &p->kernels[i];
    bool product = strcmp(k->klass, "contraction") == 0;
    gelus += strstr(k->source, "td_erf1p_gaussf(") || strstr(k->source, "td_erf1p_tablef(");
    assert_null(strstr(k->source, "td_erff("));
    if (product) assert_null(strstr(k->source, "= td_narrow("));
    products += product && strstr(k->source, "td_narrow_run(");
  }
  assert_true(products > 5);
  assert_true(gelus > 3);
  model_close(&m);
  int maps = 0;
  open_model(&m, "models/shakespeare_repaired.td", "bf16", NULL);
  for (int i = 0; i < m.unit->program->nkernels; i++) {
    const TdKernel *k = &m.unit->program->kernels[i];
    maps += strcmp(k->klass, "map") == 0 && strstr(k->source, "td_narrow_run(");
  }
  assert_true(maps > 0);
  model_close(&m);
}

/* What products alone read of a chain's rows is kept as they take it: it is not packed again. */
static void chains_keep_rows_in_bf16(void **state) {
  (void)state;
  Model m;
  open_flagship(&m, "bf16", NULL);
  int chains = 0, turned = 0;
  for (int i = 0; i < m.unit->program->nkernels; i++) {
    const TdKernel *k = &m.unit->program->kernels[i];
    if (strcmp(k->klass, "chain") != 0) continue;
    chains++;
    assert_non_null(strstr(k->source, "td_narrow_run(half_"));
    assert_null(strstr(k->source, "td_narrow_pack_a("));
    assert_null(strstr(k->source, "td_narrow_pack_a_turned(packed_a, block"));
    turned += strstr(k->source, "td_narrow_pack_a_turned(packed_a, half") != NULL;
  }
  assert_true(chains >= 2 && turned >= 1);
  model_close(&m);
}

/* Kernels of the flagship's hidden layer that copy rows of A before tiles read them: `up` reads
 * rows of D numbers, `down` those of 4 D. */
static int copy_rows(const Define *defines, int n) {
  Model m;
  UnitOptions o = {.act = "bf16", .no_samplers = true, .no_models = true};
  if (!model_open(&m, "models/shakespeare.td", defines, n, NULL, 65, &o))
    fail_msg("it does not compile");
  int found = 0, copies = 0;
  for (int i = 0; i < m.unit->program->nkernels; i++) {
    const TdKernel *k = &m.unit->program->kernels[i];
    if (!strstr(k->name, "contraction_denoise_layer_mlp_linear_y") &&
        !strstr(k->name, "contraction_denoise_layer_mlp_linear_2_y"))
      continue;
    found++;
    copies += strstr(k->source, "td_narrow_pack_a(") != NULL;
  }
  model_close(&m);
  assert_true(found >= 2);
  return copies;
}

/* 384 numbers are 12 lines, 1536 are 48: a strip's 32 rows lie in 16 and in 4 of a cache's 64 sets.
 * 1024 are 32 lines: two sets, of 8 or 12 ways, would have all of them. */
static void rows_that_do_not_crowd_stay(void **state) {
  static const Define crowded[] = {{"B", "8"}, {"N", "2"}, {"D", "1024"}, {"H", "8"}};
  (void)state;
  assert_int_equal(copy_rows(small, 2), 0);
  assert_true(copy_rows(crowded, 4) >= 2);
}

/* gelu is computed again beside its derivative: no kernel does that alone. They have one exp. */
static void gelu_again_is_beside_its_derivative(void **state) {
  (void)state;
  Model m;
  open_flagship(&m, "bf16", NULL);
  const TdProgram *p = m.unit->program;
  int both = 0;
  for (int i = 0; i < p->nkernels; i++) {
    const TdKernel *k = &p->kernels[i];
    const char *first = strstr(k->source, "td_erf1p_gaussf(");
    const bool twice = first && strstr(first + 1, "td_erf1p_gaussf(");
    both += twice && strstr(k->name, "contraction_d_denoise_layer_mlp_h");
    if (first) assert_null(strstr(k->source, "td_erf1p_tablef("));
    if (twice) assert_non_null(strstr(k->source, "td_gaussf("));
    if (twice) assert_null(strstr(k->source, "td_expf("));
    assert_null(strstr(k->name, "map_denoise_layer_mlp_h"));
  }
  assert_int_equal(both, 1);
  model_close(&m);
}

static void fma_knows_nothing_of_it(void **state) {
  (void)state;
  Model m;
  open_flagship(&m, NULL, "fma");
  const TdProgram *p = m.unit->program;
  assert_null(strstr(p->prelude, "td_narrow"));
  assert_null(strstr(p->prelude, "td_split"));
  for (int i = 0; i < p->nkernels; i++) assert_null(strstr(p->kernels[i].source, "td_narrow"));
  model_close(&m);
}

/* ---- a sampler's step, whose weights stay packed from run to run ---- */

/* `anew`: they are packed in each. */
static void run_steps(Running *r, bool anew, float *x, int64_t n) {
  const int init = session_entry(r->session, "sample.ddpm.init"),
            step = session_entry(r->session, "sample.ddpm.step");
  const int state = session_state(r->session, "ddpm.x");
  assert_true(init >= 0 && step >= 0 && state >= 0);
  assert_int_equal(session_program(r->session)->states[state].count, n);
  session_run(r->session, init, 7, 0);
  for (int k = 0; k < 3; k++) {
    TdError err = {0};
    bool given = session_set_number(r->session, step, "t", 60 - 20 * k, &err) &&
                 session_set_number(r->session, step, "u", 40 - 20 * k, &err) &&
                 session_set_number(r->session, step, "temperature", 1, &err);
    if (!given) fail_msg("%s", err.message);
    if (anew) session_forget(r->session, step);
    session_run(r->session, step, 7, k + 1);
  }
  TdError err = {0};
  if (!session_read_state(r->session, state, 0, n, x, &err)) fail_msg("%s", err.message);
}

/* Products of a layer whose weights are, with so many texts of 64 symbols. */
static int kept_packed(const char *act, const char *product, const char *rows) {
  static const char layer[] = "packed denoise.layer.";
  const Define texts[] = {{"B", rows}};
  const UnitOptions o = {
      .act = act, .product = product, .no_train = true, .no_eval = true, .no_models = true};
  Model m;
  if (!model_open(&m, "models/shakespeare_nano.td", texts, 1, NULL, 65, &o))
    fail_msg("it does not compile");
  const TdEntry *e = entry_of(&m, "sample.ddpm.step");
  int kept = 0;
  for (int i = 0; i < e->nbuffers; i++)
    kept += e->buffers[i].kind == TD_KEPT && strncmp(e->buffers[i].name, layer, strlen(layer)) == 0;
  model_close(&m);
  return kept;
}

/* Packing an operand takes 150 rows' multiplications in bf16 and a dozen's as floats: with many
 * times as many rows it is not worth the memory. */
static void few_texts_keep_weights_packed(void **state) {
  (void)state;
  assert_int_equal(kept_packed("bf16", NULL, "32"), 6); /* four of attention, two hidden ones */
  assert_int_equal(kept_packed("bf16", NULL, "33"), 0);
  assert_int_equal(kept_packed("f32", "split6", "8"), 6);
  assert_int_equal(kept_packed("f32", "split6", "9"), 0);
  assert_int_equal(kept_packed("f32", "fma", "2"), 6);
  assert_int_equal(kept_packed("f32", "fma", "3"), 0);
}

static void stay_packed(const char *act, const char *product) {
  enum { N = 64 * 65, IN_PLACE = 6 };
  static const Define one[] = {{"B", "1"}};
  UnitOptions o = {
      .act = act, .product = product, .no_train = true, .no_eval = true, .no_models = true};
  Model m;
  Running r;
  if (!model_open(&m, "models/shakespeare_nano.td", one, 1, NULL, 65, &o))
    fail_msg("it does not compile");
  const TdEntry *e = entry_of(&m, "sample.ddpm.step");
  int kept = 0, once = 0, launches = 0;
  for (int i = 0; i < e->nbuffers; i++)
    kept += e->buffers[i].kind == TD_KEPT && strncmp(e->buffers[i].name, "packed ", 7) == 0;
  for (int i = 0; i < e->nsteps; i++) {
    bool packs = e->steps[i].kind == TD_LAUNCH &&
                 strcmp(m.unit->program->kernels[e->steps[i].kernel].klass, "pack") == 0;
    launches += packs;
    once += packs && e->steps[i].once;
  }
  assert_true(kept >= 6); /* four of attention, two of the hidden layer */
  assert_int_equal(once, kept);
  assert_int_equal(launches, kept);
  assert_true(model_build(&m) && running_open(&r, &m, 2));
  float *fresh = malloc(2 * N * sizeof *fresh), *again = fresh + N;
  assert_non_null(fresh);
  session_run(r.session, session_entry(r.session, "init"), 1, 0);
  run_steps(&r, true, fresh, N);
  run_steps(&r, false, again, N);
  assert_memory_equal(fresh, again, N * sizeof *fresh);
  for (int i = 0; i < N; i++) assert_true(isfinite(fresh[i]));
  session_run(r.session, session_entry(r.session, "init"), 2, 0); /* other weights */
  run_steps(&r, false, again, N);
  assert_memory_not_equal(fresh, again, N * sizeof *fresh);
  run_steps(&r, true, fresh, N);
  assert_memory_equal(fresh, again, N * sizeof *fresh);
  running_close(&r);
  model_close(&m);
  o.disable = 1u << IN_PLACE; /* each launch packs for itself, in blocks of its own */
  if (!model_open(&m, "models/shakespeare_nano.td", one, 1, NULL, 65, &o) || !model_build(&m) ||
      !running_open(&r, &m, 2))
    fail_msg("it does not compile");
  for (int i = 0, n = entry_of(&m, "sample.ddpm.step")->nbuffers; i < n; i++)
    assert_true(strncmp(entry_of(&m, "sample.ddpm.step")->buffers[i].name, "packed ", 7) != 0);
  session_run(r.session, session_entry(r.session, "init"), 2, 0);
  run_steps(&r, false, again, N);
  assert_memory_equal(fresh, again, N * sizeof *fresh);
  free(fresh);
  running_close(&r);
  model_close(&m);
}

static void weights_stay_packed(void **state) {
  (void)state;
  stay_packed("bf16", NULL);
}

/* ---- f32 in parts ---- */

static void parts_stay_packed(void **state) {
  (void)state;
  stay_packed("f32", "split6");
}

/* Products have two bodies, for processors with tiles and without; nothing is stored otherwise.
 * Those kept on chip are among them where that is asked for. */
static void are_split(const char *product, int least) {
  Model floats, parts;
  open_flagship(&floats, "f32", "fma");
  open_flagship(&parts, "f32", product);
  const TdProgram *p = parts.unit->program;
  assert_int_equal(entry_of(&parts, "train")->arena_bytes, entry_of(&floats, "train")->arena_bytes);
  int products = 0, chains = 0;
  for (int i = 0; i < p->nkernels; i++) {
    const TdKernel *k = &p->kernels[i];
    const bool split = strstr(k->source, "td_split_row(") != NULL;
    assert_true(!split || strstr(k->source, "td_tile_row_of(") != NULL);
    products += split;
    const bool chain = strcmp(k->klass, "chain") == 0;
    if (chain) assert_int_equal(split, product != NULL);
    if (!chain && strcmp(k->klass, "contraction") != 0) assert_false(split);
    chains += chain;
  }
  assert_true(products > least && chains > 0);
  model_close(&floats);
  model_close(&parts);
}

static void products_are_split(void **state) {
  (void)state;
  are_split("split6", 10);
}

/* f32 is the same where it pays: in all products with the flagship's weights, on every machine. */
static void so_are_those_of_f32(void **state) {
  (void)state;
  are_split(NULL, 10);
}

/* Losses of three steps, which run through every product forward and backward. */
static void losses_of(const char *product, float *loss) {
  UnitOptions o = {.product = product, .no_samplers = true, .no_models = true};
  Model m;
  Running r;
  TdError err = {0};
  if (!model_open(&m, "models/shakespeare_nano.td", NULL, 0, NULL, 65, &o))
    fail_msg("it does not compile");
  assert_true(model_build(&m) && running_open(&r, &m, 2));
  session_run(r.session, session_entry(r.session, "init"), 1, 0);
  const int train = session_entry(r.session, "train");
  for (int i = 0; i < 3; i++) {
    session_run(r.session, train, 1, i + 1);
    if (!session_read_output(r.session, train, "loss", 0, 1, &loss[i], &err))
      fail_msg("%s", err.message);
  }
  running_close(&r);
  model_close(&m);
}

static void losses_are_those_of_floats(void **state) {
  (void)state;
  float floats[3], six[3], three[3], rounded[3];
  losses_of("fma", floats);
  losses_of("split6", six);
  losses_of("split3", three);
  losses_of("bf16", rounded);
  for (int i = 0; i < 3; i++) {
    assert_true(fabsf(six[i] - floats[i]) <= 1e-6f * floats[i]);
    assert_true(fabsf(three[i] - floats[i]) <= 1e-4f * floats[i]);
    assert_true(fabsf(rounded[i] - floats[i]) <= 1e-2f * floats[i]);
    assert_true(rounded[i] != floats[i]);
  }
  assert_true(floats[2] != floats[0]); /* it learns */
}

/* ---- f32 rounded for products ---- */

/* All products, those kept on chip too, have tiles of bf16; no value is stored so. */
static void products_are_rounded(void **state) {
  (void)state;
  Model floats, rounded;
  open_flagship(&floats, "f32", "fma");
  open_flagship(&rounded, "f32", "bf16");
  const TdProgram *p = rounded.unit->program;
  assert_int_equal(entry_of(&rounded, "train")->arena_bytes,
                   entry_of(&floats, "train")->arena_bytes);
  assert_int_equal(p->nkernels, floats.unit->program->nkernels);
  for (int i = 0; i < p->nstates; i++) assert_int_not_equal(p->states[i].type, TD_BF16);
  for (int i = 0; i < p->nentries; i++)
    for (int k = 0; k < p->entries[i].nbuffers; k++)
      assert_int_not_equal(p->entries[i].buffers[k].type, TD_BF16);
  int products = 0, chains = 0;
  for (int i = 0; i < p->nkernels; i++) {
    const TdKernel *k = &p->kernels[i];
    const bool product = strcmp(k->klass, "contraction") == 0,
               chain = strcmp(k->klass, "chain") == 0;
    const bool tiles = strstr(k->source, "td_narrow_row(") != NULL;
    assert_true(tiles == ((product && !of_few_rows(k)) || chain));
    assert_null(strstr(k->source, "td_tile_row_of("));
    assert_true(!tiles || k->narrow_flops > 0);
    products += product && tiles;
    chains += chain;
  }
  assert_true(products > 10 && chains > 1);
  model_close(&floats);
  model_close(&rounded);
}

static void rounded_stay_packed(void **state) {
  (void)state;
  stay_packed("f32", "bf16");
}

/* It is what activations in bf16 are multiplied as, and may be said beside them. */
static void bf16_is_multiplied_so(void **state) {
  (void)state;
  Model alone, both;
  open_flagship(&alone, "bf16", NULL);
  open_flagship(&both, "bf16", "bf16");
  const TdProgram *p = alone.unit->program, *q = both.unit->program;
  assert_string_equal(p->prelude, q->prelude);
  assert_int_equal(p->nkernels, q->nkernels);
  for (int i = 0; i < p->nkernels; i++)
    assert_string_equal(p->kernels[i].source, q->kernels[i].source);
  model_close(&alone);
  model_close(&both);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(activations_take_half_the_room),
      cmocka_unit_test(what_lasts_stays_f32),
      cmocka_unit_test(rows_are_narrowed_whole),
      cmocka_unit_test(chains_keep_rows_in_bf16),
      cmocka_unit_test(rows_that_do_not_crowd_stay),
      cmocka_unit_test(gelu_again_is_beside_its_derivative),
      cmocka_unit_test(fma_knows_nothing_of_it),
      cmocka_unit_test(few_texts_keep_weights_packed),
      cmocka_unit_test(weights_stay_packed),
      cmocka_unit_test(parts_stay_packed),
      cmocka_unit_test(products_are_split),
      cmocka_unit_test(so_are_those_of_f32),
      cmocka_unit_test(losses_are_those_of_floats),
      cmocka_unit_test(products_are_rounded),
      cmocka_unit_test(rounded_stay_packed),
      cmocka_unit_test(bf16_is_multiplied_so),
  };
  model_quick(NULL);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
