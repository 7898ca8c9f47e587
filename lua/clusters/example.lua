-- A cluster that runs already: say where each replica really listens, and turncoat says where its peers must dial instead.
--
--   turncoat proxy --cluster lua/clusters/example.lua --dry-run
--   turncoat run silent-leader --cluster lua/clusters/example.lua
--
-- `key` is the file with a replica's secret key: only attacks that sign need it, and only for their traitors. `log` is a
-- file or FIFO with the JSON lines a replica prints; without it the oracles that judge executions have nothing to compare.
return cluster {
  protocol = "pbft",
  id       = "demo",
  f        = 1,
  clients  = 4,
  listen   = "per-destination",
  replicas = {
    { id = 0, address = "127.0.0.1:7000", listen = "127.0.0.1:7100" },
    { id = 1, address = "127.0.0.1:7001", listen = "127.0.0.1:7101" },
    { id = 2, address = "127.0.0.1:7002", listen = "127.0.0.1:7102" },
    { id = 3, address = "127.0.0.1:7003", listen = "127.0.0.1:7103" },
  },
}
