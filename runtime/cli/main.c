/* SPDX-License-Identifier: MIT */
/* tdc: the tables of commands and flags, and the way to each command. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cli/cli.h"
#include "runtime/system/signals.h"
#include "runtime/version.h"

enum {
  COMPILE = 1 << 0,
  TRAIN = 1 << 1,
  SAMPLE = 1 << 2,
  EVAL = 1 << 3,
  RUN = 1 << 4,
  CHECK = 1 << 5,
  FMT = 1 << 6,
  GRADCHECK = 1 << 7,
  EXPLAIN = 1 << 8,
  DOCTOR = 1 << 9,
  CACHE = 1 << 10,
  OPT = 1 << 11,
  EXPORT = 1 << 12,
  HELP = 1 << 13,
  COMPLETION = 1 << 14,
  MAN = 1 << 15,
  PROFILE = 1 << 16,
  READS_TD = COMPILE | TRAIN | SAMPLE | EVAL | RUN | CHECK | GRADCHECK | EXPORT | PROFILE,
  RUNS = TRAIN | SAMPLE | EVAL | RUN | PROFILE,
  LOADS = SAMPLE | EVAL | RUN | EXPORT,
  ALL = ~0
};

const Command cli_commands[] = {
    {"compile", COMPILE, "FILE.td", "compile to C, write generated/NAME/, print the plan",
     "tdc models/shakespeare.td\n"
     "tdc compile models/shakespeare.td -D L=128 -o out\n",
     1, 1, false, cli_compile, NULL},
    {"train", TRAIN, "FILE.td", "train; checkpoints, log and curve go to runs/NAME/",
     "tdc train models/shakespeare.td\n"
     "tdc train models/shakespeare.td --resume\n"
     "tdc train models/shakespeare.td -D B=8 --steps 500 -o runs/small\n"
     "tdc train models/shakespeare.td --dry-run\n"
     "tdc train models/shakespeare.td -D B=32 --memory 1G\n",
     1, 1, false, cli_train, NULL},
    {"sample", SAMPLE, "FILE.td", "run a sampler with trained weights; its parameters are flags",
     "tdc sample models/shakespeare.td\n"
     "tdc sample models/shakespeare.td --prompt 'ROMEO:' --temperature 0.9 --watch\n"
     "tdc sample models/mask.td --infill 'To be ____ to be'\n"
     "tdc sample models/shakespeare.td --html out.html\n",
     1, 1, true, cli_sample, NULL},
    {"eval", EVAL, "FILE.td", "the loss and every metric on held-out data",
     "tdc eval models/shakespeare.td\n"
     "tdc eval models/shakespeare.td --weights runs/small --json\n",
     1, 1, false, cli_eval, NULL},
    {"run", RUN, "FILE.td MODEL", "run a model once on given inputs",
     "tdc run models/shakespeare.td denoise --inputs in.safetensors -o out.safetensors\n"
     "tdc run models/gpt.td gpt --text 'ROMEO:'\n",
     1, 2, false, cli_run, NULL},
    {"check", CHECK, "FILE.td", "look for errors only",
     "tdc check models/shakespeare.td\n"
     "tdc check models/shakespeare.td --json\n",
     1, 1, false, cli_check, NULL},
    {"fmt", FMT, "FILE.td ...", "print in the canonical layout, or rewrite with --write",
     "tdc fmt models/shakespeare.td\n"
     "tdc fmt --write models/shakespeare.td\n"
     "tdc fmt --check models/shakespeare.td\n",
     1, 1000, false, cli_fmt, NULL},
    {"gradcheck", GRADCHECK, "FILE.td",
     "compare gradients of ops and loss with central differences in double precision",
     "tdc gradcheck mine.td\n"
     "tdc gradcheck mine.td --std --trials 100\n"
     "tdc gradcheck models/shakespeare.td -D N=1 -D L=4 -D D=12\n",
     1, 1, false, cli_gradcheck, NULL},
    {"profile", PROFILE, "FILE.td [ENTRY]",
     "the file with the time that each line of an entry takes (default: train)",
     "tdc profile models/shakespeare.td\n"
     "tdc profile models/shakespeare.td sample.ddpm.step --rounds 20 --kernels\n"
     "tdc profile models/shakespeare.td --trace step.json\n",
     1, 2, false, cli_profile, NULL},
    {"export", EXPORT, "FILE.td", "write the weights alone, in half precision",
     "tdc export models/shakespeare.td -o models/shakespeare.safetensors\n", 1, 1, false,
     cli_export, NULL},
    {"explain", EXPLAIN, "[CODE]", "what an error code means; without one, all codes",
     "tdc explain E0204\n", 0, 1, false, cli_explain, NULL},
    {"doctor", DOCTOR, "", "what this machine offers: compiler, vectors, peak, cache",
     "tdc doctor\n", 0, 0, false, cli_doctor, NULL},
    {"cache", CACHE, "[clear]",
     "where compiled kernels are kept, and how much; `clear` removes them",
     "tdc cache\n"
     "tdc cache clear\n",
     0, 1, false, cli_cache, NULL},
    {"opt", OPT, "FILE.ir", "run passes over a graph in its textual form",
     "tdc opt -p cse graph.ir\n"
     "tdc opt graph.ir\n",
     1, 1, false, cli_opt, cli_opt_passes},
    {"help", HELP, "[COMMAND]", "this text, or a command's", "tdc help train\n", 0, 1, false,
     cli_help_main, NULL},
    {"completion", COMPLETION, "bash|zsh|fish", "completion for a shell",
     "tdc completion bash > /etc/bash_completion.d/tdc\n", 1, 1, false, cli_completion_main, NULL},
    {"man", MAN, "", "the manual page, as roff", "tdc man > tdc.1\n", 0, 0, false, cli_man_main,
     NULL},
    {0}};

const Flag cli_flags[] = {
    {"define", 'D', "NAME=VALUE", "override a const, dim or axis", READS_TD},
    {"data", 0, "PATH", "read this text instead of the one that the file names", READS_TD},
    {"output", 'o', "PATH", "where results go", COMPILE | TRAIN | SAMPLE | RUN | EXPORT | FMT},
    {"seed", 0, "N", "of every random draw (default 0)", TRAIN | SAMPLE | EVAL | RUN | GRADCHECK},
    {"act", 0, "TYPE", "activations in f32 or bf16, whatever the file says", RUNS | COMPILE},
    {"threads", 0, "N", "threads to use (default: all)", RUNS | DOCTOR},
    {"memory", 0, "SIZE", "take no more than this (800M, 1.5G): compute again what does not fit",
     COMPILE | RUNS},
    {"resume", 0, NULL, "go on from the newest checkpoint", TRAIN},
    {"overwrite", 0, NULL, "start over in a folder that holds a run", TRAIN},
    {"steps", 0, "N", "train so many steps instead of what the file says", TRAIN},
    {"dry-run", 0, NULL, "say what it would take, in memory and time, and stop", TRAIN},
    {"sampler", 0, "NAME", "which one (default: the first)", SAMPLE},
    {"weights", 0, "PATH",
     "a weights file or a run's folder (default: runs/NAME, then beside the .td)",
     LOADS | COMPILE | CHECK},
    {"untrained", 0, NULL, "use the initial weights", LOADS},
    {"count", 'n', "N", "how many samples (default 1)", SAMPLE},
    {"infill", 0, "TEXT", "a text whose _ are left to the model", SAMPLE},
    {"hole", 0, "C", "the character that --infill leaves out (default _)", SAMPLE},
    {"watch", 0, NULL, "show the denoising in the terminal", SAMPLE},
    {"html", 0, "PATH", "write the denoising as a page with a slider", SAMPLE},
    {"batches", 0, "N", "validation batches (default: all)", EVAL},
    {"inputs", 0, "PATH", "a safetensors file with the inputs by name", RUN},
    {"text", 0, "TEXT", "tokens for the model's input", RUN},
    {"write", 0, NULL, "rewrite the files", FMT},
    {"check", 0, NULL, "exit with 1 when a file is not in the canonical layout", FMT},
    {"trials", 0, "N", "random shapes to try of each op (default 20)", GRADCHECK},
    {"rounds", 0, "N", "runs to take the time of (default 5)", PROFILE},
    {"kernels", 0, NULL, "kernel by kernel instead of line by line", PROFILE},
    {"trace", 0, "PATH", "write a run's timeline for Perfetto and other trace viewers", PROFILE},
    {"elements", 0, "N", "numbers to compare of each input and parameter (default 20)", GRADCHECK},
    {"std", 0, NULL, "check the library's ops too", GRADCHECK},
    {"pass", 'p', "NAME", "this pass only (default: the general ones)", OPT},
    {"dump", 0, "PASS", "print the graphs as a pass leaves them (lower: before all)", COMPILE},
    {"offline", 0, NULL, "never download a corpus", READS_TD},
    {"reference", 0, NULL, "run on the reference evaluator: no C compiler, slower by far",
     TRAIN | SAMPLE | EVAL | RUN},
    {"no-cache", 0, NULL, "compile every kernel anew", RUNS | DOCTOR},
    {"json", 0, NULL, "results as JSON", ALL},
    {"quiet", 'q', NULL, "no progress, no remarks", ALL},
    {"color", 0, "WHEN", "auto, always or never", ALL},
    {"help", 'h', NULL, "this text", ALL},
    {0}};

const Command *cli_command(const char *name) {
  for (const Command *c = cli_commands; c->name != NULL; c++)
    if (strcmp(c->name, name) == 0) return c;
  return NULL;
}

static bool looks_like_td(const char *word) {
  size_t n = strlen(word);
  return n > 3 && strcmp(word + n - 3, ".td") == 0;
}

static int unknown_command(const char *word) {
  const char *names[64];
  int n = 0;
  for (const Command *c = cli_commands; c->name != NULL; c++) names[n++] = c->name;
  const char *near = did_you_mean(word, names, n);
  fprintf(stderr,
          "tdc: there is no command '%.200s'%s%s%s\n"
          "A .td file is compiled by `tdc FILE.td`; `tdc help` lists the commands.\n",
          word, near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
          near != NULL ? "'?" : "");
  return TD_BAD_USAGE;
}

/* A descriptor below 3 that is closed would be given to the next file opened,
 * and messages would end up in it. What stands in fails to be used instead. */
static void keep_descriptors(void) {
  for (int fd = 0; fd < 3; fd++)
    if (fcntl(fd, F_GETFD) < 0 && errno == EBADF &&
        open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd)
      exit(TD_IO_FAILED);
}

int main(int argc, char **argv) {
  keep_descriptors();
  if (argc < 2) {
    cli_help(stderr);
    return TD_BAD_USAGE;
  }
  bool implied = looks_like_td(argv[1]) || argv[1][0] == '-';
  Cli c = {.command = implied ? cli_command("compile") : cli_command(argv[1])};
  if (c.command == NULL) return unknown_command(argv[1]);
  if (strcmp(argv[1], "--version") == 0) {
    puts("tdc " TDC_VERSION);
    return cli_done(&c);
  }
  if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
    cli_help(stdout);
    return cli_done(&c);
  }
  c.out = terminal_open(stdout, COLOUR_AUTO);
  c.err = terminal_open(stderr, COLOUR_AUTO);
  c.stop = signals_install();
  int code = TD_BAD_USAGE, skip = implied ? 1 : 2;
  if (cli_parse(&c, argc - skip, argv + skip)) {
    if (cli_has(&c, "help")) {
      cli_help_command(c.command, stdout);
      code = c.command->open_flags && c.nargs == 1 ? cli_sample_parameters(&c) : cli_done(&c);
    } else {
      code = c.command->run(&c);
    }
  }
  cli_free(&c);
  return code;
}
