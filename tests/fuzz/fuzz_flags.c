/* SPDX-License-Identifier: MIT */
/* Command lines: known commands and flags with odd values, in odd orders. tdc runs in a process
 * of its own, in a folder with a small model, its text, weights and a graph. It ends by itself
 * with one of its exit codes, 130 when it is interrupted after a while; where it fails it says
 * why; an unknown flag is always a mistake of usage, and no number that is none is accepted.
 *
 * An input holds a word a line. There is no C compiler on the path: everything is evaluated. */
#define _GNU_SOURCE /* nftw */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/cli/cli.h"
#include "tests/fuzz/fuzz.h"

int tdc_main(int argc, char **argv); /* main of runtime/cli/main.c */

enum { WORDS_MAX = 64, INTERRUPT_MS = 1500, OUTPUT_MAX = 1 << 20 };

/* ---- the folder ----------------------------------------------------------------- */

static const char text_of[] = "to be or not to be, that is the question:\n"
                              "whether 'tis nobler in the mind to suffer\n";
static const char model_of[] =
    "data text { source \"t.txt\" }\n"
    "dim B = 2, L = 4, V = text.vocab\n"
    "const scale = 0.5\n"
    "model net(x: id<V>[B,L]) -> z[B,L,V] {\n"
    "  param w[V,V] ~ normal(0, 0.1)\n"
    "  z[b,l,v] = scale * w[x[b,l],v]\n"
    "}\n"
    "loss main(x: id<V>[B,L]) {\n"
    "  z = net(x)\n"
    "  minimize mean[b,l](logsumexp[v](z[b,l,v]) - z[b,l,x[b,l]])\n"
    "}\n"
    "metric again(x: id<V>[B,L]) { report mean[b,l](real(x[b,l])) }\n"
    "sampler left(temperature = 1.0, rounds = 2, prompt: id<V>[L] = \"\") {\n"
    "  state x[b,l] = prompt.given[l] ? prompt[l] : 0\n"
    "  for i in 1 .. 0 steps rounds {\n"
    "    z = net(x)\n"
    "    c[b,l] = categorical[v](z[b,l,v] / max(temperature, 0.01))\n"
    "    x[b,l] = prompt.given[l] ? prompt[l] : c[b,l]\n"
    "  }\n"
    "  emit x[b,l]\n"
    "}\n"
    "train { loss main  sgd(lr = 0.1)  batch B  steps 2 }\n";
static const char graph_of[] = "graph g\ninput x: real[4]\ny[i:4] = exp(x[i])\noutput y = y\n";

static bool put(const char *path, const char *text, size_t n) {
  FILE *f = fopen(path, "wb");
  return f && fwrite(text, 1, n, f) == n && fclose(f) == 0;
}

static int remove_one(const char *path, const struct stat *s, int type, struct FTW *at) {
  (void)s, (void)type;
  return at->level > 0 ? remove(path) : 0;
}

static char folder[64]; /* from where the fuzzer runs */
static StrBuf weights;  /* made once */

static bool fill_folder(void) {
  return put("t.txt", text_of, sizeof text_of - 1) && put("m.td", model_of, sizeof model_of - 1) &&
         put("bad.td", "op f(", 5) && put("g.ir", graph_of, sizeof graph_of - 1) &&
         put("empty", "", 0) && put("w.safetensors", weights.s ? weights.s : "", weights.n) &&
         mkdir("folder", 0777) == 0;
}

/* ---- one run ----------------------------------------------------------------------- */

static _Noreturn void child(int argc, char **argv) {
  struct rlimit size = {64 << 20, 64 << 20};
  setrlimit(RLIMIT_FSIZE, &size);
  int in = open("/dev/null", O_RDONLY), out = open("stdout", O_RDWR | O_CREAT | O_TRUNC, 0666),
      err = open("stderr", O_RDWR | O_CREAT | O_TRUNC, 0666);
  if (in < 0 || out < 0 || err < 0) _exit(99);
  dup2(in, 0);
  dup2(out, 1);
  dup2(err, 2);
  setenv("HOME", ".", 1);
  setenv("TMPDIR", ".", 1);
  setenv("TDC_CACHE", "cache", 1);
  setenv("PATH", "folder", 1);
  setenv("XDG_CACHE_HOME", "cache", 1);
  unsetenv("CC");
  unsetenv("TDC_CC");
  signal(SIGPROF, SIG_DFL);
  alarm(0);
  exit(tdc_main(argc, argv));
}

static double cpu_ms(pid_t pid) {
  clockid_t clock;
  struct timespec t;
  if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &t)) return 0;
  return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

/* Its status; what runs long is interrupted, and killed when that does not help. */
static int wait_for(pid_t pid, bool *interrupted) {
  int status = 0;
  const struct timespec nap = {.tv_nsec = 1000000};
  for (long naps = 0; waitpid(pid, &status, WNOHANG) == 0; naps++) {
    double ms = cpu_ms(pid);
    if (!*interrupted && ms > INTERRUPT_MS) {
      *interrupted = true;
      kill(pid, SIGINT);
    }
    if (ms > 1e3 * FUZZ_SECONDS || naps > 120000) kill(pid, SIGKILL);
    nanosleep(&nap, NULL);
  }
  return status;
}

static int run_tdc(int argc, char **argv, bool *interrupted) {
  fflush(NULL);
  pid_t pid = fork();
  if (pid == 0) child(argc, argv);
  return pid < 0 ? -1 : wait_for(pid, interrupted);
}

static void read_all(const char *path, StrBuf *out) {
  FILE *f = fopen(path, "rb");
  char part[4096];
  for (size_t n; f && out->n < OUTPUT_MAX && (n = fread(part, 1, sizeof part, f)) > 0;)
    sb_write(out, part, n);
  if (f) fclose(f);
  sb_puts(out, "");
}

static bool enter(void) {
  if (!folder[0]) snprintf(folder, sizeof folder, "build/fuzz/flags-%d", (int)getpid());
  mkdir(folder, 0777);
  if (nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS) || chdir(folder)) return false;
  if (!weights.s) {
    char *argv[] = {"tdc", "train", "m.td", "-q", "-o", "run", NULL};
    bool interrupted = false;
    if (!fill_folder() || run_tdc(6, argv, &interrupted) != 0) return false;
    read_all("run/step-00000002.safetensors", &weights);
    return nftw(".", remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0 && fill_folder();
  }
  return fill_folder();
}

/* ---- what is expected ------------------------------------------------------------------ */

static const char *const COMMANDS[] = {
    "compile", "train",   "sample", "eval",  "run", "check", "fmt",        "gradcheck", "profile",
    "export",  "explain", "doctor", "cache", "opt", "help",  "completion", "man"};
enum { NCOMMANDS = sizeof COMMANDS / sizeof *COMMANDS };
static const unsigned BITS[NCOMMANDS] = {
    CLI_COMPILE, CLI_TRAIN,     CLI_SAMPLE,  CLI_EVAL,       CLI_RUN,     CLI_CHECK,
    CLI_FMT,     CLI_GRADCHECK, CLI_PROFILE, CLI_EXPORT,     CLI_EXPLAIN, CLI_DOCTOR,
    CLI_CACHE,   CLI_OPT,       CLI_HELP,    CLI_COMPLETION, CLI_MAN};

typedef struct Expected {
  bool unknown;   /* a flag that the command does not have */
  bool no_number; /* a word for a flag that takes a number, which is none */
  bool help;
} Expected;

static const Flag *flag_of(unsigned bit, const char *word) {
  size_t n = strcspn(word + 2, "=");
  for (const Flag *f = cli_flags; f->name; f++)
    if ((f->of & bit) && (word[1] == '-' ? strlen(f->name) == n && !strncmp(f->name, word + 2, n)
                                         : f->letter && f->letter == word[1]))
      return f;
  return NULL;
}

static bool is_number(const char *s) {
  s += *s == '-' || *s == '+';
  return *s && !s[strspn(s, "0123456789")];
}

/* Of a known command, read as a person would: words behind "--" are no flags. */
static Expected expect(int argc, char **argv) {
  Expected x = {0};
  unsigned bit = 0;
  for (int i = 0; i < NCOMMANDS; i++)
    if (argc > 1 && !strcmp(argv[1], COMMANDS[i])) bit = BITS[i];
  if (!bit) return x;
  for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++) {
    if (argv[i][0] != '-' || !argv[i][1]) continue;
    const Flag *f = flag_of(bit, argv[i]);
    if (!f && bit == CLI_SAMPLE) return (Expected){0}; /* a sampler's parameter, perhaps */
    if (!f) x.unknown = true;
    if (!f) return x; /* what follows is never read */
    const char *value = argv[i][1] == '-' ? strchr(argv[i], '=') : NULL;
    if (value) value++;
    if (argv[i][1] != '-' && argv[i][2]) value = argv[i] + 2;
    if (f->meta && !value && i + 1 < argc) value = argv[++i];
    if (f->meta && !strcmp(f->meta, "N")) x.no_number = value && !is_number(value);
    x.help = x.help || !strcmp(f->name, "help");
  }
  return x;
}

static Verdict judge(int argc, char **argv, int status, bool interrupted) {
  if (!WIFEXITED(status)) {
    StrBuf err = {0};
    read_all("stderr", &err);
    fuzz_broken("ended by a signal", err.s);
    sb_free(&err);
    return BROKEN;
  }
  int code = WEXITSTATUS(status);
  char number[16];
  snprintf(number, sizeof number, "%d", code);
  if (code > 6 && !(interrupted && code == 130)) return fuzz_broken("exit code", number);
  Expected x = expect(argc, argv);
  if (x.unknown && code != TD_BAD_USAGE) return fuzz_broken("an unknown flag, exit code", number);
  if (x.no_number && !x.help && !x.unknown && code == 0)
    return fuzz_broken("a number that is none was taken", NULL);
  StrBuf said = {0};
  read_all("stdout", &said);
  read_all("stderr", &said);
  bool silent = said.n == 0;
  sb_free(&said);
  if (code != 0 && silent) return fuzz_broken("no word of why, exit code", number);
  return code == 0 ? ACCEPTED : REJECTED;
}

static Verdict run(const char *text, size_t n, bool whole) {
  (void)whole;
  char *argv[WORDS_MAX + 2] = {"tdc"}, *words = strndup(text, n), *at = words;
  int argc = 1;
  while (words && *at && argc < WORDS_MAX) {
    argv[argc++] = at;
    at += strcspn(at, "\n");
    if (*at) *at++ = '\0';
  }
  int here = open(".", O_RDONLY | O_DIRECTORY);
  if (here < 0 || !enter()) return fuzz_broken("no folder to run in", strerror(errno));
  bool interrupted = false;
  int status = run_tdc(argc, argv, &interrupted);
  Verdict verdict = judge(argc, argv, status, interrupted);
  nftw(".", remove_one, 16, FTW_DEPTH | FTW_PHYS);
  if (fchdir(here)) return fuzz_broken("no way back", strerror(errno));
  rmdir(folder);
  close(here);
  free(words);
  return verdict;
}

/* ---- making ------------------------------------------------------------------------------- */

static void put_value(Random *r, const char *meta, StrBuf *out) {
  static const char *const fitting[][6] = {
      {"N", "0", "1", "2", "3", "17"},
      {"PATH", "out", "w.safetensors", "t.txt", "folder", "g.ir"},
      {"NAME=VALUE", "B=1", "L=3", "scale=2", "V=9", "B=2"},
      {"SIZE", "1M", "800K", "1.5G", "512MiB", "100"},
      {"NAME", "left", "cse", "simplify", "net", "main"},
      {"TEXT", "to be", "t_ _e", "", "not", "be"},
      {"PASS", "lower", "plan", "cse", "inline", "hoist"},
      {"TYPE", "f32", "bf16", "f32", "fp16", "bf16"},
      {"WHEN", "auto", "never", "always", "auto", "never"},
      {"NAME,...", "fuse_rows", "in_place,chains", "simplify", "fuse_maps,", "keep_values,loops"},
      {"C", "_", "*", "?", "ab", ""}};
  static const char *const odd[] = {"",
                                    " ",
                                    "-",
                                    "--",
                                    "-1",
                                    "0",
                                    "1e9",
                                    "nan",
                                    "inf",
                                    "0x10",
                                    "+3",
                                    " 5",
                                    "5 ",
                                    "3.5",
                                    "2147483648",
                                    "9223372036854775807",
                                    "9223372036854775808",
                                    "18446744073709551616",
                                    "-9223372036854775809",
                                    "=",
                                    "a=",
                                    "=1",
                                    "B==1",
                                    "B=0",
                                    "B=-1",
                                    "B=9223372036854775807",
                                    "L=1000000",
                                    "no/such/file",
                                    "m.td",
                                    "folder/",
                                    ".",
                                    "%s%n",
                                    "\xff\xfe",
                                    "\xC3\xA9",
                                    "1T",
                                    "1KiBB",
                                    "999999999999G",
                                    "empty",
                                    "bad.td",
                                    "\x1b[2J"};
  size_t i = below(r, sizeof fitting / sizeof *fitting);
  for (size_t k = 0; k < sizeof fitting / sizeof *fitting && below(r, 8); k++)
    if (!strcmp(fitting[k][0], meta)) i = k;
  if (below(r, 3))
    sb_puts(out, fitting[i][1 + below(r, 5)]);
  else if (below(r, 12))
    sb_puts(out, odd[below(r, sizeof odd / sizeof *odd)]);
  else
    for (size_t k = 4096; k > 0; k--) sb_putc(out, 'a');
}

static void put_flag(Random *r, unsigned bit, StrBuf *out) {
  static const char *const strange[] = {"--nonsense", "-z",       "--",       "-",
                                        "--=",        "---",      "--json=1", "--temperature",
                                        "--rounds",   "--prompt", "--steps=", "-D"};
  size_t n = 0;
  while (cli_flags[n].name) n++;
  const Flag *f = &cli_flags[below(r, n)];
  for (int k = 0; k < 60 && !(f->of & bit); k++) f = &cli_flags[below(r, n)];
  if (below(r, 16) == 0) {
    sb_printf(out, "%s\n", strange[below(r, sizeof strange / sizeof *strange)]);
    return;
  }
  if (f->letter && below(r, 2))
    sb_printf(out, "-%c", f->letter);
  else
    sb_printf(out, "--%s", f->name);
  if (f->meta && below(r, 20)) {
    sb_putc(out, below(r, 2) && out->s[out->n - 2] != '-' ? '=' : '\n');
    put_value(r, f->meta, out);
  }
  sb_putc(out, '\n');
}

static void make(Random *r, const Seeds *seeds, StrBuf *out) {
  static const char *const arguments[] = {"m.td",  "m.td",   "m.td",    "m.td",  "net",
                                          "g.ir",  "E0204",  "bash",    "clear", "bad.td",
                                          "t.txt", "folder", "none.td", "",      "train"};
  (void)seeds;
  size_t command = below(r, NCOMMANDS);
  unsigned bit = BITS[command];
  if (below(r, 12))
    sb_printf(out, "%s\n", COMMANDS[command]);
  else
    bit = CLI_COMPILE;
  const char *own = bit & CLI_OPT          ? "g.ir"
                    : bit & CLI_EXPLAIN    ? "E0204"
                    : bit & CLI_COMPLETION ? "zsh"
                    : bit & CLI_HELP       ? "train"
                                           : "m.td";
  bool before = below(r, 2);
  if (before && !(bit & (CLI_DOCTOR | CLI_CACHE | CLI_MAN))) sb_printf(out, "%s\n", own);
  if (bit & CLI_RUN && below(r, 4)) sb_puts(out, "net\n--text\nto be\n");
  for (size_t k = below(r, 5); k > 0; k--) put_flag(r, bit, out);
  if (bit & (CLI_SAMPLE | CLI_EVAL | CLI_EXPORT | CLI_RUN) && below(r, 2))
    sb_puts(out, below(r, 2) ? "--untrained\n" : "--weights\nw.safetensors\n");
  if (!before && !(bit & (CLI_DOCTOR | CLI_CACHE | CLI_MAN))) sb_printf(out, "%s\n", own);
  if (below(r, 8) == 0)
    sb_printf(out, "%s\n", arguments[below(r, sizeof arguments / sizeof *arguments)]);
}

const Fuzzer fuzzer = {"flags", ".words", make, run, true};
