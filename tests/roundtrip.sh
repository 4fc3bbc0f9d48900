#!/bin/sh
# The printed graph is a program: compiled again it gives the same graph.  (That an output is added to belongs to the
# export, not to the graph: the print says it in a comment.  What was to be written out in scalars is: the second time there
# is nothing to decide.)
#   tests/roundtrip.sh ADC SCRATCH FILE [OPTION...]
adc=$1 file=$3
once=$2/$$.once.ad twice=$2/$$.twice.ad
shift 3
mkdir -p "${once%/*}"
same() {
    sed -i 's/ *#.*//' "$once" "$twice"
    cmp -s "$once" "$twice"
}
"$adc" "$@" --emit=ir "$file" >"$once" 2>"$once.err"
status=$?
if [ $status = 0 ] && "$adc" "$@" --scalars=0 --emit=ir "$once" >"$twice" 2>"$once.err" && same; then
    echo "1 passed, 0 failed"
else
    echo "$file: the printed graph is not the same when it is compiled again"
    head -5 "$once.err"
    diff "$once" "$twice" | head -20
    echo "0 passed, 1 failed"
fi
rm -f "$once" "$twice" "$once.err"
