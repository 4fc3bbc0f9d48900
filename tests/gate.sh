#!/bin/sh
# The rules that generated C keeps, checked on one program, in double and in float.
#   tests/gate.sh ADC SCRATCH FILE.ad
# Prints what is broken, and `N passed, N failed`.  Tools that are not there are not asked.
set -u
adc=$1 program=$(cd "$(dirname "$3")" && pwd)/$(basename "$3")
name=$(basename "$3" .ad)
scratch=$2/$(printf '%s' "$program" | cksum | tr -d ' ')-$name
rm -rf "$scratch"
mkdir -p "$scratch"
passed=0 failed=0
warnings="-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wdouble-promotion -Wfloat-equal -Wvla -Werror"

# check WHAT COMMAND...: the command succeeds; its output is shown when it does not
check() {
    what=$1
    shift
    if "$@" >"$scratch/log" 2>&1; then passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "$program ($real): $what"
        head -12 "$scratch/log"
    fi
}
has() { command -v "$1" >/dev/null 2>&1; }

generate() { (ulimit -v 4000000; exec "$adc" --real=$real "$program" -o "$out/$name.c"); }

# Another folder, locale and time zone give the same bytes.
regenerate() {
    mkdir -p "$out/again"
    (cd / && LC_ALL=de_DE.UTF-8 TZ=Asia/Tokyo "$adc" --real=$real "$program" -o "$out/again/$name.c") &&
        cmp "$out/$name.c" "$out/again/$name.c" && cmp "$out/$name.h" "$out/again/$name.h"
}

allowed_symbols() {
    functions="acos acosh asin asinh atan atan2 atanh cbrt ceil copysign cos cosh erf erfc exp exp2 expm1 fabs floor fmax
        fmin fmod hypot lgamma log log10 log1p log2 nearbyint pow rint round sin sincos sinh sqrt tan tanh tgamma trunc"
    if [ $real = float ]; then functions=$(printf '%s\n' $functions | sed 's/$/f/'); fi
    unknown=$(nm -u "$1" | awk '{ print $NF }' | grep -vE '^(memcpy|memset|memmove|_GLOBAL_OFFSET_TABLE_)$' |
        while read -r symbol; do
            printf '%s\n' $functions | grep -qx "$symbol" || echo "$symbol"
        done)
    [ -z "$unknown" ] || { echo "undefined symbols: $unknown"; false; }
}

no_state() {
    state=$(nm "$1" | grep -E ' [dDbBC] ')
    [ -z "$state" ] || { echo "$state"; false; }
}

for real in double float; do
    out=$scratch/$real
    mkdir -p "$out"
    check "adc fails" generate
    [ -f "$out/$name.c" ] || continue
    check "regenerated text differs" regenerate
    for compiler in gcc clang; do
        has $compiler || continue
        check "$compiler warns" $compiler -std=c99 -O1 $warnings -c "$out/$name.c" -o "$out/$name.$compiler.o"
        [ -f "$out/$name.$compiler.o" ] || continue
        check "$compiler: foreign symbols" allowed_symbols "$out/$name.$compiler.o"
        check "$compiler: static state" no_state "$out/$name.$compiler.o"
    done
    printf '#include "%s.h"\n#include "%s.h"\nint main() { return 0; }\n' "$name" "$name" >"$out/header.cc"
    for compiler in g++ clang++; do
        has $compiler || continue
        check "$compiler: header" $compiler -std=c++17 $warnings -fsyntax-only "$out/header.cc"
        check "$compiler: as C++" $compiler -x c++ -std=c++17 $warnings -Wno-deprecated -fsyntax-only "$out/$name.c"
    done
    if has cppcheck; then
        check "cppcheck" cppcheck --quiet --std=c99 --enable=warning,performance,portability --error-exitcode=1 \
            "$out/$name.c"
    fi
done
[ $failed -gt 0 ] || rm -rf "$scratch"
echo "$passed passed, $failed failed"
