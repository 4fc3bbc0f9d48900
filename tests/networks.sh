#!/bin/sh
# The networks of examples/: every derivative three ways by `adc --check`, and one of them trained with generated code.
#   tests/networks.sh ADC SCRATCH
# Prints what fails, and `N passed, N failed`.
set -u
adc=$1 scratch=$2
examples=$(cd "$(dirname "$0")/../examples" && pwd)
mkdir -p "$scratch"
. "$(dirname "$0")/counting.sh"
if "$adc" --version | grep -q '^with LLVM'; then engines=c,llvm; else engines=c; fi

for model in "$examples"/networks/*.ad; do
    check "$model: --check" "$adc" --check --engine=$engines "$model"
done

# train REAL CC CFLAGS: at least 28 of the 30 flowers that were held back are recognised
train() {
    "$adc" --real="$1" "$examples/networks/iris.ad" -o "$scratch/iris.c" &&
        $2 $3 -std=c99 -DREAL="$1" -I"$scratch" -o "$scratch/train_iris" "$examples/networks/train_iris.c" \
            "$scratch/iris.c" -lm &&
        "$scratch/train_iris" "$examples/networks/iris.csv"
}
for compiler in gcc clang; do
    command -v $compiler >/dev/null 2>&1 || continue
    check "irises, $compiler -O2" train double $compiler -O2
    check "irises in floats, $compiler, sanitized" train float $compiler "-O1 -fsanitize=address,undefined"
done
report
