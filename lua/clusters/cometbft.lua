-- A CometBFT network that runs already. README, "CometBFT", makes one from nothing. Copy this to beside its homes, then
--
--   turncoat run double-vote --cluster cometbft.lua --dry-run     which address stands for which link, and the ids
--   turncoat run double-vote --cluster cometbft.lua
--
-- In each node's config.toml: persistent_peers = "ID@127.(64+i).j.1:PORT,…", where i is this node, j its peer with a higher
-- number, PORT the peer's own plus 10000; pex = false, addr_book_strict = false, allow_duplicate_ip = true,
-- log_format = "json".
--
-- `id` is the chain_id of genesis.json. `address` is [p2p] laddr.
-- `home` (a path from where this file stands) has config/node_key.json and config/priv_validator_key.json, mode 0600: its
-- peers see the node's own id, and its traitor signs with its key. Where the latter is absent, say `public_key` as well: such
-- a replica can be no traitor that signs.
-- Without `home` its peers see an identity of turncoat's, whose id --dry-run prints; `public_key`, the validator's key in
-- hexadecimal digits, is then what tells its votes from another's.
-- `log` (likewise a path from where this file stands) is the file into which the node's output goes: decisions and halts are
-- read there. `rpc` is [rpc] laddr: decisions, state, members and evidence are asked for there, beside `log` or in its place.
return cluster {
  protocol = "cometbft",
  id       = "chain-abcdef",
  n        = 4,
  f        = 1,
  replicas = {
    -- { id = 0, address = "127.0.0.1:26600", log = "net/node0.log",
    --   public_key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a" },
    { id = 0, address = "127.0.0.1:26600", home = "net/node0", log = "net/node0.log", rpc = "127.0.0.1:26700" },
    { id = 1, address = "127.0.0.1:26601", home = "net/node1", log = "net/node1.log", rpc = "127.0.0.1:26701" },
    { id = 2, address = "127.0.0.1:26602", home = "net/node2", log = "net/node2.log", rpc = "127.0.0.1:26702" },
    { id = 3, address = "127.0.0.1:26603", home = "net/node3", log = "net/node3.log", rpc = "127.0.0.1:26703" },
  },
}
