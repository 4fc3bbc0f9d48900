#!/bin/sh
# The rules that generated C keeps, on all C that other sections of tests/run write, whatever their options.
#   tests/written.sh ADC SCRATCH SECTION...
# They run with an adc that keeps a copy of each file and its header, in a folder named after the text.  As names of functions
# occur more than once, each text is judged by itself.  MISRA and QUICK as in firmware/gate.sh; JOBS: how many at a time.
# Prints what is broken, and `N passed, N failed`.
set -u
LC_ALL=C; export LC_ALL
tests=$(cd "$(dirname "$0")" && pwd)
adc=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
rm -rf "$2"
mkdir -p "$2/texts"
scratch=$(cd "$2" && pwd)
shift 2

cat >"$scratch/adc" <<END
#!/bin/sh
out= last=
for word; do [ "\$last" != -o ] || out=\$word; last=\$word; done
"$adc" "\$@"
status=\$?
case \$status,\$out in 0,*.c) ;; *) exit \$status ;; esac
[ -f "\$out" ] || exit 0
header=\$(sed -n '1,9s/^#include "\(.*\)"\$/\1/p' "\$out")
folder="$scratch/texts/"\$(cat "\$out" \${header:+"\$(dirname "\$out")/\$header"} | sed 1d | cksum | tr -d ' ')
mkdir "\$folder" 2>/dev/null || exit 0
name=\$folder/\$(basename "\$out" .c)
[ -z "\$header" ] || cp "\$(dirname "\$out")/\$header" "\$name.h"
sed '1,9s/^#include ".*"\$/#include "'"\$(basename "\$name")"'.h"/' "\$out" >"\$name.c"
END
chmod +x "$scratch/adc"
sh "$tests/run" "$scratch/adc" "$scratch/sections" "$@" >"$scratch/sections.log" 2>&1 || sed '$d' "$scratch/sections.log"

# The first line of a text says with which options it was made.
judge='case $(head -1 "$2") in *--real=float*) real=float ;; *) real=double ;; esac
case $(head -1 "$2") in *--work=static*) STATE=work; export STATE ;; esac
sh "$0" $real "$1" "$2" >"$2.log" 2>&1 || head -1 "$2" >>"$2.log"
cat "$2.log"'
EXTERNS=$(find "$tests" "$tests/../examples" -name '*.ad' -exec sed -n 's/^extern fn \([A-Za-z0-9_]*\).*/\1/p' {} + | tr '\n' ' ')
export EXTERNS
find "$scratch/texts" -name '*.c' | xargs -P "${JOBS:-2}" -n 1 sh -c "$judge" "$tests/firmware/gate.sh" "$scratch" |
    awk '/^[0-9]+ passed, [0-9]+ failed$/ { p += $1; f += $3; next } { print } END { print p + 0 " passed, " f + 0 " failed"; exit f > 0 }'
