return scenario "cometbft-invalid-precommit" {
  summary  = "A CometBFT validator precommits blocks that do not exist: the other three go on, one block after another.",
  protocol = "cometbft",
  cluster  = reference { n = 4, clients = 0, id = "turncoat", view_timeout = 1 },
  attack   = "invalid-precommit",
  phases   = { before = 1, during = 8, after = 1 },
  expect   = { verdict = "holds" },
}
