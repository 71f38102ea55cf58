/* SPDX-License-Identifier: MIT */
/* SHA-256 through libcrypto. */
#include "runtime/system/digest.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

struct Digest {
  EVP_MD_CTX *ctx;
  bool ok;
};

Digest *digest_new(void) {
  Digest *d = malloc(sizeof *d);
  if (d == NULL) return NULL;
  d->ctx = EVP_MD_CTX_new();
  d->ok = d->ctx != NULL && EVP_DigestInit_ex(d->ctx, EVP_sha256(), NULL) == 1;
  if (!d->ok) {
    digest_free(d);
    return NULL;
  }
  return d;
}

void digest_free(Digest *d) {
  if (d == NULL) return;
  EVP_MD_CTX_free(d->ctx);
  free(d);
}

void digest_add(Digest *d, const void *bytes, size_t n) {
  if (n > 0 && EVP_DigestUpdate(d->ctx, bytes, n) != 1) d->ok = false;
}

void digest_add_string(Digest *d, const char *s) {
  uint64_t n = strlen(s);
  digest_add(d, &n, sizeof n);
  digest_add(d, s, (size_t)n);
}

bool digest_end(Digest *d, uint8_t out[DIGEST_BYTES]) {
  unsigned n = 0;
  bool ok = d->ok && EVP_DigestFinal_ex(d->ctx, out, &n) == 1 && n == DIGEST_BYTES;
  digest_free(d);
  return ok;
}

void digest_hex(const uint8_t bytes[DIGEST_BYTES], char out[DIGEST_HEX]) {
  for (int i = 0; i < DIGEST_BYTES; i++) {
    out[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
    out[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
  }
  out[2 * DIGEST_BYTES] = '\0';
}

bool digest_end_hex(Digest *d, char out[DIGEST_HEX]) {
  uint8_t raw[DIGEST_BYTES];
  if (!digest_end(d, raw)) return false;
  digest_hex(raw, out);
  return true;
}

bool digest_of(const void *bytes, size_t n, char out[DIGEST_HEX]) {
  Digest *d = digest_new();
  if (d == NULL) return false;
  digest_add(d, bytes, n);
  return digest_end_hex(d, out);
}
