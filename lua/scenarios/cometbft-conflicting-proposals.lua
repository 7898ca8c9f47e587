return scenario "cometbft-conflicting-proposals" {
  summary  = "A CometBFT proposer shows a validator that is cut off another block than the rest; the cut heals, and all four agree.",
  protocol = "cometbft",
  -- Not kvstore: see cometbft-equivocate-half.
  cluster  = reference { n = 4, clients = 0, id = "turncoat", view_timeout = 1, application = "noop" },
  attack   = "conflicting-proposals",
  phases   = { before = 1, during = 6, after = 9 },
  expect   = { verdict = "holds", evidence = true },
}
