-- A cluster that runs already: say where each replica really listens, and turncoat says where its peers must dial instead.
--
--   turncoat proxy --cluster lua/clusters/example.lua --dry-run
--   turncoat run silent-leader --cluster lua/clusters/example.lua
--
-- `public_key` is what a replica's signatures are checked with, 64 hexadecimal digits. `key` is the file with its secret
-- key (a path from where this file stands): only attacks that sign need it, and only for their traitors; the public key
-- follows from it. Of a replica with neither, signatures cannot be checked: nothing it signed can then be held against it.
-- `log` is a file or FIFO with the JSON lines a replica prints; without it the oracles that judge executions have nothing
-- to compare. 'turncoat help api' says what else may stand here.
return cluster {
  protocol = "pbft",
  id       = "demo",
  f        = 1,
  clients  = 4,
  listen   = "per-destination",
  replicas = {
    -- { id = 0, address = "127.0.0.1:7000", listen = "127.0.0.1:7100", key = "replica-0.key", log = "replica-0.log",
    --   public_key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a" },
    { id = 0, address = "127.0.0.1:7000", listen = "127.0.0.1:7100" },
    { id = 1, address = "127.0.0.1:7001", listen = "127.0.0.1:7101" },
    { id = 2, address = "127.0.0.1:7002", listen = "127.0.0.1:7102" },
    { id = 3, address = "127.0.0.1:7003", listen = "127.0.0.1:7103" },
  },
}
