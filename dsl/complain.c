/* SPDX-License-Identifier: MIT */
/* Syntax errors in words: what could have followed, what stood there instead,
 * and a hint for the slips that people make who come from other languages. */
#include "dsl/parse_internal.h"

#include <string.h>

#include "parse.h"

/* ---- what was expected ----------------------------------------------------------- */

static bool has(const int *set, int n, int kind) {
  for (int i = 0; i < n; i++)
    if (set[i] == kind) return true;
  return false;
}

static bool is_operator(int kind) {
  switch (kind) {
  case '+':
  case '-':
  case '*':
  case '/':
  case '%':
  case '^':
  case '<':
  case '>':
  case '?':
  case EQUAL:
  case UNEQUAL:
  case AT_MOST:
  case AT_LEAST:
  case AND:
  case OR: return true;
  default: return false;
  }
}

static const char *kind_name(int kind) {
  switch (kind) {
  case NAME: return "a name";
  case NUM: return "a number";
  case STR: return "a string";
  case CHARACTER: return "a character";
  case EOL: return "the end of the line";
  case END_OF_FILE: return "the end of the file";
  case ARROW: return "'->'";
  case DOTS: return "'..'";
  case ELLIPSIS: return "'...'";
  case EQUAL: return "'=='";
  case UNEQUAL: return "'!='";
  case AT_MOST: return "'<='";
  case AT_LEAST: return "'>='";
  case AND: return "'&&'";
  case OR: return "'||'";
  case APART: return "'('";
  case IN: return "'in'";
  case ELSE: return "'else'";
  case STEPS: return "'steps'";
  case WITHOUT: return "'without'";
  case CARRY: return "'carry'";
  case GRAD: return "'grad'";
  case NOCHECK: return "'nocheck'";
  case EXACT: return "'exact'";
  case BOUND: return "'bound'";
  case WITH: return "'with'";
  case ASKED: return "'asked'";
  case EMIT:
  case LOOP_EMIT: return "'emit'";
  default: return NULL;
  }
}

/* A word to leave out of the list, because a likelier one is in it. */
static bool unlikely(const int *set, int n, int kind) {
  if (has(set, n, '>') && !has(set, n, '<')) return kind != '>';
  bool closes = has(set, n, ')') || has(set, n, ']');
  if (closes) return kind != ')' && kind != ']' && kind != ',';
  if (has(set, n, EOL)) return kind != EOL;
  if (has(set, n, IN)) return kind != IN;
  if (has(set, n, '=')) return kind != '=' && kind != '~';
  return kind == STEPS || kind == WITHOUT || kind == GRAD || kind == NOCHECK || kind == EXACT ||
         kind == BOUND || kind == ASKED;
}

/* The expected kinds as a phrase: classes first, then single tokens. */
static const char *expectation(Parser *p, const int *set, int n) {
  enum { MOST = 5 };
  const char *parts[MOST];
  int count = 0;
  if (has(set, n, USE)) return "a declaration";
  if (has(set, n, MINIMIZE)) return "a statement or '}'";
  if (has(set, n, APART)) return "a setting or '}'";
  bool expression = has(set, n, '!'), operators = has(set, n, '*');
  if (expression) parts[count++] = "an expression";
  for (int i = 0; i < n && count < MOST && !expression; i++) {
    int kind = set[i];
    bool closes_bound = kind == '>' && !has(set, n, '<');
    if (operators && !closes_bound &&
        (is_operator(kind) || kind == '(' || kind == '[' || kind == '.'))
      continue;
    if (unlikely(set, n, kind)) continue;
    const char *name = kind_name(kind);
    if (!name && kind > 0 && kind < 128) name = arena_printf(p->arena, "'%c'", kind);
    if (name) parts[count++] = name;
  }
  if (expression && (has(set, n, ')') || has(set, n, ']')))
    parts[count++] = has(set, n, ')') ? "')'" : "']'";
  if (!count) return operators ? "an operator" : "something else";
  const char *text = parts[0];
  for (int i = 1; i < count; i++)
    text = arena_printf(p->arena, "%s%s%s", text, i + 1 == count ? " or " : ", ", parts[i]);
  return text;
}

static const char *found(Parser *p, int got) {
  const Token *t = &p->tokens.at[p->current];
  if (t->kind == END_OF_FILE) return "the end of the file";
  if (got == EOL && t->kind == EOL) return "the end of the line";
  if (t->kind == STR) return "a string";
  if (t->kind == NAME || t->kind == NUM)
    return arena_printf(p->arena, "'%.40s%s'", t->text, strlen(t->text) > 40 ? "..." : "");
  const char *name = kind_name(t->kind);
  return name ? name : arena_printf(p->arena, "'%c'", t->kind);
}

/* ---- hints for common slips -------------------------------------------------------- */

typedef struct Slip {
  const char *word, *hint;
} Slip;

static const Slip WORD_SLIPS[] = {
    {"if", "a choice is an expression: condition ? this : that"},
    {"while", "loops run over a range: for i in 0 : N { ... }"},
    {"return", "a result is defined by its name: y[i] = ..."},
    {"let", "a definition is written name = expression"},
    {"var", "a definition is written name = expression"},
    {"def", "a function is written op name(x[i]) -> y[i] { ... }"},
    {"fn", "a function is written op name(x[i]) -> y[i] { ... }"},
    {"func", "a function is written op name(x[i]) -> y[i] { ... }"},
    {"function", "a function is written op name(x[i]) -> y[i] { ... }"},
    {"import", "another file is imported with use"},
    {"and", "'and' is written &&"},
    {"or", "'or' is written ||"},
    {"not", "'not' is written !"},
    {"lambda", "a function is written op name(x[i]) -> y[i] { ... }"},
};

static const char *word_slip(const Token *t) {
  if (t->kind != NAME) return NULL;
  for (size_t i = 0; i < sizeof WORD_SLIPS / sizeof *WORD_SLIPS; i++)
    if (!strcmp(t->text, WORD_SLIPS[i].word)) return WORD_SLIPS[i].hint;
  return NULL;
}

static bool touching(const Token *a, const Token *b) {
  return a->span.end_line == b->span.line && a->span.end_col == b->span.col;
}

static const Token NOTHING = {.text = ""};

/* The line above asked for more, so what looks like a beginning is none. */
static const char *goes_on(Parser *p, int i) {
  if (i < 1 || !p->tokens.at[i - 1].first_on_line) return NULL;
  for (i -= 2; i >= 0 && p->tokens.at[i].kind == EOL; i--) {}
  if (i < 0) return NULL;
  int kind = p->tokens.at[i].kind;
  if (!is_operator(kind) && kind != ',' && kind != '=' && kind != '~' && kind != ARROW) return NULL;
  const char *name = kind_name(kind);
  if (!name) name = arena_printf(p->arena, "'%c'", kind);
  return arena_printf(p->arena, "line %d ends with %s, so its statement goes on here",
                      p->tokens.at[i].span.line, name);
}

/* Slips that two neighbouring signs give away. */
static const char *sign_slip(const Token *before, const Token *t, const Token *next) {
  static const struct {
    const char *signs, *hint;
  } PAIRS[] = {
      {"+=", "a name is defined once; there is no assignment with an operator"},
      {"-=", "a name is defined once; there is no assignment with an operator"},
      {"*=", "a name is defined once; there is no assignment with an operator"},
      {"/=", "a name is defined once; there is no assignment with an operator"},
      {":=", "a definition is written with ="},
      {"**", "a power is written x^2"},
      {"//", "a comment begins with #"},
      {"/*", "a comment begins with #"},
      {"=>", "the arrow before the results is ->"},
      {">>", "'greater' is a single >"},
  };
  for (size_t i = 0; i < sizeof PAIRS / sizeof *PAIRS; i++) {
    const char *s = PAIRS[i].signs;
    if ((before->kind == s[0] && t->kind == s[1] && touching(before, t)) ||
        (t->kind == s[0] && next->kind == s[1] && touching(t, next)))
      return PAIRS[i].hint;
  }
  return NULL;
}

/* Two operands side by side: a missing '*', or a statement that wants its own line. */
static const char *side_by_side(const Token *before, const Token *t, const Token *next,
                                const int *expected, int n) {
  bool operand = t->kind == NAME || t->kind == NUM;
  if (!operand || t->first_on_line || !has(expected, n, '*')) return NULL;
  if (t->kind == NAME && !strcmp(t->text, "else"))
    return "'else' stands in an index, x[i else 0]; a choice is condition ? this : that";
  if (has(expected, n, EOL) && (next->kind == '=' || next->kind == '~' || layout_is_word(t)))
    return "statements on one line are separated by ';'";
  if (layout_is_word(t) || has(expected, n, ',') || has(expected, n, '{')) return NULL;
  return before->kind == NAME || before->kind == NUM || before->kind == ')' || before->kind == ']'
             ? "a product is written with '*'"
             : NULL;
}

static const char *idiom_hint(Parser *p, const char *word) {
  const Idiom *idiom = idiom_of(word);
  return idiom ? arena_printf(p->arena, "%s: %s", idiom->says, idiom->code) : NULL;
}

/* What other languages have and this one does not: x @ w, x[:2], cat([a, b]), loss = main. */
static const char *foreign(Parser *p, int i, const int *expected, int n) {
  const Token *t = &p->tokens.at[i];
  if (t->kind == '@') return idiom_hint(p, "@");
  const Bracket *open = layout_innermost(p);
  if (t->kind == ':' && open && open->kind == '[') return idiom_hint(p, "slice");
  const Token *name = i > 1 ? &p->tokens.at[i - 2] : &NOTHING;
  if (t->kind == '[' && p->tokens.at[i - 1].kind == '(' && name->kind == NAME) {
    const char *hint = idiom_hint(p, name->text);
    return hint ? hint : "tensors are arguments one by one, without brackets around them";
  }
  if (!has(expected, n, APART) || i < 1) return NULL;
  const Token *value = &p->tokens.at[i + (t->kind == '=')];
  if (t->kind == '=' && (value->kind == NAME || value->kind == NUM))
    return arena_printf(p->arena, "a setting is a word and what belongs to it: %s %s",
                        p->tokens.at[i - 1].text, value->text);
  return t->kind == ',' ? "settings stand side by side, without commas" : NULL;
}

static const char *slip_hint(Parser *p, const int *expected, int n) {
  int i = p->current;
  const Token *t = &p->tokens.at[i];
  const Token *before = i ? &p->tokens.at[i - 1] : &NOTHING;
  const Token *next = t->kind == END_OF_FILE ? &NOTHING : &p->tokens.at[i + 1];
  bool starts = has(expected, n, '=') && has(expected, n, '~') && before->first_on_line;
  const char *hint = word_slip(t);
  if (!hint) hint = word_slip(before);
  if (!hint) hint = sign_slip(before, t, next);
  if (!hint) hint = foreign(p, i, expected, n);
  if (!hint && has(expected, n, EOL)) hint = goes_on(p, i);
  if (!hint) hint = side_by_side(before, t, next, expected, n);
  if (!hint && has(expected, n, USE)) hint = layout_similar_word(p, t, true);
  if (!hint && starts && t->kind != EOL) hint = layout_similar_word(p, before, false);
  if (hint) return hint;
  if (t->kind == EQUAL && has(expected, n, '=')) return "a definition is written with a single =";
  if (t->kind == '=' && has(expected, n, IN)) return "a loop runs over a range: for i in 0 : N";
  if (t->kind == '=' && has(expected, n, EQUAL)) return "'equal' is written ==";
  if (t->kind == '(' && starts)
    return "indices stand in square brackets, y[i] = ...; a call alone has no effect";
  if (t->kind == '|' && has(expected, n, OR)) return "'or' is written ||";
  if (t->kind == ':' && has(expected, n, IN)) return "a range follows 'in': i in 0:N";
  if (t->kind == '.' && before->kind == NUM) return "a number has a digit after its point: 1.0";
  if (has(expected, n, USE) && t->kind == NAME && (next->kind == '=' || next->kind == '['))
    return "a number at the top level is written const name = ..., a size dim name = ...";
  return NULL;
}

/* ---- the message ---------------------------------------------------------------------- */

/* A character that no token has, or a string without end, was dropped from this
 * line: what is wrong after it is most likely due to that. */
static bool follows_bad_character(const Parser *p, Span at) {
  for (int i = 0; i < diags_count(p->diags); i++) {
    const Diag *x = diags_at(p->diags, i);
    if (x->span.file == at.file && x->span.line == at.line && x->span.col <= at.col &&
        (x->code == 101 || x->code == 103 || x->code == 105 || x->code == 122) &&
        x->level == DIAG_ERROR)
      return true;
  }
  return false;
}

void syntax_error(Parser *p, int got, const int *expected, int n, Span at) {
  if (p->stopped) return;
  const Token *t = &p->tokens.at[p->current];
  if (t->kind == END_OF_FILE) p->failed_at_end = true;
  if (follows_bad_character(p, t->span)) return;
  if (got == EOL && t->kind != EOL) at = t->span;
  Diag *x =
      syntax_diag(p, 107, at, "expected %s before %s", expectation(p, expected, n), found(p, got));
  const Bracket *open = layout_innermost(p);
  if (got == '{' && p->depth > 1) open = &p->open[p->depth - 2];
  if (open && open->kind != '{' && open->open.line < at.line) {
    diag_label(p->diags, x, open->open, "this '%c' is open", open->kind);
    diag_label(p->diags, x, at, "%s", "");
  }
  const char *hint = slip_hint(p, expected, n);
  if (hint) diag_hint(p->diags, x, "%s", hint);
}
