return scenario "chained-hotstuff-timer-desync" {
  summary  = "Replicas of a correct cluster of chained-hotstuff are let into views at different times: they meet again.",
  protocol = "chained-hotstuff",
  cluster  = reference { n = 4, clients = 4 },
  attack   = "timer-desync",
  phases   = { before = 2, during = 8, after = 4 },
  expect   = { verdict = "holds" },
}
