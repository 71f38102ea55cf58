/* What `precision { act bf16 }` changes in a program, and what it must not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/model.h"

static const Define small[] = { { "B", "8" }, { "N", "2" } };

static void open_flagship(Model *m, const char *act) {
  UnitOptions o = { .act = act, .no_samplers = true, .no_models = true };
  if (!model_open(m, "models/shakespeare.td", small, 2, NULL, 65, &o)) fail_msg("it does not compile");
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
  open_flagship(&wide, "f32");
  open_flagship(&narrow, "bf16");
  const TdEntry *f = entry_of(&wide, "train"), *h = entry_of(&narrow, "train");
  assert_true(h->arena_bytes < f->arena_bytes * 4 / 5);
  static const char *const halved[] = { "denoise.layer.q", "denoise.layer.k", "denoise.layer.v", "denoise.layer.mlp.linear.y",
                                        "denoise.layer.mlp.h" };
  for (size_t i = 0; i < sizeof halved / sizeof *halved; i++) {
    assert_int_equal(stored_as(f, halved[i]), TD_F32);
    assert_int_equal(stored_as(h, halved[i]), TD_BF16);
  }
  assert_int_equal(stored_as(h, "denoise.layer.g"), TD_F32);     /* the residual stream */
  model_close(&wide);
  model_close(&narrow);
}

static void what_lasts_stays_f32(void **state) {
  (void)state;
  Model m;
  open_flagship(&m, "bf16");
  const TdProgram *p = m.unit->program;
  int products = 0;
  for (int i = 0; i < p->nstates; i++) assert_int_not_equal(p->states[i].type, TD_BF16);
  for (int i = 0; i < p->nentries; i++) {
    const TdEntry *e = &p->entries[i];
    for (int k = 0; k < e->noutputs; k++) assert_int_not_equal(e->buffers[e->outputs[k].buffer].type, TD_BF16);
    for (int k = 0; k < e->nbuffers; k++)
      if (e->buffers[k].kind != TD_TEMP) assert_int_not_equal(e->buffers[k].type, TD_BF16);
  }
  for (int i = 0; i < p->nkernels; i++) {
    if (strcmp(p->kernels[i].klass, "contraction") != 0) continue;
    products++;
    assert_non_null(strstr(p->kernels[i].source, "td_narrow_row("));
  }
  assert_true(products > 10);
  model_close(&m);
}

static void f32_knows_nothing_of_it(void **state) {
  (void)state;
  Model m;
  open_flagship(&m, NULL);
  const TdProgram *p = m.unit->program;
  assert_null(strstr(p->prelude, "td_narrow"));
  for (int i = 0; i < p->nkernels; i++) assert_null(strstr(p->kernels[i].source, "td_narrow"));
  model_close(&m);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(activations_take_half_the_room),
    cmocka_unit_test(what_lasts_stays_f32),
    cmocka_unit_test(f32_knows_nothing_of_it),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
