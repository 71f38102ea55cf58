/* SPDX-License-Identifier: MIT */
/* How the tree's operators and declarations are spelled, and whether two trees
 * say the same: what the formatter checks itself with. */
#include "dsl/ast.h"

#include <string.h>

const char *aop_spelling(AOp op) {
  switch (op) {
  case OP_ADD: return "+";
  case OP_SUB: return "-";
  case OP_MUL: return "*";
  case OP_DIV: return "/";
  case OP_MOD: return "%";
  case OP_POW: return "^";
  case OP_LT: return "<";
  case OP_LE: return "<=";
  case OP_GT: return ">";
  case OP_GE: return ">=";
  case OP_EQ: return "==";
  case OP_NE: return "!=";
  case OP_AND: return "&&";
  case OP_OR: return "||";
  case OP_NEG: return "-";
  case OP_NOT: return "!";
  }
  bug("no such operator: %d", (int)op);
}

const char *aclaim_spelling(AClaim c) {
  switch (c) {
  case CLAIM_NONE: return NULL;
  case CLAIM_EXACT: return "exact";
  case CLAIM_BOUND: return "bound";
  }
  bug("unknown claim %d", (int)c);
}

const char *adecl_spelling(ADeclKind k) {
  switch (k) {
  case D_USE: return "use";
  case D_CONST: return "const";
  case D_DIM: return "dim";
  case D_AXIS: return "axis";
  case D_PARAM: return "param";
  case D_DATA: return "data";
  case D_SCHEDULE: return "schedule";
  case D_OP: return "op";
  case D_BLOCK: return "block";
  case D_MODEL: return "model";
  case D_LOSS: return "loss";
  case D_METRIC: return "metric";
  case D_SAMPLER: return "sampler";
  case D_TRAIN: return "train";
  case D_PRECISION: return "precision";
  }
  bug("no such declaration: %d", (int)k);
}

Span aexpr_name_span(const AExpr *e) {
  Span at = e->span;
  at.end_line = at.line;
  at.end_col = at.col + (int)strlen(e->name);
  return at;
}

const char *aends_spelling(AEnds e) {
  static const char *const SPELLING[] = {
      [WITHOUT_FIRST] = "first", [WITHOUT_LAST] = "last", [WITHOUT_ENDS] = "ends"};
  return SPELLING[e];
}
