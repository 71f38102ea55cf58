/* SPDX-License-Identifier: MIT */
/* Symbols and numbers: what a tokenizer makes of a text, and back.
 *   chars   the distinct code points of the corpus, ascending
 *   bytes   0 .. 255
 *   ascii   0 .. 127 */
#ifndef TDC_VOCABULARY_H
#define TDC_VOCABULARY_H

#include "compiler/unit.h"
#include "runtime/system/error.h"

typedef struct Vocabulary {
  Tokens kind;
  int64_t size;
  uint32_t *symbols; /* chars: ascending code points; else NULL */
} Vocabulary;

const char *tokens_name(Tokens t); /* "chars" */

/* From a text. False for chars when it is not UTF-8, for ascii when a byte is
 * above 127; the message names the offset. `what` is the text's name. */
bool vocabulary_make(Vocabulary *v, Tokens kind, const char *what, const uint8_t *text, size_t n,
                     TdError *err);
void vocabulary_free(Vocabulary *v);

/* One symbol at text[0 .. n): how many bytes it takes, its number in *id. Zero
 * bytes when there is no such symbol (unknown, or not UTF-8). */
size_t vocabulary_read(const Vocabulary *v, const uint8_t *text, size_t n, int32_t *id);
/* A whole text; `ids` has room for n. False with the offset of the first
 * character that has no number. */
bool vocabulary_encode(const Vocabulary *v, const uint8_t *text, size_t n, int32_t *ids,
                       size_t *count, size_t *offset);
/* Bytes of a byte-order mark that begins the text: it says how a text is written and is none
 * of its symbols. 0: there is none, or bytes are the symbols. */
size_t vocabulary_mark(Tokens kind, const uint8_t *text, size_t n);

/* Bytes that hold a number of this vocabulary: 1, 2 or 4. */
int vocabulary_width(const Vocabulary *v);
/* The text that the vocabulary was made of as numbers of that width. `out` has room for one a
 * symbol; where the width is 1 it may be the text itself. Returns how many they are. */
size_t vocabulary_pack(const Vocabulary *v, const uint8_t *text, size_t n, void *out);

/* The symbol's bytes (UTF-8 for chars); '?' for a number that is none. */
void vocabulary_spell(const Vocabulary *v, int64_t id, StrBuf *out);

/* As checkpoints keep it: decimal code points with spaces between. */
void vocabulary_write(const Vocabulary *v, StrBuf *out);
/* Back from a kind's name and that text. */
bool vocabulary_parse(Vocabulary *v, const char *kind, const char *written);
/* Does `written` hold the very symbols, but in another order? */
bool vocabulary_reordered(const Vocabulary *v, const char *written);
bool vocabulary_same(const Vocabulary *v, const char *kind, const char *written);

#endif
