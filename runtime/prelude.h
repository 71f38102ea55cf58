/* SPDX-License-Identifier: MIT */
/* Of a program's prelude, the part that some text needs: a C compiler reads the whole of it longer
 * than it works on a small kernel.
 *
 * A prelude is C text laid out as ours are. It is cut into pieces: a declaration, a function, a
 * macro, a call of a macro that defines functions, a directive. Directives are part of every part;
 * a piece is if the text, or a piece that is, has a name that it defines. What a macro defines by
 * its call is named by what it pastes: td_imin##S with S = 32 is td_imin32, and where the rest is
 * not known, everything that begins so. */
#ifndef TDC_PRELUDE_H
#define TDC_PRELUDE_H

#include "dsl/base.h"

typedef struct Prelude Prelude;
/* The text must outlive it. NULL: memory is out. */
Prelude *prelude_read(const char *text);
/* Appends what `text` needs; with `declares` none of what only units with definitions have: what
 * stands under `#ifndef TD_DECLARES`. False: memory is out. */
bool prelude_part(const Prelude *p, const char *text, bool declares, StrBuf *out);
void prelude_free(Prelude *p);

#endif
