return scenario "cometbft-vote-extensions" {
  summary  = "Precommits bear signed vote extensions; one of four stock CometBFT validators signs two of them for one round, and the chain bears the evidence.",
  protocol = "cometbft",
  cluster  = reference { n = 4, clients = 0, id = "turncoat", view_timeout = 1, vote_extensions = 2 },
  attack   = "double-vote",
  args     = { phase = "precommit", since = 3 }, -- height 2 is the first with extensions
  phases   = { before = 1, during = 4, after = 1 },
  expect   = { verdict = "holds", evidence = true },
}
