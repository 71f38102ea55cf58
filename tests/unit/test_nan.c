/* SPDX-License-Identifier: MIT */
/* A run that stops at a NaN names the user's statement that made it: by kernels that compute
 * several statements, on the CPU and on the emulated GPU, and by the evaluator. Where it is born is
 * worked out above each case. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/system/io.h"
#include "tests/sandbox.h"

/* Lines 1 to 4. */
#define HEAD                                                     \
  "use nn\n"                                                     \
  "data text { source \"text.txt\"  tokens chars  split 0.9 }\n" \
  "dim B = 2, L = 8, D = 4, V = text.vocab\n"                    \
  "param e[V,D] ~ normal(0, 0.1)\n"
#define FOOT(how) "}\ntrain { loss main  " how "  batch B  steps 4 }\n"

typedef struct Case {
  const char *name, *text;
  const char *where, *line; /* what the message says */
  const char *more;         /* and this too, from kernels; or NULL */
  bool overflows;           /* in single precision alone */
} Case;

static const Case cases[] = {
    /* One kernel has h, g and k; the logarithm of -h^2 is the second's. */
    {"second",
     HEAD "loss main(x: id<V>[B,L]) {\n"
          "  h[b,l,d] = e[x[b,l],d] + 1\n"
          "  g[b,l,d] = log(0 - h[b,l,d] * h[b,l,d])\n"
          "  k[b,l,d] = g[b,l,d] * 2\n"
          "  minimize mean[b,l,d](k[b,l,d])\n" FOOT("adam(lr = 0.01)"),
     "is 'g'[0], computed at second.td:7\n", "g[b,l,d] = log(0 - h[b,l,d] * h[b,l,d])", NULL,
     false},
    /* rsqrt(0 + 0) is inf, 0 * inf in rmsnorm's last line NaN: of the user's lines, the call. */
    {"library",
     HEAD "loss main(x: id<V>[B,L]) {\n"
          "  h[b,l,d] = e[x[b,l],d]\n"
          "  z[b,l,d] = h[b,l,d] - h[b,l,d]\n"
          "  s = rmsnorm(z, eps = 0) * 3\n"
          "  minimize mean[b,l,d](s[b,l,d] + h[b,l,d])\n" FOOT("adam(lr = 0.01)"),
     "library.td:8", "s = rmsnorm(z, eps = 0) * 3", NULL, false},
    /* sqrt'(0) is inf, h - h passes inf - inf on to h: the line with sqrt, not that of h. */
    {"backward",
     HEAD "loss main(x: id<V>[B,L]) {\n"
          "  h[b,l,d] = e[x[b,l],d]\n"
          "  s[b,l,d] = sqrt(h[b,l,d] - h[b,l,d]) + h[b,l,d]\n"
          "  k[b,l,d] = s[b,l,d] * 2\n"
          "  minimize mean[b,l,d](k[b,l,d])\n" FOOT("adam(lr = 0.01)"),
     "is 'd.h'[0], computed at backward.td:7\n", "s[b,l,d] = sqrt(h[b,l,d] - h[b,l,d]) + h[b,l,d]",
     NULL, false},
    /* Gradients of 2 h / 64 are far below 1. */
    {"optimizer",
     HEAD "op bad(p[...], g[...], step, lr = 0.1) -> p2[...] {\n"
          "  q[...] = sqrt(g[...] - 1)\n"
          "  p2[...] = p[...] - lr * q[...]\n"
          "}\n"
          "loss main(x: id<V>[B,L]) {\n"
          "  h[b,l,d] = e[x[b,l],d]\n"
          "  minimize mean[b,l,d](h[b,l,d]^2)\n" FOOT("bad(lr = 0.01)"),
     "is 'bad.q'[0], computed at optimizer.td:6\n", "q[...] = sqrt(g[...] - 1)", NULL, false},
    /* A symbol that is not in the batch has gradient 0, and adam's 0 / (sqrt(0) + 0) is NaN. */
    {"adam",
     HEAD "loss main(x: id<V>[B,L]) {\n"
          "  h[b,l,d] = e[x[b,l],d]\n"
          "  minimize mean[b,l,d](h[b,l,d]^2)\n" FOOT("adam(lr = 0.01, eps = 0)"),
     "computed at adam.td:9 (within the library, <std/core.td>:",
     "train { loss main  adam(lr = 0.01, eps = 0)  batch B  steps 4 }", NULL, false},
    /* (1e25 h)^2 is beyond single precision; inf - inf two lines later is NaN. */
    {"overflow",
     HEAD "loss main(x: id<V>[B,L]) {\n"
          "  h[b,l,d] = e[x[b,l],d] * 1e25\n"
          "  q[b,l,d] = h[b,l,d] * h[b,l,d]\n"
          "  r[b,l,d] = q[b,l,d] * 2\n"
          "  s[b,l,d] = r[b,l,d] - q[b,l,d]\n"
          "  minimize mean[b,l,d](s[b,l,d] + h[b,l,d])\n" FOOT("adam(lr = 0.01)"),
     "is 's'[0], computed at overflow.td:9\n", "s[b,l,d] = r[b,l,d] - q[b,l,d]",
     "It comes of an infinity in 'q'[0], computed at overflow.td:7", true},
};

static void try_with(const Case *c, const char *how) {
  char line[200];
  snprintf(line, sizeof line, "train %s.td --overwrite -q %s", c->name, how);
  char *said = sandbox_tdc(line, NULL, 6);
  if (strstr(said, c->where) == NULL || strstr(said, c->line) == NULL ||
      (c->more != NULL && strstr(said, c->more) == NULL))
    fail_msg("%s: %s", line, said);
  free(said);
}

static void the_statement_is_named(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char name[64];
    snprintf(name, sizeof name, "%s.td", cases[i].name);
    sandbox_write(name, cases[i].text);
    try_with(&cases[i], "");
    try_with(&cases[i], "--device cuda");
    if (!cases[i].overflows) try_with(&cases[i], "--reference");
  }
}

int main(int argc, char **argv) {
  (void)argc;
  char emulator[4096], only[4200], *folder = io_dirname(argv[0]),
                                   *path = folder != NULL ? io_join(folder, "cuda_emu") : NULL;
  if (!sandbox_find(argv[0]) || path == NULL || realpath(path, emulator) == NULL) return 1;
  free(folder);
  free(path);
  snprintf(only, sizeof only, "%s:-", emulator);
  setenv("TDC_CUDA_LIBRARIES", only, 1);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_statement_is_named),
  };
  return cmocka_run_group_tests_name("where a NaN is born", tests, sandbox_enter, sandbox_leave);
}
