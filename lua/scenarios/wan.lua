return scenario "wan" {
  summary  = "A correct cluster over four regions of the world: a decision takes as long as its three rounds are on their way.",
  protocol = "pbft",
  cluster  = reference { n = 4, clients = 4, view_timeout = 2 },
  phases   = { before = 4, during = 4, after = 2 },
  network  = {
    latency = regions {
      replicas = { "virginia", "ireland", "tokyo", "sydney" },
      clients  = { "virginia" },
      links    = {
        { "virginia", "ireland", 0.034 }, { "virginia", "tokyo", 0.073 }, { "virginia", "sydney", 0.099 },
        { "ireland",  "tokyo",   0.101 }, { "ireland",  "sydney", 0.127 }, { "tokyo",   "sydney", 0.052 },
      },
      jitter   = 0.1,
    },
    bandwidth = 12.5e6, -- 100 Mbit/s
  },
  disk     = { sync = uniform(0.0005, 0.002) },
  clocks   = { { node = 1, offset = 0.2, drift = 0.00005 }, { node = 3, offset = 0.05, drift = -0.0001 } },
  expect   = { verdict = "holds" },
}
