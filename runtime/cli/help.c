/* SPDX-License-Identifier: MIT */
/* Help, completion and the manual page, all from the tables of commands and flags. */
#include <ctype.h>
#include <string.h>

#include "runtime/cli/cli.h"
#include "runtime/version.h"

static bool takes(const Command *c, const Flag *f) { return (f->of & c->bit) != 0; }

/* "-o, --output PATH" */
static void flag_words(const Flag *f, char *out, size_t n) {
  snprintf(out, n, "%s%c%s--%s%s%s", f->letter != 0 ? "-" : "", f->letter != 0 ? f->letter : ' ',
           f->letter != 0 ? ", " : "   ", f->name, f->meta != NULL ? " " : "",
           f->meta != NULL ? f->meta : "");
}

/* Each line of a text, with `before` in front. */
static void put_lines(FILE *out, const char *text, const char *before) {
  while (*text != '\0') {
    size_t n = strcspn(text, "\n");
    fprintf(out, "%s%.*s\n", before, (int)n, text);
    text += n + (text[n] == '\n');
  }
}

/* Text for roff: backslashes, and dots and quotes that begin a line. */
static void put_roff(FILE *out, const char *s) {
  if (*s == '.' || *s == '\'') fputs("\\&", out);
  for (; *s != '\0'; s++) {
    if (*s == '\\')
      fputs("\\e", out);
    else if (*s == '-')
      fputs("\\-", out);
    else
      fputc(*s, out);
    if (*s == '\n' && (s[1] == '.' || s[1] == '\'')) fputs("\\&", out);
  }
}

static const char codes[] = "0  done\n"
                            "1  the .td file is wrong\n"
                            "2  wrong usage\n"
                            "3  a tool or a device is missing\n"
                            "4  input or output failed\n"
                            "5  a file is damaged\n"
                            "6  a number is NaN or infinite\n"
                            "130, 143  stopped by a signal, after saving\n";

static const char variables[] =
    "TDC_DATA    folder with corpora, NAME.txt each\n"
    "TDC_CC      the C compiler with its own arguments (before CC, cc, gcc, clang)\n"
    "TDC_CFLAGS  further flags for kernels\n"
    "TDC_CACHE   folder of compiled kernels\n"
    "TDC_DEVICE  the device to run on, when --device does not say\n"
    "TDC_CUDA_LIBRARIES  folders to look in for CUDA's libraries, DIR:DIR, before all others;\n"
    "            a last one named - ends the search\n"
    "TDC_OFFLINE never download a corpus\n"
    "NO_COLOR    no colours\n";

const Command *cli_command(const Command *all, const char *name) {
  for (const Command *c = all; c->name != NULL; c++)
    if (strcmp(c->name, name) == 0) return c;
  return NULL;
}

void cli_help(const Command *all, FILE *out) {
  fputs("Examples:\n"
        "  tdc models/shakespeare.td                      compile and print the plan\n"
        "  tdc train models/shakespeare.td                train\n"
        "  tdc sample models/mask.td --watch              see text come out of blanks\n"
        "  tdc noise models/gauss.td --watch              see text turn to noise\n\n"
        "Usage: tdc FILE.td | tdc COMMAND ...\n\nCommands:\n",
        out);
  for (const Command *c = all; c->name != NULL; c++)
    fprintf(out, "  %-11s %s\n", c->name, c->summary);
  fputs("\n`tdc help COMMAND` tells more about one.\n\nEnvironment:\n", out);
  put_lines(out, variables, "  ");
  fputs("\nExit codes:\n", out);
  put_lines(out, codes, "  ");
}

/* What the command itself has to say. */
static void put_more(const Command *c, FILE *out, bool roff) {
  StrBuf text = {0};
  if (c->more == NULL) return;
  c->more(&text);
  if (text.s != NULL) {
    fputs(roff ? ".PP\n.nf\n" : "\n", out);
    if (roff)
      put_roff(out, text.s);
    else
      fputs(text.s, out);
    if (roff) fputs(".fi\n", out);
  }
  sb_free(&text);
}

void cli_help_command(const Command *c, FILE *out) {
  fputs("Examples:\n", out);
  put_lines(out, c->examples, "  ");
  fprintf(out, "\nUsage: tdc %s%s%s%s\n\n%c%s.\n\nFlags:\n", c->name,
          c->arguments[0] != '\0' ? " " : "", c->arguments,
          c->open_flags ? " [--PARAMETER VALUE ...]" : "", toupper((unsigned char)c->summary[0]),
          c->summary + 1);
  for (const Flag *f = cli_flags; f->name != NULL; f++) {
    char words[128];
    if (!takes(c, f)) continue;
    flag_words(f, words, sizeof words);
    fprintf(out, "  %-28s %s\n", words, f->help);
  }
  put_more(c, out, false);
}

/* ---- completion ---------------------------------------------------------------- */

static void put_flags(const Command *c, FILE *out) {
  for (const Flag *f = cli_flags; f->name != NULL; f++)
    if (takes(c, f)) fprintf(out, " --%s", f->name);
}

static void completion_bash(const Command *all, FILE *out) {
  fputs("_tdc() {\n  local word=\"${COMP_WORDS[COMP_CWORD]}\" flags=\"\"\n"
        "  case \"${COMP_WORDS[1]}\" in\n",
        out);
  for (const Command *c = all; c->name != NULL; c++) {
    fprintf(out, "    %s%s) flags=\"", c->name, strcmp(c->name, "compile") == 0 ? "|*.td" : "");
    put_flags(c, out);
    fputs("\" ;;\n", out);
  }
  fputs("  esac\n  if [[ $COMP_CWORD == 1 ]]; then\n    COMPREPLY=($(compgen -W \"", out);
  for (const Command *c = all; c->name != NULL; c++) fprintf(out, "%s ", c->name);
  fputs("\" -- \"$word\") $(compgen -f -X '!*.td' -- \"$word\"))\n"
        "  elif [[ $word == -* ]]; then\n    COMPREPLY=($(compgen -W \"$flags\" -- \"$word\"))\n"
        "  else\n    COMPREPLY=($(compgen -f -- \"$word\"))\n  fi\n}\n"
        "complete -o filenames -F _tdc tdc\n",
        out);
}

/* Within single quotes of a shell. */
static void put_quoted(const char *s, FILE *out) {
  for (; *s != '\0'; s++) fputs(*s == '\'' ? "'\\''" : (const char[]){*s, '\0'}, out);
}

static void completion_zsh(const Command *all, FILE *out) {
  fputs("#compdef tdc\n_tdc() {\n  local -a commands flags\n  commands=(\n", out);
  for (const Command *c = all; c->name != NULL; c++) {
    fprintf(out, "    '%s:", c->name);
    put_quoted(c->summary, out);
    fputs("'\n", out);
  }
  fputs("  )\n  if (( CURRENT == 2 )); then\n"
        "    _describe command commands; _files -g '*.td'; return\n  fi\n"
        "  case $words[2] in\n",
        out);
  for (const Command *c = all; c->name != NULL; c++) {
    fprintf(out, "    %s%s) flags=(", c->name, strcmp(c->name, "compile") == 0 ? "|*.td" : "");
    put_flags(c, out);
    fputs(" ) ;;\n", out);
  }
  fputs("  esac\n  compadd -- $flags; _files\n}\n_tdc \"$@\"\n", out);
}

/* fish wants single quotes escaped */
static void put_fish(FILE *out, const char *s) {
  fputc('\'', out);
  for (; *s != '\0'; s++) {
    if (*s == '\'' || *s == '\\') fputc('\\', out);
    fputc(*s, out);
  }
  fputc('\'', out);
}

static void completion_fish(const Command *all, FILE *out) {
  for (const Command *c = all; c->name != NULL; c++) {
    fprintf(out, "complete -c tdc -n __fish_use_subcommand -a %s -d ", c->name);
    put_fish(out, c->summary);
    fputc('\n', out);
    for (const Flag *f = cli_flags; f->name != NULL; f++) {
      if (!takes(c, f)) continue;
      fprintf(out, "complete -c tdc -n '__fish_seen_subcommand_from %s' -l %s%s -d ", c->name,
              f->name, f->meta != NULL ? " -r" : "");
      put_fish(out, f->help);
      fputc('\n', out);
    }
  }
}

static void completion(const Command *all, const char *shell, FILE *out) {
  if (strcmp(shell, "bash") == 0)
    completion_bash(all, out);
  else if (strcmp(shell, "zsh") == 0)
    completion_zsh(all, out);
  else
    completion_fish(all, out);
}

/* ---- the manual page -------------------------------------------------------------- */

static void manual(const Command *all, FILE *out) {
  fprintf(out,
          ".TH TDC 1 \"\" \"tdc %s\" \"User Commands\"\n"
          ".SH NAME\ntdc \\- compile, train and sample tensor programs\n"
          ".SH SYNOPSIS\n.B tdc\n.I FILE.td\n.br\n.B tdc\n.I COMMAND\n[\\fIarguments\\fR]\n"
          ".SH DESCRIPTION\n"
          "A .td file describes a model, its loss, its sampler, its data and its training run.\n"
          "tdc compiles it to C, compiles that for this machine and runs it.\n"
          ".SH COMMANDS\n",
          TDC_VERSION);
  for (const Command *c = all; c->name != NULL; c++) {
    fprintf(out, ".SS tdc %s ", c->name);
    put_roff(out, c->arguments);
    fputc('\n', out);
    put_roff(out, c->summary);
    fputs("\n.PP\n.nf\n", out);
    put_roff(out, c->examples);
    fputs(".fi\n", out);
    for (const Flag *f = cli_flags; f->name != NULL; f++) {
      char words[128];
      if (!takes(c, f) || f->of == ~0u) continue;
      flag_words(f, words, sizeof words);
      fputs(".TP\n.B ", out);
      put_roff(out, words + strspn(words, " "));
      fputc('\n', out);
      put_roff(out, f->help);
      fputc('\n', out);
    }
    put_more(c, out, true);
  }
  fputs(".SH OPTIONS OF ALL COMMANDS\n", out);
  for (const Flag *f = cli_flags; f->name != NULL; f++) {
    char words[128];
    if (f->of != ~0u) continue;
    flag_words(f, words, sizeof words);
    fputs(".TP\n.B ", out);
    put_roff(out, words + strspn(words, " "));
    fputc('\n', out);
    put_roff(out, f->help);
    fputc('\n', out);
  }
  fputs(".SH ENVIRONMENT\n.nf\n", out);
  put_roff(out, variables);
  fputs(".fi\n.SH EXIT STATUS\n.nf\n", out);
  put_roff(out, codes);
  fputs(".fi\n", out);
}

int cli_help_main(Cli *c) {
  if (c->nargs == 0) {
    cli_help(c->commands, stdout);
    return cli_done(c);
  }
  const Command *about = cli_command(c->commands, c->args[0]);
  if (about == NULL) return cli_usage(c, "there is no command '%.100s'", c->args[0]);
  cli_help_command(about, stdout);
  return cli_done(c);
}

int cli_completion_main(Cli *c) {
  const char *shell = c->args[0];
  if (strcmp(shell, "bash") != 0 && strcmp(shell, "zsh") != 0 && strcmp(shell, "fish") != 0)
    return cli_usage(c, "completion is for bash, zsh or fish, not '%.100s'", shell);
  completion(c->commands, shell, stdout);
  return cli_done(c);
}

int cli_man_main(Cli *c) {
  manual(c->commands, stdout);
  return cli_done(c);
}
