return scenario "cometbft-starve-replica" {
  summary  = "A CometBFT validator is kept in the dark by one peer; gossip brings it what it needs.",
  protocol = "cometbft",
  cluster  = reference { n = 4, clients = 0, id = "turncoat", view_timeout = 1 },
  attack   = "starve-replica",
  phases   = { before = 1, during = 4, after = 2 },
  expect   = { verdict = "holds" },
}
