#!/bin/sh
# The command line: exit statuses, messages, output files whole or not at all.
#   tests/cli.sh ADC SCRATCH
set -u
adc=$1 scratch=$2
rm -rf "$scratch"
mkdir -p "$scratch"
cd "$scratch" || exit 1
passed=0 failed=0

cat >graph.ad <<'END'
fn graph(x: real, w: real) -> (y: real) {
    a = x + w;
    b = w + 1;
    y = a * b;
}
END
cat >model.ad <<'END'
const N = 3;
fn model(x: real[N], k: int, param w: real[2, 3]) -> (y: real[2], big: bool) {
    y = w @ x + k;
    big = sum(y) > 10;
}
END
cat >failing.ad <<'END'
fn sq(x: real) -> real = x * x;
test sq(3) = 9;
END

cat >long.ad <<'END'
fn long(x: real) -> (y: real) {
    mut s = x;
    for i in 0..2147483647 { s = sin(s) + x; }
    y = s;
}
export g = grad(long);
END

verdict() {                                     # verdict GOOD WHAT
    if [ "$1" = 1 ]; then passed=$((passed + 1)); return; fi
    failed=$((failed + 1))
    echo "cli: $2"
    head -5 out err
}
# expect STATUS OUT-PATTERN ERR-PATTERN ARGUMENT...: patterns are of grep -E; an empty one wants an empty stream, `*` any
expect() {
    status=$1 out=$2 err=$3
    shift 3
    "$adc" "$@" >out 2>err
    got=$? good=1
    [ $got = "$status" ] || good=0
    matches "$out" out || good=0
    matches "$err" err || good=0
    verdict $good "adc $*: status $got, expected $status; wanted '$out' and '$err'"
}
matches() {
    case "$1" in
    '') [ ! -s "$2" ] ;;
    '*') true ;;
    *) grep -qE -- "$1" "$2" ;;
    esac
}
exists() { for f in "$@"; do [ -f "$f" ] || { verdict 0 "no $f was written"; return; }; done; verdict 1; }
absent() { for f in "$@"; do [ ! -e "$f" ] || { verdict 0 "$f was written"; return; }; done; verdict 1; }

# names that a compiler's <math.h> takes beside those of C99
printf 'fn f(M_PI: real, x: real) -> (y: real) { y = sin(x) * M_PI; }\nexport f;\n' >pi.ad
expect 0 'double M_PI_,' '' pi.ad
# names that the generated file takes for its macros
cat >macros.ad <<'END'
fn f(x: real[3], OUT_H: real, F_F_TAPE_SIZE: real) -> (y: real, J_Y_X_JACOBIAN_NONZEROS: real) {
    ADC_RESTRICT = x * OUT_H;
    mut F_B_WORK_SIZE = ADC_RESTRICT;
    for i in 1..3 { F_B_WORK_SIZE[i] += sin(F_B_WORK_SIZE[i - 1] * F_F_TAPE_SIZE); }
    y = sum(F_B_WORK_SIZE);
    J_Y_X_JACOBIAN_NONZEROS = y * OUT_H;
}
export f_f, f_b = split(f);
export j = jacobian(f, sparse: true);
END
"$adc" macros.ad -o out.c >out 2>err && ${CC:-cc} -std=c99 -c -o macros.o out.c 2>err && verdict 1 || verdict 0 "a name is that of a macro"

# as many trips as an int counts, also where nothing real is computed
expect 0 'i < 2147483647' '' long.ad
printf 'fn f(k: int) -> (y: int) { mut a = k; for i in 0..2147483647 { a += i * a; } y = a; }\nexport f;\n' >count.ad
expect 0 'i < 2147483647' '' count.ad
expect 2 '' 'is at most 100000' --scalars=100001 long.ad

# reports about the tool itself
expect 0 '^usage: adc' '' --help
expect 0 '--stack-limit=BYTES' '' -h
expect 0 '^adc [0-9]+\.[0-9]+\.[0-9]+$' '' --version
expect 0 '^derive ' '' --list-passes
expect 0 '^sin +elementwise' '' --list-ops

# wrong command lines: status 2
expect 2 '' 'no input file' --emit=c
expect 2 '' "unknown option '--tset'; did you mean '--test'" --tset graph.ad
expect 2 '' "unknown option '-z'" -z graph.ad
expect 2 '' "option '-o' needs an argument" graph.ad -o
expect 2 '' "option '--check' takes no argument" graph.ad --check=3
expect 2 '' "choose one of: c, ir, dot" --emit=java graph.ad
expect 2 '' "positive number of bytes" --ram-budget 0 graph.ad
expect 2 '' "positive number of bytes" --ram-budget=64X graph.ad
expect 2 '' "positive number of bytes" --ram-budget 9999999999G graph.ad
expect 0 'ram-budget=65536' '' --ram-budget 64K graph.ad
expect 0 'ram-budget=1048576' '' --ram-budget=1M graph.ad
expect 2 '' "double, float" --real=half graph.ad
expect 2 '' "choose one of: 0, 1, 2" -O3 graph.ad
expect 2 '' "not negative" --stack-limit=-5 graph.ad
expect 2 '' "needs NAME=VALUE" -D N graph.ad
expect 2 '' "letters, digits" --prefix=9x graph.ad
expect 2 '' "no pass 'simplfy'; did you mean 'simplify'" --dump simplfy graph.ad
expect 2 '' "more than one input file" graph.ad model.ad
expect 2 '' "only one of" --test --check graph.ad
expect 2 '' "contradict" --header=a.h --no-header -o a.c graph.ad
expect 2 '' "needs -o FILE" --header=a.h graph.ad

# files: status 3
expect 3 '' "nothere.ad" nothere.ad
expect 3 '' "cannot write 'no/such/folder/a.c'" graph.ad -o no/such/folder/a.c
expect 3 '' "it is the input file" graph.ad -o graph.ad
expect 3 '' "it is the input file" graph.ad -o ./graph.ad
expect 3 '' "it is the input file" graph.ad -o a.c --header graph.ad
absent a.c
expect 3 '' "also the other output" graph.ad -o a.c --header ./a.c
absent a.c
mkdir folder
expect 3 '' "cannot write 'folder'" graph.ad -o folder
expect 3 '' "cannot write 'folder'" graph.ad -o a.c --header folder
absent a.c
if [ -e /dev/full ]; then
    expect 3 '' "cannot write '/dev/full'" graph.ad -o /dev/full
    "$adc" graph.ad -o - >/dev/full 2>err
    [ $? = 3 ] && grep -q 'standard output' err && verdict 1 || verdict 0 "a full standard output is not noticed"
    "$adc" --list-ops >/dev/full 2>err
    [ $? = 3 ] && verdict 1 || verdict 0 "a full standard output is not noticed by --list-ops"
    expect 3 '' "cannot write '/dev/full'" graph.ad -o a.c --header /dev/full
    absent a.c
fi
if [ "$(id -u)" != 0 ]; then
    mkdir closed && chmod 555 closed
    expect 3 '' "cannot write 'closed/a.c'" graph.ad -o closed/a.c
fi

# what is written
expect 0 '' '' graph.ad -o g.c
exists g.c g.h
grep -q '#include "g.h"' g.c && verdict 1 || verdict 0 "g.c does not include g.h"
expect 0 '' '' graph.ad -o alone.c --no-header
exists alone.c
absent alone.h
expect 0 '' '' graph.ad -o named.c --header other.h
exists named.c other.h
absent named.h
expect 0 'void graph_grad\(' '' graph.ad
expect 0 'void graph_grad\(' '' graph.ad -o -
expect 0 'void graph_grad\(' '' -- graph.ad
expect 0 '' '' graph.ad -o /dev/null
[ -c /dev/null ] && verdict 1 || verdict 0 "/dev/null was replaced"
expect 0 'void foo_graph_grad\(' '' --prefix foo_ graph.ad
expect 0 'float' '' --real=float graph.ad
expect 0 '^export graph_grad' '' --emit=ir graph.ad
expect 0 '^digraph graph_grad' '' --emit=dot graph.ad
expect 0 'void slope\(' '' --export 'slope = grad(graph, wrt: x)' graph.ad
expect 0 '# after simplify' '' --dump simplify graph.ad
echo old >kept.c
echo 'fn broken(x: real) -> (y: real) { y = z; }' >broken.ad
expect 1 '' "broken.ad:1:39: error" broken.ad -o kept.c
[ "$(cat kept.c)" = old ] && verdict 1 || verdict 0 "an error touched the output file"
ln -s target.c link.c
echo old >target.c
expect 0 '' '' graph.ad -o link.c
[ -L link.c ] && grep -q graph_grad target.c && verdict 1 || verdict 0 "a symbolic link was replaced"
[ -z "$(ls | grep -E '\.c\.|\.h\.|~$')" ] && verdict 1 || verdict 0 "temporary files stay: $(ls)"

# a derivative that is zero by construction is worth a warning, and no error
echo 'fn f(x: real, w: real) -> (y: real) { s = w * w; y = grad(s, x); }' >zero.ad
expect 0 'y = 0' "zero.ad:1:[0-9]+: warning: .*does not depend on 'x'" zero.ad --run f x=1 w=2

# --run
expect 0 '^y = 6(\.0)?$' '' graph.ad --run graph x=2 w=1
expect 0 '^w_grad = 5' '' graph.ad --run graph_grad x=2 w=1
expect 0 '"w_grad": 5' '' graph.ad --run=graph_grad --json x=2 w=1
expect 0 '^y = \[' '' model.ad --run model 'x=[1, 2, 3]' k=1 'w=[[1, 0, 0], [0, 1, 0]]'
expect 0 '^big = false' '' model.ad --run model 'x=[1, 2, 3]' k=1 'w=[[1, 0, 0], [0, 1, 0]]'
expect 0 '^y = \[' '' model.ad -D N=3 --run model 'x=[1, 2, 3]' k=1 'w=[[1, 0, 0], [0, 1, 0]]'
# tests for other sizes than those of -D
cat >sized.ad <<'END'
const N = 2;
fn f(x: real[N]) -> (y: real) { y = sum(x * x); }
test f([1, 2]) = 5;
test f(ones(N)) = N;
END
expect 0 '^2 passed' '' --test sized.ad
expect 0 '^1 passed' 'left out: with -D this value is real\[5\], and this is int\[2\]' -D N=5 --test sized.ad
expect 0 'void f' '' -D N=5 sized.ad
printf '1,2,3\n4,5,6\n' >w.csv
expect 0 '^y = \[15' '' model.ad --run model 'x=[1, 2, 3]' k=1 w=@w.csv
printf '\223NUMPY\001\000\106\000{'"'descr': '<i4', 'fortran_order': True, 'shape': (2, 3), }"'           \n\001\000\000\000\004\000\000\000\002\000\000\000\005\000\000\000\003\000\000\000\006\000\000\000' >w.npy
expect 0 '^y = \[15' '' model.ad --run model 'x=[1, 2, 3]' k=1 w=@w.npy
expect 3 '' "nothere.npy" model.ad --run model 'x=[1, 2, 3]' k=1 w=@nothere.npy
expect 2 '' "holds \[2, 3\]" model.ad --run model x=@w.csv k=1 w=@w.csv
expect 2 '' "needs w=VALUE, real\[2, 3\]" model.ad --run model 'x=[1, 2, 3]' k=1
expect 2 '' "no input 'z'" graph.ad --run graph x=2 z=1
expect 2 '' "given twice" graph.ad --run graph x=2 x=1
expect 2 '' "did you mean 'graph_grad'" graph.ad --run graph_gard x=2 w=1
expect 2 '' 'error' model.ad --run model 'x=[1, 2]' k=1 w=@w.csv
expect 2 '' 'error' model.ad --run model 'x=[1, 2, 3]' k=1.5 w=@w.csv

# reports
expect 0 '^0 passed, 0 failed$' '' --test graph.ad
expect 0 '^2 passed, 0 failed$' '' --test failing.ad failing.ad
echo 'test sq(3) = 10 within 0.01;' >>failing.ad
expect 1 '^1 passed, 1 failed$' '' --test failing.ad
expect 1 'failing.ad:[0-9]+: sq, evaluator: value is 9.*expected 10' '' --test failing.ad
expect 1 'failing.ad:[0-9]+: sq, compiled: value is 9.*expected 10' '' --test --engine=eval,c failing.ad
expect 0 '^2 passed, 0 failed$' '' --test --within=0.2 failing.ad
CC=no-such-compiler; export CC
expect 1 'no C compiler was found' '' --test --engine=eval,c failing.ad
unset CC
expect 0 'graph_grad +compiled.*ok' '' --check --engine=c graph.ad
expect 0 'graph_grad +(compiled|by LLVM) .*ok' '' --check graph.ad
expect 2 '' '--engine cannot be .foo.; choose one of: eval, c, llvm' --test --engine=eval,foo graph.ad
echo 'fn total[n](x: real[n]) -> real = sum(x);' >generic.ad
expect 1 '' 'only generic ones' generic.ad
expect 2 '' '--within belongs to --test' --within=1 graph.ad
expect 2 '' '--json belongs to --run and --stats' --json graph.ad
expect 2 '' 'x=1 is an input of a function' graph.ad x=1
expect 2 '' '--run takes one --engine' --run graph --engine=eval,c graph.ad x=1 w=1
expect 0 'graph_grad +differences +3 .*ok' '' --check graph.ad
expect 0 'graph_grad +forward and reverse.*ok' '' --check graph.ad
expect 0 '^graph_grad ' '' --stats graph.ad
expect 0 '"export": "graph_grad"' '' --stats --json graph.ad
expect 0 'rule of mul for operand 1: g \* w' '' --explain graph_grad graph.ad
expect 0 'rule of mul for operand 1: g \* w' '' --explain a graph.ad
expect 2 '' "no value of that name" --explain nothing graph.ad
# what several exports share is warned of once
echo 'fn f(x: real, w: real) -> (y: real, g: real) { y = x; g = grad(y, w); }' >apart.ad
"$adc" apart.ad -o apart.c 2>err && [ "$(grep -c 'warning: ' err)" = 1 ] && verdict 1 || verdict 0 "a warning is not given once"
if command -v dot >/dev/null 2>&1; then
    "$adc" --emit=dot graph.ad | dot -Tsvg >/dev/null 2>err && verdict 1 || verdict 0 "dot does not accept the picture"
fi
echo "$passed passed, $failed failed"
