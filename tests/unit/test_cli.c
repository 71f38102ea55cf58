/* SPDX-License-Identifier: MIT */
/* The command line as a user meets it: exit codes, messages, hints. Runs the
 * tdc that was built beside this test, in a folder of its own. */
#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/store/checkpoint.h"
#include "runtime/system/cache.h"
#include "runtime/system/io.h"
#include "runtime/system/spawn.h"
#include "runtime/td.h"
#include "runtime/view/viewer.h"
#include "tests/sandbox.h"

static const char model[] = SANDBOX_MODEL(
    "h") "sampler flat(steps = 2, temperature = 1.0, prompt = \"\") {\n"
         "  state s[b in B, l in L, v in V] = normal()\n"
         "  for t in 1 .. 0 steps steps { s[b,l,v] = s[b,l,v] + temperature * normal() }\n"
         "  log confidence[b,l] = clamp(max[v](s[b,l,v]), 0, 1)\n"
         "  emit prompt.given[l] ? prompt[l] : argmax[v](s[b,l,v])\n"
         "}\n"
         "train { loss main  adam(lr = 0.01)  batch B  steps 4 }\n";

static int enter_folder(void **state) {
  if (sandbox_enter(state) != 0) return -1;
  sandbox_write("m.td", model);
  sandbox_write("grad.ir", "graph g\ncotangent dy: real[2]\nx[i:2] = dy[i]\noutput x = x\n");
  sandbox_write("bad.td", "use nn\nmodel m(x[3]) -> y[3] { y = z }\n");
  sandbox_write("messy.td", "dim   B=2\n\n\n\n\ndim C =3");
  sandbox_write("syntax.td", "model m(x[3] -> y[3]\n");
  return 0;
}

typedef struct Case {
  const char *line;
  int code;
  const char *says;
} Case;

static void try_all(const Case *cases) {
  for (const Case *k = cases; k->line != NULL; k++)
    sandbox_says(k->line, NULL, k->code, k->says, true);
}

static void test_help_and_usage(void **state) {
  (void)state;
  static const Case cases[] = {
      {"--version", 0, "tdc "},
      {"--help", 0, "Examples:"},
      {"help train", 0, "--resume"},
      {"train --help", 0, "Examples:"},
      {"sample m.td --help", 0, "--temperature"},
      {"help nothing", 2, "no command 'nothing'"},
      {"", 2, "Usage"},
      {"trian m.td", 2, "did you mean 'train'"},
      {"train", 2, "takes FILE.td"},
      {"train m.td --resum", 2, "--resume"},
      {"train m.td --steps", 2, "--steps takes N"},
      {"train m.td --steps=0", 2, "whole number"},
      {"train m.td --steps 1e3", 2, "whole number"},
      {"train m.td --seed -1", 2, "--seed takes"},
      {"train m.td --resume=1", 2, "takes no value"},
      {"train m.td --resume --overwrite", 2, "exclude"},
      {"m.td --output=", 2, "takes a path"},
      {"train m.td -o ''", 2, "takes a path"},
      {"eval m.td --weights=", 2, "takes a path"},
      {"train m.td -D L", 2, "NAME=VALUE"},
      {"check m.td --color pink", 2, "auto, always or never"},
      {"check m.td extra", 2, "takes FILE.td"},
      {"m.td --act fp16", 2, "f32 or bf16"},
      {"train m.td --act fp16", 2, "f32 or bf16"},
      {"train m.td --product tf32", 2, "f32, split6 or split3, not 'tf32'"},
      {"eval m.td --product split6 --act bf16", 2, "--act bf16 multiplies"},
      {"sample m.td --act fp16", 2, "f32 or bf16"},
      {"eval m.td --act fp16", 2, "f32 or bf16"},
      {"run m.td next --act fp16", 2, "f32 or bf16"},
      {"profile m.td --act fp16", 2, "f32 or bf16"},
      {"cache flush", 2, "clear"},
      {"explain E9999", 2, "no code"},
      {"explain E0101", 0, "E0101"},
      {"explain", 0, "E0101"},
      {"explain E0101 --json", 0, "{\"code\":\"E0101\",\"title\":"},
      {"explain --json", 0, "[{\"code\":\"E0101\","},
      {"completion bash", 0, "complete "},
      {"completion zsh", 0, "#compdef tdc"},
      {"completion fish", 0, "complete -c tdc"},
      {"completion tcsh", 2, "bash, zsh or fish"},
      {"man", 0, ".TH TDC 1"},
      {0}};
  try_all(cases);
}

static void test_files(void **state) {
  (void)state;
  static const Case cases[] = {
      {"check m.td", 0, "no errors"},
      {"check absent.td", 4, "No such file"},
      {"check .", 4, "a folder"},
      {"check bad.td", 1, "bad.td:2:"},
      {"check bad.td --json", 1, "\"line\":2"},
      {"check syntax.td", 1, "syntax.td:1:"},
      {"check m.td -D LL=3", 1, "LL"},
      {"check m.td -D B=0", 1, "an extent must lie in"},
      {"check m.td --data absent.txt", 4, "absent.txt"},
      {"fmt messy.td --check", 1, "messy.td"},
      {"fmt messy.td", 0, "dim B = 2"},
      {"fmt syntax.td", 1, "syntax.td:1:"},
      {"fmt m.td -o laid-out.td", 0, ""},
      {"fmt laid-out.td --check", 0, ""},
      {"check laid-out.td", 0, "no errors"},
      {"m.td", 0, "parameters"},
      {"m.td --json -o elsewhere", 0, "\"parameters\""},
      {"opt absent.ir", 4, "absent.ir"},
      {"opt generated/m/train.ir", 0, ""},
      {"opt -p nothing generated/m/train.ir", 2, "passes are"},
      {"opt --plan generated/m/train.ir", 0, "plan train for cpu: arena"},
      {"opt --plan --act bf16 --repeated generated/m/train.ir", 0,
       "plan train for cpu, act bf16, repeated: arena"},
      {"opt --plan --act f8 generated/m/train.ir", 2, "f32 or bf16"},
      {"opt --plan grad.ir", 1, "'dy': has no value"},
      {"opt --without chains generated/m/train.ir", 2, "with --plan"},
      {"opt --plan --without chains,in_place generated/m/train.ir", 0, ""},
      {"opt --plan --target cuda generated/m/train.ir", 0, "for cuda: "},
      {"opt --plan --target gpu generated/m/train.ir", 2, "takes cpu or cuda, not 'gpu'"},
      {"opt --plan --without chains,in generated/m/train.ir", 2,
       "--without takes names of simplify, fuse_maps"},
      {0}};
  try_all(cases);
}

/* Results go through a link to where it points; the link stays. */
static void test_links(void **state) {
  (void)state;
  struct stat st;
  sandbox_write("target.td", "dim B = 1\n");
  assert_int_equal(symlink("target.td", "link.td"), 0);
  sandbox_says("fmt messy.td -o link.td", NULL, 0, "", true);
  sandbox_says("fmt target.td", NULL, 0, "dim C = 3", true);
  assert_int_equal(lstat("link.td", &st), 0);
  assert_true(S_ISLNK(st.st_mode));
  sandbox_says("fmt messy.td -o /dev/full", NULL, 4, "No space left", true);
  assert_int_equal(stat("/dev/full", &st), 0);
  assert_true(S_ISCHR(st.st_mode));
}

/* Output that cannot be written, and files that may not grow: a message, the code of files,
 * and nothing half-written left behind. */
static void test_full(void **state) {
  (void)state;
  static const struct {
    const char *line, *says;
    int code;
  } cases[] = {
      {"$TDC check m.td --json > /dev/full", "No space left", 4},
      {"$TDC m.td --json > /dev/full", "No space left", 4},
      {"$TDC explain --json > /dev/full", "No space left", 4},
      {"$TDC train m.td -o full --steps 2 --json -q > /dev/full", "cannot write the output", 4},
      {"$TDC check absent.td --json > /dev/full", "No such file", 4},
      {"ulimit -f 8; $TDC m.td -o limited", "File too large", 4},
      {"ls -A limited | grep -c part", "0", 1},
      {"$TDC train m.td -o gone --steps 2 -q; rm gone/log.jsonl; ln -s /dev/full gone/log.jsonl; "
       "$TDC train m.td -o gone --steps 4 -q --resume",
       "", 4},
      {"touch a-file; $TDC train m.td -o a-file --resume", "Not a directory", 4},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    sandbox_shell(cases[i].line, cases[i].code, cases[i].says);
}

/* What the environment says that cannot be: its own message, and the code of tools. */
static void test_environment(void **state) {
  (void)state;
  static const struct {
    const char *line, *env, *says;
    int code;
  } cases[] = {
      {"profile m.td", "TDC_CFLAGS=\"", "$TDC_CFLAGS has a quote that is not closed", 3},
      {"profile m.td", "CC='cc", "$CC is not a compiler's name", 3},
      {"profile m.td", "CC=/bin/true", "wrote nothing", 3},
      {"profile m.td --no-cache", "CC=/bin/false", "does not work", 3},
      {"profile m.td", "PATH=", "no C compiler found", 3},
      {"eval m.td --untrained", "PATH=", "reference evaluator", 0},
      {"profile m.td --rounds 1", "TDC_CACHE=-x", "a run", 0},
      {"cache", "TDC_CACHE=-x", "./-x: ", 0},
      {"cache", "TDC_CACHE=open/cache", "others may write into a folder on the way", 0},
  };
  mkdir("open", 0777);
  assert_int_equal(chmod("open", 0777), 0);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    sandbox_says(cases[i].line, cases[i].env, cases[i].code, cases[i].says, true);
}

/* A file that is written anew keeps who may read and write it. */
static void test_mode(void **state) {
  (void)state;
  struct stat st;
  static const mode_t modes[] = {0600, 0640, 0755};
  for (int i = 0; i < 3; i++) {
    sandbox_write("private.td", "dim   B = 1");
    assert_int_equal(chmod("private.td", modes[i]), 0);
    bool given = geteuid() == 0 && chown("private.td", 1234, 4321) == 0;
    sandbox_says("fmt --write private.td", NULL, 0, "", true);
    assert_int_equal(stat("private.td", &st), 0);
    assert_int_equal(st.st_mode & 0777, modes[i]);
    if (given) assert_true(st.st_uid == 1234 && st.st_gid == 4321);
    unlink("private.td");
  }
}

/* Weights whose symbols stand in another order than the text's are not loaded. */
static void test_other_order(void **state) {
  (void)state;
  TdError err = {0};
  Td *td = td_open("m.td", NULL, &err);
  if (td == NULL) fail_msg("%s", err.message);
  assert_true(td_train(td, &(TdTrainOptions){.folder = "order", .steps = 1}, &err));
  Checkpoint *c = checkpoint_newest(NULL, "order", NULL, &err);
  assert_non_null(c);
  CheckpointInfo info = *checkpoint_info(c);
  StrBuf swapped = {0}; /* the first two symbols */
  const char *a = info.vocabulary, *b = strchr(a, ' ') + 1, *rest = strchr(b, ' ');
  sb_printf(&swapped, "%.*s %.*s%s", (int)(rest - b), b, (int)(b - 1 - a), a, rest);
  info.vocabulary = swapped.s;
  float none[1] = {0};
  CheckpointTensor t = {.name = "none", .type = TD_F32, .rank = 1, .shape = {1}, .data = none};
  assert_true(checkpoint_export(NULL, "order.safetensors", &t, 1, &info, &err));
  assert_false(td_load(td, "order.safetensors", &err));
  assert_int_equal(err.status, TD_DAMAGED);
  assert_non_null(strstr(err.message, "in another order"));
  sandbox_says("eval m.td --weights order.safetensors", NULL, 5, "in another order", true);
  sandbox_says("sample m.td --weights order.safetensors", NULL, 5, "in another order", true);
  sb_free(&swapped);
  checkpoint_close(c);
  td_close(td);
}

/* Seven held-out windows, of a, b .. g: their mean is d, 100, whatever the batch is. */
static void test_every_window_counts(void **state) {
  (void)state;
  sandbox_write("steps.txt", "zzzzzzzzzzzzzzzzzzzzzzzzzzzzaaaabbbbccccddddeeeeffffggggyy");
  sandbox_write("mean.td", "data text { source \"./steps.txt\"  tokens bytes  split 0.49 }\n"
                           "dim B = 2, L = 4, V = text.vocab\n"
                           "model pick(x: id<V>[B,L]) -> y[B,L] {\n"
                           "  param w[V] ~ normal(0, 0)\n"
                           "  y[b,l] = w[x[b,l]]\n"
                           "}\n"
                           "loss main(x: id<V>[B,L]) {\n"
                           "  y = pick(x)\n"
                           "  minimize mean[b,l](real(x[b,l]) + y[b,l])\n"
                           "}\n"
                           "train { loss main  adam(lr = 0.01)  batch B  steps 1 }\n");
  for (int b = 1; b <= 9; b++) {
    char line[100];
    snprintf(line, sizeof line, "eval mean.td --untrained --reference -q --json -D B=%d", b);
    sandbox_says(line, NULL, 0, "\"windows\":7,", true);
    sandbox_says(line, NULL, 0, "\"loss\":{\"mean\":100.0,", true);
  }
  sandbox_says("eval mean.td --untrained -q --json -D B=4", NULL, 0, "\"mean\":100.0,", true);
  sandbox_says("eval mean.td --untrained -q --json -D B=2 --batches 1", NULL, 0, "\"mean\":97.5,",
               true);
}

/* Held out are a .. k, 97 .. 107, behind ten z, 122. Windows of five, whose last four symbols
 * are reported: the first begins in the z; a window more has i j k, which alone are new. So
 * `own` is the mean of a .. k, 102; `before`, of z a .. j, is (122 + 10 101.5) / 11 = 103.36;
 * `all` reports one number of the whole windows z .. d and d .. h, of which the sums are 516 and
 * 510. Where windows end with the text, a .. h, nothing is new behind them. */
static void test_every_symbol_counts(void **state) {
  static const char *const texts[][2] = {{"once.txt", "zzzzzzzzzzabcdefghijk"},
                                         {"whole.txt", "zzzzzzzzzzabcdefgh"}};
  (void)state;
  for (int i = 0; i < 2; i++) {
    char td[900], path[20];
    sandbox_write(texts[i][0], texts[i][1]);
    snprintf(td, sizeof td,
             "data text { source \"./%s\"  tokens bytes  split %s }\n"
             "dim B = 2, L = 4, V = text.vocab\n"
             "param w[V] = 0\n"
             "loss main(x: id<V>[B,L+1]) { minimize mean[b,l](w[x[b,l]]^2) }\n"
             "metric own(x: id<V>[B,L+1]) exact {\n"
             "  n[b,l in L] = real(x[b,l+1])\n"
             "  report n\n"
             "}\n"
             "metric before(x: id<V>[B,L+1]) {\n"
             "  n[b,l in L] = real(x[b,l])\n"
             "  report n\n"
             "}\n"
             "metric all(x: id<V>[B,L+1]) { report sum[b,l](real(x[b,l])) / B }\n"
             "train { loss main  sgd(lr = 0.1)  steps 5 }\n",
             texts[i][0], i == 0 ? "0.48" : "0.56");
    snprintf(path, sizeof path, "once%d.td", i);
    sandbox_write(path, td);
  }
  static const char *const says[] = {"\"windows\":3,\"symbols\":11,", "\"own\":{\"mean\":102.0,",
                                     "\"before\":{\"mean\":103.3636363636363",
                                     "\"all\":{\"mean\":513.0,"};
  for (int b = 1; b <= 3; b++)
    for (size_t k = 0; k < sizeof says / sizeof *says; k++) {
      char line[100];
      snprintf(line, sizeof line, "eval once0.td --untrained --reference -q --json -D B=%d", b);
      sandbox_says(line, NULL, 0, says[k], true);
    }
  sandbox_says("eval once0.td --untrained -q", NULL, 0, "3 windows in 2 batches, 11 symbols once",
               true);
  sandbox_says("eval once0.td --untrained -q --json", NULL, 0, "\"own\":{\"mean\":102.0,", true);
  /* some of it: the two whole windows, z out of them */
  sandbox_says("eval once0.td --untrained --reference -q --json --batches 1", NULL, 0,
               "\"own\":{\"mean\":100.5,", true);
  /* a .. h, 97 .. 104 */
  sandbox_says("eval once1.td --untrained --reference -q --json", NULL, 0,
               "\"windows\":2,\"symbols\":8,", true);
  sandbox_says("eval once1.td --untrained --reference -q --json", NULL, 0,
               "\"own\":{\"mean\":100.5,", true);
}

/* A text of five symbols, blank , a b c, and a sampler that writes one of them alone. */
static void write_flat(void) {
  StrBuf text = {0};
  for (int i = 0; i < 60; i++) sb_puts(&text, i % 2 == 0 ? "abc bbbbb " : "cab aabb, ");
  sandbox_write("long.txt", text.s);
  sb_free(&text);
  sandbox_write("flat.td", "data text { source \"./long.txt\"  tokens chars  split 0.6 }\n"
                           "dim B = 4, L = 16, V = text.vocab\n"
                           "param w[V] ~ normal(0, 1)\n"
                           "loss main(x: id<V>[B,L]) { minimize mean[b,l](w[x[b,l]]^2) }\n"
                           "sampler flat(letter = 3 in 0 .. V - 1) {\n"
                           "  state s[b in B, l in L] = 0\n"
                           "  for t in 1 .. 3 { s[b,l] = min(t, 1) * letter }\n"
                           "  emit s[b,l]\n"
                           "}\n"
                           "train { loss main  adam(lr = 0.01)  batch B  steps 1 }\n");
  sandbox_says("export flat.td --untrained -o flat.safetensors", NULL, 0, "", true);
}

/* What sampling takes is without what its kernels took to compile, here by a compiler that
 * sleeps for a second. */
static void test_compiling_is_not_sampling(void **state) {
  (void)state;
  write_flat();
  sandbox_shell(
      "printf '#!/bin/sh\\nsleep 1\\nexec cc \"$@\"\\n' > slow && chmod +x slow && "
      "TDC_CC=$PWD/slow $TDC eval flat.td --untrained -q --samples 12 --json --no-cache | "
      "grep -o '\"evaluations\":3,\"seconds\":[^,}]*' | sed 's/.*://' | "
      "awk '{ print ($1 > 0 && $1 < 0.8) ? \"apart\" : \"together\" }'",
      0, "apart\n");
}

/* A sampler that writes b, and nothing else: 12 rows of 16 hold 192 symbols of one kind, so their
 * entropy is 0, 1/192 of them distinct; of the nine 8-grams of a row eight stood there before; the
 * text has no word that the row's ends do not cut. The longest run of b in the text is 5. */
static void test_samples_are_measured(void **state) {
  static const Case cases[] = {
      {"eval flat.td --untrained -q --samples 12", 0, "12 texts of 16 symbols by sampler flat"},
      {"eval flat.td --untrained -q --samples 12", 0, "15 windows in 5 batches"},
      {"eval flat.td --untrained -q --samples 12", 0,
       "longest copy, symbols                     5"},
      {"eval flat.td --untrained -q --samples 12", 0,
       "% of 8-grams repeated in a row         88.9"},
      {"eval flat.td --untrained -q --samples 12 --json", 0, "\"distinct1\":0.005208333333333333,"},
      {"eval flat.td --untrained -q --samples 12 --json", 0, "\"entropy\":0.0,"},
      {"eval flat.td --untrained -q --samples 12 --json", 0, "\"js_words\":1.0,"},
      {"eval flat.td --untrained -q --samples 12 --json", 0, "\"evaluations\":3,"},
      {"eval flat.td --untrained -q --samples 12 --json", 0, "\"line_length\":null,"},
      {"eval flat.td --untrained -q --samples 4 --set letter=0 --json", 0, "\"longest_copy\":1.0,"},
      {"eval flat.td --untrained -q --samples 12 --controls --json", 0, "\"longest_copy\":16.0,"},
      {"eval flat.td --untrained -q --samples 12 --controls --json", 0, "\"fooled\":{\"judge\":"},
      {"eval flat.td --untrained -q --samples 12 --controls", 0, "training text"},
      /* the second batch begins on states that the first one left at 3 */
      {"sample flat.td --untrained -q -n 5 --reference", 0,
       "bbbbbbbbbbbbbbbb\n\n--------\nbbbbbbbbbbbbbbbb\n"},
      {"eval flat.td --untrained --samples 12 --sampler flt", 2, "did you mean flat"},
      {"eval flat.td --untrained --samples 12 --set lettr=0", 2, "did you mean --letter"},
      {"eval flat.td --untrained --samples 12 --set letter", 2, "takes NAME=VALUE"},
      {"eval flat.td --untrained --samples 12 --set letter=9", 2, "--letter takes"},
      {"eval flat.td --untrained --samples 1", 2, "--samples"},
      {"eval flat.td --untrained --controls", 2, "--controls goes with --samples"},
      {"eval m.td --untrained --samples 2 --data short.txt", 1, "shorter than one window"},
      {NULL, 0, NULL}};
  (void)state;
  write_flat();
  sandbox_write("short.txt", "the quick brown fox jumps over");
  try_all(cases);
}

/* Judges that charge 1 bit for a b and 3 for all else. A row follows an end, which is not charged,
 * where the windows are one longer than rows, 17: all b cost 1, all a 3. In windows of 6 every
 * sixth symbol of 12 x 17 begins one and is not: 34 windows, in which 10 of the 12 ends are
 * charged, 0 and 102 = 6 x 17 begin windows: (160 + 3 10) / 170. */
static void test_samples_are_judged(void **state) {
  static const Case cases[] = {
      {"eval flat.td --untrained -q --samples 12 --json --judge judge.td", 0, "\"neural\":1.0,"},
      {"eval flat.td --untrained -q --samples 12 --judge judge.td", 0, "by the judge"},
      {"eval flat.td --untrained -q --samples 12 --json --judge judge.td --set letter=2", 0,
       "\"neural\":3.0,"},
      {"eval flat.td --untrained -q --samples 12 --json --judge short.td", 0,
       "\"neural\":1.1176470"},
      {"eval flat.td --untrained -q --samples 12 --judge flat.td --judge-weights flat.safetensors",
       1, "cannot judge"},
      {"eval flat.td --untrained -q --samples 12 --judge other.td", 1, "has no ','"},
      {"eval flat.td --untrained -q --samples 12 --judge absent.td", 4, "absent.td"},
      {"eval flat.td --untrained -q --judge judge.td", 2, "--judge goes with --samples"},
      {NULL, 0, NULL}};
  static const char *const kinds[][4] = {{"judge.td", "long.txt", "17", "3"},
                                         {"short.td", "long.txt", "6", "3"},
                                         {"other.td", "abc.txt", "17", "1"}};
  (void)state;
  write_flat();
  sandbox_write("abc.txt", "abc abc abc abc abc abc abc abc abc abc abc abc abc abc abc abc abc ");
  for (int i = 0; i < 3; i++) {
    char td[600];
    snprintf(td, sizeof td,
             "data text { source \"./%s\"  tokens chars  split 0.6 }\n"
             "dim B = 2, W = %s, V = text.vocab\n"
             "param p[V] ~ normal(0, 1)\n"
             "loss main(x: id<V>[B,W]) { minimize mean[b,w](p[x[b,w]]^2) }\n"
             "metric bits(x: id<V>[B,W]) exact {\n"
             "  report mean[b,w in 1 : W](x[b,w] == %s ? 1.0 : 3.0)\n"
             "}\n"
             "train { loss main  adam(lr = 0.01)  batch B  steps 1 }\n",
             kinds[i][1], kinds[i][2], kinds[i][3]);
    sandbox_write(kinds[i][0], td);
    char line[100];
    snprintf(line, sizeof line, "export %s --untrained -o %.*s.safetensors", kinds[i][0],
             (int)strcspn(kinds[i][0], "."), kinds[i][0]);
    sandbox_says(line, NULL, 0, "", true);
  }
  try_all(cases);
}

/* A list of words: cab and aabb, whatever their case, are in it, and lines with other things
 * than letters are no words. Held-out rows begin at 0 (three times), 12 (3), 4 (3), 16 (1) and 8
 * (2) of `abc bbbbb cab aabb, `; of the whole words in them 1 of 2, 1 of 2, 2 of 2, 0 of 2 and 2
 * of 3 are in the list: 16 of 26. What is written is no word. A judge whose sampler writes b (3)
 * at temperature 0.3 and c at any other is the control that it is: b costs 1 bit, c 3. */
static void test_words_and_cold(void **state) {
#define WITH "eval flat.td --untrained -q --samples 12 --reference "
  static const Case cases[] = {
      {WITH "--words list.txt --json", 0, "\"listed\":0.0,"},
      {WITH "--words list.txt --json", 0, "\"word_list\":\"list.txt\""},
      {WITH "--words list.txt", 0, "% words of 3+ letters in the list"},
      {WITH "--words list.txt --controls", 0, "listed"},
      {WITH "--words none.txt", 1, "no line is a word of letters alone"},
      {WITH "--words absent.txt", 4, "absent.txt"},
      {"eval flat.td --words list.txt", 2, "--words goes with --samples"},
      {WITH "--controls --words list.txt", 0, "has a temperature"},
      {WITH "--controls --json --judge cold.td", 0, "\"cold\":{\"judge\":"},
      {NULL, 0, NULL}};
  (void)state;
  write_flat();
  sandbox_write("list.txt", "Cab\naabb\r\nit's\nabc bbbbb\nx1\n");
  sandbox_write("none.txt", "it's\n\n12\n");
  sandbox_write("cold.td", "data text { source \"./long.txt\"  tokens chars  split 0.6 }\n"
                           "dim B = 4, W = 17, L = 16, V = text.vocab\n"
                           "param p[V] ~ normal(0, 1)\n"
                           "loss main(x: id<V>[B,W]) { minimize mean[b,w](p[x[b,w]]^2) }\n"
                           "metric bits(x: id<V>[B,W]) exact {\n"
                           "  report mean[b,w in 1 : W](x[b,w] == 3 ? 1.0 : 3.0)\n"
                           "}\n"
                           "sampler hot(temperature = 1.0 in 0 .. 10) {\n"
                           "  state s[b in B, l in L] = 0\n"
                           "  for t in 1 .. 3 { s[b,l] = abs(temperature - 0.3) < 1e-6 ? 3 : 4 }\n"
                           "  emit s[b,l]\n"
                           "}\n"
                           "train { loss main  adam(lr = 0.01)  batch B  steps 1 }\n");
  sandbox_says("export cold.td --untrained -o cold.safetensors", NULL, 0, "", true);
  try_all(cases);
  sandbox_shell("$TDC " WITH "--controls --json --judge cold.td | sed 's/.*\"cold\"://; s/}.*//'",
                0, "\"neural\":1.0,");
  sandbox_shell("$TDC " WITH "--words list.txt --json | sed 's/.*\"held_out\"://; s/}.*//'", 0,
                "\"listed\":0.615384615384615");
}

/* turn.td and turn2.td write one letter; cost.td charges 1 bit for a b (3) and 3 for all else.
 * Twelve rows of 16 of one letter have 12 x 13 4-grams of one kind, 1/156 of them distinct, so what
 * costs 1 bit is on the frontier and what costs 3 is not. In the first plot evaluations 2 and 4 lie
 * at 1 and 2 of .96 .. 2.04, 72.3 and 429.7 of the 386 from 58 on; bits 1 and 3, held-out text's
 * between, at 276 - 246 (.08, 2.08) / 2.16. */
static void test_sweep(void **state) {
#define SWEEP "eval turn.td --untrained -q --samples 12 --judge cost.td --reference "
#define GRID SWEEP "--sweep letter=2,3 --sweep turns=2,4 "
  static const Case cases[] = {
      {GRID, 0, "| letter | turns | evaluations | seconds | neural | judge |"},
      {GRID, 0, "| 2 | 2 | 2 | "},
      {GRID, 0, "| 2 | 4 | 4 | "},
      {GRID, 0, "| 3 | 2 | 2 | "},
      {GRID, 0, "| held-out text | | | | "},
      {GRID "-o grid --json", 0,
       "\"settings\":{\"letter\":\"2\",\"turns\":\"4\"},\"evaluations\":4,"},
      /* two files, and a sampler that lacks a parameter */
      {"eval turn.td turn2.td --untrained -q --samples 12 --reference --sweep letter=2,3 "
       "--sampler fixed --sampler flat",
       0, "| turn2.td | fixed | - | 3 |"},
      {SWEEP "--sweep letter", 2, "takes NAME=VALUE,VALUE"},
      {SWEEP "--sweep letter=2,,3", 2, "takes NAME=VALUE,VALUE"},
      {SWEEP "--sweep letter=2 --sweep letter=3", 2, "'letter' twice"},
      {SWEEP "--sweep letter=2 --set letter=3", 2, "--set and --sweep both give 'letter'"},
      {SWEEP "--sweep lettr=2", 2, "no sampler has a parameter 'lettr'; did you mean letter?"},
      {SWEEP "--sweep letter=2,9", 2, "--letter takes"},
      {SWEEP "--sweep letter=2 --sampler flt", 2, "has none of the samplers"},
      {SWEEP "--sweep letter=2 --controls", 2, "exclude each other"},
      {"eval turn.td --sweep letter=2", 2, "--sweep goes with --samples"},
      {"eval turn.td -o grid", 2, "--output goes with --sweep"},
      {"eval turn.td turn2.td", 2, "several files go with --sweep"},
      {NULL, 0, NULL}};
  static const char *const names[] = {"turn", "turn2"};
  (void)state;
  write_flat();
  for (int i = 0; i < 2; i++) {
    char td[900], path[20];
    snprintf(td, sizeof td,
             "data text { source \"./long.txt\"  tokens chars  split 0.6 }\n"
             "dim B = 4, L = 16, V = text.vocab\n"
             "param w[V] ~ normal(0, 1)\n"
             "loss main(x: id<V>[B,L]) { minimize mean[b,l](w[x[b,l]]^2) }\n"
             "sampler flat(letter = 3 in 0 .. V - 1, turns = 3) {\n"
             "  state s[b in B, l in L] = 0\n"
             "  for t in 1 .. 12 steps turns { s[b,l] = min(t, 1) * letter }\n"
             "  emit s[b,l]\n"
             "}\n"
             "%s"
             "train { loss main  adam(lr = 0.01)  batch B  steps 1 }\n",
             i == 0 ? ""
                    : "sampler fixed() {\n"
                      "  state s[b in B, l in L] = 3\n"
                      "  for t in 1 .. 3 { s[b,l] = s[b,l] }\n"
                      "  emit s[b,l]\n"
                      "}\n");
    snprintf(path, sizeof path, "%s.td", names[i]);
    sandbox_write(path, td);
  }
  sandbox_says("export turn2.td --untrained -o turn2.safetensors", NULL, 0, "", true);
  sandbox_write("cost.td", "data text { source \"./long.txt\"  tokens chars  split 0.6 }\n"
                           "dim B = 2, W = 17, V = text.vocab\n"
                           "param p[V] ~ normal(0, 1)\n"
                           "loss main(x: id<V>[B,W]) { minimize mean[b,w](p[x[b,w]]^2) }\n"
                           "metric bits(x: id<V>[B,W]) exact {\n"
                           "  report mean[b,w in 1 : W](x[b,w] == 3 ? 1.0 : 3.0)\n"
                           "}\n"
                           "train { loss main  adam(lr = 0.01)  batch B  steps 1 }\n");
  sandbox_says("export cost.td --untrained -o cost.safetensors", NULL, 0, "", true);
  try_all(cases);
  sandbox_shell("cat grid/evaluations.svg", 0, "points=\" 72.3,39.1 429.7,39.1\"");
  sandbox_shell("cat grid/evaluations.svg", 0, "points=\" 72.3,266.9 429.7,266.9\"");
  sandbox_shell("cat grid/evaluations.svg", 0, "&#9679; letter=2, by turns");
  sandbox_shell("cat grid/frontier.svg", 0, "&#9679; turns=4, by letter");
  sandbox_shell("grep -c '0.006 .* [*] |$' grid/table.md", 0, "2");
  sandbox_shell("grep '^| 3 .* 1.00 | .* 0.006 .* [*] |$' grid/table.md", 0, "| 3 | 4 | 4 |");
  sandbox_shell("grep '\"frontier\": true' grid/points.json | wc -l", 0, "2");
}

/* A sampler that writes what it is given, and one letter elsewhere. */
static void write_keep(void) {
  sandbox_write("keep.td", "data text { source \"./long.txt\"  tokens chars  split 0.6 }\n"
                           "dim B = 4, L = 16, V = text.vocab\n"
                           "param w[V] ~ normal(0, 1)\n"
                           "loss main(x: id<V>[B,L]) { minimize mean[b,l](w[x[b,l]]^2) }\n"
                           "metric m(x: id<V>[B,L]) bound { report mean[b,l](w[x[b,l]]^2) }\n"
                           "sampler flat(letter = 3 in 0 .. V - 1, prompt = \"\") {\n"
                           "  state s[b in B, l in L] = letter\n"
                           "  for t in 1 .. 3 { s[b,l] = prompt.given[l] ? prompt[l] : letter }\n"
                           "  emit s[b,l]\n"
                           "}\n"
                           "train { loss main  adam(lr = 0.01)  batch B  steps 1 }\n");
  sandbox_says("export keep.td --untrained -o keep.safetensors", NULL, 0, "", true);
}

/* keep.td writes what it is given, and one letter elsewhere. Of 16 symbols the gap is the one at
 * 7. Held-out windows 1 and 7 of "abc bbbbb cab aabb, " over and over begin at its symbols 16
 * and 12: both have a blank (0) there. So a blank is right always, and b (3) never; flat.td takes
 * no text. */
static void test_compare(void **state) {
#define COMPARE_ANY "compare keep.td flat.td --seeds 2 --samples 4 -q --reference "
#define COMPARE COMPARE_ANY "--windows 1 "
  static const Case cases[] = {
      {COMPARE, 0, "| % from both sides | 0.0 | - | - |"},
      {COMPARE "--set letter=0", 0, "| % from both sides | 100.0 | - | - |"},
      {COMPARE "--set letter=0", 0, "| % from what stands before | 100.0 | - | - |"},
      /* of windows 1, 3, 7, 11, from symbols 16, 8, 12, 16 on, the second has an a there */
      {COMPARE_ANY "--set letter=0 --windows 2", 0, "| % from both sides | 75.0 ± 25.0 | - | - |"},
      {COMPARE, 0, "| evaluations a text | 3 | 3 | - |"},
      {COMPARE, 0, "| parameters | 5 | 5 | - |"},
      /* the text repeats itself every 20 symbols, so its first 4 alone are news to the judge */
      {COMPARE, 0, "| first quarter | 1.19 | 1.19 | 1.37 |"},
      {COMPARE, 0, "| last | 0.71 | 0.71 | 0.01 |"},
      {COMPARE, 0, "| last less first | -0.48 | -0.48 | -1.36 |"},
      {COMPARE, 0, "| texts together | 4 | 4 | - |"},
      {COMPARE "--json", 0, "\"memory_alone\":{\"mean\":0."},
      {COMPARE "--samples 3 -D L=32", 0, "| texts together | 3 | 3 | - |"},
      {COMPARE "-D M=32", 1, "M"},
      /* what follows is the same, whatever the prompt is */
      {COMPARE "--json", 0, "\"noise_rise\":{\"mean\":0.0,\"error\":0.0,"},
      {COMPARE, 0, "| | keep.td | flat.td | held-out text |"},
      {COMPARE, 0, "| % of 8-grams repeated in a row | 88.9 | 88.9 | "},
      {COMPARE "--json", 0,
       "\"gap_gain\":{\"mean\":0.0,\"error\":0.0,\"held_out\":null,\"seeds\":[0.0,0.0]}"},
      {COMPARE "--json", 0, "\"claim\":\"bound\""},
      {COMPARE "--json --judge keep.td --batches 1", 1, "cannot judge"},
      {COMPARE "--json --judge charge.td", 0, "\"neural\":{\"mean\":1.0,\"error\":0.0,"},
      /* weights of 1 and of 3: their squares 1 and 9 have the mean 5, and 4 for its error */
      {"compare keep.td=ones.safetensors,threes.safetensors --seeds 2 --samples 4 -q --json", 0,
       "\"likelihood\":{\"mean\":5.0,\"error\":4.0,\"held_out\":null,\"seeds\":[1.0,9.0]}"},
      {"compare keep.td=ones.safetensors,absent --seeds 2 --samples 4 -q", 4, "absent"},
      {"compare flat.td keep.td --seeds 2 --samples 4 --reference", 0,
       "keep.td: seed 2 of 2: texts from a part, "},
      {COMPARE "--html page.html -o table.md", 0, ""},
      {COMPARE "--html /dev/full", 4, "/dev/full"},
      {"compare keep.td absent.td -q --reference --samples 4", 4, "absent.td"},
      {"compare flat.td keep.td -q --seeds 0", 2, "--seeds"},
      {"compare", 2, "FILE.td"},
      {NULL, 0, NULL}};
  (void)state;
  write_flat();
  write_keep();
  sandbox_write("charge.td", "data text { source \"./long.txt\"  tokens chars  split 0.6 }\n"
                             "dim B = 2, W = 17, V = text.vocab\n"
                             "param p[V] ~ normal(0, 1)\n"
                             "loss main(x: id<V>[B,W]) { minimize mean[b,w](p[x[b,w]]^2) }\n"
                             "metric bits(x: id<V>[B,W]) exact {\n"
                             "  report mean[b,w in 1 : W](x[b,w] == 3 ? 1.0 : 3.0)\n"
                             "}\n"
                             "train { loss main  adam(lr = 0.01)  batch B  steps 1 }\n");
  sandbox_says("export charge.td --untrained -o charge.safetensors", NULL, 0, "", true);
  for (int i = 1; i <= 3; i += 2) {
    char td[600];
    snprintf(td, sizeof td,
             "data text { source \"./long.txt\"  tokens chars  split 0.6 }\n"
             "dim B = 4, L = 16, V = text.vocab\n"
             "param w[V] = %d\n"
             "loss main(x: id<V>[B,L]) { minimize mean[b,l](w[x[b,l]]^2) }\n"
             "train { loss main  adam(lr = 0.01)  batch B  steps 1 }\n",
             i);
    sandbox_write("other.td", td);
    sandbox_says(i == 1 ? "export other.td --untrained -o ones.safetensors"
                        : "export other.td --untrained -o threes.safetensors",
                 NULL, 0, "", true);
  }
  try_all(cases);
  sandbox_shell("cat page.html", 0, "<h1>Comparison</h1>");
  sandbox_shell("cat page.html", 0, "<h2>Robustness: quality after a prompt</h2>");
  sandbox_shell("cat page.html", 0, "% from both sides</text>");
  sandbox_shell("cat page.html", 0, "</html>");
  sandbox_shell("cat table.md", 0, "| evaluations a text | 3 | 3 | - |");
}

/* Two runs of rows of 4 x 16 symbols. Of the first, which was resumed after 3 CPU seconds, the
 * last evaluation is at 4 seconds and 1920 symbols; of the other at 6 and 1280. So equal cost is
 * 4 seconds, where the second, on its way from 6 at 2 to 3 at 6, is at 4.5, and 1280 symbols,
 * where the first is at 4. In the picture CPU seconds 1 .. 6 lie at 44 .. 428 and values 2 .. 8 at
 * 330 .. 30, by their logarithms: log 3 / log 6 = .6131, log 4 / log 6 = .7737; 4 is half-way from
 * 2 to 8. */
static void test_compare_runs(void **state) {
#define RUNS "keep.td=one,two "
  static const Case cases[] = {
      {"compare " RUNS "--seeds 3 --samples 4 -q --reference", 0, "| CPU seconds | 5 ± 1 | - |"},
      {"compare " RUNS "--seeds 2 --samples 4 -q --reference", 0,
       "| best value validated | 2.500 ± 0.500 | - |"},
      {"compare " RUNS "--seeds 2 --samples 4 -q --reference", 0,
       "| at equal CPU seconds | 3.250 ± 1.250 | - |"},
      {"compare " RUNS "--seeds 2 --samples 4 -q --reference", 0,
       "| at equal characters | 3.500 ± 0.500 | - |"},
      {"compare " RUNS "--seeds 2 --samples 4 -q --reference", 0,
       "Equal cost is what the shortest run took: 4 CPU seconds, 0.00 million characters."},
      {"compare " RUNS "--seeds 2 --samples 4 -q --reference --json", 0,
       "\"equal_cpu\":4.0,\"equal_characters\":1280.0,"},
      {"compare " RUNS "--seeds 2 --samples 4 -q --reference --json", 0,
       "\"runs\":[[[640.0,1.0,8.0],[1280.0,3.0,4.0],[1920.0,4.0,2.0]],[[640.0,2.0,6.0],"},
      /* a third of three times 0.7 is another number than 0.7 */
      {"compare keep.td=three,three,three --samples 4 -q --reference --json", 0,
       "\"train_cpu\":{\"mean\":0.69999999999999996,\"error\":0.0,"},
      {"compare " RUNS "-q --curves curves.svg", 0, ""},
      {"compare keep.td=four -q --curves near.svg", 0, ""},
      {"compare " RUNS "--seeds 1 --samples 4 -q --reference --html runs.html", 0, ""},
      {"compare k<e|p.td=one/log.jsonl -q --curves escaped.svg", 0, ""},
      {"compare k<e|p.td --seeds 1 --samples 4 -q --reference", 0, "| k<e\\|p.td |"},
      {"compare keep.td -q --curves none.svg", 2, "no run with a log"},
      {"compare " RUNS "-q --curves curves.svg --json", 2, "exclude each other"},
      {"compare " RUNS "-q --curves /dev/full", 4, "/dev/full"},
      /* as its run was: 2 rows of 8, so 2 steps read 32 symbols */
      {"compare keep.td=run --seeds 1 --samples 4 -q --reference --json", 0, "\"runs\":[[[32.0,"},
      {"compare keep.td=run --seeds 1 --samples 4 -q --reference", 0, "| texts together | 2 | - |"},
      {"compare keep.td=run --seeds 1 --samples 4 -q --reference -D B=3", 0,
       "| texts together | 3 | - |"},
      {NULL, 0, NULL}};
  (void)state;
  write_flat();
  write_keep();
  sandbox_shell("mkdir one two three four", 0, "");
  sandbox_write("one/log.jsonl", "{\"step\":1,\"loss\":9,\"cpu\":0.5}\n"
                                 "{\"step\":10,\"valid\":{\"loss\":1,\"m\":8},\"cpu\":1}\n"
                                 "{\"step\":20,\"valid\":{\"loss\":1,\"m\":4},\"cpu\":3}\n"
                                 "{\"step\":22,\"loss\":9,\"cpu\":0.5}\n"
                                 "{\"step\":30,\"valid\":{\"loss\":1,\"m\":2},\"cpu\":1}\n");
  sandbox_write("four/log.jsonl",
                "{\"step\":10,\"valid\":{\"m\":1},\"cpu\":1}\n{\"step\":20,"
                "\"valid\":{\"m\":1.000000000001},\"cpu\":1.0000000000000002}\n{\"step\":");
  sandbox_write("three/log.jsonl", "{\"step\":10,\"valid\":{\"loss\":1,\"m\":6},\"cpu\":0.7}\n");
  sandbox_write("two/log.jsonl", "{\"step\":10,\"valid\":{\"loss\":1,\"m\":6},\"cpu\":2}\n"
                                 "{\"step\":20,\"valid\":{\"loss\":1,\"m\":3},\"cpu\":6}\n");
  sandbox_shell(
      "cp keep.safetensors one/best.safetensors && cp keep.safetensors two/best.safetensors"
      " && cp keep.safetensors three/best.safetensors"
      " && cp keep.td 'k<e|p.td' && cp keep.safetensors 'k<e|p.safetensors'",
      0, "");
  sandbox_says("train keep.td --steps 2 -D B=2 -D L=8 -o run -q --reference", NULL, 0, "", true);
  try_all(cases);
  sandbox_shell("cat curves.svg", 0, "m against CPU seconds");
  sandbox_shell("cat curves.svg", 0, " points=\" 44.0,30.0 279.4,180.0 341.1,330.0\"");
  /* the style; of values five in steps of 2e-13, twice; of symbols 700, 800 .. 1200; of seconds,
   * which are next to each other, none */
  sandbox_shell("grep -c axis near.svg", 0, "17\n");
  sandbox_shell("cat escaped.svg", 0, ">k&lt;e|p, bound<");
  sandbox_shell("cat runs.html", 0, "sampler flat; weights one, two</p>");
  sandbox_shell("cat runs.html", 0,
                "1 seed of 4 texts each, prompts and gaps of 3 held-out texts.");
  sandbox_shell("cat runs.html", 0, " points=\" 44.0,30.0 279.4,180.0 341.1,330.0\"");
}

/* Training text is all b, and so is noise; held-out text is all a. The sampler writes b behind as
 * many b as are wanted and a behind others: where it writes b, the judge is at 0 bits. Of the 32
 * symbols of a prompt 5% are 1.6, 10% 3.2 and 20% 6.4. A gap stands behind no b. */
static void test_compare_noise(void **state) {
#define WANT "compare want.td --seeds 2 --windows 2 --samples 2 -q --reference --set want="
  static const Case cases[] = {{WANT "0", 0, "| of held-out text | 0.00 |"},
                               {WANT "2", 0, "| with 5% noise in it | 0.00 |"},
                               {WANT "3", 0, "| with 10% | 0.00 |"},
                               {WANT "6", 0, "| with 20% | 0.00 |"},
                               {WANT "32", 0, "| of noise alone: what follows first | 0.00 |"},
                               {WANT "32", 0, "| of noise alone: later on | 0.00 |"},
                               {WANT "0", 0, "| % from what stands before | 0.0 | - |"},
                               {WANT "1", 0, "| % from what stands before | 100.0 | - |"},
                               {WANT "1", 0, "| % from both sides | 100.0 | - |"},
                               {WANT "1", 0, "| gain, points | 0.0 | - |"},
                               {NULL, 0, NULL}};
  static const char *const rows[] = {"of held-out text", "with 5% noise in it", "with 10%",
                                     "with 20%", "of noise alone: later on"};
  (void)state;
  StrBuf text = {0};
  for (int i = 0; i < 2000; i++) sb_putc(&text, i < 1200 ? 'b' : 'a');
  sandbox_write("halves.txt", text.s);
  sb_free(&text);
  sandbox_write("want.td", "data text { source \"./halves.txt\"  tokens chars  split 0.6 }\n"
                           "dim B = 2, L = 128, V = text.vocab\n"
                           "param w[V] ~ normal(0, 1)\n"
                           "loss main(x: id<V>[B,L]) { minimize mean[b,l](w[x[b,l]]^2) }\n"
                           "sampler write(want = 0 in 0 .. 32, prompt = \"\") {\n"
                           "  n = sum[l in L](prompt.given[l] && prompt[l] == 1 ? 1 : 0)\n"
                           "  state s[b in B, l in L] = 0\n"
                           "  for t in 1 .. 1 {\n"
                           "    s[b,l] = prompt.given[l] ? prompt[l] : n == want ? 1 : 0\n"
                           "  }\n"
                           "  emit s[b,l]\n"
                           "}\n"
                           "train { loss main  adam(lr = 0.01)  batch B  steps 1 }\n");
  sandbox_says("export want.td --untrained -o want.safetensors", NULL, 0, "", true);
  try_all(cases);
  for (int i = 0; i < 5; i++) { /* one b in it: none of these */
    char row[100];
    snprintf(row, sizeof row, "| %s | 0.00 |", rows[i]);
    sandbox_says(WANT "1", NULL, 0, row, false);
  }
}

/* Whatever a file is called, what is written of it compiles: its own header is found, names
 * are identifiers, comments and #line end where they should. */
static void test_odd_names(void **state) {
  (void)state;
  static const char *const names[] = {
      "my-model.td",
      "3d.td",
      "a.b.c.td",
      "two words.td",
      "gr\303\274n.td",
      "\346\250\241\345\236\213.td",
      "int.td",
      "main.td",
      "td.td",
      "map.td",
      "row.td",
      "NULL.td",
      "math.td",
      "stdio.td",
      "_x.td",
      "it's.td",
      "say\"x\".td",
      "x*y?.td",
      "back\\slash.td",
      "..td",
      "...td",
      "-dash.td",
      "no_extension",
      "%d%s.td",
      "a*/x.td",
      "a_very_long_name_that_goes_on_and_on_and_on_and_on_for_longer_than_anybody_needs.td"};
  mkdir("a*", 0777);
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    sandbox_write(names[i], "model m(x[3]) -> y[3] { param w[3,3] ~ normal(0, 1)\n"
                            "  y[j] = sum[i](x[i] * w[i,j])\n}\n");
    setenv("ODD", names[i], 1);
    setenv("HOW", i % 5 == 4 ? "-O0 -c -o odd.o" : "-fsyntax-only", 1); /* a tenth of the time */
    sandbox_shell("rm -rf odd && $TDC compile -q -o odd -- \"$ODD\" && cd odd && ls *.c *.h && "
                  "cc -std=gnu11 -Wall -Werror $HOW *.c && "
                  "printf '#include \"%s\"\n' *.h > use.cc && { ! command -v c++ || c++ "
                  "-fsyntax-only use.cc; }",
                  0, ".h");
    unlink(names[i]);
  }
  unsetenv("ODD");
  unsetenv("HOW");
}

/* The project is the folder around that of the program's build. */
#define PROJECT \
  "d=$(dirname \"$TDC\"); while [ ! -d \"$d/models\" ]; do d=$(dirname \"$d\"); done; "

/* The models that the manual speaks of are there. */
static void test_examples(void **state) {
  (void)state;
  sandbox_shell(PROJECT
                "for m in $($TDC man | sed 's/\\\\//g' | grep -o 'models/[a-z_0-9]*[.]td' | sort "
                "-u); do "
                "ls \"$d/$m\" || exit 1; done",
                0, "models/shakespeare.td");
}

/* No command warns of what a shipped model answers: neither where all of the file is compiled,
 * nor where a sampler alone is. */
static void test_models_do_not_warn(void **state) {
  (void)state;
  sandbox_shell(PROJECT "for m in \"$d\"/models/*.td; do "
                        "$TDC check \"$m\" --data \"$d\"/tests/models/verse.txt 2>&1; done | "
                        "grep -c -v ': no errors$'",
                1, "0\n");
  sandbox_shell(PROJECT "$TDC sample \"$d\"/models/shakespeare_nano.td --untrained --steps 1 "
                        "-D L=8 -D D=16 -D N=1 --data \"$d\"/tests/models/verse.txt 2>&1 | "
                        "grep -c W09",
                1, "0\n");
}

/* The weights beside the model of the demo are those of its file, and know English: in four
 * texts there is a "the". What is given stays, and nothing stays undecided. */
static void test_demo(void **state) {
  (void)state;
  sandbox_shell(PROJECT "$TDC sample \"$d\"/models/mask.td --steps 16 -n 4 --prompt 'ROMEO: ' "
                        ">demo.txt 2>said.txt && grep -c '^ROMEO: ' demo.txt && "
                        "grep -q ' the ' demo.txt && ! grep _ demo.txt && "
                        "grep 'mask.safetensors, step 6000' said.txt",
                0, "4\n");
}

/* What --watch draws in a terminal of 5 rows and 20 columns: no frame scrolls it,
 * full lines keep their last character, the cursor comes back. */
static void test_watch(void **state) {
  (void)state;
  struct winsize size = {.ws_row = 5, .ws_col = 20};
  int user, program;
  assert_int_equal(openpty(&user, &program, NULL, NULL, &size), 0);
  FILE *out = fdopen(program, "w");
  Viewer w = viewer_new((Terminal){.out = out, .live = true}, NULL);
  int32_t ids[100] = {0};
  SampleFrame f = {.done = 1, .count = 2, .batch = 1, .window = 100, .ids = ids};
  assert_true(viewer_fits(&w));
  viewer_draw(&w, &f);
  viewer_draw(&w, &f);
  viewer_end(&w);
  char said[4096];
  size_t n = 0;
  for (said[0] = '\0'; strstr(said, "\033[?25h") == NULL; said[n] = '\0') {
    ssize_t got = read(user, said + n, sizeof said - 1 - n); /* comes in pieces */
    assert_true(got > 0);
    n += (size_t)got;
  }
  int lines = 0;
  const char *second = strstr(said, "\033[4A"); /* back over the four of the first */
  assert_non_null(second);
  for (const char *p = said; p < second; p++) lines += *p == '\n';
  assert_int_equal(lines, 4);
  assert_non_null(strstr(said, "\033[K00000000000000000000\r\n"));
  assert_non_null(strstr(said, "step 1 of 2"));
  assert_non_null(strstr(second, "\033[?25h"));
  fclose(out);
  close(user);
}

static void test_train_and_sample(void **state) {
  (void)state;
  static const Case cases[] = {
      {"sample m.td", 4, "tdc train m.td"},
      {"train m.td -o m.td/run", 4, "cannot write into m.td/run"},
      {"train m.td --dry-run", 0, "of memory"},
      {"train m.td --dry-run --memory 1G", 0, "of memory"},
      {"train m.td --memory lots", 2, "800M or 1.5G"},
      {"train m.td --memory 1K", 1, "E0421"},
      {"sample m.td --untrained --memory 0.5Ki", 1, "the program needs --memory"},
      {"explain E0421", 0, "--memory"},
      {"train m.td --resume", 2, "no checkpoint"},
      {"train m.td --threads 2", 0, "step 4/4"},
      {"train m.td", 2, "already holds a run"},
      {"train m.td --resume --steps 6 --json", 0, "{\"step\":6,"},
      {"train m.td --resume --seed 5", 2, "seed"},
      {"train m.td -o r2 -D D=6 -q", 0, ""},
      {"sample m.td --weights r2", 5, "shape"},
      {"sample m.td --weights text.txt", 5, "not a valid safetensors"},
      {"sample m.td --prompt the", 0, "the"},
      {"sample m.td --infill 't_e' --json -q", 0, "[\"t"},
      {"sample m.td --infill 't#e' --hole '#' --seed 4", 0, "weights:"},
      {"sample m.td --temprature 1", 2, "--temperature"},
      {"sample m.td --temperature hot", 2, "takes a number"},
      {"sample m.td --steps 1.5", 2, "whole number"},
      {"sample m.td --prompt tQe", 2, "byte 1"},
      {"sample m.td --prompt '\xc3\xa9'", 2, "'\xc3\xa9' at byte 0"},
      {"sample m.td --prompt 'the quick brown'", 2, "longer than the 8"},
      {"sample m.td --sampler none", 2, "no sampler 'none'; it has flat"},
      {"sample m.td --sampler flta", 2, "did you mean flat"},
      {"sample m.td --temprature", 2, "did you mean --temperature"},
      {"sample m.td --temperature", 2, "--temperature takes a value"},
      {"sample m.td --infill 'a_longer_text'", 2, "--infill is longer"},
      {"sample m.td --prompt 't\x01'", 2, "the byte 0x01"},
      {"sample m.td -o sampled.txt -q", 0, ""},
      {"sample m.td -o /dev/full -q", 4, "/dev/full: No space left"},
      {"sample m.td --html /dev/full -q", 4, "/dev/full: No space left"},
      {"sample m.td --html /dev/stdout -q", 0, "</html>"},
      {"sample m.td --html out.html -n 2", 0, "--------"},
      {"sample m.td --html absent/out.html", 4, "absent/out.html"},
      {"sample m.td --gif /dev/full -q", 4, "/dev/full: No space left"},
      {"sample m.td --gif absent/out.gif", 4, "absent/out.gif"},
      {"sample m.td --gif", 2, "--gif"},
      {"sample m.td --gif out.gif --prompt 'the quick brown'", 2, "longer than the 8"},
      {"sample m.td --gif out.gif --prompt the -n 3 -q", 0, "the"},
      {"sample m.td --untrained --watch", 0, "needs a terminal"},
      {"eval m.td", 0, "loss"},
      {"eval m.td --json -q", 0, "\"mean\""},
      {"run m.td", 0, "next"},
      {"run m.td next", 2, "--inputs"},
      {"run m.td nxt --text the", 2, "did you mean next"},
      {"run m.td next --text the", 0, "{\"y\":[[["},
      {"run m.td next --text the -o y.safetensors", 0, ""},
      {"export m.td", 2, "-o PATH"},
      {"export m.td -o m.safetensors", 0, ""},
      {"sample m.td --weights m.safetensors -q", 0, ""},
      {"m.td --dump=lower", 0, "graph train"},
      {"m.td --dump inline", 0, "graph sample.flat.step"},
      {"m.td --dump=inlin", 2,
       "there are lower, again, restack, totals, tables, recompute, simplify, hoist, cse, prune, "
       "inline, budget, join, batch, twice, plan"},
      {"m.td --dump=plan", 0, "plan sample.flat.step for cpu"},
      {"profile m.td --rounds 1", 0, "| loss main(x: id<V>[B,L]) {"},
      {"profile m.td --rounds 1 --kernels --trace trace.json", 0, "row_next_linear_y_sum"},
      {"profile m.td --rounds 1 --json", 0, "\"limit\":"},
      {"profile m.td --trace absent/trace.json", 4, "absent/trace.json"},
      {"gradcheck m.td", 0, "of tolerance"},
      {"cache", 0, "entries"},
      {"cache clear", 0, "removed"},
      {0}};
  try_all(cases);
  sandbox_shell("head -c 6 out.gif", 0, "GIF89a");
  sandbox_shell("ls", 0, "out.html"); /* and nothing that was to become a picture */
  sandbox_shell("ls -A | grep -c out.gif", 0, "1\n");
}

/* A place that is not decided yet is shown as the sampler says: in the text, in JSON, in the
 * page. The first step decides four of eight, the second two more. */
static void test_no_symbol_yet(void **state) {
  (void)state;
  sandbox_write("veiled.td", "data text { source \"./text.txt\" }\n"
                             "dim B = 1, L = 8, V = text.vocab\n"
                             "sampler veiled(prompt: id<V>[L] = \"the quic\") {\n"
                             "  state x[b in B, l in L] = V\n"
                             "  for i in 0 .. 1 { x[b,l] = l < 4 + 2 * i ? prompt[l] : x[b,l] }\n"
                             "  emit x[b,l] else \"\xc2\xb7\"\n"
                             "}\n");
  static const Case cases[] = {
      {"sample veiled.td -q", 0, "the qu\xc2\xb7\xc2\xb7\n"},
      {"sample veiled.td -q --json", 0, "[\"the qu\xc2\xb7\xc2\xb7\"]"},
      {"sample veiled.td -q --html /dev/stdout", 0,
       "[{\"done\":1,\"rows\":[{\"text\":\"the \\u00B7\\u00B7\\u00B7\\u00B7\"}]},"
       "{\"done\":2,\"rows\":[{\"text\":\"the qu\\u00B7\\u00B7\"}]}]"},
      {0}};
  try_all(cases);
}

/* Which values a loop takes with both ends, without one, and without both, and what comes after
 * each: pairs of t and u, the last step's first. Of 9 .. 0, four points are 9, 6, 3, 0; five
 * 9, 7, 4, 2, 0 (6.75 and 4.5 rounded away from the beginning); six 9, 7, 5, 4, 2, 0. */
static void test_steps_without_ends(void **state) {
  (void)state;
  static const struct {
    const char *range, *text;
  } cases[] = {{"9 .. 0 steps n", "00306396"},
               {"9 .. 0 steps n without last", "20427497"},
               {"9 .. 0 steps n without first", "00204274"},
               {"9 .. 0 steps n without ends", "20425475"},
               {"0 .. 9 steps 3 without last", "69360300"},
               {"0 : 10 steps 3 without ends", "79572500"},
               {"9 .. 0 steps 1 without last", "90000000"},
               {"9 .. 0 steps 1", "90000000"}};
  sandbox_write("digits.txt", "0123456789012345678901234567890123456789");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[1024], says[64];
    bool ends = strstr(cases[i].range, "without ends") != NULL; /* then t lies in 1 .. 8 */
    snprintf(text, sizeof text,
             "data text { source \"digits.txt\" }\n"
             "dim B = 1, L = 8\n" /* the text that spells them is read all the same */
             "sampler s(n = 4) {\n"
             "  q[l] = l + %d\n"
             "  state x[b in B, l in L] = 0\n"
             "  for t, u in %s {\n"
             "    now = %s\n"
             "    x[b,l] = l > 1 ? x[b,l - 2] : l == 0 ? now : max(min(u, 9), 0)\n"
             "  }\n"
             "  emit x[b,l]\n"
             "}\n",
             ends, cases[i].range, ends ? "q[t - 1]" : "t");
    sandbox_write("steps.td", text);
    snprintf(says, sizeof says, "%s\n", cases[i].text);
    sandbox_shell("$TDC sample steps.td --untrained -n 1 -q", 0, says);
  }
  sandbox_write("steps.td", "data text { source \"digits.txt\" }\n"
                            "dim B = 1, L = 8, V = text.vocab\n"
                            "sampler s(n = 4) {\n"
                            "  state x[b in B, l in L] = 0\n"
                            "  for t in 9 .. 0 steps n without last { x[b,l] = t }\n"
                            "  emit x[b,l]\n"
                            "}\n");
  sandbox_says("sample steps.td --untrained -n 1 -q --n 9", NULL, 0, "11111111", true);
  sandbox_says("sample steps.td --untrained -n 1 -q --n 10", NULL, 2, "1 .. 9", true);
}

/* A text turned to noise by a sampler `forward`, which hides two of eight places in each turn from
 * the right on. */
static void test_noise(void **state) {
  (void)state;
  static const char veil[] = "data text { source \"./text.txt\"  split 0.8 }\n"
                             "dim B = 2, L = 8, V = text.vocab\n"
                             "sampler other() {\n  state x[B,L] ~ uniform(V)\n  emit x[b,l]\n}\n"
                             "sampler forward(steps = 4, clean: id<V>[L] = \"\") {\n"
                             "  state x[b in B, l in L] = clean.given[l] ? clean[l] : V\n"
                             "  for i in 1 .. 4 steps steps {\n"
                             "    x[b,l] = clean.given[l] && l < 8 - 2 * i ? clean[l] : V\n"
                             "  }\n"
                             "  emit x[b,l] else \"_\"\n"
                             "}\n";
  sandbox_write("veil.td", veil);
  sandbox_write("asks.td",
                SANDBOX_MODEL("h") "sampler forward(clean = \"\") {\n"
                                   "  state x[b in B, l] = clean[l]\n"
                                   "  for i in 0 .. 1 { x[b,l] = argmax[v](next(x)[b,l,v]) }\n"
                                   "  emit x[b,l]\n}\n"
                                   "train { loss main  adam(lr = 0.01)  batch B  steps 1 }\n");
  static const Case cases[] = {
      {"noise veil.td -q --text 'the quic'", 0,
       "step 0 of 4\nthe quic\n\nstep 1 of 4\nthe qu__\n\nstep 2 of 4\nthe ____\n\n"
       "step 3 of 4\nth______\n\nstep 4 of 4\n________\n"},
      /* a short text is shown as short as it is */
      {"noise veil.td -q --text the --at 3,0 --json", 0,
       "[{\"step\":0,\"texts\":[\"the\"]},{\"step\":3,\"texts\":[\"th_\"]}]"},
      {"noise veil.td -q --clean the --at 3 -n 2", 0, "step 3 of 4\nth_\n--------\nth_\n"},
      {"noise veil.td -q --text 'the quic' --at 1,2 --html /dev/stdout", 0,
       "\"noise\":true,\"runs\":[{\"steps\":4,\"frames\":[{\"done\":1,\"rows\":[{\"text\":\"the "
       "qu__\"}]},"
       "{\"done\":2,\"rows\":[{\"text\":\"the ____\"}]}]"},
      {"noise veil.td -q --text the --gif noise.gif", 0, "step 4 of 4\n___\n"},
      {"noise veil.td -q --text the --gif absent/noise.gif", 4, "absent/noise.gif"},
      {"noise veil.td -q --text the -o noise.txt", 0, ""},
      {"noise veil.td --text the --watch", 0, "--watch needs a terminal"},
      {"noise veil.td --help", 0, "--clean TEXT"},
      {"noise veil.td --text 'the quick'", 2, "--text is longer than the 8 symbols"},
      {"noise veil.td --text tQe", 2, "--text: 'Q' at byte 1 is not in the vocabulary"},
      {"noise veil.td --text ''", 2, "an empty text has nothing to lose"},
      {"noise veil.td --text the --clean the", 2, "--clean and --text give the same text"},
      {"noise veil.td --text the --window 1", 2, "--text and --window exclude each other"},
      {"noise veil.td --window 100000", 2, "--window takes"},
      {"noise veil.td --at 5", 2, "--at takes steps from 0 to 4, as in 0,4, not '5'"},
      {"noise veil.td --at 1,", 2, "--at takes steps"},
      {"noise veil.td --at 1.5", 2, "--at takes steps"},
      {"noise veil.td -n 3", 2, "has 2 rows"},
      {"noise veil.td --infill the", 2, "no parameter --infill"},
      {"noise veil.td --sampler other", 2, "takes no text"},
      {"noise m.td", 2, "it has no sampler 'forward'. One is written so:\n  sampler forward(clean"},
      {"noise asks.td", 4, "tdc train asks.td"},
      {"noise asks.td --untrained -q", 0, "step 2 of 2\n"},
      {0}};
  try_all(cases);
  /* text.txt is 44 symbols over and over; four fifths are not held out */
  sandbox_shell("n=$(wc -c < text.txt); from=$((n * 8 / 10 + 8)); "
                "$TDC noise veil.td -q --window 1 --at 0 > noise.txt && "
                "test \"$(sed -n 2p noise.txt)\" = \"$(tail -c +$((from + 1)) text.txt | "
                "head -c 8)\" && head -c 6 noise.gif",
                0, "GIF89a");
  /* of 19 symbols 4 are held out */
  sandbox_shell(
      "printf 'the quick brown fox' > short.txt && $TDC noise veil.td --data short.txt 2>&1", 2,
      "data text has no 8 symbols that are held out: --text TEXT");
}

/* Symbols by their characters: numbers of the vocabulary that the text has, known when the file is
 * compiled. a, b, \n and two letters of two bytes: \n is 0, a 1, b 2, a-umlaut 3 and e-acute 4. */
static void test_characters(void **state) {
  (void)state;
  sandbox_write("letters.txt", "b\xc3\xa9"
                               "a\xc3\xa4\nb\xc3\xa9"
                               "a\xc3\xa4\nb\xc3\xa9"
                               "a\xc3\xa4\nb\xc3\xa9"
                               "a\xc3\xa4\n");
  sandbox_write(
      "letters.td",
      "data text { source \"letters.txt\" }\n"
      "dim B = 1, L = 8, V = text.vocab\n"
      "const first = '\\n', fourth = '\\xC3\\xA9'\n"
      "sampler s(prompt: id<V>[L] = \"b\") {\n"
      "  state x[b in B, l in L] = 'b'\n"
      "  w[v in V] = 10 * v\n"
      "  for i in 1 {\n"
      "    x[b,l] = l == 2 ? '\\n' : l == 4 ? '\xc3\xa4' : l == 5 ? int(w['\xc3\xa9'] / 20)\n"
      "      : l == 6 ? fourth - first : l == 0 && prompt[l] == 'b' ? 'a' : x[b,l]\n"
      "  }\n"
      "  emit x[b,l]\n"
      "}\n");
  sandbox_shell("$TDC sample letters.td --untrained -n 1 -q --json", 0,
                "[\"ab\\nb\xc3\xa4"
                "b\xc3\xa9"
                "b\"]");
  sandbox_write("bytes.td",
                "data text { source \"letters.txt\"  tokens bytes }\n"
                "dim B = 1, L = 4, V = text.vocab\n"
                "sampler s() { state x[b in B, l in L] = 'a' + 25 - l\n  emit x[b,l]\n}\n");
  sandbox_shell("$TDC sample bytes.td --untrained -n 1 -q", 0, "zyxw\n");
  sandbox_write("bytes.td", "data text { source \"letters.txt\"  tokens bytes }\n"
                            "const e = '\xc3\xa9', b = '\\xC3'\n");
  sandbox_says("check bytes.td", NULL, 1, "'\xc3\xa9' is no symbol of data 'text'", true);
}

/* As many rows are computed as texts are asked for, and each text is the one that the file's
 * batch has in that row. A sampler that shows how many rows it has, in x's, then y's. */
static void test_rows(void **state) {
  (void)state;
  static const char rows[] = "data text { source \"./text.txt\" }\n"
                             "dim B = 4, L = 8, V = text.vocab%s\n"
                             "sampler rows(prompt: id<V>[L] = \"xy\") {\n"
                             "  state s[b in B, l in L] = l < extent(b) ? prompt[0] : prompt[1]\n"
                             "  emit s[b,l]\n"
                             "}\n";
  static const struct {
    const char *name, *more;
  } files[] = {{"rows.td", ""},
               {"dims.td", ", Q = 2 * B"},
               {"even.td", ", Q = B / 4"}, /* no other B than multiples of 4 */
               {"const.td", "\nconst twice = 2 * B"}};
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    char text[1024];
    snprintf(text, sizeof text, rows, files[i].more);
    sandbox_write(files[i].name, text);
  }
  static const Case cases[] = {
      {"sample rows.td -q --json", 0, "[\"xyyyyyyy\"]"},
      {"sample rows.td -q --json -n 3", 0, "[\"xxxyyyyy\",\"xxxyyyyy\",\"xxxyyyyy\"]"},
      {"sample rows.td -q --json -n 5", 0, "[\"xxxxyyyy\",\"xxxxyyyy\","},
      {"sample rows.td -q --json -D B=2", 0, "[\"xxyyyyyy\"]"},
      {"sample rows.td -q --json -D L=7", 0, "[\"xyyyyyy\"]"},
      {"sample dims.td -q --json", 0, "[\"xyyyyyyy\"]"},
      {"sample even.td -q --json", 0, "[\"xxxxyyyy\"]"},
      {"sample const.td -q --json", 0, "[\"xxxxyyyy\"]"},
      {0}};
  try_all(cases);
  static const char *const lines[] = {"sample m.td --untrained -q --seed 7 -n 3 -D B=4",
                                      "sample m.td --untrained -q --seed 7 -n 2",
                                      "sample m.td --untrained -q --seed 7"};
  char *said[3];
  for (int i = 0; i < 3; i++) said[i] = sandbox_tdc(lines[i], NULL, 0);
  for (int i = 1; i < 3; i++) { /* a whole number of texts of the longer one, the first ones */
    assert_int_equal(strlen(said[i]), 9 + 19 * (2 - i));
    assert_memory_equal(said[i], said[0], strlen(said[i]));
  }
  for (int i = 0; i < 3; i++) free(said[i]);
}

/* Weights that are given away do not tell where they were made. */
static void test_export_names_no_folder(void **state) {
  (void)state;
  char here[2048], train[4096], export[4096];
  assert_non_null(getcwd(here, sizeof here));
  snprintf(train, sizeof train, "train %s/m.td -o away -q", here);
  snprintf(export, sizeof export, "export %s/m.td --weights away -o away.safetensors", here);
  const Case cases[] = {{train, 0, ""}, {export, 0, ""}, {0}};
  try_all(cases);
  static const char *const files[] = {"away/run.json", "away.safetensors"};
  for (int i = 0; i < 2; i++) {
    TdError err = {0};
    uint8_t *bytes;
    size_t n;
    if (!io_read_file(NULL, files[i], 1 << 24, &bytes, &n, &err)) fail_msg("%s", err.message);
    bool found = false;
    for (size_t at = 0; at + strlen(here) <= n; at++)
      found = found || memcmp(bytes + at, here, strlen(here)) == 0;
    assert_int_equal(found, i == 0);
    free(bytes);
  }
}

int main(int argc, char **argv) {
  (void)argc;
  if (!sandbox_find(argv[0])) return 1;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_help_and_usage),
      cmocka_unit_test(test_files),
      cmocka_unit_test(test_links),
      cmocka_unit_test(test_full),
      cmocka_unit_test(test_environment),
      cmocka_unit_test(test_odd_names),
      cmocka_unit_test(test_examples),
      cmocka_unit_test(test_models_do_not_warn),
      cmocka_unit_test(test_demo),
      cmocka_unit_test(test_mode),
      cmocka_unit_test(test_every_window_counts),
      cmocka_unit_test(test_every_symbol_counts),
      cmocka_unit_test(test_samples_are_measured),
      cmocka_unit_test(test_compiling_is_not_sampling),
      cmocka_unit_test(test_samples_are_judged),
      cmocka_unit_test(test_words_and_cold),
      cmocka_unit_test(test_sweep),
      cmocka_unit_test(test_compare),
      cmocka_unit_test(test_compare_noise),
      cmocka_unit_test(test_compare_runs),
      cmocka_unit_test(test_other_order),
      cmocka_unit_test(test_watch),
      cmocka_unit_test(test_no_symbol_yet),
      cmocka_unit_test(test_noise),
      cmocka_unit_test(test_steps_without_ends),
      cmocka_unit_test(test_characters),
      cmocka_unit_test(test_rows),
      cmocka_unit_test(test_train_and_sample),
      cmocka_unit_test(test_export_names_no_folder),
  };
  return cmocka_run_group_tests(tests, enter_folder, sandbox_leave);
}
