#!/bin/sh
# An adc and a C compiler for tests of generated C, which then run LLVM's objects without knowing it: this adc writes an object
# beside each C file, and this compiler takes the object in the place of the file.
#   tests/llvm/beside.sh ADC FOLDER: writes FOLDER/adc and FOLDER/cc
set -eu
mkdir -p "$2"
cat >"$2/adc" <<END
#!/bin/sh
out= last=
for word; do [ "\$last" != -o ] || out=\$word; last=\$word; done
"$1" "\$@" || exit
case \$out in *.c) ;; *) exit 0 ;; esac
left=\$# last=
while [ \$left -gt 0 ]; do
    if [ "\$last" = -o ]; then set -- "\$@" "\$1.o"; else set -- "\$@" "\$1"; fi
    last=\$1 left=\$((left - 1))
    shift
done
exec "$1" "\$@" --emit=obj --no-header
END
cat >"$2/cc" <<END
#!/bin/sh
found= out= last=
for word; do [ "\$last" != -o ] || out=\$word; last=\$word; done
case " \$* " in *" -c "*) compiles=1 ;; *) compiles= ;; esac
left=\$#
while [ \$left -gt 0 ]; do
    if [ -f "\$1.o" ]; then found=\$1.o; set -- "\$@" "\$1.o"; else set -- "\$@" "\$1"; fi
    shift
    left=\$((left - 1))
done
[ -z "\$found" ] || echo "\$found" >>"$2/taken"
if [ -n "\$found" ] && [ -n "\$compiles" ]; then exec cp "\$found" "\$out"; fi
exec ${CC:-cc} "\$@"
END
chmod +x "$2/adc" "$2/cc"
: >"$2/taken"
