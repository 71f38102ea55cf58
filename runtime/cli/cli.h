/* SPDX-License-Identifier: MIT */
/* The command line: one table of commands and one of flags, from which parsing,
 * --help, completion and the man page are made. Each command is a file of its
 * own with one function that returns the exit code.
 *
 * Exit codes: 0 done, 1 the .td file is wrong, 2 usage, 3 a tool or device is
 * missing, 4 input/output, 5 a damaged file, 6 numbers that are none, 128 + n
 * stopped by signal n. */
#ifndef TDC_CLI_H
#define TDC_CLI_H

#include <jansson.h>
#include <signal.h>

#include "runtime/machine.h"
#include "runtime/project.h"
#include "runtime/view/terminal.h"
#include "runtime/store/weights.h"

/* A bit for each command. */
enum {
  CLI_COMPILE = 1 << 0,
  CLI_TRAIN = 1 << 1,
  CLI_SAMPLE = 1 << 2,
  CLI_EVAL = 1 << 3,
  CLI_RUN = 1 << 4,
  CLI_CHECK = 1 << 5,
  CLI_FMT = 1 << 6,
  CLI_GRADCHECK = 1 << 7,
  CLI_EXPLAIN = 1 << 8,
  CLI_DOCTOR = 1 << 9,
  CLI_CACHE = 1 << 10,
  CLI_OPT = 1 << 11,
  CLI_EXPORT = 1 << 12,
  CLI_HELP = 1 << 13,
  CLI_COMPLETION = 1 << 14,
  CLI_MAN = 1 << 15,
  CLI_PROFILE = 1 << 16,
  CLI_COMPARE = 1 << 17,
  CLI_NOISE = 1 << 18,
  CLI_ALL = ~0
};

typedef struct Flag {
  const char *name; /* without "--" */
  char letter;      /* or 0 */
  const char *meta; /* what it takes: "N", "PATH"; NULL: nothing */
  const char *help;
  unsigned of; /* bits of the commands that take it */
} Flag;

typedef struct Cli Cli;
typedef struct Command {
  const char *name;
  unsigned bit;
  const char *arguments; /* "FILE.td [MODEL]" */
  const char *summary;   /* one line */
  const char *examples;  /* lines */
  int least, most;       /* positional arguments */
  bool open_flags;       /* unknown --name value are a sampler's parameters */
  int (*run)(Cli *c);
  void (*more)(StrBuf *out); /* what its help says besides; or NULL */
} Command;

/* A flag as given. */
typedef struct Given {
  const char *name, *value;
} Given;

struct Cli {
  const Command *commands; /* all there are, the last one without a name */
  const Command *command;
  Given *given;
  int ngiven;
  const char **args;
  int nargs;
  Define *defines;
  int ndefines;
  char **owned;
  int nowned; /* strings made while parsing */
  Terminal out, err;
  bool json, quiet;
  bool told; /* that kernels are being compiled */
  const volatile sig_atomic_t *stop;
};

/* -- options.c ---------------------------------------------------------------- */
extern const Flag cli_flags[]; /* the last one without a name */
/* Of two flags that a command takes: one only with the other, or never both. */
typedef struct FlagRule {
  const char *flag, *other;
  bool needs;
  unsigned of; /* bits of the commands of which this is so; 0: of all that take both */
} FlagRule;
extern const FlagRule cli_flag_rules[]; /* the last one without a name */

/* -- flags.c ------------------------------------------------------------------ */
/* Fills c from the words after the command. False after a message (exit 2). */
bool cli_parse(Cli *c, int n, char **words);
void cli_free(Cli *c);
bool cli_has(const Cli *c, const char *name);
const char *cli_text(const Cli *c, const char *name, const char *otherwise);
/* Whole numbers; false after a message when it is none or lies outside. */
bool cli_int(const Cli *c, const char *name, int64_t least, int64_t most, int64_t *out);
/* Bytes: "800M", "1.5G", "512MiB"; false after a message when it is none. */
bool cli_bytes(const Cli *c, const char *name, int64_t *out);
bool cli_seed(const Cli *c, uint64_t *out);

/* -- help.c ------------------------------------------------------------------- */
const Command *cli_command(const Command *all, const char *name); /* or NULL */
void cli_help(const Command *all, FILE *out);
void cli_help_command(const Command *c, FILE *out);

/* -- report.c: errors and their exit codes --------------------------------------- */
/* Prints "tdc: message" (or a JSON object with --json) and returns the code. */
int cli_fail(const Cli *c, const TdError *err);
int cli_usage(const Cli *c, const char *fmt, ...) TD_PRINTF(2, 3);
/* A result, which is taken, and a line's end to stdout; then as cli_done. */
int cli_json(const Cli *c, json_t *result, size_t flags);
/* 0, or 4 when stdout could not be written. */
int cli_done(const Cli *c);

/* -- open.c: what most commands begin with ----------------------------------------- */
/* The device that --device, --reference or TDC_DEVICE names; "cpu" when none does, and for commands
 * that have no such flag. */
const char *cli_device(const Cli *c);
/* The .td file of args[0], compiled; prints diagnostics. `o` may be NULL. On
 * failure *code is the exit code; close the project in either case. */
bool cli_project(Cli *c, Project *p, const UnitOptions *o, int *code);
/* --product, or what --exact says of it; NULL: neither. False after a message. */
bool cli_product(Cli *c, const char **product, int *code);
/* The same where not all of it is new to whoever reads; after TELL_NOTHING *code is as it was. */
typedef enum { TELL_NOTHING, TELL_ERRORS, TELL_ALL } Telling;
bool cli_project_telling(Cli *c, Project *p, const UnitOptions *o, Telling telling, int *code);
/* Threads and memory for a program, and compiled kernels for the entries that
 * run first (as session_need takes them). The device is cli_device's; where none was named
 * and no C compiler is there, the reference evaluator. On failure *code is the exit code;
 * machine_close in either case. */
bool cli_machine(Cli *c, Machine *m, const Unit *u, const char *const *entries, int *code);
/* The run's folder: -o, or runs/NAME. malloc'ed. */
char *cli_run_folder(const Cli *c, const Unit *u);
/* The weights that --weights, --untrained or the defaults mean, verified; *w is
 * NULL for the initial ones. Before the work of compiling. */
bool cli_weights_find(Cli *c, const Project *p, Checkpoint **w, int *code);
/* cli_machine for an entry (NULL: none), with those weights; NULL: the initial ones of `seed`. */
bool cli_start(Cli *c, const Project *p, Machine *m, const char *entry, Checkpoint *w,
               uint64_t seed, int *code);

/* -- other.c: another .td file beside the one that the command is about ------------------- */
typedef struct Other {
  Cli c; /* as if the command were about that file */
  const char *args[1];
  Project p;
  Machine m;
  Checkpoint *weights;
} Other;
typedef struct OtherAsk {
  const char *path, *weights; /* as --weights; NULL: as where none are named */
  const UnitOptions *unit;    /* or NULL */
  const char *entry;          /* to be run; NULL: none is compiled yet */
  uint64_t seed;
  int64_t rows;          /* of its first sampler, as in cli_project_rows; 0: the file's */
  const Define *defines; /* what -D says of it */
  int ndefines;
  bool untrained; /* with no weights but the initial ones */
} OtherAsk;
/* That file. On failure *code is the exit code; close it in either case. */
bool other_project(Other *o, Cli *c, const OtherAsk *ask, int *code);
/* Its weights, and the machine to run `entry`. */
bool other_start(Other *o, const char *entry, uint64_t seed, int *code);
/* Both. */
bool other_open(Other *o, Cli *c, const OtherAsk *ask, int *code);
void other_close(Other *o);

/* -- settings.c ----------------------------------------------------------------------------- */
/* The sampler that --sampler names, or the first; NULL after a message. */
const UnitSampler *cli_sampler(Cli *c, const Unit *u);
/* What --set says, each time, of parameters of `only` (NULL: of any). *n is below 0 after a
 * message. */
TdSetting *cli_settings(Cli *c, const UnitSampler *only, int *n);
/* The same of another flag that takes NAME=VALUE. */
TdSetting *cli_settings_of(Cli *c, const char *flag, const UnitSampler *only, int *n);
void cli_settings_free(TdSetting *s, int n);

/* -- rows.c ------------------------------------------------------------------------ */
/* cli_project with the sampler of `o` computing `count` rows where the file has more and its
 * batch can be given anew. */
bool cli_project_rows(Cli *c, Project *p, const UnitOptions *o, int64_t count, int *code);
/* The same with a sampler (NULL: the first) and nothing else, with --seed and --count. *p is to be
 * closed in any case. */
bool cli_project_sampler(Cli *c, Project *p, const char *sampler, uint64_t *seed, int64_t *count,
                         int *code);

/* -- one file each ------------------------------------------------------------------ */
int cli_compile(Cli *c);
int cli_train(Cli *c);
int cli_sample(Cli *c);
int cli_sample_parameters(Cli *c); /* `tdc sample FILE.td --help`: the file's own flags */
int cli_noise(Cli *c);
int cli_profile(Cli *c);
int cli_eval(Cli *c);
int cli_compare(Cli *c);
int cli_export(Cli *c);
int cli_run(Cli *c);
int cli_check(Cli *c);
int cli_fmt(Cli *c);
int cli_gradcheck(Cli *c);
int cli_explain(Cli *c);
int cli_doctor(Cli *c);
int cli_cache(Cli *c);
int cli_opt(Cli *c);
void cli_opt_passes(StrBuf *out); /* the passes that there are */
int cli_help_main(Cli *c);
int cli_completion_main(Cli *c);
int cli_man_main(Cli *c);

#endif
