#!/bin/sh
# What a firmware build asks of generated files and the headers next to them, whatever wrote them.
#   tests/firmware/gate.sh double|float SCRATCH FILE.c...
# The files have different names; several at once cost much less than one at a time.  Prints `GATE (REAL):` with the first
# complaints, which name the file, for each gate that does not hold, and `N passed, N failed`: a gate counts once for each
# file that it is asked about.  Tools that are not there are not asked.  QUICK=1 asks one compiler where two would say the
# same, and does not optimise as much; MISRA=0 leaves cppcheck out, MISRA=only everything else; KNOWN is a folder of what
# cppcheck need not judge again.
set -u
LC_ALL=C; export LC_ALL
CCACHE_DISABLE=1; export CCACHE_DISABLE   # a cache of objects does not keep the graphs of calls
real=$1 scratch=$2/gate-$1-$$
shift 2
mkdir -p "$scratch"
trap 'rm -rf "$scratch"' EXIT
firmware=$(cd "$(dirname "$0")" && pwd)
. "$firmware/cores"
. "$firmware/warnings"
for file in "$@"; do
    printf '%s/%s\n' "$(cd "$(dirname "$file")" && pwd)" "$(basename "$file")"
done >"$scratch/files"
count=$#
passed=0 failed=0
quick=${QUICK:-}

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

# Objects, GCC's graphs of calls, and a list of all symbols, of all files at once: in a folder of their own, which the names
# tell apart.
#   objects FOLDER COMPILER FLAG...
objects() {
    folder=$scratch/$1 names=nm
    case $2 in *-gcc) names=${2%gcc}nm ;; esac
    mkdir -p "$folder"
    cd "$folder" || return
    shift
    xargs "$@" -std=c99 -c <"$scratch/files"
    status=$?
    cd "$firmware" || return
    "$names" -A "$folder"/*.o >"$folder/symbols"
    return $status
}

allowed_symbols() {
    # sincos is what a compiler makes of sin and cos
    functions="acos acosh asin asinh atan atan2 atanh cbrt ceil copysign cos cosh erf erfc exp exp2 expm1 fabs floor
        fmax fmin fmod hypot lgamma log log10 log1p log2 nearbyint pow rint round sin sincos sinh sqrt tan tanh
        tgamma trunc"
    if [ $real = float ]; then functions=$(printf '%s\n' $functions | sed 's/$/f/'); fi
    printf '%s\n' $functions memcpy memset memmove _GLOBAL_OFFSET_TABLE_ ${EXTERNS:-} >"$scratch/allowed"
    awk 'NR == FNR { ok[$1] = 1; next } $2 ~ /^[Uvw]$/ && !($NF in ok) { print }' "$scratch/allowed" "$scratch/$1/symbols" |
        none
}

# What a compiler calls for double on a core without it.
soft_double() {
    objects "$1" "${core_tools}gcc" --specs=picolibc.specs $core_flags -O${quick:-2} -w || return
    grep -E " U $soft_double" "$scratch/$1/symbols" | none
}

no_state() { grep -E ' [dDbBC] ' "$scratch/$1/symbols" | none; }

fixed_frames() { grep -E '\(dynamic|__builtin_alloca' "$scratch"/gcc/*.ci | none; }
direct_calls() { grep __indirect_call "$scratch"/gcc/*.ci | none; }
# tsort names every function on a cycle; names of functions are told apart by file
no_recursion() {
    awk -F'"' '/^edge: / { print FILENAME ":" $2, FILENAME ":" $4 }' "$scratch"/gcc/*.ci |
        awk '$1 == $2 { print $1 " calls itself" >"/dev/stderr"; next } { print }' 2>"$scratch/self" |
        tsort >"$scratch/order" 2>"$scratch/cycles"
    cat "$scratch/self" "$scratch/cycles" | none
}

# A sum of a text and its header, whatever they and their functions are called, and of what judges them.
text_sum() {
    name=$(basename "$1" .c)
    upper=$(echo "$name" | tr '[:lower:]' '[:upper:]')
    { sed 1d "$1"; if [ -f "${1%.c}.h" ]; then sed 1d "${1%.c}.h"; fi; } |
        sed -E "s/$name/text/g; s/$upper/TEXT/g; s/\\<(in|IN)_[0-9]+_/\\1_/g" |
        cat - "$scratch/judges" | sha256sum | cut -c1-32
}

# cppcheck on one text, which leaves a dump for its addon.  It follows every value past every condition, and does not come to an
# end in a few long functions that have a hundred of them.
check_text() {
    (ulimit -t 60
    exec cppcheck --quiet --dump --std=c99 --enable=style,warning,performance,portability --suppress=missingIncludeSystem \
        -D"$restrict=" --template='{file}:{line}: {id} {message}' "$1" >>"$scratch/found" 2>&1)
    case $? in
    0) echo "$1" ;;
    137 | 152) echo "$1" >>"$scratch/unfinished" ;;
    *) echo "cppcheck breaks down: $1" >>"$scratch/found" ;;
    esac
}

# With KNOWN, a folder, texts that have been judged before and were clean are not judged again, nor those that cppcheck did not
# finish: a file for each, named by its sum, says which it was.
known() { [ -n "${KNOWN:-}" ] && [ -f "$KNOWN/$1" ]; }
learn() {
    if [ -z "${KNOWN:-}" ]; then return; fi
    mkdir -p "$KNOWN"
    while read -r file; do
        grep -qF "${file%.c}." "$scratch/left" || echo "$1" >"$KNOWN/$(text_sum "$file")"
    done
}

# The generated macro for restrict is defined away, as someone who keeps rule 8.14 would.  What doc/misra.md explains as a
# deviation is left out: some rules at all, some in the functions named adc_*, which are the same text in all files.
misra() {
    : >"$scratch/found"
    : >"$scratch/unfinished"
    { cppcheck --version; cat "$firmware/misra.py" "$firmware/misra.awk"; echo "$real $deviations"; } >"$scratch/judges"
    while read -r file; do
        sum=$(text_sum "$file")
        if ! known "$sum"; then check_text "$file"
        elif [ "$(cat "$KNOWN/$sum")" = unfinished ]; then echo "$file" >>"$scratch/unfinished"
        fi
    done <"$scratch/files" >"$scratch/dumped"
    xargs -r python3 "$firmware/misra.py" "$addon" "$deviations" <"$scratch/dumped" >>"$scratch/found" 2>&1 ||
        echo "cppcheck's addon breaks down" >>"$scratch/found"
    while read -r file; do rm -f "$file.dump"; done <"$scratch/files"
    awk -f "$firmware/misra.awk" "$scratch/found" >"$scratch/left"
    learn clean <"$scratch/dumped"
    learn unfinished <"$scratch/unfinished"
    none <"$scratch/left"
}
restrict=ADC_RESTRICT
deviations=2.5,8.9,10.6,10.8
for addon in /usr/lib/*/cppcheck/addons/misra.py /usr/share/[Cc]ppcheck/addons/misra.py /usr/local/share/[Cc]ppcheck/addons/misra.py; do
    [ -f "$addon" ] && break
done

# Each header twice: in a file of its own, which shows that it needs no other, and all in one file.
header_texts() {
    number=0
    printf '#include <%s>\n' limits.h math.h stdbool.h stdint.h >"$scratch/texts.cc"   # before the namespaces are opened
    while read -r file; do
        header=${file%.c}.h
        number=$((number + 1))
        if [ -f "$header" ]; then printf '#include "%s"\n#include "%s"\n' "$header" "$header"
        else echo 'extern int no_header;'; fi | tee -a "$scratch/together.c" >"$scratch/$(basename "$file")"
        printf 'namespace at_%d {\n#include "%s"\n}\n' $number "$file" >>"$scratch/texts.cc"
    done <"$scratch/files"
    cp "$scratch/together.c" "$scratch/together.cc"
}
headers() { $1 $warnings -fsyntax-only "$scratch/together.$2"; }
headers_alone() { (cd "$scratch" && sed 's,.*/,,' files | xargs $1 $warnings -fsyntax-only); }
knows() { echo 'int main(void) { return 0; }' | $1 -fsyntax-only - 2>/dev/null; }

c_compiler() {
    compiler=$1
    case $compiler in gcc) flags="-O${quick:-2} -fcallgraph-info=su" ;; clang) flags=-O1 ;; esac
    # clang++ warns of the text in any case
    if [ -z "$quick" ] || [ $compiler = gcc ] || ! has gcc; then
        gate "warnings of $compiler" objects $compiler $compiler $flags $warnings
        # the other gates are asked all the same
        [ "$(ls "$scratch/$compiler" | grep -c '\.o$')" -eq $count ] || objects $compiler $compiler $flags -w 2>/dev/null
        gate "symbols" allowed_symbols $compiler
        [ -n "${STATE:-}" ] || gate "static state" no_state $compiler
    fi
    for language in c99 c11 c2x; do
        knows "$compiler -std=$language -xc" || continue
        gate "header as $language, $compiler" headers "$compiler -std=$language" c
    done
}

cxx_compiler() {
    for language in c++11 c++17; do
        gate "header as $language, $1" headers "$1 -std=$language" cc
    done
    if [ -n "$quick" ] && [ "$1" = g++ ] && has clang++; then return; fi
    gate "text as C++17, $1" $1 -std=c++17 $warnings -Wno-deprecated -Wno-unused-function -fsyntax-only "$scratch/texts.cc"
}

c_gates() {
    header_texts
    for compiler in gcc clang; do
        if has $compiler; then c_compiler $compiler; fi
    done
    if has gcc; then
        gate "header alone, gcc" headers_alone "gcc -std=c99"
        gate "frame of unknown size" fixed_frames
        gate "call through a pointer" direct_calls
        gate "recursion" no_recursion
    fi
    for compiler in g++ clang++; do
        if has $compiler; then cxx_compiler $compiler; fi
    done
    for name in ${quick:+m3} $([ -n "$quick" ] || echo $soft_cores); do
        core "$name"
        [ $real = float ] && [ -z "$(core_missing)" ] || continue
        gate "double on $name" soft_double "$name"
    done
}

[ "${MISRA:-}" = only ] || c_gates
if [ "${MISRA:-1}" != 0 ] && has cppcheck && has python3 && [ -f "$addon" ]; then gate "cppcheck and MISRA" misra; fi
if [ -f "$scratch/unfinished" ]; then sed 's,.*/,cppcheck does not end: ,' "$scratch/unfinished"; fi
echo "$passed passed, $failed failed"
[ $failed = 0 ]
