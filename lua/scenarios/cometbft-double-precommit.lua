return scenario "cometbft-double-precommit" {
  summary  = "One of four stock CometBFT validators signs two precommits for one round: the chain stays safe, grows, and bears the evidence.",
  protocol = "cometbft",
  cluster  = reference { n = 4, clients = 0, id = "turncoat", view_timeout = 1 },
  attack   = "double-vote",
  args     = { phase = "precommit" },
  phases   = { before = 1, during = 4, after = 1 },
  expect   = { verdict = "holds", evidence = true },
}
