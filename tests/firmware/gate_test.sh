#!/bin/sh
# Shows that every gate closes: each file of violations/ names in its first line the gate of gate.sh that has to refuse it;
# those of ../gate.sh refuse what an unsteady compiler writes, and frames.sh a header that promises too little.
#   tests/firmware/gate_test.sh ADC SCRATCH
set -u
LC_ALL=C; export LC_ALL
firmware=$(cd "$(dirname "$0")" && pwd)
adc=$(cd "$(dirname "$1")" && pwd)/$(basename "$1") scratch=$2/violations
rm -rf "$scratch"
mkdir -p "$scratch"
passed=0 failed=0

verdict() {
    if [ $? = 0 ]; then passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "$1"
        cat "$scratch/log"
    fi
}

for file in "$firmware"/violations/*; do
    expected=$(sed -n '1s,^/\* gate: \(.*\) \*/$,\1,p' "$file")
    [ -n "$expected" ] || continue
    compiler=$(printf %s "$expected" | sed -n 's/.*\(gcc\|g++\|clang\|clang++\|cppcheck\).*/\1/p')
    command -v "${compiler:-gcc}" >/dev/null || continue
    cp "$firmware/violations/clean.c" "$firmware/violations/clean.h" "$scratch"
    cp "$file" "$scratch/clean.${file##*.}"
    case $expected in cppcheck* | none) checks=1 ;; *) checks=0 ;; esac
    for run in $([ $checks = 0 ] || echo before) now; do
        KNOWN=$scratch/known MISRA=$checks sh "$firmware/gate.sh" float "$scratch" "$scratch/clean.c" >"$scratch/log"
    done
    if [ "$expected" = none ]; then grep -q ', 0 failed$' "$scratch/log"
    else grep -qF "$expected (float):" "$scratch/log"; fi
    verdict "$(basename "$file"): should be refused for '$expected'"
done

if command -v cppcheck >/dev/null; then
    [ "$(cat "$scratch"/known/*)" = "$(sed -n 's/.*gate: none.*/clean/p' "$firmware"/violations/*)" ]
    verdict "what cppcheck has found clean should be remembered, and nothing else"
fi

# An adc in the place of ours, where a command changes what is written: ../gate.sh has to complain.
#   altered COMPLAINT COMMAND
altered() {
    cat >"$scratch/adc" <<END
#!/bin/sh
"$adc" "\$@" || exit
while [ \$# -gt 1 ]; do
    if [ "\$1" = -o ]; then out=\$2; fi
    shift
done
$2
END
    chmod +x "$scratch/adc"
    REALS=float MISRA=0 QUICK=1 sh "$firmware/../gate.sh" "$scratch/adc" "$scratch" \
        "$firmware/../../examples/firmware/thermistor.ad" >"$scratch/log" 2>&1
    status=$?
    if [ -z "$1" ]; then [ $status = 0 ]; else [ $status = 1 ] && grep -qF "$1" "$scratch/log"; fi
    verdict "$2: should be refused for '$1'"
}
altered '' :
altered 'adc fails' 'exit 1'
altered 'regenerated text differs' 'echo "/* $TZ */" >>"$out"'
altered 'regenerated text differs' 'echo "/* $(pwd) */" >>"${out%.c}.h"'
altered 'warnings of gcc' 'sed "s/^ *const float /&unused = 1.0f, /" "$out" >"$out.new"; mv "$out.new" "$out"'

# frames WHAT STATUS SCRIPT: the header of a workload, changed by sed, against the frames that compilers make
frames() {
    "$adc" --real=float "$firmware/../../examples/firmware/thermistor.ad" -o "$scratch/frames.c"
    sed "$3" "$scratch/frames.h" >"$scratch/changed" && mv "$scratch/changed" "$scratch/frames.h"
    sh "$firmware/frames.sh" "$scratch/frames.c" >"$scratch/log" 2>&1
    [ $? = "$2" ]
    verdict "$1"
}
frames 'the stack that a header publishes is above the frames' 0 ''
frames 'a header that promises too little stack is not seen' 1 's/at most [0-9]* bytes/at most 8 bytes/'
frames 'a header without a word about the stack is not seen' 1 's/Stack: at most [0-9]* bytes//'

echo "$passed passed, $failed failed"
[ $failed = 0 ]
