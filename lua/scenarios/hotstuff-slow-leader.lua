return scenario "hotstuff-slow-leader" {
  summary  = "Proposals come as late as the view timer of a correct cluster of hotstuff allows.",
  protocol = "hotstuff",
  cluster  = reference { n = 4, clients = 4 },
  attack   = "slow-leader",
  phases   = { before = 1, during = 8, after = 1 },
  expect   = { verdict = "holds" },
}
