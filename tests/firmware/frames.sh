#!/bin/sh
# The stack that headers publish against the frames that compilers make: of each function and of the helpers in its file, by
# GCC on every core there is a compiler for and on the host, by clang on the cores but at -O0.
#   FRAMES='2 s' tests/firmware/frames.sh FILE.c...
# Each FILE.c has its header beside it.  Prints what is published too small, and `N passed, N failed`.
set -u
LC_ALL=C; export LC_ALL
CCACHE_DISABLE=1; export CCACHE_DISABLE   # a cache of objects does not keep the graphs of calls
firmware=$(cd "$(dirname "$0")" && pwd)
. "$firmware/cores"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
passed=0 failed=0

# gcc_frames NAME COMPILER...: `FUNCTION BYTES` for each external function of file $file, and what its header says
gcc_frames() {
    name=$1
    shift
    "$@" -std=c99 -w -fcallgraph-info=su -c "$file" -o "$scratch/model.o" || { failed=$((failed + 1)); return; }
    awk -F'"' '
        /^node/ && match($0, /[0-9]+ bytes/) {
            own[$2] = substr($0, RSTART, RLENGTH) + 0
            if ($0 ~ /dynamic/) own[$2] = 1e9
        }
        /^edge/ { callees[$2] = callees[$2] " " $4 }
        function depth(f,    n, parts, k, below, most) {
            n = split(callees[f], parts, " ")
            for (k = 1; k <= n; k++) {
                below = parts[k] in own ? depth(parts[k]) : 0
                if (below > most) most = below
            }
            return own[f] + most
        }
        END { for (f in own) if (f !~ /:/) print f, depth(f) }' "$scratch/model.ci" >"$scratch/frames"
    judge
}

# The same by clang, which does not tell who calls whom: the largest helper counts for all.
clang_frames() {
    name=$1
    shift
    clang "$@" -std=c99 -w -fstack-usage -c "$file" -o "$scratch/model.o" || { failed=$((failed + 1)); return; }
    awk '{ count = split($1, place, ":"); f = place[count] }
        f !~ /^adc_/ { own[f] = $3 ~ /dynamic/ ? 1e9 : $2; next }
        $2 > helper { helper = $2 }
        END { for (f in own) print f, own[f] + helper }' "$scratch/model.su" >"$scratch/frames"
    judge
}

judge() {
    while read -r function bytes; do
        said=$(awk -v name="$function" -v what=stack -f "$firmware/published.awk" "$header")
        if [ "${said:-0}" -ge "$bytes" ]; then passed=$((passed + 1))
        else
            failed=$((failed + 1))
            echo "$file: $function on $name takes $bytes bytes of stack, its header says ${said:-nothing}"
        fi
    done <"$scratch/frames"
}

core_frames() {
    core "$1"
    [ -z "$(core_missing)" ] || return
    gcc_frames "$1 -O$level" "${core_tools}gcc" --specs=picolibc.specs $core_flags -O$level
    [ "$level" != 0 ] && command -v clang >/dev/null || return
    include=$(echo '#include <math.h>' | "${core_tools}gcc" --specs=picolibc.specs $core_flags -E - |
        sed -n 's,^# [0-9]* "\(/.*\)/math.h".*,\1,p' | head -1)
    clang_frames "$1 -O$level, clang" --target=$core_clang $core_flags -isystem "$include" -O$level
}

for file in "$@"; do
    header=${file%.c}.h
    for level in ${FRAMES:-2 s}; do
        if command -v gcc >/dev/null; then gcc_frames "host -O$level" gcc -O$level; fi
        for core in $cores; do core_frames "$core"; done
    done
done
echo "$passed passed, $failed failed"
[ $failed = 0 ]
