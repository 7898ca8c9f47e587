return scenario "cometbft-restart" {
  summary  = "A CometBFT validator is asked to end, and started again: it finds back and has the same blocks as the others.",
  protocol = "cometbft",
  cluster  = reference { n = 4, clients = 0, id = "turncoat", view_timeout = 1 },
  attack   = "perturb-node",
  args     = { how = "restart" },
  phases   = { before = 1, during = 4, after = 10 },
  expect   = { verdict = "holds" },
}
