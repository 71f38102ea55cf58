/* SPDX-License-Identifier: MIT */
/* The reader of the textual form: what loops carry and emit, and their results. */
#include "compiler/ir/read.h"

static Loop *this_loop(Reader *r, Span at) {
  if (!r->region->loop) read_fail(r, E_TEXT_SYNTAX, at, "this stands in a loop only");
  return r->region->loop;
}

void read_carry(Reader *r, Span at) {
  Loop *l = this_loop(r, at);
  ReadHead h = read_head(r);
  read_expect(r, "=");
  Node *init = read_lookup(r);
  Node *n = read_make(r, N_CARRY, &h);
  n->loop = l;
  n->slot = l->carries.n;
  Carry c = {.init = init, .in = n};
  vec_push(r->arena, &l->carries, c);
  read_finish(r, h.name, n);
}

/* The order of these lines is the order of the slots. */
void read_next_carry(Reader *r, Span at) {
  Loop *l = this_loop(r, at);
  Span place = r->tok.span;
  Node *in = read_lookup(r);
  if (in->kind != N_CARRY || in->loop != l)
    read_fail(r, E_TEXT_NAME, place, "'%s' is not carried here", in->name);
  read_expect(r, "=");
  int done = 0;
  while (done < l->carries.n && l->carries.at[done].next) done++;
  Carry *c = &l->carries.at[in->slot];
  if (c->next) read_fail(r, E_TEXT_TWICE, place, "a second next for '%s'", in->name);
  c->next = read_lookup(r);
  Carry moved = *c, other = l->carries.at[done];
  l->carries.at[in->slot] = other;
  l->carries.at[done] = moved;
  other.in->slot = in->slot;
  in->slot = done;
}

void read_emit(Reader *r, Span at) {
  Loop *l = this_loop(r, at);
  Span place = r->tok.span;
  if (read_whole(r) != l->emits.n)
    read_fail(r, E_TEXT_SYNTAX, place, "expected emit %d", l->emits.n);
  read_expect(r, "=");
  vec_push(r->arena, &l->emits, read_lookup(r));
}

/* A loop's result belongs to the region around that loop, after it. */
void read_final(Reader *r) {
  ReadHead h = read_head(r);
  read_expect(r, "=");
  Span at = r->tok.span;
  Node *in = read_lookup(r);
  if (in->kind != N_CARRY) read_fail(r, E_TEXT_TYPE, at, "'%s' is not carried by a loop", in->name);
  Node *n = read_make(r, N_FINAL, &h);
  n->loop = in->loop;
  n->slot = in->slot;
  read_finish(r, h.name, n);
}

void read_stack(Reader *r) {
  ReadHead h = read_head(r);
  read_expect(r, "=");
  Span at = r->tok.span;
  Node *loop = read_lookup(r);
  if (loop->kind != N_LOOP) read_fail(r, E_TEXT_TYPE, at, "'%s' is not a loop", loop->name);
  read_expect_word(r, "emit");
  at = r->tok.span;
  int64_t slot = read_whole(r);
  if (slot >= loop->loop->emits.n)
    read_fail(r, E_TEXT_NAME, at, "the loop '%s' emits %d values", loop->name, loop->loop->emits.n);
  Node *n = read_make(r, N_STACK, &h);
  n->loop = loop->loop;
  n->slot = (int)slot;
  read_finish(r, h.name, n);
}
