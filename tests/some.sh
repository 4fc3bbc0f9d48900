#!/bin/sh
# Runs `adc --test` on files: those with options of their own one by one, the others together; one by one when adc breaks down.
#   tests/some.sh ADC "OPTIONS" FILE...
adc=$1 options=$2 here=$(dirname "$0") together=
shift 2
for file in "$@"; do
    if [ $# -gt 1 ] && ! grep -q '^# options: ' "$file"; then together="$together $file"
    else sh "$here/one.sh" "$adc" "$file" $options; fi
done
[ -n "$together" ] || exit 0
out=$("$adc" --test $options $together 2>&1)
status=$?
case "$out" in
*" passed, 0 failed") if [ $status -eq 0 ]; then printf '%s\n' "$out" | tail -n 1; exit; fi ;;
*" passed, "*" failed") if [ $status -le 1 ]; then printf '%s\n' "$out"; exit; fi ;;
esac
for file in $together; do sh "$here/one.sh" "$adc" "$file" $options; done
