/* SPDX-License-Identifier: MIT */
/* One kernel of the program: its C text laid out for reading, its name, what is
 * said about it. Equal texts are one kernel. */
#include "compiler/plan/chain.h"

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

static const char *class_of(const Group *g) {
  switch (g->kind) {
  case GROUP_CONTRACTION: return "contraction";
  case GROUP_SCATTER: return "scatter";
  case GROUP_LOOP: return "loop";
  case GROUP_CHAIN: return "chain";
  case GROUP_ROWS: break;
  }
  bool reduces = false, column = false;
  for (int i = 0; i < g->members.n; i++) {
    reduces = reduces || g->members.at[i].node->reducer != RED_NONE;
    column = column || g->members.at[i].accumulates;
  }
  return column ? "column" : reduces ? "row" : "map";
}

/* A line of source, without what could end a comment or a line early. */
static const char *source_line(Plan *p, Span at) {
  if (at.line <= 0) return "";
  const Source *s = diags_source_at(p->be->diags, at.file);
  if (!s) return "";
  const char *text = s->text;
  for (int line = 1; line < at.line && *text; text++) line += *text == '\n';
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
  const char *line = b.n ? arena_strndup(p->arena, b.s, b.n) : "";
  sb_free(&b);
  return line;
}

static const char *place_text(Plan *p, Span at) {
  if (at.line <= 0) return "";
  const Source *s = diags_source_at(p->be->diags, at.file);
  return s ? arena_printf(p->arena, "%s:%d", s->path, at.line) : "";
}

static const char *kernel_name(Plan *p, const char *klass, const Node *n) {
  const char *stem = emit_stem(p->arena, n->name, 36);
  for (int i = 0;; i++) {
    const char *name = i ? arena_printf(p->arena, "%s_%s_%d", klass, stem, i)
                         : arena_printf(p->arena, "%s_%s", klass, stem);
    bool taken = false;
    for (int k = 0; k < p->be->kernels.n; k++)
      taken = taken || strcmp(p->be->kernels.at[k].name, name) == 0;
    if (!taken) return name;
  }
}

/* The bytes of every buffer part read or written, once each. */
typedef struct Traffic {
  Plan *p;
  Group *g;
  VEC(Node *) seen;
  double bytes;
} Traffic;

static void add_traffic(Node *n, void *ctx) {
  Traffic *t = ctx;
  for (int i = 0; i < t->seen.n; i++)
    if (t->seen.at[i] == n) return;
  vec_push(t->p->arena, &t->seen, n);
  NodeInfo *info = plan_info(t->p, n);
  if (info->placed && info->group != t->g)
    t->bytes += (double)ir_count(n) * (double)td_type_size(plan_type(t->p, n));
}

static double traffic(Plan *p, Group *g) {
  Traffic t = {.p = p, .g = g};
  for (int i = 0; i < g->members.n; i++) {
    const Member *m = &g->members.at[i];
    ir_each_read(p->g, m->node, add_traffic, &t);
    if (m->stored)
      t.bytes += (double)ir_count(m->node) * (double)td_type_size(plan_type(p, m->node));
  }
  return t.bytes;
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
  for (int i = 0; i < g->members.n; i++) {
    const Member *m = &g->members.at[i];
    sb_puts(out, i ? ", " : " ");
    print_shape(out, m->node);
    if (m->node->reducer != RED_NONE) {
      sb_printf(out, " = %s over", reducer_name(m->node->reducer));
      for (int v = m->node->rank; v < m->node->nvars; v++)
        sb_printf(out, " %lld", (long long)m->node->extent[v]);
    }
  }
  if (note) sb_printf(out, "\n * %s", note);
  sb_puts(out, " */\n");
}

/* ---- the kernel ------------------------------------------------------------------------ */

static int find_equal(Backend *be, const TdKernel *k) {
  for (int i = 0; i < be->kernels.n; i++) {
    const TdKernel *o = &be->kernels.at[i];
    if (o->launch.cpu.pieces == k->launch.cpu.pieces &&
        o->launch.cpu.scratch == k->launch.cpu.scratch && strcmp(be->bodies.at[i], k->source) == 0)
      return i;
  }
  return -1;
}

/* Find the same kernel, or give this one its name and its comment. */
static void add_kernel(Plan *p, Group *g, TdKernel *k, const char *note) {
  Backend *be = p->be;
  g->kernel = find_equal(be, k);
  if (g->kernel >= 0) return;
  const char *body = k->source;
  k->name = kernel_name(p, k->klass, g->members.at[0].node);
  StrBuf out = {0}, comment = {0};
  print_comment(g, k, note, &comment);
  k->comment = arena_strndup(p->arena, comment.s, comment.n);
  sb_free(&comment);
  sb_printf(&out, "void %s(const TdCall *call, int64_t begin, int64_t end)\n", k->name);
  indent(&out, body);
  k->source = arena_strndup(p->arena, out.s, out.n);
  sb_free(&out);
  g->kernel = be->kernels.n;
  vec_push(be->arena, &be->kernels, *k);
  vec_push(be->arena, &be->bodies, body);
}

void kernel_write(Plan *p, Group *g) {
  const Node *n = g->members.at[0].node;
  TdKernel k = {
      .klass = class_of(g), .where = place_text(p, n->span), .text = source_line(p, n->span)};
  const char *note = NULL;
  switch (g->kind) {
  case GROUP_ROWS: emit_rows(p, g, &k); break;
  case GROUP_SCATTER: emit_scatter(p, g, &k); break;
  case GROUP_CONTRACTION: emit_contraction(p, g, &k, &note); break;
  case GROUP_CHAIN: emit_chain(p, g, &k, &note); break;
  case GROUP_LOOP: bug("no kernel for this group");
  }
  k.bytes = traffic(p, g);
  add_kernel(p, g, &k, note);
}

static Group *write_packing(Plan *p, Group *g) {
  Group *pack = NEW(p->arena, Group);
  *pack = *g;
  const Node *n = g->members.at[0].node;
  TdKernel k = {.klass = "pack", .where = place_text(p, n->span), .text = source_line(p, n->span)};
  const char *note = NULL;
  emit_packing(p, pack, &k, &note);
  add_kernel(p, pack, &k, note);
  return pack;
}

Group *kernel_pack(Plan *p, Group *g) {
  return contraction_packs(p, g) ? write_packing(p, g) : NULL;
}

Group *kernel_keep(Plan *p, Group *g) {
  return contraction_keeps(p, g) ? write_packing(p, g) : NULL;
}
