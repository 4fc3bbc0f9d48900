#!/bin/sh
# One program in two objects, by the C compiler and by LLVM: their headers are the same, one can take the place of the other, and
# with random inputs they give the same: bit for bit where no libm is called, without contraction in C.
# `# functions: FILE...` in the program: C functions that it calls.
#   tests/llvm/swap.sh ADC SCRATCH FILE [OPTION...]
set -u
adc=$1 scratch=$2/$(basename "$3" .ad).$$ file=$3
here=$(cd "$(dirname "$0")" && pwd)
shift 3
mkdir -p "$scratch"

fail() { echo "swap $file $options: $1"; [ ! -s "$scratch/log" ] || head -5 "$scratch/log"; rm -rf "$scratch"; echo "0 passed, 1 failed"; exit 1; }

options="$(sed -n 's/^# options: //p' "$file" | head -1) $*"
functions=$(sed -n "s,^# functions: ,$(dirname "$file")/,p" "$file")
"$adc" $options --prefix=c_ "$file" -o "$scratch/c_model.c" 2>"$scratch/log" || fail "no C"
"$adc" $options --prefix=l_ --emit=obj "$file" -o "$scratch/l_model.o" 2>"$scratch/log" || fail "no object"
for side in c l; do sed "s/^\(#[a-z]* \)[CL]_/\1/; s/\<[cl]_//g; s/\<[CL]_//g" "$scratch/${side}_model.h" >"$scratch/$side.header"; done
cmp -s "$scratch/c.header" "$scratch/l.header" || fail "the headers differ"
awk -f "$here/header.awk" -f "$here/swap.awk" "$scratch/c_model.h" >"$scratch/swap.c"
${CC:-cc} -std=c99 -O1 -ffp-contract=off -c "$scratch/c_model.c" -o "$scratch/c_model.o" 2>"$scratch/log" || fail "C"
# the names that are not resolved are those of libm, but for what any compiler calls
exact=-DEXACT
if nm -u "$scratch/c_model.o" | grep -qvE ' (memset|memcpy|memmove|sqrtf?|floorf?|ceilf?|truncf?|nearbyintf?|_GLOBAL_OFFSET_TABLE_)$'; then exact=; fi
${CC:-cc} -std=c11 -O0 $exact -I"$scratch" -I"$here" "$scratch/swap.c" $functions "$scratch/c_model.o" "$scratch/l_model.o" \
    -lm -o "$scratch/swap" 2>"$scratch/log" || fail "the calling program"
"$scratch/swap" >"$scratch/log" || fail "results differ${exact:+, in bits}"
[ -z "${SHOW:-}" ] || echo "$file: ${exact:--} $(tail -1 "$scratch/log")"
rm -rf "$scratch"
echo "1 passed, 0 failed"
