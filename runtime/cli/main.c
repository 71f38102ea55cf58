/* SPDX-License-Identifier: MIT */
/* tdc: the table of commands, and the way to each. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cli/cli.h"
#include "runtime/system/signals.h"
#include "runtime/version.h"

static const Command commands[] = {
    {"compile", CLI_COMPILE, "FILE.td", "compile to C, write generated/NAME/, print the plan",
     "tdc models/shakespeare.td\n"
     "tdc compile models/shakespeare.td -D L=128 -o out\n",
     1, 1, false, cli_compile, NULL},
    {"train", CLI_TRAIN, "FILE.td", "train; checkpoints, log and curve go to runs/NAME/",
     "tdc train models/shakespeare.td\n"
     "tdc train models/shakespeare.td --resume\n"
     "tdc train models/shakespeare.td -D B=8 --steps 500 -o runs/small\n"
     "tdc train models/shakespeare.td --dry-run\n"
     "tdc train models/shakespeare.td -D B=32 --memory 1G\n",
     1, 1, false, cli_train, NULL},
    {"sample", CLI_SAMPLE, "FILE.td",
     "run a sampler with trained weights; its parameters are flags",
     "tdc sample models/mask.td\n"
     "tdc sample models/mask.td --prompt 'ROMEO:' --temperature 0.9 --watch\n"
     "tdc sample models/mask.td --beside models/gpt.td --prompt 'ROMEO: ' --watch\n"
     "tdc sample models/mask.td --infill 'To be ____ to be'\n"
     "tdc sample models/mask.td --html out.html\n"
     "tdc sample models/mask.td -n 2 --gif out.gif\n",
     1, 1, true, cli_sample, NULL},
    {"noise", CLI_NOISE, "FILE.td",
     "held-out text, or a given one, turned to noise as the file's sampler `forward` does it",
     "tdc noise models/mask.td\n"
     "tdc noise models/gauss.td --at 0,32,64,96,128\n"
     "tdc noise models/uniform.td --text 'To be, or not to be' --steps 16 --watch\n"
     "tdc noise models/gauss.td --html noise.html --gif noise.gif\n",
     1, 1, true, cli_noise, NULL},
    {"eval", CLI_EVAL, "FILE.td ...",
     "the loss and every metric on held-out data; measures of samples",
     "tdc eval models/shakespeare.td\n"
     "tdc eval models/shakespeare.td --weights runs/small --json\n"
     "tdc eval models/mask.td --samples 64 --set temperature=1\n"
     "tdc eval models/mask.td --samples 64 --controls --judge models/gpt.td\n"
     "tdc eval models/mask.td --samples 64 --sweep steps=16,64 --sweep temperature=0.7,1 -o "
     "points\n",
     1, 16, false, cli_eval, NULL},
    {"compare", CLI_COMPARE, "FILE.td[=WEIGHTS,...] ...",
     "several models by one measure: likelihood, texts, context, exposure, cost, training",
     "tdc compare models/mask.td models/gpt.td\n"
     "tdc compare models/mask.td models/gpt.td --samples 64 --html comparison.html\n"
     "tdc compare models/mask.td models/gpt.td --judge mine.td --json\n"
     "tdc compare mine.td=runs/mine-0,runs/mine-1,runs/mine-2 models/gpt.td\n"
     "tdc compare mine.td=runs/mine-0 models/gpt.td=runs/gpt --curves curves.svg\n",
     1, 16, false, cli_compare, NULL},
    {"run", CLI_RUN, "FILE.td MODEL", "run a model once on given inputs",
     "tdc run models/shakespeare.td denoise --inputs in.safetensors -o out.safetensors\n"
     "tdc run mine.td next --text 'ROMEO:'\n",
     1, 2, false, cli_run, NULL},
    {"check", CLI_CHECK, "FILE.td", "look for errors only",
     "tdc check models/shakespeare.td\n"
     "tdc check models/shakespeare.td --json\n",
     1, 1, false, cli_check, NULL},
    {"fmt", CLI_FMT, "FILE.td ...", "print in the canonical layout, or rewrite with --write",
     "tdc fmt models/shakespeare.td\n"
     "tdc fmt --write models/shakespeare.td\n"
     "tdc fmt --check models/shakespeare.td\n",
     1, 1000, false, cli_fmt, NULL},
    {"gradcheck", CLI_GRADCHECK, "FILE.td",
     "compare gradients of ops and loss with central differences in double precision; the "
     "tolerance is 1e-5 + 1e-3 of the number",
     "tdc gradcheck mine.td\n"
     "tdc gradcheck mine.td --std --trials 100\n"
     "tdc gradcheck models/shakespeare.td -D N=1 -D L=4 -D D=12\n",
     1, 1, false, cli_gradcheck, NULL},
    {"profile", CLI_PROFILE, "FILE.td [ENTRY]",
     "the file with the time that each line of an entry takes (default: train)",
     "tdc profile models/shakespeare.td\n"
     "tdc profile models/shakespeare.td sample.ddpm.step --rounds 20 --kernels\n"
     "tdc profile models/shakespeare.td --trace step.json\n",
     1, 2, false, cli_profile, NULL},
    {"export", CLI_EXPORT, "FILE.td", "write the weights alone, in half precision",
     "tdc export models/shakespeare.td -o models/shakespeare.safetensors\n"
     "tdc export models/shakespeare.td --untrained --seed 3 -o fresh.safetensors\n",
     1, 1, false, cli_export, NULL},
    {"explain", CLI_EXPLAIN, "[CODE]", "what an error code means; without one, all codes",
     "tdc explain E0204\n", 0, 1, false, cli_explain, NULL},
    {"doctor", CLI_DOCTOR, "", "what this machine offers: compiler, vectors, peak, cache",
     "tdc doctor\n", 0, 0, false, cli_doctor, NULL},
    {"cache", CLI_CACHE, "[clear]",
     "where compiled kernels are kept, and how much; `clear` removes them",
     "tdc cache\n"
     "tdc cache clear\n",
     0, 1, false, cli_cache, NULL},
    {"opt", CLI_OPT, "FILE.ir", "run passes over a graph in its textual form, or plan it",
     "tdc opt -p cse graph.ir\n"
     "tdc opt graph.ir\n"
     "tdc opt --plan graph.ir\n"
     "tdc opt --plan --act bf16 --without fuse_rows,in_place graph.ir\n",
     1, 1, false, cli_opt, cli_opt_passes},
    {"help", CLI_HELP, "[COMMAND]", "this text, or a command's", "tdc help train\n", 0, 1, false,
     cli_help_main, NULL},
    {"completion", CLI_COMPLETION, "bash|zsh|fish", "completion for a shell",
     "tdc completion bash > /etc/bash_completion.d/tdc\n", 1, 1, false, cli_completion_main, NULL},
    {"man", CLI_MAN, "", "the manual page, as roff", "tdc man > tdc.1\n", 0, 0, false, cli_man_main,
     NULL},
    {0}};

static bool looks_like_td(const char *word) {
  size_t n = strlen(word);
  return n > 3 && strcmp(word + n - 3, ".td") == 0;
}

static int unknown_command(const char *word) {
  const char *names[64];
  int n = 0;
  for (const Command *c = commands; c->name != NULL; c++) names[n++] = c->name;
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
    cli_help(commands, stderr);
    return TD_BAD_USAGE;
  }
  bool implied = looks_like_td(argv[1]) || argv[1][0] == '-';
  Cli c = {.commands = commands, .command = cli_command(commands, implied ? "compile" : argv[1])};
  if (c.command == NULL) return unknown_command(argv[1]);
  if (strcmp(argv[1], "--version") == 0) {
    puts("tdc " TDC_VERSION);
    return cli_done(&c);
  }
  if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
    cli_help(commands, stdout);
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
