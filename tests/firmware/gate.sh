#!/bin/sh
# What a firmware build asks of generated files and the headers next to them, whatever wrote them.
#   tests/firmware/gate.sh double|float SCRATCH FILE.c...
# The files have different names; several at once cost much less than one at a time.  Prints `GATE (REAL):` with the first
# complaints, which name the file, for each gate that does not hold, and `N passed, N failed`: a gate counts once for each
# file that it is asked about.  Tools that are not there are not asked.  MISRA=0 leaves cppcheck out, which is slow.
set -u
LC_ALL=C; export LC_ALL
CCACHE_DISABLE=1; export CCACHE_DISABLE   # a cache of objects does not keep the graphs of calls
real=$1 scratch=$2/gate-$1-$$
shift 2
mkdir -p "$scratch"
trap 'rm -rf "$scratch"' EXIT
firmware=$(cd "$(dirname "$0")" && pwd)
for file in "$@"; do
    printf '%s/%s\n' "$(cd "$(dirname "$file")" && pwd)" "$(basename "$file")"
done >"$scratch/files"
count=$#
passed=0 failed=0
warnings="-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wdouble-promotion -Wfloat-equal -Wundef
    -Wvla -Werror"

# gate WHAT COMMAND...: the command succeeds; its output is shown when it does not
gate() {
    what=$1
    shift
    if "$@" >"$scratch/log" 2>&1; then passed=$((passed + count))
    else
        failed=$((failed + 1))
        echo "$what ($real):"
        head -12 "$scratch/log"
    fi
}
has() { command -v "$1" >/dev/null 2>&1; }

# Succeeds if there is nothing on standard input, shows it otherwise.
none() { ! grep .; }

# Objects, and GCC's graphs of calls, of all files at once: in a folder of their own, which the names tell apart.
#   objects COMPILER FLAG...
objects() {
    compiler=$1
    shift
    mkdir -p "$scratch/$compiler"
    (cd "$scratch/$compiler" && xargs "$compiler" -std=c99 "$@" -c <"$scratch/files")
}

allowed_symbols() {
    # sincos is what a compiler makes of sin and cos
    functions="acos acosh asin asinh atan atan2 atanh cbrt ceil copysign cos cosh erf erfc exp exp2 expm1 fabs floor
        fmax fmin fmod hypot lgamma log log10 log1p log2 nearbyint pow rint round sin sincos sinh sqrt tan tanh
        tgamma trunc"
    if [ $real = float ]; then functions=$(printf '%s\n' $functions | sed 's/$/f/'); fi
    printf '%s\n' $functions memcpy memset memmove _GLOBAL_OFFSET_TABLE_ ${EXTERNS:-} >"$scratch/allowed"
    nm -A -u "$scratch/$1"/*.o | awk 'NR == FNR { ok[$1] = 1; next } !($NF in ok) { print }' "$scratch/allowed" - | none
}

no_state() { nm -A "$scratch/$1"/*.o | grep -E ' [dDbBC] ' | none; }

fixed_frames() { grep -E '\(dynamic|__builtin_alloca' "$scratch"/gcc/*.ci | none; }
direct_calls() { grep __indirect_call "$scratch"/gcc/*.ci | none; }
# tsort names every function on a cycle; names of functions are told apart by file
no_recursion() {
    awk -F'"' '/^edge: / { print FILENAME ":" $2, FILENAME ":" $4 }' "$scratch"/gcc/*.ci |
        awk '$1 == $2 { print $1 " calls itself" >"/dev/stderr"; next } { print }' 2>"$scratch/self" |
        tsort >"$scratch/order" 2>"$scratch/cycles"
    cat "$scratch/self" "$scratch/cycles" | none
}

# The generated macro for restrict is defined away, as someone who keeps rule 8.14 would.  What doc/misra.md explains as a
# deviation is left out: some rules at all, some in the functions named adc_*, which are the same text in all files.  That
# files define functions of one name (8.6), or tables (5.9), is no finding: they are not linked together.
misra() {
    cppcheck --quiet --std=c99 --addon=misra --enable=style,warning,performance,portability $suppressions \
        -D"$restrict=" --template='{file}:{line}: {id} {message}' --file-list="$scratch/files" 2>&1 |
        awk -f "$firmware/misra.awk" | none
}
restrict=ADC_RESTRICT
suppressions='--suppress=missingIncludeSystem --suppress=misra-c2012-2.5 --suppress=misra-c2012-8.6
    --suppress=misra-c2012-5.9 --suppress=misra-c2012-8.9 --suppress=misra-c2012-10.6 --suppress=misra-c2012-10.8'

# Each header twice in a file of its own.
header_texts() {
    while read -r file; do
        header=${file%.c}.h
        for language in c cc; do
            printf '#include "%s"\n#include "%s"\nint main(void) { return 0; }\n' "$header" "$header" \
                >"$scratch/$(basename "$file" .c).$language"
        done
    done <"$scratch/files"
}
headers() { $1 $warnings -fsyntax-only "$scratch"/*."$2"; }
knows() { echo 'int main(void) { return 0; }' | $1 -fsyntax-only - 2>/dev/null; }

header_texts
for compiler in gcc clang; do
    has $compiler || continue
    case $compiler in gcc) flags='-O2 -fcallgraph-info=su' ;; clang) flags=-O1 ;; esac
    gate "warnings of $compiler" objects $compiler $flags $warnings
    # the other gates are asked all the same
    [ "$(ls "$scratch/$compiler" | grep -c '\.o$')" -eq $count ] || objects $compiler $flags -w 2>/dev/null
    gate "symbols" allowed_symbols $compiler
    gate "static state" no_state $compiler
    for language in c99 c11 c2x; do
        knows "$compiler -std=$language -xc" || continue
        gate "header as $language, $compiler" headers "$compiler -std=$language" c
    done
done
if has gcc; then
    gate "frame of unknown size" fixed_frames
    gate "call through a pointer" direct_calls
    gate "recursion" no_recursion
fi
for compiler in g++ clang++; do
    has $compiler || continue
    for language in c++11 c++17; do
        gate "header as $language, $compiler" headers "$compiler -std=$language" cc
    done
    gate "text as C++17, $compiler" xargs $compiler -x c++ -std=c++17 $warnings -Wno-deprecated -fsyntax-only \
        <"$scratch/files"
done
if [ "${MISRA:-1}" = 1 ] && has cppcheck; then gate "cppcheck and MISRA" misra; fi
echo "$passed passed, $failed failed"
[ $failed = 0 ]
