/* SPDX-License-Identifier: MIT */
/* Keys of objects and libraries. */
#include "runtime/cpu/jit_units.h"

#include "runtime/version.h"

enum { UNIT_BYTES = 36000 }; /* a unit is closed when its kernels' text reaches this */

/* What is shared are loops written out by hand: more effort finds nothing in them, and
 * takes half as long again. Of brief kernels a third less effort makes the same sums, with the pass
 * that contracts multiply-adds. */
const char *const *jit_unit_flags(bool shared, bool brief) {
  static const char *const of_shared[] = {"-O2", "-ftree-vectorize", NULL},
                           *const of_brief[] = {"-O1", "-fexpensive-optimizations", NULL},
                           *const others[] = {NULL};
  return shared ? of_shared : brief ? of_brief : others;
}

/* What every key has in common. `unit`: the flags of its unit, in the compiler's order. */
static Digest *key_begin(const Toolchain *t, const char *kind, const char *const *unit) {
  Digest *d = digest_new();
  if (d == NULL) return NULL;
  digest_add_string(d, "tdc " TDC_VERSION);
  digest_add_string(d, kind);
  digest_add_string(d, t->version);
  digest_add_string(d, t->cpu);
  for (int i = 0; i < t->nwords; i++) digest_add_string(d, t->words[i]);
  for (const char *const *f = toolchain_flags(); *f != NULL; f++) digest_add_string(d, *f);
  for (const char *const *f = unit; *f != NULL; f++) digest_add_string(d, *f);
  digest_add_string(d, "");
  for (int i = 0; i < t->nextra; i++) digest_add_string(d, t->extra[i]);
  return d;
}

static bool make_key(KernelUnit *u, const Toolchain *t, TdError *err) {
  Digest *d = key_begin(t, "object", jit_unit_flags(false, u->brief));
  if (d == NULL) return td_fail_memory(err);
  digest_add_string(d, u->text);
  return digest_end_hex(d, u->key) || td_fail_memory(err);
}

/* An object has functions besides, which are linked with it: those of this very prelude. One that
 * came with the function of another, unchanged itself, would stand before what is called here. */
bool jit_shared_key(const Toolchain *t, const char *prelude, const char *name, char key[DIGEST_HEX],
                    TdError *err) {
  Digest *d = key_begin(t, "shared", jit_unit_flags(true, false));
  if (d == NULL) return td_fail_memory(err);
  digest_add_string(d, prelude);
  digest_add_string(d, name);
  return digest_end_hex(d, key) || td_fail_memory(err);
}

/* The prelude itself, with the flags of a unit of its functions. */
bool jit_ready_key(const Toolchain *t, const char *prelude, char key[DIGEST_HEX], TdError *err) {
  Digest *d = key_begin(t, "ready", jit_unit_flags(true, false));
  if (d == NULL) return td_fail_memory(err);
  digest_add_string(d, prelude);
  return digest_end_hex(d, key) || td_fail_memory(err);
}

bool jit_units_make(KernelUnits *u, const TdProgram *p, const Toolchain *t, const int *group,
                    TdError *err) {
  if (!units_make(u, p, group, UNIT_BYTES, err)) return false;
  for (int i = 0; i < u->n; i++)
    if (!make_key(&u->at[i], t, err)) return false;
  Digest *d = key_begin(t, "library", jit_unit_flags(false, false));
  if (d == NULL) return td_fail_memory(err);
  for (int i = 0; i < u->n; i++) digest_add_string(d, u->at[i].key);
  digest_add_string(d, p->prelude); /* of which units only declare what they share */
  return digest_end_hex(d, u->key) || td_fail_memory(err);
}
