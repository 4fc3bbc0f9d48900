#!/bin/sh
# What a firmware build asks of one generated file and the header next to it, whatever wrote it.
#   tests/firmware/gate.sh double|float FILE.c SCRATCH
# Prints `FILE (REAL): GATE: ...` with the first complaints for each gate that does not hold, and `N passed, N failed`.
# Tools that are not there are not asked.
set -u
LC_ALL=C; export LC_ALL
real=$1 file=$2 name=$(basename "$2" .c) folder=$(cd "$(dirname "$2")" && pwd)
scratch=$3/gate-$name-$real
mkdir -p "$scratch"
passed=0 failed=0
warnings="-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wdouble-promotion -Wfloat-equal -Wundef
    -Wvla -Werror"

# gate WHAT COMMAND...: the command succeeds; its output is shown when it does not
gate() {
    what=$1
    shift
    if "$@" >"$scratch/log" 2>&1; then passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "$file ($real): $what"
        head -12 "$scratch/log"
    fi
}
has() { command -v "$1" >/dev/null 2>&1; }

# Succeeds if there is nothing on standard input, shows it otherwise.
none() { ! grep .; }

allowed_symbols() {
    # sincos is what a compiler makes of sin and cos
    functions="acos acosh asin asinh atan atan2 atanh cbrt ceil copysign cos cosh erf erfc exp exp2 expm1 fabs floor
        fmax fmin fmod hypot lgamma log log10 log1p log2 nearbyint pow rint round sin sincos sinh sqrt tan tanh
        tgamma trunc"
    if [ $real = float ]; then functions=$(printf '%s\n' $functions | sed 's/$/f/'); fi
    printf '%s\n' $functions memcpy memset memmove _GLOBAL_OFFSET_TABLE_ >"$scratch/allowed"
    nm -u "$1" | awk '{ print $NF }' | grep -vxFf "$scratch/allowed" | none
}

no_state() { nm "$1" | grep -E ' [dDbBC] ' | none; }

# The compiler's own graph of calls, with the frame of each function.
call_graph() {
    gcc -std=c99 -O2 -fcallgraph-info=su -c "$folder/$name.c" -o "$scratch/graph.o" &&
        mv "$scratch/graph.ci" "$scratch/graph"
}
fixed_frames() { grep -E '\(dynamic|__builtin_alloca' "$scratch/graph" | none; }
direct_calls() { grep __indirect_call "$scratch/graph" | none; }
# tsort names every function on a cycle
no_recursion() {
    sed -n 's/^edge: { sourcename: "\([^"]*\)" targetname: "\([^"]*\)".*/\1 \2/p' "$scratch/graph" |
        awk '$1 == $2 { print $1 " calls itself" >"/dev/stderr"; next } { print }' 2>"$scratch/self" |
        tsort >"$scratch/order" 2>"$scratch/cycles"
    cat "$scratch/self" "$scratch/cycles" | none
}

# The generated macro for restrict is defined away, as someone who keeps rule 8.14 would.  2.5 and 8.9 are deviations
# that doc/misra.md explains.
misra() {
    cppcheck --quiet --std=c99 --addon=misra --enable=style,warning,performance,portability $suppressions \
        -D"$restrict=" --template='{file}:{line}: {id} {message}' --error-exitcode=1 "$folder/$name.c"
}
restrict=ADC_RESTRICT
suppressions='--suppress=missingIncludeSystem --suppress=misra-c2012-2.5 --suppress=misra-c2012-8.9'

header_alone() {
    printf '#include "%s.h"\n#include "%s.h"\nint main(void) { return 0; }\n' "$name" "$name" >"$scratch/header.$2"
    $1 -I"$folder" $warnings -fsyntax-only "$scratch/header.$2"
}

for compiler in gcc clang; do
    has $compiler || continue
    gate "warnings of $compiler" $compiler -std=c99 -O1 $warnings -c "$folder/$name.c" -o "$scratch/$compiler.o"
    [ -f "$scratch/$compiler.o" ] || # the other gates are asked all the same
        $compiler -std=c99 -O1 -w -c "$folder/$name.c" -o "$scratch/$compiler.o" 2>/dev/null || continue
    gate "symbols" allowed_symbols "$scratch/$compiler.o"
    gate "static state" no_state "$scratch/$compiler.o"
    for language in c99 c11; do gate "header as $language, $compiler" header_alone "$compiler -std=$language" c; done
done
if has gcc; then
    gate "call graph" call_graph
    gate "frame of unknown size" fixed_frames
    gate "call through a pointer" direct_calls
    gate "recursion" no_recursion
fi
for compiler in g++ clang++; do
    has $compiler || continue
    for language in c++11 c++17; do
        gate "header as $language, $compiler" header_alone "$compiler -std=$language" cc
    done
    gate "text as C++17, $compiler" $compiler -x c++ -std=c++17 $warnings -Wno-deprecated -fsyntax-only \
        "$folder/$name.c"
done
if has cppcheck; then gate "cppcheck and MISRA" misra; fi
[ $failed -gt 0 ] || rm -rf "$scratch"
echo "$passed passed, $failed failed"
[ $failed = 0 ]
