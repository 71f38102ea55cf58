/* SPDX-License-Identifier: MIT */
/* One instruction of PTX as C: see ptx.c. */
#define _GNU_SOURCE
#include <ctype.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cuda_emu/ptx_code.h"

/* ---- types and operands ---- */

static bool has(const Statement *s, const char *part) {
  for (int i = 1; i < s->nparts; i++)
    if (strcmp(s->part[i], part) == 0) return true;
  return false;
}
static const char *type_of(const Statement *s) { return s->part[s->nparts - 1]; }
static bool is_float(const char *t) { return t[0] == 'f'; }
int ptx_bits(const char *t) {
  if (strcmp(t, "pred") == 0) return 1;
  if (strcmp(t, "bf16") == 0) return 16;
  return atoi(t + strcspn(t, "0123456789"));
}

/* Of C: the type of a value, as it is reckoned with. */
const char *ptx_c_type(const char *t) {
  static const char *const names[][2] = {{"pred", "bool"},  {"f32", "float"},   {"f64", "double"},
                                         {"s8", "int8_t"},  {"s16", "int16_t"}, {"s32", "int32_t"},
                                         {"s64", "int64_t"}};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strcmp(t, names[i][0]) == 0) return names[i][1];
  switch (ptx_bits(t)) {
  case 8: return "uint8_t";
  case 16: return "uint16_t";
  case 32: return "uint32_t";
  default: return "uint64_t";
  }
}

char *ptx_text(const char *format, ...) {
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
  if (*x == '%') return ptx_text("v_%s", x + 1);
  if (strncmp(x, "0f", 2) == 0) return ptx_text("0x%su", x + 2);
  if (strncmp(x, "0d", 2) == 0) return ptx_text("0x%sull", x + 2);
  if (isdigit((unsigned char)*x) || *x == '-') return ptx_text("(int64_t)%sLL", x);
  if (strncmp(x, "__local_depot", 13) == 0) return ptx_text("(uint64_t)%s", x);
  return ptx_text("emu_at_%s", x);
}

static const char *value(const char *x, const char *type) {
  const char *r = raw(x);
  if (strcmp(type, "f32") == 0) return ptx_text("F(%s)", r);
  if (strcmp(type, "f64") == 0) return ptx_text("D(%s)", r);
  return ptx_text("(%s)(%s)", ptx_c_type(type), r);
}

static void put(Ptx *p, const Statement *s, const char *to, const char *type, const char *x) {
  const char *wrap = strcmp(type, "f32") == 0 ? "FB" : strcmp(type, "f64") == 0 ? "DB" : "";
  if (*wrap)
    fprintf(p->out, "%s%s = %s(%s);\n", s->guard, raw(to), wrap, x);
  else
    fprintf(p->out, "%s%s = (%s)(%s);\n", s->guard, raw(to), ptx_c_type(type), x);
}

/* [%rd1+8] */
static const char *address(const char *x) {
  char base[TEXT] = "", rest[TEXT] = "0";
  if (sscanf(x, " [ %159[^]+ ] + %159[^] ]", base, rest) < 1) return "0";
  return ptx_text("(%s + (%s))", raw(base), rest);
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

/* ---- statements, by kind ---- */

static bool memory(Ptx *p, const Statement *s) {
  bool load = strcmp(s->part[0], "ld") == 0;
  const char *type = type_of(s), *at = address(s->operand[load ? 1 : 0]);
  char of[4][TEXT];
  int n = vector(s->operand[load ? 0 : 1], of);
  if (has(s, "param")) {
    int index = 0;
    const char *under = strrchr(s->operand[1], '_');
    if (!load || n != 1 || under == NULL || sscanf(under, "_%d", &index) != 1) return false;
    put(p, s, of[0], type[0] == 'f' ? ptx_text("b%d", ptx_bits(type)) : type,
        ptx_text("arguments[%d]", index));
    return true;
  }
  if (has(s, "local")) {
  } else if (has(s, "shared"))
    at = ptx_text("((uint64_t)emu_shared() + (uint32_t)%s)", at);
  const char *bit = ptx_text("b%d", ptx_bits(type));
  const char *as = type[0] == 's' ? ptx_c_type(type) : ptx_c_type(bit);
  if (has(s, "volatile")) return false;
  if (n == 1) {
    if (load)
      fprintf(p->out, "%s%s = *(const %s *)%s;\n", s->guard, raw(of[0]), as, at);
    else
      fprintf(p->out, "%s*(%s *)%s = (%s)%s;\n", s->guard, as, at, as, raw(of[0]));
    return true;
  }
  fprintf(p->out, "%s{ emu_v%d_%d *at_ = (emu_v%d_%d *)%s", s->guard, n, ptx_bits(type), n,
          ptx_bits(type), at);
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
  const char *op = s->part[1], *x = NULL, *nan = ptx_text("(%s != %s || %s != %s)", a, a, b, b);
  for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
    if (strcmp(op, ops[i][0]) == 0) x = ptx_text("%s %s %s", a, ops[i][1], b);
  if (is_float(type)) {
    if (strcmp(op, "num") == 0)
      x = ptx_text("!%s", nan);
    else if (strcmp(op, "nan") == 0)
      x = nan;
    else if (x != NULL && strlen(op) == 3 && op[2] == 'u')
      x = ptx_text("(%s || %s)", x, nan);
    else if (x != NULL && strcmp(op, "ne") == 0)
      x = ptx_text("(%s && !%s)", x, nan);
  }
  if (x == NULL) return false;
  const char *with = has(s, "and") ? "&&" : has(s, "or") ? "||" : has(s, "xor") ? "!=" : NULL;
  if (with != NULL) {
    const char *q = s->operand[3];
    x = ptx_text("(%s) %s %s%s", x, with, *q == '!' ? "!" : "", raw(q + (*q == '!')));
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
        ptx_text("emu_bf16(%s) << 16 | emu_bf16(%s)", x, value(s->operand[2], from)));
  } else if (strcmp(to, "bf16") == 0) {
    put(p, s, s->operand[0], "b16", ptx_text("emu_bf16(%s)", x));
  } else if (strcmp(from, "bf16") == 0) {
    put(p, s, s->operand[0], "f32",
        ptx_text("F((uint32_t)(uint16_t)%s << 16)", raw(s->operand[1])));
  } else if (is_float(from) && is_float(to)) {
    put(p, s, s->operand[0], to,
        round != NULL ? ptx_text("%s(%s)", round, x) : ptx_text("(%s)%s", ptx_c_type(to), x));
  } else if (is_float(from)) { /* saturated, of NaN 0 */
    if (round == NULL) return false;
    put(p, s, s->operand[0], to, ptx_text("emu_to_%s(%s(%s))", to, round, x));
  } else if (has(s, "sat")) {
    return false;
  } else {
    put(p, s, s->operand[0], to, ptx_text("(%s)%s", ptx_c_type(to), x));
  }
  return true;
}

static bool multiply(Ptx *p, const Statement *s) {
  const char *t = type_of(s);
  bool add = strcmp(s->part[0], "mad") == 0;
  const char *a = value(s->operand[1], t), *b = value(s->operand[2], t), *x, *to = t;
  if (has(s, "wide")) {
    to = t[0] == 's' ? "s64" : "u64";
    x = ptx_text("(%s)%s * (%s)%s", ptx_c_type(to), a, ptx_c_type(to), b);
  } else if (has(s, "hi")) {
    const char *wide = ptx_bits(t) == 64 ? (t[0] == 's' ? "__int128" : "unsigned __int128")
                                         : (t[0] == 's' ? "int64_t" : "uint64_t");
    x = ptx_text("(%s)((%s)%s * (%s)%s >> %d)", ptx_c_type(t), wide, a, wide, b, ptx_bits(t));
  } else {
    to = ptx_text("u%d", ptx_bits(t));
    x = ptx_text("%s * %s", value(s->operand[1], to), value(s->operand[2], to));
  }
  if (add) {
    const char *u = ptx_text("u%d", ptx_bits(to));
    x = ptx_text("(%s)(%s) + %s", ptx_c_type(u), x, value(s->operand[3], u));
    to = u;
  }
  put(p, s, s->operand[0], to, x);
  return true;
}

static bool arithmetic(Ptx *p, const Statement *s) {
  static const char *const binary[][2] = {{"add", "+"}, {"sub", "-"}, {"mul", "*"}, {"div", "/"},
                                          {"rem", "%"}, {"and", "&"}, {"or", "|"},  {"xor", "^"}};
  const char *op = s->part[0], *t = type_of(s), *d = s->operand[0];
  const char *u = t[0] == 's' && strcmp(op, "div") != 0 && strcmp(op, "rem") != 0
                      ? ptx_text("u%d", ptx_bits(t))
                      : t;
  const char *a = s->n > 1 ? s->operand[1] : "0", *b = s->n > 2 ? s->operand[2] : "0";
  if (is_float(t) &&
      (has(s, "ftz") || has(s, "sat") || has(s, "rz") || has(s, "rm") || has(s, "rp")))
    return false;
  if ((strcmp(op, "mul") == 0 && !is_float(t)) || strcmp(op, "mad") == 0) return multiply(p, s);
  for (size_t i = 0; i < sizeof binary / sizeof *binary; i++)
    if (strcmp(op, binary[i][0]) == 0) {
      if (strcmp(op, "div") == 0 && is_float(t) && !has(s, "rn")) return false;
      put(p, s, d, u, ptx_text("%s %s %s", value(a, u), binary[i][1], value(b, u)));
      return true;
    }
  if (strcmp(op, "fma") == 0) {
    put(p, s, d, t,
        ptx_text("%s(%s, %s, %s)", t[1] == '3' ? "fmaf" : "fma", value(a, t), value(b, t),
                 value(s->operand[3], t)));
    return true;
  }
  if (strcmp(op, "min") == 0 || strcmp(op, "max") == 0) {
    bool min = op[1] == 'i';
    if (has(s, "NaN")) return false;
    if (is_float(t))
      put(p, s, d, t,
          ptx_text("f%s%s(%s, %s)", op, t[1] == '3' ? "f" : "", value(a, t), value(b, t)));
    else
      put(p, s, d, t,
          ptx_text("%s %s %s ? %s : %s", value(a, t), min ? "<" : ">", value(b, t), value(a, t),
                   value(b, t)));
    return true;
  }
  if (strcmp(op, "neg") == 0)
    put(p, s, d, u, ptx_text("-%s", value(a, u)));
  else if (strcmp(op, "not") == 0)
    put(p, s, d, t, ptx_text("%s%s", strcmp(t, "pred") == 0 ? "!" : "~", value(a, t)));
  else if (strcmp(op, "abs") == 0)
    put(p, s, d, t,
        is_float(t) ? ptx_text("fabs(%s)", value(a, t))
                    : ptx_text("%s < 0 ? -(%s)%s : (%s)%s", value(a, t),
                               ptx_c_type(ptx_text("u%d", ptx_bits(t))), value(a, t),
                               ptx_c_type(ptx_text("u%d", ptx_bits(t))), value(a, t)));
  else if (strcmp(op, "sqrt") == 0 && has(s, "rn"))
    put(p, s, d, t, ptx_text("sqrt%s(%s)", t[1] == '3' ? "f" : "", value(a, t)));
  else if (strcmp(op, "rcp") == 0 && has(s, "rn"))
    put(p, s, d, t, ptx_text("1 / %s", value(a, t)));
  else if (strcmp(op, "ex2") == 0 && has(s, "approx"))
    put(p, s, d, t, ptx_text("exp2f(%s)", value(a, t)));
  else if (strcmp(op, "lg2") == 0 && has(s, "approx"))
    put(p, s, d, t, ptx_text("log2f(%s)", value(a, t)));
  else if (strcmp(op, "rsqrt") == 0 && has(s, "approx"))
    put(p, s, d, t, ptx_text("1 / sqrtf(%s)", value(a, t)));
  else if (strcmp(op, "copysign") == 0)
    put(p, s, d, t,
        ptx_text("copysign%s(%s, %s)", t[1] == '3' ? "f" : "", value(b, t), value(a, t)));
  else if (strcmp(op, "shl") == 0)
    put(p, s, d, t,
        ptx_text("(uint32_t)%s > %d ? 0 : %s << ((uint32_t)%s & %d)", raw(b), ptx_bits(t) - 1,
                 value(a, ptx_text("u%d", ptx_bits(t))), raw(b), ptx_bits(t) - 1));
  else if (strcmp(op, "shr") == 0)
    put(p, s, d, t,
        ptx_text("%s >> ((uint32_t)%s > %d ? %d : (uint32_t)%s) >> ((uint32_t)%s > %d)",
                 value(a, t), raw(b), ptx_bits(t) - 1, ptx_bits(t) - 1, raw(b), raw(b),
                 ptx_bits(t) - 1));
  else if (strcmp(op, "selp") == 0) {
    const char *bit = ptx_text("b%d", ptx_bits(t));
    put(p, s, d, bit, ptx_text("%s ? %s : %s", raw(s->operand[3]), value(a, bit), value(b, bit)));
  } else if (strcmp(op, "popc") == 0)
    put(p, s, d, "u32", ptx_text("__builtin_popcountll(%s)", value(a, t)));
  else if (strcmp(op, "clz") == 0)
    put(p, s, d, "u32", ptx_text("emu_clz(%s, %d)", value(a, t), ptx_bits(t)));
  else if (strcmp(op, "prmt") == 0)
    put(p, s, d, "b32",
        ptx_text("emu_prmt(%s, %s, %s)", value(a, "b32"), value(b, "b32"),
                 value(s->operand[3], "b32")));
  else if (strcmp(op, "bfe") == 0 && strcmp(t, "u32") == 0)
    put(p, s, d, t,
        ptx_text("emu_bfe(%s, %s, %s)", value(a, t), value(b, t), value(s->operand[3], t)));
  else if (strcmp(op, "bfi") == 0 && strcmp(t, "b32") == 0)
    put(p, s, d, t,
        ptx_text("emu_bfi(%s, %s, (uint32_t)%s, (uint32_t)%s)", value(a, t), value(b, t),
                 raw(s->operand[3]), raw(s->operand[4])));
  else if (strcmp(op, "bfi") == 0 && strcmp(t, "b64") == 0 && strcmp(s->operand[3], "32") == 0 &&
           strcmp(s->operand[4], "32") == 0) /* two halves */
    put(p, s, d, t, ptx_text("(uint64_t)%s << 32 | (uint32_t)%s", value(a, t), value(b, t)));
  else if (strcmp(op, "shf") == 0)
    put(p, s, d, "b32",
        ptx_text("emu_shf_%s(%s, %s, (uint32_t)%s)", s->part[1], value(a, "b32"), value(b, "b32"),
                 raw(s->operand[3])));
  else
    return false;
  return true;
}

static bool move(Ptx *p, const Statement *s) {
  const char *t = type_of(s), *bit = strcmp(t, "pred") == 0 ? t : ptx_text("b%d", ptx_bits(t));
  char of[4][TEXT];
  if (s->operand[0][0] == '{') {
    int n = vector(s->operand[0], of), part = ptx_bits(t) / n;
    fprintf(p->out, "%s{ uint64_t t_ = %s;", s->guard, value(s->operand[1], bit));
    for (int i = 0; i < n; i++)
      if (strcmp(of[i], "_") != 0)
        fprintf(p->out, " %s = (uint%d_t)(t_ >> %d);", raw(of[i]), part, i * part);
    fprintf(p->out, " }\n");
  } else if (s->operand[1][0] == '{') {
    int n = vector(s->operand[1], of), part = ptx_bits(t) / n;
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
        ptx_text(
            "emu_shuffle(%s, (uint32_t)%s == 31 && (uint32_t)%s == 0xffffffffu ? (int)%s : 1 << "
            "20, %d, EMU_SITE)",
            value(s->operand[1], "b32"), raw(s->operand[3]), raw(s->operand[4]), raw(s->operand[2]),
            exchange));
  } else if (strcmp(s->opcode, "vote.sync.ballot.b32") == 0) {
    put(p, s, s->operand[0], "b32",
        ptx_text("emu_ballot((uint32_t)%s == 0xffffffffu ? (int)%s : -1, EMU_SITE)",
                 raw(s->operand[2]), value(s->operand[1], "pred")));
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
        ptx_text("emu_ticket((unsigned *)%s, %s)", address(s->operand[1]),
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

bool ptx_instruction(Ptx *p, const Statement *s) {
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
      x = ptx_text(to ? "%s - (uint64_t)emu_shared()" : "(uint64_t)emu_shared() + %s", x);
    else if (!has(s, "global") && !has(s, "local"))
      return false;
    put(p, s, s->operand[0], "u64", x);
  } else if (one_of(op, "shfl vote bar barrier membar fence atom ldmatrix mma cp")) {
    return together(p, s);
  } else {
    return arithmetic(p, s);
  }
  return true;
}
