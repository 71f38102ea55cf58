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
#include "runtime/version.h"

static void set_text(json_t *o, const char *key, const char *value) {
  json_t *s = json_string(value != NULL ? value : "");
  json_object_set_new(o, key, s != NULL ? s : json_string("?")); /* not UTF-8 */
}

static json_t *record_machine(int threads) {
  struct utsname u;
  json_t *m = json_object();
  char *cpu = cpu_model();
  set_text(m, "cpu", cpu);
  free(cpu);
  json_object_set_new(m, "threads", json_integer(threads));
  json_object_set_new(m, "memory",
                      json_integer((json_int_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE)));
  if (uname(&u) == 0) {
    set_text(m, "system", u.sysname);
    set_text(m, "release", u.release);
    set_text(m, "architecture", u.machine);
  }
  return m;
}

static json_t *record_compiler(const Jit *jit) {
  json_t *o = json_object(), *flags = json_array();
  if (jit == NULL) {
    set_text(o, "version", "none: reference evaluator");
    json_object_set_new(o, "flags", flags);
    return o;
  }
  StrBuf version = {0};
  const char *text = jit_compiler(jit) != NULL ? jit_compiler(jit) : "";
  sb_write(&version, text, strcspn(text, "\n"));
  set_text(o, "version", version.s);
  sb_free(&version);
  for (const char *const *f = toolchain_flags(); *f != NULL; f++)
    json_array_append_new(flags, json_string(*f));
  json_object_set_new(o, "flags", flags);
  return o;
}

static json_t *record_data(const Project *p) {
  json_t *list = json_array();
  for (int i = 0; i < p->unit->ndata; i++) {
    const Dataset *d = data_store_find(p->data, p->unit->data[i].name);
    if (d == NULL) continue;
    json_t *o = json_object();
    set_text(o, "name", d->name);
    set_text(o, "path", d->path);
    set_text(o, "sha256", d->sha256);
    json_object_set_new(o, "tokens", json_integer(d->count));
    json_array_append_new(list, o);
  }
  return list;
}

json_t *record_make(const Project *p, const Define *defines, int ndefines, uint64_t seed,
                    const Jit *jit, int threads) {
  json_t *o = json_object(), *d = json_object();
  if (o == NULL || d == NULL) return NULL;
  char number[32], when[32];
  time_t now = time(NULL);
  struct tm utc;
  snprintf(number, sizeof number, "%" PRIu64, seed);
  strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
  set_text(o, "tdc", TDC_VERSION);
  set_text(o, "started", when);
  set_text(o, "file", p->unit->path);
  set_text(o, "source_sha256", p->source_sha256);
  for (int i = 0; i < ndefines; i++) set_text(d, defines[i].name, defines[i].value);
  json_object_set_new(o, "defines", d);
  set_text(o, "act", p->unit->act == TD_BF16 ? "bf16" : "f32");
  set_text(o, "seed", number);
  json_object_set_new(o, "weights", json_integer(p->unit->nweights));
  json_object_set_new(o, "data", record_data(p));
  json_object_set_new(o, "compiler", record_compiler(jit));
  json_object_set_new(o, "machine", record_machine(threads));
  return o;
}

/* The last part of a path. */
static void keep_last(json_t *o, const char *key) {
  const char *path = json_string_value(json_object_get(o, key));
  const char *slash = path != NULL ? strrchr(path, '/') : NULL;
  if (slash == NULL) return;
  char *last = strdup(slash + 1); /* the object's own text goes when it is set */
  if (last != NULL) set_text(o, key, last);
  free(last);
}

char *record_without_folders(const char *record) {
  json_t *o = record != NULL ? json_loads(record, 0, NULL) : NULL, *one;
  size_t i;
  keep_last(o, "file");
  json_array_foreach(json_object_get(o, "data"), i, one) keep_last(one, "path");
  char *text = json_is_object(o) ? json_dumps(o, JSON_INDENT(2)) : NULL;
  json_decref(o);
  return text;
}
