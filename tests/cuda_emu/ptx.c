/* SPDX-License-Identifier: MIT */
/* PTX as C, statement by statement, over the same functions as head.h's primitives: what
 * NVRTC made of a kernel runs on the emulated device, inline assembly and all. A register is
 * its bits; an address in shared memory is its distance from the block's. What is not known
 * is an error, never left out. */
#define _GNU_SOURCE
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cuda_emu/emu.h"
#include "tests/cuda_emu/ptx.h"
#include "tests/cuda_emu/ptx_code.h"

static bool fail(Ptx *p, const char *text) {
  if (p->error == NULL &&
      asprintf(&p->error, "no translation of PTX in %s: %s\n", p->kernel, text) < 0)
    abort();
  return false;
}

/* ---- texts into statements ---- */

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
  const char *c = strcmp(type, "pred") == 0 ? "bool" : ptx_c_type(ptx_text("b%d", ptx_bits(type)));
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
  return (s.nparts > 0 && ptx_instruction(p, &s)) || fail(p, x);
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
    "TD_DEVICE uint32_t emu_bfi(uint32_t a, uint32_t b, uint32_t at, uint32_t n) {\n"
    "  at &= 255; n &= 255;\n"
    "  if (at > 31 || n == 0) return b;\n"
    "  uint32_t mask = (n > 31 ? ~0u : (1u << n) - 1) << at;\n"
    "  return (b & ~mask) | (a << at & mask);\n}\n"
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
