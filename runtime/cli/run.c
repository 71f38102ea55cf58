/* SPDX-License-Identifier: MIT */
/* tdc run: a model by name, once. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cli/cli.h"
#include "runtime/system/json.h"

enum { JSON_VALUES = 100000 };

static void put_shape(StrBuf *s, int rank, const int64_t *shape) {
  sb_putc(s, '[');
  for (int i = 0; i < rank; i++) sb_printf(s, "%s%" PRId64, i > 0 ? ", " : "", shape[i]);
  sb_putc(s, ']');
}

/* {"name":"next","inputs":[{"name":"x","type":"int","shape":[2,8],"least":0,"most":27}]} */
static json_t *model_json(const UnitEntry *e) {
  json_t *inputs = json_array();
  for (int k = 0; k < e->ninputs; k++) {
    const UnitInput *in = &e->inputs[k];
    json_t *shape = json_array();
    for (int i = 0; i < in->rank; i++) shape = json_and(shape, json_integer(in->shape[i]));
    json_t *one =
        json_pack("{s:s, s:s, s:o}", "name", in->name, "type", type_name(in->type), "shape", shape);
    if (in->type == TY_INT) {
      one = json_with(one, "least", json_integer(in->lo));
      one = json_with(one, "most", json_integer(in->hi));
    }
    inputs = json_and(inputs, one);
  }
  return json_pack("{s:s, s:o}", "name", e->name + strlen("model."), "inputs", inputs);
}

static int list_models_json(Cli *c, const Unit *u) {
  json_t *all = json_array();
  for (int i = 0; i < u->nentries; i++)
    if (strncmp(u->entries[i].name, "model.", 6) == 0)
      all = json_and(all, model_json(&u->entries[i]));
  return cli_json(c, all, JSON_COMPACT);
}

static int list_models(Cli *c, const Unit *u) {
  if (c->json) return list_models_json(c, u);
  for (int i = 0; i < u->nentries; i++) {
    const UnitEntry *e = &u->entries[i];
    if (strncmp(e->name, "model.", 6) != 0) continue;
    printf("%s\n", e->name + 6);
    for (int k = 0; k < e->ninputs; k++) {
      StrBuf s = {0};
      put_shape(&s, e->inputs[k].rank, e->inputs[k].shape);
      printf("  %-16s %s%s", e->inputs[k].name, type_name(e->inputs[k].type), s.s);
      if (e->inputs[k].type == TY_INT)
        printf(" in %" PRId64 " .. %" PRId64, e->inputs[k].lo, e->inputs[k].hi);
      putchar('\n');
      sb_free(&s);
    }
  }
  return cli_done(c);
}

/* One input out of a safetensors file, converted to what the model takes. */
static bool input_from_file(Session *s, int entry, const UnitInput *in, StFile *f, TdError *err) {
  const StTensor *t = st_find(f, in->name);
  const TdBuffer *b = session_input(s, entry, in->name);
  if (t == NULL) return td_fail(err, TD_BAD_USAGE, "the inputs' file has no tensor '%s'", in->name);
  if (b == NULL) return true; /* the model does not read it */
  if (t->rank != in->rank ||
      memcmp(t->shape, in->shape, (size_t)in->rank * sizeof in->shape[0]) != 0) {
    StrBuf want = {0}, is = {0};
    put_shape(&want, in->rank, in->shape);
    put_shape(&is, t->rank, t->shape);
    td_fail(err, TD_BAD_USAGE, "'%s' has the shape %s, the model takes %s", in->name, is.s, want.s);
    sb_free(&want);
    sb_free(&is);
    return false;
  }
  StType type = in->type == TY_REAL ? ST_F32 : in->type == TY_INT ? ST_I32 : ST_U8;
  void *raw = malloc((size_t)(t->end - t->begin) + 1), *values = malloc((size_t)t->count * 4 + 1);
  bool ok = (raw != NULL && values != NULL) || td_fail_memory(err);
  ok = ok && st_read(f, t, raw, err);
  if (ok && !st_convert(type, values, t->type, raw, (size_t)t->count))
    ok = td_fail(err, TD_BAD_USAGE, "'%s' is stored as %s, the model takes %s numbers", in->name,
                 st_type_name(t->type), type_name(in->type));
  if (ok && in->type == TY_REAL) ok = session_set_reals(s, entry, in->name, values, t->count, err);
  if (ok && in->type == TY_INT) ok = session_set_ints(s, entry, in->name, values, t->count, err);
  if (ok && in->type == TY_BOOL) ok = session_set_bools(s, entry, in->name, values, t->count, err);
  free(raw);
  free(values);
  return ok;
}

/* --text fills the first input of tokens, every row alike, zeros behind its end. */
static bool input_from_text(Session *s, int entry, const UnitEntry *e, const Dataset *d,
                            const char *text, TdError *err) {
  const UnitInput *in = NULL;
  for (int i = e->ninputs - 1; i >= 0; i--)
    if (e->inputs[i].type == TY_INT && e->inputs[i].rank > 0 && d != NULL &&
        e->inputs[i].hi == d->vocabulary.size - 1)
      in = &e->inputs[i];
  if (in == NULL) return td_fail(err, TD_BAD_USAGE, "no input of %s takes a text", e->name);
  text += vocabulary_mark(d->vocabulary.kind, (const uint8_t *)text, strlen(text));
  size_t n = strlen(text), count, offset;
  int64_t total = 1, window = in->shape[in->rank - 1];
  for (int i = 0; i < in->rank; i++) total *= in->shape[i];
  int32_t *ids = calloc((size_t)total + n + 1, sizeof *ids), *row = calloc(n + 1, sizeof *row);
  bool ok = (ids != NULL && row != NULL) || td_fail_memory(err);
  if (ok && !vocabulary_encode(&d->vocabulary, (const uint8_t *)text, n, row, &count, &offset))
    ok = td_fail(err, TD_BAD_USAGE, "--text: the character at byte %zu is not in the vocabulary",
                 offset);
  if (ok && (int64_t)count > window)
    ok = td_fail(err, TD_BAD_USAGE, "--text has %zu symbols, a window %" PRId64, count, window);
  for (int64_t r = 0; ok && r < total / window; r++)
    memcpy(ids + r * window, row, count * sizeof *row);
  ok = ok && session_set_ints(s, entry, in->name, ids, total, err);
  free(ids);
  free(row);
  return ok;
}

static bool set_inputs(Cli *c, Session *s, int entry, const UnitEntry *e, const Dataset *d,
                       TdError *err) {
  const char *path = cli_text(c, "inputs", NULL), *text = cli_text(c, "text", NULL);
  bool ok = true;
  if (path != NULL) {
    StFile *f = st_open(NULL, path, err);
    ok = f != NULL;
    for (int i = 0; ok && i < e->ninputs; i++)
      ok = input_from_file(s, entry, &e->inputs[i], f, err);
    st_close(f);
  }
  return ok && (text == NULL || input_from_text(s, entry, e, d, text, err));
}

/* ---- outputs ---------------------------------------------------------------------- */

typedef struct ModelOutputs {
  Session *session;
  int entry;
  const TdEntry *of;
} ModelOutputs;

static double value_at(const TdBuffer *b, const void *data, int64_t i) {
  double out = 0;
  size_t size = td_type_size(b->type);
  const char *p = (const char *)data + (size_t)i * size;
  if (b->type == TD_I32) return *(const int32_t *)(const void *)p;
  if (b->type == TD_U8) return *(const uint8_t *)p;
  st_convert(ST_F64, &out, checkpoint_type(b->type), p, 1);
  return out;
}

static json_t *values_json(const TdBuffer *b, const void *data, int axis, int64_t *at) {
  if (axis == b->rank) return json_finite(value_at(b, data, (*at)++));
  json_t *list = json_array();
  for (int64_t i = 0; i < b->shape[axis]; i++)
    list = json_and(list, values_json(b, data, axis + 1, at));
  return list;
}

static bool read_output(void *owner, int part, int64_t first, int64_t count, void *to,
                        TdError *err) {
  const ModelOutputs *o = owner;
  return session_read_output(o->session, o->entry, o->of->outputs[part].name, first, count, to,
                             err);
}

static bool write_outputs(const ModelOutputs *o, const char *path, TdError *err) {
  StSource *list = calloc((size_t)o->of->noutputs + 1, sizeof *list);
  StRemote outputs = {.owner = (void *)o, .read = read_output};
  if (list == NULL) return td_fail_memory(err);
  for (int i = 0; i < o->of->noutputs; i++) {
    const TdBuffer *b = &o->of->buffers[o->of->outputs[i].buffer];
    StType type = checkpoint_type(b->type);
    list[i] = (StSource){.name = o->of->outputs[i].name,
                         .type = type,
                         .from = type,
                         .rank = b->rank,
                         .remote = &outputs,
                         .part = i};
    memcpy(list[i].shape, b->shape, sizeof list[i].shape);
  }
  bool ok = st_write_file(NULL, path, list, o->of->noutputs, NULL, 0, err);
  free(list);
  return ok;
}

/* NULL with a message when the output cannot be read. */
static json_t *output_json(const ModelOutputs *o, int i, TdError *err) {
  const TdBuffer *b = &o->of->buffers[o->of->outputs[i].buffer];
  void *values = malloc((size_t)b->count * td_type_size(b->type) + 1);
  int64_t at = 0;
  json_t *json = NULL;
  if (values == NULL)
    td_fail_memory(err);
  else if (read_output((void *)o, i, 0, b->count, values, err))
    json = values_json(b, values, 0, &at);
  if (json == NULL && err->status == TD_OK) td_fail_memory(err);
  free(values);
  return json;
}

static int put_outputs(Cli *c, Session *s, int entry) {
  const TdEntry *e = &session_program(s)->entries[entry];
  const ModelOutputs o = {s, entry, e};
  const char *path = cli_text(c, "output", NULL);
  TdError err = {0};
  if (path != NULL) return write_outputs(&o, path, &err) ? cli_done(c) : cli_fail(c, &err);
  json_t *all = json_object();
  for (int i = 0; i < e->noutputs; i++) {
    const TdBuffer *b = &e->buffers[e->outputs[i].buffer];
    if (b->count > JSON_VALUES) {
      json_decref(all);
      return cli_usage(c, "'%s' has %" PRId64 " numbers: write them with -o PATH.safetensors",
                       e->outputs[i].name, b->count);
    }
    json_t *values = output_json(&o, i, &err);
    if (values == NULL) {
      json_decref(all);
      return cli_fail(c, &err);
    }
    all = json_with(all, e->outputs[i].name, values);
  }
  return cli_json(c, all, JSON_COMPACT | JSON_REAL_PRECISION(9));
}

static int run_model(Cli *c, Project *p, Machine *m, const UnitEntry *e, uint64_t seed) {
  TdError err = {0};
  Checkpoint *w = NULL;
  int code = 0;
  if (e->ninputs > 0 && !cli_has(c, "inputs") && !cli_has(c, "text"))
    return cli_usage(c,
                     "%s has inputs: --inputs PATH.safetensors or --text TEXT gives them; "
                     "`tdc run FILE.td` lists them",
                     e->name + strlen("model."));
  bool ok = cli_weights_find(c, p, &w, &code) && cli_start(c, p, m, e->name, w, seed, &code);
  checkpoint_close(w);
  if (!ok) return code;
  int entry = session_entry(m->session, e->name);
  const Dataset *d = p->unit->ndata > 0 ? data_store_find(p->data, p->unit->data[0].name) : NULL;
  if (entry < 0) bug("%s was not compiled", e->name);
  if (!set_inputs(c, m->session, entry, e, d, &err)) return cli_fail(c, &err);
  session_run(m->session, entry, seed, 1);
  return put_outputs(c, m->session, entry);
}

int cli_run(Cli *c) {
  Project p;
  Machine m = {0};
  int code = 0;
  uint64_t seed = 0;
  UnitOptions o = {.no_train = true, .no_eval = true, .no_samplers = true};
  if (!cli_seed(c, &seed)) return TD_BAD_USAGE;
  if (cli_project(c, &p, &o, &code)) {
    StrBuf name = {0};
    sb_printf(&name, "model.%s", c->nargs > 1 ? c->args[1] : "");
    const UnitEntry *e = c->nargs > 1 ? unit_entry(p.unit, name.s) : NULL;
    const char *near =
        c->nargs > 1 ? did_you_mean(c->args[1], p.unit->models, p.unit->nmodels) : NULL;
    if (c->nargs == 1)
      code = list_models(c, p.unit);
    else if (e == NULL)
      code = cli_usage(c, "%s has no model '%.100s'%s%s%s", p.unit->path, c->args[1],
                       near != NULL ? "; did you mean " : "", near != NULL ? near : "",
                       near != NULL ? "?" : "");
    else
      code = run_model(c, &p, &m, e, seed);
    sb_free(&name);
  }
  machine_close(&m);
  project_close(&p);
  return code;
}
