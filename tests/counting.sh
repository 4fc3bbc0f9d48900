# counting.sh: for scripts that run commands, each of which should succeed.  Read with `.`, after $scratch is set.
passed=0 failed=0

# check WHAT COMMAND...: the command succeeds; its output is shown when it does not
check() {
    what=$1
    shift
    if "$@" >"$scratch/log" 2>&1; then passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "$what"
        tail -20 "$scratch/log"
    fi
}

# The last line of the script, and its status.
report() {
    echo "$passed passed, $failed failed"
    [ $failed -eq 0 ]
}
