# Findings of cppcheck, less those that doc/misra.md lists as deviations of the functions named adc_*.
#   FILE:LINE: ID MESSAGE
function belongs_to_helper(file, line,    text, n, inside) {
    if (!(file in ends)) {
        ends[file] = 0
        while ((getline text <file) > 0) {
            n++
            if (text ~ /^static .* adc_[a-z_0-9]*\(/) inside = 1
            helper[file, n] = inside
            if (text == "}") inside = 0
        }
        ends[file] = n
        close(file)
    }
    return helper[file, line]
}
{
    split($1, place, ":")
    excused = $2 ~ /^(misra-c2012-(12\.1|12\.3|15\.5|17\.8)|variableScope)$/
    if (excused && belongs_to_helper(place[1], place[2])) next
    print
}
