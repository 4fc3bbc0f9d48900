#!/bin/sh
# The stack that headers publish against the frames that compilers make: of each function and of the helpers in its file,
# on every core there is a compiler for and on the host, at -O2 and -Os.
#   tests/firmware/frames.sh FILE.c...
# Each FILE.c has its header beside it.  Prints what is published too small, and `N passed, N failed`.
set -u
LC_ALL=C; export LC_ALL
CCACHE_DISABLE=1; export CCACHE_DISABLE   # a cache of objects does not keep the graphs of calls
firmware=$(cd "$(dirname "$0")" && pwd)
. "$firmware/cores"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
passed=0 failed=0

# frames NAME COMPILER...: `FUNCTION BYTES` for each external function of file $file
frames() {
    name=$1
    shift
    "$@" -std=c99 -w -fcallgraph-info=su -c "$file" -o "$scratch/model.o" || return
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
    while read -r function bytes; do
        said=$(awk -v name="$function" -v what=stack -f "$firmware/published.awk" "$header")
        if [ "${said:-0}" -ge "$bytes" ]; then passed=$((passed + 1))
        else
            failed=$((failed + 1))
            echo "$file: $function on $name takes $bytes bytes of stack, its header says ${said:-nothing}"
        fi
    done <"$scratch/frames"
}

for file in "$@"; do
    header=${file%.c}.h
    for level in 2 s; do
        if command -v gcc >/dev/null; then frames "host -O$level" gcc -O$level; fi
        for core in $cores; do
            core "$core"
            [ -z "$(core_missing)" ] && frames "$core -O$level" "${core_tools}gcc" --specs=picolibc.specs $core_flags -O$level
        done
    done
done
echo "$passed passed, $failed failed"
[ $failed = 0 ]
