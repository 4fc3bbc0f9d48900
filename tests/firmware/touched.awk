# With ../llvm/header.awk, from a header: a program that calls each function that has a workspace, with random inputs and two
# contents of it.  What is the same after both was written: that must be all of it, and nothing beside it.

function function_of(    k, text, arguments, work)
{
    for (k = 1; k <= parts; k++) {
        if (size[k] ~ /_WORK_SIZE$/) {
            work = k
            arguments = arguments ", &work[pass][GUARD]"
            continue
        }
        text = text "    static " type[k] " at_" k "[" size[k] "];\n    FILL(at_" k ", \"" name[k] "\");\n"
        arguments = arguments ", " (pointer[k] ? "at_" k : "at_" k "[0]")
    }
    if (!work) return
    functions = functions "static void try_" fn "(int round)\n{\n" text "    static " type[work] " work[2][" size[work] \
        " + 2 * GUARD];\n    for (int pass = 0; pass < 2; pass++) {\n" \
        "        memset(work[pass], pass ? 0xA5 : 0x5A, sizeof work[pass]);\n        c_" fn "(" substr(arguments, 3) ");\n    }\n" \
        "    touched_judge(work[0], work[1], sizeof *work[0], " size[work] ", \"" fn "\");\n}\n\n"
    calls = calls "        try_" fn "(round);\n"
}

END {
    print "#include \"c_model.h\"\n#include \"swap.h\"\n#include \"touched.h\"\n"
    printf "%s", functions
    print "int main(void)\n{\n    for (int round = 0; round < ROUNDS; round++) {"
    printf "%s", calls
    print "    }\n    return touched_end();\n}"
}
