# adc: build, test, install.  Nothing is written outside $(BUILD); give another one to keep builds apart.
#
#   make                the compiler, $(BUILD)/adc
#   make demo           what it does, on a small example
#   make gradbench      GradBench's problems: examples/gradbench
#   make check          all tests; the last line is `N passed, N failed`
#   make firmware       the workloads on emulated cores: instructions, flash, RAM and stack of each
#   make gate           the rules of generated C, with MISRA checks, on all programs: hours
#   make promote        rewrites the golden files of tests/golden and tests/errors: read the diff
#   make bench          timings
#   make install        the compiler and its manual page, below $(DESTDIR)$(PREFIX)
#   make tools          flex and bison, through the system's package manager; the build does it when they are missing

BUILD   ?= build
PREFIX  ?= /usr/local
CFLAGS  ?= -O2 -g
WARN     = -Wall -Wextra -Wpedantic -Wshadow
FLEX    ?= flex
BISON   ?= bison

ADC      = $(BUILD)/adc
TOOLS    = $(BUILD)/tools.stamp
# grammar/NAME.y becomes $(BUILD)/NAME.tab.c and NAME.tab.h, grammar/NAME.l $(BUILD)/NAME.lex.c and NAME.lex.h
PARSERS  = $(patsubst grammar/%.y,$(BUILD)/%.tab.c,$(wildcard grammar/*.y))
SCANNERS = $(patsubst grammar/%.l,$(BUILD)/%.lex.c,$(wildcard grammar/*.l))
TEXTS    = $(BUILD)/prelude.c $(BUILD)/special_text.c
# LLVM=0 leaves the LLVM back end out; LLVM_CONFIG names another llvm-config (15 or newer)
ifeq ($(LLVM),0)
LLVM_CONFIG :=
else ifndef LLVM_CONFIG
LLVM_CONFIG := $(firstword $(shell for v in -19 -18 -17 -16 -15 '' -22 -21 -20; do command -v llvm-config$$v; done; true))
endif
ifneq ($(shell [ -n "$(LLVM_CONFIG)" ] && [ "$$($(LLVM_CONFIG) --version | cut -d. -f1)" -ge 15 ] && echo yes),)
LLVM_FLAGS   := $(shell $(LLVM_CONFIG) --cppflags)
LLVM_LIBS    := $(shell $(LLVM_CONFIG) --link-shared --ldflags --libs)
LLVM_MODULE   = $(BUILD)/adc-llvm.so
endif
LLVM_SOURCES  = $(wildcard src/codegen/llvm*.c)
LLVM_OBJECTS  = $(LLVM_SOURCES:%.c=$(BUILD)/%.o)
SOURCES  = $(filter-out $(LLVM_SOURCES),$(wildcard src/*.c src/*/*.c grammar/*.c))
OBJECTS  = $(SOURCES:%.c=$(BUILD)/%.o) $(PARSERS:.c=.o) $(SCANNERS:.c=.o) $(TEXTS:.c=.o)
COMPILE  = $(CC) -std=c11 -Isrc -I$(BUILD) $(WARN) $(MODULE_FLAGS) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

all: $(ADC) $(LLVM_MODULE)
	@$(if $(LLVM_MODULE),,rm -f $(BUILD)/adc-llvm.so)

# The back end that is loaded when it is needed calls functions of adc.
$(ADC): $(OBJECTS)
	$(CC) $(CFLAGS) $(LDFLAGS) -rdynamic -o $@ $(OBJECTS) -ldl -lm

$(BUILD)/adc-llvm.so: $(LLVM_OBJECTS)
	$(CC) $(CFLAGS) $(LDFLAGS) -shared -o $@ $(LLVM_OBJECTS) $(LLVM_LIBS)
$(LLVM_OBJECTS): MODULE_FLAGS = $(LLVM_FLAGS) -fPIC
# another LLVM than last time: its headers are others
$(LLVM_OBJECTS): $(BUILD)/llvm-flags
$(BUILD)/llvm-flags: FORCE
	@mkdir -p $(@D)
	@echo '$(LLVM_FLAGS) $(LLVM_LIBS)' | cmp -s - $@ || echo '$(LLVM_FLAGS) $(LLVM_LIBS)' >$@

# The generated headers come first where sources include them.
$(patsubst %.c,$(BUILD)/%.o,$(filter src/frontend/% grammar/%,$(SOURCES))): | $(PARSERS) $(SCANNERS)
$(BUILD)/src/%.o: src/%.c
	@mkdir -p $(@D)
	$(COMPILE)
$(BUILD)/grammar/%.o: grammar/%.c
	@mkdir -p $(@D)
	$(COMPILE)
$(PARSERS:.c=.o) $(TEXTS:.c=.o): %.o: %.c
	$(COMPILE)
# what flex writes is not ours to keep warning-free
$(SCANNERS:.c=.o): %.o: %.c | $(PARSERS)
	$(COMPILE) -Wno-unused-function -Wno-sign-compare

$(PARSERS): $(BUILD)/%.tab.c: grammar/%.y | $(TOOLS)
	$(BISON) -Wall -o $@ --header=$(BUILD)/$*.tab.h $<
$(SCANNERS): $(BUILD)/%.lex.c: grammar/%.l | $(TOOLS)
	$(FLEX) -o $@ --header-file=$(BUILD)/$*.lex.h $<

# A text becomes a NUL-terminated array: string literals of this length are not portable C.
define embed
@mkdir -p $(@D)
{ echo 'extern const char $(1)[];'; echo 'const char $(1)[] = {'; \
  od -An -v -td1 $< | sed 's/ *\(-*[0-9][0-9]*\)/\1,/g'; echo '0};'; } > $@.part && mv $@.part $@
endef
$(BUILD)/prelude.c: src/frontend/prelude.ad
	$(call embed,prelude_text)
$(BUILD)/special_text.c: src/ir/special.inc
	$(call embed,special_text)

$(TOOLS):
	@mkdir -p $(@D)
	@sh .ci/tools flex bison m4
	@touch $@
tools: $(TOOLS)

# GradBench's problems, and the program that speaks its protocol: the one that needs a library, for JSON.
GRADBENCH = $(BUILD)/gradbench/tool
gradbench: all $(GRADBENCH)
$(GRADBENCH): $(wildcard examples/gradbench/tool/*.[ch])
	@sh .ci/tools jansson.h
	@mkdir -p $(@D)
	$(CC) -std=c11 -D_DEFAULT_SOURCE $(WARN) $(CPPFLAGS) $(CFLAGS) -DMODELS='"$(abspath examples/gradbench)"' \
	    -o $@ $(filter %.c,$^) $(LDFLAGS) -ljansson -ldl

demo: all
	@sh examples/demo $(ADC) $(BUILD)/demo
check: all
	@sh .ci/tools clang g++ cppcheck || echo 'the tests that need them are left out' >&2
	@sh tests/run $(ADC) $(BUILD)/tests
firmware: all
	@sh .ci/firmware
	@sh tests/firmware/run $(ADC) $(BUILD)/firmware
gate: all
	@sh .ci/tools clang g++ cppcheck
	@GATE=all sh tests/run $(ADC) $(BUILD)/tests gate
promote: all
	@sh tests/run --promote $(ADC) $(BUILD)/tests
bench: all
	@sh bench/run $(ADC) $(BUILD)/bench

install: all
	mkdir -p $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 755 $(ADC) $(DESTDIR)$(PREFIX)/bin/adc
	$(if $(LLVM_MODULE),mkdir -p $(DESTDIR)$(PREFIX)/lib/adc && install -m 755 $(LLVM_MODULE) $(DESTDIR)$(PREFIX)/lib/adc/)
	install -m 644 doc/adc.1 $(DESTDIR)$(PREFIX)/share/man/man1/adc.1

clean:
	rm -rf $(BUILD)

.PHONY: FORCE all tools gradbench demo firmware gate check promote bench install clean
.DELETE_ON_ERROR:
-include $(wildcard $(BUILD)/*.d $(BUILD)/*/*.d $(BUILD)/*/*/*.d)
