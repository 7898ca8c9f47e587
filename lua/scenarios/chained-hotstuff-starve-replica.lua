return scenario "chained-hotstuff-starve-replica" {
  summary  = "One leader of a correct cluster of chained-hotstuff keeps one backup in the dark.",
  protocol = "chained-hotstuff",
  cluster  = reference { n = 4, clients = 4 },
  attack   = "starve-replica",
  phases   = { before = 2, during = 5, after = 2 },
  expect   = { verdict = "holds" },
}
