/* SPDX-License-Identifier: MIT */
/* What tests of whole runs share: a folder of their own, a small model in it, and
 * the tdc that was built beside them. */
#ifndef TDC_TESTS_SANDBOX_H
#define TDC_TESTS_SANDBOX_H

#include <stdbool.h>

/* Of a .td file: data from ./text.txt, sizes, a model whose hidden values go through
 * `hidden` ("h", "dropout(h, 0.2)"), its loss. What trains and samples is the test's. */
#define SANDBOX_MODEL(hidden)                                                    \
  "use nn\n"                                                                     \
  "data text { source \"./text.txt\"  tokens chars  split 0.8 }\n"               \
  "dim B = 2, L = 8, V = text.vocab, D = 4\n"                                    \
  "model next(x: id<V>[B,L]) -> y[B,L,V] {\n"                                    \
  "  param e[V,D] ~ normal(0, 0.3)\n"                                            \
  "  h[b,l,d] = e[x[b,l],d]\n"                                                   \
  "  y = linear(" hidden ", V)\n"                                                \
  "}\n"                                                                          \
  "loss main(x: id<V>[B,L]) {\n"                                                 \
  "  y = next(x)\n"                                                              \
  "  minimize mean[b, l in 0 : L-1](logsumexp[u](y[b,l,u]) - y[b,l,x[b,l+1]])\n" \
  "}\n"

/* The same, whole: its sampler emits noise, but for what is given, and trains for 4 steps. */
#define SANDBOX_NOISY                                                                \
  SANDBOX_MODEL("h")                                                                 \
  "sampler flat(steps = 2, temperature = 1.0, prompt = \"\") {\n"                    \
  "  state s[b in B, l in L, v in V] = normal()\n"                                   \
  "  for t in 1 .. 0 steps steps { s[b,l,v] = s[b,l,v] + temperature * normal() }\n" \
  "  log confidence[b,l] = clamp(max[v](s[b,l,v]), 0, 1)\n"                          \
  "  emit prompt.given[l] ? prompt[l] : argmax[v](s[b,l,v])\n"                       \
  "}\n"                                                                              \
  "train { loss main  adam(lr = 0.01)  batch B  steps 4 }\n"

/* Set-up and tear-down of cmocka, *state the folder's name, from the root on: an empty folder; the
 * same for a test that compiles kernels itself, by the machine's compiler; or the
 * working folder from now on, with text.txt, kernels compiled fast. They are kept where tests of
 * models keep theirs (build/tests/jit), so that what two tests compile costs once; a test of the
 * cache itself names one of its own. */
int sandbox_make(void **state);
int sandbox_compile(void **state);
int sandbox_remove(void **state);
int sandbox_enter(void **state);
int sandbox_leave(void **state);

void sandbox_write(const char *path, const char *text);

/* Where tdc is, by the test's argv[0]; to be called before the folder is entered. */
bool sandbox_find(const char *test);
/* What tdc says to the words of `line`, to be freed. `env`: one variable more, or NULL.
 * Another exit code fails the test. */
char *sandbox_tdc(const char *line, const char *env, int code);
/* Does that hold `what`? */
void sandbox_says(const char *line, const char *env, int code, const char *what, bool expected);

/* Becomes tdc, with the words of `line`. */
_Noreturn void sandbox_exec(const char *line);

/* Everything that tdc writes to a terminal of its own, of 24 lines, to be freed. */
char *sandbox_terminal(const char *line, unsigned short columns);

/* sandbox_tdc and sandbox_says of a line for a shell, in which $TDC is tdc. */
void sandbox_shell(const char *line, int code, const char *what);

#endif
