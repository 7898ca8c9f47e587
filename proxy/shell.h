/* Words as a POSIX shell reads them: every line that is said to repeat a run can be pasted and typed as it stands. */
#ifndef TC_SHELL_H
#define TC_SHELL_H

#include "types.h"

#define TC_SHELL_LINE_MAX 6144

/* Adds the word to the line, after a space unless the line is empty, quoted if the shell would read it otherwise. A
 * word that does not fit is left out, as are all that follow it, and the line then ends with " …". `line` holds a
 * string; `size` is at least 8. */
void tc_shell_add(char *line, size_t size, const char *word);

/* The same for an option: --NAME, and the value after it as a word of its own; NULL: a flag. */
void tc_shell_option(char *line, size_t size, const char *name, const char *value);

/* Begins a line anew: turncoat, one of its commands, and what that is about. */
void tc_shell_line(char *line, size_t size, const char *command, const char *operand);

#endif
