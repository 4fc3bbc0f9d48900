#!/bin/sh
# The structure: no circle among the folders' includes, and an elementwise op is one row of the table.
#   tests/structure.sh SCRATCH
set -u
here=$(cd "$(dirname "$0")/.." && pwd) scratch=$1/structure
mkdir -p "$scratch"
passed=0 failed=0
verdict() {                                     # verdict STATUS WHAT
    if [ "$1" = 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "structure: $2"; fi
}

# Folders, from what includes to what is included; adc.h is a folder of its own.  tsort complains about a circle.
cd "$here/src" || exit 1
grep -H '^#include "' ./*.[ch] ./*/*.[ch] | awk -F'[:"]' '
    function folder(path) { n = split(path, part, "/"); return n > 2 ? part[2] : part[2] == "adc.h" ? "adc.h" : "driver" }
    {
        from = $1; to = $3; from_folder = split(from, p, "/") > 2 ? p[2] : p[2] == "adc.h" || p[2] == "util.c" || p[2] == "diag.c" ? "base" : "driver"
        if (to ~ /\.tab\.h|\.lex\.h/) next
        n = split(to, q, "/")
        if (to ~ /adc\.h$/) to_folder = "base"
        else if (q[1] == "..") to_folder = n > 2 ? q[2] : "driver"
        else if (n > 1) to_folder = q[1]
        else to_folder = from_folder
        if (from_folder != to_folder) print from_folder, to_folder
    }' | sort -u >"$scratch.edges"
tsort "$scratch.edges" >/dev/null 2>"$scratch.circle"
verdict $? "folders include each other: $(cat "$scratch.circle")"
[ -s "$scratch.edges" ]
verdict $? "no include was found"

# What the Makefile and the pages say that make makes, it has a rule for: .PHONY alone makes `make NAME` do nothing.
for target in $(cd "$here" && cat Makefile README.md doc/*.md |
    sed -n 's/^#   make \([a-z][a-z]*\) .*/\1/p; s/^make *\([a-z][a-z]*\)\( *#.*\)*$/\1/p; s/.*`make *\([a-z][a-z]*\)`.*/\1/p; s/^.PHONY: FORCE//p' | sort -u); do
    grep -q "^$target:" "$here/Makefile"
    verdict $? "no rule makes $target"
done

# A new op is one row: the builtin, its test, its line in the list, its derivative and its C come from there.
rm -rf "$scratch"
mkdir -p "$scratch"
cp -R "$here/Makefile" "$here/grammar" "$here/src" "$here/.ci" "$scratch"
cd "$scratch" || exit 1
awk '{ print } /^E1\(exp,/ { print "E1(sinc, NULL, SIG_REAL, 0.5, 2, sin(x) / x, \"g * (cos(x) - y) / x\", \"sin(x) / x\")" }' \
    "$here/src/ir/ops.h" >src/ir/ops.h
make BUILD=build CFLAGS=-O0 -j2 >make.log 2>&1
verdict $? "with a row for sinc the build fails: $(grep -m1 error make.log)"
build/adc --check-ops >ops.log 2>&1
verdict $? "the row's own test fails: $(head -3 ops.log)"
build/adc --list-ops | grep -q '^sinc '
verdict $? "sinc is not in --list-ops"
echo 'fn f(x: real) -> real = sinc(x); test f(2) = 0.45464871341284085; test f_grad(2) = (value: 0.45464871341284085, x_grad: -0.43539777497999165);' >f.ad
build/adc --test f.ad >test.log 2>&1
verdict $? "sinc in a program: $(head -5 test.log)"
echo "$passed passed, $failed failed"
