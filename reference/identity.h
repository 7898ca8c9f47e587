/* Who proves to be whom on encrypted links: key files below a node's home directory, and the ids made of the keys.
 * Pure: whoever has the files reads them. */
#ifndef TC_IDENTITY_H
#define TC_IDENTITY_H

#include "../proxy/types.h"

#define TC_IDENTITY_ID_SIZE 41

struct tc_identity_class {
    const char *link_file, *signing_file; /* below home: proves who it is to its peers; signs what it says */
    const char *expected;                 /* what such a file is, in words */
    /* The 64-byte key (seed, then public key) in a file's text. TC_EKEY: it holds none. */
    int (*parse)(struct tc_slice text, uint8_t key[static 64]);
    void (*make)(const uint8_t seed[static 32], uint8_t key[static 64]);                  /* a key for the links */
    void (*id)(const uint8_t public_key[static 32], char id[static TC_IDENTITY_ID_SIZE]); /* as peers know it */
};

#endif
