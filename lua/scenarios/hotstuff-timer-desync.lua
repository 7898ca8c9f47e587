return scenario "hotstuff-timer-desync" {
  summary  = "Replicas of a correct cluster of hotstuff are let into views at different times: they meet again.",
  protocol = "hotstuff",
  cluster  = reference { n = 4, clients = 4 },
  attack   = "timer-desync",
  phases   = { before = 2, during = 8, after = 4 },
  expect   = { verdict = "holds" },
}
