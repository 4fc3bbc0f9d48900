#!/bin/sh
# ADBench's problems: every derivative three ways, and objectives and derivatives against reference values.
#   tests/adbench.sh ADC SCRATCH
# RUNS=1: only the compiled programs. Prints what fails, and `N passed, N failed`.
set -u
adc=$1 scratch=$2
here=$(cd "$(dirname "$0")/../examples/adbench" && pwd)
mkdir -p "$scratch"
. "$(dirname "$0")/counting.sh"

for model in gmm lstm ba; do
    [ -n "${RUNS:-}" ] || check "$model.ad: --check" "$adc" --check "$here/$model.ad"
done
[ -n "${RUNS:-}" ] || check "hand.ad: --check" "$adc" --check -D N=2 -D V=4 -D F=3 "$here/hand.ad"

for data in $(find "$here/data" -name '*.txt' ! -path '*/model_*' | sort); do
    file=${data#"$here/data/"}
    case ${RUNS:-}$file in
    1*) ;;
    *var* | */test.txt | *hand_complicated.txt)
        CFLAGS="-O1 -fsanitize=address,undefined -fno-sanitize-recover=all" ADCFLAGS=--unchecked \
            check "$file, sanitized" sh "$here/run" "$adc" "$scratch" "$data" "$here/reference/$file" ;;
    esac
    check "$file" sh "$here/run" "$adc" "$scratch" "$data" "$here/reference/$file"
done
report
