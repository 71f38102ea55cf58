/* SPDX-License-Identifier: MIT */
/* The symbol table of an ELF object. Every place in it is checked: the object may be damaged, or
 * none. */
#include "runtime/cpu/symbols.h"

#include <elf.h>
#include <link.h> /* ElfW */
#include <string.h>

typedef struct Object {
  const uint8_t *bytes;
  size_t n;
  ElfW(Ehdr) head;
} Object;

static bool inside(const Object *o, uint64_t at, uint64_t size) {
  return at <= o->n && size <= o->n - at;
}

static bool section(const Object *o, uint64_t i, ElfW(Shdr) * s) {
  if (i >= o->head.e_shnum) return false;
  uint64_t at = o->head.e_shoff + i * sizeof *s;
  if (o->head.e_shoff > o->n || !inside(o, at, sizeof *s)) return false;
  memcpy(s, o->bytes + at, sizeof *s);
  return s->sh_type == SHT_NOBITS || inside(o, s->sh_offset, s->sh_size);
}

static bool opened(Object *o) {
  const uint16_t one = 1;
  const int order = *(const uint8_t *)&one == 1 ? ELFDATA2LSB : ELFDATA2MSB;
  if (o->n < sizeof o->head) return false;
  memcpy(&o->head, o->bytes, sizeof o->head);
  return memcmp(o->head.e_ident, ELFMAG, SELFMAG) == 0 && o->head.e_type == ET_REL &&
         o->head.e_ident[EI_CLASS] == (sizeof(ElfW(Addr)) == 8 ? ELFCLASS64 : ELFCLASS32) &&
         o->head.e_ident[EI_DATA] == order && o->head.e_shentsize == sizeof(ElfW(Shdr));
}

static bool in_table(const Object *o, const ElfW(Shdr) * table,
                     bool (*found)(void *ctx, const char *name), void *ctx) {
  ElfW(Shdr) strings;
  ElfW(Sym) s;
  if (!section(o, table->sh_link, &strings) || strings.sh_type != SHT_STRTAB) return false;
  const char *names = (const char *)o->bytes + strings.sh_offset;
  if (strings.sh_size == 0 || names[strings.sh_size - 1] != '\0') return false;
  for (uint64_t at = 0; at + sizeof s <= table->sh_size; at += sizeof s) {
    memcpy(&s, o->bytes + table->sh_offset + at, sizeof s);
    if (s.st_name >= strings.sh_size) return false;
    if (s.st_shndx == SHN_UNDEF && s.st_name != 0 && !found(ctx, names + s.st_name)) return false;
  }
  return true;
}

bool symbols_undefined(const uint8_t *bytes, size_t n, bool (*found)(void *ctx, const char *name),
                       void *ctx) {
  Object o = {.bytes = bytes, .n = n};
  ElfW(Shdr) s;
  if (!opened(&o)) return false;
  for (uint64_t i = 0; i < o.head.e_shnum; i++) {
    if (!section(&o, i, &s)) return false;
    if (s.sh_type == SHT_SYMTAB && !in_table(&o, &s, found, ctx)) return false;
  }
  return true;
}
