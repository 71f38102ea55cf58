/* SPDX-License-Identifier: MIT */
/* The program's kernels, in the order in which launches first need them: each one's
 * text laid out for reading, its name, what is said about it. Groups whose launches are equal
 * and whose texts are but for the names in them, and for numbers that a launch may give, share one
 * kernel. */
#include "compiler/emit/emit.h"

#include <ctype.h>
#include <string.h>

/* ---- layout ------------------------------------------------------------------- */

/* Two spaces for each open brace; text comes in one statement a line. */
static void indent(StrBuf *out, const char *text) {
  int depth = 0;
  while (*text) {
    while (*text == ' ') text++;
    const char *end = strchr(text, '\n');
    size_t n = end ? (size_t)(end - text) : strlen(text);
    int at = depth;
    if (n > 0 && text[0] == '}') at--;
    for (int i = 0; i < at && n > 0; i++) sb_puts(out, "  ");
    sb_write(out, text, n);
    sb_putc(out, '\n');
    for (size_t i = 0; i < n; i++) depth += text[i] == '{' ? 1 : text[i] == '}' ? -1 : 0;
    text += n + (end != NULL);
  }
}

/* ---- what is said about a kernel --------------------------------------------------- */

/* A line of source, without what could end a comment or a line early. */
static const char *source_line(Arena *a, Diags *d, Span at) {
  if (at.line <= 0) return "";
  const char *text = diags_line(d, at.file, at.line);
  while (*text == ' ' || *text == '\t') text++;
  StrBuf b = {0};
  for (size_t n = 0; text[n] && text[n] != '\n' && n < 160; n++) {
    unsigned char c = (unsigned char)text[n];
    bool plain = c >= ' ' && c < 127 && c != '\\' && c != '?' &&
                 !(c == '/' && n > 0 && text[n - 1] == '*') &&
                 !(c == '*' && n > 0 && text[n - 1] == '/');
    sb_putc(&b, plain || c == '?' ? (char)c : '.');
    if (c == '?' && text[n + 1] == '?') sb_putc(&b, ' ');
  }
  const char *line = b.n ? arena_strndup(a, b.s, b.n) : "";
  sb_free(&b);
  return line;
}

static const char *place_text(Arena *a, Diags *d, Span at) {
  if (at.line <= 0) return "";
  const Source *s = diags_source_at(d, at.file);
  return s ? arena_printf(a, "%s:%d", s->path, at.line) : "";
}

/* A name that no kernel has; numbers below the last one tried are taken. */
static const char *kernel_name(Kernels *ks, Arena *a, const char *klass, const Node *n) {
  const char *base = arena_printf(a, "%s_%s", klass, emit_stem(a, n->name, 36)), *name = base;
  int *number = namemap_at(a, &ks->numbered, base);
  while (namemap_find(&ks->names, name)) name = arena_printf(a, "%s_%d", base, ++*number);
  *namemap_at(a, &ks->names, name) = 1;
  return name;
}

/* Names and paths as they may stand in a comment. */
static void print_plainly(StrBuf *out, const char *s) {
  for (; *s; s++) {
    bool plain = (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || (*s >= '0' && *s <= '9') ||
                 *s == '.' || *s == '_' || *s == '-' || *s == ':' || *s == '<' || *s == '>' ||
                 (*s == '/' && s[1] != '*');
    sb_putc(out, plain ? *s : '_');
  }
}

static void print_shape(StrBuf *out, const Node *n) {
  print_plainly(out, n->name);
  for (int d = 0; d < n->rank; d++) {
    sb_puts(out, d ? ", " : "[");
    if (n->axis[d]) print_plainly(out, n->axis[d]);
    sb_printf(out, "%s%lld", n->axis[d] ? "=" : "", (long long)n->shape[d]);
  }
  sb_puts(out, n->rank ? "]" : "");
}

static void print_members(const Group *g, const char **sep, StrBuf *out) {
  for (int i = 0; i < g->members.n; i++) {
    const Member *m = &g->members.at[i];
    sb_puts(out, *sep);
    *sep = ", ";
    print_shape(out, m->node);
    if (m->node->reducer != RED_NONE) {
      sb_printf(out, " = %s over", reducer_name(m->node->reducer));
      for (int v = m->node->rank; v < m->node->nvars; v++)
        sb_printf(out, " %lld", (long long)m->node->extent[v]);
    }
  }
}

/* Above the function: the place, the .td line, and what it computes:
 *     models/x.td:23: y[b,l] = sum[d](x[b,l,d])
 *     y[b=8, l=256] = sum over 384                                            */
static void print_comment(const Group *g, const TdKernel *k, const char *note, StrBuf *out) {
  sb_puts(out, "/*");
  if (*k->where) {
    sb_putc(out, ' ');
    print_plainly(out, k->where);
    sb_printf(out, ": %s\n *", k->text);
  }
  const char *sep = " ";
  print_members(g, &sep, out);
  for (int i = 0; g->kernel && i < g->kernel->body.n; i++)
    print_members(g->kernel->body.at[i], &sep, out);
  if (note) sb_printf(out, "\n * %s", note);
  sb_puts(out, " */\n");
}

void emit_place(Arena *a, Diags *d, const Node *n, TdStep *step) {
  const Span first = n->users.n > 0 ? n->users.at[0] : n->span;
  const char *inside = place_text(a, d, n->span);
  StrBuf where = {0};
  sb_puts(&where, place_text(a, d, first));
  for (int i = 1; i < n->users.n; i++) sb_printf(&where, ", %s", place_text(a, d, n->users.at[i]));
  step->where = arena_strndup(a, where.s ? where.s : "", where.n);
  step->text = source_line(a, d, first);
  sb_free(&where);
  step->inside = inside[0] == '<' && n->users.n > 0 ? inside : NULL;
}

/* ---- the kernel ---------------------------------------------------------------------- */

/* A name that the writer made (emit_name): it ends in _ and a number, and is nobody else's. */
static bool is_made(const char *at, size_t n) {
  size_t digits = 0;
  while (digits < n && isdigit((unsigned char)at[n - 1 - digits])) digits++;
  return digits > 0 && digits < n && at[n - 1 - digits] == '_' && at[0] != '_' &&
         strncmp(at, "td_", 3) != 0 && strncmp(at, "TD_", 3) != 0;
}

/* The text with numbers for the names made in it, in the order in which they occur: two texts
 * of which these are equal say the same, but for the numbers that are marked. What stands behind a
 * dot or an arrow is a field. */
static const char *nameless(Arena *a, const char *text, EmitNumbers *given) {
  Arena *own = arena_new();
  NameMap numbers = {0};
  StrBuf out = {0};
  int made = 0;
  while (*text) {
    size_t n = 0;
    while (isalnum((unsigned char)text[n]) || text[n] == '_') n++;
    const bool field = out.n > 0 && (out.s[out.n - 1] == '.' || out.s[out.n - 1] == '>');
    if (n > 0 && !isdigit((unsigned char)*text) && !field && is_made(text, n)) {
      int *number = namemap_at(own, &numbers, arena_strndup(own, text, n));
      if (!*number) *number = ++made;
      sb_printf(&out, "@%d", *number);
    } else if (numbers_mark(*text)) {
      numbers_take(a, &out, *text, given);
    } else {
      sb_write(&out, text, n ? n : 1);
    }
    text += n ? n : 1;
  }
  const char *key = arena_strndup(a, out.s ? out.s : "", out.n);
  sb_free(&out);
  arena_free(own);
  return key;
}

static bool same_launch(const TdLaunch *a, const TdLaunch *b) {
  for (int d = 0; d < 3; d++)
    if (a->gpu.grid[d] != b->gpu.grid[d] || a->gpu.block[d] != b->gpu.block[d]) return false;
  return a->cpu.pieces == b->cpu.pieces && a->cpu.scratch == b->cpu.scratch &&
         a->gpu.shared == b->gpu.shared && a->gpu.resident == b->gpu.resident;
}

static int find_equal(const Kernels *ks, const TdKernel *k, const char *body) {
  const int *first = namemap_find(&ks->bodies, body);
  for (int i = first ? *first - 1 : -1; i >= 0; i = ks->twin.at[i])
    if (same_launch(&ks->at.at[i].launch, &k->launch) && ks->at.at[i].counters == k->counters &&
        ks->at.at[i].control == k->control)
      return i;
  return -1;
}

/* Behind those of the same text, so that the first of equal ones is found. */
static int add_kernel(Kernels *ks, Arena *a, const TdKernel *k, const KernelText *text,
                      const char *body) {
  int made = ks->at.n;
  vec_push(a, &ks->at, *k);
  vec_push(a, &ks->text, *text);
  vec_push(a, &ks->twin, -1);
  if (!body) return made;
  int *first = namemap_at(a, &ks->bodies, body);
  if (*first) {
    int last = *first - 1;
    while (ks->twin.at[last] >= 0) last = ks->twin.at[last];
    ks->twin.at[last] = made;
  } else {
    *first = made + 1;
  }
  return made;
}

static int add_use(Kernels *ks, Arena *a, int kernel, const EmitNumbers *numbers) {
  const KernelUse use = {kernel, numbers->n, numbers->at};
  vec_push(a, &ks->uses, use);
  return kernel;
}

/* A product of a library is one kernel for each launch: where its matrices lie is its own. */
static int add_product(Kernels *ks, Plan *p, const Group *g, TdKernel *k) {
  StrBuf comment = {0};
  k->kind = TD_PRODUCT;
  k->product = g->launch.product;
  k->name = kernel_name(ks, p->arena, "product", g->members.at[0].node);
  print_comment(g, k, NULL, &comment);
  k->comment = arena_strndup(p->arena, comment.s, comment.n);
  k->source = "";
  sb_free(&comment);
  const int made = add_kernel(ks, p->arena, k, &(KernelText){0}, NULL);
  return add_use(ks, p->arena, made, &(EmitNumbers){0});
}

/* Above a kernel that several lines share, a few of them. */
static void add_place(Arena *a, TdKernel *k, const char *where) {
  enum { MOST = 600 };
  size_t n = strlen(k->comment), end = sizeof " */\n" - 1;
  StrBuf out = {0};
  sb_puts(&out, "\n * and ");
  print_plainly(&out, where);
  sb_puts(&out, " */\n");
  bool told = strcmp(where, k->where) == 0 || !*where || n > MOST;
  if (!told) told = strstr(k->comment, arena_strndup(a, out.s, out.n - end)) != NULL;
  if (!told) k->comment = arena_printf(a, "%.*s%s", (int)(n - end), k->comment, out.s);
  sb_free(&out);
}

int kernel_of(Kernels *ks, Plan *p, Group *g) {
  const Node *n = plan_first(g);
  TdKernel k = {.kind = g->kind == GROUP_PACK ? TD_PACK : TD_SOURCE,
                .klass = plan_class(g),
                .where = place_text(p->arena, p->diags, n->span),
                .text = source_line(p->arena, p->diags, n->span),
                .counters = g->launch.counters,
                .control = g->launch.control,
                .launch = g->launch.shape,
                .flops = g->launch.flops,
                .narrow_flops = g->launch.narrow_flops,
                .bytes = g->launch.bytes,
                .read = g->launch.read,
                .dear = g->launch.dear};
  if (g->launch.product) return add_product(ks, p, g, &k);
  const char *note = NULL;
  p->target->emit(p, g, &k, &note);
  KernelText text = {.body = k.source, .nargs = g->launch.args.n};
  p->target->head(p->arena, g, &text.before, &text.after);
  StrBuf whole = {0};
  EmitNumbers numbers = {0};
  sb_printf(&whole, "%s%s%s", text.before, text.after, text.body);
  const char *body = nameless(p->arena, whole.s, &numbers);
  sb_free(&whole);
  int known = find_equal(ks, &k, body);
  if (known >= 0) {
    add_place(p->arena, &ks->at.at[known], k.where);
    return add_use(ks, p->arena, known, &numbers);
  }
  k.name = kernel_name(ks, p->arena, k.klass, n);
  StrBuf comment = {0};
  print_comment(g, &k, note, &comment);
  k.comment = arena_strndup(p->arena, comment.s, comment.n);
  sb_free(&comment);
  return add_use(ks, p->arena, add_kernel(ks, p->arena, &k, &text, body), &numbers);
}

void kernels_finish(Kernels *ks, Arena *a, const Dialect *d, TdEntry *entries, int n) {
  const char **body = NEWN(a, const char *, ks->at.n + 1);
  numbers_give(ks, a, d, entries, n, body);
  for (int i = 0; i < ks->at.n; i++) {
    const KernelText *t = &ks->text.at[i];
    TdKernel *k = &ks->at.at[i];
    if (k->kind == TD_PRODUCT) continue;
    StrBuf out = {0};
    sb_printf(&out, "%s%s%s\n", t->before, k->name, t->after);
    indent(&out, body[i]);
    k->source = arena_strndup(a, out.s, out.n);
    sb_free(&out);
  }
}
