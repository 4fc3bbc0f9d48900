# cppcheck's MISRA addon on many files in one process; cppcheck itself starts it once for each, which takes longer than most.
#   misra.py ADDON RULES FILE...
# ADDON: the addon, misra.py; RULES, with commas: those that are not asked; each FILE has its FILE.dump beside it.  What no other
# file is needed for is judged for each file by itself.  Prints FILE:LINE: misra-c2012-RULE.
import contextlib
import io
import os
import re
import sys

addon, rules, files = sys.argv[1], sys.argv[2], sys.argv[3:]
sys.path.insert(0, os.path.dirname(addon))
sys.dont_write_bytecode = True
import misra

settings = misra.MisraSettings(misra.get_args_parser().parse_args(["--quiet", "--no-summary"]))


def findings(file):
    checker = misra.MisraChecker(settings)
    checker.path_premium_addon = None
    checker.setSuppressionList(rules)
    said, summary = io.StringIO(), file + ".ctu-info"
    if os.path.exists(summary):                 # the addon appends to it
        os.remove(summary)
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        checker.parseDump(file + ".dump")
        checker.analyse_ctu_info([summary])
    os.remove(summary)
    for line in said.getvalue().splitlines():
        found = re.match(r"\[(.*:\d+)\].*\[(misra-[^]]*)\]$", line)
        yield "%s: %s" % found.groups() if found else "%s:0: %s" % (file, line)


for file in files:
    for line in findings(file):
        print(line)
