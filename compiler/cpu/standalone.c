/* SPDX-License-Identifier: MIT */
/* A program as one C file that builds alone: the prelude, the kernels, tables of
 * buffers and steps, and a small driver (standalone_driver.inc) with threads.
 * Every kernel stands under its .td line, and #line makes compilers, debuggers
 * and profilers speak of that line. */
#include "compiler/backend.h"

#include <string.h>

/* The driver's text: compiler/cpu/standalone_driver.inc, embedded by the build. */
const char *standalone_header_text(void); /* standalone_NAME.inc, embedded by the build */
const char *standalone_top_text(void);
const char *standalone_types_text(void);
const char *standalone_driver_text(void);

typedef struct Out {
  StrBuf *c;
  const TdProgram *p;
  char name[EMIT_NAME]; /* C identifier the public names begin with */
  size_t counted;       /* characters of c already in `line` */
  int line;
} Out;

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

void emit_c_name(const TdProgram *p, char out[EMIT_NAME]) {
  size_t n = 0;
  if (!is_letter(p->name[0])) out[n++] = 'm';
  for (const char *s = p->name; *s && n < 40; s++)
    out[n++] = is_letter(*s) || (*s >= '0' && *s <= '9') ? *s : '_';
  out[n] = 0;
}

static int current_line(Out *o) {
  for (; o->counted < o->c->n; o->counted++) o->line += o->c->s[o->counted] == '\n';
  return o->line;
}

/* A C string: printable ASCII, the rest as octal. */
static void put_string(StrBuf *out, const char *s) {
  sb_putc(out, '"');
  for (; s && *s; s++) {
    unsigned char c = (unsigned char)*s;
    if (c == '"' || c == '\\')
      sb_printf(out, "\\%c", c);
    else if (c < ' ' || c > '~' || c == '?')
      sb_printf(out, "\\%03o", c);
    else
      sb_putc(out, (char)c);
  }
  sb_putc(out, '"');
}

/* ---- kernels -------------------------------------------------------------------- */

/* "models/x.td:23" as a #line directive; compilers take the line that follows. */
static void put_line(Out *o, const TdKernel *k) {
  const char *colon = strrchr(k->where, ':');
  if (!colon || colon == k->where) return;
  char path[256];
  size_t n =
      (size_t)(colon - k->where) < sizeof path - 1 ? (size_t)(colon - k->where) : sizeof path - 1;
  for (size_t i = 0; i < n; i++) {
    unsigned char c = (unsigned char)k->where[i];
    path[i] = c >= ' ' && c <= '~' && c != '"' && c != '\\' && c != '?' ? (char)c : '_';
  }
  path[n] = 0;
  sb_printf(o->c, "#line %s \"%s\"\n", colon + 1, path);
}

static void put_kernel(Out *o, const TdKernel *k) {
  sb_putc(o->c, '\n');
  sb_puts(o->c, k->comment);
  put_line(o, k);
  sb_puts(o->c, "static ");
  sb_puts(o->c, k->source);
  sb_printf(o->c, "#line %d \"%s.c\"\n", current_line(o) + 1, o->name);
}

/* ---- tables ---------------------------------------------------------------------- */

static const char *type_name_of(TdType t) {
  switch (t) {
  case TD_F32: return "F32";
  case TD_I32: return "I32";
  case TD_U8: return "U8";
  case TD_F64: return "F64";
  case TD_BF16: return "BF16";
  case TD_F16: return "F16";
  }
  return "F32";
}

static void put_constant(Out *o, int entry, int index, const TdBuffer *b) {
  sb_printf(o->c, "static const %s const_%d_%d[] = {",
            b->type == TD_F32   ? "float"
            : b->type == TD_I32 ? "int32_t"
                                : "uint8_t",
            entry, index);
  for (int64_t i = 0; i < b->count; i++) {
    if (i % 8 == 0) sb_puts(o->c, "\n ");
    if (b->type == TD_F32) {
      float x = ((const float *)b->data)[i];
      if (x != x)
        sb_puts(o->c, " NAN,");
      else if (x > 3.4028235e38f || x < -3.4028235e38f)
        sb_puts(o->c, x > 0 ? " INFINITY," : " -INFINITY,");
      else
        sb_printf(o->c, " %af,", (double)x);
    } else if (b->type == TD_I32) {
      int32_t x = ((const int32_t *)b->data)[i];
      if (x == INT32_MIN)
        sb_puts(o->c, " INT32_MIN,");
      else
        sb_printf(o->c, " %d,", x);
    } else {
      sb_printf(o->c, " %d,", ((const uint8_t *)b->data)[i]);
    }
  }
  sb_puts(o->c, "\n};\n");
}

static void put_shape(Out *o, int rank, const int64_t *shape) {
  sb_printf(o->c, "%d, {", rank);
  for (int d = 0; d < rank; d++) sb_printf(o->c, "%s%lld", d ? ", " : "", (long long)shape[d]);
  sb_puts(o->c, rank ? "}" : "0}");
}

static void put_buffers(Out *o, int index, const TdEntry *e) {
  static const char *const kinds[] = {"TEMP", "STATE", "INPUT", "CONST", "KEPT"};
  for (int i = 0; i < e->nbuffers; i++)
    if (e->buffers[i].kind == TD_CONST) put_constant(o, index, i, &e->buffers[i]);
  sb_printf(o->c, "static const Buffer buffers_%d[] = {\n", index);
  for (int i = 0; i < e->nbuffers; i++) {
    const TdBuffer *b = &e->buffers[i];
    sb_printf(o->c, "  {%s, %s, ", kinds[b->kind], type_name_of(b->type));
    put_string(o->c, b->name);
    sb_printf(o->c, ", %lld, %zu, %zu, %d, ", (long long)b->count, b->bytes, b->offset, b->state);
    if (b->kind == TD_CONST)
      sb_printf(o->c, "const_%d_%d, ", index, i);
    else
      sb_puts(o->c, "NULL, ");
    put_shape(o, b->rank, b->shape);
    sb_puts(o->c, "},\n");
  }
  sb_puts(o->c, e->nbuffers ? "};\n" : "  {TEMP, F32, \"\", 0, 0, 0, -1, NULL, 0, {0}}\n};\n");
}

static void put_steps(Out *o, int index, const TdEntry *e) {
  for (int s = 0; s < e->nsteps; s++) {
    if (e->steps[s].kind != TD_LAUNCH) continue;
    sb_printf(o->c, "static const int args_%d_%d[] = {", index, s);
    for (int i = 0; i < e->steps[s].nargs; i++)
      sb_printf(o->c, "%s%d", i ? ", " : "", e->steps[s].args[i]);
    sb_puts(o->c, e->steps[s].nargs ? "};\n" : "0};\n");
    if (!e->steps[s].begins) continue;
    sb_printf(o->c, "static const size_t begins_%d_%d[] = {", index, s);
    for (int i = 0; i < e->steps[s].nargs; i++)
      sb_printf(o->c, "%s%zu", i ? ", " : "", e->steps[s].begins[i]);
    sb_puts(o->c, "};\n");
  }
  sb_printf(o->c, "static const Step steps_%d[] = {\n", index);
  for (int s = 0; s < e->nsteps; s++) {
    const TdStep *step = &e->steps[s];
    if (step->kind == TD_LAUNCH) {
      const TdKernel *k = &o->p->kernels[step->kernel];
      sb_printf(o->c, "  {LAUNCH, %d, %s, %lld, %d, args_%d_%d, ", step->once, k->name,
                (long long)k->launch.cpu.pieces, step->nargs, index, s);
      if (step->begins)
        sb_printf(o->c, "begins_%d_%d, 0, 0, 0},\n", index, s);
      else
        sb_puts(o->c, "NULL, 0, 0, 0},\n");
    } else if (step->kind == TD_LOOP) {
      sb_printf(o->c, "  {LOOP, 0, NULL, 0, 0, NULL, NULL, %d, %lld, %d},\n", step->slot,
                (long long)step->count, step->reverse);
    } else {
      sb_puts(o->c, "  {END, 0, NULL, 0, 0, NULL, NULL, 0, 0, 0},\n");
    }
  }
  sb_puts(o->c, "  {STOP, 0, NULL, 0, 0, NULL, NULL, 0, 0, 0}\n};\n");
  sb_printf(o->c, "static const Named outputs_%d[] = {\n", index);
  for (int i = 0; i < e->noutputs; i++) {
    sb_puts(o->c, "  {");
    put_string(o->c, e->outputs[i].name);
    sb_printf(o->c, ", %d},\n", e->outputs[i].buffer);
  }
  sb_puts(o->c, "  {NULL, 0}\n};\n");
}

static void put_tables(Out *o) {
  const TdProgram *p = o->p;
  size_t scratch = 64;
  int most_args = 1;
  for (int i = 0; i < p->nkernels; i++)
    if (p->kernels[i].launch.cpu.scratch > scratch) scratch = p->kernels[i].launch.cpu.scratch;
  for (int i = 0; i < p->nentries; i++)
    for (int s = 0; s < p->entries[i].nsteps; s++)
      if (p->entries[i].steps[s].nargs > most_args) most_args = p->entries[i].steps[s].nargs;
  for (int i = 0; i < p->nentries; i++) {
    put_buffers(o, i, &p->entries[i]);
    put_steps(o, i, &p->entries[i]);
  }
  sb_puts(o->c, "static const Entry entries[] = {\n");
  for (int i = 0; i < p->nentries; i++) {
    sb_puts(o->c, "  {");
    put_string(o->c, p->entries[i].name);
    sb_printf(o->c, ", buffers_%d, %d, steps_%d, outputs_%d, %zu},\n", i, p->entries[i].nbuffers, i,
              i, p->entries[i].arena_bytes);
  }
  sb_puts(o->c, "  {NULL, NULL, 0, NULL, NULL, 0}\n};\nstatic const State states[] = {\n");
  for (int i = 0; i < p->nstates; i++) {
    sb_puts(o->c, "  {");
    put_string(o->c, p->states[i].name);
    sb_printf(o->c, ", %s, %lld, %zu},\n", type_name_of(p->states[i].type),
              (long long)p->states[i].count, td_type_size(p->states[i].type));
  }
  sb_puts(o->c, "  {NULL, F32, 0, 0}\n};\nstatic const Tensor tensors[] = {\n");
  for (int i = 0; i < p->ntensors; i++) {
    const TdTensor *t = &p->tensors[i];
    sb_puts(o->c, "  {");
    put_string(o->c, t->name);
    sb_printf(o->c, ", %d, %lld, ", t->state, (long long)t->offset);
    put_shape(o, t->rank, t->shape);
    sb_puts(o->c, "},\n");
  }
  sb_printf(o->c,
            "  {NULL, 0, 0, 0, {0}}\n};\nenum { N_ENTRIES = %d, N_STATES = %d, N_TENSORS = %d, "
            "MOST_ARGS = %d };\n",
            p->nentries, p->nstates, p->ntensors, most_args);
  sb_printf(o->c, "static const size_t scratch_bytes = %zu;\n", scratch);
}

/* ---- the driver: texts in which NAME_ stands for the program's name ---------------- */

static void put_renamed(Out *o, StrBuf *out, const char *text) {
  while (*text) {
    if (strncmp(text, "NAME_", 5) == 0) {
      sb_printf(out, "%s_", o->name);
      text += 5;
    } else {
      sb_putc(out, *text++);
    }
  }
}

void emit_standalone_c(const TdProgram *p, StrBuf *c, StrBuf *h) {
  Out o = {.c = c, .p = p, .line = 1};
  emit_c_name(p, o.name);
  put_renamed(&o, h, standalone_header_text());
  sb_printf(c,
            "/* %s: made by tdc. A library of its own; %s.h tells its functions. Build it with\n"
            " *     cc -O3 -shared -fPIC %s.c -o lib%s.so -lm -lpthread\n"
            " * and fastest with -march=native -fopenmp-simd -fno-math-errno -fno-trapping-math "
            "-ffp-contract=fast.%s */\n",
            o.name, o.name, o.name, o.name,
            td_program_splits(p)
                ? "\n * Products of f32 are made on tiles (AMX) where these flags allow them, by "
                  "multiply-adds\n * elsewhere and with -DTD_NARROW_BODY=0: their sums differ in "
                  "the last bits."
                : "");
  put_renamed(&o, c, standalone_top_text());
  sb_printf(c, "#include \"%s.h\"\n\n", o.name);
  sb_puts(c, p->prelude);
  put_renamed(&o, c, standalone_types_text());
  sb_puts(c, "\n/* ---- kernels: each runs pieces begin .. end - 1 of its work ---- */\n");
  for (int i = 0; i < p->nkernels; i++) put_kernel(&o, &p->kernels[i]);
  sb_puts(c, "\n/* ---- tables ---- */\n");
  put_tables(&o);
  put_renamed(&o, c, standalone_driver_text());
}
