return scenario "cometbft-split-prevote" {
  summary  = "A CometBFT validator prevotes the block to half of its peers and nothing to the rest: gossip brings both together, and the chain bears the evidence.",
  protocol = "cometbft",
  -- Not kvstore: it may happen at two heights before the first is told, and both be evidence of one block.
  cluster  = reference { n = 4, clients = 0, id = "turncoat", view_timeout = 1, application = "noop" },
  attack   = "split-vote",
  phases   = { before = 0.5, during = 9, after = 2 },
  expect   = { verdict = "holds", evidence = true },
}
