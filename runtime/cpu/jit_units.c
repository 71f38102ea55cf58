/* SPDX-License-Identifier: MIT */
/* Keys of objects and libraries. */
#include "runtime/cpu/jit_units.h"

#include "runtime/version.h"

enum { UNIT_BYTES = 36000 }; /* a unit is closed when its kernels' text reaches this */

/* Parts are loops written out by hand: more effort finds nothing in them, and
 * takes half as long again. */
const char *const *jit_part_flags(void) {
  static const char *const flags[] = {"-O2", "-ftree-vectorize", NULL};
  return flags;
}

/* What every key has in common. */
static Digest *key_begin(const Toolchain *t, const char *kind) {
  Digest *d = digest_new();
  if (d == NULL) return NULL;
  digest_add_string(d, "tdc " TDC_VERSION);
  digest_add_string(d, kind);
  digest_add_string(d, t->version);
  digest_add_string(d, t->cpu);
  for (int i = 0; i < t->nwords; i++) digest_add_string(d, t->words[i]);
  for (const char *const *f = toolchain_flags(); *f != NULL; f++) digest_add_string(d, *f);
  digest_add_string(d, "");
  for (int i = 0; i < t->nextra; i++) digest_add_string(d, t->extra[i]);
  return d;
}

static bool make_keys(KernelUnits *u, const Toolchain *t, TdError *err) {
  for (int i = 0; i < u->n; i++) {
    Digest *d = key_begin(t, "object");
    if (d == NULL) return td_fail_memory(err);
    for (const char *const *f = jit_part_flags(); u->at[i].part && *f != NULL; f++)
      digest_add_string(d, *f);
    digest_add_string(d, u->at[i].text);
    if (!digest_end_hex(d, u->at[i].key)) return td_fail_memory(err);
  }
  Digest *d = key_begin(t, "library");
  if (d == NULL) return td_fail_memory(err);
  for (int i = 0; i < u->n; i++) digest_add_string(d, u->at[i].key);
  return digest_end_hex(d, u->key) || td_fail_memory(err);
}

bool jit_units_make(KernelUnits *u, const TdProgram *p, const Toolchain *t, const int *group,
                    TdError *err) {
  return units_make(u, p, group, UNIT_BYTES, err) && make_keys(u, t, err);
}
