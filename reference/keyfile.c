/* Key files: 64 hexadecimal digits, for their owner's eyes only. */
#define _GNU_SOURCE
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_DIGITS (2 * TC_SECRET_SEED_SIZE)

static int read_whole(int fd, char *buffer, size_t size)
{
    size_t used = 0;
    while (used < size) {
        ssize_t n = read(fd, buffer + used, size - used);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return TC_EIO;
        if (n == 0)
            break;
        used += (size_t)n;
    }
    return (int)used;
}

static int parse_digits(const char *text, int len, uint8_t seed[static TC_SECRET_SEED_SIZE])
{
    size_t bytes;
    const char *end;
    if (len != KEY_DIGITS && !(len == KEY_DIGITS + 1 && text[KEY_DIGITS] == '\n'))
        return TC_EUSAGE;
    if (sodium_hex2bin(seed, TC_SECRET_SEED_SIZE, text, KEY_DIGITS, NULL, &bytes, &end) != 0)
        return TC_EUSAGE;
    return bytes == TC_SECRET_SEED_SIZE ? 0 : TC_EUSAGE;
}

int tc_key_read(const char *path, uint8_t seed[static TC_SECRET_SEED_SIZE], struct tc_error *err)
{
    char text[KEY_DIGITS + 2];
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return tc_error_set(err, TC_EKEY, "%s: cannot read the key: %s", path, strerror(errno));
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return tc_error_set(err, TC_EKEY, "%s: cannot read the key: expected a file, found a directory or the like",
                            path);
    }
    if ((st.st_mode & 077) != 0) {
        close(fd);
        return tc_error_set(err, TC_EKEY, "%s: expected mode 0600, found %04o: others could read the key; chmod 600 it",
                            path, (unsigned)st.st_mode & 07777);
    }
    int len = read_whole(fd, text, sizeof text);
    close(fd);
    if (len < 0)
        return tc_error_set(err, TC_EKEY, "%s: cannot read the key: %s", path, strerror(errno));
    int rc = parse_digits(text, len, seed);
    sodium_memzero(text, sizeof text);
    if (rc < 0) {
        sodium_memzero(seed, TC_SECRET_SEED_SIZE);
        return tc_error_set(err, rc, "%s: expected %d hexadecimal digits and nothing else", path, KEY_DIGITS);
    }
    return 0;
}

int tc_key_write(const char *path, const uint8_t seed[static TC_SECRET_SEED_SIZE], struct tc_error *err)
{
    char text[KEY_DIGITS + 1];
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return tc_error_set(err, TC_EIO, "%s: cannot make the key file: %s", path, strerror(errno));
    sodium_bin2hex(text, sizeof text, seed, TC_SECRET_SEED_SIZE);
    text[KEY_DIGITS] = '\n';
    /* fchmod: the file may have been there with another mode */
    bool ok = fchmod(fd, 0600) == 0 && write(fd, text, sizeof text) == (ssize_t)sizeof text;
    sodium_memzero(text, sizeof text);
    if (close(fd) < 0)
        ok = false;
    return ok ? 0 : tc_error_set(err, TC_EIO, "%s: cannot write the key file: %s", path, strerror(errno));
}
