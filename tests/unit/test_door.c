/* SPDX-License-Identifier: MIT */
/* What users give at the door: a sampler's numbers in their ranges, a temperature of 0,
 * flags that do not go together. Runs the tdc that was built beside this test. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/unit.h"
#include "runtime/peak.h"
#include "runtime/td.h"
#include "tests/sandbox.h"

/* text.txt has 28 symbols: the blank, the comma, a .. z. The likeliest at place l is number
 * 3 l, the next one follows close behind: greedy text is " behknqt", by hand. */
static const char model[] = SANDBOX_MODEL(
    "h") "sampler pick(temperature = 1.0 in 0 : 10, top_k = 0 in 0 : V + 1, share = 0.1 in 0 .. "
         "0.1, any = 1.0, steps = 2, prompt = \"\") {\n"
         "  state x[b in B, l in L] = 0\n"
         "  for t in 2 .. 0 steps steps {\n"
         "    z[b,l,v in V] = v == 3 * l ? 1.0 : v == 3 * l + 1 ? 0.9 : 0.0\n"
         "    kept[b,l,v] = top_k == 0 || v < top_k ? share * any * z[b,l,v] : -inf\n"
         "    y[b,l] = categorical[v](tempered(kept, temperature)[b,l,v])\n"
         "    x[b,l] = prompt.given[l] ? prompt[l] : y[b,l]\n"
         "  }\n"
         "  emit x[b,l]\n"
         "}\n"
         "train { loss main  adam(lr = 0.01)  batch B  steps 4 }\n";

static int enter_folder(void **state) {
  if (sandbox_enter(state) != 0) return -1;
  sandbox_write("m.td", model);
  return 0;
}

static void sample(const char *flags, int code, const char *what) {
  char line[512];
  snprintf(line, sizeof line, "sample m.td --untrained -q %s", flags);
  sandbox_says(line, NULL, code, what, true);
}

static void test_ranges(void **state) {
  (void)state;
  sample("--temperature -1", 2, "--temperature takes a number in 0 : 10 (below 10), not '-1'");
  sample("--temperature 10", 2, "below 10");
  sample("--temperature 9.99999999999", 2, "below 10"); /* 10 as a float */
  sample("--temperature 9.5", 0, "");
  sample("--temperature nan", 2, "takes a number in");
  sample("--top_k=-3", 2, "--top_k takes a whole number in 0 .. 28, not '-3'");
  sample("--top_k 29", 2, "0 .. 28");
  sample("--top_k 28", 0, "");
  sample("--top_k 1.5", 2, "a whole number");
  sample("--share 0.1", 0, ""); /* the end is in it, though the float is above */
  sample("--share 0.11", 2, "--share takes a number in 0 .. 0.1, not '0.11'");
  sample("--any -1e30", 0, "");
  sample("--any 1e39", 2, "--any takes a number, not '1e39'"); /* no float is */
  sample("--steps 3", 0, "");
  sample("--steps 4", 2, "--steps takes a whole number in 1 .. 3, not '4'");
  sample("--steps 0", 2, "1 .. 3");
  sample("--help", 0, "default 1, in 0 : 10 (below 10)");
}

static void test_ranges_of_the_library(void **state) {
  (void)state;
  TdError err = {0};
  const TdOptions o = {.offline = true, .reference = true};
  Td *td = td_open("m.td", &o, &err);
  char *text = NULL;
  if (td == NULL) fail_msg("%s", err.message);
  const TdSetting cold = {"temperature", "-0.5"}, greedy = {"temperature", "0"};
  assert_false(td_sample(td, NULL, &cold, 1, 1, &text, &err));
  assert_int_equal(err.status, TD_BAD_USAGE);
  assert_non_null(strstr(err.message, "--temperature takes a number in 0 : 10"));
  assert_true(td_sample(td, NULL, &greedy, 1, 1, &text, &err));
  assert_string_equal(text, " behknqt");
  free(text);
  td_close(td);
}

/* At 0 the greatest is taken, whatever the seed, compiled and evaluated. */
static void test_temperature_zero(void **state) {
  (void)state;
  static const char *const zeros[] = {"0", "-0", "1e-45", "1e-30"};
  for (int i = 0; i < 4; i++)
    for (int seed = 1; seed < 4; seed++) {
      char flags[64];
      snprintf(flags, sizeof flags, "--seed %d --temperature=%s", seed, zeros[i]);
      sample(flags, 0, " behknqt\n");
      snprintf(flags, sizeof flags, "--reference --seed %d --temperature=%s", seed, zeros[i]);
      sample(flags, 0, " behknqt\n");
    }
  sandbox_says("sample m.td --untrained -q --temperature 9", NULL, 0, " behknqt\n", false);
}

/* A byte-order mark before a text is none of its symbols. */
static void test_byte_order_mark(void **state) {
  (void)state;
  sample("--prompt '\xef\xbb\xbfzebra' --temperature 0", 0, "zebranqt\n");
  sample("--infill '\xef\xbb\xbf_e' --temperature 0", 0, " e");
  sample("--prompt 'z\xef\xbb\xbf'", 2, "is not in the vocabulary");
  sandbox_shell("$TDC run m.td next --text the --untrained -q --reference > a && "
                "$TDC run m.td next --text '\xef\xbb\xbfthe' --untrained -q --reference > b && "
                "cmp a b && echo alike",
                0, "alike");
}

static void test_what_a_number_takes(void **state) {
  (void)state;
  UnitParam whole = {.kind = PARAM_INT, .lo = -3, .hi = 7};
  assert_true(unit_param_takes(&whole, -3) && unit_param_takes(&whole, 7));
  assert_false(unit_param_takes(&whole, -4) || unit_param_takes(&whole, 8));
  assert_false(unit_param_takes(&whole, 0.5));
  UnitParam real = {.kind = PARAM_REAL, .lo = -1, .hi = 1, .below = true};
  assert_true(unit_param_takes(&real, -1) && unit_param_takes(&real, 0.99));
  assert_false(unit_param_takes(&real, 1) || unit_param_takes(&real, 0.999999999999));
}

/* Nothing that was given is dropped. */
static void test_flags_together(void **state) {
  (void)state;
  static const char *const refused[][2] = {
      {"sample m.td --untrained --prompt a --infill b_", "--prompt and --infill give the same"},
      {"sample m.td --untrained --infill b_ --prompt a", "--prompt and --infill give the same"},
      {"sample m.td --untrained --hole x", "--hole goes with --infill"},
      {"sample m.td --untrained --watch --json", "--watch and --json exclude each other"},
      {"sample m.td --untrained --weights w", "--weights and --untrained exclude each other"},
      {"eval m.td --untrained --weights w", "--weights and --untrained exclude each other"},
      {"fmt m.td --check --write", "--check and --write exclude each other"},
      {"fmt m.td --write -o x.td", "--write and --output exclude each other"},
      {"m.td --dump=lower -o x", "--dump and --output exclude each other"},
      {"export m.td -o w.safetensors --seed 2", "--seed is that of --untrained"}};
  for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
    sandbox_says(refused[i][0], NULL, 2, refused[i][1], true);
}

/* --json is results as JSON, and only that; else no flag of the command. */
static void test_json(void **state) {
  (void)state;
  static const char *const without[][2] = {
      {"fmt m.td --json", "`tdc fmt` has no flag '--json'"},
      {"opt m.ir --json", "`tdc opt` has no flag '--json'"},
      {"help --json", "`tdc help` has no flag '--json'"},
      {"man --json", "`tdc man` has no flag '--json'"},
      {"completion bash --json", "`tdc completion` has no flag '--json'"},
      {"m.td --dump=lower --json", "--dump and --json exclude each other"}};
  for (size_t i = 0; i < sizeof without / sizeof without[0]; i++)
    sandbox_says(without[i][0], NULL, 2, without[i][1], true);
  static const char *const with[][2] = {
      {"run m.td --json",
       "[{\"name\":\"next\",\"inputs\":[{\"name\":\"x\",\"type\":\"int\",\"shape\":[2,8],"
       "\"least\":0,\"most\":27}]}]\n"},
      {"sample m.td --untrained --temperature 0 --json -q", "[\" behknqt\"]\n"},
      {"export m.td --untrained -o w.safetensors --json -q",
       "{\"output\":\"w.safetensors\",\"parameters\":252}\n"}}; /* 28 * 4 + 4 * 28 + 28 */
  for (size_t i = 0; i < sizeof with / sizeof with[0]; i++) {
    char *said = sandbox_tdc(with[i][0], NULL, 0);
    assert_string_equal(said, with[i][1]);
    free(said);
  }
}

/* Fresh weights are those that `--untrained` begins with, in half precision, and carry their
 * symbols: no text is read. */
static void test_export_untrained(void **state) {
  (void)state;
  sandbox_says("export m.td -o none.safetensors", NULL, 4, "tdc train m.td", true);
  sandbox_says("export m.td --untrained --seed 5 -q -o fresh.safetensors", NULL, 0, "", true);
  TdError err = {0};
  float fresh[112], given[112];
  for (uint64_t seed = 5; seed < 7; seed++) {
    const TdOptions o = {.offline = true, .reference = true, .seed = seed};
    Td *td = td_open("m.td", &o, &err);
    if (td == NULL || !td_read(td, "next.e", fresh, 112, &err) ||
        !td_load(td, "fresh.safetensors", &err) || !td_read(td, "next.e", given, 112, &err))
      fail_msg("%s", err.message);
    int alike = 0;
    for (int i = 0; i < 112; i++) alike += fabsf(fresh[i] - given[i]) <= fabsf(fresh[i]) / 2048;
    assert_int_equal(alike == 112, seed == 5);
    td_close(td);
  }
  sandbox_shell("mv text.txt away && $TDC sample m.td --weights fresh.safetensors -q "
                "--temperature 0; mv away text.txt",
                0, " behknqt\n");
}

/* ---- memory and time of a run ------------------------------------------------------------ */

static double number_in(const char *said, const char *key) {
  const char *at = strstr(said, key);
  if (at == NULL) fail_msg("no %s in %s", key, said);
  return strtod(at + strlen(key), NULL);
}

static void write_text(const char *path, size_t n) {
  char *text = calloc(n + 1, 1);
  for (size_t i = 0; i < n; i++) text[i] = "abcdefghijklmnopqrstuvwxyz ,"[i % 28];
  sandbox_write(path, text);
  free(text);
}

/* A byte a symbol, 12 a kind of symbol; windows of 2 x 8 numbers for training and as many for
 * the evaluation. A budget counts them too. */
static void test_text_counts(void **state) {
  (void)state;
  static const size_t sizes[2] = {1000000, 4000000};
  double memory[2];
  for (int i = 0; i < 2; i++) {
    write_text("large.txt", sizes[i]);
    char *said = sandbox_tdc("train m.td --data large.txt --dry-run --json -q", NULL, 0);
    memory[i] = number_in(said, "\"memory\":");
    assert_true(number_in(said, "\"text_memory\":") == (double)(sizes[i] + 28 * 12 + 2 * 64));
    free(said);
  }
  assert_true(memory[1] - memory[0] == 3000000);
  sandbox_says("train m.td --data large.txt --dry-run -q", NULL, 0, "(4.00 MB of it for the text)",
               true);
  sandbox_says("train m.td --data large.txt --dry-run --memory 3M", NULL, 1, "the text 4001K",
               true);
  sandbox_says("train m.td --data large.txt --dry-run --memory 6M", NULL, 0, "of memory", true);
  sandbox_says("m.td --data large.txt --memory 3M -o out", NULL, 0, "of memory", true);
}

/* A scan that gathers rows of a table: what it takes at least is less than what it takes. */
static void test_least_time_of_a_scan(void **state) {
  (void)state;
  sandbox_write("scan.td", "use nn\ndata text { source \"./text.txt\"  tokens bytes  split 0.9 }\n"
                           "dim B = 1, L = 64, V = text.vocab, K = 512\n"
                           "model net(x: id<V>[B,L]) -> z[B,L,K] {\n"
                           "  param e[V,K] ~ normal(0, 0.1)\n"
                           "  h0[b in B, k in K] = 0.0\n"
                           "  scan t in L carry h[b,k] = h0[b,k] {\n"
                           "    h[b,k] = 0.5 * h[b,k] + e[x[b,t],k]\n"
                           "  } emit z[b,t,k] = h[b,k]\n"
                           "}\n"
                           "loss main(x: id<V>[B,L]) { minimize mean[b,l,k](net(x)[b,l,k]^2) }\n"
                           "train { loss main  sgd(lr = 0.01)  steps 4  log every 1 }\n");
  char *said = sandbox_tdc("train scan.td --dry-run --json -q --threads 1", NULL, 0);
  double least = number_in(said, "\"least_seconds_per_step\":"), fastest = 1e9;
  free(said);
  said = sandbox_tdc("train scan.td --json -q --threads 1", NULL, 0);
  for (const char *at = said; (at = strstr(at, "\"seconds\":")) != NULL; at++)
    fastest = fmin(fastest, number_in(at, "\"seconds\":"));
  free(said);
  assert_true(least > 0 && least < fastest);
}

/* Products in bf16 go by the peak of bf16: of z = h w, forwards and for both of its factors,
 * 2 M N K each, with M = 4 x 16 rows, K = 32 and N = 64. What is left is f32's. */
static void test_least_time_in_bf16(void **state) {
  (void)state;
  sandbox_write("wide.td", "data text { source \"text.txt\" }\n"
                           "dim B = 4, L = 16, V = text.vocab, D = 32, N = 64\n"
                           "param e[V,D] ~ normal()\n"
                           "param at[L,D] ~ normal()\n"
                           "param w[D,N] ~ normal()\n"
                           "model net(x: id<V>[B,L]) -> z[B,L,N] {\n"
                           "  h[b,l,d] = e[x[b,l],d] + at[l,d]\n"
                           "  z[b,l,n] = h[b,l,d] * w[d,n]\n"
                           "}\n"
                           "loss main(x: id<V>[B,L]) { minimize mean[b,l,n](net(x)[b,l,n]^2) }\n"
                           "train { loss main  sgd(lr = 0.01)  steps 4  log every 1 }\n");
  static const char *const how[] = {"train wide.td --dry-run --json -q --threads 1",
                                    "train wide.td --dry-run --json -q --threads 1 --act bf16",
                                    "train wide.td --dry-run --json -q --threads 1 --product bf16"};
  double least[3], flops[3];
  for (int i = 0; i < 3; i++) {
    char *said = sandbox_tdc(how[i], NULL, 0);
    least[i] = number_in(said, "\"least_seconds_per_step\":");
    flops[i] = number_in(said, "\"flops_per_step\":");
    double narrow = number_in(said, "\"bf16_flops_per_step\":");
    assert_true(narrow == (i ? 3 * 2.0 * 64 * 64 * 32 : 0));
    assert_true(narrow < flops[i] && flops[i] < 2 * flops[0] + 1);
    free(said);
  }
  assert_true(least[0] > 0 && least[1] > 0 && least[2] > 0);
}

/* So much of a peak of 1 and of 8 operations a second. */
static void test_seconds_at_a_peak(void **state) {
  (void)state;
  Peak peak = {.flops = 1, .narrow_flops = 8};
  assert_true(peak_seconds(&peak, 24, 0, 0) == 24);
  assert_true(peak_seconds(&peak, 24, 16, 0) == 8 + 2);
  assert_true(peak_seconds(&peak, 24, 24, 0) == 3);
  assert_true(peak_seconds(&peak, 24, 16, 1) == 8 + 2); /* rounded */
  assert_true(peak_seconds(&peak, 24, 16, 6) == 24);    /* without tiles as f32 */
  peak.tiles = true;
  assert_true(peak_seconds(&peak, 24, 16, 6) == 8 + 6 * 2);
  peak.bytes = 6;
  peak.read = 3;
  assert_true(peak_traffic(&peak, 24, 12) == 4); /* both at once */
  assert_true(peak_traffic(&peak, 24, 18) == 6); /* reads alone */
  assert_true(peak_traffic(&peak, 24, 0) == 4);
}

int main(int argc, char **argv) {
  (void)argc;
  if (!sandbox_find(argv[0])) return 1;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_least_time_in_bf16),
      cmocka_unit_test(test_seconds_at_a_peak),
      cmocka_unit_test(test_ranges),
      cmocka_unit_test(test_ranges_of_the_library),
      cmocka_unit_test(test_temperature_zero),
      cmocka_unit_test(test_what_a_number_takes),
      cmocka_unit_test(test_byte_order_mark),
      cmocka_unit_test(test_flags_together),
      cmocka_unit_test(test_json),
      cmocka_unit_test(test_text_counts),
      cmocka_unit_test(test_least_time_of_a_scan),
      cmocka_unit_test(test_export_untrained),
  };
  return cmocka_run_group_tests(tests, enter_folder, sandbox_leave);
}
