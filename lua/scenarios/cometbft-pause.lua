return scenario "cometbft-pause" {
  summary  = "A CometBFT validator is frozen for two seconds: it finds back and has the same blocks as the others.",
  protocol = "cometbft",
  cluster  = reference { n = 4, clients = 0, id = "turncoat", view_timeout = 1 },
  attack   = "perturb-node",
  args     = { how = "pause" },
  phases   = { before = 1, during = 4, after = 10 },
  expect   = { verdict = "holds" },
}
