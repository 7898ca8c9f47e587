return scenario "cometbft-correct" {
  summary  = "Four stock CometBFT validators with nothing done to them: every message decodes, every vote verifies, the chain grows.",
  protocol = "cometbft",
  cluster  = reference { n = 4, clients = 0, id = "turncoat", view_timeout = 1 },
  phases   = { before = 1, during = 3, after = 1 },
}
