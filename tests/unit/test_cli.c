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
#include "tests/cases.h"
#include "tests/sandbox.h"

static int enter_folder(void **state) {
  if (sandbox_enter(state) != 0) return -1;
  sandbox_write("m.td", SANDBOX_NOISY);
  sandbox_write("grad.ir", "graph g\ncotangent dy: real[2]\nx[i:2] = dy[i]\noutput x = x\n");
  sandbox_write("bad.td", "use nn\nmodel m(x[3]) -> y[3] { y = z }\n");
  sandbox_write("messy.td", "dim   B=2\n\n\n\n\ndim C =3");
  sandbox_write("syntax.td", "model m(x[3] -> y[3]\n");
  return 0;
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
      {"train m.td --threads=' 2'", 2, "--threads takes a whole number"},
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
      {"train m.td --product tf32", 2, "f32, fma, split6, split3 or bf16, not 'tf32'"},
      {"train m.td --exact mul", 2, "--exact takes fma, not 'mul'"},
      {"train m.td --exact fma --product split6", 2, "exclude each other"},
      {"eval m.td --exact fma --act bf16", 2, "--act bf16 multiplies"},
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
       "there are lower, again, restack, totals, tables, recompute, simplify, taps, strides, "
       "hoist, cse, prune, gather, inline, budget, join, batch, twice, cut, plan"},
      {"m.td --dump=plan", 0, "plan sample.flat.step for cpu"},
      {"profile m.td --rounds 1", 0, "| loss main(x: id<V>[B,L]) {"},
      {"profile m.td --rounds 1 --kernels --trace trace.json", 0, "row_next_linear_y_sum"},
      {"profile m.td --rounds 1 --json", 0, "\"limit\":"},
      {"profile m.td --trace absent/trace.json", 4, "absent/trace.json"},
      {"gradcheck m.td", 0, "of tolerance"},
      {0}};
  try_all(cases);
  sandbox_says("profile m.td --rounds 1 -q", "TDC_CACHE=cache", 0, "", true); /* its own */
  sandbox_says("cache", "TDC_CACHE=cache", 0, "entries", true);
  sandbox_says("cache clear", "TDC_CACHE=cache", 0, "removed", true);
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
