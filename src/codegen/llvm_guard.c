/* llvm_guard.c: LLVM at work in a process of its own.
 *
 * For a target that it does not do well LLVM ends the process, with a message or without: what cannot be made must be an error of
 * the command line, and no output file. */
#define _POSIX_C_SOURCE 200809L
#include "llvm_build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STATUS_MESSAGE = 3, STATUS_INTERNAL = 70 };          /* of the process: adc has said what is wrong */

static void copy_file(FILE *from, FILE *to)
{
    char bytes[4096];
    size_t count;
    rewind(from);
    while ((count = fread(bytes, 1, sizeof bytes, from)) > 0)
        fwrite(bytes, 1, count, to);
}

static void take_file(FILE *from, Text *out)
{
    int byte;
    rewind(from);
    while ((byte = getc(from)) != EOF)
        text_char(out, (char)byte);
}

static _Noreturn void child(Work *work, void *user, Text *out, FILE *result, FILE *said)
{
    bool shown = dup2(fileno(said), STDERR_FILENO) >= 0, good = work(user, out);
    bool written = fwrite(out->text, 1, out->length, result) == out->length && fflush(result) == 0;
    fflush(stderr);
    _exit(good && written ? 0 : shown && !good ? STATUS_MESSAGE : 1);
}

static bool judge(Context *ctx, int status, FILE *result, FILE *said, Text *out)
{
    char line[200] = "it breaks down";
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    if (code == 0) {
        take_file(result, out);
        return true;
    }
    if (code == STATUS_MESSAGE || code == STATUS_INTERNAL) {
        copy_file(said, ctx->messages);
        ctx->error_count++;
        if (code == STATUS_INTERNAL)
            exit(code);
        return false;
    }
    rewind(said);
    if (fgets(line, sizeof line, said))
        line[strcspn(line, "\n")] = '\0';
    error_plain(ctx, "LLVM cannot make this for the target: %s", line);
    return false;
}

bool guarded(Context *ctx, Work *work, void *user, Text *out)
{
    FILE *result = tmpfile(), *said = tmpfile();
    fflush(NULL);
    pid_t process = result && said ? fork() : -1;
    if (process == 0)
        child(work, user, out, result, said);
    int status = 0;
    while (process > 0 && waitpid(process, &status, 0) < 0)
        if (errno != EINTR)
            status = -1;
    bool good = process > 0 ? judge(ctx, status, result, said, out) : work(user, out);
    if (result)
        fclose(result);
    if (said)
        fclose(said);
    return good;
}
