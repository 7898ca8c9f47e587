return scenario "hotstuff-replay-old-view" {
  summary  = "Leaders of a correct cluster of hotstuff are stopped twice; messages of the old views are sent again and again.",
  protocol = "hotstuff",
  cluster  = reference { n = 4, clients = 4 },
  attack   = "replay-old-view",
  phases   = { before = 2, during = 6, after = 2 },
  expect   = { verdict = "holds" },
}
