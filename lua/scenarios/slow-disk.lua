return scenario "slow-disk" {
  summary  = "Replicas crash while one has a slow disk, and what was not synced is lost each time: nobody contradicts what it said before.",
  protocol = "pbft",
  cluster  = reference { n = 4, clients = 4 },
  attack   = "crash-restart",
  phases   = { before = 2, during = 6, after = 3 },
  disk     = { sync = uniform(0.0002, 0.001), slow = { nodes = { 2 }, by = 0.02 }, unsynced = "lost" },
  expect   = { verdict = "holds" },
}
