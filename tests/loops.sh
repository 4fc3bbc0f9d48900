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

# long MODEL EXPORT "SMALL" "LARGE": as many words; places in the workspace, which are listed first, may have another order
long() {
    if text "$scratch/small" "$1" "$2" $3 && text "$scratch/large" "$1" "$2" $4 &&
            [ "$(wc -l <"$scratch/small")" = "$(wc -l <"$scratch/large")" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "${1#"$examples"/}, $2: the text with $3 is not as long as that with $4"
        diff "$scratch/small" "$scratch/large" | head -20
    fi
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

for model in "$examples"/loops/*.ad "$(dirname "$0")"/loops/*.ad; do
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
# In lanes, and one by one; from 16384 numbers on, what the sum over the components computed is computed again instead of kept.
gmm=$examples/adbench/gmm.ad
for export in gmm 'g = grad(gmm)' 'h = hvp(gmm)'; do
    same "$gmm" "$export" "--lanes=1 -D d=10 -D n=1000 -D K=200" "--lanes=1 -D d=10 -D n=100000 -D K=1600"
    for d in 2 3 10 20 64; do
        long "$gmm" "$export" "-D d=$d -D n=1000 -D K=5" "-D d=$d -D n=1000 -D K=200"
        long "$gmm" "$export" "-D d=$d -D K=5" "-D d=$d -D K=200"
    done
    long "$gmm" "$export" "--lanes=1 -D d=10 -D n=1000 -D K=5" "--lanes=1 -D d=10 -D n=1000 -D K=200"
done
for export in ba ba_jacobian; do
    same "$examples/adbench/ba.ad" "$export" "-D n=20 -D m=30 -D p=40" "-D n=2000 -D m=30000 -D p=100000"
done
# lanes MODEL EXPORT N OPTION...: N loops of the export run in lanes.
lanes() {
    model=$1 export=$2 wanted=$3
    shift 3
    sed '/^export /d' "$examples/$model.ad" >"$scratch/lanes.ad"
    found=$("$adc" --stats "$@" --export "$export" "$scratch/lanes.ad" | grep -c 'trips at a time')
    if [ "$found" = "$wanted" ]; then passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "$model.ad, $*: $found loops in lanes and not $wanted"
    fi
}

# Lanes come by themselves where there is much to do, and stay away from what is small, from budgets and from low levels.
lanes adbench/gmm 'g = grad(gmm)' 1 -D d=10 -D K=25 -D n=1000
lanes adbench/gmm 'g = grad(gmm)' 1 -D d=10 -D K=200 -D n=1000 --real=float
lanes adbench/gmm 'g = grad(gmm)' 0 -D d=10 -D K=25 -D n=200
lanes adbench/gmm 'g = grad(gmm)' 0 -D d=10 -D K=25 -D n=1000 -O1
lanes adbench/gmm 'g = grad(gmm)' 0 -D d=10 -D K=25 -D n=1000 --lanes=1
lanes adbench/gmm 'g = grad(gmm)' 0 -D d=10 -D K=25 -D n=1000 --ram-budget=1M
lanes adbench/gmm 'g = grad(gmm)' 0 -D d=2 -D K=2 -D n=300
lanes adbench/gmm 'g = grad(gmm)' 1 -D d=2 -D K=5 -D n=1000 --lanes=16
lanes adbench/ba ba_jacobian 0 -D p=32000
lanes gradbench/llsq 'g = grad(primal)' 1 -D M=500 -D N=1000

# work OPTION...: the bytes of workspace that the gradients of all functions of rows.ad need
work() {
    "$adc" --stats --json "$@" "$scratch/rows.ad" | tr ',' '\n' | sed -n 's/.*"work_bytes": *//p' |
        awk '{ s += $1 } END { print s }'
}

# In the body of a loop that is written out, the zeros of tables and seeds are not computed.
# operations MODEL EXPORT OPTION...
operations() {
    model=$1 export=$2
    shift 2
    "$adc" --stats "$@" "$model" | awk -v export="$export" '$1 == export { print $2 + $3 }'
}
for case in "../examples/gradbench/ba jacobian_values" "programs/bodies-written-out arms_grad"; do
    model=$(dirname "$0")/${case% *}.ad export=${case#* }
    few=$(operations "$model" "$export") many=$(operations "$model" "$export" --scalars=0)
    if [ "${few:-0}" -gt 0 ] && [ $((4 * few)) -le $((3 * many)) ]; then passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "$case: $few operations, and $many as it was written"
    fi
done

# What is kept of a trip does not grow with the arrays that a loop carries.
sed '/^fn tables/,$d' "$(dirname "$0")/programs/tables-are-read-by-row.ad" >"$scratch/rows.ad"
few=$(work -D n=100) many=$(work -D n=1000)
if [ "${few:-0}" -gt 0 ] && [ "$many" -le $((11 * few)) ]; then passed=$((passed + 1))
else
    failed=$((failed + 1))
    echo "the workspace for 1000 trips is $many bytes, and for 100 trips $few"
fi

# steps MODEL TRANSFORM N [RESULTS]: how many steps a call takes: basic blocks, and the elements that are filled or copied at once.
steps() {
    "$adc" --scalars=0 -D "n=$3" --export "g = $2(f)${4:+ -> ($4)}" "$1" -o "$scratch/steps.c" || return
    arguments=$(sed -n '/^void g(/,/;$/p' "$scratch/steps.h" | sed 's|/\*[^/]*\*/||g; s/.*(//; s/[);]//g' | tr ',' '\n' |
        sed '/^ *$/d; s/.*const double \*.*/x + 99 * __COUNTER__/; s/.*const int32_t \*.*/k/; s/.*double \*.*/ROOM/; s/^ *double [a-z_]*$/0.7/' | paste -sd,)
    cat - "$scratch/steps.c" >"$scratch/counted.c" <<'END'
#include <stdint.h>
#include <stdio.h>
#include <string.h>
static volatile long steps;
__attribute__((no_sanitize_coverage)) void __sanitizer_cov_trace_pc(void);
__attribute__((no_sanitize_coverage)) void __sanitizer_cov_trace_pc(void) { ++steps; }
#define memset(to, value, size) (steps += (long)(size) / 8, memset(to, value, size))
#define memcpy(to, from, size) (steps += (long)(size) / 8, memcpy(to, from, size))
END
    cat >>"$scratch/counted.c" <<END
#define ROOM (room + (__COUNTER__ << 18))
static double room[1 << 22], x[1 << 18];
static int32_t k[1 << 18];
int main(void)
{
    for (int i = 0; i < 1 << 18; ++i) {
        x[i] = 0.5 + (i * 7919L % 1009) / 2018.0;
        k[i] = (int32_t)((i * 7919L + 3) % $3);
    }
    steps = 0;
    g($arguments);
    printf("%ld\n", steps);
}
END
    $cc -std=gnu11 -O1 -w -fno-tree-loop-distribute-patterns -fsanitize-coverage=trace-pc -I"$scratch" "$scratch/counted.c" \
        -lm -o "$scratch/counted" && "$scratch/counted"
}

# Nothing of the size of a whole array is touched per trip: ten times the trips are ten times the steps.
cc=gcc
command -v gcc >/dev/null 2>&1 || cc=
for model in "$(dirname "$0")"/growth/*.ad; do
    for transform in $(sed -n 's/^# exports: //p' "$model"); do
        [ -n "$cc" ] || continue
        few=$(steps "$model" "$transform" 100) many=$(steps "$model" "$transform" 1000)
        if [ "${few:-0}" -gt 100 ] && [ "${many:-0}" -gt 1000 ] && [ "$many" -le $((11 * few)) ]; then passed=$((passed + 1))
        else
            failed=$((failed + 1))
            echo "$model, $transform: ${few:-?} steps for n = 100 and ${many:-?} for n = 1000"
        fi
    done
done

# Of what a loop keeps only what is there for sure is touched: `# steps: at most M times` those of the function.
for model in $(grep -l '^# steps: ' "$(dirname "$0")"/growth/*.ad); do
    [ -n "$cc" ] || continue
    most=$(sed -n 's/^# steps: at most \([0-9]*\) times.*/\1/p' "$model")
    function=$(steps "$model" jvp 40 y) gradient=$(steps "$model" grad 40)
    if [ "${function:-0}" -gt 100 ] && [ "${gradient:-0}" -gt 100 ] && [ "$gradient" -le $((most * function)) ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "$model: ${gradient:-?} steps, ${function:-?} of the function"
    fi
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
