# Findings of cppcheck, less those that doc/misra.md lists as deviations: in the functions named adc_*; the brackets of
# `c ? (a / b) : d`, which cppcheck drops before it misses them; `x / x`, which is what a model says; and that `t > 0` is
# always false behind a loop that t bounds, of which cppcheck 2.10 thinks that it was never taken.
#   FILE:LINE: ID MESSAGE
function word(text, n,    words) { split(text, words, " "); return words[n] }
function bounded(text) { sub(/^[^;]*; [a-z0-9_]+ < /, "", text); sub(/;.*/, "", text); return text }
function read_file(file,    text, before, n, inside) {
    if (file in ends) return
    while ((getline text <file) > 0) {
        n++
        if (text ~ /^static .* adc_[a-z_0-9]*\(/) inside = 1
        helper[file, n] = inside
        brackets[file, n] = (before " " text) ~ /\? +\(/    # they may begin in the line before
        if (text ~ /^ *for \(int [a-z0-9_]+ = 0; [a-z0-9_]+ < [a-z0-9_]+; /) bound[file, bounded(text)] = 1
        if (text ~ /^ *const bool [a-z0-9_]+ = [a-z0-9_]+ > 0;$/) positive[file, word(text, 3)] = word(text, 5)
        before = text
        if (text == "}") inside = 0
    }
    ends[file] = n
    close(file)
}
{
    split($1, place, ":")
    read_file(place[1])
    excused = $2 ~ /^(misra-c2012-(12\.1|12\.3|14\.1|15\.5|17\.8)|variableScope)$/
    if (excused && helper[place[1], place[2]]) next
    if ($2 == "misra-c2012-12.1" && brackets[place[1], place[2]]) next
    if (/ duplicateExpression Same expression on both sides of '\/'\.$/) next
    if (/ knownConditionTrueFalse Condition '[a-z0-9_]+' is always false$/) {
        name = $4
        gsub(/'/, "", name)
        if ((place[1], name) in positive && (place[1], positive[place[1], name]) in bound) next
    }
    print
}
