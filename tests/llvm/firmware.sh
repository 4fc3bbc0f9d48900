#!/bin/sh
# Objects for emulated cores: linked by the cross compiler with an example of examples/firmware and the port of tests/firmware,
# they report the bits that generated C reports on the same core.
#   tests/llvm/firmware.sh ADC SCRATCH [MODEL...]
set -u
LC_ALL=C; export LC_ALL
firmware=$(cd "$(dirname "$0")/../firmware" && pwd)
examples=$firmware/../../examples/firmware
adc=$1
mkdir -p "$2"
scratch=$(cd "$2" && pwd)
shift 2
. "$firmware/cores"
. "$firmware/image"
passed=0 failed=0
${CC:-cc} -std=c11 -D_POSIX_C_SOURCE=200809L -O1 "$firmware/compare.c" -o "$scratch/compare" -lm || exit

# what adc is told of a core, and what the linker has to find
machine() {
    case $1 in
    m4f) echo --target=thumbv7em-none-eabihf --cpu=cortex-m4 ;;
    m3) echo --target=thumbv7m-none-eabi --cpu=cortex-m3 ;;
    m0) echo --target=thumbv6m-none-eabi --cpu=cortex-m0 ;;
    rv32imafc) echo --target=riscv32-unknown-elf --features=+m,+a,+f,+c ;;
    rv32imac) echo --target=riscv32-unknown-elf --features=+m,+a,+c ;;
    esac
}

# run_model OBJECT: the image of the core with this object; its report is $out/report
run_model() {
    fault=
    "${core_tools}gcc" --specs=picolibc.specs $image_flags -O2 $core_flags $image_include -nostartfiles \
        -T "$firmware/port/$core_port.ld" -Wl,--gc-sections "$1" "$examples/$model.c" "$port"/*.o -lm \
        -o "$out/image" 2>"$out/messages" || { fault='does not link'; return 1; }
    image_run
    [ -z "$fault" ]
}

# the instructions of a call, all functions together
instructions() { awk '$1 == "cost" { sum += $3 } END { print sum }' "$1"; }

# one MODEL CORE
one() {
    model=$1 out=$scratch/$1-$2
    mkdir -p "$out"
    image_include="-I$out -I$firmware/port -I$examples"
    image_port "$2" &&
        "$adc" --real=float --stack-limit=1024 "$examples/$model.ad" -o "$out/${model}_model.c" &&
        "${core_tools}gcc" --specs=picolibc.specs $image_flags -O2 $core_flags $image_include \
            -c "$out/${model}_model.c" -o "$out/by_c.o" && run_model "$out/by_c.o" && mv "$out/report" "$out/by_c" &&
        "$adc" --real=float --stack-limit=1024 --emit=obj $(machine "$2") "$examples/$model.ad" --no-header -o "$out/by_llvm.o" &&
        run_model "$out/by_llvm.o" && error=$("$scratch/compare" 0 "$out/by_c" "$out/report") &&
        echo "$model, $2: $(instructions "$out/report") instructions, $(instructions "$out/by_c") by C" >>"$scratch/costs"
}

: >"$scratch/costs"
for name in ${CORES:-$cores}; do
    core "$name" || exit
    package=$(core_missing)
    if [ -n "$package" ]; then
        echo "$name: LLVM's objects are not run, package $package is not installed" >&2
        continue
    fi
    rm -rf "${scratch:?}/$name"
    for each in ${*:-$(cd "$examples" && ls ./*.ad | sed "s/[.]ad$//; s,^[.]/,,")}; do
        error=
        if one "$each" "$name"; then passed=$((passed + 1))
        else
            failed=$((failed + 1))
            echo "$each for $name: ${fault:-}${error:+ differs by $error}"
            [ ! -s "$out/messages" ] || head -5 "$out/messages"
        fi
    done
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
