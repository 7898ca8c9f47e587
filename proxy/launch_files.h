/* Directories of a launch. An edge. */
#ifndef TC_LAUNCH_FILES_H
#define TC_LAUNCH_FILES_H

#include "error.h"

/* Makes a directory and those above it; one that is there is fine. TC_EIO with the path. */
int tc_make_directories(const char *path, struct tc_error *err);

/* Removes a directory and all in it, or a file; follows no links. What is not there is fine. TC_EIO with the path. */
int tc_remove_tree(const char *path, struct tc_error *err);

#endif
