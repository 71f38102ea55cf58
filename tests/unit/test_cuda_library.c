/* SPDX-License-Identifier: MIT */
/* CUDA's libraries: what is called of them is as their headers have it, where they are
 * looked for, and what is said when one of them, or one of their functions, is missing. */
#define _GNU_SOURCE /* memmem */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/cuda/library.h"
#include "runtime/system/io.h"
#include "runtime/system/spawn.h"
#include "tests/sandbox.h"

static const char *const names[] = {
#define DRIVER(result, name, parameters) #name,
#define NVRTC(result, name, parameters) #name,
#define BLAS(result, name, parameters) #name,
#include "runtime/cuda/functions.def"
};
enum { NAMES = sizeof names / sizeof *names };

static char stub[4096]; /* the library that does nothing: beside this program */

/* A folder of its own, in which libraries are looked for and nowhere else. */
static int make_folder(void **state) {
  StrBuf only = {0};
  if (sandbox_make(state) != 0) return -1;
  sb_printf(&only, "%s:-", (const char *)*state);
  setenv("TDC_CUDA_LIBRARIES", only.s, 1);
  sb_free(&only);
  unsetenv("STUB_INIT");
  unsetenv("STUB_DRIVER");
  unsetenv("STUB_NVRTC");
  return 0;
}

static char *in(const char *folder, const char *name) {
  char *path = io_join(folder, name);
  assert_non_null(path);
  return path;
}

static void write_bytes(const char *folder, const char *name, const void *bytes, size_t n) {
  TdError err = {0};
  char *path = in(folder, name);
  assert_true(io_write_file(NULL, path, bytes, n, &err));
  free(path);
}

static void link_stub(const char *folder, const char *name) {
  char *path = in(folder, name);
  assert_int_equal(symlink(stub, path), 0);
  free(path);
}

static void unlink_stub(const char *folder, const char *name) {
  char *path = in(folder, name);
  assert_int_equal(unlink(path), 0);
  free(path);
}

static void link_all(const char *folder) {
  link_stub(folder, "libcuda.so.1");
  link_stub(folder, "libnvrtc.so.13");
  link_stub(folder, "libcublasLt.so.13");
}

/* All three, as a device opens them. */
static bool open_all(TdError *err) {
  CudaDriver d;
  Nvrtc n;
  BlasLt b;
  *err = (TdError){0};
  return cuda_driver_open(&d, err) && cuda_nvrtc_open(&n, &d, err) && cuda_blas_open(&b, &d, err);
}

/* It does not work, for want of a tool, and the message has all of these in it. */
static void fails_saying(const char *const *words) {
  TdError err;
  assert_false(open_all(&err));
  assert_int_equal(err.status, TD_NO_TOOL);
  for (; *words != NULL; words++)
    if (strstr(err.message, *words) == NULL) fail_msg("'%s' is not in: %s", *words, err.message);
}
#define FAILS_SAYING(...) fails_saying((const char *const[]){__VA_ARGS__, NULL})

/* ---- the headers -------------------------------------------------------------------- */

static const char *find_headers(void) {
  static const char *const places[] = {"/usr/local/cuda/include", "/usr/local/cuda-13.0/include",
                                       "/usr/include", "/usr/local/include"};
  static const char *const needed[] = {"cuda.h", "nvrtc.h", "cublasLt.h"};
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    int n = 0;
    for (int k = 0; k < 3; k++) {
      char *path = in(places[i], needed[k]);
      n += io_exists(path);
      free(path);
    }
    if (n == 3) return places[i];
  }
  return NULL;
}

/* Does the compiler take the comparison, with the table that is in `folder` if it has one? */
static bool headers_agree(const char *folder, const char *headers) {
  char first[4200], theirs[256];
  snprintf(first, sizeof first, "-I%s", folder);
  snprintf(theirs, sizeof theirs, "-I%s", headers);
  const char *argv[] = {"cc",      "-std=gnu11",    "-Wall",
                        "-Werror", first,           "-I.",
                        theirs,    "-fsyntax-only", "tests/cuda_headers.c",
                        NULL};
  SpawnJob job = {.argv = argv, .timeout = 60};
  bool ok = spawn_all(&job, 1, 1, NULL);
  assert_true(job.started);
  sb_free(&job.output);
  return ok;
}

/* The table with one thing in it changed. */
static void change_table(const char *folder, const char *from, const char *to) {
  TdError err = {0};
  uint8_t *bytes;
  size_t n;
  StrBuf s = {0};
  assert_true(io_read_file(NULL, "runtime/cuda/functions.def", 1 << 20, &bytes, &n, &err));
  const char *at = strstr((const char *)bytes, from);
  assert_non_null(at);
  sb_printf(&s, "%.*s%s%s", (int)(at - (const char *)bytes), (const char *)bytes, to,
            at + strlen(from));
  char *below = in(folder, "runtime/cuda");
  assert_true(io_make_folders(NULL, below, false, &err));
  write_bytes(below, "functions.def", s.s, s.n);
  free(below);
  free(bytes);
  sb_free(&s);
}

static void test_headers(void **state) {
  static const char *const wrong[][2] = {
      {"cuInit, (unsigned flags)", "cuInit, (unsigned long flags)"},
      {"(CudaAddress to, const void *from, size_t", "(CudaAddress to, const void *from, unsigned"},
      {"void **parameters", "void *parameters"},
      {"nvrtcGetCUBINSize, (NvrtcProgram program, size_t",
       "nvrtcGetCUBINSize, (NvrtcProgram program, int"},
      {"size_t, cublasLtGetVersion", "int, cublasLtGetVersion"},
      {"uint64_t rows", "int rows"}};
  const char *headers = find_headers();
  if (headers == NULL) {
    printf("SKIP: CUDA's headers are not installed\n");
    skip();
  }
  assert_true(headers_agree(*state, headers));
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    change_table(*state, wrong[i][0], wrong[i][1]);
    assert_false(headers_agree(*state, headers));
  }
}

/* ---- libraries ----------------------------------------------------------------------- */

static void test_opened(void **state) {
  CudaDriver d;
  Nvrtc n;
  BlasLt b;
  TdError err = {0};
  link_all(*state);
  assert_true(cuda_driver_open(&d, &err) && d.version == 13000);
  assert_true(cuda_nvrtc_open(&n, &d, &err) && n.major == 13 && n.minor == 0);
  assert_true(cuda_blas_open(&b, &d, &err) && b.version == 130100);
  assert_non_null(strstr(d.file.path, "/libcuda.so.1"));
  assert_true(n.file.bytes > 0 && n.file.changed > 0);
  assert_true(cuda_nvrtc_open(&n, NULL, &err)); /* whatever the driver */
}

static void test_missing(void **state) {
  FAILS_SAYING("libcuda.so.1", "the NVIDIA driver", "install the driver");
  link_all(*state);
  unlink_stub(*state, "libnvrtc.so.13");
  FAILS_SAYING("libnvrtc.so.13 or .12", "compiler", "pip install nvidia-cuda-nvrtc");
  link_stub(*state, "libnvrtc.so.13");
  unlink_stub(*state, "libcublasLt.so.13");
  FAILS_SAYING("libcublasLt.so.13 or .12", "matrix products", "pip install nvidia-cublas");
}

static void test_broken(void **state) {
  static const char *const files[] = {"libcuda.so.1", "libnvrtc.so.13", "libcublasLt.so.13"};
  char no_library[256] = "a text";
  for (int i = 0; i < 3; i++) {
    write_bytes(*state, files[i], no_library, sizeof no_library);
    FAILS_SAYING(files[i], "cannot be loaded", "invalid ELF header");
    unlink_stub(*state, files[i]);
    link_stub(*state, files[i]);
  }
}

/* A library from which one function is gone: in a copy, its name is another. */
static void without_function(const char *folder, const char *library, const char *name) {
  TdError err = {0};
  uint8_t *bytes;
  size_t n, length = strlen(name);
  char whole[128] = "";
  assert_true(io_read_file(NULL, stub, 1 << 24, &bytes, &n, &err));
  memcpy(whole + 1, name, length + 1); /* between two NULs */
  uint8_t *at = bytes, *found;
  int times = 0;
  while ((found = memmem(at, n - (size_t)(at - bytes), whole, length + 2)) != NULL) {
    found[1] = 'X';
    at = found + 1;
    times++;
  }
  assert_true(times > 0);
  unlink_stub(folder, library);
  write_bytes(folder, library, bytes, n);
  free(bytes);
}

static void test_functions(void **state) {
  link_all(*state);
  for (int i = 0; i < NAMES; i++) {
    const char *library = strncmp(names[i], "cublas", 6) == 0  ? "libcublasLt.so.13"
                          : strncmp(names[i], "nvrtc", 5) == 0 ? "libnvrtc.so.13"
                                                               : "libcuda.so.1";
    without_function(*state, library, names[i]);
    StrBuf said = {0};
    sb_printf(&said, "has no %s:", names[i]);
    /* in a process of its own: a path that was opened before is not opened again */
    pid_t child = fork();
    if (child == 0) {
      TdError err;
      _exit(!open_all(&err) && err.status == TD_NO_TOOL && strstr(err.message, said.s) != NULL &&
                    strstr(err.message, library) != NULL
                ? 0
                : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) fail_msg("without %s", names[i]);
    sb_free(&said);
    unlink_stub(*state, library);
    link_stub(*state, library);
  }
}

static void test_driver(void **state) {
  link_all(*state);
  setenv("STUB_INIT", "100", 1);
  FAILS_SAYING("sees no GPU", "CUDA_VISIBLE_DEVICES");
  setenv("STUB_INIT", "34", 1);
  FAILS_SAYING("stand-in for a driver");
  setenv("STUB_INIT", "999", 1);
  FAILS_SAYING("does not start", "999");
  unsetenv("STUB_INIT");
  setenv("STUB_DRIVER", "11040", 1);
  FAILS_SAYING("CUDA 11.4", "too old", "12.0 at least");
}

/* A driver runs what compilers of its own version or of older ones make. */
static void test_versions(void **state) {
  CudaDriver d;
  Nvrtc n;
  TdError err = {0};
  link_all(*state);
  setenv("STUB_DRIVER", "12040", 1);
  assert_true(cuda_driver_open(&d, &err));
  FAILS_SAYING("libnvrtc.so.12 (");
  link_stub(*state, "libnvrtc.so.12"); /* which is 13 */
  FAILS_SAYING("is of CUDA 13.0", "the driver, of CUDA 12.4", "newer driver", "libnvrtc.so.12");
  setenv("STUB_NVRTC", "12", 1);
  assert_true(cuda_nvrtc_open(&n, &d, &err) && n.major == 12);
  setenv("STUB_DRIVER", "14000", 1);
  assert_true(cuda_driver_open(&d, &err) && cuda_nvrtc_open(&n, &d, &err));
  assert_non_null(strstr(n.file.path, "libnvrtc.so.13"));
}

/* Folders that are named come first, in their order. */
static void test_order(void **state) {
  char *one = in(*state, "one"), *two = in(*state, "two");
  StrBuf both = {0};
  CudaDriver d;
  TdError err = {0};
  assert_true(io_make_folders(NULL, one, false, &err) && io_make_folders(NULL, two, false, &err));
  link_stub(two, "libcuda.so.1");
  sb_printf(&both, "%s::%s", one, two);
  setenv("TDC_CUDA_LIBRARIES", both.s, 1);
  assert_true(cuda_driver_open(&d, &err));
  /* a copy, since a file that was opened keeps the name by which it was */
  uint8_t *bytes;
  size_t n;
  assert_true(io_read_file(NULL, stub, 1 << 24, &bytes, &n, &err));
  write_bytes(one, "libcuda.so.1", bytes, n);
  free(bytes);
  assert_true(cuda_driver_open(&d, &err));
  assert_non_null(strstr(d.file.path, "/one/"));
  sb_free(&both);
  free(one);
  free(two);
}

int main(int argc, char **argv) {
  (void)argc;
  char *folder = io_dirname(argv[0]),
       *path = folder != NULL ? io_join(folder, "cuda_stub.so") : NULL;
  if (path == NULL || realpath(path, stub) == NULL) {
    fprintf(stderr, "cuda_stub.so is not beside %s\n", argv[0]);
    return 1;
  }
  free(folder);
  free(path);
#define TEST(f) cmocka_unit_test_setup_teardown(f, make_folder, sandbox_remove)
  const struct CMUnitTest tests[] = {TEST(test_headers),  TEST(test_opened),    TEST(test_missing),
                                     TEST(test_broken),   TEST(test_functions), TEST(test_driver),
                                     TEST(test_versions), TEST(test_order)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
