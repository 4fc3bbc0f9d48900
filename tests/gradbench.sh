#!/bin/sh
# GradBench's problems: the tool of examples/gradbench answers small cases, compiled and then out of its cache; and every
# derivative of the models three ways by `adc --check`. What the cases expect was computed from formulas, by other programs.
#   tests/gradbench.sh ADC SCRATCH
# RUNS=1: only the cases, compiled.
# Prints what fails, and `N passed, N failed`.
set -u
adc=$1 scratch=$2
here=$(cd "$(dirname "$0")" && pwd)
models=$(cd "$here/../examples/gradbench" && pwd)
. "$(dirname "$0")/counting.sh"
flags="-std=c11 -D_DEFAULT_SOURCE -Wall -Wextra -Werror -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all"
rm -rf "$scratch"
mkdir -p "$scratch"

for model in hello gmm ba lstm ht_simple ht_complicated kmeans lse llsq det ode; do
    [ -n "${RUNS:-}" ] || check "$model.ad: --check" "$adc" --check "$models/$model.ad"
done

# answers NAME COMPILED FLAG...: all cases, with so many models compiled on the way
answers() {
    name=$1 count=$2
    shift 2
    "$scratch/drive" "$here"/gradbench/cases/*.json -- \
        "$scratch/tool" --adc="$adc" --cache="$scratch/cache" "$@" >"$scratch/$name" 2>&1
    grep -vE '^compiled: |^[0-9]+ passed, [0-9]+ failed$' "$scratch/$name"
    tail -n 1 "$scratch/$name"
    check "$name: $(grep '^compiled: ' "$scratch/$name")" grep -qx "compiled: $count" "$scratch/$name"
}
check "the tool" gcc $flags -DMODELS="\"$models\"" -o "$scratch/tool" "$models"/tool/*.c -ljansson -ldl
check "the driver" gcc $flags -o "$scratch/drive" "$here/gradbench/drive.c" -ljansson -lm
cases=$(ls "$here/gradbench/cases" | wc -l)
answers compiled "$cases" --cflags=-O1
[ -n "${RUNS:-}" ] || answers cached 0 --cflags=-O1
report
