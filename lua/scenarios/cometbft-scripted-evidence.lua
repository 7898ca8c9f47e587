return scenario "cometbft-scripted-evidence" {
  summary  = "A CometBFT validator votes twice at three heights far apart: the chain bears evidence of these three and of no other.",
  protocol = "cometbft",
  cluster  = reference { n = 4, clients = 0, id = "turncoat", view_timeout = 1, application = "noop" },
  attack   = "double-vote",
  args     = { times = 3, apart = 5 },
  phases   = { before = 1, during = 6, after = 2 },
  expect   = { verdict = "holds", evidence = true },
}
