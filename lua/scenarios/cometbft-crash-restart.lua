return scenario "cometbft-crash-restart" {
  summary  = "CometBFT validators are killed at random times and started again, one at a time.",
  protocol = "cometbft",
  cluster  = reference { n = 4, clients = 0, id = "turncoat", view_timeout = 1 },
  attack   = "crash-restart",
  phases   = { before = 1, during = 4, after = 10 },
  expect   = { verdict = "holds" },
}
