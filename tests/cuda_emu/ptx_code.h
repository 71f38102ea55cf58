/* SPDX-License-Identifier: MIT */
/* One statement of PTX, and what it becomes. */
#ifndef TDC_CUDA_EMU_PTX_CODE_H
#define TDC_CUDA_EMU_PTX_CODE_H

#include <stdbool.h>
#include <stdio.h>

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

/* A text that stays until this thread has made 64 others. */
char *ptx_text(const char *format, ...) __attribute__((format(printf, 1, 2)));
int ptx_bits(const char *type);
const char *ptx_c_type(const char *type);
bool ptx_instruction(Ptx *p, const Statement *s); /* false: it has no translation */

#endif
