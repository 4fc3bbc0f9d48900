#!/bin/sh
# The loops of examples/: their derivatives three ways; and that the C text is as long for a million trips as for ten: apart from
# numerals and line breaks it is the same.
#   tests/loops.sh ADC SCRATCH
# Prints what fails, and `N passed, N failed`.
set -u
adc=$1 scratch=$2
examples=$(cd "$(dirname "$0")/../examples" && pwd)
mkdir -p "$scratch"
passed=0 failed=0

# text OUT MODEL EXPORT OPTION...: the program, one word a line, with 0 for every number.  Everything is in the workspace: what is
# on the stack depends on sizes.
text() {
    out=$1 model=$2 export=$3
    shift 3
    sed '/^export /d; /^# Values/,$d' "$model" >"$scratch/model.ad"
    "$adc" --stack-limit=0 "$@" --export "$export" "$scratch/model.ad" -o "$scratch/model.c" &&
        sed 's/[0-9][0-9.]*\(e[+-]*[0-9][0-9]*\)*/0/g' "$scratch/model.c" | tr -s ' \n' '\n\n' |
        grep -v -e sha -e '^\*$' >"$out"
}

# same MODEL EXPORT "SMALL" "LARGE": options that set sizes
same() {
    if text "$scratch/small" "$1" "$2" $3 && text "$scratch/large" "$1" "$2" $4 &&
            cmp -s "$scratch/small" "$scratch/large"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "${1#"$examples"/}, $2: the text with $3 is not that with $4"
        diff "$scratch/small" "$scratch/large" | head -20
    fi
}

# close MODEL EXPORT "SMALL" "LARGE": as many words, but for a fifth of them
close() {
    if text "$scratch/small" "$1" "$2" $3 && text "$scratch/large" "$1" "$2" $4 &&
            [ $(($(wc -l <"$scratch/large") * 5)) -le $(($(wc -l <"$scratch/small") * 6)) ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "${1#"$examples"/}, $2: the text with $4 is longer than that with $3 by more than a fifth"
        wc -l "$scratch/small" "$scratch/large"
    fi
}

for model in "$examples"/loops/*.ad; do
    case $model in */third.ad) continue ;; esac             # of fourth order that takes minutes; its tests compare the two modes
    if "$adc" --check "$model" >"$scratch/log" 2>&1; then passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "$model: --check"
        tail -20 "$scratch/log"
    fi
done

for export in pendulum 'g = grad(pendulum)' 'h = hvp(pendulum)'; do
    same "$examples/loops/pendulum.ad" "$export" "-D T=10" "-D T=1000000"
done
for export in cartpole 'g = grad(cartpole)' 'h = hvp(cartpole)'; do
    same "$examples/loops/cartpole.ad" "$export" "-D T=10" "-D T=1000000"
done
for export in lstm 'g = grad(lstm)' 'h = hvp(lstm)'; do
    same "$examples/adbench/lstm.ad" "$export" "-D c=10" "-D c=1000000"
done
for export in sequence 'g = grad(sequence)' 'h = hvp(sequence)'; do
    same "$examples/loops/lstm.ad" "$export" "-D T=10" "-D T=1000000"
done
for export in likelihood 'g = grad(likelihood)' 'h = hvp(likelihood)'; do
    same "$examples/loops/kalman.ad" "$export" "-D T=10" "-D T=1000000"
done
# Small arrays are expanded and long sums have several parts, so that a few components may have other lines than many.
for export in gmm 'g = grad(gmm)' 'h = hvp(gmm)'; do
    same "$examples/adbench/gmm.ad" "$export" "-D d=10 -D n=1000 -D K=200" "-D d=10 -D n=100000 -D K=20000"
    close "$examples/adbench/gmm.ad" "$export" "-D d=10 -D n=1000 -D K=5" "-D d=10 -D n=1000 -D K=200"
    close "$examples/adbench/gmm.ad" "$export" "-D d=2 -D n=1000 -D K=5" "-D d=2 -D n=1000 -D K=200"
done
for export in ba ba_jacobian; do
    same "$examples/adbench/ba.ad" "$export" "-D n=20 -D m=30 -D p=40" "-D n=2000 -D m=30000 -D p=100000"
done
# work OPTION...: the bytes of workspace that the gradients of all functions of rows.ad need
work() {
    "$adc" --stats --json "$@" "$scratch/rows.ad" | tr ',' '\n' | sed -n 's/.*"work_bytes": *//p' |
        awk '{ s += $1 } END { print s }'
}

# What is kept of a trip does not grow with the arrays that a loop carries.
sed '/^fn tables/,$d' "$(dirname "$0")/programs/tables-are-read-by-row.ad" >"$scratch/rows.ad"
few=$(work -D n=100) many=$(work -D n=1000)
if [ "${few:-0}" -gt 0 ] && [ "$many" -le $((11 * few)) ]; then passed=$((passed + 1))
else
    failed=$((failed + 1))
    echo "the workspace for 1000 trips is $many bytes, and for 100 trips $few"
fi
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
