/* The files of a CometBFT node's home directory, as text. Pure: the launcher writes them. */
#ifndef TC_COMETBFT_HOME_H
#define TC_COMETBFT_HOME_H

#include "../crypto.h"
#include "../identity.h"

/* A validator with its two keys, each as libsodium has it: seed, then public key. */
struct tc_cometbft_node {
    uint8_t validator_key[64]; /* signs votes */
    uint8_t node_key[64];      /* proves who is at the other end of a connection */
    char id[41];               /* of the node key */
};

struct tc_cometbft_net {
    const char *chain_id;
    const struct tc_cometbft_node
        *nodes; /* in the order of their validators' addresses: then replica i is validator i */
    uint32_t count;
    uint32_t vote_extensions_height; /* 0: none */
};

/* What one node is told of its surroundings. */
struct tc_cometbft_place {
    uint32_t index;
    const char *p2p_address, *rpc_address; /* host:port */
    const char *persistent_peers;          /* id@host:port,… */
    const char *application;               /* "kvstore", "noop" */
    uint64_t propose_ns;                   /* first timeout; votes wait for three tenths of it, commits for a fifth */
};

/* Makes both keys of a node from seeds. */
void tc_cometbft_node_make(struct tc_cometbft_node *node, const uint8_t validator_seed[static 32],
                           const uint8_t node_seed[static 32]);

/* Sorts nodes by their validators' addresses, which is the order of a validator set of equal powers. */
void tc_cometbft_node_sort(struct tc_cometbft_node *nodes, uint32_t count);

/* Each writes one file's text into `out` (size bytes, NUL-terminated); its length, or TC_ELIMIT if it does not fit. */
int tc_cometbft_genesis(const struct tc_cometbft_net *net, char *out, size_t size);
int tc_cometbft_validator_key(const struct tc_cometbft_node *node, char *out, size_t size);
int tc_cometbft_node_key(const struct tc_cometbft_node *node, char *out, size_t size);
int tc_cometbft_config(const struct tc_cometbft_place *place, char *out, size_t size);

/* Reads the 64-byte secret key (base64) of a node_key.json or priv_validator_key.json. TC_EKEY: what was expected. */
int tc_cometbft_key_parse(struct tc_slice text, uint8_t key[static 64]);

/* config/node_key.json and config/priv_validator_key.json. */
extern const struct tc_identity_class tc_cometbft_identities;

#endif
