/* SPDX-License-Identifier: MIT */
/* What metrics claim, on a distribution that can be enumerated: a bound is never below what is
 * exact, and equal to it where the predictor is ideal. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dsl/base.h"
#include "runtime/system/json.h"
#include "tests/sandbox.h"

/* Three bits of which outcome i of 0 .. 7 has probability (i + 1) / 36. The predictor knows that,
 * so at sharp = 1 it is ideal; at 2 it trusts itself too much, and p(x) is the mean over the six
 * orders of uncovering. Metrics are bits a symbol. */
static const char enumerable[] =
    "use nn\n"
    "data text { source \"./bits.txt\"  tokens chars  split 0.5 }\n"
    "dim B = 36, L = 3, V = text.vocab, I = 8, M = 8, O = 6\n"
    "const sharp = 1.0\n"
    "param nothing[V] ~ normal(0, 0)\n"
    "\n"
    "op net(z: id<V + 1>[..., l]) -> s[..., l, V] {\n"
    "  digit[i in I, l] = floor(i / 2 ^ (2 - l)) % 2\n"
    "  fits[..., i] = prod[l](z[..., l] == V || z[..., l] == digit[i,l] ? 1.0 : 0.0)\n"
    "  s[..., l, v] = sharp * log(sum[i](digit[i,l] == v ? fits[..., i] * (i + 1) : 0.0) + 1e-30)\n"
    "}\n"
    "\n"
    "# Nats of a text uncovered in order o, of all six.\n"
    "op orders(x: id<V>[b,l]) -> nats[O,b] {\n"
    "  rank[o,l] = o % 2 == 0 ? (l + floor(o / 2)) % 3 : 2 - (l + floor(o / 2)) % 3\n"
    "  z[o,b,t in L,l] = rank[o,l] >= t ? V : x[b,l]\n"
    "  s = net(z)\n"
    "  nats[o,b] = sum[t,l](rank[o,l] == t ? logsumexp[v](s[o,b,t,l,v]) - s[o,b,t,l,x[b,l]] : "
    "0.0)\n"
    "}\n"
    "\n"
    "# Every mask m of k symbols, as likely as any other k and any other mask of k.\n"
    "op masks(x: id<V>[b,l]) -> nats[b] {\n"
    "  hidden[m in M, l] = floor(m / 2 ^ l) % 2\n"
    "  k[m] = sum[l](hidden[m,l])\n"
    "  z[m,b,l] = hidden[m,l] == 1 ? V : x[b,l]\n"
    "  s = net(z)\n"
    "  c[m,b] = sum[l](hidden[m,l] == 1 ? logsumexp[v](s[m,b,l,v]) - s[m,b,l,x[b,l]] : 0.0)\n"
    "  nats[b] = sum[m](k[m] == 0 ? 0.0 : c[m,b] / k[m] / (k[m] == 3 ? 1 : 3)) / 3\n"
    "}\n"
    "\n"
    "# models/mask.td's: masks that are drawn.\n"
    "op drawn(x: id<V>[b,l]) -> nats[b] {\n"
    "  u[b,l] ~ uniform()\n"
    "  start ~ uniform()\n"
    "  more[b] = floor((start + b / extent(b)) % 1 * extent(l))\n"
    "  place[b,l] = sum[m](u[b,m] < u[b,l] ? 1 : 0)\n"
    "  hidden[b,l] = place[b,l] <= more[b]\n"
    "  z[b,l] = hidden[b,l] ? V : x[b,l]\n"
    "  c = cross_entropy(net(z), x)\n"
    "  nats[b] = mean[l | hidden[b,l]](c[b,l])\n"
    "}\n"
    "\n"
    "# models/mask.td's: one place after the other.\n"
    "op chain(x: id<V>[b,l], left, random, sure) -> nats[b,l] {\n"
    "  u[b,l] ~ uniform()\n"
    "  seen[b,l] = 0 * x[b,l]\n"
    "  nats[b,l] = 0.0 * u[b,l]\n"
    "  for i in L {\n"
    "    z[b,l] = seen[b,l] > 0 ? x[b,l] : V\n"
    "    s = net(z)\n"
    "    c = cross_entropy(s, x)\n"
    "    best[b,l] = max[v](s[b,l,v]) - logsumexp[v](s[b,l,v])\n"
    "    order[b,l] = seen[b,l] > 0 ? -inf : random * u[b,l] + sure * best[b,l] - left * l\n"
    "    next[b] = argmax[l](order[b,l])\n"
    "    nats[b,l] = l == next[b] ? c[b,l] : nats[b,l]\n"
    "    seen[b,l] = l == next[b] ? 1 : seen[b,l]\n"
    "  }\n"
    "}\n"
    "\n"
    "loss main(x: id<V>[B,L]) { minimize mean[b,l](nothing[x[b,l]]^2) }\n"
    "metric truth(x: id<V>[B,L]) exact {\n"
    "  report -mean[b](log((4.0 * x[b,0] + 2 * x[b,1] + x[b,2] + 1) / 36)) / 3 / log(2)\n"
    "}\n"
    "metric likelihood(x: id<V>[B,L]) exact {\n"
    "  report mean[b](log(6) - logsumexp[o](-orders(x)[o,b])) / 3 / log(2)\n"
    "}\n"
    "metric over_orders(x: id<V>[B,L]) bound { report mean[o,b](orders(x)[o,b]) / 3 / log(2) }\n"
    "metric with_draws(x: id<V>[B,L]) bound { report mean[b](drawn(x)[b]) / log(2) }\n"
    "metric over_masks(x: id<V>[B,L]) bound { report mean[b](masks(x)[b]) / log(2) }\n"
    "metric from_left(x: id<V>[B,L]) exact asked { report chain(x, 1, 0, 0) / log(2) }\n"
    "metric from_right(x: id<V>[B,L]) exact asked { report chain(x, -1, 0, 0) / log(2) }\n"
    "metric least_sure(x: id<V>[B,L]) exact asked { report chain(x, 0, 0, -1) / log(2) }\n"
    "metric any(x: id<V>[B,L]) exact asked { report chain(x, 0, 1, 0) / log(2) }\n"
    "metric surest(x: id<V>[B,L]) exact asked { report chain(x, 0, 0, 1) / log(2) }\n"
    "train { loss main  adam(lr = 0.01)  batch B  steps 1 }\n";

static json_t *evaluated(const char *flags) {
  char line[256];
  json_error_t why;
  bool memory;
  snprintf(line, sizeof line, "eval bits.td --untrained --reference -q --json %s", flags);
  char *said = sandbox_tdc(line, NULL, 0);
  json_t *o = json_read(said, strlen(said), 0, &why, &memory);
  assert_non_null(o);
  free(said);
  return o;
}

static double of(const json_t *o, const char *metric, const char *what) {
  return json_number_value(json_object_get(json_object_get(o, metric), what));
}

static void claims(const json_t *o, const char *metric, const char *claim) {
  assert_string_equal(json_string_value(json_object_get(json_object_get(o, metric), "claim")),
                      claim);
}

/* sum over i of (i + 1) / 36 lb(36 / (i + 1)), over three symbols: 0.93140289. */
static void ideal(void **state) {
  double entropy = 0;
  (void)state;
  for (int i = 1; i <= 8; i++) entropy += i / 36.0 * log2(36.0 / i) / 3;
  assert_true(fabs(entropy - 0.93140289) < 1e-8);
  json_t *o = evaluated("-D B=3");
  assert_true(fabs(of(o, "truth", "mean") - entropy) < 1e-6);
  assert_true(fabs(of(o, "likelihood", "mean") - entropy) < 1e-6);
  assert_true(fabs(of(o, "over_orders", "mean") - entropy) < 1e-6);
  assert_true(fabs(of(o, "over_masks", "mean") - entropy) < 1e-6);
  double error = of(o, "with_draws", "error");
  assert_true(error > 0 && error < 0.1);
  assert_true(fabs(of(o, "with_draws", "mean") - entropy) < 4 * error);
  claims(o, "likelihood", "exact");
  claims(o, "over_masks", "bound");
  assert_null(json_object_get(json_object_get(o, "loss"), "claim"));
  json_decref(o);
}

/* The mean of p over orders, by Jensen above what the mean of log p says; both bounds are the
 * same sum in two orders. The truth is not the model's, so that it is below both. */
static void overconfident(void **state) {
  (void)state;
  json_t *o = evaluated("-D sharp=2");
  double exact = of(o, "likelihood", "mean"), bound = of(o, "over_masks", "mean");
  assert_true(bound > exact + 1e-4 && exact > of(o, "truth", "mean") + 1e-2);
  assert_true(fabs(of(o, "over_orders", "mean") - bound) < 1e-6);
  json_decref(o);
}

/* Bits a symbol of the chain over p_i ~ i + 1, each factor of which is raised to `sharp` and made
 * whole again. Next comes the place that is largest in sure * log of its likelier symbol's share -
 * left * its number. */
static double chain_bits(double sharp, double left, double sure) {
  double bits = 0;
  for (int x = 0; x < 8; x++) {
    int seen = 0; /* bits 4 2 1: places 0 1 2 */
    for (int turn = 0; turn < 3; turn++) {
      double best = -INFINITY, of_x = 0;
      int next = 0;
      for (int l = 0; l < 3; l++) {
        int place = 4 >> l;
        double of[2] = {0};
        for (int i = 0; i < 8; i++)
          if (((i ^ x) & seen) == 0) of[(i & place) != 0] += i + 1;
        for (int v = 0; v < 2; v++) of[v] = pow(of[v], sharp);
        double order = sure * log(fmax(of[0], of[1]) / (of[0] + of[1])) - left * l;
        if ((seen & place) != 0 || order <= best) continue;
        best = order;
        next = place;
        of_x = of[(x & place) != 0] / (of[0] + of[1]);
      }
      seen |= next;
      bits -= (x + 1) / 36.0 * log2(of_x) / 3;
    }
  }
  return bits;
}

/* Any order of an ideal predictor takes the entropy. One that trusts itself too much takes more, as
 * much as the order says; orders that are drawn, about their mean, which is the bound. */
static void chains(void **state) {
  (void)state;
  static const struct {
    const char *metric;
    double left, sure;
  } orders[] = {
      {"from_left", 1, 0}, {"from_right", -1, 0}, {"surest", 0, 1}, {"least_sure", 0, -1}};
  static const char asked[] = "--metric from_left --metric from_right --metric surest "
                              "--metric least_sure --metric any";
  char line[256];
  for (int sharp = 1; sharp <= 2; sharp++) {
    snprintf(line, sizeof line, "-D B=3 -D sharp=%d %s", sharp, asked);
    json_t *o = evaluated(line);
    for (int i = 0; i < 4; i++) {
      double want = chain_bits(sharp, orders[i].left, orders[i].sure);
      print_message("%s %.8f\n", orders[i].metric, want);
      assert_true(fabs(of(o, orders[i].metric, "mean") - want) < 1e-6);
      assert_true(sharp == 2 || fabs(want - 0.93140289) < 1e-8);
    }
    assert_true(sharp == 2 || fabs(of(o, "any", "mean") - 0.93140289) < 1e-6);
    claims(o, "any", "exact");
    json_decref(o);
  }
  assert_true(fabs(chain_bits(2, 1, 0) - chain_bits(2, -1, 0)) > 1e-4);
  assert_true(fabs(chain_bits(2, 0, 1) - chain_bits(2, 0, -1)) > 1e-4);
  json_t *o;
  o = evaluated("-D sharp=2 --metric over_orders");
  assert_null(json_object_get(o, "from_left")); /* nor any other that was not asked for */
  assert_null(json_object_get(o, "truth"));
  json_t *drawn = evaluated("-D sharp=2 -D B=3 --metric any");
  assert_true(fabs(of(o, "over_orders", "mean") - of(drawn, "any", "mean")) <
              4 * of(drawn, "any", "error"));
  json_decref(o);
  json_decref(drawn);
  o = evaluated("");
  assert_null(json_object_get(o, "from_left"));
  assert_non_null(json_object_get(o, "truth"));
  json_decref(o);
  sandbox_says("eval bits.td --untrained --reference -q --metric surst", NULL, 2,
               "bits.td has no metric 'surst'; did you mean surest?", true);
}

/* Where a claim may stand, and that it is told. */
static void said(void **state) {
  (void)state;
  sandbox_says("eval bits.td --untrained --reference -q", NULL, 0, "exact\n", true);
  sandbox_says("eval bits.td --untrained --reference -q", NULL, 0, "bound\n", true);
  sandbox_write("claim.td", "loss main(x[3]) bound { minimize mean[i](x[i]) }\n");
  sandbox_says("check claim.td", NULL, 1, "claim.td:1:17: error[E0107]", true);
  sandbox_write("claim.td", "metric main(x[3]) asked exact { report mean[i](x[i]) }\n");
  sandbox_says("check claim.td", NULL, 1, "claim.td:1:25: error[E0107]", true);
  sandbox_write("claim.td", "metric main(x[3]) bond { report mean[i](x[i]) }\n");
  sandbox_says("check claim.td", NULL, 1, "claim.td:1:19: error[E0107]", true);
}

static int enter_folder(void **state) {
  if (sandbox_enter(state) != 0) return -1;
  StrBuf text = {0};
  for (int half = 0; half < 2; half++)
    for (int i = 0; i < 8; i++)
      for (int n = 0; n <= i; n++) sb_printf(&text, "%d%d%d", i / 4, i / 2 % 2, i % 2);
  sandbox_write("bits.txt", text.s);
  sandbox_write("bits.td", enumerable);
  sb_free(&text);
  return 0;
}

int main(int argc, char **argv) {
  (void)argc;
  if (!sandbox_find(argv[0])) return 1;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(ideal),
      cmocka_unit_test(overconfident),
      cmocka_unit_test(chains),
      cmocka_unit_test(said),
  };
  return cmocka_run_group_tests(tests, enter_folder, sandbox_leave);
}
