/* SPDX-License-Identifier: MIT */
/* The suffix automaton. A state stands for the substrings that end at the same places; `length`
 * is the longest of them, `link` the state of the longest suffix that ends at more. See
 * copying.h. */
#include "runtime/text/copying.h"

#include <stdlib.h>

#define NONE UINT32_MAX

typedef struct State {
  int32_t length;
  uint32_t link, edges; /* the first of its edges, or NONE */
} State;

typedef struct Edge {
  int32_t symbol;
  uint32_t to, next;
} Edge;

struct Automaton {
  State *states; /* 0: of the empty substring */
  Edge *edges;
  uint32_t nstates, nedges, most_states, most_edges;
};

static Edge *edge_of(const Automaton *s, uint32_t state, int32_t symbol) {
  for (uint32_t e = s->states[state].edges; e != NONE; e = s->edges[e].next)
    if (s->edges[e].symbol == symbol) return &s->edges[e];
  return NULL;
}

static void edge_add(Automaton *s, uint32_t state, int32_t symbol, uint32_t to) {
  if (s->nedges == s->most_edges) bug("a suffix automaton of more than 3 n edges");
  s->edges[s->nedges] = (Edge){symbol, to, s->states[state].edges};
  s->states[state].edges = s->nedges++;
}

static uint32_t state_add(Automaton *s, int32_t length, uint32_t link) {
  if (s->nstates == s->most_states) bug("a suffix automaton of more than 2 n states");
  s->states[s->nstates] = (State){length, link, NONE};
  return s->nstates++;
}

/* q is reached from p by `symbol`, and by longer substrings too: p's own get a state. */
static uint32_t state_split(Automaton *s, uint32_t p, uint32_t q, int32_t symbol) {
  uint32_t clone = state_add(s, s->states[p].length + 1, s->states[q].link);
  for (uint32_t e = s->states[q].edges; e != NONE; e = s->edges[e].next)
    edge_add(s, clone, s->edges[e].symbol, s->edges[e].to);
  s->states[q].link = clone;
  for (Edge *e; p != NONE && (e = edge_of(s, p, symbol)) != NULL && e->to == q;
       p = s->states[p].link)
    e->to = clone;
  return clone;
}

/* The automaton of a text that is one symbol longer; returns the state of all of it. */
static uint32_t automaton_add(Automaton *s, uint32_t last, int32_t symbol) {
  uint32_t whole = state_add(s, s->states[last].length + 1, 0), p = last;
  for (; p != NONE && edge_of(s, p, symbol) == NULL; p = s->states[p].link)
    edge_add(s, p, symbol, whole);
  if (p == NONE) return whole;
  uint32_t q = edge_of(s, p, symbol)->to;
  bool exact = s->states[q].length == s->states[p].length + 1;
  uint32_t link = exact ? q : state_split(s, p, q, symbol);
  s->states[whole].link = link;
  return whole;
}

Automaton *automaton_new(const int32_t *text, int64_t n, TdError *err) {
  Automaton *s = calloc(1, sizeof *s);
  bool fits = n < INT32_MAX / 4;
  if (s != NULL && fits) {
    s->most_states = 2 * (uint32_t)n + 2; /* it has at most 2 n - 1, and 3 n - 4 edges */
    s->most_edges = 3 * (uint32_t)n + 2;
    s->states = malloc((size_t)s->most_states * sizeof *s->states);
    s->edges = malloc((size_t)s->most_edges * sizeof *s->edges);
  }
  if (s == NULL || s->states == NULL || s->edges == NULL) {
    automaton_free(s);
    td_fail_memory(err);
    return NULL;
  }
  uint32_t last = state_add(s, 0, NONE);
  for (int64_t i = 0; i < n; i++) last = automaton_add(s, last, text[i]);
  return s;
}

void automaton_free(Automaton *s) {
  if (s == NULL) return;
  free(s->states);
  free(s->edges);
  free(s);
}

void automaton_match(const Automaton *s, const int32_t *row, int64_t n, int32_t *matched) {
  uint32_t at = 0;
  int32_t length = 0;
  for (int64_t i = 0; i < n; i++) {
    const Edge *e;
    while ((e = edge_of(s, at, row[i])) == NULL && at != 0) {
      at = s->states[at].link;
      length = s->states[at].length;
    }
    length = e != NULL ? length + 1 : 0;
    at = e != NULL ? e->to : 0;
    matched[i] = length;
  }
}

int64_t automaton_longest(const Automaton *s, const Texts *t, int32_t *matched) {
  int64_t most = 0;
  for (int64_t r = 0; r < t->rows; r++) {
    automaton_match(s, t->ids + r * t->width, t->width, matched);
    for (int64_t i = 0; i < t->width; i++)
      if (matched[i] > most) most = matched[i];
  }
  return most;
}

double automaton_share(const Automaton *s, const Texts *t, int64_t least, int32_t *matched) {
  int64_t copied = 0;
  for (int64_t r = 0; r < t->rows; r++) {
    int64_t from = t->width; /* of the matches that end behind i, the first symbol */
    automaton_match(s, t->ids + r * t->width, t->width, matched);
    for (int64_t i = t->width - 1; i >= 0; i--) {
      if (matched[i] >= least && i + 1 - matched[i] < from) from = i + 1 - matched[i];
      copied += i >= from;
    }
  }
  return t->rows * t->width > 0 ? (double)copied / (double)(t->rows * t->width) : 0;
}
