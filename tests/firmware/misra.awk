# Findings of cppcheck, less those that doc/misra.md lists as deviations, by their kind and the text of their place: in the
# functions named adc_*; the brackets of `c ? (a / b) : d`, which cppcheck drops before it misses them; what a model says; and
# what cppcheck 2.10 gets wrong.
#   FILE:LINE: ID MESSAGE
function word(text, n,    words) { split(text, words, " "); return words[n] }
function bounded(text) { sub(/^[^;]*; [a-z0-9_]+ < /, "", text); sub(/;.*/, "", text); return text }
# `c ? (.. (c ? ..` , c with or without brackets
function asked_within(text, c,    at) {
    gsub(/ /, "", text)
    at = index(text, c "?(")
    if (!at && (at = index(text, "(" c ")?("))) at += length(c) + 2
    text = substr(text, at + 1)
    return at && (index(text, "(" c "?") || index(text, "(" c ")?"))
}
function indent(text) { match(text, /^ */); return RLENGTH }
function read_file(file,    text, before, n, inside, name, triangle, array) {
    if (file in ends) return
    triangle = 1000
    while ((getline text <file) > 0) {
        n++
        if (text ~ /^static .* adc_[a-z_0-9]*\(/) inside = 1
        helper[file, n] = inside
        if (text ~ /^ *for \(int [a-z0-9_]+ = 0; [a-z0-9_]+ < [a-z0-9_]+; /) bound[bounded(text)] = 1
        if (text ~ /^ *const bool [a-z0-9_]+ = [a-z0-9_]+ > 0;$/) positive[word(text, 3)] = word(text, 5)
        for (name in positive)
            if (positive[name] in bound && index(text, name)) taken[file, n, name] = 1
        for (name in bound)
            if (index(text, name " > 0")) taken[file, n, name ">0"] = 1
        if (text ~ /^ *const bool [a-z0-9_]+ = .*<= .*&& .*>= /) same[word(text, 3)] = 1
        for (name in same)
            if (index(text, name)) {
                taken[file, n, name] = 1
                if (text ~ /^ *const bool [a-z0-9_]+ = /) same[word(text, 3)] = taken[file, n, word(text, 3)] = 1
            }
        if (text ~ /^ *for \(int [a-z0-9_]+ = [a-z]/) triangle = indent(text)
        else if (indent(text) <= triangle) triangle = 1000
        else if (text ~ /^ *[a-z][a-z0-9_]*\[/) {
            array = text
            gsub(/^ *|\[.*/, "", array)
            filled[array] = 1
        }
        for (name in filled)
            if (index(text, name "[")) set[file, n, name] = 1
        line[file, n] = text
        lines[file, n] = before " " text                    # a formula may begin in the line before
        if (text ~ /^ *const int32_t [a-z0-9_]+ = \(int32_t\)\(\(uint32_t\).* - /) difference[word(text, 3)] = 1
        for (name in difference)
            if (index(text, name)) wraps[file, n, name] = 1
        if (text == "}") { delete bound; delete positive; delete same; delete filled; delete difference }
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
    if ($2 == "misra-c2012-12.1" && lines[place[1], place[2]] ~ /\? +\(/) next
    if (/ duplicateExpression Same expression on both sides of '(\/|<=|>=)'\.$/) next
    if (/ duplicateExpression Same expression on both sides of '&&'\.$/ && lines[place[1], place[2]] ~ /<= .*&& .*>= /) next
    if ($2 == "uninitvar" && ((place[1], place[2], $NF) in set)) next
    if ($2 == "unpreciseMathCall" && / 'log\(1 \+ x\)' /) next
    if (/ knownConditionTrueFalse Condition '[0-9]+<=[a-z0-9_]+' is always false$/) {
        name = $4
        gsub(/'|[0-9]+<=/, "", name)
        if ((place[1], place[2], name) in wraps) next
    }
    if (/ knownConditionTrueFalse Condition '[a-z0-9_>]+' is always (true|false)$/) {
        name = $4
        gsub(/'/, "", name)
        if ((place[1], place[2], name) in taken) next
        if (index(line[place[1], place[2]], name " ? ((" name " && ")) next
        if ((index(lines[place[1], place[2]], "(" name " || ") || index(lines[place[1], place[2]], " || " name ")")) && / always true$/) next
    }
    if (match($0, /knownConditionTrueFalse Condition '[^']*' is always true$/)) {
        name = substr($0, RSTART + 35, RLENGTH - 51)
        if (asked_within(lines[place[1], place[2]], name)) next
    }
    print
}
