/* output.c: output files appear whole or not at all.
 *
 * Invariant: a regular file is written under a temporary name in its own folder and renamed when every file of the run
 * is complete; when anything fails, no temporary name stays and earlier contents are untouched. */
#define _POSIX_C_SOURCE 200809L
#define _XOPEN_SOURCE 700
#include "driver.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct Pending {
    const char *path;                                       /* symbolic links resolved */
    char *temporary;                                        /* NULL: written in place (a device), or already renamed */
    char *backup;                                           /* a second link to the earlier file, until all is done */
    bool is_new;
    bool renamed;
} Pending;

static bool is_regular_or_new(const char *path)
{
    struct stat info;
    return stat(path, &info) != 0 || S_ISREG(info.st_mode) || S_ISDIR(info.st_mode);
}

bool output_is_stream(const char *path) { return strcmp(path, "-") == 0 || !is_regular_or_new(path); }

bool output_flush(Context *ctx)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) return true;
    error_plain(ctx, "cannot write to standard output: %s", strerror(errno));
    return false;
}

static bool fail(Context *ctx, const char *path, const char *why)
{
    error_plain(ctx, "cannot write '%s': %s", path, why);
    return false;
}

/* Through a symbolic link we replace the file that it points to, not the link. */
static const char *resolve(Context *ctx, const char *path)
{
    char *real = realpath(path, NULL);
    if (!real) return path;
    const char *copy = str_intern(ctx, real);
    free(real);
    return copy;
}

static bool same_inode(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* The folder that a path names something in, with a slash or a dot at its end. */
static Str folder_of(Context *ctx, const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? str_intern_n(ctx, path, (int)(slash - path) + 1) : str_intern(ctx, ".");
}

/* Also of files that do not exist yet: the same name in the same folder. */
static bool same_file(Context *ctx, const char *a, const char *b)
{
    const char *a_slash = strrchr(a, '/'), *b_slash = strrchr(b, '/');
    bool same_name = strcmp(a_slash ? a_slash + 1 : a, b_slash ? b_slash + 1 : b) == 0;
    return same_inode(a, b) || (same_name && same_inode(folder_of(ctx, a), folder_of(ctx, b)));
}

static bool check_paths(Context *ctx, const char *input, const OutputFile *files, int count)
{
    for (int k = 0; k < count; k++) {
        struct stat info;
        if (same_file(ctx, files[k].path, input)) return fail(ctx, files[k].path, "it is the input file");
        if (stat(files[k].path, &info) == 0 && S_ISDIR(info.st_mode)) return fail(ctx, files[k].path, strerror(EISDIR));
        for (int j = 0; j < k; j++)
            if (same_file(ctx, files[j].path, files[k].path))
                return fail(ctx, files[k].path, "it is also the other output file");
    }
    return true;
}

/* Closes in every case; true when all of the text arrived. */
static bool write_all(FILE *out, const Text *text)
{
    bool good = fwrite(text->text, 1, text->length, out) == text->length;
    if (fflush(out) != 0) good = false;
    int reason = errno;
    if (fclose(out) != 0 && good) return false;
    errno = reason;
    return good;
}

static bool write_stream(Context *ctx, const OutputFile *file)
{
    if (strcmp(file->path, "-") == 0) {
        fwrite(file->text->text, 1, file->text->length, stdout);
        return output_flush(ctx);
    }
    FILE *out = fopen(file->path, "wb");
    if (!out || !write_all(out, file->text)) return fail(ctx, file->path, strerror(errno));
    return true;
}

static bool write_temporary(Context *ctx, const OutputFile *file, Pending *pending)
{
    struct stat info;
    pending->path = resolve(ctx, file->path);
    pending->is_new = stat(pending->path, &info) != 0;
    size_t room = strlen(pending->path) + sizeof ".XXXXXX";
    char *name = arena_alloc(ctx->arena, room);
    snprintf(name, room, "%s.XXXXXX", pending->path);
    int handle = mkstemp(name);
    if (handle < 0) return fail(ctx, file->path, strerror(errno));
    pending->temporary = name;
    mode_t mask = umask(0);                                 /* mkstemp made it private; give it the usual permissions */
    umask(mask);
    fchmod(handle, pending->is_new ? 0666 & ~mask : info.st_mode & 07777);
    FILE *out = fdopen(handle, "wb");
    if (!out || !write_all(out, file->text)) return fail(ctx, file->path, strerror(errno));
    return true;
}

/* Keeps the earlier file reachable so that a failure with the next file can be undone. */
static void keep_backup(Context *ctx, Pending *pending)
{
    if (pending->is_new) return;
    size_t room = strlen(pending->temporary) + sizeof "~";
    char *backup = arena_alloc(ctx->arena, room);
    snprintf(backup, room, "%s~", pending->temporary);
    if (link(pending->path, backup) == 0) pending->backup = backup;
}

static bool put_in_place(Context *ctx, Pending *pending)
{
    keep_backup(ctx, pending);
    if (rename(pending->temporary, pending->path) != 0) return fail(ctx, pending->path, strerror(errno));
    pending->renamed = true;
    return true;
}

static void finish(Pending *pending, bool good)
{
    if (pending->temporary && !pending->renamed) unlink(pending->temporary);
    if (!good && pending->renamed && pending->is_new) unlink(pending->path);
    if (!good && pending->renamed && pending->backup) rename(pending->backup, pending->path);
    else if (pending->backup) unlink(pending->backup);
}

bool output_write(Context *ctx, const char *input, const OutputFile *files, int count)
{
    if (!check_paths(ctx, input, files, count)) return false;
    Pending *pending = NEW_ARRAY(ctx->arena, Pending, count);
    bool good = true;
    for (int k = 0; k < count && good; k++)
        good = output_is_stream(files[k].path) ? write_stream(ctx, &files[k])
                                               : write_temporary(ctx, &files[k], &pending[k]);
    for (int k = 0; k < count && good; k++)
        if (pending[k].temporary) good = put_in_place(ctx, &pending[k]);
    for (int k = 0; k < count; k++) finish(&pending[k], good);
    return good;
}
