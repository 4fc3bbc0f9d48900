# What a generated header publishes about a function: awk -v name=F -v what='add mul stack' -f published.awk HEADER
# prints one number for each word.  Nothing said is 0.

function number(pattern) { # the number before or after the words of the pattern
    if (!match(comment, pattern)) return 0
    found = substr(comment, RSTART, RLENGTH)
    gsub(/[^0-9]/, "", found)
    return found
}

/^\/\*/ { comment = "" }
{ line = $0; sub(/^ \*/, "", line); comment = comment " " line; gsub(/ +/, " ", comment) }
$0 ~ "[ *]" name "\\(" {
    n = split(what, words, " ")
    for (i = 1; i <= n; i++) {
        if (words[i] == "stack") value = number("Stack: at most [0-9]+")
        else if (words[i] == "constants") value = number("Constants: [0-9]+")
        else if (words[i] == "work") value = number("Workspace: [0-9]+")
        else value = number("[0-9]+ " words[i])
        printf "%s%d", (i > 1 ? " " : ""), value
    }
    print ""
    exit
}
