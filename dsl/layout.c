/* SPDX-License-Identifier: MIT */
/* The layout filter between scanner and grammar: which line ends separate
 * statements, which words are keywords where they stand (every word may also be
 * a name), and where reading goes on after a syntax error. The whole file is
 * tokens already, so it looks ahead and back as far as it likes. */
#include "dsl/parse_internal.h"

#include <string.h>

#include "parse.h"

/* ---- words ------------------------------------------------------------------- */

typedef enum { AT_TOP, AT_TOP_AND_IN_BLOCKS, IN_BLOCKS, AFTER_OPERAND } WordPlace;
typedef struct Word {
  const char *text;
  int kind;
  WordPlace place;
} Word;

static const Word WORDS[] = {
    {"use", USE, AT_TOP},
    {"const", CONST, AT_TOP},
    {"dim", DIM, AT_TOP},
    {"axis", AXIS, AT_TOP},
    {"data", DATA, AT_TOP},
    {"train", TRAIN, AT_TOP},
    {"precision", PRECISION, AT_TOP},
    {"schedule", SCHEDULE, AT_TOP},
    {"op", OP, AT_TOP},
    {"block", BLOCK, AT_TOP},
    {"model", MODEL, AT_TOP},
    {"loss", LOSS, AT_TOP},
    {"metric", METRIC, AT_TOP},
    {"sampler", SAMPLER, AT_TOP},
    {"param", PARAM, AT_TOP_AND_IN_BLOCKS},
    {"expect", EXPECT, AT_TOP_AND_IN_BLOCKS},
    {"state", STATE, IN_BLOCKS},
    {"for", FOR, IN_BLOCKS},
    {"scan", SCAN, IN_BLOCKS},
    {"minimize", MINIMIZE, IN_BLOCKS},
    {"report", REPORT, IN_BLOCKS},
    {"log", LOG, IN_BLOCKS},
    {"emit", EMIT, IN_BLOCKS},
    {"in", IN, AFTER_OPERAND},
    {"else", ELSE, AFTER_OPERAND},
    {"steps", STEPS, AFTER_OPERAND},
    {"without", WITHOUT, AFTER_OPERAND},
    {"carry", CARRY, AFTER_OPERAND},
    {"grad", GRAD, AFTER_OPERAND},
    {"nocheck", NOCHECK, AFTER_OPERAND},
    {"exact", EXACT, AFTER_OPERAND},
    {"bound", BOUND, AFTER_OPERAND},
    {"with", WITH, AFTER_OPERAND},
    {"asked", ASKED, AFTER_OPERAND},
};

static const Word *find_word(const Token *t) {
  if (t->kind != NAME) return NULL;
  for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++)
    if (!strcmp(WORDS[i].text, t->text)) return &WORDS[i];
  return NULL;
}

bool layout_is_word(const Token *t) { return find_word(t) != NULL; }

const char *layout_similar_word(Parser *p, const Token *t, bool declaration) {
  enum { COUNT = sizeof WORDS / sizeof *WORDS };
  const char *words[COUNT];
  int n = 0;
  for (int i = 0; i < COUNT; i++)
    if (WORDS[i].place != AFTER_OPERAND && (WORDS[i].place != IN_BLOCKS) == declaration)
      words[n++] = WORDS[i].text;
  const char *meant = t->kind == NAME ? did_you_mean(t->text, words, n) : NULL;
  return meant ? arena_printf(p->arena, "did you mean '%s'?", meant) : NULL;
}

const Bracket *layout_innermost(const Parser *p) {
  return p->depth ? &p->open[p->depth - 1] : NULL;
}

static int innermost_kind(const Parser *p) { return p->depth ? p->open[p->depth - 1].kind : 0; }

static bool in_settings(const Parser *p) { return p->depth && p->open[p->depth - 1].settings; }

static bool at_statement_start(const Parser *p) {
  return p->previous == 0 || p->previous == EOL || p->previous == '{' || p->previous == START_FILE;
}

static bool ends_operand(int kind) {
  return kind == NAME || kind == NUM || kind == STR || kind == CHARACTER || kind == ')' ||
         kind == ']';
}

/* What stands after a word when the word itself is being defined. */
static bool defines(int next) { return next == '=' || next == '~' || next == ',' || next == '['; }

static int classify_after_operand(const Parser *p, const Word *w, int next) {
  int inside = innermost_kind(p);
  bool operand = ends_operand(p->previous);
  switch (w->kind) {
  case IN: return operand && !in_settings(p) ? IN : NAME;
  case ELSE:
    if (operand && inside == '{' && next == STR && !in_settings(p))
      return ELSE; /* emit e else "_" */
    return operand && inside == '[' ? ELSE : NAME;
  case STEPS:
  case WITHOUT:
  case CARRY: return operand && inside == '{' && !in_settings(p) ? w->kind : NAME;
  case GRAD: return inside == 0 && (operand || p->previous == '}') && next == '(' ? GRAD : NAME;
  case NOCHECK: return inside == 0 && (operand || p->previous == '}') ? NOCHECK : NAME;
  case EXACT:
  case BOUND: return inside == 0 && p->decl_kind == METRIC && p->previous == ')' ? w->kind : NAME;
  case WITH: return inside == 0 && p->decl_kind == USE && operand ? WITH : NAME;
  case ASKED:
    return inside == 0 && p->decl_kind == METRIC &&
                   (p->previous == ')' || p->previous == EXACT || p->previous == BOUND)
               ? ASKED
               : NAME;
  default: bug("word '%s' has no rule", w->text);
  }
}

static int classify(const Parser *p, const Token *t, int next) {
  const Word *w = find_word(t);
  if (!w) return NAME;
  int inside = innermost_kind(p);
  bool in_block = inside == '{' && !in_settings(p);
  if (w->kind == EMIT && in_block && p->previous == '}') return LOOP_EMIT;
  if (w->place == AFTER_OPERAND) return classify_after_operand(p, w, next);
  if (!at_statement_start(p)) return NAME;
  if (inside == 0) return w->place == IN_BLOCKS && defines(next) ? NAME : w->kind;
  if (!in_block || defines(next)) return NAME;
  if (w->kind == LOG) return next == NAME ? LOG : NAME;
  if (w->place == AT_TOP) return next == NAME || next == STR ? w->kind : NAME;
  return w->kind;
}

/* ---- brackets ------------------------------------------------------------------ */

static void push_bracket(Parser *p, const Token *t) {
  if (p->depth == AST_MAX_DEPTH) {
    Diag *x = syntax_diag(p, 109, t->span, "brackets nest deeper than %d", (int)AST_MAX_DEPTH);
    diag_hint(p->diags, x, "give parts of it names of their own");
    p->stopped = true;
    return;
  }
  bool settings = t->kind == '{' && p->depth == 0 &&
                  (p->decl_kind == DATA || p->decl_kind == TRAIN || p->decl_kind == PRECISION);
  p->open[p->depth++] = (Bracket){t->span, t->kind, settings, p->statement_col};
}

static int opener_of(int closer) { return closer == ')' ? '(' : closer == ']' ? '[' : '{'; }

static bool is_opener(int kind) { return kind == '(' || kind == '[' || kind == '{'; }
static bool is_closer(int kind) { return kind == ')' || kind == ']' || kind == '}'; }

/* ---- line ends -------------------------------------------------------------------- */

/* After these an expression or a list goes on in the next line. */
static bool continues(int kind) {
  switch (kind) {
  case '+':
  case '-':
  case '*':
  case '/':
  case '%':
  case '^':
  case '<':
  case '>':
  case '!':
  case '?':
  case ':':
  case ',':
  case '=':
  case '~':
  case '(':
  case '[':
  case '|':
  case EQUAL:
  case UNEQUAL:
  case AT_MOST:
  case AT_LEAST:
  case AND:
  case OR:
  case DOTS:
  case ARROW: return true;
  default: return false;
  }
}

static int skip_line_ends(const Parser *p, int i) {
  while (p->tokens.at[i].kind == EOL) i++;
  return i;
}

/* Does this line end separate statements? */
static bool line_end_counts(const Parser *p) {
  int inside = innermost_kind(p);
  if (inside == '(' || inside == '[') return false;
  if (at_statement_start(p)) return false;
  if (in_settings(p)) return true;
  if (continues(p->previous)) return false;
  const Token *next = &p->tokens.at[skip_line_ends(p, p->at)];
  if (next->kind == '{' || next->kind == ARROW || next->kind == '?' || next->kind == ':')
    return false;
  if (inside == 0 && p->decl_kind == USE && next->kind == NAME && !strcmp(next->text, "with"))
    return false;
  if (inside == 0 && next->kind == NAME &&
      (!strcmp(next->text, "grad") || !strcmp(next->text, "nocheck")))
    return false;
  return true;
}

static int deliver(Parser *p, Token *value, Span *place, const Token *t, int kind) {
  *value = *t;
  *place = t->span;
  value->kind = kind;
  if (at_statement_start(p)) p->statement_col = t->span.col;
  if (p->depth == 0 && at_statement_start(p)) p->decl_kind = kind;
  p->previous = kind;
  return kind;
}

/* A line end that is not in the text: before '}', at the end of the file. */
static int deliver_line_end(Parser *p, Token *value, Span *place, const Token *before) {
  Token t = {.kind = EOL, .span = before->span};
  return deliver(p, value, place, &t, EOL);
}

/* The file ended inside a block: say so once, and close what is open. */
static int close_at_end(Parser *p, Token *value, Span *place, const Token *end) {
  const Bracket *open = layout_innermost(p);
  if (!at_statement_start(p)) return deliver_line_end(p, value, place, end);
  if (!p->failed_at_end) {
    p->failed_at_end = true;
    syntax_diag(p, 108, open->open, "this '%c' is never closed", open->kind);
  }
  Token t = {.kind = '}', .span = end->span};
  p->depth--;
  return deliver(p, value, place, &t, '}');
}

/* A declaration begins inside a block: its '}' is missing. */
static int close_before_declaration(Parser *p, Token *value, Span *place, const Token *t) {
  const Bracket *open = layout_innermost(p);
  if (p->closing_before != p->at) {
    Diag *x = syntax_diag(p, 108, open->open, "this '{' is not closed before '%s' in line %d",
                          t->text, t->span.line);
    diag_label(p->diags, x, open->open, "opened here");
    diag_label(p->diags, x, t->span, "a declaration stands at the top level, not in a block");
  }
  p->closing_before = p->at;
  p->owed_line_end = true;
  p->depth--;
  while (p->depth && p->open[p->depth - 1].kind != '{') p->depth--;
  Token brace = {.kind = '}', .span = t->span};
  return deliver(p, value, place, &brace, '}');
}

/* ---- the filter --------------------------------------------------------------------- */

static int deliver_closer(Parser *p, Token *value, Span *place, const Token *t) {
  if (t->kind == '}') {
    if (!at_statement_start(p)) {
      p->at--;
      return deliver_line_end(p, value, place, t);
    }
    if (!p->depth) {
      syntax_diag(p, 108, t->span, "this '}' closes nothing");
      return layout_next(value, place, p);
    }
    p->depth--;
  } else if (innermost_kind(p) == opener_of(t->kind)) {
    p->depth--;
  }
  return deliver(p, value, place, t, t->kind);
}

static int deliver_opener(Parser *p, Token *value, Span *place, const Token *t) {
  int kind = t->kind;
  /* In settings `every (N)` is a word and a number, `adam(lr = 1)` a call. */
  if (kind == '(' && in_settings(p) && (t->spaced || p->previous != NAME)) kind = APART;
  push_bracket(p, t);
  return p->stopped ? END_OF_FILE : deliver(p, value, place, t, kind);
}

static int deliver_name(Parser *p, Token *value, Span *place, const Token *t) {
  int next = p->tokens.at[p->at].kind;
  int kind = classify(p, t, next);
  const Word *w = kind == NAME ? NULL : find_word(t);
  if (w && w->place == AT_TOP && p->depth) {
    p->at--;
    return close_before_declaration(p, value, place, t);
  }
  return deliver(p, value, place, t, kind);
}

int layout_next(Token *value, Span *place, Parser *p) {
  for (;;) {
    const Token *t = &p->tokens.at[p->at];
    *value = *t;
    *place = t->span;
    if (p->stopped) return END_OF_FILE;
    if (p->start_kind) {
      int kind = p->start_kind;
      p->start_kind = 0;
      return p->previous = kind;
    }
    p->current = p->at;
    if (p->owed_line_end) {
      p->owed_line_end = false;
      return deliver_line_end(p, value, place, t);
    }
    if (t->kind == END_OF_FILE) {
      if (p->depth) return close_at_end(p, value, place, t);
      if (!at_statement_start(p)) return deliver_line_end(p, value, place, t);
      return END_OF_FILE;
    }
    p->at++;
    /* `} }` needs a line end between: a block ends the statement it belongs to. */
    if (t->kind == EOL) {
      if (line_end_counts(p)) return deliver(p, value, place, t, EOL);
      p->at = skip_line_ends(p, p->at); /* nor do those after it */
    } else if (t->kind == ';') {
      int inside = innermost_kind(p);
      if (inside == '(' || inside == '[') return deliver(p, value, place, t, ';');
      if (!at_statement_start(p)) return deliver(p, value, place, t, EOL);
    } else if (is_opener(t->kind)) {
      return deliver_opener(p, value, place, t);
    } else if (is_closer(t->kind)) {
      return deliver_closer(p, value, place, t);
    } else if (t->kind == NAME) {
      return deliver_name(p, value, place, t);
    } else {
      return deliver(p, value, place, t, t->kind);
    }
  }
}

/* ---- recovery ------------------------------------------------------------------------ */

/* Skip from token i, standing in `parens` unclosed brackets of the broken
 * statement, to the line end or '}' where that statement ends. */
static int skip_statement(const Parser *p, int i, int parens, int braces) {
  for (;; i++) {
    const Token *t = &p->tokens.at[i];
    if (t->kind == END_OF_FILE) return i;
    if (t->kind == '(' || t->kind == '[') parens++;
    if (t->kind == ')' || t->kind == ']') parens -= parens > 0;
    if (t->kind == '{') braces++;
    if (t->kind == '}') {
      if (!braces) return i;
      braces--;
      parens = 0;
    }
    if (t->kind == ';' && !braces && !parens) return i;
    if (t->kind == EOL && !braces) {
      int following = skip_line_ends(p, i);
      const Token *next = &p->tokens.at[following];
      if (!parens) return i;
      if (!is_closer(next->kind) && next->span.col <= p->statement_col) return i;
      i = following - 1;
    }
  }
}

void layout_recover(Parser *p) {
  const Token *t = &p->tokens.at[p->current];
  int parens = 0, braces = 0;
  if (p->previous == '{') { /* the offending token is a '{', open already */
    p->depth--;
    braces = 1;
  }
  int opened_line = t->span.line;
  while (p->depth && p->open[p->depth - 1].kind != '{') {
    p->depth--;
    parens++;
    opened_line = p->open[p->depth].open.line;
  }
  if (p->previous == EOL) return; /* the statement ended: nothing to skip */
  if (t->kind == END_OF_FILE) return;
  if ((t->kind == '(' || t->kind == '[') && parens) parens--; /* skipping counts it itself */
  if (parens && t->first_on_line && opened_line < t->span.line && !is_closer(t->kind) &&
      t->span.col <= p->statement_col)
    p->at = p->current; /* it begins the next statement */
  else
    p->at = skip_statement(p, braces ? p->at : p->current, parens, braces);
  p->owed_line_end = true;
  p->previous = NAME; /* anything but a statement's start */
}
