/* SPDX-License-Identifier: MIT */
/* Numbers that a launch may give. Kernels whose texts differ in some numbers alone are one, which
 * reads these from an argument more: 1,500 statements that each scale by a number of their own
 * are compiled once. A number that all launches of a kernel have in common stands in its text.
 *
 * Writers mark which numbers these may be (emit_given): what they are decides nothing but the
 * value, neither how a loop is compiled nor how a sum is rounded. A mark is one byte behind the
 * digits, in the place of a suffix. Extents and places are never marked: loops are as fast as what
 * a C compiler knows of them. */
#include "compiler/emit/emit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { REAL = '\1', SITE = '\2' };

static bool is_mark(char c) { return c == REAL || c == SITE; }

/* ---- marks ------------------------------------------------------------------------------ */

/* A power of two is multiplied exactly, 0 and 1 not at all: of these a compiler makes what it
 * would not of others. */
static bool is_plain(double x) {
  int exponent;
  return x != 0 && fabs(frexp((float)x, &exponent)) != 0.5;
}

const char *emit_given(const Emit *em, const Expr *e, const char *text) {
  if (!em->dialect->numbers) return text;
  if (e->kind == E_INT && e->inum >= 0 && e->inum <= UINT32_MAX)
    return arena_printf(em->arena, "%lld%c", (long long)e->inum, SITE);
  const char *suffix = em->dialect->suffix, *end;
  if (e->kind != E_NUM || !isfinite((float)e->num) || !is_plain(e->num)) return text;
  end = text + strlen(text) - (text[0] == '(') - strlen(suffix);
  return arena_printf(em->arena, "%.*s%c%s", (int)(end - text), text, REAL, end + strlen(suffix));
}

/* Where the number begins whose digits end at text[n]; its sign is not part of it. */
static size_t number_begin(const char *text, size_t n) {
  while (n > 0) {
    const char c = text[n - 1];
    const bool exponent = (c == '-' || c == '+') && n > 1 && text[n - 2] == 'e';
    if (!(c >= '0' && c <= '9') && c != '.' && c != 'e' && !exponent) break;
    n--;
  }
  return n;
}

void numbers_take(Arena *a, StrBuf *out, char mark, EmitNumbers *numbers) {
  const size_t from = number_begin(out->s, out->n);
  const double x = mark == REAL ? (double)strtof(out->s + from, NULL) : strtod(out->s + from, NULL);
  vec_push(a, numbers, x);
  out->n = from;
  sb_putc(out, '#');
}

bool numbers_mark(char c) { return is_mark(c); }

/* ---- which of them differ ---------------------------------------------------------------- */

/* Of one kernel: slot[i] is the argument's element that has its i-th number; -1: it is the same in
 * all launches. Numbers that are equal in each launch have one. first[][j]: the first number of
 * element j. 0: reals, 1: sites of draws. */
typedef struct Slots {
  int *slot;
  VEC(int) first[2];
} Slots;

typedef VEC(const KernelUse *) Uses;

static bool differs(const Uses *uses, int i) {
  bool any = false;
  for (int u = 1; u < uses->n; u++) any = any || uses->at[u]->number[i] != uses->at[0]->number[i];
  return any;
}

static void find_slots(Arena *a, const Uses *uses, const char *text, Slots *s) {
  NameMap known = {0};
  const int n = uses->n > 0 ? uses->at[0]->n : 0;
  s->slot = NEWN(a, int, n + 1);
  for (int i = 0; i < n; i++) {
    while (!is_mark(*text)) text++;
    const char mark = *text++;
    s->slot[i] = -1;
    if (!differs(uses, i)) continue;
    StrBuf column = {0};
    sb_putc(&column, mark);
    for (int u = 0; u < uses->n; u++) sb_printf(&column, " %a", uses->at[u]->number[i]);
    int *at = namemap_at(a, &known, arena_strndup(a, column.s, column.n));
    sb_free(&column);
    if (!*at) {
      vec_push(a, &s->first[mark == SITE], i);
      *at = s->first[mark == SITE].n;
    }
    s->slot[i] = *at - 1;
  }
}

/* ---- the kernel's text --------------------------------------------------------------------- */

static const char *const array[2] = {"numbers", "sites"}, *const element[2] = {"number", "site"};

/* A site is 32 bits without a sign, which stand in a buffer of integers. */
static void declare(Arena *a, const Dialect *d, const Slots *s, int nargs, StrBuf *out) {
  for (int t = 0; t < 2; t++) {
    const char *type = d->stored[t == 0 ? TY_REAL : TY_INT], *arg = arena_printf(a, "%d", nargs),
               *value = t == 0 ? type : d->wide, *bits = t == 0 ? "" : " & 0xffffffff";
    if (s->first[t].n == 0) continue;
    sb_printf(out, "const %s *const %s = (const %s *)%s;\n", type, array[t], type,
              dialect_spell(d, a, d->argument, &arg));
    for (int j = 0; j < s->first[t].n; j++)
      sb_printf(out, "const %s %s%d = %s[%d]%s;\n", value, element[t], j, array[t], j, bits);
    nargs++;
  }
}

/* As it stands where it is the same in all launches; the digits are there. */
static void spell_alike(const Dialect *d, char mark, StrBuf *out) {
  const size_t from = number_begin(out->s, out->n);
  if (mark == REAL) {
    sb_puts(out, d->suffix);
    return;
  }
  const long long site = strtoll(out->s + from, NULL, 10);
  if (site <= INT32_MAX) return;
  out->n = from;
  sb_printf(out, "(%s)%lldLL", d->wide, site);
}

/* The body with its numbers in it, or the names of those that differ. */
static const char *spell(Arena *a, const Dialect *d, const char *body, const Slots *s, int nargs) {
  StrBuf out = {0};
  int i = 0;
  if (s->first[0].n + s->first[1].n > 0) {
    static const char open[] = "{\n";
    if (strncmp(body, open, strlen(open)) != 0) bug("a kernel's text does not begin with a brace");
    sb_puts(&out, open);
    declare(a, d, s, nargs, &out);
    body += strlen(open);
  }
  for (; *body; body++) {
    if (!is_mark(*body)) {
      sb_putc(&out, *body);
    } else if (s->slot[i] < 0) {
      spell_alike(d, *body, &out);
      i++;
    } else {
      out.n = number_begin(out.s, out.n);
      sb_printf(&out, "%s%d", element[*body == SITE], s->slot[i++]);
    }
  }
  const char *text = arena_strndup(a, out.s ? out.s : "", out.n);
  sb_free(&out);
  return text;
}

/* ---- the launches ---------------------------------------------------------------------------- */

/* What the launches of an entry give, one behind the other. */
typedef struct Given {
  VEC(float) reals;
  VEC(int32_t) sites;
} Given;

static int add_buffer(Arena *a, TdEntry *e, const char *name, TdType type, int n,
                      const void *data) {
  TdBuffer *more = NEWN(a, TdBuffer, e->nbuffers + 1);
  if (e->nbuffers > 0) memcpy(more, e->buffers, (size_t)e->nbuffers * sizeof *more);
  more[e->nbuffers] = (TdBuffer){.kind = TD_CONST,
                                 .name = name,
                                 .type = type,
                                 .rank = 1,
                                 .shape = {n},
                                 .count = n,
                                 .pitch = n,
                                 .bytes = (size_t)n * td_type_size(type),
                                 .state = -1,
                                 .data = data};
  e->buffers = more;
  return e->nbuffers++;
}

/* One argument more, which begins so many elements of four bytes behind the buffer's beginning. */
static void add_argument(Arena *a, TdStep *step, int buffer, int begin) {
  int *args = NEWN(a, int, step->nargs + 1);
  size_t *begins = NEWN(a, size_t, step->nargs + 1);
  for (int i = 0; i < step->nargs; i++) {
    args[i] = step->args[i];
    begins[i] = step->begins ? step->begins[i] : 0;
  }
  args[step->nargs] = buffer;
  begins[step->nargs] = (size_t)begin * sizeof(float);
  step->args = args;
  step->begins = begins;
  step->nargs++;
}

static void give_entry(Arena *a, TdEntry *e, const Slots *slots, const KernelUse *use) {
  Given g = {{0}, {0}};
  int number[2] = {-1, -1};
  for (int pass = 0; pass < 2; pass++) { /* what there is; then who is given it, from where */
    int reals = 0, sites = 0;
    const KernelUse *u = use;
    for (int i = 0; i < e->nsteps; i++) {
      if (e->steps[i].kind != TD_LAUNCH) continue;
      const Slots *s = &slots[u->kernel];
      for (int j = 0; pass == 0 && j < s->first[0].n; j++)
        vec_push(a, &g.reals, (float)u->number[s->first[0].at[j]]);
      for (int j = 0; pass == 0 && j < s->first[1].n; j++)
        vec_push(a, &g.sites, (int32_t)(uint32_t)u->number[s->first[1].at[j]]);
      if (pass == 1 && s->first[0].n > 0) add_argument(a, &e->steps[i], number[0], reals);
      if (pass == 1 && s->first[1].n > 0) add_argument(a, &e->steps[i], number[1], sites);
      reals += s->first[0].n;
      sites += s->first[1].n;
      u++;
    }
    if (pass == 0 && g.reals.n > 0)
      number[0] = add_buffer(a, e, array[0], TD_F32, g.reals.n, g.reals.at);
    if (pass == 0 && g.sites.n > 0)
      number[1] = add_buffer(a, e, array[1], TD_I32, g.sites.n, g.sites.at);
  }
}

void numbers_give(const Kernels *ks, Arena *a, const Dialect *d, TdEntry *entries, int n,
                  const char **body) {
  Uses *uses = NEWN(a, Uses, ks->at.n + 1);
  Slots *slots = NEWN(a, Slots, ks->at.n + 1);
  for (int u = 0; u < ks->uses.n; u++) vec_push(a, &uses[ks->uses.at[u].kernel], &ks->uses.at[u]);
  for (int k = 0; k < ks->at.n; k++) {
    const KernelText *t = &ks->text.at[k];
    if (ks->at.at[k].kind == TD_PRODUCT) continue;
    find_slots(a, &uses[k], t->body, &slots[k]);
    body[k] = spell(a, d, t->body, &slots[k], t->nargs);
  }
  const KernelUse *use = ks->uses.at;
  for (int e = 0; e < n; e++) {
    give_entry(a, &entries[e], slots, use);
    for (int i = 0; i < entries[e].nsteps; i++) use += entries[e].steps[i].kind == TD_LAUNCH;
  }
}
