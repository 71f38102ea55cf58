/* SPDX-License-Identifier: MIT */
/* Kernels to translation units. */
#include "runtime/cpu/jit_units.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/version.h"

enum { UNIT_BYTES = 36000 }; /* a unit is closed when its kernels' text reaches this */

/* Parts are loops written out by hand: more effort finds nothing in them, and
 * takes half as long again. */
const char *const *jit_part_flags(void) {
  static const char *const flags[] = {"-O2", "-ftree-vectorize", NULL};
  return flags;
}

/* Where units end is decided by the kernels' own text, so that a kernel that
 * grows or appears does not shift all the units behind it. */
static bool unit_ends_after(const char *source, size_t so_far) {
  uint32_t h = 2166136261u;
  for (const char *p = source; *p != '\0'; p++) h = (h ^ (uint8_t)*p) * 16777619u;
  return so_far >= UNIT_BYTES || (so_far >= UNIT_BYTES / 2 && (h >> 7) % 4 == 0);
}

static bool unit_end(JitUnit *u, StrBuf *s, TdError *err) {
  u->text = s->s;
  u->n = s->n;
  return u->text != NULL || td_fail_memory(err);
}

static bool part_needed(const TdProgram *p, const int *group, int part) {
  for (int k = 0; k < p->nkernels; k++)
    if (group[k] >= 0 && p->kernels[k].parts >> part & 1) return true;
  return false;
}

/* Parts come first: they take longest. Their text does not depend on the
 * program, so that the cache has them after the first one. */
static bool group_parts(JitUnits *u, const TdProgram *p, const int *group, TdError *err) {
  for (int i = 0; i < p->nparts; i++) {
    if (!part_needed(p, group, i)) continue;
    StrBuf s = {0};
    sb_printf(&s, "#define TD_PART %d\n%s", i + 1, p->prelude);
    u->at[u->n].part = true;
    if (!unit_end(&u->at[u->n++], &s, err)) return false;
  }
  return true;
}

/* Kernel k or the next one that is wanted; nkernels: none is left. */
static int wanted_from(const TdProgram *p, const int *group, int k) {
  while (k < p->nkernels && group[k] < 0) k++;
  return k;
}

static bool group_kernels(JitUnits *u, const TdProgram *p, const int *group, TdError *err) {
  for (int k = wanted_from(p, group, 0); k < p->nkernels;) {
    JitUnit *unit = &u->at[u->n++];
    StrBuf s = {0};
    size_t size = 0;
    unit->first = k;
    sb_printf(&s, "%s%s", p->nparts > 0 ? "#define TD_PART 0\n" : "", p->prelude);
    bool ends = false;
    while (!ends) {
      /* without the comment, which names the .td line: one that moves is no reason to compile */
      const char *source = p->kernels[k].source;
      int of = group[k];
      sb_printf(&s, "\n%s\n", source);
      size += strlen(source);
      k = wanted_from(p, group, k + 1);
      ends = k == p->nkernels || group[k] != of || unit_ends_after(source, size);
    }
    if (!unit_end(unit, &s, err)) return false;
  }
  return true;
}

/* ---- keys --------------------------------------------------------------------------- */

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

static bool make_keys(JitUnits *u, const Toolchain *t, TdError *err) {
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

bool jit_units_make(JitUnits *u, const TdProgram *p, const Toolchain *t, const int *group,
                    TdError *err) {
  *u = (JitUnits){.at = calloc((size_t)p->nkernels + (size_t)p->nparts + 1, sizeof *u->at)};
  if (u->at == NULL) return td_fail_memory(err);
  return group_parts(u, p, group, err) && group_kernels(u, p, group, err) && make_keys(u, t, err);
}

void jit_units_free(JitUnits *u) {
  for (int i = 0; i < u->n; i++) free(u->at[i].text);
  free(u->at);
  *u = (JitUnits){0};
}
