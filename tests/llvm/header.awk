# The functions of a header of generated C, made with --prefix=c_, for programs that call them: function_of() of another file is
# called for each `fn`, with the type, name and size of its `parts`.

function is_tape(k) { return size[k] ~ /_TAPE_SIZE$/ }
function is_output(k) { return pointer[k] && !constant[k] && !is_tape(k) }

# One parameter; what its comment says of its size
function parameter(text, elements)
{
    parts++
    size[parts] = elements
    constant[parts] = text ~ /^ *const /
    pointer[parts] = text ~ /\*/
    sub(/^ *(const )?/, "", text)
    sub(/ *$/, "", text)
    type[parts] = name[parts] = text
    sub(/ .*/, "", type[parts])
    sub(/.*[ *]/, "", name[parts])
}

function line_of(text,    elements, count, each, k)
{
    elements = 1
    if (match(text, /\/\* (\+= )?\[[0-9, ]*\]/)) {
        elements = substr(text, RSTART + 3, RLENGTH - 4)
        sub(/.*\[/, "", elements)
        gsub(/, /, " * ", elements)
    } else if (match(text, /\/\* [A-Z0-9_]*_SIZE/))
        elements = substr(text, RSTART + 3, RLENGTH - 3)
    gsub(/\/\*.*\*\/|[;)]/, "", text)
    count = split(text, each, ",")
    for (k = 1; k <= count; k++)
        if (each[k] ~ /[a-z]/ && each[k] !~ /^ *void *$/) parameter(each[k], elements)
}

/^void c_/ {
    fn = $0
    sub(/^void c_/, "", fn)
    sub(/\(.*/, "", fn)
    sub(/^[^(]*\(/, "")
    parts = 0
    inside = 1
}
inside { line_of($0) }
inside && /\;$/ { inside = 0; function_of() }
