#!/bin/sh
# Shows that every gate of gate.sh closes: each file of violations/ names in its first line the gate that has to refuse
# it.
#   tests/firmware/gate_test.sh SCRATCH
set -u
LC_ALL=C; export LC_ALL
firmware=$(cd "$(dirname "$0")" && pwd)
scratch=$1/violations
mkdir -p "$scratch"
passed=0 failed=0

for file in "$firmware"/violations/*; do
    expected=$(sed -n '1s,^/\* gate: \(.*\) \*/$,\1,p' "$file")
    [ -n "$expected" ] || continue
    compiler=$(printf %s "$expected" | sed -n 's/.*\(gcc\|g++\|clang\|clang++\|cppcheck\).*/\1/p')
    command -v "${compiler:-gcc}" >/dev/null || continue
    cp "$firmware/violations/clean.c" "$firmware/violations/clean.h" "$scratch"
    cp "$file" "$scratch/clean.${file##*.}"
    sh "$firmware/gate.sh" float "$scratch" "$scratch/clean.c" >"$scratch/log"
    if [ "$expected" = none ]; then grep -q ', 0 failed$' "$scratch/log"
    else grep -qF "$expected (float):" "$scratch/log"; fi
    if [ $? = 0 ]; then passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "$(basename "$file"): should be refused for '$expected'"
        cat "$scratch/log"
    fi
done
echo "$passed passed, $failed failed"
[ $failed = 0 ]
