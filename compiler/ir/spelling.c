/* SPDX-License-Identifier: MIT */
/* Operators, words, names and numbers of the textual form. */
#include "compiler/ir/spelling.h"

#include <string.h>

const Infix text_infix[] = {{"or", P_or, LEVEL_OR},
                            {"and", P_and, LEVEL_AND},
                            {"<", P_lt, LEVEL_COMPARE},
                            {"<=", P_le, LEVEL_COMPARE},
                            {"==", P_eq, LEVEL_COMPARE},
                            {"!=", P_ne, LEVEL_COMPARE},
                            {"+", P_add, LEVEL_ADD},
                            {"-", P_sub, LEVEL_ADD},
                            {"*", P_mul, LEVEL_MUL},
                            {"/", P_div, LEVEL_MUL},
                            {NULL, P_add, 0}};

bool text_is_keyword(const char *s) {
  static const char *const words[] = {"sum", "max", "min", "prod", "argmax", "true", "false", "inf",
                                      "nan", "not", "and", "or",   "when",   "none", "_"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (strcmp(words[i], s) == 0) return true;
  return false;
}

static bool is_plain(const char *s, size_t n) {
  for (size_t i = 0; i < n; i++) {
    char c = s[i];
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    if (!letter && (i == 0 || !((c >= '0' && c <= '9') || c == '.'))) return false;
  }
  return n > 0;
}

const Infix *text_infix_of(Prim prim) {
  for (const Infix *f = text_infix; f->spelling; f++)
    if (f->prim == prim) return f;
  return NULL;
}

static void name_quoted(StrBuf *out, const char *s) {
  sb_putc(out, '`');
  for (const unsigned char *p = (const unsigned char *)s; *p; p++) {
    if (*p == '`' || *p == '\\' || *p < 32 || *p >= 127)
      sb_printf(out, "\\x%02x", *p);
    else
      sb_putc(out, (char)*p);
  }
  sb_putc(out, '`');
}

void text_name(StrBuf *out, const char *s) {
  if (is_plain(s, strlen(s)) && !text_is_keyword(s))
    sb_puts(out, s);
  else
    name_quoted(out, s);
}

void text_real(StrBuf *out, double x) {
  char buf[32];
  if (x != x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (bits == UINT64_C(0x7ff8000000000000))
      sb_puts(out, "nan");
    else
      sb_printf(out, "nan(%llu)", (unsigned long long)bits);
    return;
  }
  fmt_double(buf, x);
  sb_puts(out, buf);
  if (!strpbrk(buf, ".einf")) sb_puts(out, ".0");
}
