#!/bin/sh
# The rules that generated C keeps, checked on programs, in double and in float.
#   tests/gate.sh ADC SCRATCH FILE.ad...
# Prints what is broken, and `N passed, N failed`.  MISRA and QUICK as in firmware/gate.sh; REALS=float leaves double out;
# OPTIONS are more options of adc; STATE=work: with those that ask for static workspace.  A program that is for double
# only, for a constant or an int that no float holds, must be refused for that, and nothing be written.
set -u
LC_ALL=C; export LC_ALL
tests=$(cd "$(dirname "$0")" && pwd)
adc=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
mkdir -p "$2/gate-$$"
scratch=$(cd "$2/gate-$$" && pwd)
shift 2
passed=0 failed=0

count() {
    if [ $? = 0 ]; then passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "$program ($real): $1"
        head -12 "$scratch/log"
    fi
}

# Another folder, locale, time zone and umask give the same bytes.
regenerate() {
    mkdir -p "$scratch/again"
    (cd / && umask 077 && LC_ALL=de_DE.UTF-8 TZ=Asia/Tokyo "$adc" $options "$program" -o "$scratch/again/$name.c") &&
        cmp "$out/$name.c" "$scratch/again/$name.c" && cmp "$out/$name.h" "$scratch/again/$name.h"
}

refused() {
    [ $real = float ] && [ ! -e "$out/$name.c" ] &&
        grep -qE 'error: (this constant overflows a float$|in float, )' "$scratch/log"
}

# generate NUMBER: the text of $program, with a name that no other program's has
generate() {
    name=$(basename "$program" .ad | tr -c 'A-Za-z0-9_\n' _)_$1
    options="--prefix=in_$1_ $(sed -n 's/^# options: //p' "$program" | head -1) --real=$real ${OPTIONS:-}"
    (ulimit -v 4000000; exec "$adc" $options "$program" -o "$out/$name.c") >"$scratch/log" 2>&1 || refused
    count 'adc fails'
    [ -f "$out/$name.c" ] || return
    regenerate >"$scratch/log" 2>&1
    count 'regenerated text differs'
}

for real in ${REALS:-double float}; do
    out=$scratch/$real number=0
    mkdir -p "$out"
    for program in "$@"; do
        program=$(cd "$(dirname "$program")" && pwd)/$(basename "$program")
        number=$((number + 1))
        generate $number
    done
    [ -n "$(ls "$out")" ] || continue
    EXTERNS=$(cat "$@" | sed -n 's/^extern fn \([A-Za-z0-9_]*\).*/\1/p' | tr '\n' ' ')
    export EXTERNS
    sh "$tests/firmware/gate.sh" $real "$scratch" "$out"/*.c >"$scratch/gates"
    sed '$d' "$scratch/gates"
    summary=$(tail -1 "$scratch/gates")
    passed=$((passed + ${summary%% *})) failed=$((failed + $(echo "$summary" | sed 's/.* passed, \([0-9]*\) failed/\1/')))
done
[ $failed -gt 0 ] || rm -rf "$scratch"
echo "$passed passed, $failed failed"
[ $failed = 0 ]
