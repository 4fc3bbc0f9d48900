#!/bin/sh
# What LLVM makes: golden texts, the bits of C, objects that take the place of C's, for this machine and for others.
#   tests/llvm.sh [--promote] ADC SCRATCH
set -u
LC_ALL=C; export LC_ALL
promote=
if [ "$1" = --promote ]; then promote=1; shift; fi
adc=$1 scratch=$2 here=$(cd "$(dirname "$0")/llvm" && pwd)
examples=$here/../../examples
cc=${CC:-cc}
rm -rf "$scratch"
mkdir -p "$scratch"
cd "$here" || exit 1
passed=0 failed=0

verdict() {                                     # verdict STATUS WHAT
    if [ "$1" = 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "llvm: $2"; fi
}

# expect_refusal WORDS OPTION...: the command line is wrong, and nothing is written
expect_refusal() {
    words=$1
    shift
    "$adc" "$@" -o "$scratch/refused.o" >"$scratch/refused" 2>&1
    status=$?
    [ $status = 2 ] && grep -q -- "$words" "$scratch/refused" && [ ! -e "$scratch/refused.o" ]
    verdict $? "$*: status $status, not '$words'"
}

if ! "$adc" --version | grep -q '^with LLVM'; then
    "$adc" --version | grep -q '^without LLVM$'
    verdict $? "--version does not say that there is no LLVM"
    for form in ll bc asm obj; do expect_refusal 'install llvm-dev' --emit=$form graph.ad; done
    "$adc" --test --engine=llvm graph.ad >"$scratch/refused" 2>&1
    [ $? = 2 ] && grep -q 'install llvm-dev' "$scratch/refused"
    verdict $? "--engine=llvm is not refused"
    echo "$passed passed, $failed failed"
    exit $((failed > 0))
fi

# ---- golden texts: what this adc says, not what a version of LLVM makes of it ----
for model in graph length halve; do
    "$adc" -O0 --emit=ll $model.ad | sed -n '/^define/,/^}/p' | sed 's/ *; preds = .*//' >"$scratch/$model.ll"
    if [ -n "$promote" ]; then cp "$scratch/$model.ll" $model.ll; fi
    cmp -s "$scratch/$model.ll" $model.ll
    verdict $? "$model.ll differs"
done

# ---- the same bits as C without contraction ----
for model in graph length halve bits; do
    run=$(sed -n 's/^# run: //p' $model.ad)
    for options in -O0 -O1 -O2 '--real=float' '--work=static --stack-limit=0'; do
        "$adc" $options --run $run $model.ad --engine=c >"$scratch/c.out" &&
            "$adc" $options --run $run $model.ad --engine=llvm >"$scratch/llvm.out" &&
            cmp -s "$scratch/c.out" "$scratch/llvm.out"
        verdict $? "$model $options: C and LLVM differ"
    done
done
for options in --real=double --real=float; do
    for engine in llvm c; do
        "$adc" --check --engine=$engine $options special.ad >"$scratch/check" 2>&1
        verdict $? "special $options, $engine: $(cat "$scratch/check")"
    done
done

# ---- the user's C functions ----
$cc -shared -fPIC extern.c -o "$scratch/extern.so" &&
    for engine in eval c llvm; do
        "$adc" --extern "$scratch/extern.so" --run model_grad x=[1,2,3] --engine=$engine extern.ad >"$scratch/$engine.out"
    done
cmp "$scratch/eval.out" "$scratch/c.out" && cmp "$scratch/eval.out" "$scratch/llvm.out"
verdict $? "the engines differ where a C function is called"

# ---- objects in the place of C's ----
for options in '' -O0 '--work=static' '--stack-limit=0'; do
    sh swap.sh "$adc" "$scratch" swap.ad $options >"$scratch/log"
    verdict $? "$(cat "$scratch/log")"
done
"$adc" "$examples/net.ad" -o "$scratch/by_c.c" --header "$scratch/net.h" &&
    "$adc" "$examples/net.ad" --emit=obj -o "$scratch/net.o" --header "$scratch/net_llvm.h" &&
    sed 's/NET_LLVM_H/NET_H/g' "$scratch/net_llvm.h" | cmp -s - "$scratch/net.h"
verdict $? "net: the headers differ"
# drive DRIVER MODEL [ARGUMENT]: a program of examples/ prints with LLVM's object what it prints with C
drive() {
    name=$(basename "$2") folder=$scratch/$(basename "$1")
    mkdir -p "$folder"
    "$adc" "$examples/$2.ad" -o "$folder/$name.c" &&
        "$adc" "$examples/$2.ad" --emit=obj --no-header -o "$folder/by_llvm.o" &&
        $cc -O1 -ffp-contract=off -c "$folder/$name.c" -o "$folder/by_c.o" &&
        for side in by_c by_llvm; do
            $cc -std=c99 -O1 -ffp-contract=off -I"$folder" -I"$examples" "$examples/$1.c" "$folder/$side.o" -lm \
                -o "$folder/$side" && "$folder/$side" ${3:+"$3"} | grep -v ' ms ' >"$folder/$side.out" || break
        done
    [ -s "$folder/by_llvm.out" ] && cmp "$folder/by_c.out" "$folder/by_llvm.out"
    verdict $? "$1 prints something else with LLVM's object"
}
drive graph_main graph
drive train_net net
drive fit_logistic logistic
drive newton_rosenbrock rosenbrock
drive networks/train_iris networks/iris "$examples/networks/iris.csv"

# ---- the words of a debugger: the value of v is halved in line 6, and seen there ----
if command -v gdb >/dev/null 2>&1; then
    "$adc" -O0 -g --emit=obj halve.ad -o "$scratch/halve.o" &&
        printf '#include "halve.h"\nint main(void) { double y; int32_t n; halve(12, &y, &n); return n; }\n' >"$scratch/halve.c" &&
        $cc -g -I"$scratch" "$scratch/halve.c" "$scratch/halve.o" -lm -o "$scratch/halve" &&
        gdb -nx -batch -ex 'break halve' -ex run -ex 'bt 1' -ex 'tbreak halve.ad:6' -ex continue -ex 'print v' -ex next -ex next \
            -ex 'print v' "$scratch/halve" >"$scratch/gdb" 2>&1
    for words in 'halve (x=12, ' 'halve\.ad:[34]$' 'while v > 1' '^$1 = 12$' '^$2 = [63]$'; do
        grep -q "$words" "$scratch/gdb"
        verdict $? "gdb does not say '$words': $(tail -5 "$scratch/gdb")"
    done
else
    echo "llvm: no gdb: stepping through a model is not tested" >&2
fi

# ---- other machines ----
# cross CC OPTIONS FLAGS: an object that links where the toolchain is
cross() {
    "$adc" swap.ad --real=float --emit=obj $2 -o "$scratch/cross.o"
    verdict $? "swap for $2"
    if ! echo 'int main(void) { return 0; }' | "$1" $3 --specs=picolibc.specs -xc -c - -o "$scratch/probe.o" 2>/dev/null; then
        echo "llvm: no $1 with picolibc: its object is not linked" >&2
        return
    fi
    "$1" $3 --specs=picolibc.specs -I"$scratch" -c "$here/cross.c" -o "$scratch/main.o" && 
        "$1" $3 --specs=picolibc.specs -nostartfiles -Wl,-e,main "$scratch/main.o" "$scratch/cross.o" -lm -o "$scratch/cross"
    verdict $? "$1 does not link the object for $2"
}
sh firmware.sh "$adc" "$scratch/firmware" >"$scratch/log"
verdict $? "$(grep -v ' passed, ' "$scratch/log")"
cross riscv64-unknown-elf-gcc '--target=riscv64-unknown-elf --features=+m,+a,+f,+d,+c' '-march=rv64imafdc -mabi=lp64d'

# ---- the other forms, lines for a debugger, refusals ----
"$adc" --emit=asm graph.ad | grep -q '^graph_grad:'
verdict $? "asm has no graph_grad"
[ "$("$adc" --emit=bc graph.ad | od -An -c -N2 | tr -d ' ')" = BC ]
verdict $? "bc is no bitcode"
for level in -O0 -O2; do
    for model in bits special swap; do
        "$adc" $level -g --emit=ll $model.ad | grep -q "DILocation(line: [1-9]"
        verdict $? "$model $level -g: no lines"
    done
done
first=$("$adc" --emit=obj bits.ad | cksum)
[ "$("$adc" --emit=obj bits.ad | cksum)" = "$first" ]
verdict $? "two objects of one model differ"
expect_refusal 'foo' --emit=obj --target=foo graph.ad
expect_refusal 'not a recognized processor' --emit=obj --cpu=foo graph.ad
expect_refusal 'not a recognized feature' --emit=obj --features=+foo graph.ad
expect_refusal "put + or - before 'd'" --emit=obj --features=+m,d --target=riscv32-unknown-elf graph.ad
"$adc" --emit=obj --features=-sse2 --target=x86_64-linux-gnu graph.ad -o "$scratch/refused.o" 2>"$scratch/refused"
[ $? = 1 ] && grep -q '^adc: error: LLVM cannot make this' "$scratch/refused" && [ ! -e "$scratch/refused.o" ]
verdict $? "where LLVM breaks down: $(cat "$scratch/refused")"
expect_refusal 'belong to --emit' --target=x86_64 graph.ad
expect_refusal 'belongs to --run' --engine=llvm graph.ad
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
