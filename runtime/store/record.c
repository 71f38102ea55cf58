/* SPDX-License-Identifier: MIT */
/* Run records. */
#include "runtime/store/record.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "runtime/cpu/toolchain.h"
#include "runtime/system/json.h"
#include "runtime/version.h"

static json_t *with_text(json_t *o, const char *key, const char *value) {
  return json_with(o, key, json_text(value != NULL ? value : ""));
}

static json_t *record_machine(const RecordMachine *r) {
  struct utsname u;
  json_t *m = json_object();
  char *cpu = cpu_model();
  m = with_text(m, "device", r->device);
  if (r->gpu != NULL) m = with_text(m, "gpu", r->gpu);
  m = with_text(m, "cpu", cpu);
  free(cpu);
  if (strcmp(r->device, "cpu") == 0) m = json_with(m, "bf16_tiles", json_boolean(cpu_tiles()));
  m = json_with(m, "threads", json_integer(r->threads));
  m = json_with(m, "memory",
                json_integer((json_int_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE)));
  if (uname(&u) == 0) {
    m = with_text(m, "system", u.sysname);
    m = with_text(m, "release", u.release);
    m = with_text(m, "architecture", u.machine);
  }
  return m;
}

static json_t *record_compiler(const RecordMachine *r) {
  json_t *o = json_object(), *flags = json_array();
  const char *text = r->compiler != NULL ? r->compiler : "none: reference evaluator";
  StrBuf version = {0};
  sb_write(&version, text, strcspn(text, "\n"));
  o = with_text(o, "version", version.s);
  sb_free(&version);
  for (const char *const *f = r->flags; f != NULL && *f != NULL; f++)
    flags = json_and(flags, json_text(*f));
  return json_with(o, "flags", flags);
}

static json_t *record_data(const Project *p) {
  json_t *list = json_array();
  for (int i = 0; i < p->unit->ndata; i++) {
    const Dataset *d = data_store_find(p->data, p->unit->data[i].name);
    if (d == NULL) continue;
    json_t *o = json_object();
    o = with_text(o, "name", d->name);
    o = with_text(o, "path", d->path);
    o = with_text(o, "sha256", d->sha256);
    list = json_and(list, json_with(o, "tokens", json_integer(d->count)));
  }
  return list;
}

/* What products of f32 are in this program on this machine. */
static int made_as(const Project *p, const RecordMachine *m) {
  const TdProgram *program = p->unit->program;
  const int split = p->unit->split;
  if (split == TD_SPLIT_BF16) { /* on every machine, but by the evaluator */
    bool any = false;
    for (int k = 0; k < program->nkernels; k++) any = any || program->kernels[k].narrow_flops > 0;
    return any && strcmp(m->device, "reference") != 0 ? TD_SPLIT_BF16 : TD_SPLIT_FMA;
  }
  const bool tiles = strcmp(m->device, "cpu") == 0 && cpu_tiles();
  return !td_program_splits(program) || !tiles ? TD_SPLIT_FMA
         : split == TD_SPLIT3                  ? TD_SPLIT3
                                               : TD_SPLIT6;
}

json_t *record_make(const Project *p, const Define *defines, int ndefines, uint64_t seed,
                    const RecordMachine *m) {
  json_t *o = json_object(), *d = json_object();
  char number[32], when[32];
  time_t now = time(NULL);
  struct tm utc;
  snprintf(number, sizeof number, "%" PRIu64, seed);
  strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
  o = with_text(o, "tdc", TDC_VERSION);
  o = with_text(o, "started", when);
  o = with_text(o, "file", p->unit->path);
  o = with_text(o, "source_sha256", p->source_sha256);
  for (int i = 0; i < ndefines; i++) d = with_text(d, defines[i].name, defines[i].value);
  o = json_with(o, "defines", d);
  o = with_text(o, "act", p->unit->act == TD_BF16 ? "bf16" : "f32");
  if (p->unit->act == TD_F32) { /* what was asked for, and what that is on this machine */
    o = with_text(o, "product", td_split_name(p->unit->split));
    o = with_text(o, "products_made", td_split_name(made_as(p, m)));
  }
  o = with_text(o, "seed", number);
  o = json_with(o, "weights", json_integer(p->unit->nweights));
  o = json_with(o, "data", record_data(p));
  o = json_with(o, "compiler", record_compiler(m));
  return json_with(o, "machine", record_machine(m));
}

const char *record_products(const json_t *record) {
  const json_t *product = json_object_get(record, "product");
  const json_t *machine = json_object_get(record, "machine");
  const char *made = json_string_value(json_object_get(record, "products_made"));
  if (made != NULL || product == NULL) return made;
  /* it was not written when f32 meant one thing */
  const bool tiles = json_is_true(json_object_get(machine, "bf16_tiles"));
  const char *asked = json_string_value(product);
  return tiles && asked != NULL && strcmp(asked, "f32") != 0 ? asked : "fma";
}

/* The last part of a path. False when memory is out. */
static bool keep_last(json_t *o, const char *key) {
  const char *path = json_string_value(json_object_get(o, key));
  const char *slash = path != NULL ? strrchr(path, '/') : NULL;
  return slash == NULL || json_object_set_new(o, key, json_text(slash + 1)) == 0;
}

bool record_without_folders(const char *record, char **out) {
  json_error_t why;
  bool memory = false;
  *out = NULL;
  json_t *o = record != NULL ? json_read(record, strlen(record), 0, &why, &memory) : NULL, *one;
  size_t i;
  if (!json_is_object(o)) {
    json_decref(o);
    return !memory;
  }
  bool ok = keep_last(o, "file");
  json_array_foreach(json_object_get(o, "data"), i, one) ok = ok && keep_last(one, "path");
  if (ok) *out = json_spell(o, JSON_INDENT(2));
  json_decref(o);
  return *out != NULL;
}
