# With header.awk, from a header: a program that calls each function in two objects, as c_NAME and as
# l_NAME, with the same random inputs, and compares all outputs.  A tape that is read is the one that was written last.

function call(side,    k, text)
{
    for (k = 1; k <= parts; k++)
        text = text (k > 1 ? ", " : "") (is_tape(k) ? side "_tape" : is_output(k) ? side "_" k : pointer[k] ? "in_" k : "in_" k "[0]")
    return "    " side "_" fn "(" text ");\n"
}

function function_of(    k, before, after)
{
    for (k = 1; k <= parts; k++) {
        if (is_tape(k)) { tape_type = type[k]; tape_size = tape_size " + " size[k]; continue }
        if (is_output(k)) {
            before = before "    static " type[k] " c_" k "[" size[k] "], l_" k "[" size[k] "];\n"
            before = before "    FILL(c_" k ", \"" name[k] "\"), FILL(l_" k ", \"" name[k] "\");\n"
            if (size[k] !~ /_WORK_SIZE$/) after = after "    COMPARE(c_" k ", l_" k ", \"" fn ": " name[k] "\");\n"
        } else
            before = before "    static " type[k] " in_" k "[" size[k] "];\n    FILL(in_" k ", \"" name[k] "\");\n"
    }
    functions = functions "static void try_" fn "(int round)\n{\n    (void)round;\n" before call("c") call("l") after "}\n\n"
    calls = calls "        try_" fn "(round);\n"
}

END {
    print "#include \"c_model.h\"\n#include \"l_model.h\"\n#include \"swap.h\"\n"
    if (tape_size) print "static " tape_type " c_tape[1" tape_size "], l_tape[1" tape_size "];\n"
    printf "%s", functions
    print "int main(void)\n{\n    for (int round = 0; round < ROUNDS; round++) {"
    printf "%s", calls
    print "    }\n    return swap_end();\n}"
}
