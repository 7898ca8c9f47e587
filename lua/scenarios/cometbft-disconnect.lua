return scenario "cometbft-disconnect" {
  summary  = "A CometBFT validator loses all its connections for ten seconds: it finds back and has the same blocks as the others.",
  protocol = "cometbft",
  cluster  = reference { n = 4, clients = 0, id = "turncoat", view_timeout = 1 },
  attack   = "perturb-node",
  args     = { how = "disconnect", down = 10 },
  phases   = { before = 1, during = 12, after = 14 },
  expect   = { verdict = "holds" },
}
