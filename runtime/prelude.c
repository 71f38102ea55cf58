/* SPDX-License-Identifier: MIT */
/* Cutting a prelude into pieces, and which of them a text needs. See prelude.h. */
#include "runtime/prelude.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* ---- words ----------------------------------------------------------------------------------- */

typedef struct Word {
  const char *at;
  int n;
} Word;

static bool is(Word w, const char *s) {
  return (size_t)w.n == strlen(s) && memcmp(w.at, s, (size_t)w.n) == 0;
}

static bool begins(Word w, Word with) {
  return w.n >= with.n && !memcmp(w.at, with.at, (size_t)with.n);
}

static bool name_begins(char c) { return isalpha((unsigned char)c) || c == '_'; }
static bool name_goes_on(char c) { return isalnum((unsigned char)c) || c == '_'; }

/* Behind blanks and comments; with `line`, those of this line. */
static const char *skip(const char *s, bool line) {
  for (;;) {
    if (s[0] == '/' && s[1] == '*') {
      const char *end = strstr(s + 2, "*/");
      s = end != NULL ? end + 2 : s + strlen(s);
    } else if (s[0] == '/' && s[1] == '/') {
      s += strcspn(s, "\n");
    } else if (s[0] == '\\' && s[1] == '\n') {
      s += 2;
    } else if (*s == ' ' || *s == '\t' || (*s == '\n' && !line)) {
      s++;
    } else {
      return s;
    }
  }
}

/* The end of a directive, its lines joined by backslashes; comments may have lines of their own. */
static const char *line_end(const char *s) {
  while (*s != '\0' && *s != '\n') {
    const char *next = skip(s, true);
    s = next > s ? next : s + 1;
  }
  return s;
}

/* One token: a name, a number, a text, ## or a single character. */
static Word token(const char *s) {
  const char *from = s;
  if (name_goes_on(*s)) {
    while (name_goes_on(*s) || (*s == '.' && !name_begins(*from))) s++;
  } else if (*s == '"' || *s == '\'') {
    const char quote = *s++;
    while (*s != '\0' && *s != quote && *s != '\n') s += s[0] == '\\' && s[1] != '\0' ? 2 : 1;
    s += *s == quote;
  } else {
    s += s[0] == '#' && s[1] == '#' ? 2 : *s != '\0';
  }
  return (Word){from, (int)(s - from)};
}

static bool is_name(Word w) { return w.n > 0 && name_begins(*w.at); }

/* ---- pieces ---------------------------------------------------------------------------------- */

typedef enum { CODE, MACRO, CALL, DIRECTIVE } PieceKind; /* CALL: of a macro, that defines */

typedef struct Piece {
  PieceKind kind;
  bool definition; /* under #ifndef TD_DECLARES */
  bool defines;    /* a macro that a call of this kind expands */
  Word text;
} Piece;

/* BEGINNING: it stands for all that begin so; PASTED: it is no word of the text, but our own. */
typedef enum { WHOLE, PASTED, BEGINNING } NameKind;

typedef struct Name {
  Word word;
  NameKind kind;
  int piece;
} Name;

struct Prelude {
  Piece *pieces;
  Name *names; /* sorted, those of kind BEGINNING behind all others */
  int npieces, nnames, nplain;
  int pieces_room, names_room;
};

static bool add_piece(Prelude *p, PieceKind kind, bool definition, const char *from,
                      const char *to) {
  if (p->npieces == p->pieces_room) {
    int room = 2 * p->pieces_room + 256;
    Piece *at = realloc(p->pieces, (size_t)room * sizeof *at);
    if (at == NULL) return false;
    p->pieces = at;
    p->pieces_room = room;
  }
  p->pieces[p->npieces++] =
      (Piece){.kind = kind, .definition = definition, .text = {from, (int)(to - from)}};
  return true;
}

static bool add_name(Prelude *p, Word word, NameKind kind, int piece) {
  if (p->nnames == p->names_room) {
    int room = 2 * p->names_room + 512;
    Name *at = realloc(p->names, (size_t)room * sizeof *at);
    if (at == NULL) return false;
    p->names = at;
    p->names_room = room;
  }
  p->names[p->nnames++] = (Name){word, kind, piece};
  return true;
}

/* ---- conditions ------------------------------------------------------------------------------ */

enum { DEPTH = 32 };

/* Of each #if that is open: is what follows for units with definitions alone? */
typedef struct Conditions {
  bool first[DEPTH], now[DEPTH]; /* in its first branch; in this one */
  bool declares[DEPTH];          /* it begins with #ifdef TD_DECLARES */
  int depth;
} Conditions;

static bool contains(Word text, const char *s) {
  for (int i = 0, n = (int)strlen(s); i + n <= text.n; i++)
    if (memcmp(text.at + i, s, (size_t)n) == 0) return true;
  return false;
}

static void follow(Conditions *c, Word line) {
  Word name = token(skip(line.at + 1, true));
  if (is(name, "if") || is(name, "ifdef") || is(name, "ifndef")) {
    if (c->depth < DEPTH) {
      const bool negated = is(name, "ifndef") || contains(line, "!defined TD_DECLARES");
      const bool ours = contains(line, "TD_DECLARES") && !contains(line, "||");
      c->now[c->depth] = c->first[c->depth] = ours && negated;
      c->declares[c->depth] = ours && is(name, "ifdef");
    }
    c->depth++;
  } else if (is(name, "endif")) {
    c->depth -= c->depth > 0;
  } else if ((is(name, "else") || is(name, "elif")) && c->depth > 0 && c->depth <= DEPTH) {
    c->now[c->depth - 1] = c->declares[c->depth - 1] && is(name, "else");
  }
}

static bool in_definitions(const Conditions *c) {
  for (int i = 0; i < c->depth && i < DEPTH; i++)
    if (c->now[i]) return true;
  return false;
}

/* ---- cutting --------------------------------------------------------------------------------- */

/* Declarators: before ; , [ = ( or an attribute; tags; what an enum counts. */
static bool name_declared(Prelude *p, Word word, Word before, Word next, bool counted) {
  bool tag = is(before, "struct") || is(before, "union") || is(before, "enum") || is(next, "{");
  bool declarator = next.n == 1 && strchr(";,[=(", *next.at) != NULL;
  bool attribute =
      is(word, "__attribute__") || is(word, "__typeof__") || is(word, "asm") || is(word, "__asm__");
  if (attribute || is(word, "enum") || is(word, "struct") || is(word, "union")) return true;
  if (!counted && !tag && !declarator && !is(next, "__attribute__")) return true;
  return add_name(p, word, WHOLE, p->npieces);
}

/* Behind the piece of code at s; NULL: memory is out. */
static const char *cut_code(Prelude *p, const char *s, bool definition) {
  const char *from = s;
  const int nnames = p->nnames;
  Word before = {s, 0}, first = token(s);
  int round = 0, curly = 0; /* open brackets */
  bool function = false, counts = false, call = false;
  while (*s != '\0') {
    Word w = token(s);
    const char *after = w.at + w.n, *next = skip(after, false);
    if (*s == '#' && round + curly == 0) break; /* a directive: what came before has no end */
    if (is_name(w) && round == 0 && curly == 0) counts = counts || is(w, "enum");
    if (is_name(w) && round == 0 && (curly == 0 || (curly == 1 && counts && !function))) {
      const bool counted = curly == 1 && (is(before, "{") || is(before, ","));
      const Word behind = token(next);
      if (curly == 1 ? counted && !add_name(p, w, WHOLE, p->npieces)
                     : !name_declared(p, w, before, behind, false))
        return NULL;
    }
    if (*s == '{') {
      function = function || (curly == 0 && is(before, ")"));
      curly++;
    }
    curly -= *s == '}';
    round += *s == '(';
    round -= *s == ')';
    before = w;
    s = after;
    if (round + curly > 0) {
      s = next;
      continue;
    }
    if (*w.at == ';' || (*w.at == '}' && function)) break;
    const char *rest = skip(s, true);
    call = *w.at == ')' && is_name(first) && *skip(first.at + first.n, false) == '(';
    if (call && *rest == '\n') break;
    s = next;
  }
  while (s > from && isspace((unsigned char)s[-1])) s--;
  call = call && s > from && s[-1] == ')';
  if (call) p->nnames = nnames; /* the macro's name, which it does not define */
  return add_piece(p, call ? CALL : CODE, definition, from, s) ? s : NULL;
}

static const char *cut_directive(Prelude *p, const char *s, Conditions *c) {
  const char *end = line_end(s);
  Word line = {s, (int)(end - s)}, kind = token(skip(s + 1, true));
  const bool macro = is(kind, "define"), definition = in_definitions(c);
  if (macro && !add_name(p, token(skip(kind.at + kind.n, true)), WHOLE, p->npieces)) return NULL;
  if (!macro) follow(c, line);
  return add_piece(p, macro ? MACRO : DIRECTIVE, macro && definition, s, end) ? end : NULL;
}

/* ---- names ----------------------------------------------------------------------------------- */

/* The first of the names that are w, of which the next ones may be others; none: nplain. */
static int find(const Prelude *p, Word w) {
  int low = 0, high = p->nplain;
  while (low < high) {
    int middle = (low + high) / 2;
    const Word x = p->names[middle].word;
    int order = memcmp(x.at, w.at, (size_t)(x.n < w.n ? x.n : w.n));
    if (order < 0 || (order == 0 && x.n < w.n))
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

static bool same(Word a, Word b) { return a.n == b.n && memcmp(a.at, b.at, (size_t)a.n) == 0; }

static int by_word(const void *a, const void *b) {
  const Name *x = a, *y = b;
  if ((x->kind == BEGINNING) != (y->kind == BEGINNING)) return x->kind == BEGINNING ? 1 : -1;
  int order =
      memcmp(x->word.at, y->word.at, (size_t)(x->word.n < y->word.n ? x->word.n : y->word.n));
  return order != 0 ? order : x->word.n != y->word.n ? x->word.n - y->word.n : x->piece - y->piece;
}

static void sort_names(Prelude *p) {
  if (p->nnames > 0) qsort(p->names, (size_t)p->nnames, sizeof *p->names, by_word);
  p->nplain = p->nnames;
  while (p->nplain > 0 && p->names[p->nplain - 1].kind == BEGINNING) p->nplain--;
}

/* ---- what calls of macros define ------------------------------------------------------------- */

static Piece *macro_of(const Prelude *p, Word name) {
  for (int i = find(p, name); i < p->nplain && same(p->names[i].word, name); i++) {
    Piece *piece = &p->pieces[p->names[i].piece];
    if (piece->kind == MACRO) return piece;
  }
  return NULL;
}

/* What stands at place k of the list in brackets at s, one word; of no length: nothing does. */
static Word listed(const char *s, int k) {
  Word none = {s, 0}, w = none;
  if (*s != '(') return none;
  for (s = skip(s + 1, false); k >= 0 && *s != '\0' && *s != ')'; s = skip(w.at + w.n, false)) {
    w = token(s);
    if (*w.at == ',')
      k--;
    else if (k == 0)
      return w;
  }
  return none;
}

/* td_imin##S in what a call expands to: td_imin32 where the macro called has a parameter S, of
 * which the call says 32, and td_imin for macros that paste the rest; else what it begins with. */
static bool add_pasted(Prelude *p, int call, Word begin, Word end, const char *params,
                       const char *given) {
  Word param = {NULL, 1};
  for (int k = 0; param.n > 0; k++) {
    param = listed(params, k);
    if (!same(param, end)) continue;
    Word with = listed(given, k);
    char *whole = malloc((size_t)(begin.n + with.n) + 1);
    if (whole == NULL) return false;
    memcpy(whole, begin.at, (size_t)begin.n);
    memcpy(whole + begin.n, with.at, (size_t)with.n);
    if (add_name(p, (Word){whole, begin.n + with.n}, PASTED, call))
      return add_name(p, begin, WHOLE, call);
    free(whole);
    return false;
  }
  return add_name(p, begin, BEGINNING, call);
}

/* What macro pastes, as names of a call. */
static bool add_pasted_of(Prelude *p, int call, Piece *macro, const char *given) {
  const char *s = macro->text.at, *end = s + macro->text.n;
  Word name = token(skip(token(skip(s + 1, true)).at + 6, true)); /* behind #define */
  const char *params = name.at + name.n;
  macro->defines = true;
  Word w;
  for (s = skip(params, false); s < end; s = skip(w.at + w.n, false)) {
    w = token(s);
    const char *paste = skip(w.at + w.n, false);
    if (!is_name(w) || paste >= end || !is(token(paste), "##")) continue;
    if (!add_pasted(p, call, w, token(skip(paste + 2, false)), given != NULL ? params : "", given))
      return false;
  }
  return true;
}

static bool name_calls(Prelude *p) {
  for (int i = 0; i < p->npieces; i++) {
    const Word text = p->pieces[i].text;
    if (p->pieces[i].kind != CALL) continue;
    Word w = token(text.at);
    const char *given = skip(w.at + w.n, false);
    Piece *macro = macro_of(p, w);
    if (macro != NULL && !add_pasted_of(p, i, macro, given)) return false;
    for (const char *s = given; s < text.at + text.n; s = skip(w.at + w.n, false)) {
      w = token(s);
      macro = is_name(w) ? macro_of(p, w) : NULL;
      if (macro != NULL && !add_pasted_of(p, i, macro, NULL)) return false;
    }
  }
  sort_names(p);
  return true;
}

/* ---- reading --------------------------------------------------------------------------------- */

Prelude *prelude_read(const char *text) {
  Prelude *p = calloc(1, sizeof *p);
  Conditions conditions = {0};
  const char *s = skip(text, false);
  while (p != NULL && s != NULL && *s != '\0') {
    s = *s == '#' ? cut_directive(p, s, &conditions) : cut_code(p, s, in_definitions(&conditions));
    if (s != NULL) s = skip(s, false);
  }
  if (p != NULL) sort_names(p);
  if (p != NULL && s != NULL && name_calls(p)) return p;
  prelude_free(p);
  return NULL;
}

void prelude_free(Prelude *p) {
  if (p == NULL) return;
  for (int i = 0; i < p->nnames; i++)
    if (p->names[i].kind == PASTED) free((char *)p->names[i].word.at);
  free(p->names);
  free(p->pieces);
  free(p);
}

/* ---- a part ---------------------------------------------------------------------------------- */

/* Pieces that are in it, in the order in which that was found. */
typedef struct Part {
  const Prelude *p;
  bool declares, *in;
  int *todo, n;
} Part;

static void take(Part *part, int piece) {
  if (part->in[piece] || (part->declares && part->p->pieces[piece].definition)) return;
  part->in[piece] = true;
  part->todo[part->n++] = piece;
}

static void take_named(Part *part, Word w) {
  const Prelude *p = part->p;
  for (int i = find(p, w); i < p->nplain && same(p->names[i].word, w); i++)
    take(part, p->names[i].piece);
  for (int i = p->nplain; i < p->nnames; i++)
    if (begins(w, p->names[i].word)) take(part, p->names[i].piece);
}

/* All that a text names; of a macro whose calls define, what it pastes are names of theirs. */
static void take_needed(Part *part, const char *s, const char *end, bool defines) {
  for (s = skip(s, false); s < end;) {
    Word w = token(s);
    s = skip(w.at + w.n, false);
    if (is_name(w) && !(defines && s < end && is(token(s), "##"))) take_named(part, w);
  }
}

bool prelude_part(const Prelude *p, const char *text, bool declares, StrBuf *out) {
  Part part = {.p = p, .declares = declares};
  part.in = calloc((size_t)p->npieces + 1, sizeof *part.in);
  part.todo = calloc((size_t)p->npieces + 1, sizeof *part.todo);
  bool ok = part.in != NULL && part.todo != NULL;
  for (int i = 0; ok && i < p->npieces; i++)
    if (p->pieces[i].kind == DIRECTIVE) take(&part, i);
  if (ok) take_needed(&part, text, text + strlen(text), false);
  for (int k = 0; ok && k < part.n; k++) {
    const Piece *piece = &p->pieces[part.todo[k]];
    take_needed(&part, piece->text.at, piece->text.at + piece->text.n, piece->defines);
  }
  for (int i = 0; ok && i < p->npieces; i++) {
    if (!part.in[i]) continue;
    sb_write(out, p->pieces[i].text.at, (size_t)p->pieces[i].text.n);
    sb_putc(out, '\n');
  }
  free(part.in);
  free(part.todo);
  return ok && out->s != NULL;
}
