return scenario "hotstuff-crash-restart" {
  summary  = "Replicas of a correct cluster of hotstuff are killed and restarted, one at a time.",
  protocol = "hotstuff",
  cluster  = reference { n = 4, clients = 4 },
  attack   = "crash-restart",
  phases   = { before = 2, during = 6, after = 3 },
  expect   = { verdict = "holds" },
}
