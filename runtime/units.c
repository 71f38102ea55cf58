/* SPDX-License-Identifier: MIT */
/* Kernels to translation units. */
#include "runtime/units.h"

#include <stdlib.h>
#include <string.h>

/* ---- which kernels ---------------------------------------------------------------- */

/* The parts of one sampler are one group: they are needed together. */
static int group_of(const TdProgram *p, int entry) {
  const char *name = p->entries[entry].name, *dot = strrchr(name, '.');
  size_t n = dot != NULL ? (size_t)(dot - name) + 1 : 0;
  if (strncmp(name, "sample.", 7) != 0) return entry;
  for (int e = 0; e < entry; e++)
    if (strncmp(p->entries[e].name, name, n) == 0) return e;
  return entry;
}

/* Entry e's kernels that no other entry has claimed. */
static void claim(const TdProgram *p, int e, int *group) {
  const TdEntry *entry = &p->entries[e];
  for (int i = 0; i < entry->nsteps; i++)
    if (entry->steps[i].kind == TD_LAUNCH && group[entry->steps[i].kernel] < 0)
      group[entry->steps[i].kernel] = group_of(p, e);
}

/* No kernel is in any group yet. */
static int *no_groups(const TdProgram *p, TdError *err) {
  int *group = malloc(((size_t)p->nkernels + 1) * sizeof *group);
  for (int k = 0; group != NULL && k < p->nkernels; k++) group[k] = -1;
  if (group == NULL) td_fail_memory(err);
  return group;
}

int *kernel_groups(const TdProgram *p, const bool *made, const int *entries, int n, bool *any,
                   TdError *err) {
  bool *wanted = calloc((size_t)p->nentries + 1, sizeof *wanted);
  int *group = wanted != NULL ? no_groups(p, err) : NULL;
  *any = false;
  if (wanted == NULL) td_fail_memory(err);
  for (int i = 0; group != NULL && i < n; i++) wanted[entries[i]] = !made[entries[i]];
  for (int e = 0; group != NULL && e < p->nentries; e++) {
    *any = *any || wanted[e];
    if (wanted[e]) claim(p, e, group);
  }
  free(wanted);
  return group;
}

int *kernel_groups_all(const TdProgram *p, TdError *err) {
  int *group = no_groups(p, err);
  for (int e = 0; group != NULL && e < p->nentries; e++) claim(p, e, group);
  for (int k = 0; group != NULL && k < p->nkernels; k++)
    if (group[k] < 0) group[k] = p->nentries;
  return group;
}

/* ---- units --------------------------------------------------------------------------- */

/* Where units end is decided by the kernels' own text, so that a kernel that
 * grows or appears does not shift all the units behind it. */
static bool unit_ends_after(const char *source, size_t so_far, size_t bytes) {
  uint32_t h = 2166136261u;
  for (const char *p = source; *p != '\0'; p++) h = (h ^ (uint8_t)*p) * 16777619u;
  return so_far >= bytes || (so_far >= bytes / 2 && (h >> 7) % 4 == 0);
}

static bool unit_end(KernelUnit *u, StrBuf *s, TdError *err) {
  u->text = s->s;
  u->n = s->n;
  return u->text != NULL || td_fail_memory(err);
}

/* The next unit, empty. */
static KernelUnit *unit_new(KernelUnits *u, TdError *err) {
  if (u->n == u->room) {
    int room = 2 * u->room + 8;
    KernelUnit *at = realloc(u->at, (size_t)room * sizeof *at);
    if (at == NULL) {
      td_fail_memory(err);
      return NULL;
    }
    u->at = at;
    u->room = room;
  }
  u->at[u->n] = (KernelUnit){.first = -1, .last = -1};
  return &u->at[u->n++];
}

/* Of the prelude as it stands alone, in which each of the functions is called otherwise, what they
 * need, and aliases of their own names. */
static bool share_text(const KernelUnits *u, char *const *names, int n, StrBuf *out, TdError *err) {
  StrBuf uses = {0};
  for (int i = 0; i < n; i++) {
    sb_printf(out, "#define %s td_shared_%d\n", names[i], i);
    sb_printf(&uses, "%s\n", names[i]);
  }
  bool ok = uses.s != NULL && prelude_part(u->prelude, uses.s, false, out);
  for (int i = 0; i < n; i++)
    sb_printf(out,
              "\n#undef %s\nextern __typeof__(td_shared_%d) %s\n"
              "    __attribute__((alias(\"td_shared_%d\"), weak, visibility(\"hidden\")));\n",
              names[i], i, names[i], i);
  sb_free(&uses);
  return (ok && out->s != NULL) || td_fail_memory(err);
}

bool units_share(KernelUnits *u, char *const *names, int n, TdError *err) {
  KernelUnit *unit = unit_new(u, err);
  StrBuf s = {0};
  if (unit == NULL) return false;
  unit->shared = true;
  bool ok = share_text(u, names, n, &s, err);
  return unit_end(unit, &s, err) && ok;
}

/* Kernel k or the next one that is wanted and has a source; nkernels: none is left. */
static int wanted_from(const TdProgram *p, const int *group, bool brief, int k) {
  while (k < p->nkernels &&
         (group[k] < 0 || p->kernels[k].kind == TD_PRODUCT || p->kernels[k].brief != brief))
    k++;
  return k;
}

static bool make_kernels(KernelUnits *u, const TdProgram *p, const int *group, bool brief,
                         size_t bytes, TdError *err) {
  for (int k = wanted_from(p, group, brief, 0); k < p->nkernels;) {
    KernelUnit *unit = unit_new(u, err);
    StrBuf s = {0}, kernels = {0};
    size_t size = 0;
    if (unit == NULL) return false;
    unit->first = k;
    unit->brief = brief;
    bool ends = false;
    while (!ends) {
      /* without the comment, which names the .td line: one that moves is no reason to compile */
      const char *source = p->kernels[k].source;
      int of = group[k];
      sb_printf(&kernels, "\n%s\n", source);
      size += strlen(source);
      unit->last = k;
      k = wanted_from(p, group, brief, k + 1);
      ends = k == p->nkernels || group[k] != of || unit_ends_after(source, size, bytes);
    }
    if (p->shares) sb_puts(&s, "#define TD_DECLARES\n");
    bool ok = kernels.s != NULL && prelude_part(u->prelude, kernels.s, p->shares, &s);
    if (ok) sb_write(&s, kernels.s, kernels.n);
    sb_free(&kernels);
    if (!unit_end(unit, &s, err)) return false;
    if (!ok) return td_fail_memory(err);
  }
  return true;
}

bool units_make(KernelUnits *u, const TdProgram *p, const int *group, size_t bytes, TdError *err) {
  *u = (KernelUnits){.prelude = prelude_read(p->prelude)};
  if (u->prelude == NULL) return td_fail_memory(err);
  return make_kernels(u, p, group, false, bytes, err) &&
         make_kernels(u, p, group, true, bytes, err);
}

void units_drop_shared(KernelUnits *u) {
  while (u->n > 0 && u->at[u->n - 1].shared) free(u->at[--u->n].text);
}

void units_free(KernelUnits *u) {
  for (int i = 0; i < u->n; i++) free(u->at[i].text);
  free(u->at);
  prelude_free(u->prelude);
  *u = (KernelUnits){0};
}
