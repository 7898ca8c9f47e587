return scenario "cometbft-silent-leader" {
  summary  = "A CometBFT proposer falls silent for good: its rounds pass, the others decide in the next.",
  protocol = "cometbft",
  cluster  = reference { n = 4, clients = 0, id = "turncoat", view_timeout = 1 },
  attack   = "silent-leader",
  phases   = { before = 1, during = 5, after = 2 },
  expect   = { verdict = "holds" },
}
