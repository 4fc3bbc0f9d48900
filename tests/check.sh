#!/bin/sh
# `adc --check` of every example that has no battery of its own, of programs that are hard to check, and of those in tests/mixed:
# each prints its table and passes.
#   tests/check.sh ADC
# `# check: OPTION...` in a model are options for this, such as a smaller size.  Prints what fails, and `N passed, N failed`.
set -u
adc=$1
cd "$(dirname "$0")/../examples" || exit 1
passed=0 failed=0
for model in *.ad firmware/*.ad gradbench/*.ad ../tests/programs/equations.ad ../tests/programs/jumps-to-and-fro.ad \
    ../tests/programs/rules-in-loops.ad ../tests/programs/check-outside-domains.ad \
    ../tests/programs/stopped-in-loops.ad ../tests/mixed/*.ad; do
    table=$("$adc" --check $(sed -n 's/^# check: //p' "$model") "$model" 2>&1)
    status=$?
    rows=$(printf '%s\n' "$table" | grep -c ' ok$')
    if [ $status -eq 0 ] && [ "$rows" -gt 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf '%s: exit status %s, %s rows\n%s\n' "$model" $status "$rows" "$table"
    fi
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
