# SPDX-License-Identifier: MIT
# tdc: the build, whole. `make` builds build/tdc, `make demo` shows it, `make test` checks it.
# Sources are listed, not searched for: what is not in a list is not in the program.

# -- dsl/: text to tree ---------------------------------------------------------------------------
DSL = base namemap diag diag_json similar idiom explain ast calls syntax nodes layout complain \
      print print_expr print_lines dump
# The standard library, in the language: dsl/std/NAME.td
STD = core nn

# -- compiler/: tree to program -------------------------------------------------------------------
PROGRAM  = program
IR       = prims expr walk linear fold interval band band_list ir clone prune spelling print \
           print_expr read read_lex read_name read_expr read_head read_loop verify refute draws
LOWER    = lower_error lower_value lower_range lower_given lower_whole lower_real lower_reads \
           lower_path lower_scope lower_name lower_file lower_use lower_override lower_left \
           lower_bind lower_index lower_prim lower_expr lower_reduce lower_draw lower_doubt \
           lower_header lower_vjp lower_call lower_foreign lower_stmt lower_param lower_loop \
           lower_place lower_expect left_out \
           diffusion settings entry inputs models objective own_elements sampler sampler_param \
           sampler_rows domain
GRAD     = grad grad_activity grad_adjoint grad_expr grad_index grad_loop grad_steep grad_values
PASSES   = pipeline cut simplify hoist cse recompute again twice restack totals tables gather taps \
           strides inline join batch
EVAL     = eval eval_code eval_ops eval_run
CHECK    = around gradcheck opcheck trial trial_call
PLAN     = plan core contract sources group group_rows group_join group_alone stored chain \
           chain_parts chain_worth chain_build chain_blocks chain_band together rows own layout \
           product apart pieces moves period order in_place place narrow weights once launch \
           loop_kernel steps memory verify dump print_plan print_picture beside rows_band \
           product_band dear
EMIT     = dialect scope storage read value place loop scatter product kernels numbers
CPU      = target operands pack shape rows rows_nest rows_sum rows_loop rows_write scatter \
           contraction chain chain_shape chain_tiles gemm_write gemm_moves gemm_blocks gemm_emit \
           gemm_function gemm_few gemm_pack gemm_places gemm_turned gemm_narrow gemm_band \
           standalone dialect
CUDA     = target shape rows reduce scatter scatter_list contraction product product_chunk \
           product_fma product_mma product_results chain chain_shape chain_slots chain_operands \
           chain_fma chain_mma loop dialect file
COMPILER = unit backend budget $(PROGRAM:%=program/%) $(IR:%=ir/%) $(LOWER:%=lower/%) \
           $(GRAD:%=grad/%) $(PASSES:%=passes/%) $(EVAL:%=eval/%) $(CHECK:%=check/%) \
           $(PLAN:%=plan/%) $(EMIT:%=emit/%) $(CPU:%=cpu/%) $(CUDA:%=cuda/%)

# -- runtime/: programs to results ----------------------------------------------------------------
SYSTEM   = error io spawn cache signals litter digest utf8 json
ON_CPU   = threads block memory device jit jit_compile jit_units symbols toolchain
ON_CUDA  = library gpu stage timer compile kernels probe product_shape choose product failure run \
           device
STORE    = checkpoint safetensors header rotate convert weights record
DATA     = corpus data vocabulary feed
TEXT     = alphabet counts ngram copying words measure controls
TRAIN    = train evaluate judge sample texts diagnose run_folder
VIEW     = progress terminal viewer page curve logs font gif film
RUNTIME  = steps prelude units session values inputs series device reference machine peak trace \
           project td $(SYSTEM:%=system/%) $(ON_CPU:%=cpu/%) $(ON_CUDA:%=cuda/%) \
           $(STORE:%=store/%) $(DATA:%=data/%) $(TEXT:%=text/%) $(TRAIN:%=train/%) $(VIEW:%=view/%)

# -- runtime/cli/: the command line; main.c first -------------------------------------------------
CLI = main options flags help report open rows other compile train sample sample_side \
      sample_show beside noise eval measure settings sweep sweep_points sweep_show sweep_plot \
      compare compare_name compare_progress compare_taking compare_take compare_given \
      compare_rows compare_effort compare_svg compare_curves compare_show compare_page run check \
      fmt gradcheck export explain doctor cache opt profile

# -- tests/: the file-driven runner, unit tests (tests/unit/NAME.c, cmocka) ------------------------
UNIT = test_amx test_ir test_eval test_random_graphs test_front test_safetensors test_checkpoint \
       test_data test_jit test_units test_train test_reference test_api test_cli test_measures \
       test_memory test_grad test_grad_loops test_grad_form test_grad_text test_grad_random \
       test_backend test_backend_random test_chain test_prelude test_numbers test_contract \
       test_diagnostics test_language test_mutations test_output test_narrow test_recompute \
       test_prims test_target test_traffic test_dialect test_meaning test_bounds test_hints \
       test_door test_terminal test_beside test_draws test_cuda_emu test_cuda_emu_host \
       test_cuda_emu_lt test_cuda_library test_cuda test_cuda_product test_device \
       test_cuda_train test_cuda_random test_oracle test_text_random test_large test_nan \
       test_text test_claims test_likelihood test_cuda_chain test_cuda_loop test_cuda_shape \
       test_film test_noise test_use test_split test_band test_once test_cuda_series \
       test_cuda_compile test_cuda_faults test_conv test_gather test_left_out test_product_band \
       test_cuda_apart
# every op, compiled and differentiated over random shapes; whole models (tests/NAME.c)
WHOLE = ops models parity cuda_models cuda_resources cuda_mutations
# these once more, and tdc with them, where nobody but the device can reach its memory
GUARDED = test_guarded test_train test_reference test_api test_jit test_narrow test_cli models
UNLISTED = $(filter-out $(UNIT) $(GUARDED),\
             $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c)))
ifneq ($(UNLISTED),)
$(error tests that neither UNIT nor GUARDED lists are never run: $(UNLISTED))
endif

# -- how -------------------------------------------------------------------------------------------
CC      ?= cc
FLEX    ?= flex
BISON   ?= bison
# lines and functions for those who look at a crash; -g, which a debugger would like, is a fifth of
# the time that all of it takes
CFLAGS  ?= -O2 -g1
PREFIX  ?= /usr/local
DESTDIR ?=
OBJCOPY ?= objcopy
NATIVE  ?= -march=native
# of this machine, for what runs while building
CC_FOR_BUILD ?= $(CC)
WARN     = -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
           -Wswitch-enum -Wno-variadic-macros
B        = build
COMPILE  = $(CC) -std=gnu11 $(CFLAGS) $(WARN) $(WERROR) -I. -I$(B)/gen -MMD -MP
LIBS     = -ljansson -lcrypto -lutf8proc -lm -lpthread -ldl

TEXTS    = standalone_header standalone_top standalone_types standalone_driver \
           prelude prelude_draws prelude_narrow prelude_split prelude_cuda scalar page_html
GEN      = $(B)/gen/parse.c $(B)/gen/lex.c $(B)/gen/std.c $(TEXTS:%=$(B)/gen/%.c)
DSL_SRC  = $(DSL:%=dsl/%.c) $(GEN)
# what is compiled of the preludes beforehand, for the machine that builds: nothing with READY=none
READY   ?= $(B)/gen/ready.o
NOT_READY = $(B)/runtime/cpu/ready_none.o
NO_READY = $(DSL:%=$(B)/dsl/%.o) $(GEN:%.c=%.o) \
           $(COMPILER:%=$(B)/compiler/%.o) $(RUNTIME:%=$(B)/runtime/%.o)
LIB_OBJ  = $(NO_READY) $(if $(filter none,$(READY)),$(NOT_READY),$(READY))
CLI_OBJ  = $(CLI:%=$(B)/runtime/cli/%.o)

all: $(B)/tdc

$(B)/tdc: $(CLI_OBJ) $(B)/libtdc.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

$(B)/libtdc.a: $(LIB_OBJ)
	@rm -f $@ && $(AR) qcs $@ $^ && echo $(AR) $@

$(B)/%.o: %.c | $(B)/gen/parse.h
	@mkdir -p $(@D)
	$(COMPILE) -c $< -o $@

# the evaluator's loops over strips of lanes; a product is rounded before it is added, everywhere
$(B)/compiler/eval/eval_ops.o $(B)/compiler/eval/eval_run.o: \
  override CFLAGS += -O3 -ffp-contract=off

$(B)/gen/%.o: $(B)/gen/%.c | $(B)/gen/parse.h
	$(COMPILE) -c $< -o $@

$(B)/gen/parse.c $(B)/gen/parse.h &: dsl/parse.y
	@mkdir -p $(@D)
	$(BISON) -Wall -Werror --header=$(B)/gen/parse.h -o $(B)/gen/parse.c $<

$(B)/gen/lex.c: dsl/lex.l
	@mkdir -p $(@D)
	$(FLEX) -o $@ $<

$(B)/embed: dsl/embed.c
	@mkdir -p $(@D)
	$(CC_FOR_BUILD) -std=gnu11 -O1 $(WARN) -o $@ $<

$(B)/gen/std.c: $(B)/embed $(STD:%=dsl/std/%.td)
	@mkdir -p $(@D)
	$(B)/embed std $(STD:%=dsl/std/%.td) > $@.new && mv $@.new $@

# texts that the program carries: $(B)/gen/NAME.c holds NAME_text
standalone_header_OF = compiler/cpu/standalone_header.inc
standalone_top_OF    = compiler/cpu/standalone_top.inc
standalone_types_OF  = compiler/cpu/standalone_types.inc
standalone_driver_OF = compiler/cpu/standalone_driver.inc
prelude_OF           = compiler/cpu/prelude.h compiler/cpu/prelude_erf.h compiler/cpu/prelude_few.h
prelude_draws_OF     = compiler/cpu/prelude_draws.h
prelude_narrow_OF    = compiler/cpu/prelude_narrow.h compiler/cpu/prelude_tiles.h
prelude_split_OF     = compiler/cpu/prelude_split.h
prelude_cuda_OF      = compiler/cuda/prelude.h
scalar_OF            = compiler/emit/scalar.h
page_html_OF         = runtime/view/page.html

.SECONDEXPANSION:
$(TEXTS:%=$(B)/gen/%.c): $(B)/gen/%.c: $(B)/embed $$($$*_OF)
	@mkdir -p $(@D)
	$(B)/embed text $*_text $($*_OF) > $@.new && mv $@.new $@

$(B)/ready: $(B)/runtime/cli/ready.o $(NOT_READY) $(NO_READY)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

# by the C compiler that kernels are compiled with, not by that of the build; written anew only if
# there is another, or another prelude
$(B)/gen/ready.made: $(B)/ready
	env -u CC -u TDC_CC -u TDC_CFLAGS $(B)/ready $(B)/gen/ready.c && touch $@
$(B)/gen/ready.c: $(B)/gen/ready.made ;

# -- tests -----------------------------------------------------------------------------------------
GUARDED_TESTS = $(GUARDED:%=$(B)/guarded/tests/%.guarded)
TESTED   = $(UNIT:%=$(B)/tests/%) $(WHOLE:%=$(B)/tests/%) \
           $(filter-out %/models.guarded %/test_cli.guarded,$(GUARDED_TESTS))
TESTS    = $(B)/tests/run $(TESTED) $(GUARDED_TESTS)
E        = $(B)/tests/cuda_emu
EMULATED = $(E)/libcuda.so.1 $(E)/libnvrtc.so.13 $(E)/libcublasLt.so.13 $(E)/ptx_of
SANE     = -Og -g1 -fsanitize=address,undefined -fno-sanitize-recover=all

$(B)/tests/run: $(B)/tests/run.o $(B)/tests/run_ir.o $(B)/libtdc.a
	$(CC) $(CFLAGS) -o $@ $^ $(LIBS)

$(WHOLE:%=$(B)/tests/%): $(B)/tests/%: $(B)/tests/%.o $(B)/tests/model.o $(B)/libtdc.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LIBS)

$(B)/tests/models $(B)/tests/cuda_models: $(B)/tests/entries.o
$(B)/tests/models: $(B)/tests/sources.o
$(B)/tests/cuda_models: override LDFLAGS += -Wl,--wrap=cuda_device
$(B)/tests/cuda_models: $(B)/tests/poisoned.o
$(B)/tests/cuda_models $(B)/tests/ops $(B)/tests/cuda_mutations: | $(EMULATED)
$(B)/tests/ops $(B)/tests/cuda_mutations: $(B)/tests/emulated.o $(B)/tests/compiled.o \
                                          $(B)/tests/library.o

$(B)/tests/%: $(B)/tests/unit/%.o $(B)/tests/filter.o $(B)/libtdc.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(B)/libtdc.a -lcmocka $(LIBS)

# what is compiled is mostly cmocka's macros; a list's end, and what a test calls, are not faster
$(UNIT:%=$(B)/tests/unit/%.o): override CFLAGS += -Og

# the prelude as generated code meets it
$(B)/tests/unit/test_prelude.o: override CFLAGS += -O3 $(NATIVE) -fopenmp-simd \
  -fno-math-errno -fno-trapping-math

# memory runs out where the test says
$(B)/tests/test_memory: override LDFLAGS += -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc \
  -Wl,--wrap=aligned_alloc,--wrap=strdup,--wrap=strndup,--wrap=realpath

$(B)/tests/test_random_graphs $(B)/tests/test_band: $(B)/tests/randgraph.o $(B)/tests/randchain.o
$(B)/tests/test_grad $(B)/tests/test_grad_loops $(B)/tests/test_grad_form: $(B)/tests/grads.o
ON_SOURCES = language mutations diagnostics hints large prims
$(ON_SOURCES:%=$(B)/tests/test_%): $(B)/tests/sources.o
ON_MODELS = grad_text narrow once target traffic meaning numbers draws likelihood noise
$(ON_MODELS:%=$(B)/tests/test_%): $(B)/tests/model.o
$(B)/tests/test_jit $(B)/tests/test_cuda: $(B)/tests/finite_case.o
ON_CUDA_CASE = cuda cuda_series cuda_compile cuda_faults
SANDBOXED = api checkpoint cli measures nan cuda_train data device door memory output recompute \
            reference terminal beside claims jit units cuda_library $(ON_CUDA_CASE)
$(SANDBOXED:%=$(B)/tests/test_%): $(B)/tests/sandbox.o
$(B)/tests/test_backend $(B)/tests/test_eval $(B)/tests/test_ir: $(B)/tests/workbench.o
COMPILED = backend backend_random chain conv prims target dialect numbers oracle text_random \
           gather cuda_random cuda_chain cuda_loop cuda_apart band left_out product_band
$(COMPILED:%=$(B)/tests/test_%): $(B)/tests/compiled.o $(B)/tests/library.o
$(B)/tests/test_backend_random $(B)/tests/test_target $(B)/tests/test_cuda_random: \
  $(B)/tests/randgraph.o $(B)/tests/randchain.o
$(B)/tests/test_prims $(B)/tests/test_dialect: $(B)/tests/prim_case.o
$(B)/tests/test_chain $(B)/tests/test_cuda_chain: $(B)/tests/attention.o
# programs on the emulated device
EMULATES = cuda_random cuda_chain cuda_loop cuda_apart numbers left_out
$(EMULATES:%=$(B)/tests/test_%): $(B)/tests/emulated.o | $(EMULATED)
# texts read by an interpreter of syntax trees
INTERP   = interp number value index expr reduce call stmt loop param
RANDTEXT = program stmt loop integer expr place form
$(B)/tests/test_oracle $(B)/tests/test_text_random: $(INTERP:%=$(B)/tests/interp/%.o) \
  $(RANDTEXT:%=$(B)/tests/randtext/%.o) $(B)/tests/textcase.o

# CUDA's libraries with nothing in them
$(B)/tests/test_cuda_library: | $(B)/tests/cuda_stub.so
$(B)/tests/cuda_stub.so: tests/cuda_stub.c runtime/cuda/library.h runtime/cuda/functions.def
	@mkdir -p $(@D)
	$(COMPILE) -fPIC -shared -o $@ $<

# The guarded device in place of every other: see tests/guarded.h. Tests that run tdc find
# the guarded one beside them.
GUARDED_LDFLAGS = -Wl,--wrap=cpu_device,--wrap=reference_device
$(B)/guarded/tests/%.guarded: $(B)/tests/unit/%.o $(B)/tests/guarded.o $(B)/tests/sandbox.o \
                              $(B)/tests/model.o $(B)/tests/finite_case.o $(B)/tests/filter.o \
                              $(B)/libtdc.a | $(B)/guarded/tdc
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(GUARDED_LDFLAGS) -o $@ $^ -lcmocka $(LIBS)

$(B)/guarded/tests/models.guarded: $(B)/tests/models.o $(B)/tests/entries.o $(B)/tests/sources.o \
                                   $(B)/tests/model.o $(B)/tests/guarded.o $(B)/libtdc.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(GUARDED_LDFLAGS) -o $@ $^ $(LIBS)

$(B)/guarded/tdc: $(CLI_OBJ) $(B)/tests/guarded.o $(B)/libtdc.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(GUARDED_LDFLAGS) -o $@ $^ $(LIBS)

# The emulated device: libraries that stand in for CUDA's (tests/cuda_emu/README.md).
EMU_NVRTC  = nvrtc scan ptx ptx_code head head_text fault
EMU_LT     = lt product fault
EMU_DRIVER = report fault fiber engine warp shadow line banks memory signals queue graph \
             driver transfer module head head_text
SHARED     = $(CC) $(CFLAGS) -shared -Wl,-z,defs -Wl,-soname,$(@F) -o $@

$(ON_CUDA_CASE:%=$(B)/tests/test_%): $(B)/tests/cuda_case.o | $(EMULATED)
$(B)/tests/test_cuda_product $(B)/tests/test_device $(B)/tests/test_cuda_train \
$(B)/tests/test_memory $(B)/tests/test_nan: | $(EMULATED)

$(E)/%.o: override CFLAGS += -fPIC -fvisibility=hidden
$(E)/product.o $(E)/warp.o: override CFLAGS += -O3 -march=native
$(E)/head_text.c: $(B)/embed tests/cuda_emu/head.h
	@mkdir -p $(@D)
	$(B)/embed text head_text tests/cuda_emu/head.h > $@.new && mv $@.new $@
$(E)/head_text.o: $(E)/head_text.c
	$(COMPILE) -c $< -o $@

$(E)/libcuda.so.1: $(EMU_DRIVER:%=$(E)/%.o)
	$(SHARED) $^ -lm -lpthread -ldl
$(E)/libnvrtc.so.13: $(EMU_NVRTC:%=$(E)/%.o)
	$(SHARED) $^ -ldl
$(E)/libcublasLt.so.13: $(EMU_LT:%=$(E)/%.o) $(E)/libcuda.so.1
	$(SHARED) -Wl,-rpath,'$$ORIGIN' $^ -lm

$(E)/ptx_of: $(E)/ptx_of.o
	$(CC) $(CFLAGS) -o $@ $^ -ldl

ON_EMULATED = cuda_emu cuda_emu_host cuda_emu_lt
$(ON_EMULATED:%=$(B)/tests/test_%): $(E)/loaded.o | $(EMULATED)

# What a GPU does, check by check. On a machine with one: make check-gpu; anywhere else
# make check-gpu REHEARSE=1, on an emulated one. Without a GPU it ends with 3.
GPU_CHECKS = main graphs series device whole
ON_GPU     = check_gpu bench_side gpu_peaks
$(B)/tests/check_gpu: $(GPU_CHECKS:%=$(B)/tests/gpu/%.o) $(B)/tests/model.o $(B)/tests/poisoned.o \
                      $(B)/libtdc.a | $(EMULATED)
	$(CC) $(CFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LIBS)

check-gpu: deps
	@$(MAKE) --no-print-directory -j all $(B)/tests/check_gpu $(B)/tests/cuda_models
	@tests/gpu/check.sh $(B)/tests $(if $(REHEARSE),--emulated)

# Fuzzers, and all that they call, with the sanitizers inside.
FUZZERS  = parse td ir safetensors flags
SANE_OBJ = $(LIB_OBJ:$(B)/%=$(B)/sane/%)
SANE_CLI = $(CLI_OBJ:$(B)/%=$(B)/sane/%)

$(B)/sane/%.o: %.c | $(B)/gen/parse.h
	@mkdir -p $(@D)
	$(COMPILE) $(SANE) -c $< -o $@

$(B)/sane/gen/%.o: $(B)/gen/%.c | $(B)/gen/parse.h
	@mkdir -p $(@D)
	$(COMPILE) $(SANE) -c $< -o $@

# tdc's main, as the fuzzer of its flags calls it
$(B)/sane/tdc_main.o: $(B)/sane/runtime/cli/main.o
	$(OBJCOPY) --redefine-sym main=tdc_main $< $@

$(B)/sane/libtdc.a: $(SANE_OBJ)
	@rm -f $@ && $(AR) qcs $@ $^ && echo $(AR) $@

$(FUZZERS:%=$(B)/tests/fuzz_%): $(B)/tests/fuzz_%: $(B)/sane/tests/fuzz/fuzz_%.o \
  $(B)/sane/tests/fuzz/fuzz.o $(B)/sane/tests/fuzz/mutate.o $(B)/sane/libtdc.a
	@mkdir -p $(@D)
	$(CC) $(SANE) $(SANE_LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LIBS)

$(B)/tests/fuzz_td: $(B)/sane/tests/sources.o
$(B)/tests/fuzz_flags: $(B)/sane/tdc_main.o $(filter-out %/main.o,$(SANE_CLI))

test: WITH =
test: MUTATIONS = 2000
test: FUZZ_CPU = 4
# small by themselves; the benchmark makes them large
BENCH_MODELS = $(wildcard tests/bench/models/*.td)
# run on processors without tiles again, with tiles that are emulated
ON_TILES = chain conv tests/models/lengths.td tests/models/sliding.td
test: GUARDED_MODELS = tests/models/causal.td tests/models/lstm_lm.td
test-long: WITH = TDC_TEST_LONG=1
test-long: MUTATIONS = 20000
test-long: FUZZ_CPU = 600
test test-long: deps
	@$(MAKE) --no-print-directory -j2 WERROR=-Werror all tests-built $(B)/install/libtdc.a
	@$(WITH) tests/all.sh $(TESTED) "$(B)/guarded/tests/models.guarded $(GUARDED_MODELS)" \
	  $(if $(WITH),$(B)/guarded/tests/test_cli.guarded) \
	  "$(B)/tests/models --brief $(BENCH_MODELS)" \
	  "$(B)/tests/ops cuda" "tests/amx_emu/run.sh $(ON_TILES)" $(B)/tests/run tests/install.sh \
	  tests/format.sh tests/map.sh tests/layers.sh "$(B)/tests/check_gpu --emulated --short" \
	  tests/gpu/rehearse.sh "$(B)/tests/fuzz_parse --mutations $(MUTATIONS) $(PARSED)" \
	  "$(B)/tests/fuzz_td --cpu $(FUZZ_CPU) $(COMPILED_TD)" \
	  "$(B)/tests/fuzz_ir --cpu $(FUZZ_CPU) tests/ir tests/plan" \
	  "$(B)/tests/fuzz_safetensors --cpu $(FUZZ_CPU)" "$(B)/tests/fuzz_flags --cpu $(FUZZ_CPU)"

# what their inputs are made of
PARSED      = $(wildcard tests/front/*.td tests/errors/*.td dsl/std/*.td)
COMPILED_TD = $(PARSED) tests/warnings tests/fuzz/seeds $(B)/fuzz/examples \
              $(wildcard tests/models/*.td)
tests-built: $(TESTS) $(EMULATED) $(ON_GPU:%=$(B)/tests/%) $(B)/guarded/tdc \
             $(FUZZERS:%=$(B)/tests/fuzz_%) $(B)/fuzz/examples

$(B)/fuzz/examples: tests/fuzz/examples.sh dsl/LANGUAGE.md $(wildcard dsl/reference/*.md)
	tests/fuzz/examples.sh $@

# how fast the matrix products are: build/tests/gemm_bench [rounds [shape]]
$(B)/tests/gemm_bench: tests/bench/gemm_bench.c $(B)/libtdc.a
	@mkdir -p $(@D)
	$(COMPILE) -O3 $(NATIVE) -fopenmp-simd -o $@ $< $(B)/libtdc.a $(LIBS)

# training steps and samplings on demand, for tests/bench/bench.py
$(B)/tests/bench_side: tests/bench/bench_side.c $(B)/tests/model.o $(B)/libtdc.a
	$(COMPILE) -O3 $(NATIVE) -o $@ $< $(B)/tests/model.o $(B)/libtdc.a $(LIBS)

# tdc beside PyTorch and JAX, in one run; installs nothing. See tests/bench/README.md.
PYTHON ?= python3
BENCH   = $(PYTHON) tests/bench/bench.py --build $(B)
bench bench-quick: deps
	@$(BENCH) --check $(if $(filter bench-quick,$@),--quick)
	@$(MAKE) --no-print-directory -j2 $(B)/tests/bench_side $(B)/tests/gemm_bench
	@$(BENCH) $(if $(filter bench-quick,$@),--quick) $(BENCHFLAGS)

# Training steps, samplings, memory and kernels on the GPU, beside PyTorch's where that is; make
# bench-gpu REHEARSE=1 takes the same way at a tiny size on the emulated one.
$(B)/tests/gpu_peaks: tests/bench/gpu_peaks.c $(B)/libtdc.a | $(EMULATED)
	$(COMPILE) -o $@ $< $(B)/libtdc.a $(LIBS)

bench-gpu: deps
	@$(MAKE) --no-print-directory -j all $(B)/tests/bench_side $(B)/tests/gpu_peaks
	@$(PYTHON) tests/bench/bench_gpu.py --build $(B) $(if $(REHEARSE),--emulated) $(BENCHFLAGS)

# The programs of both, in build/portable, for a machine that has none of their libraries: they
# need a C library that is no older, nothing else. tests/bench/gpu_day.sh takes them.
ON_GPU_DAY    = tdc tests/check_gpu tests/cuda_models tests/bench_side tests/gpu_peaks
PORTABLE_LIBS = -Wl,-Bstatic -ljansson -lcrypto -lutf8proc -Wl,-Bdynamic -lm -lpthread -ldl
gpu-portable: deps
	@$(MAKE) --no-print-directory B=build/portable NATIVE= LIBS='$(PORTABLE_LIBS)' \
	  $(ON_GPU_DAY:%=build/portable/%)

# -- layout: .clang-format. Not the preludes, which are laid out as what is generated is -----------
FORMATTED = $(filter-out compiler/cpu/prelude% compiler/cuda/prelude% compiler/emit/scalar.h,\
              $(wildcard $(patsubst %,%/*.c,$(DIRS)) $(patsubst %,%/*.h,$(DIRS))))
DIRS      = dsl compiler compiler/* runtime runtime/* tests tests/*
formatted:
	@printf '%s\n' $(FORMATTED)
format:
	@clang-format -i $(FORMATTED)

# -- other compilers, C libraries, machines: every warning an error --------------------------------
clang:
	@$(MAKE) --no-print-directory B=build/clang CC=clang WERROR=-Werror all tests-built

# The fuzzers with libFuzzer's eyes: build/libfuzzer/tests/fuzz_td -close_fd_mask=2 FOLDER
libfuzzer:
	@$(MAKE) --no-print-directory B=build/libfuzzer CC=clang WERROR=-Werror \
	  SANE='$(SANE) -fsanitize=fuzzer-no-link -DLIBFUZZER' \
	  SANE_LDFLAGS=-fsanitize=fuzzer $(FUZZERS:%=build/libfuzzer/tests/fuzz_%)

# All of it for aarch64, and under emulation the tests of what differs from machine to machine:
# the preludes, kernels of every kind, bytes in files, and the whole way from text to training.
ARM        = aarch64-linux-gnu
ARM_NEEDED = gcc-$(ARM) qemu-user libjansson-dev:arm64 libssl-dev:arm64 \
             libutf8proc-dev:arm64 libcmocka-dev:arm64
ARM_TESTS  = ir eval prelude safetensors data backend chain contract prims
ARM_BUILD  = B=build/aarch64 CC=$(ARM)-gcc CC_FOR_BUILD=cc AR=$(ARM)-ar LD=$(ARM)-ld \
             OBJCOPY=$(ARM)-objcopy NATIVE= READY=none WERROR=-Werror
aarch64: $(B)/tdc
	@command -v $(ARM)-gcc >/dev/null && command -v qemu-aarch64 >/dev/null && \
	ls $(patsubst %,/usr/lib/$(ARM)/lib%.so,jansson crypto utf8proc cmocka) >/dev/null 2>&1 || { \
	  echo "Packages are missing. Run: sudo dpkg --add-architecture arm64;" \
	    "sudo apt-get update; sudo apt-get install $(ARM_NEEDED)" >&2; exit 1; }
	@$(MAKE) --no-print-directory $(ARM_BUILD) all $(ARM_TESTS:%=build/aarch64/tests/test_%)
	tests/aarch64.sh $(ARM_TESTS)

# Against another C library: every source of the program is compiled. The libraries are not
# packaged for it, so only what needs none is linked: the compiler, in the file-driven tests of
# graphs, plans and layout. Their headers alone are lent, none of this machine's C library.
MUSL_BUILD = B=build/musl CC=musl-gcc CC_FOR_BUILD=cc NATIVE= READY=none WERROR=-Werror LIBS=-lm \
             CFLAGS='-O2 -g -static -idirafter build/musl/include'
MULTIARCH  = $(shell $(CC) -print-multiarch)
musl:
	@command -v musl-gcc >/dev/null || { \
	  echo "Packages are missing. Run: sudo apt-get install musl-tools" >&2; exit 1; }
	@mkdir -p build/musl/include/openssl
	@at=$(CURDIR)/build/musl/include; cd /usr/include && cp openssl/* $$at/openssl && \
	  cp jansson.h utf8proc.h $$at && \
	  cp $$(ls $(MULTIARCH)/jansson_config.h jansson_config.h 2>/dev/null) $$at && \
	  { cp $(MULTIARCH)/openssl/* $$at/openssl 2>/dev/null || true; }
	@$(MAKE) --no-print-directory $(MUSL_BUILD) build/musl/libtdc.a build/musl/tests/run \
	  $(CLI:%=build/musl/runtime/cli/%.o)
	build/musl/tests/run tests/ir/*.ir tests/plan/*.plan tests/front/*.td dsl/std/*.td
	@echo "compiled whole; not linked, as its libraries are not here for musl: tdc itself"

# -- the rest --------------------------------------------------------------------------------------
demo: deps
	@$(MAKE) --no-print-directory all
	$(B)/tdc models/mask.td --weights models/mask.safetensors
	$(B)/tdc sample models/mask.td --watch
	$(B)/tdc sample models/mask.td --watch --prompt 'ROMEO: '
	$(B)/tdc sample models/mask.td --watch --prompt 'ROMEO: ' --beside models/gpt.td

NEEDED = flex bison gcc make libjansson-dev libssl-dev libutf8proc-dev libcmocka-dev
deps:
	@command -v flex >/dev/null && command -v bison >/dev/null && command -v $(CC) >/dev/null && \
	test -e /usr/include/jansson.h && test -e /usr/include/openssl/evp.h && \
	test -e /usr/include/utf8proc.h && test -e /usr/include/cmocka.h || \
	if [ "$$(id -u)" = 0 ]; then \
	  apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y $(NEEDED); \
	else \
	  echo "Packages are missing. Run: sudo apt-get install $(NEEDED)" >&2; exit 1; \
	fi

# What is installed: the program, its manual page and completions, the one public header, and the
# library as a single object that shows no names but the header's to the programs that link it.
AT      = $(DESTDIR)$(PREFIX)
VERSION = $(shell sed -n 's/.*TDC_VERSION "\(.*\)"/\1/p' runtime/version.h)

$(B)/install/libtdc.a: $(LIB_OBJ) runtime/td.h
	@mkdir -p $(@D)
	$(LD) -r -o $(@D)/tdc.o $(filter %.o,$^)
	sed -n 's/.*\<\(td_[a-z_]*\)(.*/\1/p' runtime/td.h | sort -u > $(@D)/names
	$(OBJCOPY) --keep-global-symbols=$(@D)/names $(@D)/tdc.o
	@rm -f $@ && $(AR) qcs $@ $(@D)/tdc.o && echo $(AR) $@

# relative to the file itself, so that what is installed can be moved
define PKGCONFIG
prefix=$${pcfiledir}/../..
Name: tdc
Description: compiler and runtime of the .td tensor language
Version: $(VERSION)
Cflags: -I$${prefix}/include
Libs: -L$${prefix}/lib -ltdc $(LIBS)
endef
export PKGCONFIG

install: all $(B)/install/libtdc.a
	install -d $(AT)/bin $(AT)/include $(AT)/lib/pkgconfig $(AT)/share/man/man1 \
	  $(AT)/share/bash-completion/completions $(AT)/share/zsh/site-functions \
	  $(AT)/share/fish/vendor_completions.d
	install -m 755 $(B)/tdc $(AT)/bin/tdc
	install -m 644 runtime/td.h $(AT)/include/td.h
	install -m 644 $(B)/install/libtdc.a $(AT)/lib/libtdc.a
	printf '%s\n' "$$PKGCONFIG" > $(AT)/lib/pkgconfig/tdc.pc
	$(B)/tdc man > $(AT)/share/man/man1/tdc.1
	$(B)/tdc completion bash > $(AT)/share/bash-completion/completions/tdc
	$(B)/tdc completion zsh > $(AT)/share/zsh/site-functions/_tdc
	$(B)/tdc completion fish > $(AT)/share/fish/vendor_completions.d/tdc.fish

# exactly what install put there
uninstall:
	rm -f $(AT)/bin/tdc $(AT)/include/td.h $(AT)/lib/libtdc.a $(AT)/lib/pkgconfig/tdc.pc \
	  $(AT)/share/man/man1/tdc.1 $(AT)/share/bash-completion/completions/tdc \
	  $(AT)/share/zsh/site-functions/_tdc $(AT)/share/fish/vendor_completions.d/tdc.fish

clean:
	rm -rf $(B)

.SECONDARY:
.PHONY: all clang libfuzzer aarch64 musl test formatted format tests-built test-long check-gpu \
  bench-gpu gpu-portable bench bench-quick demo deps install uninstall clean
-include $(LIB_OBJ:.o=.d) $(CLI_OBJ:.o=.d) $(B)/runtime/cli/ready.d $(NOT_READY:.o=.d) \
  $(wildcard $(B)/tests/*.d $(B)/tests/*/*.d) \
  $(SANE_OBJ:.o=.d) $(SANE_CLI:.o=.d) $(wildcard $(B)/sane/tests/*.d $(B)/sane/tests/fuzz/*.d)
