# The worst-case stack of a function in an image, from its disassembly (objdump -d, Thumb or RISC-V): every push and
# every subtraction from the stack pointer counts, calls are followed into libm and the soft-float routines, a tail call
# counts as a call.  What cannot be bounded so is a problem and ends in status 1: recursion, a call through a register,
# a stack pointer moved by a register.  Problems go to standard error.
#
# For functions of the files that GCC's call graph (-fcallgraph-info=su) describes, the frame stated there is taken: on
# an M0 a large one is subtracted through a register.
#
#   objdump -d --no-show-raw-insn image | awk -f stack.awk -v roots='f g' model.ci -      prints `f 72`, `g 136`

function registers(list,    parts, n, i, ends, count, sum) { # {r4, r5, lr} or {d8-d10}, in bytes
    gsub(/[{} ]/, "", list)
    n = split(list, parts, ",")
    for (i = 1; i <= n; i++) {
        count = split(parts[i], ends, "-") == 2 ? substr(ends[2], 2) - substr(ends[1], 2) + 1 : 1
        sum += count * (parts[i] ~ /^d/ ? 8 : 4)
    }
    return sum
}

function problem(text) {
    print text >"/dev/stderr"
    problems++
}

function grow(bytes) { frame[current] += bytes }

function call(name) {
    sub(/^</, "", name)
    sub(/>.*/, "", name)
    if (name !~ /\+0x/ && !((current, name) in edge)) {
        edge[current, name] = 1
        callees[current] = callees[current] " " name
    }
}

function depth(name,    parts, n, i, deepest, below) {
    if (name in known) return known[name]
    if (name in open) {
        problem("recursion through " name)
        return 0
    }
    if (!(name in frame)) problem("no code for " name)
    if (name in stated) frame[name] = stated[name]
    else if (name in moved) problem("stack pointer moved by a register in " name)
    if (name in indirect) problem("call through a register in " name)
    open[name] = 1
    n = split(callees[name], parts, " ")
    for (i = 1; i <= n; i++) {
        below = depth(parts[i])
        if (below > deepest) deepest = below
    }
    delete open[name]
    return known[name] = frame[name] + deepest
}

/^node: / {
    split($0, quoted, "\"")
    sub(/.*:/, "", quoted[2])
    if (match($0, /[0-9]+ bytes \(static/)) stated[quoted[2]] = substr($0, RSTART, RLENGTH) + 0
    next
}
/^[0-9a-f]+ <.*>:$/ {
    current = $2
    gsub(/[<>:]/, "", current)
    frame[current] += 0
    next
}
$1 !~ /^[0-9a-f]+:$/ { next }
{ operands = $0; sub(/^[^\t]*\t[^\t]*\t?/, "", operands); target = $0; sub(/^[^<]*/, "", target) }

# Thumb
$2 ~ /^v?push/ { grow(registers(operands)) }
$2 ~ /^stmdb|^stmfd/ && $3 == "sp!," { sub(/^sp!, /, "", operands); grow(registers(operands)) }
$2 ~ /^str/ && /\[sp, #-[0-9]+\]!/ { match($0, /#-[0-9]+/); grow(substr($0, RSTART + 2, RLENGTH - 2)) }
$2 ~ /^subs?w?(\.w)?$/ && $3 == "sp," {
    bytes = operands
    if (sub(/.*#/, "", bytes)) grow(bytes + 0)
    else moved[current] = 1
}
$2 ~ /^add/ && $3 == "sp," && operands !~ /#/ { moved[current] = 1 }
$2 ~ /^blx/ && target == "" { indirect[current] = 1 }
$2 ~ /^blx?$|^b(\.n|\.w)?$/ && target != "" && ($2 ~ /^bl/ || target !~ "^<" current ">") { call(target) }

# RISC-V; the compiler's own save routine returns with the stack pointer moved, so that its bytes are the caller's
$2 ~ /^addi?$/ && operands ~ /^sp,sp,-/ { grow(-substr(operands, 7)) }
$2 ~ /^(add|sub)$/ && operands ~ /^sp,sp,[a-z]/ { moved[current] = 1 }
target ~ /^<__riscv_save_/ { grow(16 * (int(substr(target, 15) / 4) + 1)); next }
target ~ /^<__riscv_restore_/ { next }
$2 == "jalr" && target == "" { indirect[current] = 1 }
$2 ~ /^(jal|jalr|call|tail)$/ && target != "" { call(target) }
$2 == "j" && target !~ "^<" current ">" { call(target) }

END {
    n = split(roots, root, " ")
    for (i = 1; i <= n; i++) print root[i], depth(root[i])
    exit problems > 0
}
