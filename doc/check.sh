#!/bin/sh
# doc/check.sh ADC [DIR]: what README.md and doc/*.md show, against what adc does.  Ends in `N passed, N failed`.
#
# An ```adc block is a program whose tests are run.  It becomes DIR/PAGE_LINE.ad with as many empty lines before it as
# the page has, so that messages name the page's lines; without a test it counts as failed: nothing would tell when it
# stops being true.
# A ```csv NAME block is a file beside these programs.
# Every builtin of --list-ops stands in one of the programs.
# A ```c NAME.ad block is a part of what adc writes for examples/NAME.ad, word for word.
set -u
adc=$1
dir=${2:-$(mktemp -d)}
root=$(dirname "$0")/..
sh "$root/doc/programs" "$dir"

# part FILE PROGRAM: the lines of FILE stand in what adc writes
part() {
    "$adc" "$root/examples/$2" 2>/dev/null | awk -v file="$1" '
        BEGIN { while ((getline line < file) > 0) wanted = wanted line "\n" }
        { text = text $0 "\n" }
        END { exit !index(text, wanted) }'
}

passed=0 failed=0
for block in "$dir"/*.part; do
    program=${block##*-}
    if part "$block" "${program%.part}"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "$block: adc writes something else"
    fi
done
for block in "$dir"/*.ad; do
    "$adc" --test "$block" > "$dir/log" 2>&1
    grep -q '^test ' "$block" || echo 'no test: 0 passed, 1 failed' >> "$dir/log"
    counts=$(sed -n 's/^\(no test: \)*\([0-9]*\) passed, \([0-9]*\) failed$/\2 \3/p' "$dir/log" | tail -n 1)
    counts=${counts:-0 1}                                   # it did not get that far
    passed=$((passed + ${counts% *})) failed=$((failed + ${counts#* }))
    if [ "${counts#* }" -gt 0 ]; then
        echo "$block:"
        cat "$dir/log"
    fi
done

# A name of the list that a program can call is a builtin.
sed 's/#.*//' "$dir"/manual_*.ad > "$dir/programs"
builtins=$("$adc" --list-ops | awk '/^builtins/ { all = 1; next } all { for (k = 1; k <= NF; k++) print $k; next }
    NR > 1 && NF && $1 !~ /_bar:$/ { print $1 }')
for name in $builtins; do
    echo "fn f(x: real) -> (y: real) { y = $name(); }" > "$dir/call"
    "$adc" "$dir/call" 2>&1 | grep -q "no function named\|expected" && continue
    if grep -q "\(^\|[^a-z_0-9]\)$name *(" "$dir/programs"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "$name: the manual has no program that calls it"
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
