#!/bin/sh
# Runs `adc --test` on one file: prints a summary line, and all that adc said when something failed or adc broke down.
#   tests/one.sh ADC FILE [OPTION...]
# A program's own options stand in it: `# options: ...`.
adc=$1 file=$2
shift 2
out=$("$adc" --test $(sed -n 's/^# options: //p' "$file" | head -1) "$@" "$file" 2>&1)
status=$?
case "$out" in
*" passed, 0 failed") [ $status -ne 0 ] || out=$(printf '%s\n' "$out" | tail -n 1) ;;
esac
case "$out" in
*" passed, "*" failed") [ $status -le 1 ] || out="$file: exit status $status
$out" ;;
*) out="$file: exit status $status
$out
0 passed, 1 failed" ;;
esac
printf '%s\n' "$out"
