/* SPDX-License-Identifier: MIT */
/* PTX as C, statement by statement, over the same functions as head.h's primitives: what
 * NVRTC made of a kernel runs on the emulated device, inline assembly and all. A register is
 * its bits; an address in shared memory is its distance from the block's. What is not known
 * is an error, never left out. */
#define _GNU_SOURCE
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cuda_emu/emu.h"
#include "tests/cuda_emu/ptx.h"

enum { OPERANDS = 8, PARTS = 16, TEXT = 160 };

typedef struct Ptx {
  FILE *out, *table;
  char kernel[128];
  const char *name; /* of the source */
  char *error;
  bool shared; /* an array of shared memory was seen */
} Ptx;

/* One statement: ld.global.v2.f32 {%f1, %f2}, [%rd1+8] */
typedef struct Statement {
  const char *text;
  char guard[TEXT]; /* "if (p1) ", or "" */
  char *part[PARTS];
  int nparts;
  char operand[OPERANDS][TEXT];
  int n;
  char opcode[TEXT];
} Statement;

static bool fail(Ptx *p, const char *text) {
  if (p->error == NULL &&
      asprintf(&p->error, "no translation of PTX in %s: %s\n", p->kernel, text) < 0)
    abort();
  return false;
}

/* ---- types and operands --------------------------------------------------------------------- */

static bool has(const Statement *s, const char *part) {
  for (int i = 1; i < s->nparts; i++)
    if (strcmp(s->part[i], part) == 0) return true;
  return false;
}
static const char *type_of(const Statement *s) { return s->part[s->nparts - 1]; }
static bool is_float(const char *t) { return t[0] == 'f'; }
static int bits(const char *t) {
  if (strcmp(t, "pred") == 0) return 1;
  if (strcmp(t, "bf16") == 0) return 16;
  return atoi(t + strcspn(t, "0123456789"));
}

/* Of C: the type of a value, as it is reckoned with. */
static const char *c_type(const char *t) {
  static const char *const names[][2] = {{"pred", "bool"},  {"f32", "float"},   {"f64", "double"},
                                         {"s8", "int8_t"},  {"s16", "int16_t"}, {"s32", "int32_t"},
                                         {"s64", "int64_t"}};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strcmp(t, names[i][0]) == 0) return names[i][1];
  switch (bits(t)) {
  case 8: return "uint8_t";
  case 16: return "uint16_t";
  case 32: return "uint32_t";
  default: return "uint64_t";
  }
}

/* Texts that stay until 64 others were made by this thread. */
static char *text(const char *format, ...) __attribute__((format(printf, 1, 2)));
static char *text(const char *format, ...) {
  static _Thread_local char all[64][512];
  static _Thread_local int next;
  char *to = all[next++ % 64];
  va_list args;
  va_start(args, format);
  vsnprintf(to, sizeof all[0], format, args);
  va_end(args);
  return to;
}

/* Bits of an operand: a register, a number, a special register, a name of shared memory. */
static const char *raw(const char *x) {
  static const char *const special[][2] = {{"%tid.x", "(uint32_t)emu_thread()"},
                                           {"%ntid.x", "(uint32_t)emu_threads()"},
                                           {"%ctaid.x", "(uint32_t)emu_block()"},
                                           {"%nctaid.x", "(uint32_t)emu_blocks()"},
                                           {"%laneid", "((uint32_t)emu_thread() & 31)"}};
  for (size_t i = 0; i < sizeof special / sizeof *special; i++)
    if (strcmp(x, special[i][0]) == 0) return special[i][1];
  if (*x == '%') return text("v_%s", x + 1);
  if (strncmp(x, "0f", 2) == 0) return text("0x%su", x + 2);
  if (strncmp(x, "0d", 2) == 0) return text("0x%sull", x + 2);
  if (isdigit((unsigned char)*x) || *x == '-') return text("(int64_t)%sLL", x);
  if (strncmp(x, "__local_depot", 13) == 0) return text("(uint64_t)%s", x);
  return text("emu_at_%s", x);
}

static const char *value(const char *x, const char *type) {
  const char *r = raw(x);
  if (strcmp(type, "f32") == 0) return text("F(%s)", r);
  if (strcmp(type, "f64") == 0) return text("D(%s)", r);
  return text("(%s)(%s)", c_type(type), r);
}

static void put(Ptx *p, const Statement *s, const char *to, const char *type, const char *x) {
  const char *wrap = strcmp(type, "f32") == 0 ? "FB" : strcmp(type, "f64") == 0 ? "DB" : "";
  if (*wrap)
    fprintf(p->out, "%s%s = %s(%s);\n", s->guard, raw(to), wrap, x);
  else
    fprintf(p->out, "%s%s = (%s)(%s);\n", s->guard, raw(to), c_type(type), x);
}

/* [%rd1+8] */
static const char *address(const char *x) {
  char base[TEXT] = "", rest[TEXT] = "0";
  if (sscanf(x, " [ %159[^]+ ] + %159[^] ]", base, rest) < 1) return "0";
  return text("(%s + (%s))", raw(base), rest);
}

/* {%f1, %f2}, or one alone */
static int vector(const char *x, char of[4][TEXT]) {
  int n = 0;
  x += strspn(x, "{ ");
  while (*x != '\0' && *x != '}' && n < 4) {
    size_t length = strcspn(x, ",} ");
    snprintf(of[n++], TEXT, "%.*s", (int)length, x);
    x += length + strspn(x + length, ", ");
  }
  return n;
}

/* ---- statements, by kind ------------------------------------------------------------------------ */

static bool memory(Ptx *p, const Statement *s) {
  bool load = strcmp(s->part[0], "ld") == 0;
  const char *type = type_of(s), *at = address(s->operand[load ? 1 : 0]);
  char of[4][TEXT];
  int n = vector(s->operand[load ? 0 : 1], of);
  if (has(s, "param")) {
    int index = 0;
    const char *under = strrchr(s->operand[1], '_');
    if (!load || n != 1 || under == NULL || sscanf(under, "_%d", &index) != 1) return false;
    put(p, s, of[0], type[0] == 'f' ? text("b%d", bits(type)) : type, text("arguments[%d]", index));
    return true;
  }
  if (has(s, "local")) {
  } else if (has(s, "shared"))
    at = text("((uint64_t)emu_shared() + (uint32_t)%s)", at);
  const char *bit = text("b%d", bits(type));
  const char *as = type[0] == 's' ? c_type(type) : c_type(bit);
  if (has(s, "volatile")) return false;
  if (n == 1) {
    if (load)
      fprintf(p->out, "%s%s = *(const %s *)%s;\n", s->guard, raw(of[0]), as, at);
    else
      fprintf(p->out, "%s*(%s *)%s = (%s)%s;\n", s->guard, as, at, as, raw(of[0]));
    return true;
  }
  fprintf(p->out, "%s{ emu_v%d_%d *at_ = (emu_v%d_%d *)%s", s->guard, n, bits(type), n, bits(type),
          at);
  if (load)
    fprintf(p->out, ", t_ = *at_;");
  else
    fprintf(p->out, ", t_;");
  for (int i = 0; i < n; i++) {
    if (load)
      fprintf(p->out, " %s = t_.x[%d];", raw(of[i]), i);
    else
      fprintf(p->out, " t_.x[%d] = (%s)%s;", i, as, raw(of[i]));
  }
  fprintf(p->out, "%s }\n", load ? "" : " *at_ = t_;");
  return true;
}

static bool compare(Ptx *p, const Statement *s) {
  static const char *const ops[][2] = {{"eq", "=="}, {"ne", "!="},  {"lt", "<"},   {"le", "<="},
                                       {"gt", ">"},  {"ge", ">="},  {"lo", "<"},   {"ls", "<="},
                                       {"hi", ">"},  {"hs", ">="},  {"equ", "=="}, {"neu", "!="},
                                       {"ltu", "<"}, {"leu", "<="}, {"gtu", ">"},  {"geu", ">="}};
  const char *type = type_of(s), *a = value(s->operand[1], type), *b = value(s->operand[2], type);
  const char *op = s->part[1], *x = NULL, *nan = text("(%s != %s || %s != %s)", a, a, b, b);
  for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
    if (strcmp(op, ops[i][0]) == 0) x = text("%s %s %s", a, ops[i][1], b);
  if (is_float(type)) {
    if (strcmp(op, "num") == 0)
      x = text("!%s", nan);
    else if (strcmp(op, "nan") == 0)
      x = nan;
    else if (x != NULL && strlen(op) == 3 && op[2] == 'u')
      x = text("(%s || %s)", x, nan);
    else if (x != NULL && strcmp(op, "ne") == 0)
      x = text("(%s && !%s)", x, nan);
  }
  if (x == NULL) return false;
  const char *with = has(s, "and") ? "&&" : has(s, "or") ? "||" : has(s, "xor") ? "!=" : NULL;
  if (with != NULL) {
    const char *q = s->operand[3];
    x = text("(%s) %s %s%s", x, with, *q == '!' ? "!" : "", raw(q + (*q == '!')));
  } else if (s->nparts > 3 && !has(s, "ftz")) {
    return false;
  }
  put(p, s, s->operand[0], "pred", x);
  return true;
}

static bool convert(Ptx *p, const Statement *s) {
  const char *to = s->part[s->nparts - 2], *from = type_of(s);
  const char *x = value(s->operand[1], from);
  const char *round = has(s, "rni")   ? "rint"
                      : has(s, "rzi") ? "trunc"
                      : has(s, "rmi") ? "floor"
                      : has(s, "rpi") ? "ceil"
                                      : NULL;
  if (strcmp(to, "bf16x2") == 0) {
    put(p, s, s->operand[0], "b32",
        text("emu_bf16(%s) << 16 | emu_bf16(%s)", x, value(s->operand[2], from)));
  } else if (strcmp(to, "bf16") == 0) {
    put(p, s, s->operand[0], "b16", text("emu_bf16(%s)", x));
  } else if (strcmp(from, "bf16") == 0) {
    put(p, s, s->operand[0], "f32", text("F((uint32_t)(uint16_t)%s << 16)", raw(s->operand[1])));
  } else if (is_float(from) && is_float(to)) {
    put(p, s, s->operand[0], to,
        round != NULL ? text("%s(%s)", round, x) : text("(%s)%s", c_type(to), x));
  } else if (is_float(from)) { /* saturated, of NaN 0 */
    if (round == NULL) return false;
    put(p, s, s->operand[0], to, text("emu_to_%s(%s(%s))", to, round, x));
  } else if (has(s, "sat")) {
    return false;
  } else {
    put(p, s, s->operand[0], to, text("(%s)%s", c_type(to), x));
  }
  return true;
}

static bool multiply(Ptx *p, const Statement *s) {
  const char *t = type_of(s);
  bool add = strcmp(s->part[0], "mad") == 0;
  const char *a = value(s->operand[1], t), *b = value(s->operand[2], t), *x, *to = t;
  if (has(s, "wide")) {
    to = t[0] == 's' ? "s64" : "u64";
    x = text("(%s)%s * (%s)%s", c_type(to), a, c_type(to), b);
  } else if (has(s, "hi")) {
    const char *wide = bits(t) == 64 ? (t[0] == 's' ? "__int128" : "unsigned __int128")
                                     : (t[0] == 's' ? "int64_t" : "uint64_t");
    x = text("(%s)((%s)%s * (%s)%s >> %d)", c_type(t), wide, a, wide, b, bits(t));
  } else {
    to = text("u%d", bits(t));
    x = text("%s * %s", value(s->operand[1], to), value(s->operand[2], to));
  }
  if (add) {
    const char *u = text("u%d", bits(to));
    x = text("(%s)(%s) + %s", c_type(u), x, value(s->operand[3], u));
    to = u;
  }
  put(p, s, s->operand[0], to, x);
  return true;
}

static bool arithmetic(Ptx *p, const Statement *s) {
  static const char *const binary[][2] = {{"add", "+"}, {"sub", "-"}, {"mul", "*"}, {"div", "/"},
                                          {"rem", "%"}, {"and", "&"}, {"or", "|"},  {"xor", "^"}};
  const char *op = s->part[0], *t = type_of(s), *d = s->operand[0];
  const char *u =
      t[0] == 's' && strcmp(op, "div") != 0 && strcmp(op, "rem") != 0 ? text("u%d", bits(t)) : t;
  const char *a = s->n > 1 ? s->operand[1] : "0", *b = s->n > 2 ? s->operand[2] : "0";
  if (is_float(t) &&
      (has(s, "ftz") || has(s, "sat") || has(s, "rz") || has(s, "rm") || has(s, "rp")))
    return false;
  if ((strcmp(op, "mul") == 0 && !is_float(t)) || strcmp(op, "mad") == 0) return multiply(p, s);
  for (size_t i = 0; i < sizeof binary / sizeof *binary; i++)
    if (strcmp(op, binary[i][0]) == 0) {
      if (strcmp(op, "div") == 0 && is_float(t) && !has(s, "rn")) return false;
      put(p, s, d, u, text("%s %s %s", value(a, u), binary[i][1], value(b, u)));
      return true;
    }
  if (strcmp(op, "fma") == 0) {
    put(p, s, d, t,
        text("%s(%s, %s, %s)", t[1] == '3' ? "fmaf" : "fma", value(a, t), value(b, t),
             value(s->operand[3], t)));
    return true;
  }
  if (strcmp(op, "min") == 0 || strcmp(op, "max") == 0) {
    bool min = op[1] == 'i';
    if (has(s, "NaN")) return false;
    if (is_float(t))
      put(p, s, d, t, text("f%s%s(%s, %s)", op, t[1] == '3' ? "f" : "", value(a, t), value(b, t)));
    else
      put(p, s, d, t,
          text("%s %s %s ? %s : %s", value(a, t), min ? "<" : ">", value(b, t), value(a, t),
               value(b, t)));
    return true;
  }
  if (strcmp(op, "neg") == 0)
    put(p, s, d, u, text("-%s", value(a, u)));
  else if (strcmp(op, "not") == 0)
    put(p, s, d, t, text("%s%s", strcmp(t, "pred") == 0 ? "!" : "~", value(a, t)));
  else if (strcmp(op, "abs") == 0)
    put(p, s, d, t,
        is_float(t) ? text("fabs(%s)", value(a, t))
                    : text("%s < 0 ? -(%s)%s : (%s)%s", value(a, t), c_type(text("u%d", bits(t))),
                           value(a, t), c_type(text("u%d", bits(t))), value(a, t)));
  else if (strcmp(op, "sqrt") == 0 && has(s, "rn"))
    put(p, s, d, t, text("sqrt%s(%s)", t[1] == '3' ? "f" : "", value(a, t)));
  else if (strcmp(op, "rcp") == 0 && has(s, "rn"))
    put(p, s, d, t, text("1 / %s", value(a, t)));
  else if (strcmp(op, "ex2") == 0 && has(s, "approx"))
    put(p, s, d, t, text("exp2f(%s)", value(a, t)));
  else if (strcmp(op, "lg2") == 0 && has(s, "approx"))
    put(p, s, d, t, text("log2f(%s)", value(a, t)));
  else if (strcmp(op, "rsqrt") == 0 && has(s, "approx"))
    put(p, s, d, t, text("1 / sqrtf(%s)", value(a, t)));
  else if (strcmp(op, "copysign") == 0)
    put(p, s, d, t, text("copysign%s(%s, %s)", t[1] == '3' ? "f" : "", value(b, t), value(a, t)));
  else if (strcmp(op, "shl") == 0)
    put(p, s, d, t,
        text("(uint32_t)%s > %d ? 0 : %s << ((uint32_t)%s & %d)", raw(b), bits(t) - 1,
             value(a, text("u%d", bits(t))), raw(b), bits(t) - 1));
  else if (strcmp(op, "shr") == 0)
    put(p, s, d, t,
        text("%s >> ((uint32_t)%s > %d ? %d : (uint32_t)%s) >> ((uint32_t)%s > %d)", value(a, t),
             raw(b), bits(t) - 1, bits(t) - 1, raw(b), raw(b), bits(t) - 1));
  else if (strcmp(op, "selp") == 0) {
    const char *bit = text("b%d", bits(t));
    put(p, s, d, bit, text("%s ? %s : %s", raw(s->operand[3]), value(a, bit), value(b, bit)));
  } else if (strcmp(op, "popc") == 0)
    put(p, s, d, "u32", text("__builtin_popcountll(%s)", value(a, t)));
  else if (strcmp(op, "clz") == 0)
    put(p, s, d, "u32", text("emu_clz(%s, %d)", value(a, t), bits(t)));
  else if (strcmp(op, "prmt") == 0)
    put(p, s, d, "b32",
        text("emu_prmt(%s, %s, %s)", value(a, "b32"), value(b, "b32"),
             value(s->operand[3], "b32")));
  else if (strcmp(op, "bfe") == 0 && strcmp(t, "u32") == 0)
    put(p, s, d, t, text("emu_bfe(%s, %s, %s)", value(a, t), value(b, t), value(s->operand[3], t)));
  else if (strcmp(op, "shf") == 0)
    put(p, s, d, "b32",
        text("emu_shf_%s(%s, %s, (uint32_t)%s)", s->part[1], value(a, "b32"), value(b, "b32"),
             raw(s->operand[3])));
  else
    return false;
  return true;
}

static bool move(Ptx *p, const Statement *s) {
  const char *t = type_of(s), *bit = strcmp(t, "pred") == 0 ? t : text("b%d", bits(t));
  char of[4][TEXT];
  if (s->operand[0][0] == '{') {
    int n = vector(s->operand[0], of), part = bits(t) / n;
    fprintf(p->out, "%s{ uint64_t t_ = %s;", s->guard, value(s->operand[1], bit));
    for (int i = 0; i < n; i++)
      if (strcmp(of[i], "_") != 0)
        fprintf(p->out, " %s = (uint%d_t)(t_ >> %d);", raw(of[i]), part, i * part);
    fprintf(p->out, " }\n");
  } else if (s->operand[1][0] == '{') {
    int n = vector(s->operand[1], of), part = bits(t) / n;
    char x[512] = "0";
    for (int i = 0; i < n; i++)
      snprintf(x + strlen(x), sizeof x - strlen(x), " | (uint64_t)(uint%d_t)%s << %d", part,
               raw(of[i]), i * part);
    put(p, s, s->operand[0], bit, x);
  } else {
    put(p, s, s->operand[0], bit, raw(s->operand[1]));
  }
  return true;
}

/* What threads do together, and copies. */
static bool together(Ptx *p, const Statement *s) {
  const char *op = s->part[0];
  char a[4][TEXT], b[4][TEXT], c[4][TEXT], d[4][TEXT];
  if (strcmp(op, "shfl") == 0) {
    char to[TEXT];
    bool exchange = has(s, "bfly");
    snprintf(to, sizeof to, "%.*s", (int)strcspn(s->operand[0], "|"), s->operand[0]);
    if ((!exchange && !has(s, "idx")) || strcmp(type_of(s), "b32") != 0) return false;
    /* of a whole warp and by all of it, else a lane that is none */
    put(p, s, to, "b32",
        text("emu_shuffle(%s, (uint32_t)%s == 31 && (uint32_t)%s == 0xffffffffu ? (int)%s : 1 << "
             "20, %d, EMU_SITE)",
             value(s->operand[1], "b32"), raw(s->operand[3]), raw(s->operand[4]),
             raw(s->operand[2]), exchange));
  } else if ((strcmp(op, "bar") == 0 || strcmp(op, "barrier") == 0) && has(s, "warp")) {
    fprintf(p->out, "%semu_warp_barrier(EMU_SITE);\n", s->guard);
    return strcmp(s->operand[0], "-1") == 0;
  } else if (strcmp(op, "bar") == 0 || strcmp(op, "barrier") == 0) {
    fprintf(p->out, "%semu_barrier(EMU_SITE);\n", s->guard);
    return s->n == 1 && strcmp(s->operand[0], "0") == 0;
  } else if (strcmp(op, "membar") == 0 || strcmp(op, "fence") == 0) {
    fprintf(p->out, "%semu_fence();\n", s->guard);
  } else if (strcmp(op, "atom") == 0 && has(s, "inc")) {
    put(p, s, s->operand[0], "u32",
        text("emu_ticket((unsigned *)%s, %s)", address(s->operand[1]),
             value(s->operand[2], "u32")));
  } else if (strcmp(op, "ldmatrix") == 0 && has(s, "x4") && has(s, "m8n8") && has(s, "b16")) {
    if (vector(s->operand[0], d) != 4) return false;
    fprintf(p->out,
            "%s{ uint32_t t_[4]; emu_ldmatrix(t_, emu_shared() + (uint32_t)%s, %d, EMU_SITE);",
            s->guard, address(s->operand[1]), has(s, "trans"));
    for (int i = 0; i < 4; i++) fprintf(p->out, " %s = t_[%d];", raw(d[i]), i);
    fprintf(p->out, " }\n");
  } else if (strcmp(s->opcode, "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32") == 0) {
    if (vector(s->operand[0], d) != 4 || vector(s->operand[1], a) != 4 ||
        vector(s->operand[2], b) != 2 || vector(s->operand[3], c) != 4)
      return false;
    fprintf(p->out, "%s{ float c_[4] = {F(%s), F(%s), F(%s), F(%s)};", s->guard, raw(c[0]),
            raw(c[1]), raw(c[2]), raw(c[3]));
    fprintf(
        p->out,
        " uint32_t a_[4] = {%s, %s, %s, %s}, b_[2] = {%s, %s}; emu_mma_bf16(c_, a_, b_, EMU_SITE);",
        raw(a[0]), raw(a[1]), raw(a[2]), raw(a[3]), raw(b[0]), raw(b[1]));
    for (int i = 0; i < 4; i++) fprintf(p->out, " %s = FB(c_[%d]);", raw(d[i]), i);
    fprintf(p->out, " }\n");
  } else if (strcmp(op, "cp") == 0 && has(s, "commit_group")) {
    fprintf(p->out, "%semu_copy_commit();\n", s->guard);
  } else if (strcmp(op, "cp") == 0 && has(s, "wait_group")) {
    fprintf(p->out, "%semu_copy_wait(%s);\n", s->guard, s->operand[0]);
  } else if (strcmp(op, "cp") == 0 && has(s, "wait_all")) {
    fprintf(p->out, "%s{ emu_copy_commit(); emu_copy_wait(0); }\n", s->guard);
  } else if (strncmp(s->opcode, "cp.async.c", 10) == 0 && s->n == 3 &&
             strcmp(s->operand[2], "16") == 0) {
    fprintf(p->out, "%semu_copy_async(emu_shared() + (uint32_t)%s, (const void *)%s);\n", s->guard,
            address(s->operand[0]), address(s->operand[1]));
  } else {
    return false;
  }
  return true;
}

static bool one_of(const char *x, const char *list) {
  size_t n = strlen(x);
  for (const char *at = list; (at = strstr(at, x)) != NULL; at += n)
    if ((at == list || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0')) return true;
  return false;
}

static bool instruction(Ptx *p, const Statement *s) {
  const char *op = s->part[0];
  if (strcmp(op, "ld") == 0 || strcmp(op, "st") == 0) return memory(p, s);
  if (strcmp(op, "mov") == 0) return move(p, s);
  if (strcmp(op, "setp") == 0) return compare(p, s);
  if (strcmp(op, "cvt") == 0) return convert(p, s);
  if (strcmp(op, "ret") == 0 || strcmp(op, "exit") == 0) {
    fprintf(p->out, "%sreturn;\n", s->guard);
  } else if (strcmp(op, "bra") == 0) {
    fprintf(p->out, "%sgoto L%s;\n", s->guard, s->operand[0] + 1);
  } else if (strcmp(op, "cvta") == 0) {
    bool to = has(s, "to");
    const char *x = raw(s->operand[1]);
    if (has(s, "shared"))
      x = text(to ? "%s - (uint64_t)emu_shared()" : "(uint64_t)emu_shared() + %s", x);
    else if (!has(s, "global") && !has(s, "local"))
      return false;
    put(p, s, s->operand[0], "u64", x);
  } else if (one_of(op, "shfl bar barrier membar fence atom ldmatrix mma cp")) {
    return together(p, s);
  } else {
    return arithmetic(p, s);
  }
  return true;
}

/* ---- texts into statements ---------------------------------------------------------------------- */

static void operands(Statement *s, const char *x) {
  int depth = 0, length = 0;
  s->n = 0;
  for (; *x != '\0' && s->n < OPERANDS; x++) {
    depth += *x == '{' || *x == '[' || *x == '(';
    depth -= *x == '}' || *x == ']' || *x == ')';
    if (*x == ',' && depth == 0) {
      s->operand[s->n++][length] = '\0';
      length = 0;
    } else if ((*x != ' ' || depth > 0) && length < TEXT - 1) {
      s->operand[s->n][length++] = *x;
    }
  }
  if (length > 0) s->operand[s->n++][length] = '\0';
}

/* .reg .b32 %r<5>; */
static bool registers(Ptx *p, const char *x) {
  char type[16];
  int read = 0;
  if (sscanf(x, ".reg .%15s %n", type, &read) < 1) return false;
  const char *c = strcmp(type, "pred") == 0 ? "bool" : c_type(text("b%d", bits(type)));
  for (x += read; *x != '\0'; x += strspn(x, ", ")) {
    int length = (int)strcspn(x, "<, "), n = 0;
    if (x[length] == '<') {
      n = atoi(x + length + 1);
      for (int i = 0; i < n; i++)
        fprintf(p->out, "%s%s v_%.*s%d = 0", i > 0 ? ";" : "", c, length - 1, x + 1, i);
      x += length + (int)strcspn(x + length, ", ");
    } else {
      fprintf(p->out, "%s v_%.*s = 0", c, length - 1, x + 1);
      x += length;
    }
    fprintf(p->out, ";\n");
  }
  return true;
}

static bool statement(Ptx *p, const char *x) {
  Statement s = {.text = x};
  char name[TEXT], copy[1024];
  int a, b, c;
  if (*x == '\0' || strncmp(x, ".pragma", 7) == 0) return true;
  if (sscanf(x, ".loc %d %d %d", &a, &b, &c) == 3) {
    fprintf(p->out, "#line %d \"%s\"\n", b, p->name);
    return true;
  }
  if (strncmp(x, ".reg", 4) == 0) return registers(p, x) || fail(p, x);
  if (sscanf(x, ".local .align %d .b8 %159[^[][%d]", &a, name, &b) == 3) {
    fprintf(p->out, "uint8_t %s[%d] __attribute__((aligned(%d)));\n", name, b, a);
    return true;
  }
  if (strlen(x) >= sizeof copy) return fail(p, x);
  strcpy(copy, x);
  char *at = copy;
  if (*at == '@') {
    bool not = at[1] == '!';
    int length = (int)strcspn(at, " ");
    snprintf(s.guard, sizeof s.guard, "if (%sv_%.*s) ", not ? "!" : "", length - 2 - not,
             at + 2 + not );
    at += length + (int)strspn(at + length, " ");
  }
  char *rest = at + strcspn(at, " ");
  if (*rest != '\0') *rest++ = '\0';
  snprintf(s.opcode, sizeof s.opcode, "%s", at);
  operands(&s, rest);
  char *left;
  for (char *part = strtok_r(at, ".", &left); part != NULL && s.nparts < PARTS;
       part = strtok_r(NULL, ".", &left))
    s.part[s.nparts++] = part;
  return (s.nparts > 0 && instruction(p, &s)) || fail(p, x);
}

/* A function's body: statements to their ';', labels, and braces that begin a scope. */
static bool body(Ptx *p, const char *x, const char *end) {
  char one[1024];
  int n = 0, depth = 0;
  for (; x < end; x++) {
    char ch = isspace((unsigned char)*x) ? ' ' : *x;
    if (n == 0 && ch == ' ') continue;
    if (n == 0 && (ch == '{' || ch == '}')) {
      fprintf(p->out, "%c\n", ch);
      continue;
    }
    depth += ch == '{' || ch == '[';
    depth -= ch == '}' || ch == ']';
    if (ch == ':' && depth == 0 && one[0] == '$') {
      fprintf(p->out, "L%.*s:;\n", n - 1, one + 1);
      n = 0;
      continue;
    }
    bool loc = *x == '\n' && n > 4 && strncmp(one, ".loc", 4) == 0;
    if (ch == ';' || loc) {
      while (n > 0 && one[n - 1] == ' ') n--;
      one[n] = '\0';
      n = 0;
      if (!statement(p, one)) return false;
      continue;
    }
    if ((ch == ' ' && one[n - 1] == ' ')) continue;
    if (n == (int)sizeof one - 1) return fail(p, "a statement of more than 1000 characters");
    one[n++] = ch;
  }
  return true;
}

static void no_comments(char *s) {
  for (char *p = s; (p = strstr(p, "//")) != NULL;)
    while (*p != '\n' && *p != '\0') *p++ = ' ';
}

/* The matching brace of the one at p. */
static const char *closing(const char *p) {
  int depth = 0;
  for (; *p != '\0'; p++) {
    depth += *p == '{';
    depth -= *p == '}';
    if (depth == 0) return p;
  }
  return p;
}

static const char before[] =
    "#define F(x) td_float((uint32_t)(x))\n#define FB(x) td_bits(x)\n"
    "TD_DEVICE double D(uint64_t u) { double x; __builtin_memcpy(&x, &u, 8); return x; }\n"
    "TD_DEVICE uint64_t DB(double x) { uint64_t u; __builtin_memcpy(&u, &x, 8); return u; }\n"
    "TD_DEVICE uint32_t emu_bf16(float x) {\n  uint32_t u = td_bits(x);\n"
    "  return x == x ? (u + 0x7fff + (u >> 16 & 1)) >> 16 : 0x7fff;\n}\n"
    "TD_DEVICE int32_t emu_to_s32(double x)\n"
    "{ return x != x ? 0 : x <= -0x1p31 ? -2147483647 - 1 : x >= 0x1p31 ? 2147483647 : (int32_t)x; "
    "}\n"
    "TD_DEVICE uint32_t emu_to_u32(double x)\n"
    "{ return x != x || x <= 0 ? 0 : x >= 0x1p32 ? 4294967295u : (uint32_t)x; }\n"
    "TD_DEVICE int64_t emu_to_s64(double x)\n"
    "{ return x != x ? 0 : x <= -0x1p63 ? -9223372036854775807LL - 1\n"
    "         : x >= 0x1p63 ? 9223372036854775807LL : (int64_t)x; }\n"
    "TD_DEVICE uint32_t emu_clz(uint64_t x, int bits)\n"
    "{ return x == 0 ? (uint32_t)bits : (uint32_t)(__builtin_clzll(x) - (64 - bits)); }\n"
    "TD_DEVICE uint32_t emu_prmt(uint32_t a, uint32_t b, uint32_t s) {\n"
    "  uint64_t v = a | (uint64_t)b << 32; uint32_t o = 0;\n"
    "  for (int i = 0; i < 4; i++) {\n"
    "    uint32_t k = s >> 4 * i & 15, x = (uint32_t)(v >> 8 * (k & 7)) & 255;\n"
    "    o |= (k & 8 ? (x & 128 ? 255u : 0u) : x) << 8 * i;\n  }\n  return o;\n}\n"
    "TD_DEVICE uint32_t emu_bfe(uint32_t a, uint32_t at, uint32_t n)\n"
    "{ at &= 255; n &= 255; return at > 31 ? 0 : n > 31 ? a >> at : a >> at & ((1u << n) - 1); }\n"
    "TD_DEVICE uint32_t emu_shf_l(uint32_t low, uint32_t high, uint32_t n)\n"
    "{ return (uint32_t)(((uint64_t)high << 32 | low) << (n & 31) >> 32); }\n"
    "TD_DEVICE uint32_t emu_shf_r(uint32_t low, uint32_t high, uint32_t n)\n"
    "{ return (uint32_t)(((uint64_t)high << 32 | low) >> (n & 31)); }\n"
    "#define EMU_VECTOR(n, b) typedef struct emu_v##n##_##b { uint##b##_t x[n]; } \\\n"
    "  __attribute__((aligned(n * b / 8))) emu_v##n##_##b;\n"
    "EMU_VECTOR(2, 8)\nEMU_VECTOR(4, 8)\nEMU_VECTOR(2, 16)\nEMU_VECTOR(4, 16)\nEMU_VECTOR(2, 32)\n"
    "EMU_VECTOR(4, 32)\nEMU_VECTOR(2, 64)\n";

/* .global .align 4 .b8 name[24] = {65, 144, ...}: constants, as bytes; false: something else. */
static bool constants(Ptx *p, char *s) {
  for (char *at = s; (at = strstr(at, ".align")) != NULL; at++) {
    char name[TEXT], *line = at;
    int align, n;
    while (line > s && line[-1] != '\n') line--;
    if (strncmp(line, ".extern .shared", 15) == 0 &&
        sscanf(at, ".align %d .b8 %159[^[]", &align, name) == 2)
      fprintf(p->out, "#define emu_at_%s 0\n", name);
    else if ((strncmp(line, ".global", 7) == 0 || strncmp(line, ".const", 6) == 0) &&
             sscanf(at, ".align %d .b8 %159[^[][%d] =", &align, name, &n) == 3)
      fprintf(p->out,
              "static const uint8_t %s[%d] __attribute__((aligned(%d))) = %.*s;\n"
              "#define emu_at_%s (uint64_t)%s\n",
              name, n, align, (int)strcspn(strchr(at, '{'), ";"), strchr(at, '{'), name, name);
    else if (*line == '.')
      return fail(p, line);
  }
  return true;
}

char *ptx_to_c(const char *ptx, const char *name, int abi, int capability, bool specific,
               bool checked, char **names, char **error) {
  char *s = strdup(ptx), *all = NULL, *rows = NULL, *list = NULL;
  size_t nall, nrows, nlist;
  Ptx p = {
      .out = open_memstream(&all, &nall), .table = open_memstream(&rows, &nrows), .name = name};
  FILE *called = open_memstream(&list, &nlist);
  int n = 0;
  no_comments(s);
  fputs(before, p.out);
  strcpy(p.kernel, "the unit");
  bool ok = constants(&p, s);
  for (char *at = s; ok && (at = strstr(at, ".visible .entry ")) != NULL;) {
    int arguments = 0, threads = MOST_THREADS, resident = 1;
    sscanf(at, ".visible .entry %127[A-Za-z0-9_$]", p.kernel);
    const char *open = strchr(at, '{'), *close = closing(open);
    char kinds[MOST_ARGUMENTS + 1] = "";
    for (const char *q = at; (q = strstr(q, ".param .")) != NULL && q < open; q++)
      if (arguments < MOST_ARGUMENTS) kinds[arguments++] = '.';
    const char *bound = strstr(at, ".maxntid"), *least = strstr(at, ".minnctapersm");
    if (bound != NULL && bound < open) sscanf(bound, ".maxntid %d", &threads);
    if (least != NULL && least < open) sscanf(least, ".minnctapersm %d", &resident);
    fprintf(p.out, "static void %s(const unsigned long long *arguments) {\n", p.kernel);
    ok = body(&p, open + 1, close);
    fprintf(p.out,
            "}\nstatic __attribute__((no_sanitize(\"thread\"))) void emu_call_%s(void *f, "
            "const unsigned long long *a) {\n  unsigned long long own[%d];\n"
            "  (void)f; for (int i = 0; i < %d; i++) own[i] = a[i];\n  %s(own);\n}\n",
            p.kernel, arguments + 1, arguments, p.kernel);
    fprintf(p.table, "  {\"%s\", (void *)%s, emu_call_%s, %d, %d, %d, \"%s\"},\n", p.kernel,
            p.kernel, p.kernel, threads, resident, arguments, kinds);
    fprintf(called, "%s\n", p.kernel);
    n++;
    at = s + (close - s);
  }
  fclose(p.table), fclose(called);
  fprintf(p.out,
          "static const EmuKernel emu_table[] = {\n%s  {0}\n};\n"
          "extern const EmuUnit emu_unit __attribute__((visibility(\"default\")));\n"
          "const EmuUnit emu_unit = {%d, %d, %d, %d, %d, emu_table};\n",
          rows, abi, capability, specific, checked, n);
  fclose(p.out);
  free(rows), free(s);
  *names = list;
  *error = p.error;
  if (!ok) {
    free(all);
    return NULL;
  }
  return all;
}
