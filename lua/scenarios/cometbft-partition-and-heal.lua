return scenario "cometbft-partition-and-heal" {
  summary  = "Four CometBFT validators are cut in two, healed, and cut elsewhere.",
  protocol = "cometbft",
  cluster  = reference { n = 4, clients = 0, id = "turncoat", view_timeout = 1 },
  attack   = "partition-and-heal",
  phases   = { before = 1, during = 4, after = 10 },
  expect   = { verdict = "holds" },
}
